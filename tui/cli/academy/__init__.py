"""`continuum academy`: evolution runs, trials, ratings and the benchmark."""

from __future__ import annotations

import typer

from tui.cli.academy.benchmark import benchmark
from tui.cli.academy.breed import breed
from tui.cli.academy.exam import exam
from tui.cli.academy.rate import rate
from tui.cli.academy.run import compare, report, resume, run, status
from tui.cli.academy.trial import trial

app = typer.Typer(
    help="Evolve populations, compare personas, run the benchmark.", no_args_is_help=True
)
for command in (run, resume, status, report, compare, exam, trial, rate, breed, benchmark):
    app.command()(command)
