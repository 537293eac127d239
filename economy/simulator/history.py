"""What a simulation leaves behind: a table of days, a table of layers, and a summary."""

import csv
import json
from collections import Counter, deque
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from economy.simulator.settings import DAYS_PER_MONTH, Economy
from economy.simulator.world import ATTACKERS, World
from marketplace.formula.returns import Returns, gini, hhi, uses_to_break_even
from marketplace.formula.royalty import split
from marketplace.money import NANOS_PER_CREDIT
from marketplace.names import PLATFORM


@dataclass(frozen=True, slots=True)
class DayRow:
    """One day of the whole economy."""

    day: int
    n_layers: int
    uses: int
    revenue_nanos: int
    """Everything paid, also by attackers."""
    fees_nanos: int
    royalties_nanos: int
    mean_price_nanos: int
    """Per use, weighted by uses."""
    mean_reputation: float
    """Weighted by uses."""
    quality_served: float
    """True success rate, weighted by uses."""
    hhi: float
    """Of creators' incomes over the last 30 days."""
    gini: float


@dataclass(frozen=True, slots=True)
class LayerRow:
    """One day of one layer."""

    day: int
    layer: str
    owner: str
    skill: str
    clone_of: str
    """The layer it nearly repeats; empty = none."""
    version: int
    price_nanos: int
    reputation: float
    quality: float
    uses: int
    income_nanos: int


class History:
    """Everything noted during a simulation, day by day."""

    def __init__(self, economy: Economy) -> None:
        self.economy = economy
        self.days: list[DayRow] = []
        self.layers: list[LayerRow] = []
        self.summary: dict[str, Any] = {}
        self._recent: deque[Counter[str]] = deque(maxlen=DAYS_PER_MONTH)
        self._fees, self._royalties = 0, 0

    def note(self, world: World, day: int) -> None:
        """Write down a day that is over, before its epoch closes."""
        layers = list(world.layers.values())
        incomes: Counter[str] = Counter(dict.fromkeys(world.creators, 0))
        for layer in layers:
            if layer.owner in world.places:
                incomes[layer.owner] += layer.income_nanos
        self._recent.append(incomes)
        month = sum(self._recent, Counter[str]())
        parts = [month[creator] for creator in world.creators]
        uses = sum(layer.uses for layer in layers)
        revenue = sum(sum(layer.spending.values()) for layer in layers)
        wanted = sum(layer.uses * layer.price_nanos for layer in layers)
        self.days.append(
            DayRow(
                day=day,
                n_layers=len(layers),
                uses=uses,
                revenue_nanos=revenue,
                fees_nanos=world.fees_nanos - self._fees,
                royalties_nanos=world.royalties_nanos - self._royalties,
                mean_price_nanos=wanted // uses if uses else 0,
                mean_reputation=_mean([(layer.reputation, layer.uses) for layer in layers]),
                quality_served=_mean([(layer.quality, layer.uses) for layer in layers]),
                hhi=hhi(parts),
                gini=gini(parts),
            )
        )
        self._fees, self._royalties = world.fees_nanos, world.royalties_nanos
        self.layers += [
            LayerRow(
                day=day,
                layer=layer.name,
                owner=layer.owner,
                skill=layer.skill,
                clone_of=layer.clone_of or "",
                version=layer.version,
                price_nanos=layer.price_nanos,
                reputation=layer.reputation,
                quality=layer.quality,
                uses=layer.uses,
                income_nanos=layer.income_nanos,
            )
            for layer in layers
        ]

    def finish(self, world: World) -> None:
        """Sum up, once the last day is over."""
        economy = world.economy
        invested, earned = sum(world.invested.values()), self._earned(world)
        returns = Returns(invested, earned)
        net = split(economy.ask_nanos).seller_nanos
        last = self.days[-1]
        self.summary = {
            "months": economy.months,
            "seed": economy.seed,
            "layers": last.n_layers,
            "uses": sum(day.uses for day in self.days),
            "revenue_credits": sum(day.revenue_nanos for day in self.days) / NANOS_PER_CREDIT,
            "platform_credits": world.balances[PLATFORM] / NANOS_PER_CREDIT,
            "royalties_credits": world.royalties_nanos / NANOS_PER_CREDIT,
            "books_balance": sum(world.balances.values()) == 0,
            "hhi": last.hhi,
            "gini": last.gini,
            "quality_served_first_month": _month(self.days[:DAYS_PER_MONTH]),
            "quality_served_last_month": _month(self.days[-DAYS_PER_MONTH:]),
            "creators": {
                "invested_credits": invested / NANOS_PER_CREDIT,
                "earned_credits": earned / NANOS_PER_CREDIT,
                "recovery": returns.recovery,
                "roi": returns.roi,
                "uses_to_break_even": uses_to_break_even(economy.training_nanos, net),
            },
            "attackers": self._attackers(world),
        }

    def write(self, folder: Path) -> list[Path]:
        """Write days.csv, layers.csv and summary.json; the folder must exist."""
        written = []
        for name, rows in (("days", self.days), ("layers", self.layers)):
            path = folder / f"{name}.csv"
            with path.open("w", newline="") as file:
                table = csv.DictWriter(file, list(asdict(rows[0])))
                table.writeheader()
                table.writerows(asdict(row) for row in rows)
            written.append(path)
        path = folder / "summary.json"
        path.write_text(json.dumps(self.summary, indent=2) + "\n")
        return [*written, path]

    def _earned(self, world: World) -> int:
        return sum(world.earned[creator] for creator in world.creators)

    def _attackers(self, world: World) -> dict[str, dict[str, float]]:
        """What each attacker has after paying its helpers, and what it would like to have."""
        helpers = {"wash": world.washers, "sybil": world.sybils}
        found = {}
        for name, owner in ATTACKERS.items():
            accounts = [owner, *helpers.get(name, [])]
            accounts += [a for a in world.balances if a.startswith(f"{owner}-account-")]
            spent = -sum(min(0, world.balances[a]) for a in accounts)
            found[name] = {
                "attacked": float(name in world.economy.attacks),
                "net_credits": sum(world.balances[a] for a in accounts) / NANOS_PER_CREDIT,
                "spent_credits": spent / NANOS_PER_CREDIT,
            }
        return found


def _mean(pairs: list[tuple[float, int]]) -> float:
    total = sum(weight for _, weight in pairs)
    return sum(value * weight for value, weight in pairs) / total if total else 0.0


def _month(days: list[DayRow]) -> float:
    return _mean([(day.quality_served, day.uses) for day in days])
