"""A run follows what the market said when it began, whatever is wanted since."""

from __future__ import annotations

from pathlib import Path

import pytest

from academy.errors import DemandError
from academy.sources.builtin import BuiltinSource
from economy.demand import wanted
from marketplace.market import Market
from tests.support.academy import small_run

SOURCE = BuiltinSource(("reverse", "sort"))
CONFIG = small_run(selection={"demand": "market"})


def search_in_vain(home: Path, account: str, *skills: str) -> None:
    with Market.open(f"sqlite:///{home / 'market.db'}") as market:
        market.open_account(account)
        for skill in skills:
            market.record_miss(account=account, skill=skill)


def test_the_market_is_heard_once_for_a_run(tmp_path: Path) -> None:
    """Skills the source does not teach are left out; news come with the next run."""
    search_in_vain(tmp_path, "ada", "sort", "cooking")
    first = wanted(CONFIG, SOURCE, tmp_path)
    assert dict(first) == {"reverse": 0.0, "sort": 1.0}
    search_in_vain(tmp_path, "bob", "reverse")
    assert wanted(CONFIG, SOURCE, tmp_path) == first
    (tmp_path / "run" / "demand.json").unlink()
    assert dict(wanted(CONFIG, SOURCE, tmp_path)) == {"reverse": 0.5, "sort": 0.5}


def test_another_homes_market_can_be_asked(tmp_path: Path) -> None:
    shop = tmp_path / "shop"
    shop.mkdir()
    search_in_vain(shop, "ada", "sort")
    config = small_run(selection={"demand": f"market:{shop}"})
    assert wanted(config, SOURCE, tmp_path / "home")["sort"] == 1.0


def test_a_market_that_is_not_there_or_wants_nothing_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(DemandError, match="the demand source failed"):
        wanted(CONFIG, SOURCE, tmp_path)
    search_in_vain(tmp_path, "ada", "cooking")
    with pytest.raises(DemandError, match="nobody wants any of reverse, sort"):
        wanted(CONFIG, SOURCE, tmp_path)


def test_without_a_market_nothing_is_kept(tmp_path: Path) -> None:
    assert wanted(small_run(), SOURCE, tmp_path)["sort"] == 0.5
    assert list(tmp_path.iterdir()) == []
