"""Which licence a child may carry, given its parents'; the table is `genome.licence`.

An owner is not bound by a licence on its own work, but by those of everybody else in the line,
however far up. What is not in the table binds like a licence that gives no rights at all.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from genome import licence as expressions
from genome.errors import LicenceTextError
from genome.licence import terms_of
from marketplace.errors import LicenceConflictError, LicenceError


@dataclass(frozen=True, slots=True)
class Ancestor:
    """A licence somewhere up the line, and whose layer carries it."""

    listing: str
    owner: str
    licence: str


def check_licence(value: object) -> str:
    """The expression in SPDX's spelling, when the market can judge it; "" = none stated.

    Raises:
        LicenceError: It is no expression, or names what is no licence.
    """
    try:
        stated = expressions.canonical(value)
        expressions.alternatives(stated)
    except LicenceTextError as error:
        raise LicenceError(str(error)) from None
    return stated


def alternatives(licence: str) -> tuple[frozenset[str], ...]:
    """The ways to read an expression, each a set of licences that bind together.

    Raises:
        LicenceError: As `check_licence`.
    """
    return expressions.alternatives(check_licence(licence))


def is_commercial(licence: str) -> bool:
    """Whether a licence is stated and does not forbid commercial use."""
    return bool(licence) and any(
        not any(terms_of(name).non_commercial for name in option)
        for option in alternatives(licence)
    )


def check_inheritance(child: str, owner: str, line: Iterable[Ancestor]) -> None:
    """Refuse a licence that takes more than somebody else up the line gives.

    Args:
        child: The new layer's licence, already checked.
        owner: Who publishes it; bound by everybody's licence but its own.
        line: All ancestors, however far up.

    Raises:
        LicenceConflictError: The message names the ancestor, its rule and what to write.
    """
    offered = alternatives(child)
    for ancestor in line:
        if ancestor.owner == owner:
            continue
        options = alternatives(ancestor.licence)
        for carried in offered:  # whoever takes the child may choose any of them
            objections = [_objection(carried, option) for option in options]
            if None not in objections:
                raise LicenceConflictError(
                    f"{_named(ancestor.licence)} of {ancestor.listing!r} by {ancestor.owner!r}"
                    f" {objections[0]}, the new layer is under {_named(child)}"
                )


def _objection(carried: frozenset[str], option: frozenset[str]) -> str | None:
    """Why a child under these licences breaks a parent's option; None if it does not."""
    for name in sorted(option):
        terms = terms_of(name)
        if not terms.derivatives:
            return "allows no layers made from it: ask its owner for another licence"
        if terms.share_as and not carried & terms.share_as:
            return f"must be passed on: publish under {' or '.join(sorted(terms.share_as)[:4])}"
        if terms.non_commercial and not any(terms_of(c).non_commercial for c in carried):
            return "forbids commercial use: publish under a -NC- licence as well"
    return None


def _named(licence: str) -> str:
    return f"licence {licence}" if licence else "no stated licence"
