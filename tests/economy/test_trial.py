"""A buyer's own questions, whole, and a trial that costs what it says."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from academy.exam import sheet_digest
from economy.trial import own_sheet, run_trial
from marketplace.market import Market
from marketplace.money import NANOS_PER_CREDIT
from tests.support.cli import Done, continuum
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
            market,
            home,
            name=listing.name,
            buyer="kim",
            questions=path,
            n_questions=50,
            min_gain=2,
            base=None,
            key="kim-tries",
        )
        assert (done.state, done.n_questions) == ("failed", 2)
        kim = market.account("kim")
        assert (kim.balance_nanos, kim.held_nanos) == (100 * NANOS_PER_CREDIT - rent, 0)


@pytest.fixture
def buyer(home: Path, tmp_path: Path) -> tuple[Path, str, str]:
    """A home whose kim has credits, a layer on sale that helps, and kim's questions."""
    with Market.open(market_url(home), create=False) as market:
        market.open_account("kim")
        market.fund("kim", 100 * NANOS_PER_CREDIT, key="kim")
        best = max(market.listings(), key=lambda x: x.accuracy - x.base_accuracy)
        return home, best.name, str(best.niche)


def run(home: Path, *words: object) -> Done:
    return continuum("market", *words, "--account", "kim", "--home", home)


def test_what_helps_is_bought_only_by_who_says_so(buyer: tuple[Path, str, str]) -> None:
    """Price first; nobody at the terminal buys nothing and is told how; --yes buys, once."""
    home, name, niche = buyer
    words = ("try", name, "--questions", niche, "--items", 60, "--gain", 1)
    first = run(home, *words)
    assert first.code == 0, first
    assert first.out.startswith(f"trying {name} costs a day's rent, ")
    assert "nothing was bought" in first.out and "--yes" in first.out
    assert "open" in run(home, "trials").out
    with Market.open(market_url(home), create=False) as market:
        assert not market.owns("kim", market.listing(name).digest)
        rent_only = market.account("kim").balance_nanos
    bought = run(home, *words, "--yes")
    assert f"{name} is yours" in bought.out and "costs a day's rent" not in bought.out
    with Market.open(market_url(home), create=False) as market:
        assert market.owns("kim", market.listing(name).digest)
        paid = rent_only - market.account("kim").balance_nanos
        assert paid == market.trials("kim")[0].price_nanos and market.verify() == []


def test_a_second_trial_is_explained_in_words(buyer: tuple[Path, str, str], tmp_path: Path) -> None:
    """On other questions: while the first is open, and when it is decided; no JSON, no charge."""
    home, name, niche = buyer
    first = ("try", name, "--questions", niche, "--items", 20, "--gain", 20)
    other = ("try", name, "--questions", questions(tmp_path / "own.jsonl", 5, "reverse"))
    assert "only the rent was paid" in run(home, *first).out
    refused = run(home, *other).refusal
    assert "can be tried once" in refused and f"market buy {name}" in refused
    assert "of 20 questions" in refused and "{" not in refused
    again = run(home, *first)
    assert again.code == 0 and "only the rent was paid" in again.out


def test_an_open_trial_on_other_questions_says_how_to_go_on(
    buyer: tuple[Path, str, str], tmp_path: Path
) -> None:
    """It is still open: the same words go on with it."""
    home, name, niche = buyer
    assert (
        "nothing was bought"
        in run(home, "try", name, "--questions", niche, "--items", 60, "--gain", 1).out
    )
    path = questions(tmp_path / "own.jsonl", 5, "reverse")
    assert "still open" in run(home, "try", name, "--questions", path).refusal
