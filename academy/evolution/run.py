"""`evolve`: a run in a folder (or in memory), saved after every generation, resumable.

RUN/config.json, status.json, generations/, lock    as every run's (`academy.run_folder`)
RUN/events.jsonl                                    every event, one line each
RUN/state.json, layers/                             `academy.evolution.checkpoint`
RUN/result.json                                     the cast, once the run is finished

What a run reads from outside itself, so that a resumed run is asked what it was asked before.

Challenge and demand files are remembered by absolute path and sha256, the base by fingerprint.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from deap.base import Toolbox

from academy.errors import AcademyError, RunMismatchError, RunSettingsError, did_you_mean
from academy.evaluator import Evaluator, LocalEvaluator
from academy.evolution import engine
from academy.evolution.ancestor import genes_budget
from academy.evolution.cast import CastMember, Router, fit_router, table_of
from academy.evolution.checkpoint import Checkpoints
from academy.evolution.config import RunConfig
from academy.evolution.events import Event, EventLog, Notice, Observer, silent
from academy.evolution.fitting import FittingSource
from academy.evolution.guarded import Guarded
from academy.evolution.mixture import Mixture, evolve_mixture, unevolved
from academy.evolution.report import record_of
from academy.evolution.state import Evolution, LayerPool
from academy.evolution.toolbox import toolbox_of
from academy.evolution.workbench import Budget, Workbench
from academy.run_folder import RunFolder
from academy.selection import demand
from academy.selection.demand import Demand, open_demand
from academy.skills.curriculum import curriculum
from academy.sources.checked import checked
from academy.sources.opening import file_of, open_source
from academy.sources.source import ChallengeSource
from academy.training import TokenMeter
from genome.base_model import BaseModel
from genome.files import write_json
from genome.genome import Genome
from genome.layer import Layer

Kept = Callable[[Mapping[str, Any]], None]
"""Is told the record of a generation."""


def _unheard(_record: Mapping[str, Any]) -> None:
    """Nobody is told."""


@dataclass
class RunResult:
    """What a finished run came to."""

    config: RunConfig
    run: Evolution
    cast: list[CastMember]
    genomes: list[Genome]
    """One for each member of the cast."""
    router: Router | None
    tokens: TokenMeter
    mixture: Mixture | None = None
    """The cast with evolved routing genes, where the settings ask for them."""
    seconds: dict[str, float] = field(default_factory=dict)
    """Wall time by phase: `model` (forward and backward passes) and `other`."""

    def answers(self, prompts: list[str]) -> list[Genome]:
        """The genome that answers each question."""
        if self.mixture is not None:
            return self.mixture.answers(prompts)
        if self.router is None:
            return [self.genomes[0]] * len(prompts)
        return [self.genomes[i] for i in self.router.members(prompts)]


def evolve(
    config: RunConfig,
    *,
    base: BaseModel,
    evaluator: Evaluator | None = None,
    source: ChallengeSource | None = None,
    folder: RunFolder | None = None,
    observer: Observer = silent,
    ancestor: Layer | None = None,
    founders: Sequence[Layer] = (),
    found: Mapping[str, Sequence[Layer]] | None = None,
    wanted: Demand | None = None,
    begin: Callable[[Workbench], Evolution] | None = None,
    toolbox: Toolbox | None = None,
    kept: Kept = _unheard,
) -> RunResult:
    """Run, or go on with, an evolution until its budget is spent.

    Args:
        ancestor: A layer that the common ancestor begins as.
        founders: Layers to begin with instead.
        found: Layers of a library, by skill, for the operators `add` and `swap`; the same ones
            again when a run is resumed.
        wanted: Demand, instead of what the configuration names.
        begin: Makes the state to go on from, instead of the usual beginning.
        toolbox: Operators, instead of those the configuration names (`toolbox_of`).
        kept: Is told every generation's record once it is saved.

    With a folder every generation is saved; the same call then resumes, and the result is
    bit-identical to an uninterrupted run's. A job that goes on after its evolution claims the
    folder itself, by settings of its own, and says itself when it is done.

    Raises:
        RunError, ConfigError, SourceError, DemandError: With one line to show.
        OSError: The disk refused; the run can be resumed.
    """
    if source is None:
        config = asking(config, base)
        source = open_source(config.run.source)
    source = FittingSource(checked(source), base)
    check_settings(config, base, source)
    guarded = Guarded(evaluator or LocalEvaluator(base), base)
    pool = LayerPool(base.fingerprint, folder.path / "layers" if folder else None)
    bench = Workbench(
        base,
        guarded,
        source,
        pool,
        Budget(config.run.limit, guarded.tokens, 0 if config.run.interactions else None),
        wanted or open_demand(config.selection.demand, source.skills),
        observer,
        found or {},
        toolbox or toolbox_of(config),
    )
    start = (
        partial(begin, bench) if begin else partial(engine.begin, config, bench, ancestor, founders)
    )
    if folder is None:
        return _finish(_generations(bench, None, source.notes, start, kept), bench, kept=kept)
    whole = not folder.claiming
    inputs = inputs_of(config, base)
    settings = {**config.plain(), "skills": list(source.skills)}
    with folder.claimed(settings, beside={**_summary_fields(config), **inputs}) as begun:
        check_inputs(folder.read(folder.path / "config.json"), inputs)
        if not begun:
            folder.write_status("beginning", 0, 0, config.run.limit)  # before anything is asked
        try:
            ended = _generations(bench, folder, source.notes, start, kept)
            result = _finish(ended, bench, folder, kept)
            if whole:
                run, spent = result.run, bench.budget.spent
                folder.write_status("done", run.generation, spent, config.run.limit)
            return result
        except AcademyError:
            if not Checkpoints(folder.path).exists():
                folder.forget()  # refused before it began: other settings may be tried here
            raise


def check_settings(config: RunConfig, base: BaseModel, source: ChallengeSource) -> None:
    """Refuse settings that do not fit base or questions, before anything is spent.

    Raises:
        RunSettingsError: With one line to show.
    """
    wanted = config.run.base_fingerprint
    if wanted not in ("", base.fingerprint):
        raise RunSettingsError(
            f"run.base_fingerprint is {wanted}, the base model {base.path or 'given'} has "
            f"{base.fingerprint}: set run.base to the model these settings are for, or correct "
            "run.base_fingerprint"
        )
    for number in range(config.islands.count):
        for skill in config.islands.skills_of(number):
            if skill not in source.skills:
                raise RunSettingsError(
                    f"islands.skills has {skill!r}, which {source.name} does not ask: "
                    f"{did_you_mean(skill, source.skills)}"
                )


def _generations(
    bench: Workbench,
    folder: RunFolder | None,
    look: Callable[[], list[str]],
    start: Callable[[], Evolution],
    kept: Kept,
) -> tuple[Evolution, list[CastMember]]:
    checkpoints, observer = Checkpoints(folder.path) if folder else None, bench.observe
    notes: list[str] = []
    if checkpoints and checkpoints.exists():
        run, tokens = checkpoints.load(bench.pool, notes.append)
        meter = bench.evaluator.tokens
        meter.forward, meter.backward = tokens.forward, tokens.backward
        bench.budget.answers = run.answers
    else:
        notes += look()
        run = start()
    log = EventLog(folder.path / "events.jsonl", run.generation) if folder else None
    bench.observe = _both(observer, log)
    try:
        for note in notes:
            bench.observe(Notice(run.generation, note))
        if checkpoints and folder and run.generation < 0:
            checkpoints.save(run, bench.pool, bench.evaluator.tokens)
        members: list[CastMember] = []
        while run.phase != "finished":
            members = engine.advance(run, bench)
            if not members:
                _save(run, bench, folder, checkpoints, kept)
        return run, members
    finally:
        if log:
            log.close()


def _save(
    run: Evolution,
    bench: Workbench,
    folder: RunFolder | None,
    checkpoints: Checkpoints | None,
    kept: Kept,
) -> None:
    record = record_of(run, bench.evaluator.tokens)
    if checkpoints and folder:
        folder.write_generation(record)
        checkpoints.save(run, bench.pool, bench.evaluator.tokens)
        folder.write_status(run.phase, run.generation, bench.budget.spent, run.config.run.limit)
    kept(record)


def _finish(
    ended: tuple[Evolution, list[CastMember]],
    bench: Workbench,
    folder: RunFolder | None = None,
    kept: Kept = _unheard,
) -> RunResult:
    """Fit the router, write the result; a finished run is read back instead."""
    run, members = ended
    tokens = bench.evaluator.tokens
    router = _router(run, members, bench) if run.config.routing.enabled else None
    genomes = [member.genes.genome(bench.pool) for member in members]
    mixture = _mixture(run, bench, router, genomes)
    guarded = bench.evaluator
    assert isinstance(guarded, Guarded)
    if folder:
        result = {
            "cast": [asdict(member) for member in members],
            "table": table_of(run, members),
            "routing": asdict(mixture.genes) if mixture else None,
            "skills": run.skills,
            "generations": run.generation,
            "tokens": {**asdict(tokens), "equivalents": tokens.equivalents},
            "failures": run.failures,
            "base_accuracy": run.base_accuracy.tolist(),
            "estimates": [c.profile.tolist() for c in run.population],
        }
        write_json(folder.path / "result.json", result)
        bench.pool.save({d for member in members for d in member.genes.layers})
        folder.write_generation(record_of(run, tokens))
    kept(record_of(run, tokens))
    return RunResult(run.config, run, members, genomes, router, tokens, mixture, guarded.seconds())


def _router(run: Evolution, members: list[CastMember], bench: Workbench) -> Router:
    return fit_router(
        bench.base,
        bench.source,
        table_of(run, members),
        run.rng("router"),
        bench.evaluator.tokens,
    )


def _mixture(
    run: Evolution, bench: Workbench, router: Router | None, genomes: list[Genome]
) -> Mixture | None:
    """Routing genes evolved on select questions, within their share of the budget."""
    budget = genes_budget(run)
    if router is None or not budget:
        return None
    start, items, rng = unevolved(run, bench, router, genomes)
    return evolve_mixture(bench, start, items, rng, budget)


def _summary_fields(config: RunConfig) -> dict[str, Any]:
    """What the screens read of a run's settings beside its skills."""
    return {
        "seed": config.run.seed,
        "personas": config.population.size * config.islands.count,
        "interactions": config.run.limit,
        "unit": config.run.unit,
    }


