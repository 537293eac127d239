"""Seeded worlds of crashes and a bad network, each deed done once and every answer lasting (L13).

A failing seed fails again: run `pytest -k chaos` with the seed alone in `worlds`.
"""

import random
import shutil
from pathlib import Path

import pytest

from tests.support.proving.chaos import Odds, Tally, World
from tests.support.proving.machine import Machine, Template

PER_TEST = 50


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Template:
    """The funded market every world starts with."""
    return Template.make(tmp_path_factory.mktemp("chaos"))


def world(template: Template, folder: Path, seed: int, odds: Odds, n_deeds: int = 3) -> Tally:
    """Live through one seed."""
    own = folder / str(seed)
    own.mkdir()
    machine = Machine(template, own, random.Random(seed))
    try:
        return World(seed, machine, n_deeds=n_deeds, odds=odds).run()
    except AssertionError as error:
        raise AssertionError(f"seed {seed}: {error}") from error
    finally:
        machine.close()
        shutil.rmtree(own)


def worlds(template: Template, folder: Path, seeds: range) -> None:
    """Live through many, and see that they were rough enough to prove something."""
    tallies = [world(template, folder, seed, Odds()) for seed in seeds]
    for what in ("answered", "refused", "repeated", "power_cuts"):
        assert sum(getattr(tally, what) for tally in tallies) > len(seeds) / 5, what


@pytest.mark.parametrize("first", range(0, 200, PER_TEST))
def test_no_seed_of_chaos_breaks_the_ledger(template: Template, tmp_path: Path, first: int) -> None:
    """Power cuts before, after and during commits; lost, doubled and late messages."""
    worlds(template, tmp_path, range(first, first + PER_TEST))


@pytest.mark.slow
@pytest.mark.parametrize("first", range(1000, 11_000, 500))
def test_ten_thousand_seeds_of_chaos_break_nothing(
    template: Template, tmp_path: Path, first: int
) -> None:
    """The same, often."""
    worlds(template, tmp_path, range(first, first + 500))


def test_the_same_seed_is_the_same_world(template: Template, tmp_path: Path) -> None:
    """Else a failure could not be looked into."""
    first = world(template, tmp_path, 7, Odds(), n_deeds=10)
    assert world(template, tmp_path, 7, Odds(), n_deeds=10) == first
    assert first.power_cuts > 0


def test_a_good_day_has_no_repeats(template: Template, tmp_path: Path) -> None:
    """Without faults every deed is answered once: the simulator adds nothing of its own."""
    calm = Odds(lost=0, doubled=0, before=0, after=0, torn=0, longest_delay_s=1.0)
    tally = world(template, tmp_path, 1, calm, n_deeds=10)
    assert (tally.repeated, tally.power_cuts) == (0, 0)
    assert tally.answered + tally.refused == 30
