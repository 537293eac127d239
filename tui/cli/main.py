"""The `continuum` command: neither a group nor a library is loaded that no word of it needs."""

from __future__ import annotations

import os
import sys
from collections.abc import Collection
from importlib import import_module
from typing import Annotated

import typer

from tui.cli.chat import chat
from tui.cli.demo import demo
from tui.cli.errors import extra_missing, fail, fail_usage, known_errors
from tui.cli.hints import current_spelling, hint
from tui.cli.home import (
    HomeOption,
    MarketOption,
    greet_old_homes,
    market_url,
    resolve_home,
    unstamped_homes,
)
from tui.cli.mcp import mcp
from tui.cli.serve import serve
from tui.printing import say

os.environ.setdefault("GOMP_SPINCOUNT", "2000")
"""Rounds an idle thread of torch's spins before it sleeps. The usual 300,000 gain a lone run
nothing and made two runs side by side six times as slow. Read when torch is loaded; a value that
is already set stays (docs/experiments/demo.md)."""
GROUPS = {
    "academy": "Evolve populations, compare personas, run the benchmark.",
    "base": "Add, list, check and choose the models that layers run on.",
    "backend": "Add, list, check and remove what else answers: PEFT, llama.cpp, vLLM, an API.",
    "layer": "List, find, import, export, sign and check layers.",
    "persona": "List personas, make, ask, change, copy and remove them.",
    "room": "Make rooms of humans and personas, talk there, watch who speaks and why.",
    "key": "Make, list and remove keys of those who may ask over the network.",
    "market": "Publish, price, try, buy and audit layers.",
}
"""Folders and files beside this one, each with an `app`."""


def command_tree(words: Collection[str] = tuple(GROUPS)) -> typer.Typer:
    """All commands; of a group that is none of the words, its name and its help alone.

    Building the ninety commands takes longer than most of them do.
    """
    app = typer.Typer(
        name="continuum",
        help="Evolve, compose and trade LoRA-specialised language models.",
        no_args_is_help=True,
        context_settings={"help_option_names": ["-h", "--help"]},  # of every command below, too
        pretty_exceptions_enable=False,
        add_completion=False,
    )
    app.callback()(_root)
    app.command()(demo)
    app.command()(init)
    app.command()(chat)
    app.command()(serve)
    app.command()(mcp)
    for name, what in GROUPS.items():
        group = import_module(f"tui.cli.{name}").app if name in words else typer.Typer()
        app.add_typer(group, name=name, help=what)
    app.command()(tui)
    return app


def init(
    base: Annotated[
        str,
        typer.Option(
            "--base",
            help="Base model of this home: a short name, folder, hub id, GGUF file or wheel.",
        ),
    ] = "embedded",
    home: HomeOption = None,
) -> None:
    """Make a home with a library and a market of its own, whose commands use one base model."""
    from genome.base_model import BaseModel
    from genome.library import Library
    from marketplace.market import Market
    from persona.persona import PersonaStore
    from seeds.bases import known_bases
    from seeds.personas import make_first
    from tui.cli.base import added

    folder = resolve_home(home)
    chosen = added(folder, base, None)
    known_bases(folder).change(chosen, default=True)
    Library.open(folder)
    Market.open(market_url(folder)).close()
    say(f"{folder} is a home for {chosen.name}")
    made = make_first(PersonaStore(folder), BaseModel.outline(chosen.path))
    if made:
        say(f"personas to begin with: {', '.join(made)}")
        hint("talk with them: `continuum chat teacher debugger`")
    hint("bring layers in: `continuum layer import FOLDER`")
    hint("evolve some: `continuum academy run standard`")


def tui(
    account: Annotated[
        str | None,
        typer.Option(
            "--account", "-a", envvar="CONTINUUM_ACCOUNT", help="Whose wallet a service shows."
        ),
    ] = None,
    home: HomeOption = None,
    market: MarketOption = None,
) -> None:
    """Watch species, the Academy, the market and the wallet in the terminal."""
    from tui.app import run_app

    run_app(resolve_home(home), market, account)


def _show_version(asked: bool) -> None:
    if asked:
        from importlib.metadata import PackageNotFoundError, version  # a tenth of a start

        try:
            say(f"continuum {version('continuum-personas')}")
        except PackageNotFoundError:
            say("continuum (not installed)")
        raise typer.Exit


def _root(
    _version: Annotated[
        bool,
        typer.Option("--version", callback=_show_version, is_eager=True, help="Show the version."),
    ] = False,
) -> None:
    """Continuum."""


def main() -> None:
    """Entry point: any refusal becomes one line on stderr; exit code 1, or 2 for wrong words."""
    sys.argv[1:] = current_spelling(sys.argv[1:])
    unstamped_homes.clear()  # those of an earlier command in this process
    try:
        code = command_tree(sys.argv)(standalone_mode=False) or 0
        greet_old_homes()
    except typer.TyperException as error:
        sys.exit(fail_usage(error))
    except typer.Abort:
        sys.exit("continuum: stopped before an answer was given")
    except ModuleNotFoundError as error:
        if not (missing := extra_missing(error)):
            raise
        sys.exit(fail(missing))
    except known_errors() as error:
        sys.exit(fail(error))
    sys.exit(code)


if __name__ == "__main__":
    main()
