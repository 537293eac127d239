"""Demand shifts where it is told to; recovery is measured against the level before."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from academy.errors import ConfigError
from academy.skills.letters import SKILL_NAMES
from economy.cycle.scenario import FIRST, THEN, CycleSettings, EpochRow, recovery


def rows(served: list[float]) -> list[EpochRow]:
    return [EpochRow(i, x, 0.4, (), {}, {}, {}, 0, 0.0, 0.0, 0) for i, x in enumerate(served)]


def test_the_mix_is_a_distribution_that_changes_at_the_shift_only() -> None:
    """80 % on the wanted three, the rest alike; swapped, the other three come first."""
    settings = CycleSettings()
    for epoch in range(settings.epochs):
        mix = settings.mix(epoch)
        assert mix.sum() == pytest.approx(1)
        wanted = THEN if epoch >= settings.shift else FIRST
        assert settings.wanted(epoch) == wanted
        assert mix[[SKILL_NAMES.index(s) for s in wanted]].sum() == pytest.approx(0.8)
        swapped = replace(settings, swapped=True)
        assert set(swapped.wanted(epoch)) == {*FIRST, *THEN} - set(wanted)
    assert np.array_equal(settings.mix(0), settings.mix(settings.shift - 1))


def test_recovery_counts_epochs_to_95_percent_of_the_level_before() -> None:
    """Level before = mean of the last two epochs; the drop itself is epoch 0 after the shift."""
    settings = CycleSettings(epochs=9, shift=3)
    level, best, reached = recovery(rows([0.5, 0.8, 0.8, 0.4, 0.6, 0.77, 0.9, 0.9, 0.9]), settings)
    assert (level, best, reached) == (pytest.approx(0.8), 0.9, 2)
    assert recovery(rows([0.5, 0.8, 0.8] + [0.5] * 6), settings)[2] is None
    late = [0.5, 0.8, 0.8, *[0.5] * 6, 0.9]
    assert recovery(rows(late), CycleSettings(epochs=10, shift=3))[2] is None  # after five epochs


@pytest.mark.parametrize(
    "bad",
    [
        {"shift": 0},
        {"shift": 12},
        {"epochs": 1},
        {"questions": 1},
        {"tokens": 5},
        {"share": 0.0},
        {"share": 1.5},
        {"exam": 1},
    ],
)
def test_impossible_scenarios_are_refused(bad: dict[str, float]) -> None:
    with pytest.raises(ConfigError):
        replace(CycleSettings(), **bad)  # type: ignore[arg-type]
