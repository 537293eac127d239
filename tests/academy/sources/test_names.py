"""A skill is called what a layer's manifest can hold, or is refused where it is first read."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from academy.errors import AcademyError
from academy.skills.letters import SKILL_NAMES
from academy.sources.checks import check_skill_names, name_fault, name_from
from academy.sources.opening import open_source
from genome.library import Receipt


@pytest.mark.parametrize(
    ("name", "instead"),
    [("Times Table", "times-table"), ("数学", "skill"), ("a/b", "a-b"), ("x" * 65, "x" * 60)],
)
def test_what_no_manifest_can_hold_is_refused_with_a_name_that_it_can(
    name: str, instead: str
) -> None:
    assert f"write {instead!r}" in name_fault(name)
    assert name_fault(instead) == ""
    assert Receipt(instead, 1, 1, 0).skill == name_from(name)


def test_builtin_skills_can_be_held() -> None:
    check_skill_names("builtin", SKILL_NAMES)
    with pytest.raises(AcademyError, match="'sort' twice"):
        check_skill_names("mine", ("sort", "sort"))


def test_a_line_with_another_name_is_refused_with_its_number(tmp_path: Path) -> None:
    path = tmp_path / "Sums.jsonl"
    lines = [{"prompt": "1+1", "answer": "2"}, {"prompt": "2x2", "answer": "4", "skill": "Times"}]
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    with pytest.raises(AcademyError, match=r"Sums\.jsonl, line 2: a skill's name .* 'times'"):
        open_source(f"jsonl:{path}")


def test_a_file_whose_own_name_is_none_gives_the_nearest(tmp_path: Path) -> None:
    path = tmp_path / "My Sums.jsonl"
    path.write_text(json.dumps({"prompt": "1+1", "answer": "2"}))
    assert open_source(f"jsonl:{path}").skills == ("my-sums",)
