"""`continuum key`: who may ask the personas of this home over the network."""

from __future__ import annotations

from typing import Annotated

import typer

from tui.cli.hints import hint
from tui.cli.home import HomeOption, resolve_home
from tui.cli.tables import print_table
from tui.printing import say

app = typer.Typer(no_args_is_help=True)
NameArgument = Annotated[str, typer.Argument(help="The key's name.")]


@app.command()
def create(
    name: NameArgument,
    account: Annotated[
        str,
        typer.Option(help="Account of the market that pays for messages.", show_default="none"),
    ] = "",
    per_minute: Annotated[int, typer.Option(min=1, help="Requests a minute.")] = 600,
    tokens: Annotated[
        int | None,
        typer.Option(min=0, help="Tokens in all, read and said.", show_default="no limit"),
    ] = None,
    home: HomeOption = None,
) -> None:
    """Make a key; it is shown once."""
    from economy.serving.keys import ApiKey, ApiKeys
    from genome.home import stamp_new

    folder = resolve_home(home)
    stamp_new(folder)
    say(ApiKeys(folder).create(ApiKey(name, account, per_minute, tokens)))
    hint("keep it: it is not shown again; `continuum serve` takes it from now on", err=True)


@app.command("list")
def list_keys(home: HomeOption = None) -> None:
    """Every key, and what it has used; the keys themselves are kept nowhere."""
    from economy.serving.keys import ApiKeys

    rows = [
        (
            key.name,
            key.account or "-",
            str(key.per_minute),
            str(key.used),
            "no limit" if key.budget is None else str(key.budget),
        )
        for key in ApiKeys(resolve_home(home)).every()
    ]
    print_table("keys", ("name", "account", "a minute", "tokens used", "of"), rows)


@app.command()
def remove(name: NameArgument, home: HomeOption = None) -> None:
    """Refuse a key from now on."""
    from economy.serving.keys import ApiKeys

    ApiKeys(resolve_home(home)).remove(name)
    say(f"{name} is removed")
