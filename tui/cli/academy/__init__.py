"""`continuum academy`: evolution runs, trials, ratings and the benchmark."""

from __future__ import annotations

import typer

app = typer.Typer(
    help="Evolve populations, compare personas, run the benchmark.", no_args_is_help=True
)
