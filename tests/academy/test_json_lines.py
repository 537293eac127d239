"""A log of lines loses none: a torn end is dropped by the next writer."""

from __future__ import annotations

import json
from pathlib import Path

from academy.run_folder import append_line, whole_lines


def test_lines_are_added_whole_after_a_torn_one(tmp_path: Path) -> None:
    path = tmp_path / "log.jsonl"
    append_line(path, {"n": 1})
    with path.open("a") as file:
        file.write('{"n": ')
    append_line(path, {"n": 2})
    assert [json.loads(line)["n"] for line in path.read_text().splitlines()] == [1, 2]


def test_only_finished_lines_count() -> None:
    assert whole_lines(b"a\nb\nc") == 4 and whole_lines(b"c") == 0
