"""Tables and numbers as the command line prints them.

Amounts of money as people type and read them; never a float in between.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal, InvalidOperation

from tui.cli.errors import OptionError
from tui.printing import clean, say

DECIMALS = 9
USUAL_DECIMALS = 4

NANOS_PER_CREDIT = 1_000_000_000
WIDEST = 1000
"""Characters in a line of a piped table, at most."""


def percent(x: float | None) -> str:
    """A share in [0, 1]; a dash for what nobody measured."""
    return "-" if x is None else f"{100 * x:.1f} %"


def credit_text(nanos: int) -> str:
    """Nano-credits as credits with four decimals."""
    from marketplace.money import short_credits

    return short_credits(nanos)


def print_table(title: str, columns: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    """First column left, the rest right; as wide as a terminal, or as it needs when piped."""
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(title=Text(clean(title)), title_justify="left", box=None, pad_edge=False)
    for i, column in enumerate(columns):
        table.add_column(Text(clean(column)), justify="right" if i else "left", no_wrap=i == 0)
    for row in rows:
        table.add_row(*(Text(clean(cell)) for cell in row))  # a stranger's text is no markup
    console = Console()
    if not console.is_terminal:
        console.width = max(console.width, Console(width=WIDEST).measure(table).maximum)
    console.print(table)


def megabytes(n_bytes: int) -> str:
    return f"{n_bytes / 1e6:.2f} MB"


def print_facts(title: str, facts: Mapping[str, str]) -> None:
    """One fact per line; empty ones are left out."""
    say(title)
    width = max(len(key) for key in facts)
    for key, value in facts.items():
        if value:
            say(f"  {key:<{width}}  {value}")


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
