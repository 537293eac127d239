"""Which operator makes the next child: a bandit paid in archive gain per token.

    score_i = rate_i / best rate + c * sqrt(2 ln n / n_i),   rate_i = gain_i / tokens_i

UCB1 (Auer, Cesa-Bianchi and Fischer 2002) with the ratio of sums as an arm's value, as for
bandits whose pulls cost differently (Ding et al. 2013), and old pulls fading by `decay` (discounted
UCB, Garivier and Moulines 2011), because what helps early in a run is not what helps late.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, Protocol

import numpy as np

from academy.errors import OperatorError, SearchStateError, check_between


class OperatorChoice(Protocol):
    """Anything that chooses operators and may learn from what came of them."""

    names: tuple[str, ...]

    def choose(self, n: int, rng: np.random.Generator) -> list[str]:
        """The operators of the next n children."""
        ...

    def credit(self, name: str, gain: float, tokens: float) -> None:
        """One child of that operator was worth `gain` to the archive and cost `tokens`."""
        ...

    def state(self) -> dict[str, Any]:
        """Plain JSON, for a checkpoint."""
        ...


class OperatorBandit:
    """Every operator is tried once, then those that pay are chosen more often.

    Raises:
        OperatorError: There are no names, or one twice; c or decay is out of bounds.
    """

    def __init__(self, names: Sequence[str], c: float = 0.5, *, decay: float = 1.0) -> None:
        """
        Args:
            c: How much doubt counts beside success; 0 = the best so far, 1 = UCB1.
            decay: What is left of older pulls after each new one; 1 forgets nothing.
        """
        _check_names(names)
        check_between("c", c, 0.0, 100.0)
        check_between("decay", decay, 0.5, 1.0)
        self.names = tuple(names)
        self.c = c
        self.decay = decay
        self._pulls = dict.fromkeys(self.names, 0.0)
        self._gain = dict.fromkeys(self.names, 0.0)
        self._tokens = dict.fromkeys(self.names, 0.0)

    def choose(self, n: int, rng: np.random.Generator) -> list[str]:
        """The next n operators; those chosen in this call count as pulled, so that they vary."""
        pulls = dict(self._pulls)
        values = self.values()
        chosen = []
        for _ in range(n):
            untried = [name for name in self.names if not pulls[name]]
            best = untried or _largest({m: self._score(m, values, pulls) for m in self.names})
            chosen.append(best[int(rng.integers(len(best)))])
            pulls[chosen[-1]] += 1.0
        return chosen

    def credit(self, name: str, gain: float, tokens: float) -> None:
        """Record a child; a loss or NaN counts as no gain.

        Raises:
            OperatorError: There is no such operator, or the tokens are negative.
        """
        if name not in self._pulls:
            raise OperatorError(f"there is no operator {name!r}: credit {', '.join(self.names)}")
        check_between("tokens", tokens, 0.0, math.inf)
        for table in (self._pulls, self._gain, self._tokens):
            for other in table:
                table[other] *= self.decay
        self._pulls[name] += 1.0
        self._gain[name] += max(gain, 0.0) if math.isfinite(gain) else 0.0
        self._tokens[name] += tokens

    def values(self) -> dict[str, float]:
        """Gain per token of each operator as a share of the best one's, 0 to 1."""
        rates = {name: self._gain[name] / max(self._tokens[name], 1.0) for name in self.names}
        best = max(rates.values())
        return {name: rate / best if best > 0 else 0.0 for name, rate in rates.items()}

    def state(self) -> dict[str, Any]:
        """Plain JSON, for a checkpoint."""
        return {
            "names": list(self.names),
            "c": self.c,
            "decay": self.decay,
            "pulls": dict(self._pulls),
            "gain": dict(self._gain),
            "tokens": dict(self._tokens),
        }

    @classmethod
    def restore(cls, state: Mapping[str, Any]) -> OperatorBandit:
        """The bandit as it was saved.

        Raises:
            SearchStateError: The state is damaged.
        """
        try:
            bandit = cls(state["names"], float(state["c"]), decay=float(state["decay"]))
            for table, key in (
                (bandit._pulls, "pulls"),
                (bandit._gain, "gain"),
                (bandit._tokens, "tokens"),
            ):
                table.update({name: float(state[key][name]) for name in bandit.names})
        except (KeyError, TypeError, ValueError, OperatorError) as error:
            raise SearchStateError(
                f"the operator bandit's state cannot be read ({error}): begin it anew"
            ) from error
        return bandit

    def _score(self, name: str, values: Mapping[str, float], pulls: Mapping[str, float]) -> float:
        total = max(sum(pulls.values()), 1.0)
        return values[name] + self.c * math.sqrt(2 * math.log(total) / pulls[name])


class FixedRates:
    """Operators drawn in fixed shares; learns nothing.

    Raises:
        OperatorError: There are no rates, or they are negative or all zero.
    """

    def __init__(self, rates: Mapping[str, float]) -> None:
        _check_names(list(rates))
        total = math.fsum(rates.values())
        if min(rates.values()) < 0 or not 0 < total < math.inf:
            raise OperatorError(f"rates {dict(rates)} are no shares: give numbers of 0 or more")
        self.rates = {name: rate / total for name, rate in rates.items()}
        self.names = tuple(self.rates)

    def choose(self, n: int, rng: np.random.Generator) -> list[str]:
        """n independent draws."""
        drawn = rng.choice(len(self.names), size=n, p=list(self.rates.values()))
        return [self.names[i] for i in drawn]

    def credit(self, name: str, gain: float, tokens: float) -> None:
        """Nothing."""

    def state(self) -> dict[str, Any]:
        """Plain JSON, for a checkpoint."""
        return {"rates": dict(self.rates)}

    @classmethod
    def restore(cls, state: Mapping[str, Any]) -> FixedRates:
        """The rates as they were saved."""
        return cls(state["rates"])


def _largest(scores: Mapping[str, float]) -> list[str]:
    best = max(scores.values())
    return [name for name, score in scores.items() if score == best]


def _check_names(names: Sequence[str]) -> None:
    if not names or len(set(names)) != len(names):
        raise OperatorError(
            f"operators {list(names)} are none, or one is there twice: name each once"
        )
