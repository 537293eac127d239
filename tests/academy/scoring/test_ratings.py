"""A ratings file only grows, line by whole line."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from academy.errors import RatingsCorruptError, RatingsError
from academy.scoring.ratings import Rating, append_rating, rated_questions, read_ratings


def _rating(n: int, **changes: Any) -> Rating:
    fields: dict[str, Any] = {
        "question_id": f"id{n}",
        "question": "2+2",
        "first": "ada",
        "second": "bob",
        "first_answer": "4",
        "second_answer": "5\ud800",
        "winner": "first",
        "shown_first": True,
    }
    return Rating(**{**fields, **changes})


def test_what_was_appended_is_read_back_in_order(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "ratings.jsonl"
    assert read_ratings(path) == []
    ratings = [_rating(0), _rating(1, winner="tie"), _rating(2, winner="second")]
    for rating in ratings:
        append_rating(path, rating)
    assert read_ratings(path) == ratings
    assert [r.comparison.worth for r in ratings] == [1.0, 0.5, 0.0]
    assert rated_questions(ratings, "bob", "ada") == {"id0", "id1", "id2"}
    assert rated_questions(ratings, "bob", "cyd") == set()


def test_a_last_line_cut_short_by_a_crash_is_dropped_at_every_length(tmp_path: Path) -> None:
    path = tmp_path / "ratings.jsonl"
    append_rating(path, _rating(0))
    append_rating(path, _rating(1))
    whole = path.read_bytes()
    first = whole.index(b"\n") + 1
    for length in range(first, len(whole)):
        path.write_bytes(whole[:length])
        assert read_ratings(path) == [_rating(0)]
    append_rating(path, _rating(2))
    assert read_ratings(path) == [_rating(0), _rating(2)]


@pytest.mark.parametrize(
    "line", ["{}", "nonsense", '{"question_id": 1}', "[]", "null", '"x"', "\udcff"]
)
def test_a_damaged_line_in_the_middle_is_refused_by_number(tmp_path: Path, line: str) -> None:
    path = tmp_path / "ratings.jsonl"
    append_rating(path, _rating(0))
    path.write_bytes(path.read_bytes() + line.encode(errors="surrogateescape") + b"\n")
    with pytest.raises(RatingsCorruptError, match="line 2"):
        read_ratings(path)


@pytest.mark.parametrize("changes", [{"winner": "third"}, {"second": "ada"}, {"first": ""}])
def test_a_verdict_on_nobody_is_refused(changes: dict[str, str]) -> None:
    with pytest.raises(RatingsError):
        _rating(0, **changes)
