"""The things a simulated economy consists of: layers on sale, accounts, and the books.

Users' reports on many layers at once: the arithmetic of R2 and R3 on arrays.

The same numbers as `marketplace.formula.reputation.rated`, which tests compare; only faster,
because a simulated year is a hundred million (layer, rater, day) triples.
"""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from economy.simulator.settings import Economy
from marketplace.formula.price import Demand, target_nanos
from marketplace.formula.ranking import Candidate
from marketplace.formula.reputation import (
    HALF_LIFE_DAYS,
    SATURATION,
    Evidence,
    Record,
    exam_evidence,
    inherited,
)
from marketplace.formula.royalty import Bred, Parent, Share, royalty_shares, split
from marketplace.names import PLATFORM, WORLD

FloatArray = NDArray[np.float64]


class Reports:
    """Decayed counts of success and failure, one row per layer, one column per rater."""

    def __init__(self, n_raters: int) -> None:
        self._good: FloatArray = np.zeros((0, n_raters))
        self._bad: FloatArray = np.zeros((0, n_raters))

    def add_layer(self) -> int:
        """A new row for a layer nobody has reported on; its number."""
        empty = np.zeros((1, self._good.shape[1]))
        self._good = np.vstack([self._good, empty])
        self._bad = np.vstack([self._bad, empty])
        return len(self._good) - 1

    def clear(self, layer: int) -> None:
        """Forget a row: a new version has another digest."""
        self._good[layer] = 0.0
        self._bad[layer] = 0.0

    def add(self, layer: int, rater: int, good: float, bad: float) -> None:
        """Today's report of one rater on one layer."""
        self._good[layer, rater] += good
        self._bad[layer, rater] += bad

    def next_day(self) -> None:
        """Everything reported so far becomes a day older."""
        fading = 2.0 ** (-1.0 / HALF_LIFE_DAYS)
        self._good *= fading
        self._bad *= fading

    def evidence(self, trust: FloatArray) -> list[tuple[Evidence, int]]:
        """What all reports on each layer count for, and how many raters counted.

        Args:
            trust: Of every rater, (n_raters,).
        """
        heard = np.flatnonzero(trust > 0)
        good, bad = self._good[:, heard], self._bad[:, heard]  # (n_layers, n_heard)
        weight = trust[heard] / (1.0 + (good + bad) / SATURATION)
        successes, failures = (good * weight).sum(axis=1), (bad * weight).sum(axis=1)
        n_raters = ((good + bad) > 0).sum(axis=1)
        return [
            (Evidence(float(s), float(f)), int(n))
            for s, f, n in zip(successes, failures, n_raters, strict=True)
        ]


EXAM_QUESTIONS = 50
WASHER, SHILL, CLONER, WHITEWASHER = "washer", "shill", "cloner", "whitewasher"
ATTACKERS = {"wash": WASHER, "sybil": SHILL, "clone": CLONER, "whitewash": WHITEWASHER}


@dataclass(slots=True)
class SimLayer:
    """One listing; changes from day to day."""

    name: str
    owner: str
    skill: str
    quality: float
    """True success rate, which nobody in the economy sees."""
    ask_nanos: int
    row: int
    """In the table of reports."""
    record: Record
    price_nanos: int
    shares: tuple[Share, ...] = ()
    demand: Demand = field(default_factory=Demand)
    clone_of: str | None = None
    reputation: float = 0.0
    """What ranks and prices it: its record's, or less for a clone."""
    version: int = 1
    n_forks: int = 0
    uses: int = 0
    """Today's, attacks left out."""
    income_nanos: int = 0
    """Today's, its seller's."""
    spending: Counter[str] = field(default_factory=Counter)
    """Today's, by buyer."""

    @property
    def candidate(self) -> Candidate:
        """Its place in a list."""
        return Candidate(self.name, self.owner, self.record.evidence, self.clone_of)


