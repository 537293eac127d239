"""Human breeding: somebody says which parents and which traits, and gets a recipe.

`sort from ada, reverse from bob` takes those two skills from those two parents; `sort, reverse`
takes each from whoever of the parents is best at it. A parent's weight is its share of the
wishes; the engine then makes the child with `genome.compose.merge`, which is exact. A
single wish therefore copies one parent; `strengths` above 1 give back some of what averaging
takes away (a mean of two keeps half of each).
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from academy.errors import BreedingError, did_you_mean
from academy.statistics.intervals import wilson_interval

STRENGTHS = (1.0, 1.5, 2.0)
_WISH = r"(.+?)(?:\s+(from)\b\s*(.*))?"


@dataclass(frozen=True)
class Parent:
    """Somebody to breed from."""

    name: str
    digest: str
    hits: Mapping[str, int]
    """Right answers per skill."""
    asked: Mapping[str, int]
    """Questions per skill."""

    def accuracy(self, skill: str) -> float:
        """Hits per question; 0 if never asked."""
        n = self.asked.get(skill, 0)
        return self.hits.get(skill, 0) / n if n else 0.0


@dataclass(frozen=True)
class Recipe:
    """How to make a child: `merge` the parents' layers with these weights."""

    parents: tuple[str, ...]
    """Digests, in the order of first mention."""
    weights: tuple[float, ...]
    """Weight of each parent's update."""
    sources: tuple[tuple[str, str], ...]
    """(skill, digest of the parent it comes from) for every wish."""


@dataclass(frozen=True)
class Row:
    """One skill of a child beside its parents."""

    child: str
    skill: str
    accuracy: float
    interval: tuple[float, float]
    """95 % Wilson interval of the child's accuracy."""
    parents: tuple[float, ...]
    """Accuracy of each parent."""
    verdict: str
    """`better` or `worse` where the intervals of child and best parent are apart, else `kept`."""


def parse_wishes(text: str, skills: Sequence[str]) -> dict[str, str | None]:
    """Wanted skills and the name of the parent each is to come from, None for the best.

    >>> parse_wishes("sort from ada, reverse", ("sort", "reverse"))
    {'sort': 'ada', 'reverse': None}

    Raises:
        BreedingError: No wish, an unknown skill (the nearest is named), or a skill twice.
    """
    wishes: dict[str, str | None] = {}
    for part in filter(None, (p.strip() for p in re.split(r"[,;\n]", text))):
        match = re.fullmatch(_WISH, part, re.DOTALL)
        assert match, "every text without outer blanks is a wish"
        skill, sign, parent = match.groups()
        if skill not in skills:
            raise BreedingError(f"there is no trait {skill!r}: {did_you_mean(skill, skills)}")
        if skill in wishes:
            raise BreedingError(f"trait {skill!r} is wished for twice: name it once")
        if sign and not parent:
            raise BreedingError(f"{part!r} names no parent: write `{skill} from NAME`")
        wishes[skill] = parent or None
    if not wishes:
        raise BreedingError("no trait is wished for: write for example `sort from ada, reverse`")
    return wishes


def recipe(
    parents: Sequence[Parent], wishes: Mapping[str, str | None], *, strength: float = 1.0
) -> Recipe:
    """Weights of the parents: each wish counts the same, and they sum to `strength`.

    Raises:
        BreedingError: No parents or wishes, an unknown parent, or a skill no parent has shown.
    """
    if not parents or not wishes or not (math.isfinite(strength) and strength > 0):
        raise BreedingError(
            f"{len(parents)} parents, {len(wishes)} wishes, strength {strength}: give at least one "
            "parent, one trait, and a strength above 0"
        )
    chosen = [(skill, _source(parents, skill, name)) for skill, name in wishes.items()]
    digests = list(dict.fromkeys(parent.digest for _, parent in chosen))
    shares = [sum(p.digest == digest for _, p in chosen) for digest in digests]
    weights = tuple(strength * share / len(chosen) for share in shares)
    return Recipe(tuple(digests), weights, tuple((s, p.digest) for s, p in chosen))


def litter(
    parents: Sequence[Parent],
    wishes: Mapping[str, str | None],
    strengths: Sequence[float] = STRENGTHS,
) -> list[Recipe]:
    """The same wish at several strengths, to be made, measured and compared."""
    return [recipe(parents, wishes, strength=strength) for strength in strengths]


def compare(children: Sequence[Parent], parents: Sequence[Parent]) -> list[Row]:
    """One row per child and skill that anybody was asked, children and skills in order.

    Raises:
        BreedingError: No children or no parents.
    """
    if not children or not parents:
        raise BreedingError(
            f"{len(children)} children and {len(parents)} parents: give some of both"
        )
    skills = dict.fromkeys(s for one in (*children, *parents) for s, n in one.asked.items() if n)
    return [_row(child, skill, parents) for child in children for skill in skills]


def _row(child: Parent, skill: str, parents: Sequence[Parent]) -> Row:
    own = _interval(child, skill)
    best = _interval(max(parents, key=lambda p: p.accuracy(skill)), skill)
    verdict = "better" if own[0] > best[1] else "worse" if own[1] < best[0] else "kept"
    theirs = tuple(p.accuracy(skill) for p in parents)
    return Row(child.name, skill, child.accuracy(skill), own, theirs, verdict)


def _interval(one: Parent, skill: str) -> tuple[float, float]:
    return wilson_interval(one.hits.get(skill, 0), one.asked.get(skill, 0))


def _source(parents: Sequence[Parent], skill: str, name: str | None) -> Parent:
    if name is not None:
        for parent in parents:
            if parent.name == name:
                return parent
        names = [parent.name for parent in parents]
        raise BreedingError(f"{name!r} is no parent here: {did_you_mean(name, names)}")
    best = max(parents, key=lambda p: p.accuracy(skill))  # the first of equals
    if best.accuracy(skill) == 0:
        raise BreedingError(f"no parent has shown {skill!r}: name the parent or choose others")
    return best
