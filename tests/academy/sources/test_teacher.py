"""The teacher asks what is being learnt, lets go of the rest, and is audited."""

from __future__ import annotations

import json

import numpy as np
import pytest

from academy.challenge import Challenge
from academy.errors import SourceError, TeacherStateError
from academy.sources.builtin import BuiltinSource
from academy.sources.jsonl import JsonlSource
from academy.sources.teacher import Lesson, Teacher, TeacherPlan


def _teacher(**plan: float) -> Teacher:
    source = BuiltinSource(("reverse", "sort", "add"))
    return Teacher(source, np.random.default_rng(0), TeacherPlan(**plan))  # type: ignore[arg-type]


def _taught(teacher: Teacher, ability: dict[str, float], rounds: int, seed: int = 0) -> list[str]:
    """Lessons of 30 to 10 genomes that succeed with fixed chances; the skills asked."""
    rng, asked = np.random.default_rng(seed), []
    for _ in range(rounds):
        lesson = teacher.sample(30, rng)
        asked += [c.skill for c in lesson.challenges]
        chances = np.array([ability[c.skill] for c in lesson.challenges])
        teacher.record(lesson, rng.random((10, len(chances))) < chances)
    return asked


def test_questions_come_in_proportion_to_p_times_one_minus_p() -> None:
    """p = .5, .1, .9 at one level: shares 25 : 9 : 9, within 4 points over 3,000 questions."""
    teacher = _teacher(passed=0.99, memory=0.98)
    asked = _taught(teacher, {"reverse": 0.5, "sort": 0.1, "add": 0.9}, 110)[300:]
    shares = [asked.count(s) / len(asked) for s in ("reverse", "sort", "add")]
    np.testing.assert_allclose(shares, np.array([25, 9, 9]) / 43, atol=0.04)


def test_solved_and_impossible_arms_retire_and_are_probed_now_and_then() -> None:
    teacher = _teacher(passed=1.1)
    _taught(teacher, {"reverse": 1.0, "sort": 0.5, "add": 0.0}, 30)
    assert [teacher.retired(arm) for arm in teacher.arms] == ["solved", "", "impossible"]
    asked = _taught(teacher, {"reverse": 1.0, "sort": 0.5, "add": 0.0}, 60, seed=1)
    share = 1 - asked.count("sort") / len(asked)
    assert 0 < share < 0.05  # 2 x 0.002 / 0.254 = 1.6 %


def test_a_retired_arm_comes_back_when_the_population_has_forgotten() -> None:
    teacher = _teacher(passed=1.1)
    _taught(teacher, {"reverse": 1.0, "sort": 0.5, "add": 0.5}, 30)
    assert teacher.retired(teacher.arms[0]) == "solved"
    lesson = Lesson(teacher.source.draw("reverse", "train", 5, np.random.default_rng(0)), [0] * 5)
    for _ in range(5):
        teacher.record(lesson, np.zeros((10, 5)))
    assert teacher.retired(teacher.arms[0]) == ""


def test_difficulty_rises_where_the_population_passes_and_only_there() -> None:
    teacher = _teacher()
    _taught(teacher, {"reverse": 0.9, "sort": 0.5, "add": 0.1}, 80)
    highest = {arm.skill: arm.level for arm in teacher.arms}
    assert highest == {"reverse": 5, "sort": 1, "add": 1}
    drawn = teacher.sample(50, np.random.default_rng(0))
    levels = {
        teacher.arms[i].level
        for i, c in zip(drawn.arms, drawn.challenges, strict=True)
        if c.skill == "reverse"
    }
    assert len(levels) > 1


