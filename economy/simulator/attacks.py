"""A simulated economy, played and written to a folder: tables, a summary and a picture."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from economy.simulator.comparison import attack_gains
from economy.simulator.economy import simulate
from economy.simulator.figures import draw
from economy.simulator.settings import ATTACKS, Economy


@dataclass(frozen=True, slots=True)
class Simulated:
    """What a simulation left behind."""

    files: tuple[Path, ...]
    summary: dict[str, Any]

    def lines(self) -> tuple[str, ...]:
        """The summary in words, for a terminal."""
        creators, attackers = self.summary["creators"], self.summary["attackers"]
        return (
            f"{self.summary['months']} months, seed {self.summary['seed']}:"
            f" {self.summary['uses']} uses of {self.summary['layers']} layers for"
            f" {self.summary['revenue_credits']:.2f} credits",
            f"creators      {creators['recovery']:.0%} of training recovered, ROI"
            f" {creators['roi']:+.0%}; a layer breaks even after"
            f" {creators['uses_to_break_even']} uses at the ask",
            f"quality       {self.summary['quality_served_first_month']:.1%} of uses succeeded in"
            f" the first month, {self.summary['quality_served_last_month']:.1%} in the last",
            f"concentration HHI {self.summary['hhi']:.3f}, Gini {self.summary['gini']:.3f}",
            *(
                f"{name:<13} {attacker['gain_credits']:+.2f} credits against the same months"
                f" without it, {attacker['spent_credits']:.2f} spent on it"
                for name, attacker in attackers.items()
                if attacker["attacked"]
            ),
        )


def run_simulation(
    out: Path, *, months: int = 6, seed: int = 0, attacks: tuple[str, ...] = ATTACKS
) -> Simulated:
    """Simulate the vision's economy and write what happened; the folder is made if absent.

    Args:
        attacks: Of 'wash', 'sybil', 'clone', 'whitewash'; an empty tuple for an honest market.

    Raises:
        InvalidInputError: Months or attacks that cannot be simulated.
    """
    economy = Economy(months=months, seed=seed, attacks=attacks)
    out.mkdir(parents=True, exist_ok=True)
    history = simulate(economy)
    for attack, gain in attack_gains(economy).items():
        history.summary["attackers"][attack]["gain_credits"] = gain
    return Simulated((*history.write(out), *draw(history, out)), history.summary)
