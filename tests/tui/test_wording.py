"""How numbers are written: no amount is shown as another, no small value as none."""

from __future__ import annotations

import pytest

from tui.widgets.wording import bar, credits, percent, signed, spark, versus_base


@pytest.mark.parametrize(
    ("nanos", "written"),
    [
        (None, "–"),
        (0, "0.0000"),
        (1, "<0.0001"),
        (-1, ">-0.0001"),
        (100_000, "0.0001"),
        (1_234_567_890_123, "1,234.5678"),
        (-2_250_000_000, "-2.2500"),
    ],
)
def test_credits_are_cut_never_rounded_up(nanos: int | None, written: str) -> None:
    """Nobody reads more than there is; what is there is never read as nothing."""
    assert credits(nanos) == written


def test_amounts_carry_their_sign() -> None:
    """Plus in, minus out; a tiny amount has its sign in the comparison."""
    assert [signed(n).plain for n in (10**9, -(10**9), 5)] == ["+1.0000", "-1.0000", "<0.0001"]


def test_spark_leaves_blank_what_is_zero_and_marks_what_is_not() -> None:
    """One survivor among a hundred is still visible; long histories keep their peaks."""
    assert spark([0, 1, 100, 0], 10) == " ▁█ "
    assert spark([0] * 99 + [5], 10) == " " * 9 + "█"
    assert spark([], 3) == "   "


def test_bar_marks_the_base_model_within_its_width() -> None:
    """Whatever the shares, the bar is as long as asked, and holds one tick."""
    for share, base in ((0.0, 1.0), (1.0, 0.0), (1.7, 2.0), (0.5, 0.5)):
        plain = bar(share, 10, "red", base).plain
        assert len(plain) == 10 and plain.count("┃") == 1


def test_accuracy_is_coloured_by_what_is_shown() -> None:
    """45.2 % and 45.4 % both read 45 %, so neither looks better."""
    assert percent(0.452) == percent(0.454)
    assert len({str(versus_base(a, 0.452).spans) for a in (0.454, 0.60, 0.20)}) == 3
