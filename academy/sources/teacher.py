"""A teacher that asks what the population is just learning, and a frozen audit of the teacher.

Learning is fastest where success is a coin toss, so questions are asked in proportion to
p(1 - p), the variance of success (the "learnability" of Rutherford et al. 2024, after Florensa
et al. 2018). What is solved or hopeless retires and is probed again now and then; a skill's
next level opens when its highest so far is passed.

What a teacher knows of one kind of question: how often the population gets it right.

A frozen set of questions that tells whether a teacher's estimates still mean ability.

It is drawn once, from a split that is never taught or selected on, a few questions of every
skill and level, so that it can be read for whichever arms the teacher has opened.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields, replace
from typing import Any

import numpy as np

from academy.challenge import Challenge, Split
from academy.errors import SourceError, TeacherStateError, TooFewQuestionsError
from academy.sources.source import ChallengeSource, levels_of
from academy.statistics.intervals import wilson_interval

STATE_VERSION = 1


@dataclass(frozen=True, slots=True)
class TeacherPlan:
    """How a teacher teaches."""

    explore: float = 0.02
    """Least weight of an active arm; the greatest is p(1 - p) = 0.25."""
    probe: float = 0.002
    """Weight of a retired arm: it is asked again now and then."""
    solved: float = 0.95
    """An arm retires as solved when p is surely above (95 % Wilson bound)."""
    hopeless: float = 0.02
    """An arm retires as impossible when p is surely below..."""
    least_tries: int = 200
    """...after so many attempts."""
    passed: float = 0.7
    """A skill's next level opens when p at its highest is surely above."""
    memory: float = 0.9
    """Discount of what is known of an arm whenever it is asked, for the population changes."""
    audit_each: int = 4
    """Audit questions per skill and level."""


@dataclass(frozen=True, slots=True)
class Lesson:
    """Questions to ask, each with the place of its arm in the teacher's table."""

    challenges: list[Challenge]
    arms: list[int]


