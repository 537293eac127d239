"""The ledger in dictionaries: what every deed should answer and change.

Nothing is clever here, on purpose: no database, no caches, no bulk path. One deed after the other,
each either changing all that it should or naming the rules that it breaks. A deed may break more
than one; the ledger has to name one of them.
"""

import math
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from fractions import Fraction

from marketplace.money import INT64_MAX
from marketplace.names import ESCROW, HOUSE, WORLD
from tests.support.proving.deed import (
    Deed,
    ExpireHolds,
    Hold,
    Legs,
    Linked,
    OpenMandate,
    Outcome,
    Pay,
    PostHold,
    Refund,
    Refused,
    VoidHold,
    key_of,
)


class BrokenRuleError(Exception):
    """The rules a deed breaks, each by the name of its error class."""


@dataclass(frozen=True, slots=True)
class ModelAccount:
    """What one account holds, has set aside and has spent, in nano-credits."""

    balance: int = 0
    held: int = 0
    spent: int = 0
    """Counted for capped accounts only."""
    cap: int | None = None
    owner: str | None = None


@dataclass(frozen=True, slots=True)
class ModelTransfer:
    """One line of the journal."""

    number: int
    key: str
    """Empty for the expiry of a hold, whose key the ledger chooses."""
    kind: str
    legs: Legs
    """As they were asked for; pending legs are those of a hold, and their return."""
    pending: Legs = ()
    refers_to: int | None = None
    expires_at: float | None = None


@dataclass(frozen=True, slots=True)
class Verdict:
    """What the model expects: these numbers, or a refusal by one of these rules."""

    numbers: tuple[int, ...] = ()
    rules: frozenset[str] = frozenset()


def agree(expected: Verdict, found: Outcome) -> bool:
    """Whether the ledger answered as the model expects."""
    if isinstance(found, Refused):
        return found.rule in expected.rules
    return not expected.rules and found.numbers == expected.numbers


