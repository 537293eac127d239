"""What an attack is worth: a simulated economy with that attack alone, against one without any.

Played and written to a folder as tables, a summary, and a picture of price, reputation,
concentration and money over time. What an attacker ends with says little by itself: it owns a layer
that sells whether it attacks or not, and other attacks change what is bought.
"""

from collections import Counter, defaultdict
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from matplotlib.figure import Figure

from economy.simulator.economy import simulate
from economy.simulator.history import History, LayerRow
from economy.simulator.settings import ATTACKS, Economy
from economy.simulator.world import ATTACKERS
from marketplace.money import NANOS_PER_CREDIT


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


INK, QUIET, GRID = "#22313f", "#9aa5b1", "#e6e9ed"
SKILL_COLOURS = ("#2a7de1", "#e07b39", "#3a9d5d", "#8e5bb5", "#c2a000", "#1aa3a3", "#d0527e")
ATTACK_COLOUR = "#c0392b"
MILLI = NANOS_PER_CREDIT // 1000


def draw(history: History, folder: Path) -> list[Path]:
    """Write economy.svg and economy.png; the folder must exist."""
    figure = overview(history)
    paths = [folder / "economy.svg", folder / "economy.png"]
    for path in paths:
        metadata = {"Date": None} if path.suffix == ".svg" else None
        figure.savefig(path, bbox_inches="tight", dpi=120, metadata=metadata)
    return paths


def overview(history: History) -> Figure:
    """Four panels over the same days: prices, reputations, concentration, money."""
    figure = Figure((12.0, 8.0), layout="constrained")
    panels = figure.subplots(2, 2, sharex=True)
    _prices(panels[0, 0], history)
    _reputations(panels[0, 1], history)
    _concentration(panels[1, 0], history)
    _money(panels[1, 1], history)
    for panel in panels.flat:
        panel.grid(color=GRID, linewidth=0.8)
        panel.set_axisbelow(True)
        panel.spines[["top", "right"]].set_visible(False)
        for shock in history.economy.shocks:
            if shock.day < history.economy.n_days:
                panel.axvline(shock.day, color=QUIET, linewidth=0.8, linestyle=":")
    for panel in panels[1]:
        panel.set_xlabel("day (one epoch each)")
    economy = history.economy
    figure.suptitle(
        f"{economy.months} months, seed {economy.seed}: {economy.n_buyers} buyers,"
        f" {economy.n_creators} creators, attacks: {', '.join(economy.attacks) or 'none'}",
        color=INK,
    )
    return figure


def _prices(panel: Any, history: History) -> None:
    """Mean price per use of each skill, weighted by use; shocks named where they begin."""
    spent: dict[str, Counter[int]] = defaultdict(Counter)
    uses: dict[str, Counter[int]] = defaultdict(Counter)
    for row in history.layers:
        spent[row.skill][row.day] += row.uses * row.price_nanos
        uses[row.skill][row.day] += row.uses
    for skill, colour in zip(history.economy.skills, _colours(history), strict=True):
        days = sorted(day for day, n in uses[skill].items() if n)
        means = [spent[skill][day] / uses[skill][day] / MILLI for day in days]
        panel.plot(days, _smooth(means), color=colour, linewidth=1.6, label=skill)
    panel.set(title="price of a use, by skill (7-day mean)", ylabel="thousandths of a credit")
    panel.set_ylim(bottom=0)
    top = panel.get_ylim()[1]
    shown = [shock for shock in history.economy.shocks if shock.day < history.economy.n_days]
    for place, shock in enumerate(shown):  # one below the other: shocks may be close together
        words = f" {shock.skill} demand x{shock.factor:g}"
        height = top * (1.0 - 0.05 * (place % 4))
        panel.text(shock.day, height, words, fontsize=8, color=INK, va="top")
    panel.legend(frameon=False, fontsize=8, loc="lower right", ncols=2)


