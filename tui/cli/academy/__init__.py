"""`continuum academy`: evolution runs, trials, ratings and the benchmark."""

from __future__ import annotations

import typer

from tui.cli.academy import benchmark, breed, exam, rate, run, trial

app = typer.Typer(no_args_is_help=True)
for command in (
    run.run,
    run.resume,
    run.status,
    run.report,
    run.compare,
    exam.exam,
    trial.trial,
    rate.rate,
    breed.breed,
    benchmark.benchmark,
):
    app.command()(command)
