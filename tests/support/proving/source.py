"""Deeds without end, from a seed: mostly sensible, some impossible, some repeated.

Amounts are small beside what the members own, so that credits run out now and then, and keys
are taken from earlier deeds now and then, with the same body or with another.
"""

import random
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from marketplace.names import PLATFORM, WORLD
from tests.support.proving.deed import (
    Deed,
    ExpireHolds,
    Hold,
    Linked,
    OpenMandate,
    Pay,
    PostHold,
    Refund,
    VoidHold,
)

MEMBERS = ("ada", "bob", "cyd", "eve")
MANDATES = ("ada/agent", "bob/agent")
"""Open and funded from the start."""
LONGEST_HOLD_S = 120.0


@dataclass
class DeedSource:
    """One client's intentions; `prefix` keeps its keys apart from those of others."""

    prefix: str
    rng: random.Random
    members: Sequence[str] = MEMBERS
    largest_nanos: int = 60
    everything: bool = True
    """Also mandates and expiries."""
    done: list[Deed] = field(default_factory=list)
    """What was intended so far, to be referred to, repeated and contradicted."""
    mandates: list[str] = field(default_factory=lambda: list(MANDATES))

    def next(self, at: float) -> Deed:
        """The next intention; `at` is the client's clock, in seconds since 1970."""
        chance = self.rng.random()
        if chance < 0.05 and self.everything:
            return ExpireHolds()
        if chance < 0.13 and self.done:
            return self._again()
        deed = self._fresh(at)
        self.done.append(deed)
        return deed

    def _again(self) -> Deed:
        """An old deed, word for word or with another body under the same key."""
        deed = self.rng.choice(self.done)
        if isinstance(deed, Pay) and self.rng.random() < 0.5:
            (payer, amount), (payee, _), *rest = deed.legs
            return replace(
                deed, legs=((payer, amount - 1), (payee, -amount + 1 - _sum(rest)), *rest)
            )
        return deed

    def _fresh(self, at: float) -> Deed:
        key = f"{self.prefix}:{len(self.done)}"
        kind = self.rng.choices(
            (Pay, Hold, PostHold, VoidHold, Refund, OpenMandate, Linked),
            (40, 15, 12, 5, 12, 4, 12),
        )[0]
        holds = [deed.key for deed in self.done if isinstance(deed, Hold)]
        pays = [deed.key for deed in self.done if isinstance(deed, Pay | PostHold)]
        if kind is Hold:
            expires_at = at + self.rng.uniform(1.0, LONGEST_HOLD_S)
            return Hold(key, self._payer(), self._amount(), expires_at)
        if kind is PostHold and holds:
            return PostHold(key, self._recent(holds), self._shares(self._amount()))
        if kind is VoidHold and holds:
            return VoidHold(key, self._recent(holds))
        if kind is Refund and pays:
            amount = None if self.rng.random() < 0.4 else self._amount()
            return Refund(key, self.rng.choice(pays), amount)
        if kind is OpenMandate and self.everything:
            return self._mandate(key)
        if kind is Linked:
            return Linked(tuple(self._pay(f"{key}.{i}") for i in range(self.rng.randint(2, 4))))
        return self._pay(key)

    def _pay(self, key: str) -> Pay:
        payer, amount = self._payer(), self._amount()
        if self.rng.random() < 0.08:
            payer = WORLD
        if self.mandates and self.rng.random() < 0.15:  # a mandate is filled by its owner
            name = self.rng.choice(self.mandates)
            return Pay(key, ((name.partition("/")[0], -amount), (name, amount)))
        return Pay(key, ((payer, -amount), *self._shares(amount, other_than=payer)))

    def _shares(self, amount: int, other_than: str = "") -> tuple[tuple[str, int], ...]:
        """The amount among the platform and up to two members, as a sale would."""
        fee = -(-amount // 10)
        others = [name for name in self.members if name != other_than]
        names = self.rng.sample(others, min(2, len(others)))
        royalty = (amount - fee) // 5
        shares = ((PLATFORM, fee), (names[0], royalty), (names[-1], amount - fee - royalty))
        return tuple((name, nanos) for name, nanos in shares if nanos)

    def _payer(self) -> str:
        if self.mandates and self.rng.random() < 0.3:
            return self.rng.choice(self.mandates)
        return "nobody" if self.rng.random() < 0.02 else self.rng.choice(self.members)

    def _amount(self) -> int:
        return self.rng.randint(1, self.largest_nanos)

    def _recent(self, keys: list[str]) -> str:
        return self.rng.choice(keys[-4:])

    def _mandate(self, key: str) -> OpenMandate:
        owner = self.rng.choice(self.members)
        name = f"{owner}/{self.prefix}-{len(self.mandates)}"
        self.mandates.append(name)
        return OpenMandate(key, owner, name, self.rng.randint(1, 4 * self.largest_nanos))


def _sum(legs: list[tuple[str, int]]) -> int:
    return sum(amount for _, amount in legs)