class World:
    """All state of one simulation; the day's events are in `economy.simulator.economy`."""

    def __init__(self, economy: Economy) -> None:
        self.economy = economy
        self.rng = np.random.default_rng(economy.seed)
        self.buyers = [f"buyer-{n}" for n in range(economy.n_buyers)]
        self.creators = [f"creator-{n}" for n in range(economy.n_creators)]
        self.washers = [f"wash-{n}" for n in range(economy.n_wash_accounts)]
        self.sybils = [f"sybil-{n}" for n in range(economy.n_sybils)]
        accounts = [*self.buyers, *self.creators, *self.washers, *self.sybils]
        self.places = {name: place for place, name in enumerate(accounts)}
        self.seeds = self.buyers[: max(1, round(economy.verified * economy.n_buyers))]
        self.reports = Reports(len(accounts))
        self.layers: dict[str, SimLayer] = {}
        self.lineage: dict[str, Bred] = {}
        self.balances: Counter[str] = Counter()
        self.invested: Counter[str] = Counter()
        """Spent on training, by creator."""
        self.earned: Counter[str] = Counter()
        """Received as seller or ancestor, by account."""
        self.paid: dict[tuple[str, str], float] = {}
        """What each payer's payments brought each payee."""
        self.trust: NDArray[np.float64] = np.zeros(len(accounts))
        self.fees_nanos = 0
        self.royalties_nanos = 0
        self._n_layers = 0

    def next_name(self) -> str:
        """A name for a creator's next layer; attackers name their own."""
        self._n_layers += 1
        return f"layer-{self._n_layers}"

    def publish(
        self,
        name: str,
        owner: str,
        skill: str,
        *,
        quality: float,
        ask_nanos: int,
        parents: Iterable[SimLayer] = (),
        clone_of: str | None = None,
        exam: Evidence | None = None,
    ) -> SimLayer:
        """Put a layer on sale; its exam is sat now, unless the result is given."""
        line = [Parent(parent.name) for parent in parents]
        record = Record(self.exam(quality) if exam is None else exam)
        layer = SimLayer(
            name=name,
            owner=owner,
            skill=skill,
            quality=quality,
            ask_nanos=ask_nanos,
            row=self.reports.add_layer(),
            record=record,
            price_nanos=target_nanos(ask_nanos, record.reputation, 0.0),
            shares=royalty_shares(owner, line, self.lineage),
            clone_of=clone_of,
            reputation=record.reputation,
        )
        self.lineage[name] = Bred(owner, tuple(line), novel=clone_of is None)
        self.layers[name] = layer
        return layer

    def exam(self, quality: float) -> Evidence:
        """What an exam of the usual length finds."""
        return exam_evidence(EXAM_QUESTIONS, int(self.rng.binomial(EXAM_QUESTIONS, quality)))

    def start_version(self, layer: SimLayer) -> None:
        """The layer's next version: examined again, with a part of its record (R6)."""
        start = inherited(layer.record.evidence, same_owner=True)
        layer.version += 1
        layer.record = Record(self.exam(layer.quality), inherited=start)
        self.reports.clear(layer.row)

    def pay(self, payer: str, layer: SimLayer, uses: int, *, wanted: bool = True) -> None:
        """Charge some uses and divide the money as the market does.

        Args:
            wanted: False for uses that only serve an attack; the market cannot tell, statistics
                of what buyers get leave them out.
        """
        gross = uses * layer.price_nanos
        self.balances[payer] -= gross
        for account, nanos in split(gross, layer.shares).legs(layer.owner):
            self.balances[account] += nanos
            if account == PLATFORM:
                self.fees_nanos += nanos
                continue
            self.earned[account] += nanos
            self.paid[payer, account] = self.paid.get((payer, account), 0.0) + nanos
            if account == layer.owner:
                layer.income_nanos += nanos
            else:
                self.royalties_nanos += nanos
        layer.uses += uses if wanted else 0
        layer.spending[payer] += gross

    def fund(self, account: str, nanos: int) -> None:
        """Credits from outside."""
        self.balances[WORLD] -= nanos
        self.balances[account] += nanos

    def train(self, creator: str, cost_nanos: int) -> None:
        """Pay for computing time, which leaves the economy."""
        self.balances[creator] -= cost_nanos
        self.balances[WORLD] += cost_nanos
        self.invested[creator] += cost_nanos
