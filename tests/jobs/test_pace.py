"""Time left, from the pace so far."""

from __future__ import annotations

from tui.jobs.show import Pace, span


def test_time_left_follows_from_what_was_done_since_the_first_report() -> None:
    """A phase resumed in its middle is not taken for a fast one."""
    now = iter([100.0, 110.0, 130.0])
    pace = Pace(lambda: next(now))
    pace.report(50, 100)
    assert pace.left_s is None
    pace.report(60, 100)
    assert (pace.elapsed_s, pace.left_s) == (10.0, 40.0)
    pace.report(100, 100)
    assert pace.left_s == 0.0


def test_durations_are_said_in_seconds_then_minutes() -> None:
    """Nobody counts 600 seconds."""
    assert [span(s) for s in (4.4, 89, 90, 600)] == ["4 s", "89 s", "2 min", "10 min"]
