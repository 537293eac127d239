"""`continuum layer import | bind | remove | rename | tag | merge`: what changes a library."""

from __future__ import annotations

import math
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from tui.cli.errors import CommandError, OptionError
from tui.cli.hints import hint
from tui.cli.home import BaseOption, HomeOption, existing_home, resolve_home
from tui.cli.tables import megabytes, percent, print_table
from tui.printing import quiet_libraries, say

if TYPE_CHECKING:
    from genome.library import Library
    from tui.jobs.importing import Imported

LayerArgument = Annotated[
    str, typer.Argument(help="Name, NAME@VERSION, or the first 8 digits of a digest.")
]


def open_library(home: Path | None) -> Library:
    """The library of a home that has one."""
    from genome.library import Library

    return Library.open(existing_home(home, "library"))


def import_layer(
    paths: Annotated[
        list[Path],
        typer.Argument(
            metavar="PATH...",
            help="PEFT folders, .zip, .tar, .tar.gz, .safetensors, or folders of them.",
        ),
    ],
    name: Annotated[str | None, typer.Option(show_default="the folder's name")] = None,
    version: Annotated[str | None, typer.Option(help="Such as 1.0.0.")] = None,
    licence: Annotated[
        str | None, typer.Option(help="SPDX or hub name, or LicenseRef-NAME.")
    ] = None,
    licence_link: Annotated[str | None, typer.Option(help="Where its text is, https://...")] = None,
    description: Annotated[str | None, typer.Option()] = None,
    base: BaseOption = None,
    signed_only: Annotated[bool, typer.Option("--signed-only", help="Refuse it unsigned.")] = False,
    creator: Annotated[
        list[str] | None, typer.Option(help="Accept signatures of this public key only.")
    ] = None,
    missing_parents: Annotated[
        bool, typer.Option("--missing-parents", help="Accept parents that are not here.")
    ] = False,
    rollback: Annotated[
        bool, typer.Option("--rollback", help="Accept an older version than one seen.")
    ] = False,
    home: HomeOption = None,
) -> None:
    """Check layers completely, store copies of them, and bind each to a base that it fits."""
    from genome.library import TrustPolicy
    from tui.jobs.importing import find_layers, import_layers

    given = {
        "name": name,
        "version": version,
        "licence": licence,
        "licence_link": licence_link,
        "description": description,
    }
    changes: dict[str, Any] = {key: value for key, value in given.items() if value is not None}
    policy = TrustPolicy(
        known=frozenset(creator) if creator else None,
        allow_unsigned=not (signed_only or creator),
        allow_missing_parents=missing_parents,
        allow_rollback=rollback,
    )
    sources = find_layers(paths)
    if len(sources) > 1 and name is not None:
        raise OptionError(f"--name {name} is for one layer, here are {len(sources)}: leave it out")
    folder = resolve_home(home)
    quiet_libraries()
    done = import_layers(folder, sources, policy=policy, base=base, changes=changes, say=say)
    _report(folder, done)


def bind(layer: LayerArgument, base: BaseOption = None, home: HomeOption = None) -> None:
    """Say which base model a layer runs on; without --base the first known one that it fits."""
    from tui.jobs.importing import bind_layer

    library = open_library(home)
    quiet_libraries()
    binding = bind_layer(resolve_home(home), library, library.resolve(layer), base)
    if binding.base is None:
        raise CommandError(binding.text())
    hint(f"{layer} is {binding.text()}")
    hint("to find it by what it can do: `continuum layer reindex`")


def remove(layer: LayerArgument, home: HomeOption = None) -> None:
    """Delete a layer that no persona, listing or child needs."""
    from tui.jobs.importing import remove_layer

    library = open_library(home)
    digest = library.resolve(layer)
    row = library.row(digest)
    manifest = library.manifest(digest)
    markets = remove_layer(resolve_home(home), library, digest)
    say(f"{row.name} {row.version} is removed: {digest[:12]}, {megabytes(row.n_bytes)}")
    listing = "LISTING" if manifest.signature else row.name  # a signed one keeps its maker's name
    for market in markets:
        hint(
            f"it came from a market and can be fetched again: `continuum market fetch {listing} "
            f"--market {market} --account ACCOUNT`"
        )


def rename(
    layer: LayerArgument,
    name: Annotated[str, typer.Argument(help="1 to 64 of a-z 0-9 . _ -")],
    home: HomeOption = None,
) -> None:
    """Call a layer something else; personas and listings go on knowing it by its digest."""
    library = open_library(home)
    digest = library.resolve(layer)
    manifest = library.amend(digest, name=name)
    say(f"{layer} is {manifest.name} {manifest.version} now: {digest[:12]}")