class Teacher:
    """Chooses what to ask; its whole state is plain JSON."""

    def __init__(
        self, source: ChallengeSource, rng: np.random.Generator, plan: TeacherPlan | None = None
    ) -> None:
        """Begin with the lowest level of every skill, and draw the audit set, once."""
        self.source = source
        self.plan = plan or TeacherPlan()
        self._levels = levels_of(source)
        self.arms = [Arm(skill, self._levels[0]) for skill in source.skills]
        self.audit = self._drawn_audit(rng)
        """Never taught, never selected on."""

    def sample(
        self,
        n: int,
        rng: np.random.Generator,
        *,
        split: Split = "train",
        exclude: Collection[str] = (),
    ) -> Lesson:
        """`n` different questions, arms in proportion to p(1 - p); fewer if the source runs dry.

        Raises:
            SourceError: The split is not one to learn from.
        """
        if split not in ("train", "select"):
            raise SourceError(f"a teacher asks from train or select, never from {split!r}")
        weights, taken, lesson = self.weights(), set(exclude), Lesson([], [])
        while (missing := n - len(lesson.arms)) > 0 and weights.any():
            counts = rng.multinomial(missing, weights / weights.sum())
            for i in np.flatnonzero(counts).tolist():
                drawn = self._draw(self.arms[i], split, int(counts[i]), rng, taken)
                if len(drawn) < counts[i]:
                    weights[i] = 0.0  # this arm has no more
                taken.update(c.id for c in drawn)
                lesson.challenges.extend(drawn)
                lesson.arms.extend([i] * len(drawn))
        return lesson

    def weights(self) -> np.ndarray:
        """What each arm is asked in proportion to, (n_arms,)."""
        plan = self.plan
        return np.array(
            [
                plan.probe if self.retired(arm) else max(plan.explore, arm.p * (1 - arm.p))
                for arm in self.arms
            ]
        )

    def retired(self, arm: Arm) -> str:
        """`solved`, `impossible`, or nothing for an arm that is being taught."""
        low, high = arm.bounds
        if low > self.plan.solved:
            return "solved"
        if arm.total >= self.plan.least_tries and high < self.plan.hopeless:
            return "impossible"
        return ""

    def record(self, lesson: Lesson, scores: np.ndarray) -> None:
        """Take in how the population did; open levels that are due.

        Args:
            scores: Of every genome on every question, (n_genomes, n_challenges) in [0, 1].

        Raises:
            SourceError: The scores do not belong to the lesson.
        """
        values = np.nan_to_num(np.asarray(scores, dtype=float)).clip(0, 1)
        if values.ndim != 2 or values.shape[1] != len(lesson.arms):
            raise SourceError(
                f"scores of shape {values.shape} do not belong to a lesson of "
                f"{len(lesson.arms)} questions: give (n_genomes, n_challenges)"
            )
        places = np.array(lesson.arms, dtype=int)
        for i in dict.fromkeys(lesson.arms):
            part = values[:, places == i]
            self.arms[i] = self.arms[i].after(float(part.sum()), part.size, self.plan.memory)
        self._open_levels()

    def record_audit(self, scores: np.ndarray) -> float:
        """Take in scores on `audit.challenges`, (n_genomes, n_audit); their mean.

        Raises:
            SourceError: The scores do not belong to the audit set.
        """
        known: dict[Key, float] = {(a.skill, a.level): a.p for a in self.arms if a.total}
        return self.audit.record(scores, known)

    def drift(self) -> float:
        """Audit accuracy's growth less the estimates'; negative = the teacher flatters."""
        return self.audit.drift()

    def state(self) -> dict[str, Any]:
        """Everything there is to know, as plain JSON."""
        return {
            "version": STATE_VERSION,
            "source": self.source.name,
            "plan": asdict(self.plan),
            "arms": [arm.state() for arm in self.arms],
            "audit": self.audit.state(),
        }

    @classmethod
    def restore(cls, source: ChallengeSource, state: dict[str, Any]) -> Teacher:
        """The teacher that `state` was taken of.

        Raises:
            TeacherStateError: It is damaged, or belongs to another source.
        """
        teacher = cls.__new__(cls)
        teacher.source, teacher._levels = source, levels_of(source)
        try:
            if state["version"] != STATE_VERSION or state["source"] != source.name:
                raise ValueError(f"version {state['version']} of {state['source']!r}")
            teacher.plan = TeacherPlan(**state["plan"])
            teacher.arms = [Arm.restored(arm) for arm in state["arms"]]
            teacher.audit = Audit.restored(state["audit"])
            if {arm.skill for arm in teacher.arms} != set(source.skills):
                raise ValueError("other skills")
            if not {arm.level for arm in teacher.arms} <= set(teacher._levels):
                raise ValueError("other levels")
        except (KeyError, TypeError, ValueError) as error:
            raise TeacherStateError(
                f"the stored teacher does not fit {source.name!r} ({error}): start a new one"
            ) from None
        return teacher

    def _open_levels(self) -> None:
        """The level after a skill's highest, once that is passed."""
        highest = {arm.skill: arm for arm in self.arms}
        for skill, arm in highest.items():
            place = self._levels.index(arm.level)
            if place + 1 < len(self._levels) and arm.bounds[0] > self.plan.passed:
                self.arms.append(Arm(skill, self._levels[place + 1]))

    def _draw(
        self, arm: Arm, split: Split, n: int, rng: np.random.Generator, taken: Collection[str]
    ) -> list[Challenge]:
        """Fewer than asked, or none, where a finite source has no more."""
        try:
            return self.source.draw(arm.skill, split, n, rng, level=arm.level, exclude=taken)
        except TooFewQuestionsError:
            return []

    def _drawn_audit(self, rng: np.random.Generator) -> Audit:
        drawn: list[Challenge] = []
        keys: list[Key] = []
        taken: set[str] = set()
        for arm in [Arm(skill, level) for skill in self.source.skills for level in self._levels]:
            some = self._draw(arm, "audit", self.plan.audit_each, rng, taken)
            taken.update(c.id for c in some)
            drawn += some
            keys += [(arm.skill, arm.level)] * len(some)
        return Audit(tuple(drawn), tuple(keys))


