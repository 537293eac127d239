"""`continuum layer`: the library of one home."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from tui.cli.errors import CommandError
from tui.cli.home import HomeOption, existing_home, resolve_home
from tui.cli.quiet import quiet_libraries
from tui.cli.tables import megabytes, percent, print_facts, print_table
from tui.printing import say

if TYPE_CHECKING:
    from genome.base_model import BaseModel
    from genome.library import Library
    from genome.shelf.layer_rows import LayerRow

app = typer.Typer(help="List, find, import, export, sign and check layers.", no_args_is_help=True)
LayerArgument = Annotated[
    str, typer.Argument(help="Name, NAME@VERSION, or the first 8 digits of a digest.")
]


def _library(home: Path | None) -> Library:
    from genome.library import Library

    return Library.open(existing_home(home, "library"))


@app.command("list")
def list_layers(
    base: Annotated[str | None, typer.Option(help="Base model's fingerprint.")] = None,
    licence: Annotated[str | None, typer.Option(help="SPDX licence.")] = None,
    skill: Annotated[str | None, typer.Option(help="Skill it was examined in.")] = None,
    creator: Annotated[str | None, typer.Option(help="Public key.")] = None,
    kind: Annotated[
        str | None, typer.Option(help="domain, project, personality or learning.")
    ] = None,
    tag: Annotated[str | None, typer.Option()] = None,
    order: Annotated[str, typer.Option(help="name, newest, accuracy or size.")] = "name",
    limit: Annotated[int | None, typer.Option(min=1)] = None,
    home: HomeOption = None,
) -> None:
    """Every layer in the library, or those that meet all conditions."""
    library = _library(home)
    rows = library.find(
        base_model=base, licence=licence, skill=skill, creator=creator, kind=kind, tag=tag,
        order=order, limit=limit,
    )  # fmt: skip
    _print_layers("layers", rows)
    if library.unreadable:
        say(f"{len(library.unreadable)} folders cannot be read: continuum layer verify")


@app.command()
def versions(
    name: Annotated[str, typer.Argument(help="A layer's name.")], home: HomeOption = None
) -> None:
    """Every version of a layer, newest first."""
    library = _library(home)
    library.latest(name)
    _print_layers(f"versions of {name}", library.versions(name))


@app.command()
def show(layer: LayerArgument, home: HomeOption = None) -> None:
    """Everything known about a layer."""
    library = _library(home)
    digest = library.resolve(layer)
    m = library.manifest(digest)
    print_facts(
        f"{m.name} {m.version}",
        {
            "description": m.description,
            "kind": m.kind,
            "digest": digest,
            "base model": m.base_model or "unknown",
            "licence": m.licence or "not stated",
            "creator": m.creator or "unsigned",
            "tags": ", ".join(m.tags),
            "created": m.created,
            "expires": m.expires,
            "size": megabytes(library.row(digest).n_bytes),
            "parents": ", ".join(f"{p.digest[:12]} x {p.weight:g}" for p in m.parents),
            "recipe": json.dumps(m.recipe) if m.recipe else "",
            "folder": str(library.path(digest)),
        },
    )
    if m.receipts:
        rows = [
            (r.skill, r.exam or r.split, str(r.n_questions), percent(r.accuracy),
             percent(r.base_accuracy))
            for r in m.receipts
        ]  # fmt: skip
        print_table("exams", ("skill", "exam", "questions", "accuracy", "base"), rows)


@app.command()
def lineage(layer: LayerArgument, home: HomeOption = None) -> None:
    """What a layer was made from, and what was made from it."""
    library = _library(home)
    digest = library.resolve(layer)
    rows = [
        (r.name or "(not here)", r.version, relation, str(r.generations), r.digest[:12])
        for relation, relatives in (
            ("ancestor", reversed(library.ancestors(digest))),
            ("descendant", library.descendants(digest)),
        )
        for r in relatives
    ]
    if not rows:
        say(f"{layer} has neither ancestors nor descendants here")
        return
    columns = ("name", "version", "relation", "generations", "digest")
    print_table(f"lineage of {layer}", columns, rows)


@app.command("import")
def import_layer(
    path: Annotated[Path, typer.Argument(help="PEFT folder, .zip, .tar or .tar.gz.")],
    name: Annotated[str | None, typer.Option(show_default="the folder's name")] = None,
    version: Annotated[str | None, typer.Option(help="Such as 1.0.0.")] = None,
    licence: Annotated[
        str | None, typer.Option(help="SPDX or hub name, or LicenseRef-NAME.")
    ] = None,
    licence_link: Annotated[str | None, typer.Option(help="Where its text is, https://...")] = None,
    description: Annotated[str | None, typer.Option()] = None,
    base: Annotated[
        str | None, typer.Option(help="Fingerprint of its base model, if it names none.")
    ] = None,
    signed_only: Annotated[bool, typer.Option("--signed", help="Refuse it unsigned.")] = False,
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
    """Check a layer completely and store a copy of it."""
    from genome.library import Library, TrustPolicy

    given: dict[str, Any] = {
        "name": name, "version": version, "licence": licence, "licence_link": licence_link,
        "description": description,
        "base_model": base,
    }  # fmt: skip
    policy = TrustPolicy(
        known=frozenset(creator) if creator else None,
        allow_unsigned=not (signed_only or creator),
        allow_missing_parents=missing_parents,
        allow_rollback=rollback,
    )
    library = Library.open(resolve_home(home))
    changes = {key: value for key, value in given.items() if value is not None}
    digest = library.import_folder(path, policy=policy, say=print, **changes)
    m = library.manifest(digest)
    say(f"{m.name} {m.version} is in the library: {digest[:12]}")
    if library.vector(digest) is None:
        say("to find it by what it can do: continuum layer reindex")


@app.command()
def export(
    layer: LayerArgument,
    path: Annotated[Path, typer.Argument(help="New folder, or new .zip file.")],
    home: HomeOption = None,
) -> None:
    """Write a layer to a folder that PEFT loads, or to a zip file."""
    library = _library(home)
    say(f"{layer} is in {library.export(library.resolve(layer), path)}")


@app.command()
def verify(home: HomeOption = None) -> None:
    """Read every byte again and compare it with its digest, manifest and signature."""
    library = _library(home)
    findings = library.verify()
    for finding in findings:
        say(f"{finding.digest[:12]}: {finding.problem}: {finding.remedy}")
    if findings:
        raise CommandError(f"{len(findings)} problems in {library.folder}: see the lines above")
    say(f"{len(library.find())} layers are sound")


@app.command()
def gc(
    yes: Annotated[bool, typer.Option("--yes", help="Really delete.")] = False,
    unused: Annotated[
        bool, typer.Option("--unused", help="Newest versions too, if nothing uses them.")
    ] = False,
    home: HomeOption = None,
) -> None:
    """Delete layers that no persona, listing or pin uses and that a newer version replaced."""
    library = _library(home)
    keep = _used_digests(existing_home(home, "library"))
    cleanup = library.gc(keep, keep_newest=not unused, dry_run=not yes)
    _print_layers("removed" if yes else "would be removed", cleanup.layers)
    say(
        f"{len(cleanup.layers)} layers, {megabytes(cleanup.n_bytes)}; {cleanup.n_leftovers} "
        f"leftovers{'' if yes else '; add --yes to delete them'}"
    )


@app.command()
def keygen(
    file: Annotated[Path, typer.Argument(help="New file for the private key.")],
) -> None:
    """Make a key to sign layers with; whoever has the file can sign as you."""
    from genome.shelf.signing import SigningKey

    key = SigningKey.generate()
    key.save(file)
    say(f"private key in {file}; your public key, for others to know you by:", key.creator)


@app.command()
def sign(
    layer: LayerArgument,
    key: Annotated[Path, typer.Option(help="File that `continuum layer keygen` made.")],
    home: HomeOption = None,
) -> None:
    """Sign a layer's manifest, which covers all its files."""
    from genome.shelf.signing import SigningKey

    library = _library(home)
    digest = library.resolve(layer)
    say(f"{layer} is signed by {library.sign(digest, SigningKey.load(key)).creator}")