def _reputations(panel: Any, history: History) -> None:
    """Every layer's reputation; the attackers' in red."""
    courses: dict[str, list[LayerRow]] = defaultdict(list)
    for row in history.layers:
        courses[row.layer].append(row)
    attackers = set(ATTACKERS.values())
    for rows in courses.values():
        attacks = rows[0].owner.split("-account-")[0] in attackers
        panel.plot(
            [row.day for row in rows],
            [row.reputation for row in rows],
            color=ATTACK_COLOUR if attacks else QUIET,
            linewidth=1.3 if attacks else 0.7,
            alpha=0.9 if attacks else 0.7,
            zorder=3 if attacks else 2,
        )
    used = [day.mean_reputation for day in history.days]
    panel.plot([day.day for day in history.days], _smooth(used), color=INK, linewidth=2, zorder=4)
    panel.plot([], [], color=INK, linewidth=2, label="of the average use")
    panel.plot([], [], color=QUIET, label="a creator's layer")
    panel.plot([], [], color=ATTACK_COLOUR, label="an attacker's layer")
    panel.set(title="reputation (proven success rate)", ylim=(0, 1))
    panel.legend(frameon=False, fontsize=8, loc="lower right")


def _concentration(panel: Any, history: History) -> None:
    """HHI and Gini of the creators' incomes over 30 days, and what equal creators would have."""
    days = [day.day for day in history.days]
    panel.plot(days, [day.gini for day in history.days], color="#8e5bb5", label="Gini")
    panel.plot(days, [day.hhi for day in history.days], color="#2a7de1", label="HHI")
    equal = 1 / history.economy.n_creators
    panel.axhline(equal, color="#2a7de1", linewidth=0.8, linestyle="--")
    panel.text(
        days[-1], equal, "HHI of equal creators", fontsize=8, color=INK, ha="right", va="top"
    )
    panel.set(title="concentration of creators' income (30 days)", ylim=(0, 1))
    panel.legend(frameon=False, fontsize=8, loc="upper right")


def _money(panel: Any, history: History) -> None:
    """Credits so far: revenue, and where they went."""
    days = [day.day for day in history.days]
    parts = {
        "revenue": ([day.revenue_nanos for day in history.days], INK),
        "platform (10 %)": ([day.fees_nanos for day in history.days], "#e07b39"),
        "royalties": ([day.royalties_nanos for day in history.days], "#3a9d5d"),
    }
    for label, (values, colour) in parts.items():
        total, course = 0, []
        for value in values:
            total += value
            course.append(total / NANOS_PER_CREDIT)
        panel.plot(days, course, color=colour, label=label)
    recovery = history.summary["creators"]["recovery"]
    roi = history.summary["creators"]["roi"]
    panel.set(title="credits so far", ylabel="credits")
    panel.text(
        0.02,
        0.70,
        f"creators: {recovery:.0%} of training recovered, ROI {roi:+.0%}",
        transform=panel.transAxes,
        fontsize=8,
        color=INK,
    )
    panel.legend(frameon=False, fontsize=8, loc="upper left")


def _colours(history: History) -> list[str]:
    n_skills = len(history.economy.skills)
    return [SKILL_COLOURS[place % len(SKILL_COLOURS)] for place in range(n_skills)]


def _smooth(values: list[float], days: int = 7) -> list[float]:
    """Mean of the last days, so that one day's chance does not hide the course."""
    return [
        sum(values[max(0, end - days) : end]) / min(days, end) for end in range(1, len(values) + 1)
    ]


def attack_gains(economy: Economy) -> dict[str, float]:
    """Credits that each attack of the economy brings its attacker; negative = it costs more."""
    honest = net_credits(simulate(replace(economy, attacks=())))
    return {
        attack: net_credits(simulate(replace(economy, attacks=(attack,))))[attack] - honest[attack]
        for attack in economy.attacks
    }


def net_credits(history: History) -> dict[str, float]:
    """What each attacker and its helpers end with, by attack, whether it was made or not."""
    found = history.summary["attackers"].items()
    return {attack: float(attacker["net_credits"]) for attack, attacker in found}


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
