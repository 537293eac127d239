"""A buyer's own questions, whole, and a trial that costs what it says."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from marketplace.market import Market
from marketplace.money import NANOS_PER_CREDIT
from tui.jobs.buyer_trial import own_sheet, run_trial, sheet_digest
from tui.jobs.market import market_url


def questions(path: Path, n: int, *skills: str) -> str:
    """A file of `n` questions of each skill."""
    lines = [
        json.dumps({"prompt": f"{skill}: {i}?", "answer": str(i), "skill": skill})
        for skill in skills
        for i in range(n)
    ]
    path.write_text("\n".join(lines), encoding="utf-8")
    return str(path)


@pytest.mark.parametrize("n", [1, 2, 3, 60])
def test_a_buyers_file_is_asked_whole(tmp_path: Path, n: int) -> None:
    """Every question, however few, whatever split the Academy would put it in."""
    path = questions(tmp_path / "own.jsonl", n, "reverse", "shout")
    sheet = own_sheet(path, 500, "key")
    assert len({c.prompt for c in sheet}) == len(sheet) == 2 * n


def test_the_key_chooses_among_more_questions_than_wanted(tmp_path: Path) -> None:
    """The same key asks the same ones again, another key others; none twice."""
    path = questions(tmp_path / "own.jsonl", 60, "reverse")
    sheet = own_sheet(path, 20, "key")
    assert len({c.prompt for c in sheet}) == 20
    assert sheet_digest(own_sheet(path, 20, "key")) == sheet_digest(sheet)
    assert sheet_digest(own_sheet(path, 20, "other")) != sheet_digest(sheet)


def test_a_trial_on_two_questions_pays_a_days_rent(home: Path, tmp_path: Path) -> None:
    """Unreachable gain: the price is released, the seller keeps the day's rent, no more."""
    path = questions(tmp_path / "own.jsonl", 2, "reverse")
    with Market.open(market_url(home), create=False) as market:
        listing = market.listings()[0]
        rent = market.terms(listing.name).trial_nanos
        market.open_account("kim")
        market.fund("kim", 100 * NANOS_PER_CREDIT, key="kim")
        done = run_trial(
            market, home, name=listing.name, buyer="kim", questions=path, n_questions=50,
            min_gain=2, base=None, key="kim-tries",
        )  # fmt: skip
        assert (done.state, done.n_questions) == ("failed", 2)
        kim = market.account("kim")
        assert (kim.balance_nanos, kim.held_nanos) == (100 * NANOS_PER_CREDIT - rent, 0)