@app.command()
def search(
    question: Annotated[str, typer.Argument(help="Plain words, or a question to be answered.")],
    k: Annotated[int, typer.Option("-k", min=1, help="How many to show.")] = 5,
    licence: Annotated[list[str] | None, typer.Option(help="Any of these licences.")] = None,
    max_kilobytes: Annotated[int | None, typer.Option(min=1)] = None,
    max_price: Annotated[
        float | None, typer.Option(min=0, help="In credits; only layers that are for sale.")
    ] = None,
    home: HomeOption = None,
) -> None:
    """Find the layers most able to answer a question."""
    from genome.shelf.search_shelf import NOTHING_CAN

    library = _library(home)
    among = None if max_price is None else _affordable(existing_home(home, "library"), max_price)
    base = _base()
    found = library.search(
        question, encoder=library.encoder(base), base_model=base.fingerprint, licences=licence,
        max_bytes=None if max_kilobytes is None else max_kilobytes * 1000, among=among, k=k,
    )  # fmt: skip
    rows = [
        (f.manifest.name, f"{f.similarity:.3f}", f.manifest.niche, percent(f.manifest.accuracy),
         percent(f.manifest.base_accuracy), f.manifest.description)
        for f in found
    ]  # fmt: skip
    if not found:
        say(f"{NOTHING_CAN}: no layer that can be searched meets these conditions")
        return
    if found[0].similarity < library.clear_match():
        say(f"{NOTHING_CAN}; the nearest ones:")
    columns = ("name", "similarity", "niche", "accuracy", "base", "able to")
    print_table(f"layers for: {question}", columns, rows)