@dataclass
class Model:
    """Accounts, journal and the deeds that took effect, by key."""

    accounts: dict[str, ModelAccount] = field(default_factory=dict)
    journal: list[ModelTransfer] = field(default_factory=list)
    effects: dict[str, tuple[tuple[Deed, str], tuple[int, ...]]] = field(default_factory=dict)
    """By key: the deed and its linked group, and the numbers it was answered with."""

    @classmethod
    def of(cls, members: Iterable[str]) -> "Model":
        """A market of these members, without credits, beside the house accounts."""
        return cls({name: ModelAccount() for name in (*HOUSE, *members)})

    def copy(self) -> "Model":
        """Another model with the same content; rows are frozen and shared."""
        return Model(dict(self.accounts), list(self.journal), dict(self.effects))

    def do(self, deed: Deed, at: float) -> Verdict:
        """What the ledger should answer at this moment; a refused deed changes nothing."""
        before = self.copy()
        try:
            return Verdict(self._numbers(deed, at))
        except BrokenRuleError as broken:
            self.accounts, self.journal, self.effects = (
                before.accounts,
                before.journal,
                before.effects,
            )
            return Verdict(rules=frozenset(broken.args))

    def open_holds(self) -> list[ModelTransfer]:
        """Holds that nothing has resolved, oldest first."""
        resolved = {one.refers_to for one in self.journal if one.kind in ("post", "void", "expire")}
        return [one for one in self.journal if one.kind == "hold" and one.number not in resolved]

    def _numbers(self, deed: Deed, at: float) -> tuple[int, ...]:
        if isinstance(deed, ExpireHolds):
            due = [one for one in self.open_holds() if (one.expires_at or 0.0) <= at]
            for hold in due:
                self._resolve(hold, "", "expire", ())
            return tuple(hold.number for hold in due)
        if isinstance(deed, Linked):
            group = deed.pays[0].key
            return tuple(self._once(pay, at, group)[0] for pay in deed.pays)
        return self._once(deed, at)

    def _once(self, deed: Deed, at: float, group: str = "") -> tuple[int, ...]:
        key = key_of(deed)
        if key not in self.effects:
            self.effects[key] = (deed, group), self._first_time(deed, at)
        asked, numbers = self.effects[key]
        if asked != (deed, group):
            raise BrokenRuleError("IdempotencyKeyReusedError", *_even_before_the_key(deed))
        return numbers

    def _first_time(self, deed: Deed, at: float) -> tuple[int, ...]:
        match deed:
            case Pay():
                return (self._move(deed.key, deed.kind, deed.legs),)
            case Hold():
                return (self._hold(deed, at),)
            case PostHold():
                hold = self._open_hold(deed.hold_key)
                if (hold.expires_at or 0.0) <= at:
                    raise BrokenRuleError("HoldClosedError")
                return (self._resolve(hold, deed.key, "post", deed.legs),)
            case VoidHold():
                return (self._resolve(self._open_hold(deed.hold_key), deed.key, "void", ()),)
            case Refund():
                return (self._refund(deed),)
            case OpenMandate():
                self._open_mandate(deed)
                return ()
            case _:
                raise AssertionError(deed)

    def _hold(self, deed: Hold, at: float) -> int:
        broken = set()
        if deed.payer in HOUSE:
            broken.add("HouseAccountError")
        if deed.amount_nanos <= 0:
            broken.add("AmountError")
        if deed.expires_at <= at:
            broken.add("InvalidInputError")
        if broken:
            raise BrokenRuleError(*broken)
        pending = ((deed.payer, -deed.amount_nanos), (ESCROW, deed.amount_nanos))
        return self._move(deed.key, "hold", (), pending=pending, expires_at=deed.expires_at)

    def _open_hold(self, key: str) -> ModelTransfer:
        found = [one for one in self.journal if one.key == key and one.kind == "hold"]
        if not found:
            raise BrokenRuleError("TransferNotFoundError")
        if found[0] not in self.open_holds():
            raise BrokenRuleError("HoldClosedError")
        return found[0]

    def _resolve(self, hold: ModelTransfer, key: str, kind: str, payees: Legs) -> int:
        payer, held = hold.pending[0][0], -hold.pending[0][1]
        paid = sum(amount for _, amount in payees)
        if paid > held or (kind == "post" and not paid):
            raise BrokenRuleError("HoldExceededError")
        legs = ((payer, -paid), *payees) if payees else ()
        pending = ((payer, held), (ESCROW, -held))
        return self._move(key, kind, legs, pending=pending, refers_to=hold.number)

    def _move(
        self,
        key: str,
        kind: str,
        legs: Legs,
        *,
        pending: Legs = (),
        refers_to: int | None = None,
        expires_at: float | None = None,
    ) -> int:
        broken = set()
        if sum(amount for _, amount in legs) or any(
            amount == 0 or abs(amount) > INT64_MAX for _, amount in (*legs, *pending)
        ):
            broken.add("AmountError")
        for name in dict.fromkeys(name for name, _ in (*legs, *pending)):
            broken |= self._change(
                name,
                sum(amount for other, amount in legs if other == name),
                -sum(amount for other, amount in pending if other == name),
            )
        if broken:
            raise BrokenRuleError(*broken)
        number = len(self.journal) + 1
        self.journal.append(ModelTransfer(number, key, kind, legs, pending, refers_to, expires_at))
        return number

    def _change(self, name: str, move: int, hold: int) -> set[str]:
        """Change one account; the rules that forbid it."""
        if name not in self.accounts:
            return {"AccountNotFoundError"}
        old = self.accounts[name]
        held = old.held + (0 if name == ESCROW else hold)
        spent = old.spent - min(move, 0) if old.cap is not None else 0
        new = self.accounts[name] = replace(old, balance=old.balance + move, held=held, spent=spent)
        broken = set()
        shrinks = new.balance - new.held < old.balance - old.held
        if name != WORLD and shrinks and new.balance < new.held:
            broken.add("InsufficientCreditsError")
        if new.cap is not None and new.spent + new.held > new.cap:
            broken.add("CapExceededError")
        if abs(new.balance) > INT64_MAX:
            broken.add("AmountError")
        return broken

    def _refund(self, deed: Refund) -> int:
        found = [one for one in self.journal if one.key == deed.of_key]
        if not found:
            raise BrokenRuleError("TransferNotFoundError")
        payment = found[0]
        if payment.kind in ("refund", "hold", "void", "expire"):
            raise BrokenRuleError("RefusedError")
        left = self._left(payment)
        paid = sum(-amount for amount in left.values() if amount < 0)
        wanted = paid if deed.amount_nanos is None else deed.amount_nanos
        if not 0 < wanted <= paid:
            raise BrokenRuleError("RefundExceededError")
        debtors = _pro_rata(wanted, {name: -part for name, part in left.items() if part < 0})
        creditors = _pro_rata(wanted, {name: part for name, part in left.items() if part > 0})
        legs = (*debtors.items(), *((name, -part) for name, part in creditors.items()))
        legs = tuple((name, part) for name, part in legs if part)
        return self._move(deed.key, "refund", legs, refers_to=payment.number)

    def _left(self, payment: ModelTransfer) -> dict[str, int]:
        """What a payment and its refunds did to each account, all together."""
        left: dict[str, int] = {}
        for one in self.journal:
            if one is payment or (one.kind == "refund" and one.refers_to == payment.number):
                for name, amount in one.legs:
                    left[name] = left.get(name, 0) + amount
        return left

    def _open_mandate(self, deed: OpenMandate) -> None:
        broken = set()
        if deed.owner in HOUSE:
            broken.add("HouseAccountError")
        if deed.owner not in self.accounts:
            broken.add("AccountNotFoundError")
        elif self.accounts[deed.owner].owner is not None or deed.name in self.accounts:
            broken.add("MandateError")
        if broken:
            raise BrokenRuleError(*broken)
        self.accounts[deed.name] = ModelAccount(cap=deed.cap_nanos, owner=deed.owner)


def _pro_rata(amount: int, left: dict[str, int]) -> dict[str, int]:
    """Everybody's share of an amount: rounded down, then one more for the largest fractions."""
    whole = sum(left.values())
    exact = {name: Fraction(amount * part, whole) for name, part in left.items()}
    shares = {name: math.floor(share) for name, share in exact.items()}
    hungriest = sorted(exact, key=lambda name: (shares[name] - exact[name], name))
    for name in hungriest[: amount - sum(shares.values())]:
        shares[name] += 1
    return shares


def _even_before_the_key(deed: Deed) -> tuple[str, ...]:
    """Rules that the ledger may check before it looks at the key."""
    return ("AccountNotFoundError", "MandateError") if isinstance(deed, OpenMandate) else ()
