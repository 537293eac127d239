"""Files of a run: what may be missing, what may be added, and what makes one damaged."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.support.screens import fake_generation, fake_run_files
from tui.data.fields import RecordError, read_json, record_of
from tui.data.records import GenerationRecord, RunConfig, RunStatus, Summary
from tui.data.snapshot import CAUSE_NOT_RECORDED, species_lines


def generations(n: int) -> list[GenerationRecord]:
    """The first generations of the fake run."""
    return [record_of(GenerationRecord, f"{i}", fake_generation(i)) for i in range(n)]


def test_unknown_keys_are_ignored_and_the_unit_may_be_absent() -> None:
    """A newer run's file still opens; so does an older one's."""
    data = {"seed": 1, "personas": 2, "interactions": 3, "skills": ["a"], "colour": "blue"}
    config = record_of(RunConfig, "config.json", data)
    assert config.skills == ("a",) and config.unit is None


def test_what_a_file_does_not_say_is_not_made_up() -> None:
    """An absent number is None, to be left out, and never 0."""
    files = fake_run_files(2, phase="done")
    generation, status = files["run/generations/0001.json"], files["run/status.json"]
    for key in ("births", "deaths", "base_by_skill"):
        del generation[key]
    for key in ("generation", "interactions", "interactions_total"):
        del status[key]
    summary = files["summary.json"]
    del summary["extinct_lines"], summary["species"][0]["sales"], summary["species"][0]["born"]
    record = record_of(GenerationRecord, "g", generation)
    assert (record.births, record.deaths, record.base_by_skill) == (None, None, ())
    parsed = record_of(RunStatus, "s", status)
    assert (parsed.generation, parsed.interactions, parsed.interactions_total) == (None,) * 3
    told = record_of(Summary, "x", summary)
    assert (told.extinct_lines, told.species[0].sales, told.species[0].born) == (None,) * 3
    assert told.base_accuracy == ()


@pytest.mark.parametrize(
    ("key", "value"),
    [("phase", 3), ("generation", "three"), ("updated_s", None), ("updated_s", float("nan"))],
)
def test_a_wrong_value_names_file_and_key(key: str, value: Any) -> None:
    """The reader of the message knows which file to look at, and where in it."""
    data = fake_run_files(2)["run/status.json"] | {key: value}
    with pytest.raises(RecordError, match=rf"run/status\.json: '{key}' must be"):
        record_of(RunStatus, "run/status.json", data)


@pytest.mark.parametrize("content", ["", "{", "[]", "3", '"text"', "\x00\xff"])
def test_a_file_that_is_no_json_object_is_damaged(tmp_path: Path, content: str) -> None:
    """Whatever is in the file, the error is a RecordError with its name."""
    path = tmp_path / "config.json"
    path.write_text(content, encoding="latin-1")
    with pytest.raises(RecordError) as caught:
        record_of(RunConfig, "run/config.json", read_json(path, "run/config.json"))
    assert caught.value.file == "run/config.json"


def test_controls_of_any_shape_become_named_numbers() -> None:
    """The summary's controls may nest; words among them are left out."""
    data = fake_run_files(2, phase="done")["summary.json"]
    data["controls"] = {"plain_lora": {"best": 0.5, "note": "same compute"}, "ok": True}
    summary = record_of(Summary, "summary.json", json.loads(json.dumps(data)))
    assert summary.controls == (("plain lora best", 0.5),)


def test_species_are_joined_over_generations_living_first() -> None:
    """Populations line up with the generations; the dead keep generation and cause."""
    lines = species_lines(generations(12), None)
    assert next(line.name for line in lines if line.living) == "sorter-2"
    assert [line.name for line in lines if not line.living] == ["counter-5", "helper-1"]
    helper = next(line for line in lines if line.name == "helper-1")
    assert helper.extinct is not None
    assert (helper.extinct.generation, helper.extinct.cause) == (7, "outcompeted")
    assert len(helper.populations) == 12
    assert helper.populations[0] > 0 and helper.populations[7:] == (0,) * 5
    assert next(line for line in lines if line.name == "sorter-2").parent == "helper-1"


def test_a_lost_generation_leaves_the_cause_open() -> None:
    """The file that told of an extinction may be damaged; the species is still not alive."""
    kept = [record for record in generations(12) if record.generation != 7]
    helper = next(line for line in species_lines(kept, None) if line.name == "helper-1")
    assert helper.extinct is not None
    assert helper.extinct.cause == CAUSE_NOT_RECORDED


def test_a_summary_alone_still_shows_its_species() -> None:
    """Someone may have kept the summary and thrown the generations away."""
    data = fake_run_files(12, phase="done")["summary.json"]
    lines = species_lines([], record_of(Summary, "summary.json", data))
    assert len(lines) == 4 and all(line.living for line in lines)
