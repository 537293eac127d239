"""`continuum layer`: the library of one home."""

from __future__ import annotations

from typing import Annotated

import typer

from tui.cli.home import HomeOption, existing_home
from tui.cli.quiet import quiet_libraries
from tui.cli.tables import percent, print_table

CLEAR_MATCH = 0.15
"""Similarity from which a layer is worth naming without a warning."""

app = typer.Typer(help="List layers, and find one by a question.", no_args_is_help=True)


@app.command("list")
def list_layers(home: HomeOption = None) -> None:
    """Every layer in the library."""
    from genome.library import Library

    library = Library.open(existing_home(home, "library"))
    rows = [
        (m.name, m.niche, percent(m.accuracy), percent(m.base_accuracy), digest[:12])
        for digest, m in sorted(library.manifests.items(), key=lambda item: item[1].name)
    ]
    print_table("layers", ("name", "niche", "accuracy", "base", "digest"), rows)


@app.command()
def search(
    question: Annotated[str, typer.Argument(help="Plain words, or a question to be answered.")],
    k: Annotated[int, typer.Option("-k", min=1, help="How many to show.")] = 5,
    home: HomeOption = None,
) -> None:
    """Find the layers most able to answer a question."""
    from genome.base_model import BaseModel
    from genome.library import Library
    from seeds.load import embedded_base_path

    library = Library.open(existing_home(home, "library"))
    quiet_libraries()
    base = BaseModel.load(embedded_base_path())
    found = library.search(
        question, encoder=library.encoder(base), base_model=base.fingerprint, k=k
    )
    rows = [
        (f.manifest.name, f"{f.similarity:.3f}", f.manifest.niche, percent(f.manifest.accuracy),
         percent(f.manifest.base_accuracy), f.manifest.description)
        for f in found
    ]  # fmt: skip
    if found and found[0].similarity < CLEAR_MATCH:
        print("no layer here is known to be good at this; the nearest ones:")
    columns = ("name", "similarity", "niche", "accuracy", "base", "able to")
    print_table(f"layers for: {question}", columns, rows)
