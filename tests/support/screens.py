"""A small run that never happened, so that every screen can be tried and tested without a model.

`fake_run_files` is the run in the jobs' own file format: `FakeSource` parses it in memory,
`write_files` puts it into a home folder. Nothing is random: populations rise and fall along
fixed curves, four species live, two die out, and the market trades a little.

    python -m tests.support.screens                 # open the app on the fake source
    python -m tests.support.screens shots DIR       # one SVG per view and size
    python -m tests.support.screens shots DIR HOME  # the same of a real home: the pictures in docs/
"""

from __future__ import annotations

import asyncio
import json
import math
import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from marketplace.ledger.account import AccountView
from marketplace.ledger.journal import PostingView
from marketplace.listing.listing import ListingView
from tui.data.fields import RecordError, record_of
from tui.data.records import GenerationRecord, RunConfig, RunStatus, Summary
from tui.data.snapshot import (
    MarketSnapshot,
    RunSnapshot,
    species_lines,
)
from tui.data.source import HomeSource, Source

SKILLS = ("reverse", "sort", "caesar", "count", "add", "compare", "vowels", "dedupe")
BASE = (0.41, 0.45, 0.22, 0.38, 0.31, 0.52, 0.47, 0.29)
CREDIT = 1_000_000_000
STARTED_S = 1_790_000_000.0

# number, name, skill it is good at, parent, born, extinct in, cause, largest population
SPECIES: tuple[tuple[int, str, int | None, int | None, int, int | None, str, int], ...] = (
    (1, "helper-1", None, None, 0, 7, "outcompeted", 60),
    (2, "sorter-2", 1, 1, 1, None, "", 34),
    (3, "mirror-3", 0, 1, 2, None, "", 27),
    (4, "cipher-4", 2, 1, 3, None, "", 21),
    (5, "counter-5", 3, 2, 4, 9, "no demand", 9),
    (6, "adder-6", 4, 3, 6, None, "", 14),
)


def fake_run_files(n_generations: int = 12, *, phase: str = "evolving") -> dict[str, Any]:
    """Relative path -> JSON content of a run after so many generations."""
    files: dict[str, Any] = {
        "run/config.json": {
            "seed": 1,
            "personas": 100,
            "interactions": 10_000,
            "skills": list(SKILLS),
            "unit": "interactions",
        },
        "run/status.json": {
            "phase": phase,
            "generation": n_generations - 1,
            "interactions": min(10_000, 600 * n_generations),
            "interactions_total": 10_000,
            "updated_s": STARTED_S + 20.0 * n_generations,
            "pid": os.getpid(),
        },
    }
    for number in range(n_generations):
        files[generation_name(number)] = fake_generation(number)
    if phase == "done":
        files["summary.json"] = _fake_summary(files[generation_name(n_generations - 1)])
    return files


def generation_name(number: int) -> str:
    """Relative path of a generation's file."""
    return f"run/generations/{number:04d}.json"


def fake_generation(number: int) -> dict[str, Any]:
    """One generation of the run, as its file holds it."""
    living = [row for row in SPECIES if row[4] <= number and (row[5] is None or number < row[5])]
    gain = 1.0 - math.exp(-number / 5)
    best = [round(base + (0.95 - base) * gain * (0.9 - 0.05 * i), 3) for i, base in enumerate(BASE)]
    return {
        "generation": number,
        "interactions": 600 * (number + 1),
        "births": 24,
        "deaths": 24 if number else 0,
        "living_lines": max(18, 100 - 7 * number),
        "fitness": {
            "best": round(0.12 + 0.38 * gain, 4),
            "mean": round(0.08 + 0.22 * gain + 0.01 * math.sin(number), 4),
            "worst": 0.02,
        },
        "tokens": {"forward": 1_200_000, "backward": 300_000},
        "best_by_skill": best,
        "mean_by_skill": [round(0.6 * value, 3) for value in best],
        "base_by_skill": list(BASE),
        "species": [_fake_species(row, number, gain) for row in living],
        "extinct": [_fake_extinct(row) for row in SPECIES if row[5] == number],
    }


def _fake_species(row: tuple[Any, ...], number: int, gain: float) -> dict[str, Any]:
    key, name, skill, parent, born, ends, _, largest = row
    age = number - born
    fading = 1.0 if ends is None else (ends - number) / (ends - born)
    profile = [round(base * (0.95 - 0.02 * key), 3) for base in BASE]
    if skill is not None:
        profile[skill] = round(BASE[skill] + (0.93 - BASE[skill]) * gain, 3)
    main = 5 if skill is None else skill
    return {
        "id": key,
        "name": name,
        "niche": None if skill is None else SKILLS[skill],
        "population": max(1, round(largest * fading * (1.0 - math.exp(-(age + 1) / 3)))),
        "born": born,
        "accuracy": profile[main],
        "base_accuracy": BASE[main],
        "profile": profile,
        "parent": parent,
    }


def _fake_extinct(row: tuple[Any, ...]) -> dict[str, Any]:
    key, name, skill, _, _, ends, cause, _ = row
    niche = None if skill is None else SKILLS[skill]
    return {"id": key, "name": name, "niche": niche, "generation": ends, "cause": cause}


def _fake_summary(last: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "seed": 1,
        "generations": last["generation"] + 1,
        "wall_s": 412.5,
        "species": [
            {
                **{key: item[key] for key in ("name", "niche", "population", "born")},
                "test_accuracy": round(item["accuracy"] - 0.02, 3),
                "test_interval": [item["accuracy"] - 0.06, item["accuracy"] + 0.02],
                "base_accuracy": item["base_accuracy"],
                "price_nanos": 2 * CREDIT,
                "sales": 3,
            }
            for item in last["species"]
        ],
        "extinct_lines": 57,
        "controls": {"base": 0.38, "plain_lora": 0.52, "random_search": 0.44, "evolved": 0.61},
    }