@dataclass(frozen=True, slots=True)
class Arm:
    """A skill at a level, with discounted counts of attempts and hits."""

    skill: str
    level: int | None
    hits: float = 0.0
    tries: float = 0.0
    total: int = 0
    """Attempts ever, not discounted."""

    @property
    def p(self) -> float:
        """Probability of success under a uniform prior; 0.5 where nothing is known."""
        return (self.hits + 1) / (self.tries + 2)

    @property
    def bounds(self) -> tuple[float, float]:
        """95 % Wilson interval of the probability of success."""
        return wilson_interval(round(self.hits), math.ceil(self.tries))

    def after(self, hits: float, tries: int, memory: float) -> Arm:
        """The arm with a lesson's outcome added, what it knew before discounted."""
        return replace(
            self,
            hits=self.hits * memory + hits,
            tries=self.tries * memory + tries,
            total=self.total + tries,
        )

    def state(self) -> list[Any]:
        """Plain JSON."""
        return [self.skill, self.level, self.hits, self.tries, self.total]

    @classmethod
    def restored(cls, state: Sequence[Any]) -> Arm:
        """The inverse of `state`; raises TypeError or ValueError for anything else."""
        skill, level, hits, tries, total = state
        level = None if level is None else int(level)
        return cls(str(skill), level, float(hits), float(tries), int(total))


Key = tuple[str, int | None]
"""A skill and a level."""


@dataclass
class Audit:
    """The questions, what they are of, and how the population did at each audit so far."""

    challenges: tuple[Challenge, ...]
    keys: tuple[Key, ...]
    """Of each challenge."""
    records: list[dict[str, Any]] = field(default_factory=list)
    """Per audit: the mean, and [skill, level, accuracy, estimate] of every arm then known."""

    def record(self, scores: np.ndarray, estimates: Mapping[Key, float]) -> float:
        """Take in scores, (n_genomes, n_challenges); their mean.

        Args:
            estimates: What the teacher believes of the arms it has asked.

        Raises:
            SourceError: The scores do not belong to this set.
        """
        values = np.nan_to_num(np.asarray(scores, dtype=float))
        if values.ndim != 2 or values.shape[1] != len(self.challenges) or not values.size:
            raise SourceError(
                f"scores of shape {values.shape} do not belong to an audit of "
                f"{len(self.challenges)} questions: give (n_genomes, n_audit)"
            )
        arms = []
        for key in dict.fromkeys(self.keys):
            mine = np.array([k == key for k in self.keys])
            if key in estimates:
                arms.append([*key, float(values[:, mine].mean()), estimates[key]])
        self.records.append({"mean": float(values.mean()), "arms": arms})
        return float(values.mean())

    def drift(self) -> float:
        """How much more accuracy has grown than the estimates, from first to last audit.

        Over the arms known at both. Negative: estimates rise faster than ability. 0.0 before
        the second audit.
        """
        if len(self.records) < 2:
            return 0.0
        first = {(skill, level): (a, p) for skill, level, a, p in self.records[0]["arms"]}
        changes = [
            (accuracy - first[skill, level][0]) - (p - first[skill, level][1])
            for skill, level, accuracy, p in self.records[-1]["arms"]
            if (skill, level) in first
        ]
        return float(np.mean(changes)) if changes else 0.0

    def state(self) -> dict[str, Any]:
        """Plain JSON."""
        return {
            "challenges": [_challenge_state(c) for c in self.challenges],
            "keys": [list(key) for key in self.keys],
            "records": [dict(record) for record in self.records],
        }

    @classmethod
    def restored(cls, state: Mapping[str, Any]) -> Audit:
        """The inverse of `state`; raises KeyError, TypeError or ValueError for anything else."""
        challenges = tuple(_challenge(one) for one in state["challenges"])
        keys = tuple((str(skill), level) for skill, level in state["keys"])
        if len(challenges) != len(keys):
            raise ValueError("audit questions without a level")
        return cls(challenges, keys, [dict(record) for record in state["records"]])


def _challenge_state(challenge: Challenge) -> dict[str, Any]:
    state = asdict(challenge)
    del state["id"]
    if not challenge.rule:
        del state["rule"]
    return {**state, "choices": list(challenge.choices), "tests": list(challenge.tests)}


def _challenge(state: Mapping[str, Any]) -> Challenge:
    if set(state) | {"rule"} != {f.name for f in fields(Challenge)} - {"id"}:
        raise ValueError("a challenge with other fields")
    return Challenge(
        **{**state, "choices": tuple(state["choices"]), "tests": tuple(state["tests"])}
    )
