"""Whether concurrent answers can be explained by one order of events (L14).

The journal's numbers are the order in which successes took effect; what is left to show is that
the model, doing them in that order, gives the same answers; that nobody's success came after one
that was asked for later than it was answered; and that every refusal was right at some moment
between its question and its answer. Together that is strict serialisability.
"""

from collections.abc import Sequence

from tests.support.proving.crew import Observation
from tests.support.proving.deed import Done
from tests.support.proving.model import Model, agree


def unexplained(start: Model, seen: Sequence[Observation], at: float) -> list[str]:
    """What no order explains, one line each.

    Args:
        start: The ledger before the first of these deeds.
        seen: Answered deeds whose successes all made transfers.
        at: The moment of all deeds, seconds since 1970.
    """
    successes = _in_order(seen)
    states = [start]
    problems = []
    for one in successes:
        model = states[-1].copy()
        expected = model.do(one.deed, at)
        if one.outcome is None or not agree(expected, one.outcome):
            problems.append(
                f"{one.deed} was answered {one.outcome}, in its place {expected} is due"
            )
        states.append(model)
    problems += _out_of_time(successes)
    for one in seen:
        if not isinstance(one.outcome, Done) and not _was_right(one, successes, states, at):
            problems.append(f"{one.deed} was answered {one.outcome}, which was never right")
    return problems


def _in_order(seen: Sequence[Observation]) -> list[Observation]:
    """First answers of every success by transfer number; repeats say the same and are left out."""
    first: dict[tuple[int, ...], Observation] = {}
    for one in sorted(seen, key=lambda one: one.answered_ns or 0):
        if isinstance(one.outcome, Done):
            first.setdefault(one.outcome.numbers, one)
    return [first[numbers] for numbers in sorted(first)]


def _out_of_time(successes: Sequence[Observation]) -> list[str]:
    problems, latest = [], 0
    for one in successes:
        assert one.answered_ns is not None
        if one.answered_ns < latest:
            problems.append(f"{one.deed} was answered before an earlier transfer was asked for")
        latest = max(latest, one.asked_ns)
    return problems


def _was_right(
    refusal: Observation, successes: Sequence[Observation], states: Sequence[Model], at: float
) -> bool:
    assert refusal.answered_ns is not None and refusal.outcome is not None
    first, last = 0, len(successes)
    for place, one in enumerate(successes):
        if (one.answered_ns or 0) < refusal.asked_ns:
            first = place + 1
        if one.asked_ns > refusal.answered_ns:
            last = min(last, place)
    return any(
        agree(state.copy().do(refusal.deed, at), refusal.outcome)
        for state in states[first : last + 1]
    )