def write_files(home: Path, files: Mapping[str, Any]) -> None:
    """Write files as the jobs do: whole, then renamed into place."""
    for name, content in files.items():
        path = home / name
        path.parent.mkdir(parents=True, exist_ok=True)
        partial = path.with_suffix(".partial")
        partial.write_text(json.dumps(content))
        partial.replace(path)


class FakeSource:
    """A source in memory; tests swap its parts and let the app read again."""

    title = "a run that never happened"

    def __init__(
        self,
        files: Mapping[str, Any] | None = None,
        market: MarketSnapshot | None = None,
    ) -> None:
        self.files = dict(fake_run_files() if files is None else files)
        self.market_snapshot = fake_market() if market is None else market

    def run(self) -> RunSnapshot:
        """Parse the files as they stand now."""
        parts: dict[str, Any] = {}
        kinds = {
            "config": ("run/config.json", RunConfig),
            "status": ("run/status.json", RunStatus),
            "summary": ("summary.json", Summary),
        }
        for part, (name, kind) in kinds.items():
            if name in self.files:
                parts[part] = record_of(kind, name, self.files[name])
        names = sorted(name for name in self.files if name.startswith("run/generations/"))
        generations = tuple(record_of(GenerationRecord, name, self.files[name]) for name in names)
        species = species_lines(generations, parts.get("summary"))
        return RunSnapshot(
            **parts, generations=generations, species=species, process_lives=bool(parts)
        )

    def market(self) -> MarketSnapshot:
        """The market as it was given."""
        return self.market_snapshot

    def quote(self, listing: str) -> tuple[str, ...]:
        """A price explained in three lines."""
        found = self.market_snapshot.listing(listing)
        if found is None:
            raise RecordError("market.db", f"no listing {listing!r}")
        return (
            "0.9000 floor",
            f"x {1 + found.reputation:.2f} reputation {found.reputation:.0%}",
            f"x {1 + 0.1 * found.sales:.2f} demand, {found.sales} sales",
        )

    def postings(self, account: str) -> tuple[PostingView, ...]:
        """Four movements of any account but the bank."""
        return () if account == "bank" else _fake_postings()


def _fake_postings() -> tuple[PostingView, ...]:
    moves = (
        (10 * CREDIT, "grant", "opening balance"),
        (-2_250_000_000, "purchase", "sorter-2"),
        (1_800_000_000, "sale", "mirror-3 to explorer"),
        (12_345, "royalty", "mirror-3 by way of cipher-4"),
    )
    postings: list[PostingView] = []
    balance = 0
    for index, (amount, kind, memo) in enumerate(moves):
        balance += amount
        at = STARTED_S + 300.0 * index
        postings.append(PostingView(index, at, "explorer", amount, kind, memo, balance))
    return tuple(reversed(postings))


def fake_market() -> MarketSnapshot:
    """Four listings and four accounts."""
    rows = (
        ("sorter-2", 1, 2_250_000_000, 0.81, 0.86, 9),
        ("mirror-3", 0, 1_900_000_000, 0.74, 0.84, 6),
        ("cipher-4", 2, 1_212_500_000, 0.58, 0.79, 3),
        ("adder-6", 4, 900_000_000, 0.50, 0.30, 0),
    )
    listings = tuple(
        ListingView(
            name=name,
            owner="academy",
            digest=f"{index:x}" * 64,
            base_model="continuum-base",
            niche=SKILLS[skill],
            description=f"Answers {SKILLS[skill]} questions.",
            price_nanos=price,
            ask_nanos=900_000_000,
            reputation=reputation,
            n_questions=200,
            accuracy=accuracy,
            base_accuracy=BASE[skill],
            sales=sales,
            skill=SKILLS[skill],
            split="test",
            n_correct=round(200 * accuracy),
            n_base_correct=round(200 * BASE[skill]),
            log_premium=0.0,
            published_at=STARTED_S,
        )
        for index, (name, skill, price, reputation, accuracy, sales) in enumerate(rows, start=10)
    )
    balances = {"academy": 31_500_000_000, "bank": -51_050_012_345, "explorer": 9_550_012_345}
    accounts = tuple(AccountView(name, nanos) for name, nanos in balances.items())
    return MarketSnapshot(
        exists=True, listings=listings, accounts=(*accounts, AccountView("platform", 10 * CREDIT))
    )


async def save_screenshots(folder: Path, source: Source | None = None) -> None:
    """One SVG for each view at 80x24 and 120x40."""
    from tui.app import ContinuumApp
    from tui.widgets.top_bar import VIEWS

    folder.mkdir(parents=True, exist_ok=True)
    for size in ((80, 24), (120, 40)):
        app = ContinuumApp(source or FakeSource())
        async with app.run_test(size=size) as pilot:
            for number, view in enumerate(VIEWS, start=1):
                await pilot.press(str(number))
                await pilot.pause(0.3)
                await app.workers.wait_for_complete()
                await pilot.pause()
                app.save_screenshot(f"{view}-{size[0]}x{size[1]}.svg", path=str(folder))


def main() -> None:
    """Open the app on the fake source, or save pictures of it."""
    from tui.app import ContinuumApp

    if sys.argv[1:2] == ["shots"]:
        source = HomeSource(Path(sys.argv[3])) if sys.argv[3:] else None
        asyncio.run(save_screenshots(Path(sys.argv[2]), source))
    else:
        ContinuumApp(FakeSource()).run()


if __name__ == "__main__":
    main()