def tag(
    layer: LayerArgument,
    tags: Annotated[list[str], typer.Argument(help="Words to find it by.")],
    remove: Annotated[bool, typer.Option("--remove", help="Take them away.")] = False,
    home: HomeOption = None,
) -> None:
    """Give a layer words to be listed by: `continuum layer list --tag WORD`."""
    library = open_library(home)
    digest = library.resolve(layer)
    present = library.manifest(digest).tags
    kept = [one for one in present if one not in tags]
    manifest = library.amend(
        digest, tags=tuple(kept if remove else dict.fromkeys((*present, *tags)))
    )
    say(f"{manifest.name}: {', '.join(manifest.tags) or 'no tags'}")


def merge(
    parts: Annotated[
        list[str], typer.Argument(metavar="LAYER:WEIGHT...", help="Such as sorter:0.7 shouter:0.3.")
    ],
    name: Annotated[str, typer.Option(help="What to call the result.")],
    rank: Annotated[int, typer.Option(min=1, max=256)] = 8,
    home: HomeOption = None,
) -> None:
    """Make one layer of several: the best of its rank for their weighted sum, exactly."""
    from genome import compose
    from genome.geometry import norms
    from genome.shelf.manifest import Manifest, Parent

    pairs = [_weighted(part) for part in parts]
    library = open_library(home)
    digests = [library.resolve(reference) for reference, _ in pairs]
    weights = [weight for _, weight in pairs]
    layers = [library.get(digest) for digest in digests]
    whole = compose.stack(layers, weights)
    merged = compose.truncate(whole, rank)
    manifest = Manifest(
        name=name,
        base_model=merged.base_model,
        description=f"merged from {', '.join(parts)}",
        parents=tuple(Parent(d, w) for d, w in zip(digests, weights, strict=True)),
        recipe={"merge": weights, "rank": rank},
    )
    digest = library.add(merged, manifest)
    before, after = norms([whole, merged]).square().tolist()
    kept = percent(after / before if before else 1.0)
    say(f"{name} is in the library: {digest[:12]}; rank {rank} keeps {kept} of the sum's square")
    hint("to find it by what it can do: `continuum layer reindex`")


def _weighted(part: str) -> tuple[str, float]:
    """A layer and its weight, 1 where none is given.

    Raises:
        OptionError: The weight is no finite number other than 0.
    """
    reference, colon, number = part.rpartition(":")
    if not colon:
        return part, 1.0
    try:
        weight = float(number)
    except ValueError:
        weight = 0.0
    if not reference or not math.isfinite(weight) or weight == 0.0:
        raise OptionError(f"{part!r:.80} is no layer with its weight: write it such as sorter:0.7")
    return reference, weight


def _report(home: Path, done: list[Imported]) -> None:
    """One layer in lines, several in a table; refusals last.

    Raises:
        CommandError: Something was refused; the refusal itself, if it is of the only one.
    """
    from genome.library import Library

    library = Library.open(home)
    kept = [one for one in done if one.refusal is None]
    refused = [one for one in done if one.refusal is not None]
    if len(done) == 1 and refused:
        assert refused[0].refusal is not None
        raise refused[0].refusal
    if len(done) == 1:
        manifest = library.manifest(kept[0].digest)
        say(f"{manifest.name} {manifest.version} is in the library: {kept[0].digest[:12]}")
        assert kept[0].binding is not None
        hint(kept[0].binding.text())
    elif kept:
        rows = [(*_name(library, one), _base_name(one), one.digest[:12]) for one in kept]
        print_table("in the library", ("name", "version", "for base", "digest"), rows)
        for one in kept:
            if one.binding is not None and (one.binding.base is None or one.binding.others):
                hint(f"{one.binding.layer}: {one.binding.text()}")
    if any(library.vector(one.digest) is None for one in kept):
        hint("to find it by what it can do: `continuum layer reindex`")
    if refused:
        print_table("refused", ("layer", "why"), [(str(one.source), _why(one)) for one in refused])
        raise CommandError(
            f"{len(refused)} of {len(done)} layers were refused, {len(kept)} are in the library: "
            "see the table above"
        )


def _name(library: Library, one: Imported) -> tuple[str, str]:
    row = library.row(one.digest)
    return row.name, row.version


def _base_name(one: Imported) -> str:
    assert one.binding is not None
    if one.binding.base is not None:
        return one.binding.base.name
    return f"{one.binding.stated} (not here)" if one.binding.stated else "unbound"


def _why(one: Imported) -> str:
    from tui.cli.errors import explain

    assert one.refusal is not None
    return explain(one.refusal)
