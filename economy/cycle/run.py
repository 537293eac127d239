"""`continuum market cycle`: the same scenario with the market's demand and without, and a figure.

    HOME/linked/market.db ...   a market and its epochs, one folder a link; `continuum tui` shows it
    HOME/cycle.json             every epoch of every link
    HOME/cycle.svg              served accuracy and population over the epochs
What is finished is not run again; a link that was interrupted begins anew.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import torch

from academy.challenge import Challenge
from academy.evaluator import LocalEvaluator
from academy.skills.letters import SKILL_NAMES
from academy.sources.builtin import BuiltinSource
from economy.cycle.scenario import LINKS, CycleSettings, EpochRow, Link, plot_cycle, recovery
from economy.cycle.school import Graduate, school_epoch
from economy.cycle.shop import ACADEMY, Shop
from genome.base_model import BaseModel
from genome.files import write_json, write_text
from genome.genome import Genome
from genome.layer import Layer
from marketplace.errors import NearDuplicateError
from marketplace.market import Market
from marketplace.money import NANOS_PER_CREDIT

DAY_S = 86_400.0
TRAFFIC_SEED = 51_000
Note = Callable[[str], None]


def run_cycle(
    settings: CycleSettings,
    base: BaseModel,
    home: Path,
    note: Note = lambda _: None,
    links: Sequence[Link] = LINKS,
) -> dict[str, list[EpochRow]]:
    """Run every link that is not finished; returns the epochs of each.

    Raises:
        AcademyError, MarketError, OSError: With one line to show.
    """
    torch.set_num_threads(1)
    found: dict[str, list[EpochRow]] = {}
    for link in links:
        path = home / link / "epochs.json"
        key = {"link": link, "settings": asdict(settings), "base": base.fingerprint}
        if path.exists() and (data := json.loads(path.read_text()))["key"] == key:
            found[link] = [_row(one) for one in data["rows"]]
            continue
        shutil.rmtree(home / link, ignore_errors=True)
        (home / link).mkdir(parents=True)
        found[link] = _run_link(settings, base, home / link, link, note)
        write_json(path, {"key": key, "rows": [asdict(row) for row in found[link]]})
    write_json(home / "cycle.json", summary(settings, found))
    write_text(home / "cycle.svg", plot_cycle(settings, found))
    return found


def _row(data: dict[str, Any]) -> EpochRow:
    return EpochRow(**{**data, "wanted": tuple(data["wanted"])})


def summary(settings: CycleSettings, found: dict[str, list[EpochRow]]) -> dict[str, Any]:
    """Settings, epochs and what they say about recovery."""
    said = {}
    for link, rows in found.items():
        before, after, reached = recovery(rows, settings)
        said[link] = {
            "before": before,
            "after": after,
            "recovered": after / before if before else None,
            "epochs_to_95_percent": reached,
        }
    return {
        "settings": asdict(settings),
        "recovery": said,
        "epochs": {link: [asdict(row) for row in rows] for link, rows in found.items()},
    }


def _run_link(
    settings: CycleSettings, base: BaseModel, folder: Path, link: Link, note: Note
) -> list[EpochRow]:
    day = [0.0]
    with Market.open(f"sqlite:///{folder / 'market.db'}", clock=lambda: day[0] * DAY_S) as market:
        shop = Shop(market, LocalEvaluator(base), {})
        shop.open(2 * settings.tokens)
        lines: dict[str, Layer] = {}
        told = np.full(len(SKILL_NAMES), 1 / len(SKILL_NAMES))
        rows: list[EpochRow] = []
        for epoch in range(settings.epochs):
            day[0] = epoch + 0.25
            asked = _traffic(settings, epoch)
            earned = shop.income()
            right = shop.serve(asked, epoch)
            bare = LocalEvaluator(base).scores([Genome(base.fingerprint)], asked)[0]
            told = _heard(market, told, link, epoch, settings)
            day[0] = epoch + 0.75
            spent_before = market.account(ACADEMY).balance_nanos
            shares = dict(zip(SKILL_NAMES, told.tolist(), strict=True))
            paid = shop.pay_for_training(shares, settings.tokens, epoch)
            published: list[Graduate] = []
            counts, tokens = shop.population(), 0
            if sum(paid.values()) >= 20_000:
                seed = settings.seed * 1_000 + epoch
                published, counts, tokens = school_epoch(
                    base,
                    lines,
                    {s: float(n) for s, n in paid.items()},
                    sum(paid.values()),
                    settings.exam,
                    seed,
                )
            listed = 0
            for graduate in published:
                parents = [graduate.parent.digest] if graduate.parent else []
                try:
                    shop.publish(graduate.skill, graduate.layer, graduate.receipt, parents, epoch)
                except NearDuplicateError as error:
                    note(f"{link:6} epoch {epoch:2}: not published, {error}")
                    continue
                listed += 1
                shop.claim(graduate.skill, graduate.receipt, epoch)
                lines[graduate.skill] = graduate.layer
            market.close_epoch(epoch)
            rows.append(
                EpochRow(
                    epoch,
                    float(right.mean()),
                    float(bare.mean()),
                    settings.wanted(epoch),
                    _by_skill(asked, right),
                    counts,
                    {s: round(w, 4) for s, w in shares.items()},
                    listed,
                    round(shop.income() - earned, 6),
                    (market.account(ACADEMY).balance_nanos - spent_before) / NANOS_PER_CREDIT,
                    tokens,
                )
            )
            note(
                f"{link:6} epoch {epoch:2}: {right.mean():.3f} served, base {bare.mean():.3f}, "
                f"{listed} published, {tokens:,} token-equivalents"
            )
        return rows


def _traffic(settings: CycleSettings, epoch: int) -> list[Challenge]:
    """The customers' questions: the same for every link; of the audit split, never trained on."""
    rng = np.random.default_rng([TRAFFIC_SEED, settings.seed, epoch])
    counts = rng.multinomial(settings.questions, settings.mix(epoch))
    source = BuiltinSource()
    return [
        question
        for skill, count in zip(SKILL_NAMES, counts.tolist(), strict=True)
        for question in (source.draw(skill, "audit", count, rng) if count else [])
    ]


def _heard(
    market: Market, told: np.ndarray, link: Link, epoch: int, settings: CycleSettings
) -> np.ndarray:
    """The demand that the Academy is told, (n_skills,), summing to 1."""
    if link == "even" or (link == "cut" and epoch >= settings.shift):
        return told
    wanted = {d.skill: d.weight for d in market.demand(since=epoch * DAY_S)}
    weights = np.array([wanted.get(skill, 0.0) for skill in SKILL_NAMES])
    return weights / weights.sum() if weights.sum() else told


def _by_skill(asked: Sequence[Challenge], right: np.ndarray) -> dict[str, float]:
    skills = np.array([question.skill for question in asked])
    return {s: round(float(right[skills == s].mean()), 4) for s in dict.fromkeys(skills.tolist())}
