"""A file is the old one or the new one, never half of each."""

from __future__ import annotations

from pathlib import Path

import pytest

from genome.files import write_atomically, write_folder_once, write_json, write_text


def test_a_failed_write_keeps_the_old_file_and_leaves_no_other(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    write_json(path, {"old": 1})

    def half(temporary: Path) -> None:
        temporary.write_text("{ha")
        raise OSError(28, "No space left on device")

    with pytest.raises(OSError, match="No space"):
        write_atomically(path, half)
    assert path.read_text() == '{\n "old": 1\n}\n'
    assert list(tmp_path.iterdir()) == [path]


def test_a_folder_appears_whole_and_only_once(tmp_path: Path) -> None:
    path = tmp_path / "x"
    assert write_folder_once(path, lambda folder: write_text(folder / "a", "1"))
    assert not write_folder_once(path, lambda folder: write_text(folder / "a", "2"))
    assert (path / "a").read_text() == "1"

    def broken(folder: Path) -> None:
        write_text(folder / "a", "3")
        raise RuntimeError

    with pytest.raises(RuntimeError):
        write_folder_once(tmp_path / "y", broken)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["x"]
