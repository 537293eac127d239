"""Promises of economy.simulator.attacks."""

from __future__ import annotations

from pathlib import Path

import pytest

from economy.simulator.attacks import run_simulation
from marketplace.errors import InvalidInputError


def test_a_month_is_written_to_a_new_folder(tmp_path: Path) -> None:
    """Two tables, a summary, a picture in two formats; the words repeat the summary's numbers."""
    done = run_simulation(tmp_path / "new" / "folder", months=1, attacks=("wash",))
    assert [path.name for path in done.files] == [
        "days.csv",
        "layers.csv",
        "summary.json",
        "economy.svg",
        "economy.png",
    ]
    assert all(path.stat().st_size for path in done.files)
    words = "\n".join(done.lines())
    assert f"{done.summary['uses']} uses" in words
    assert "wash" in words
    assert "clone" not in words
    gain = done.summary["attackers"]["wash"]["gain_credits"]
    assert f"wash          {gain:+.2f} credits against the same months without it" in words


def test_an_impossible_simulation_leaves_no_folder(tmp_path: Path) -> None:
    """The settings are checked first."""
    with pytest.raises(InvalidInputError):
        run_simulation(tmp_path / "out", months=0)
    assert not (tmp_path / "out").exists()
