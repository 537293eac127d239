"""Times and small amounts as market commands print them."""

from __future__ import annotations


def moment(at: float) -> str:
    """Seconds since 1970 as a time of day where the user is."""
    from datetime import datetime

    return datetime.fromtimestamp(at).astimezone().strftime("%Y-%m-%d %H:%M")


def exact(nanos: int) -> str:
    """An amount to the nano-credit, for sums too small for four decimals."""
    from marketplace.money import format_credits

    return format_credits(nanos)
