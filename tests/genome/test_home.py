"""Homes say which version they belong to."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from academy.run_folder import RunFolder
from genome.bases import Bases
from genome.errors import HomeVersionError
from genome.home import FORMAT, STAMP_FILE, check_home, stamp_new
from genome.library import Library
from persona.persona import Persona, PersonaStore
from seeds.bases import add_base
from seeds.tokenizer import build_tokenizer
from tests.support.cli import continuum
from tests.support.genome import tiny_base


@pytest.mark.parametrize(
    "make",
    [
        Library.open,
        lambda home: RunFolder(home).claimed({}).__enter__(),
        lambda home: PersonaStore(home).save(Persona("ada", "0" * 16)),
        lambda home: home.mkdir() or Bases(home).remember(tiny_base(build_tokenizer())),
        lambda home: add_base(home, "embedded"),
    ],
)
def test_a_new_home_is_stamped_once(tmp_path: Path, make: object) -> None:
    """By whichever part is made first."""
    home = tmp_path / "home"
    make(home)  # type: ignore[operator]
    assert json.loads((home / STAMP_FILE).read_text()) == {"format": FORMAT}
    assert check_home(home)


def test_nothing_is_written_by_looking(tmp_path: Path) -> None:
    """An absent home, or any other folder, is no home and gets no stamp."""
    assert check_home(tmp_path) and check_home(tmp_path / "nowhere")
    assert list(tmp_path.iterdir()) == []


def test_a_home_from_before_stamps_opens_with_one_line(tmp_path: Path) -> None:
    """Once: then it is stamped. A refused command says its own line and no other."""
    Library.open(tmp_path)
    (tmp_path / STAMP_FILE).unlink()
    stamp_new(tmp_path)
    assert not check_home(tmp_path)
    refused = continuum("layer", "show", "nothing", "--home", tmp_path).refusal
    assert "nothing" in refused and not check_home(tmp_path)
    other = tmp_path / "other"
    other.joinpath("library").mkdir(parents=True)
    assert continuum("layer", "show", "nothing", "--home", other).refusal  # is not told of later
    first, second = (continuum("layer", "list", "--home", tmp_path) for _ in range(2))
    (line,) = first.err.splitlines()
    assert first.code == second.code == 0 and str(tmp_path) in line and "before" in line
    assert not second.err and check_home(tmp_path)


@pytest.mark.parametrize("text", ['{"format": 99}', '{"format": "1"}', "{", "[]", ""])
def test_a_home_of_another_version_is_named_and_left_alone(tmp_path: Path, text: str) -> None:
    """One line with both formats, whichever command; nothing is changed."""
    Library.open(tmp_path)
    (tmp_path / STAMP_FILE).write_text(text)
    with pytest.raises(HomeVersionError, match=f"format {FORMAT}"):
        check_home(tmp_path)
    for words in (("layer", "list"), ("persona", "list"), ("academy", "status"), ("tui",)):
        assert "home of format" in continuum(*words, "--home", tmp_path).refusal
    assert (tmp_path / STAMP_FILE).read_text() == text
