"""`continuum layer`: the library of one home."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from tui.cli import shelving
from tui.cli.errors import CommandError
from tui.cli.hints import hint, in_context
from tui.cli.home import BaseOption, HomeOption, MemoryOption, existing_home
from tui.cli.market.options import MaxPriceOption
from tui.cli.shelving import LayerArgument, open_library
from tui.cli.tables import megabytes, percent, print_facts, print_table
from tui.printing import quiet_libraries, say

if TYPE_CHECKING:
    from genome.base_model import BaseModel
    from genome.library import Library
    from genome.shelf.layer_rows import LayerRow

app = typer.Typer(no_args_is_help=True)
app.command("import")(shelving.import_layer)
app.command()(shelving.bind)
app.command()(shelving.remove)
app.command()(shelving.rename)
app.command()(shelving.tag)
app.command()(shelving.merge)


@app.command("list")
def list_layers(
    base: BaseOption = None,
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
    library = open_library(home)
    from seeds.bases import fingerprint_of

    folder = existing_home(home, "library")
    wanted = None if base is None else fingerprint_of(folder, base)
    rows = library.find(
        base_model=wanted,
        licence=licence,
        skill=skill,
        creator=creator,
        kind=kind,
        tag=tag,
        order=order,
        limit=limit,
    )
    _print_layers("layers", rows, library)
    if library.unreadable:
        hint(f"{len(library.unreadable)} folders cannot be read: `continuum layer verify`")


@app.command()
def versions(
    name: Annotated[str, typer.Argument(help="A layer's name.")], home: HomeOption = None
) -> None:
    """Every version of a layer, newest first."""
    library = open_library(home)
    library.latest(name)
    _print_layers(f"versions of {name}", library.versions(name), library)


@app.command()
def show(layer: LayerArgument, home: HomeOption = None) -> None:
    """Everything known about a layer."""
    library = open_library(home)
    digest = library.resolve(layer)
    m = library.manifest(digest)
    print_facts(
        f"{m.name} {m.version}",
        {
            "description": m.description,
            "kind": m.kind,
            "digest": digest,
            "base model": in_context(_base_text(library, library.row(digest))),
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
            (
                r.skill,
                r.exam or r.split,
                str(r.n_questions),
                percent(r.accuracy),
                "-" if r.ancestor_accuracy is None else percent(r.ancestor_accuracy),
                percent(r.base_accuracy),
                "alone" if r.is_alone else " + ".join(d[:12] for d in r.layers),
            )
            for r in m.receipts
        ]
        columns = ("skill", "exam", "questions", "accuracy", "ancestor", "base", "examined")
        print_table("exams", columns, rows)


@app.command()
def lineage(layer: LayerArgument, home: HomeOption = None) -> None:
    """What a layer was made from, and what was made from it."""
    library = open_library(home)
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


@app.command()
def export(
    layer: LayerArgument,
    path: Annotated[Path, typer.Argument(help="New folder, or new .zip file.")],
    home: HomeOption = None,
) -> None:
    """Write a layer to a folder that PEFT loads, or to a zip file."""
    library = open_library(home)
    say(f"{layer} is in {library.export(library.resolve(layer), path)}")


@app.command()
def verify(home: HomeOption = None) -> None:
    """Read every byte again and compare it with its digest, manifest and signature."""
    library = open_library(home)
    findings = library.verify()
    for finding in findings:
        hint(f"{finding.digest[:12]}: {finding.problem}: {finding.remedy}")
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
    library = open_library(home)
    from tui.jobs.importing import used_by

    keep = used_by(existing_home(home, "library"))
    cleanup = library.gc(keep, keep_newest=not unused, dry_run=not yes)
    _print_layers("removed" if yes else "would be removed", cleanup.layers, library)
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
    key_file: Annotated[Path, typer.Option(help="What `continuum layer keygen FILE` made.")],
    home: HomeOption = None,
) -> None:
    """Sign a layer's manifest, which covers all its files."""
    from genome.shelf.signing import SigningKey

    library = open_library(home)
    digest = library.resolve(layer)
    say(f"{layer} is signed by {library.sign(digest, SigningKey.load(key_file)).creator}")


