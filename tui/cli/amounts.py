"""Amounts of money as people type them."""

from __future__ import annotations

from tui.cli.errors import OptionError
from tui.cli.tables import NANOS_PER_CREDIT


def nanos_of(credits: float) -> int:
    """Credits as whole nano-credits.

    Raises:
        OptionError: Not a positive finite amount below a billion credits.
    """
    if not 0 < credits < 1e9:
        raise OptionError(f"an amount must be above 0 and below a billion credits, not {credits}")
    return round(credits * NANOS_PER_CREDIT)
