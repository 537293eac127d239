"""Whatever a source does wrong is one line of the Academy's; a good one draws what it drew."""

from __future__ import annotations

from collections.abc import Collection
from importlib.metadata import EntryPoint
from typing import Any

import numpy as np
import pytest

from academy.benchmark.tracks import CompositionSource
from academy.challenge import SPLITS, Challenge, Split
from academy.errors import AcademyError
from academy.sources import opening
from academy.sources.builtin import BuiltinSource
from academy.sources.checked import checked
from academy.sources.opening import open_source
from academy.sources.source import levels_of


def test_a_good_source_draws_the_same_behind_the_guard() -> None:
    for source in (BuiltinSource(), CompositionSource()):
        guarded = checked(source)
        assert checked(guarded) is guarded and levels_of(guarded) == levels_of(source)
        for skill in source.skills[:3]:
            for split in SPLITS:
                ours, theirs = np.random.default_rng(3), np.random.default_rng(3)
                assert guarded.draw(skill, split, 9, ours) == source.draw(skill, split, 9, theirs)
                assert ours.random() == theirs.random()


class Odd:
    """Forty questions, the same in every split."""

    name: str = "odd"
    skills: tuple[str, ...] = ("s",)

    def describe(self, skill: str) -> str:
        return "two\nlines"

    def draw(
        self,
        skill: str,
        split: Split,
        n: int,
        rng: np.random.Generator,
        *,
        level: int | None = None,
        exclude: Collection[str] = (),
    ) -> list[Any]:
        return [Challenge(f"q{i}", str(i), skill, "d") for i in rng.permutation(40)[:n]]


class Endless(Odd):
    """Numbers without end, whatever the split."""

    def draw(self, skill: str, split: Split, n: int, rng: Any, **_: Any) -> list[Any]:
        numbers = rng.choice(10**6, n, replace=False)
        return [Challenge(f"q{i}", str(i), skill, "d") for i in numbers]


class Repeating(Odd):
    """One question over and over."""

    def draw(self, skill: str, split: Split, n: int, rng: Any, **_: Any) -> list[Any]:
        return [Challenge("same", "1", skill, "d")] * n


class Raising(Odd):
    """Nothing but a bare KeyError."""

    def draw(self, skill: str, split: Split, n: int, rng: Any, **_: Any) -> list[Any]:
        raise KeyError("boom")


class Foreign(Odd):
    """Questions of another skill."""

    def draw(self, skill: str, split: Split, n: int, rng: Any, **_: Any) -> list[Any]:
        return BuiltinSource().draw("sort", split, n, rng)


class Texts(Odd):
    """No challenges at all."""

    def draw(self, skill: str, split: Split, n: int, rng: Any, **_: Any) -> list[Any]:
        return ["q"] * n


class Capital(Odd):
    """A skill that no manifest can hold."""

    skills = ("Times Table",)


FAULTS: list[tuple[type[Odd], str]] = [
    (Odd, "give each question in one split"),
    (Endless, "give each question in one split"),
    (Repeating, "gave 'same' again"),
    (Raising, r"failed to draw .* \(KeyError: 'boom'\)"),
    (Foreign, "gave one of 'sort'"),
    (Texts, "gave a str"),
    (Capital, "write 'times-table'"),
]


@pytest.mark.parametrize(("kind", "words"), FAULTS)
def test_a_fault_is_one_line(kind: type[Odd], words: str) -> None:
    with pytest.raises(AcademyError, match=words) as refused:
        checked(kind()).draw("s", "select", 9, np.random.default_rng(0))
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize(("kind", "words"), FAULTS)
def test_a_plug_in_is_checked_when_it_is_opened(
    kind: type[Odd], words: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    point = EntryPoint("mine", f"{kind.__module__}:{kind.__name__}", opening.GROUP)
    monkeypatch.setattr(EntryPoint, "load", lambda self: kind)
    monkeypatch.setattr(opening, "entry_points", lambda group: [point])
    with pytest.raises(AcademyError, match=words):
        open_source("mine")


def test_a_description_is_one_line_of_a_manifest() -> None:
    assert checked(Odd()).describe("s") == "two lines"
