"""Options that many market commands share, and keys for what may be done again and again.

Times and small amounts as market commands print them.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

NameArgument = Annotated[str, typer.Argument(help="The listing's name.")]
AccountOption = Annotated[
    str,
    typer.Option(
        "--account", "-a", envvar="CONTINUUM_ACCOUNT", help="Who acts; OWNER/NAME for a mandate."
    ),
]
KeyOption = Annotated[
    str | None,
    typer.Option(help="Idempotency key: repeating a request with its key has no second effect."),
]
LayersOption = Annotated[
    Path | None,
    typer.Option(help="Folder of a service's layers.", show_default="HOME/served-layers"),
]
MaxPriceOption = Annotated[str | None, typer.Option(help="Refuse to pay more.", metavar="CREDITS")]


def new_key(deed: str) -> str:
    """A key that nobody has used, for a deed that may be done again and again."""
    import secrets

    return f"{deed}-{secrets.token_hex(8)}"


def moment(at: float) -> str:
    """Seconds since 1970 as a time of day where the user is."""
    from datetime import datetime

    return datetime.fromtimestamp(at).astimezone().strftime("%Y-%m-%d %H:%M")


def exact(nanos: int) -> str:
    """An amount to the nano-credit, for sums too small for four decimals."""
    from marketplace.money import format_credits

    return format_credits(nanos)
