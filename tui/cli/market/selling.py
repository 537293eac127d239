"""`continuum market publish | version | terms | withdraw | relist`: a seller's side."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Annotated

import typer

from tui.cli.errors import OptionError
from tui.cli.hints import hint
from tui.cli.home import BaseOption, existing_home, resolve_home
from tui.cli.market.options import (
    NameArgument,
    exact,
)
from tui.cli.market.place import Here, in_market
from tui.cli.tables import credit_text, nanos_of, percent
from tui.printing import quiet_libraries, say

if TYPE_CHECKING:
    from marketplace.front import MarketLike

PARTS = 1_000_000
LayerArgument = Annotated[
    str,
    typer.Argument(
        metavar="LAYER",
        help="A PEFT LoRA folder, a layer of the library, or persona:NAME, its layers as one.",
    ),
]
PERSONA = "persona:"
SkillOption = Annotated[str, typer.Option(help="Built-in skill to examine it on.")]
AskOption = Annotated[str, typer.Option(metavar="CREDITS", help="Asking price.")]
LicenceOption = Annotated[str, typer.Option(help="SPDX expression, such as Apache-2.0.")]
TagOption = Annotated[list[str] | None, typer.Option(help="For search; repeat for more.")]
ParentOption = Annotated[
    list[str] | None,
    typer.Option(
        help="Listing it was made from; royalties go to its owner. Repeat for more.",
        show_default="what it was bred from, as far as it is for sale",
    ),
]
OrphanOption = Annotated[
    bool, typer.Option("--no-parents", help="Name none, not even those it was bred from.")
]


@in_market()
def publish(
    here: Here,
    layer: LayerArgument,
    name: Annotated[str, typer.Option(help="What to call it.")],
    skill: SkillOption,
    ask: AskOption = "0.1",
    licence: LicenceOption = "",
    tag: TagOption = None,
    parent: ParentOption = None,
    no_parents: OrphanOption = False,
    base: BaseOption = None,
) -> None:
    """Examine a layer on unseen questions and put it up for sale."""
    parents = [] if no_parents else parent
    _publish(here, layer, name, skill, ask, licence, tag, parents, base)


@in_market()
def version(
    here: Here,
    layer: LayerArgument,
    name: NameArgument,
    skill: SkillOption,
    ask: AskOption = "0.1",
    licence: LicenceOption = "",
    tag: TagOption = None,
    parent: ParentOption = None,
    no_parents: OrphanOption = False,
    base: BaseOption = None,
) -> None:
    """Examine a layer and sell it as the next version of your listing; buyers get it free."""
    parents = [] if no_parents else parent
    _publish(here, layer, name, skill, ask, licence, tag, parents, base, version_of=name)


@in_market(key=True)
def terms(
    here: Here,
    name: NameArgument,
    rent: Annotated[
        float, typer.Option(min=0, max=1, help="Rent per day, as share of the price; 0 = none.")
    ] = 0.05,
    use: Annotated[
        float, typer.Option(min=0, max=1, help="1,000 units, as share of the price; 0 = none.")
    ] = 0.0001,
    subscribable: Annotated[
        bool, typer.Option("--subscribable/--no-subscribable", help="Take part in subscriptions.")
    ] = True,
) -> None:
    """Say how your layer may be paid for besides buying it."""
    with here.open() as place:
        now = place.set_terms(
            owner=here.account,
            listing=name,
            rent_day_parts=round(rent * PARTS),
            use_parts=round(use * PARTS),
            subscribable=subscribable,
            key=here.key_or_new("terms"),
        )
    day = "not for rent" if now.rent_day_nanos is None else f"{exact(now.rent_day_nanos)} a day"
    units = "none" if now.use_rate_nanos is None else f"{exact(now.use_rate_nanos)} per 1,000 units"
    say(f"{name}: rent {day}; metered use {units}")


@in_market(key=True)
def withdraw(
    here: Here,
    name: NameArgument,
    reason: Annotated[str, typer.Option(help="One line for others.")] = "",
) -> None:
    """Sell your listing no more; who bought it keeps it."""
    with here.open() as place:
        place.withdraw(
            listing=name, by=here.account, reason=reason, key=here.key_or_new("withdraw")
        )
    hint(f"{name} is no longer for sale; `continuum market relist {name}` puts it back")


@in_market(key=True)
def relist(here: Here, name: NameArgument) -> None:
    """Sell a withdrawn listing again."""
    with here.open() as place:
        view = place.relist(listing=name, by=here.account, key=here.key_or_new("relist"))
    say(f"{name} is for sale at {credit_text(view.price_nanos)} credits")


def _publish(
    here: Here,
    layer: str,
    name: str,
    skill: str,
    ask: str,
    licence: str,
    tags: list[str] | None,
    parents: list[str] | None,
    base: str | None,
    version_of: str | None = None,
) -> None:
    from economy.publish import publish_folder

    ask_nanos = nanos_of(ask)
    path = resolve_home(here.home) if here.market else existing_home(here.home, "market.db")
    quiet_libraries()
    with (
        TemporaryDirectory(prefix="continuum-") as scratch,
        here.open() as place,
    ):
        folder = _folder(path, layer, Path(scratch))
        if here.market is None:
            place.open_account(here.account)
        if parents is None:
            parents = _bred_from(path, layer, name, place)
        listing = publish_folder(
            path,
            folder,
            market=place,
            name=name,
            skill=skill,
            ask_nanos=ask_nanos,
            owner=here.account,
            licence=licence,
            tags=tags or (),
            parents=parents,
            version_of=version_of,
            base=base,
            say=print,
        )
    number = f" version {listing.version}" if version_of else ""
    say(
        f"{listing.name}{number} is for sale at {credit_text(listing.price_nanos)} credits: "
        f"{percent(listing.accuracy)} of {listing.n_questions} unseen {skill} questions, "
        f"base {percent(listing.base_accuracy)}"
    )


def _bred_from(home: Path, layer: str, name: str, place: MarketLike) -> list[str]:
    """The parents that a layer or persona of this home has by itself; says so."""
    from economy.publish import listed_parents
    from genome.errors import LayerNotFoundError
    from genome.library import Library
    from persona.persona import PersonaStore

    if not (home / "library").is_dir():
        return []
    library = Library.open(home)
    try:
        made_of = (
            PersonaStore(home).load(layer.removeprefix(PERSONA)).layers
            if layer.startswith(PERSONA)
            else (library.resolve(layer),)
        )
    except LayerNotFoundError:  # a folder from elsewhere
        return []
    found = listed_parents(place, library, made_of, but={name})
    if found:
        say(f"made from {', '.join(found.values())}, as bred; --parent names others")
    return list(found)


def _folder(home: Path, layer: str, scratch: Path) -> Path:
    """Where the layer's files are; a persona's are made.

    Raises:
        OptionError: There is neither a folder nor a layer of this name.
    """
    if layer.startswith(PERSONA):
        from economy.publish import persona_layer

        persona_layer(home, layer.removeprefix(PERSONA)).to_peft(scratch / "layer")
        return scratch / "layer"
    from genome.errors import LayerNotFoundError
    from genome.library import Library

    path = Path(layer).expanduser()
    if path.is_dir():
        return path
    if not (home / "library").is_dir():
        raise OptionError(f"there is no folder {layer}, and no library in {home}: check the path")
    library = Library.open(home)
    try:
        return library.path(library.resolve(layer))
    except LayerNotFoundError as error:
        raise OptionError(f"{layer} is no folder, and {error}") from error
