"""`continuum serve`: the personas of a home for any client of OpenAI's API."""

from __future__ import annotations

from typing import Annotated

import typer

from tui.cli.home import (
    BaseOption,
    HomeOption,
    MarketOption,
    MemoryOption,
    market_url,
    resolve_home,
)
from tui.printing import quiet_libraries, say


def serve(
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="0 = any free one.")] = 8000,
    rows: Annotated[int, typer.Option(min=1, max=256, help="Answers at once.")] = 16,
    key_needed: Annotated[
        bool, typer.Option("--key-needed", help="Refuse who shows no key, here as elsewhere.")
    ] = False,
    base: BaseOption = None,
    home: HomeOption = None,
    market: MarketOption = None,
    _memory: MemoryOption = None,
) -> None:
    """Answer over the network as any persona, until Ctrl-C or SIGTERM."""
    from contextlib import ExitStack

    from economy.serving.keys import ApiKeys
    from economy.serving.serve import is_loopback
    from economy.serving.serve import serve as run
    from economy.serving.service import Service
    from marketplace.market import Market
    from seeds.bases import known_bases, load_base
    from tui.cli.errors import CommandError

    folder = resolve_home(home)
    if not is_loopback(host) and not ApiKeys(folder).every():
        raise CommandError(
            f"on {host} others than this machine could ask, so everybody needs a key: make one "
            "first, `continuum key create NAME`"
        )
    quiet_libraries()
    model = load_base(folder, base, to_answer=True)
    name = known_bases(folder).names()[model.fingerprint]

    def tell(address: str) -> None:
        say(f"{len(service.names.every())} models on {name} answer at {address}/v1")
        say("stop it with Ctrl-C; answers under way are finished first", err=True)

    with ExitStack() as opened:
        url = market or market_url(folder)
        has_market = bool(market) or (folder / "market.db").exists()
        service = Service.of(
            folder,
            model,
            name,
            rows=rows,
            market=opened.enter_context(Market.open(url)) if has_market else None,
            must_have_key=key_needed or not is_loopback(host),
        )
        run(service, host, port, tell)
