"""Which licence a child may carry, given its parents': SPDX names and four obligations.

    permissive      MIT, Apache-2.0, CC-BY-4.0 ...      binds no child (credit is in the lineage)
    share-alike     GPL, CC-BY-SA, MPL, ODbL ...        the child carries it, or one it allows
    non-commercial  CC-BY-NC ...                        the child must be non-commercial too
    use limits      OpenRAIL                            the child must repeat them
    no derivatives  CC-BY-ND, none stated, proprietary  no child by anybody else

An owner is not bound by a licence on its own work, but by those of everybody else in the line,
however far up. `A OR B` lets a child's maker choose; `A AND B` binds by both; an exception
(`WITH`) only adds freedom and is not relied upon. What is not in the table is refused: a guess
about somebody's rights would be worse than a question.

This is a rule of this market, in the spirit of the licences, and not legal advice.
"""

import difflib
import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from itertools import product

from marketplace.errors import LicenceConflictError, LicenceError

MAX_ALTERNATIVES = 64


@dataclass(frozen=True, slots=True)
class Terms:
    """What one licence asks of a child."""

    derivatives: bool = True
    share_as: frozenset[str] = frozenset()
    """Licences a child may carry; empty = any."""
    non_commercial: bool = False
    use_limits: bool = False


@dataclass(frozen=True, slots=True)
class Ancestor:
    """A licence somewhere up the line, and whose layer carries it."""

    listing: str
    owner: str
    licence: str


def _shared(*allowed: str, non_commercial: bool = False) -> Terms:
    return Terms(share_as=frozenset(allowed), non_commercial=non_commercial)


_GPL3 = ("GPL-3.0-only", "GPL-3.0-or-later", "AGPL-3.0-only", "AGPL-3.0-or-later")
_GPL2_LATER = ("GPL-2.0-only", "GPL-2.0-or-later", *_GPL3)
_LGPL3 = ("LGPL-3.0-only", "LGPL-3.0-or-later", *_GPL3)
_NC, _ND = Terms(non_commercial=True), Terms(derivatives=False)

PERMISSIVE = (
    "0BSD", "Apache-2.0", "BSD-2-Clause", "BSD-3-Clause", "BSL-1.0", "CC-BY-2.0", "CC-BY-3.0",
    "CC-BY-4.0", "CC0-1.0", "CDLA-Permissive-1.0", "CDLA-Permissive-2.0", "ISC", "MIT", "MIT-0",
    "ODC-By-1.0", "PDDL-1.0", "Unlicense", "Zlib",
)  # fmt: skip
TERMS: dict[str, Terms] = {
    **dict.fromkeys(PERMISSIVE, Terms()),
    "CC-BY-SA-3.0": _shared("CC-BY-SA-3.0", "CC-BY-SA-4.0"),
    "CC-BY-SA-4.0": _shared("CC-BY-SA-4.0", "GPL-3.0-only", "GPL-3.0-or-later"),
    "GPL-2.0-only": _shared("GPL-2.0-only"),
    "GPL-2.0-or-later": _shared(*_GPL2_LATER),
    "GPL-3.0-only": _shared(*_GPL3),
    "GPL-3.0-or-later": _shared(*_GPL3),
    "AGPL-3.0-only": _shared("AGPL-3.0-only", "AGPL-3.0-or-later"),
    "AGPL-3.0-or-later": _shared("AGPL-3.0-only", "AGPL-3.0-or-later"),
    "LGPL-2.1-only": _shared("LGPL-2.1-only", *_GPL2_LATER),
    "LGPL-2.1-or-later": _shared("LGPL-2.1-only", "LGPL-2.1-or-later", *_GPL2_LATER, *_LGPL3),
    "LGPL-3.0-only": _shared(*_LGPL3),
    "LGPL-3.0-or-later": _shared(*_LGPL3),
    "MPL-2.0": _shared("MPL-2.0", "LGPL-2.1-or-later", *_GPL2_LATER, *_LGPL3),
    "EUPL-1.2": _shared("EUPL-1.2", "MPL-2.0", *_GPL2_LATER, *_LGPL3),
    "ODbL-1.0": _shared("ODbL-1.0"),
    "CDLA-Sharing-1.0": _shared("CDLA-Sharing-1.0"),
    "CC-BY-NC-2.0": _NC,
    "CC-BY-NC-3.0": _NC,
    "CC-BY-NC-4.0": _NC,
    "CC-BY-NC-SA-3.0": _shared("CC-BY-NC-SA-3.0", "CC-BY-NC-SA-4.0", non_commercial=True),
    "CC-BY-NC-SA-4.0": _shared("CC-BY-NC-SA-4.0", non_commercial=True),
    "CC-BY-ND-4.0": _ND,
    "CC-BY-NC-ND-4.0": Terms(derivatives=False, non_commercial=True),
    "LicenseRef-OpenRAIL": Terms(use_limits=True),
    "LicenseRef-OpenRAIL-NC": Terms(use_limits=True, non_commercial=True),
    "LicenseRef-Proprietary": _ND,
    "": _ND,
}
"""Every licence the market can judge, by SPDX identifier; "" = none was stated."""