def test_lessons_hold_no_question_twice_and_never_an_audit_question() -> None:
    teacher = _teacher()
    lesson = teacher.sample(200, np.random.default_rng(1))
    ids = [c.id for c in lesson.challenges]
    assert len(ids) == len(set(ids)) == 200
    assert {c.split for c in lesson.challenges} == {"train"}
    assert {c.split for c in teacher.audit.challenges} == {"audit"}
    assert len(teacher.audit.challenges) == 3 * 5 * 4
    for split in ("audit", "test"):
        with pytest.raises(SourceError, match="train or select"):
            teacher.sample(1, np.random.default_rng(0), split=split)


def test_drift_shows_a_teacher_whose_numbers_rise_without_ability() -> None:
    """Estimates go from .5 to 1 while the audit stays at .5: drift is about -.5; and the other
    way round, when both rise together, about 0."""
    outcomes = {}
    for audit_after in (0.5, 1.0):
        teacher = _teacher(passed=1.1, memory=0.3)
        n = len(teacher.audit.challenges)
        _taught(teacher, dict.fromkeys(("reverse", "sort", "add"), 0.5), 20)
        teacher.record_audit(np.full((2, n), 0.5))
        assert teacher.drift() == 0.0
        for _ in range(3):
            lesson = teacher.sample(90, np.random.default_rng(3))
            teacher.record(lesson, np.ones((10, 90)))
        lesson = Lesson([], [0, 1, 2])
        for _ in range(30):
            teacher.record(lesson, np.ones((10, 3)))
        teacher.record_audit(np.full((2, n), audit_after))
        outcomes[audit_after] = teacher.drift()
    assert outcomes[0.5] == pytest.approx(-0.5, abs=0.12)
    assert outcomes[1.0] == pytest.approx(0.0, abs=0.12)


def test_a_stored_teacher_goes_on_exactly_as_the_living_one() -> None:
    teacher = _teacher()
    _taught(teacher, {"reverse": 0.9, "sort": 0.5, "add": 0.1}, 10)
    teacher.record_audit(np.ones((1, len(teacher.audit.challenges))))
    text = json.dumps(teacher.state())
    again = Teacher.restore(teacher.source, json.loads(text))
    for one in (teacher, again):
        _taught(one, {"reverse": 0.9, "sort": 0.5, "add": 0.1}, 10, seed=5)
    assert teacher.state() == again.state()
    assert teacher.audit.challenges == again.audit.challenges


@pytest.mark.parametrize("damage", ["version", "arms", "audit", "plan"])
def test_a_damaged_state_is_refused_in_one_line(damage: str) -> None:
    teacher = _teacher()
    state = json.loads(json.dumps(teacher.state()))
    state[damage] = {"nonsense": 1}
    with pytest.raises(TeacherStateError, match="start a new one"):
        Teacher.restore(teacher.source, state)
    with pytest.raises(TeacherStateError):
        Teacher.restore(BuiltinSource(("reverse",)), teacher.state())


def test_scores_that_do_not_belong_are_refused_and_nan_counts_as_wrong() -> None:
    teacher = _teacher()
    lesson = teacher.sample(4, np.random.default_rng(0))
    with pytest.raises(SourceError, match="do not belong"):
        teacher.record(lesson, np.ones((2, 5)))
    with pytest.raises(SourceError, match="do not belong"):
        teacher.record_audit(np.ones((2, 5)))
    teacher.record(lesson, np.full((2, 4), np.nan))
    assert sum(arm.hits for arm in teacher.arms) == 0 < sum(arm.tries for arm in teacher.arms)


def test_a_finite_source_that_runs_dry_gives_what_it_has() -> None:
    """A file has no levels: one arm per skill; a lesson is as long as its train split at most."""
    asked = [Challenge(f"{i}+{j}", str(i + j), f"s{j}", "d") for i in range(40) for j in (1, 2)]
    source = JsonlSource("jsonl:x", asked)
    teacher = Teacher(source, np.random.default_rng(0))
    assert [(a.skill, a.level) for a in teacher.arms] == [("s1", None), ("s2", None)]
    lesson = teacher.sample(1000, np.random.default_rng(0))
    assert len(lesson.challenges) == sum(c.split == "train" for c in asked)
