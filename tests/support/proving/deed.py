"""One vocabulary of requests, spoken by the model and by the real ledger.

Deeds name earlier ones by key, never by number: a client that lost the answer to its hold knows
no number, and the same list of deeds can be done in any order, by anyone.
"""

from dataclasses import dataclass

Legs = tuple[tuple[str, int], ...]
"""Accounts with their changes in nano-credits."""


@dataclass(frozen=True, slots=True)
class Pay:
    """An ordinary transfer; the legs sum to zero."""

    key: str
    legs: Legs
    kind: str = "pay"


@dataclass(frozen=True, slots=True)
class Hold:
    """Set credits of one account aside until a moment, in seconds since 1970."""

    key: str
    payer: str
    amount_nanos: int
    expires_at: float


@dataclass(frozen=True, slots=True)
class PostHold:
    """Pay the legs (all positive) out of a hold and release the rest."""

    key: str
    hold_key: str
    legs: Legs


@dataclass(frozen=True, slots=True)
class VoidHold:
    """Release a hold."""

    key: str
    hold_key: str


@dataclass(frozen=True, slots=True)
class ExpireHolds:
    """Release every hold whose moment has come; needs no key, a repeat finds nothing to do."""


@dataclass(frozen=True, slots=True)
class Refund:
    """Give back a part of a transfer, or with None all that is left of it."""

    key: str
    of_key: str
    amount_nanos: int | None


@dataclass(frozen=True, slots=True)
class OpenMandate:
    """A sub-account of the owner that may spend at most its cap."""

    key: str
    owner: str
    name: str
    cap_nanos: int


@dataclass(frozen=True, slots=True)
class Linked:
    """Payments that happen together or not at all."""

    pays: tuple[Pay, ...]


Deed = Pay | Hold | PostHold | VoidHold | ExpireHolds | Refund | OpenMandate | Linked


@dataclass(frozen=True, slots=True)
class Done:
    """The numbers of the transfers that a deed, or the first of its repeats, added."""

    numbers: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Refused:
    """The rule that refused a deed: the name of an error class in `marketplace.errors`."""

    rule: str


Outcome = Done | Refused


def key_of(deed: Deed) -> str:
    """The key under which the deed is known; of a linked group, that of its first payment."""
    if isinstance(deed, Linked):
        return deed.pays[0].key
    return "" if isinstance(deed, ExpireHolds) else deed.key
