"""What the benchmark asks: two tracks, three tiers, the same for every method.

Track A: the twelve built-in skills, mean and worst. Track B: four compositions of skills that
nobody was trained on; each comes with 200 questions to adapt to, of which 140 may be trained
on and 60 decide. Questions are split by hash as everywhere; test questions are drawn here but
only `academy.benchmark.final` asks them.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Collection
from dataclasses import dataclass
from typing import Literal

import numpy as np

from academy.challenge import Challenge, Split
from academy.errors import ConfigError
from academy.skills.letters import LETTERS
from academy.sources.builtin import BuiltinSource
from academy.sources.source import ChallengeSource

Track = Literal["A", "B"]
TRACKS: tuple[Track, ...] = ("A", "B")
GIVEN, TRAINABLE = 200, 140
"""Questions of a composition that are given, and how many of them may be trained on."""
SHEET_SEED = 31_000


@dataclass(frozen=True)
class Tier:
    """How much a method may spend, token-equivalents, and how finely it is measured."""

    name: str
    tokens: dict[str, int]
    """By track; expert training, selection and re-tests included."""
    expert_share: float
    """Part of it that training the shared experts has cost."""
    select_items: int
    """Selection items per skill that peers search on."""
    test_items: int
    """Test questions per skill."""
    rank: int
    """Of an expert; a parameter-matched layer has this times the number of experts."""


TIERS: dict[str, Tier] = {
    tier.name: tier
    for tier in (
        Tier("smoke", {"A": 150_000, "B": 100_000}, 0.4, 3, 10, 4),
        Tier("standard", {"A": 1_500_000, "B": 750_000}, 0.4, 20, 100, 8),
        Tier("full", {"A": 15_000_000, "B": 7_500_000}, 0.4, 40, 400, 8),
    )
}


def tier_named(name: str) -> Tier:
    """The tier of that name; ConfigError if there is none."""
    if name not in TIERS:
        raise ConfigError(f"there is no tier {name!r}: choose {', '.join(TIERS)}")
    return TIERS[name]


@dataclass(frozen=True)
class Composition:
    """Two skills in one question."""

    name: str
    description: str
    phrasings: tuple[str, ...]
    draw: Callable[[np.random.Generator], dict[str, str]]
    solve: Callable[[dict[str, str]], str]

    def challenge(self, rng: np.random.Generator) -> Challenge:
        """Draw one question."""
        fields = self.draw(rng)
        phrasing = self.phrasings[int(rng.integers(len(self.phrasings)))]
        return Challenge(
            phrasing.format(**fields),
            self.solve(fields),
            self.name,
            "composition",
            " ".join(fields.values()),
        )


def _word(rng: np.random.Generator, low: int, high: int) -> str:
    return "".join(LETTERS[i] for i in rng.integers(26, size=int(rng.integers(low, high + 1))))


def _one_word(low: int, high: int) -> Callable[[np.random.Generator], dict[str, str]]:
    return lambda rng: {"x": _word(rng, low, high)}


def _repeated(rng: np.random.Generator) -> dict[str, str]:
    return {"x": _word(rng, 2, 6), "n": str(int(rng.integers(2, 4)))}


def _bit_pair(rng: np.random.Generator) -> dict[str, str]:
    draw = rng.integers(2, size=(2, 6))
    return {"a": "".join(map(str, draw[0])), "b": "".join(map(str, draw[1]))}


def _xor_reversed(fields: dict[str, str]) -> str:
    pairs = zip(fields["a"], fields["b"], strict=True)
    return "".join("01"[a != b] for a, b in pairs)[::-1]


COMPOSITIONS: tuple[Composition, ...] = (
    Composition(
        "reverse-case",
        "write a word backwards in capital letters",
        ("shout {x} backwards", "'{x}'[::-1].upper()"),
        _one_word(3, 5),
        lambda f: f["x"][::-1].upper(),
    ),
    Composition(
        "sort-case",
        "put letters in order, in capitals",
        ("put {x} in order in capitals", "sorted('{x}').upper()"),
        _one_word(3, 5),
        lambda f: "".join(sorted(f["x"])).upper(),
    ),
    Composition(
        "count-repeat",
        "count the letters of a repeated word",
        ("len('{x}'*{n})", "how long is {x} {n} times"),
        _repeated,
        lambda f: str(len(f["x"]) * int(f["n"])),
    ),
    Composition(
        "xor-reverse",
        "exclusive or of two bit strings, backwards",
        ("{a} ^ {b} backwards", "xor: {a} {b} from the end"),
        _bit_pair,
        _xor_reversed,
    ),
)


class CompositionSource:
    """Track B's questions: 140 given ones to train on, 60 to select by, fresh ones to test."""

    name = "compositions"
    skills: tuple[str, ...] = tuple(c.name for c in COMPOSITIONS)

    def describe(self, skill: str) -> str:
        return self._named(skill).description

    def draw(
        self,
        skill: str,
        split: Split,
        n: int,
        rng: np.random.Generator,
        *,
        level: int | None = None,
        exclude: Collection[str] = (),
    ) -> list[Challenge]:
        """Up to n questions; of the given ones for train and select, in random order."""
        composition = self._named(skill)
        if split == "test" or split == "audit":
            return _drawn(composition, split, n, rng)
        given = _given(composition.name)
        pool = given[:TRAINABLE] if split == "train" else given[TRAINABLE:]
        pool = tuple(c for c in pool if c.id not in set(exclude))
        return [pool[i] for i in rng.permutation(len(pool))[:n]]

    def _named(self, skill: str) -> Composition:
        return next(c for c in COMPOSITIONS if c.name == skill)


@functools.cache
def _given(name: str) -> tuple[Challenge, ...]:
    """The questions that come with a composition, always the same, all of the select split."""
    index = [c.name for c in COMPOSITIONS].index(name)
    rng = np.random.default_rng([SHEET_SEED, index])
    return tuple(_drawn(COMPOSITIONS[index], "select", GIVEN, rng))


def _drawn(
    composition: Composition, split: Split, n: int, rng: np.random.Generator
) -> list[Challenge]:
    """n different questions of a split, by rejection; fewer once nothing new turns up."""
    chosen: dict[str, Challenge] = {}
    idle = 0
    while len(chosen) < n and idle < 5_000:
        challenge = composition.challenge(rng)
        fresh = challenge.split == split and challenge.id not in chosen
        idle = 0 if fresh else idle + 1
        if fresh:
            chosen[challenge.id] = challenge
    return list(chosen.values())


def source_of(track: Track) -> ChallengeSource:
    """A track's questions."""
    return BuiltinSource() if track == "A" else CompositionSource()


def sheet(track: Track, split: Split, n_per_skill: int) -> tuple[list[Challenge], np.ndarray]:
    """The same questions for every method and seed, with the skill index of each."""
    source = source_of(track)
    items: list[Challenge] = []
    skills: list[int] = []
    for index, skill in enumerate(source.skills):
        rng = np.random.default_rng([SHEET_SEED, "AB".index(track), index, len(split)])
        some = source.draw(skill, split, n_per_skill, rng)
        items += some
        skills += [index] * len(some)
    return items, np.array(skills)