@app.command()
def advise(
    question: Annotated[str, typer.Argument(help="A question to be answered.")],
    home: HomeOption = None,
) -> None:
    """Reuse a layer for a question, fork one, or mint a new one."""
    from genome.shelf.search_shelf import NOTHING_CAN

    library = _library(home)
    library.calibration()  # before the slow part
    base = _base()
    advice = library.advise(question, encoder=library.encoder(base), base_model=base.fingerprint)
    if advice.action != "reuse":
        say(NOTHING_CAN)
    say(f"{advice.action}: {advice.reason}")


@app.command()
def reindex(
    everything: Annotated[
        bool, typer.Option("--all", help="Also layers that have been examined.")
    ] = False,
    sentences: Annotated[
        Path | None, typer.Option(help="Folder of a sentence-transformers model to use.")
    ] = None,
    home: HomeOption = None,
) -> None:
    """Examine imported layers so that search finds them, and calibrate the advice."""
    from rich.progress import Progress

    from tui.jobs.reindex import reindex as run

    folder = existing_home(home, "library")
    quiet_libraries()
    with Progress(transient=True) as bar:
        task = bar.add_task("examining layers", total=None)
        done = run(
            folder, everything=everything or sentences is not None, sentences=sentences,
            progress=lambda n, of: bar.update(task, completed=n, total=of),
        )  # fmt: skip
    say(f"{done.examined} layers examined, {done.described} known by description only")
    if done.calibration:
        c = done.calibration
        say(
            f"advice from {c.n_questions} questions: reuse from {c.reuse:.2f}, mint below "
            f"{c.mint:.2f}; the nearest layer is the right one for {percent(c.top_1)}"
        )


def _base() -> BaseModel:
    from genome.base_model import BaseModel
    from seeds.load import embedded_base_path

    quiet_libraries()
    return BaseModel.load(embedded_base_path())


def _affordable(home: Path, credits: float) -> set[str]:
    """Layers for sale at that price or less."""
    from marketplace.market import Market
    from tui.cli.amounts import nanos_of
    from tui.cli.home import market_url

    limit = nanos_of(credits)
    with Market.open(market_url(home), create=False) as market:
        return {x.digest for x in market.listings() if x.price_nanos <= limit}


def _print_layers(title: str, rows: list[LayerRow] | tuple[LayerRow, ...]) -> None:
    lines = [
        (
            row.name,
            row.version,
            row.skill or "-",
            percent(row.accuracy),
            percent(row.base_accuracy),
            row.licence or "-",
            row.digest[:12],
        )
        for row in rows
    ]
    columns = ("name", "version", "niche", "accuracy", "base", "licence", "digest")
    print_table(title, columns, lines)


def _used_digests(home: Path) -> set[str]:
    """Layers of every persona and of every listing in the home's market."""
    from persona.persona import PersonaStore
    from tui.cli.home import market_url

    personas = PersonaStore(home)
    used = {digest for name in personas.names() for digest in personas.load(name).layers}
    if (home / "market.db").exists():
        from marketplace.market import Market

        with Market.open(market_url(home), create=False) as market:
            used |= {listing.digest for listing in market.listings()}
    return used
