"""The cycle ends with books that balance, royalties paid along the line, and a figure."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from economy.cycle.run import run_cycle
from economy.cycle.scenario import CycleSettings
from genome.base_model import BaseModel
from marketplace.market import Market

SMALL = CycleSettings(epochs=3, shift=2, questions=60, tokens=120_000, exam=20)


@pytest.mark.slow
def test_a_small_cycle_serves_publishes_pays_and_is_not_run_twice(
    embedded: BaseModel, tmp_path: Path
) -> None:
    """What makers paid for training, the Academy and the house earned; nobody else did."""
    said: list[str] = []
    found = run_cycle(SMALL, embedded, tmp_path, said.append, ("linked", "even"))
    assert [len(rows) for rows in found.values()] == [3, 3]
    linked = found["linked"]
    assert linked[1].served > linked[1].base  # somebody has learned what was asked
    assert sum(row.published for row in linked) > 0
    assert found["even"][0].demand != linked[0].demand
    with Market.open(f"sqlite:///{tmp_path / 'linked' / 'market.db'}", create=False) as market:
        assert market.verify() == []
        assert any(listing.sales or listing.n_questions for listing in market.listings())
        paid = sum(row.training for row in linked)
        academy = market.account("academy").balance_nanos / 1e9
        assert academy == pytest.approx(paid) and paid > 0
    data = json.loads((tmp_path / "cycle.json").read_text())
    assert set(data["recovery"]) == {"linked", "even"}
    assert (tmp_path / "cycle.svg").read_text().startswith("<?xml")
    count = len(said)
    assert run_cycle(SMALL, embedded, tmp_path, said.append, ("linked", "even")) == found
    assert len(said) == count
