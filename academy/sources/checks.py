"""What a skill may be called: it ends in a layer's manifest, so the manifest's rule decides.

Proof that a source keeps its splits apart, for any source and any sample of it.

Procedural tasks are the reason: two seeds of one generator can overlap up to 100 %, so a
source is checked by the questions it gives, never by how it says it made them.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Hashable, Iterable, Iterator, Sequence

from academy.challenge import Challenge, Split, plain
from academy.errors import SourceError, SplitOverlapError
from genome.errors import LayerRejected
from genome.refusals import shown
from genome.shelf.manifest import check_name

MOST = 60
"""Characters of a name made here: a number can still follow it."""


def name_from(text: str, default: str = "skill") -> str:
    """The nearest name that a manifest can hold."""
    plain = re.sub(r"[^a-z0-9._-]+", "-", text.lower()).strip("-._")
    return plain[:MOST].rstrip("-._") or default


def name_fault(name: object) -> str:
    """Why a skill cannot be called so, and what to write; empty if it can."""
    try:
        check_name(name)
    except LayerRejected:
        return (
            "a skill's name must be 1-64 characters of a-z 0-9 . _ - and begin with a letter or "
            f"digit, not {shown(name)}: write {name_from(str(name))!r}"
        )
    return ""


def check_skill_names(origin: str, skills: Iterable[object]) -> None:
    """Refuse a source's skills if one has no name that a manifest can hold, or one comes twice.

    Raises:
        SourceError: With one line to show.
    """
    names = list(skills)
    for name in names:
        if fault := name_fault(name):
            raise SourceError(f"the challenge source {origin!r}: {fault}")
    twice = next((name for i, name in enumerate(names) if name in names[:i]), None)
    if twice is not None:
        raise SourceError(
            f"the challenge source {origin!r} has skill {twice!r} twice: name it once"
        )


FEWEST = 10
"""Questions below which a commonest answer says nothing."""
MAJORITY_FLAG = 0.5
"""From this share of one answer on, a skill can be half passed without reading the question."""


def same_question_keys(challenge: Challenge) -> list[Hashable]:
    """Two challenges that share one of these ask the same thing, whatever their ids say.

    The answer belongs to a key: `reverse: Ab` and `reverse: ab` differ only in case and are
    two questions. So do the options: one stem with others is another question.
    """
    options = tuple(sorted(map(plain, challenge.choices)))
    right = plain(challenge.answer), challenge.tests, options
    keys: list[Hashable] = [("prompt", plain(challenge.prompt), *right)]
    if challenge.argument:
        keys.append(("argument", challenge.skill, plain(challenge.argument), *right))
    return keys


def find_overlap(challenges: Iterable[Challenge]) -> Iterator[tuple[int, int]]:
    """Places of challenges that ask the same as an earlier one on another side of a split."""
    first: dict[Hashable, tuple[int, Split]] = {}
    for i, challenge in enumerate(challenges):
        for key in same_question_keys(challenge):
            place, split = first.setdefault(key, (i, challenge.split))
            if split != challenge.split:
                yield place, i
                break


def check_sample(challenges: Sequence[Challenge]) -> None:
    """Refuse a sample that holds an id twice, or a question in two splits.

    Raises:
        SplitOverlapError: It does; the message shows the question.
    """
    twice = [id for id, n in Counter(c.id for c in challenges).items() if n > 1]
    if twice:
        prompt = next(c.prompt for c in challenges if c.id == twice[0])
        raise SplitOverlapError(
            f"the question {prompt[:60]!r} came twice in one sample: draw without repetition"
        )
    for overlap in find_overlap(challenges):
        one, other = (challenges[i] for i in overlap)
        raise SplitOverlapError(
            f"{one.prompt[:60]!r} is in split {one.split!r} and {other.prompt[:60]!r} in split "
            f"{other.split!r}, yet they ask the same: give both the same `argument`"
        )


def majority_share(challenges: Sequence[Challenge]) -> float:
    """The share of the commonest answer: what a constant answer would score. 0 for none."""
    counts = Counter(c.answer for c in challenges if not c.tests)
    return max(counts.values()) / counts.total() if counts else 0.0


def one_answer_shares(challenges: Sequence[Challenge]) -> dict[str, float]:
    """By skill: the share of its commonest answer, where that is so common that it must be said."""
    by_skill: dict[str, list[Challenge]] = {}
    for challenge in challenges:
        by_skill.setdefault(challenge.skill, []).append(challenge)
    shares = {skill: majority_share(part) for skill, part in by_skill.items()}
    return {
        skill: share
        for skill, share in shares.items()
        if share >= MAJORITY_FLAG and len(by_skill[skill]) >= FEWEST
    }