@app.command()
def search(
    question: Annotated[str, typer.Argument(help="Plain words, or a question to be answered.")],
    limit: Annotated[int, typer.Option(min=1, help="How many to show.")] = 5,
    licence: Annotated[list[str] | None, typer.Option(help="Any of these licences.")] = None,
    max_kilobytes: Annotated[int | None, typer.Option(min=1)] = None,
    max_price: MaxPriceOption = None,
    base: BaseOption = None,
    home: HomeOption = None,
) -> None:
    """Find the layers most able to answer a question."""
    from genome.shelf.search_shelf import NOTHING_CAN

    library = open_library(home)
    folder = existing_home(home, "library")
    among = None if max_price is None else _affordable(folder, max_price)
    model = _base(folder, base)
    found = library.search(
        question,
        encoder=library.encoder(model),
        base_model=model.fingerprint,
        licences=licence,
        max_bytes=None if max_kilobytes is None else max_kilobytes * 1000,
        among=among,
        unbound=base is None,
        k=limit,
    )
    _hint_other_bases(library, model.fingerprint)
    rows = [
        (
            f.manifest.name,
            f"{f.similarity:.3f}",
            f.manifest.niche,
            percent(f.manifest.accuracy),
            percent(f.manifest.base_accuracy),
            _base_name(library, library.base_of(f.digest)),
            f.manifest.description,
        )
        for f in found
    ]
    if not found:
        hint(
            f"{NOTHING_CAN}: no layer that can be searched meets these conditions; `continuum "
            "layer reindex` examines those that were imported since"
        )
        return
    if found[0].similarity < library.clear_match(model.fingerprint):
        say(f"{NOTHING_CAN}; the nearest ones:")
    columns = ("name", "similarity", "niche", "accuracy", "base", "for base", "able to")
    print_table(f"layers for: {question}", columns, rows)


@app.command()
def advise(
    question: Annotated[str, typer.Argument(help="A question to be answered.")],
    base: BaseOption = None,
    home: HomeOption = None,
) -> None:
    """Reuse a layer for a question, fork one, or mint a new one."""
    from genome.shelf.search_shelf import NOTHING_CAN

    library = open_library(home)
    model = _base(existing_home(home, "library"), base)
    advice = library.advise(question, encoder=library.encoder(model), base_model=model.fingerprint)
    _hint_other_bases(library, model.fingerprint)
    if advice.action != "reuse":
        say(NOTHING_CAN)
    say(f"{advice.action}: {advice.reason}")


@app.command()
def reindex(
    everything: Annotated[
        bool, typer.Option("--all", help="Also layers that have been examined.")
    ] = False,
    sentences: Annotated[
        Path | None,
        typer.Option(help="Find by what words mean: minilm, or a sentence-transformers folder."),
    ] = None,
    home: HomeOption = None,
    _memory: MemoryOption = None,
) -> None:
    """Examine imported layers so that search finds them, and calibrate the advice."""
    from rich.progress import Progress

    from tui.jobs.reindex import reindex as run

    folder = existing_home(home, "library")
    quiet_libraries()
    with Progress(transient=True) as bar:
        task = bar.add_task("examining layers", total=None)
        done = run(
            folder,
            everything=everything or sentences is not None,
            sentences=sentences,
            progress=lambda n, of: bar.update(task, completed=n, total=of),
        )
    say(f"{done.examined} layers examined, {done.described} known by description only")
    for line in done.unbound:
        hint(line)
    if done.calibration:
        c = done.calibration
        say(
            f"advice from {c.n_questions} questions: reuse from {c.reuse:.2f}, mint below "
            f"{c.mint:z.2f}; the nearest layer is the right one for {percent(c.top_1)}"
        )


def _base(home: Path, reference: str | None) -> BaseModel:
    from seeds.bases import load_base

    quiet_libraries()
    return load_base(home, reference)


def _hint_other_bases(library: Library, base_model: str) -> None:
    """Say what was not looked through, because it runs on other bases."""
    others = Counter(row.base_model for row in library.find())
    for base in library.bases.all():
        if base.fingerprint != base_model and (n := others[base.fingerprint]):
            hint(f"not looked through: {n} on {base.name}: --base {base.name}", err=True)


def _affordable(home: Path, credits_: str) -> set[str]:
    """Layers for sale at that price or less."""
    from marketplace.market import Market
    from tui.cli.home import market_url
    from tui.cli.tables import nanos_of

    limit = nanos_of(credits_)
    with Market.open(market_url(home), create=False) as market:
        return {x.digest for x in market.listings() if x.price_nanos <= limit}


def _base_name(library: Library, fingerprint: str) -> str:
    """What a base is called in a table."""
    known = library.bases.names()
    if not fingerprint:
        return "unbound"
    # a home that lists no base yet has not looked which ones are here
    return known.get(fingerprint, f"{fingerprint} (not here)" if known else fingerprint)


def _base_text(library: Library, row: LayerRow) -> str:
    name = _base_name(library, row.base_model)
    if row.base_model and library.bases.find(row.base_model):
        return f"{name} ({row.base_model})"
    option = " --base FOLDER" if row.base_model else ""
    return f"{name}; `continuum layer bind {row.digest[:12]}{option}` looks for it"


def _print_layers(title: str, rows: Sequence[LayerRow], library: Library) -> None:
    bases = {f: _base_name(library, f) for f in {row.base_model for row in rows}}
    lines = [
        (
            row.name,
            row.version,
            bases[row.base_model],
            row.skill or "-",
            percent(row.accuracy),
            percent(row.base_accuracy),
            row.licence or "-",
            row.digest[:12],
        )
        for row in rows
    ]
    columns = ("name", "version", "for base", "niche", "accuracy", "base", "licence", "digest")
    print_table(title, columns, lines)
