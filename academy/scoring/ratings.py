"""People's verdicts on pairs of answers, kept one per line in a file that only grows.

A line is written whole and flushed to the disk before the next question is asked; a last line
that a crash cut short is dropped by whoever reads or writes next.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any, Literal

from academy.json_lines import append_line, whole_lines
from academy.scoring.bradley_terry import Comparison
from academy.scoring.errors import RatingsCorruptError, RatingsError

Winner = Literal["first", "second", "tie"]
WORTH: dict[Winner, float] = {"first": 1.0, "second": 0.0, "tie": 0.5}


@dataclass(frozen=True, slots=True)
class Rating:
    """One person's verdict on two answers to one question."""

    question_id: str
    question: str
    first: str
    """Name of one persona."""
    second: str
    first_answer: str
    second_answer: str
    winner: Winner
    shown_first: bool
    """Whether `first`'s answer stood first on the screen."""

    def __post_init__(self) -> None:
        if self.winner not in WORTH or self.first == self.second or not self.first:
            raise RatingsError(
                f"{self.winner!r} is no verdict on {self.first!r} and {self.second!r}: it takes "
                "two personas and first, second or tie"
            )

    @property
    def comparison(self) -> Comparison:
        """The verdict alone, for `rate_players`."""
        return Comparison(self.first, self.second, WORTH[self.winner])


def append_rating(path: Path, rating: Rating) -> None:
    """Add one line and flush it to the disk; raises OSError if the disk will not take it."""
    append_line(path, asdict(rating))


def read_ratings(path: Path) -> list[Rating]:
    """All ratings of a file, oldest first; none if there is no file.

    Raises:
        RatingsCorruptError: A line other than a cut-off last one cannot be read.
    """
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        return []
    lines = data[: whole_lines(data)].split(b"\n")[:-1]
    return [_read(path, number, line) for number, line in enumerate(lines, 1)]


def rated_questions(ratings: Iterable[Rating], one: str, other: str) -> set[str]:
    """Ids of questions on which a pair was compared already."""
    return {r.question_id for r in ratings if {r.first, r.second} == {one, other}}


def _read(path: Path, number: int, line: bytes) -> Rating:
    try:
        data: dict[str, Any] = json.loads(line)
        for field in fields(Rating):
            type_ = bool if field.name == "shown_first" else str
            if not isinstance(data[field.name], type_):
                raise TypeError(f"{field.name} is no {type_.__name__}")
        return Rating(**{field.name: data[field.name] for field in fields(Rating)})
    except (ValueError, KeyError, TypeError, RatingsError) as error:
        raise RatingsCorruptError(
            f"{path}, line {number} is no rating ({error}): delete that line to go on without it"
        ) from None
