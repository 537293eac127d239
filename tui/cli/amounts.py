"""Amounts of money as people type and read them; never a float in between."""

from __future__ import annotations

from decimal import Decimal, InvalidOperation

from tui.cli.errors import OptionError
from tui.cli.tables import NANOS_PER_CREDIT

DECIMALS = 9
USUAL_DECIMALS = 4


def nanos_of(credits: str | float) -> int:
    """Credits as whole nano-credits.

    Raises:
        OptionError: Not a positive finite amount below a billion credits, to the nano-credit.
    """
    try:
        amount = Decimal(str(credits).strip())
    except InvalidOperation:
        amount = Decimal("nan")
    nanos = amount * NANOS_PER_CREDIT if amount.is_finite() and abs(amount) < 10**9 else Decimal(0)
    if nanos <= 0 or nanos != nanos.to_integral_value():
        raise OptionError(
            "an amount must be above 0 and below a billion credits with at most"
            f" {DECIMALS} decimals, not {credits}: write it such as 0.25"
        )
    return int(nanos)


def amount_text(nanos: int) -> str:
    """Exact credits with four decimals, or more where they say something: -0.000017732."""
    whole, fraction = divmod(abs(nanos), NANOS_PER_CREDIT)
    decimals = f"{fraction:0{DECIMALS}d}"
    shown = decimals[:USUAL_DECIMALS] + decimals[USUAL_DECIMALS:].rstrip("0")
    return f"{'-' if nanos < 0 else ''}{whole}.{shown}"
