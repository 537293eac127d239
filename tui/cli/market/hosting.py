"""`continuum market serve | move | migrate`: running a market for others."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from tui.cli.errors import OptionError
from tui.cli.home import market_url, resolve_home
from tui.cli.market.options import LayersOption
from tui.cli.market.place import (
    REMOTE,
    SIGNED_ONLY,
    Here,
    in_market,
    key_store,
    maps_at,
    open_database,
)
from tui.printing import say


@in_market(account=None)
def serve(
    here: Here,
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="0 = any free one.")] = 8080,
    origin: Annotated[
        list[str] | None, typer.Option(help="Public address, such as https://market.example.")
    ] = None,
    operator: Annotated[
        list[str] | None,
        typer.Option(
            help="Who may grant credits and close epochs: an account of this home, or a public key."
        ),
    ] = None,
    layers: LayersOption = None,
    signed_only: Annotated[
        bool,
        typer.Option(
            "--signed-only", envvar=SIGNED_ONLY, help="Refuse layers without a signed manifest."
        ),
    ] = False,
    proxy: Annotated[
        list[str] | None, typer.Option(help="Proxy whose X-Forwarded-For is believed.")
    ] = None,
) -> None:
    """Serve a market over HTTP until Ctrl-C or SIGTERM; the database is made if absent."""
    if here.market is not None and here.market.startswith(REMOTE):
        raise OptionError(
            f"--market is {here.market}: a service serves a database, give its address"
        )
    from economy.delivery import SERVED_LAYERS
    from genome.home import stamp_new
    from marketplace.names import PLATFORM
    from marketplace.service.serve import Listening
    from marketplace.service.serve import serve as run
    from marketplace.service.settings import ServiceSettings

    folder = resolve_home(here.home)
    folder.mkdir(parents=True, exist_ok=True)
    stamp_new(folder)

    def tell(where: Listening) -> None:
        say(f"the market is open at {where.address}")
        say("stop it with Ctrl-C; what was acknowledged is on disk", err=True)

    run(
        here.market or market_url(folder),
        host=host,
        port=port,
        origins=tuple(origin or ()),
        operators=frozenset(_public_key(here.home, name) for name in operator or ()),
        layers=layers or folder / SERVED_LAYERS,
        proxies=tuple(proxy or ()),
        started=tell,
        bases=maps_at(folder),
        settings=ServiceSettings(
            must_be_signed=signed_only, signing_key=key_store(here.home).create(PLATFORM)
        ),
    )


@in_market(account=None)
def move(
    here: Here,
    target: Annotated[str, typer.Argument(help="postgresql://... or sqlite:///..., still empty.")],
) -> None:
    """Copy a market to another database, every row and hash; then use the new one only."""
    from marketplace.store.move import move as copy

    with open_database(here.home, here.market):  # migrated first, if it is of an earlier version
        pass
    source = here.market or market_url(resolve_home(here.home))
    head = copy(source, target)
    say(f"moved with all of its {head.seq} transfers; head {head.hash}")
    say("let nobody write to the old one any more")


@in_market(account=None)
def migrate(here: Here) -> None:
    """Bring a market of an earlier version up to date; its file is copied beside it first."""
    with open_database(here.home, here.market) as place:
        head = place.head()
    say(f"the market is up to date; its ledger has {head.seq} transfers, head {head.hash}")


def _public_key(home: Path | None, name: str) -> str:
    from marketplace.ledger.account_key import check_public_key

    known = key_store(home)
    return known.load(name).public if known.has(name) else check_public_key(name)