def _both(observer: Observer, log: EventLog | None) -> Observer:
    if log is None:
        return observer

    def observe(event: Event) -> None:
        log(event)
        observer(event)

    return observe


def asking(config: RunConfig, base: BaseModel) -> RunConfig:
    """The same settings, with the skills made for the base where they name no questions."""
    return config if config.run.source else config.with_(run={"source": curriculum(base).source})


def located(config: RunConfig) -> RunConfig:
    """The same settings with absolute paths, so that they mean the same from any folder."""
    run: dict[str, Any] = {}
    if found := file_of(config.run.source):
        kind, path, columns = found
        run["source"] = f"{kind}:{path.absolute()}" + (f"?{columns}" if columns else "")
    if config.run.base and Path(config.run.base).is_dir():
        run["base"] = str(Path(config.run.base).absolute())
    selection = {"demand": demand.located(config.selection.demand)}
    return config.with_(run=run, selection=selection)


def inputs_of(config: RunConfig, base: BaseModel) -> dict[str, Any]:
    """What is remembered of files and base, as JSON."""
    paths = [_demand_file(config)]
    if found := file_of(config.run.source):
        paths.append(found[1].absolute())
    return {
        "files": {str(path): _sha256(path) for path in paths if path and path.is_file()},
        "base_fingerprint": base.fingerprint,
    }


def check_inputs(remembered: Mapping[str, Any], found: Mapping[str, Any]) -> None:
    """Refuse to go on with other questions, another demand or another base.

    Raises:
        RunMismatchError: With one line to show.
    """
    before = remembered.get("base_fingerprint", found["base_fingerprint"])
    if before != found["base_fingerprint"]:
        raise RunMismatchError(
            f"this run was begun on base model {before}, the one given is "
            f"{found['base_fingerprint']}: give the same, or start a run in another folder"
        )
    for path, now in found["files"].items():
        then = remembered.get("files", {}).get(path, now)
        if then != now:
            raise RunMismatchError(
                f"{path} has changed since this run began (sha256 {then[:12]}, now {now[:12]}): "
                "restore it to resume, or start a run in another folder"
            )


def _demand_file(config: RunConfig) -> Path | None:
    path = demand.demand_file(config.selection.demand)
    return path.absolute() if path else None


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