_SPELLING = {name.lower(): name for name in TERMS}
_TOKEN = re.compile(r"\s*([()]|[A-Za-z0-9.+:-]+)")


@dataclass(slots=True)
class _Reader:
    """Reads an expression: alternatives, each a set of licences that bind together."""

    text: str
    tokens: list[str] = field(default_factory=list)

    def read(self) -> list[frozenset[str]]:
        position = 0
        while position < len(self.text.rstrip()):
            match = _TOKEN.match(self.text, position)
            if match is None:
                raise self._refusal(f"character {self.text[position]!r} belongs to no licence")
            self.tokens.append(match[1])
            position = match.end()
        found = self._or()
        if self.tokens:
            raise self._refusal(f"{self.tokens[0]!r} is out of place")
        return found

    def _or(self) -> list[frozenset[str]]:
        found = self._and()
        while self._took("OR"):
            found = [*found, *self._and()]
        return self._few(found)

    def _and(self) -> list[frozenset[str]]:
        found = self._one()
        while self._took("AND"):
            found = self._few([a | b for a, b in product(found, self._one())])
        return found

    def _one(self) -> list[frozenset[str]]:
        if self._took("("):
            found = self._or()
            if not self._took(")"):
                raise self._refusal("a bracket is not closed")
            return found
        name = self.tokens.pop(0) if self.tokens else "nothing"
        known = _SPELLING.get(name.lower())
        if known is None:
            close = difflib.get_close_matches(name.lower(), _SPELLING, n=2, cutoff=0.6)
            hint = " or ".join(_SPELLING[word] for word in close) or "Apache-2.0 or CC-BY-SA-4.0"
            raise self._refusal(f"the market does not know {name[:60]!r}", f"use {hint}")
        if self._took("WITH") and self.tokens:
            self.tokens.pop(0)
        return [frozenset((known,))]

    def _took(self, word: str) -> bool:
        if self.tokens and self.tokens[0].upper() == word:
            self.tokens.pop(0)
            return True
        return False

    def _few(self, found: list[frozenset[str]]) -> list[frozenset[str]]:
        if len(found) > MAX_ALTERNATIVES:
            raise self._refusal(f"it has more than {MAX_ALTERNATIVES} alternatives")
        return found

    def _refusal(self, why: str, remedy: str = "write one such as Apache-2.0") -> LicenceError:
        return LicenceError(
            f"a licence must be an SPDX expression of known licences, got {self.text[:80]!r}:"
            f" {why}: {remedy}, or LicenseRef-Proprietary"
        )


def check_licence(value: object) -> str:
    """The expression itself, when the market can judge it; "" = none stated.

    Raises:
        LicenceError: It is no SPDX expression, or names an unknown licence.
    """
    if not isinstance(value, str) or len(value) > 200 or not (value + " ").isprintable():
        raise LicenceError(
            f"a licence must be an SPDX expression of at most 200 characters, got"
            f" {str(value)[:60]!r}: write one such as Apache-2.0"
        )
    alternatives(value)
    return value.strip()


def alternatives(licence: str) -> list[frozenset[str]]:
    """The ways to read an expression, each a set of licences that bind together.

    Raises:
        LicenceError: It is no SPDX expression, or names an unknown licence.
    """
    return _Reader(licence).read() if licence.strip() else [frozenset(("",))]


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
        terms = TERMS[name]
        if not terms.derivatives:
            return "allows no layers made from it: ask its owner for another licence"
        if terms.share_as and not carried & terms.share_as:
            return f"must be passed on: publish under {' or '.join(sorted(terms.share_as)[:4])}"
        if terms.non_commercial and not any(TERMS[c].non_commercial for c in carried):
            return "forbids commercial use: publish under a -NC- licence as well"
        if terms.use_limits and not any(TERMS[c].use_limits for c in carried):
            return "limits use and must be passed on: add AND LicenseRef-OpenRAIL"
    return None


def _named(licence: str) -> str:
    return f"licence {licence}" if licence else "no stated licence"
