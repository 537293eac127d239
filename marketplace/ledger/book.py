"""The accounts a group of entries touches, as numbers in memory while the group is worked out.

All checks happen here, before anything is written: a refused entry leaves no trace, and a refused
linked group is taken back exactly. Invariants of the ledger kept here: postings of an entry sum
to 0 (held and moved separately), amounts are whole and fit 64 bits, what is available never
falls below 0, and a mandate's outflow and holds never pass its cap.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from marketplace.database.bulk import Row
from marketplace.errors import (
    AccountNotFoundError,
    AmountError,
    CapExceededError,
    HouseAccountError,
    InsufficientCreditsError,
    MarketError,
)
from marketplace.ledger.journal import RECLAIM
from marketplace.money import INT64_MAX, format_credits
from marketplace.names import ESCROW, WORLD


class Leg(NamedTuple):
    """One account's part of an entry; a tuple, because millions are made."""

    account: str
    amount_nanos: int
    pending: bool = False
    """Part of a hold: changes what is held, not what is owned."""


@dataclass(slots=True)
class Balance:
    """One account's numbers in nano-credits; the only mutable thing of a group."""

    overdraft: bool
    owned: int
    held: int
    spent: int
    cap: int | None


class Book:
    """Balances by account, and the way back."""

    def __init__(self, rows: Iterable[Row]) -> None:
        self._balances: dict[str, Balance] = {}
        self.last_posting: dict[str, int] = {}
        """Each account's newest posting; the group that writes postings moves it on."""
        for name, overdraft, owned, held, spent, cap, last in rows:
            self._balances[name] = Balance(bool(overdraft), owned, held, spent, cap)
            self.last_posting[name] = last
        self._undo: list[tuple[Balance, int, int, int]] = []

    def move(self, kind: str, legs: Sequence[Leg]) -> None:
        """Apply all legs or none.

        Raises:
            AmountError: They do not sum to 0, or an amount or balance has no place in 64 bits.
            AccountNotFoundError: An account does not exist.
            InsufficientCreditsError: An account without overdraft has too little available.
            CapExceededError: A mandate's cap leaves too little.
        """
        moves: dict[str, int] = {}
        holds: dict[str, int] = {}
        for name, amount, pending in legs:
            if type(amount) is not int or not amount or not -INT64_MAX <= amount <= INT64_MAX:
                raise _no_amount(name, amount)
            changes = holds if pending else moves
            changes[name] = changes.get(name, 0) + amount
        if sum(moves.values()) or sum(holds.values()) or len(legs) < 2:
            raise AmountError(
                f"entry {kind!r} has {len(legs)} legs that sum to {sum(moves.values())}, held"
                f" {sum(holds.values())}: what leaves one account must arrive at others"
            )
        if ESCROW in moves:
            raise HouseAccountError(
                f"{ESCROW!r} only stands on the other side of holds: pay another account"
            )
        if holds:
            moves |= {name: 0 for name in holds if name != ESCROW and name not in moves}
        planned = []
        for name, move in moves.items():
            balance = self._balances.get(name)
            if balance is None:
                raise AccountNotFoundError(
                    f"account {name!r} does not exist: `continuum market open NAME` opens it"
                )
            hold = -holds.get(name, 0)
            owned, held = balance.owned + move, balance.held + hold
            if owned < held and (move < 0 or hold > 0) and not balance.overdraft:
                raise _too_little(name, balance, hold - move)
            if not -INT64_MAX <= owned <= INT64_MAX or held > INT64_MAX:
                raise _too_large(name)
            spent = balance.spent
            if balance.cap is not None:
                spent += _outflow(kind, move)
                if spent + held > balance.cap and (move < 0 or hold):
                    raise _over_cap(name, balance, spent + held)
            planned.append((balance, owned, held, spent))
        for balance, owned, held, spent in planned:
            self._undo.append((balance, balance.owned, balance.held, balance.spent))
            balance.owned, balance.held, balance.spent = owned, held, spent

    def mark(self) -> int:
        """A point to come back to."""
        return len(self._undo)

    def back_to(self, mark: int) -> None:
        """Take back every move since the mark, newest first."""
        while len(self._undo) > mark:
            balance, owned, held, spent = self._undo.pop()
            balance.owned, balance.held, balance.spent = owned, held, spent

    def rows(self, names: Iterable[str]) -> list[Row]:
        """(balance, held, spent, last posting, name) of these accounts, by name."""
        rows = []
        for name in sorted(names):
            balance = self._balances[name]
            last = self.last_posting[name]
            rows.append((balance.owned, balance.held, balance.spent, last, name))
        return rows


def _outflow(kind: str, move: int) -> int:
    """What a movement counts towards a mandate's cap."""
    return -move if move < 0 and kind != RECLAIM else 0


def _no_amount(name: str, amount: object) -> AmountError:
    return AmountError(
        f"account {name!r} would move by {amount!r}: an amount is a whole number of nano-credits"
        f" that fits 64 bits, and not 0: change it"
    )


def _too_little(name: str, balance: Balance, wanted: int) -> MarketError:
    held = f", {format_credits(balance.held)} of it held," if balance.held else ""
    return InsufficientCreditsError(
        f"account {name!r} has {format_credits(balance.owned)}{held} and cannot"
        f" pay {format_credits(wanted)}: the operator adds credits with `continuum market"
        f" fund CREDITS --account {name} --key KEY`"
    )


def _too_large(name: str) -> MarketError:
    source = " (all credits ever issued)" if name == WORLD else ""
    return AmountError(
        f"account {name!r}{source} would pass the 64-bit limit of {INT64_MAX}"
        " nano-credits: move a smaller amount"
    )


def _over_cap(name: str, balance: Balance, wanted: int) -> MarketError:
    assert balance.cap is not None
    left = format_credits(balance.cap - balance.spent - balance.held)
    return CapExceededError(
        f"mandate {name!r} may spend {format_credits(balance.cap)} in all, {left} are left,"
        f" this would bring it to {format_credits(wanted)}: pay less or open a new mandate"
    )
