"""A run's folder belongs to one run and one process at a time."""

from __future__ import annotations

from pathlib import Path

import pytest

from academy.errors import RunBusyError, RunCorruptError, RunMismatchError
from academy.run_folder import RunFolder

SETTINGS = {"seed": 1, "personas": 100}


def test_the_same_settings_resume_and_others_are_refused_with_both_values(tmp_path: Path) -> None:
    with RunFolder(tmp_path).claimed(SETTINGS) as begun:
        assert not begun
    with RunFolder(tmp_path).claimed(SETTINGS) as begun:
        assert begun
    other = RunFolder(tmp_path).claimed({**SETTINGS, "seed": 2})
    with pytest.raises(RunMismatchError, match="holds a run with seed=1, not seed=2"), other:
        pass


def test_of_nested_settings_only_what_differs_is_named_and_shortly(tmp_path: Path) -> None:
    settings = {"run": {"seed": 1, "base": "", "threads": 2}, "rates": {}, "skills": ["a"] * 99}
    with RunFolder(tmp_path).claimed(settings, beside={"files": {"q": "1"}}):
        pass
    with RunFolder(tmp_path).claimed(settings, beside={"files": {"q": "2"}}) as begun:
        assert begun
    other = {
        "run": {"seed": 2, "base": "x" * 999, "threads": 2},
        "rates": {"merge": 1.0},
        "skills": [],
    }
    with pytest.raises(RunMismatchError) as refused, RunFolder(tmp_path).claimed(other):
        pass
    said = str(refused.value)
    assert "run.seed=1, run.base=, rates.merge=None, not run.seed=2" in said
    assert "threads" not in said and "(and 1 more)" in said and len(said) < 450


def test_what_was_refused_before_it_began_is_forgotten(tmp_path: Path) -> None:
    folder = RunFolder(tmp_path)
    with folder.claimed(SETTINGS):
        folder.write_status("beginning", 0, 0, 100)
        assert folder.has_begun() and RunFolder(tmp_path).is_held()
        folder.forget()
    assert not folder.has_begun() and not folder.is_held()
    with RunFolder(tmp_path).claimed({**SETTINGS, "seed": 2}) as begun:
        assert not begun


def test_a_second_process_is_told_to_wait(tmp_path: Path) -> None:
    with (
        RunFolder(tmp_path).claimed(SETTINGS),
        pytest.raises(RunBusyError, match="another process"),
        RunFolder(tmp_path).claimed(SETTINGS),
    ):
        pass


def test_a_finished_step_is_read_back_not_computed_again(tmp_path: Path) -> None:
    folder = RunFolder(tmp_path)
    assert folder.step("exam", lambda: {"accuracy": 0.1 + 0.2}) == {"accuracy": 0.1 + 0.2}

    def never() -> dict[str, float]:
        raise AssertionError

    assert RunFolder(tmp_path).step("exam", never) == {"accuracy": 0.1 + 0.2}


def test_a_damaged_file_is_named_with_the_remedy(tmp_path: Path) -> None:
    with RunFolder(tmp_path).claimed(SETTINGS):
        pass
    (tmp_path / "run" / "config.json").write_text("{")
    damaged = RunFolder(tmp_path).claimed(SETTINGS)
    with pytest.raises(RunCorruptError, match=r"config\.json .* another folder"), damaged:
        pass


def test_working_time_adds_up_over_processes(tmp_path: Path) -> None:
    folder = RunFolder(tmp_path)
    with folder.claimed(SETTINGS):
        folder.write_status("evolving", 1, 10, 100)
    spent = folder.status()["elapsed_s"]
    later = RunFolder(tmp_path)
    with later.claimed(SETTINGS):
        assert later.elapsed_s >= spent


def test_a_claim_within_a_claim_is_the_same_claim(tmp_path: Path) -> None:
    """A job that goes on after its evolution keeps the run until it is done itself."""
    folder = RunFolder(tmp_path)
    with folder.claimed(SETTINGS):
        with folder.claimed({"of": "the evolution"}) as begun:
            assert begun and folder.claiming
        assert folder.claiming and RunFolder(tmp_path).is_held()
    assert not folder.claiming and not folder.is_held()
    assert folder.read(folder.path / "config.json") == SETTINGS
