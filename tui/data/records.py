"""What a run leaves on disk, read back: one frozen record per JSON file.

The jobs (`tui/jobs/`) write these files; nothing is computed from them here.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from pydantic import BeforeValidator

from tui.data.fields import Line, Lines, Named, Number, Numbers, Whole, or_empty


@dataclass(frozen=True, slots=True, kw_only=True)
class RunConfig:
    """`run/config.json`: what was asked for."""

    seed: Whole
    personas: Whole
    interactions: Whole
    skills: Lines = ()
    unit: Line | None = None
    """What the budget is counted in, if the run says so."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RunStep:
    """How far one phase has come, and how many seconds it may take yet."""

    name: Line
    done: Number
    total: Number
    left_s: Number | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class RunStatus:
    """`run/status.json`: how far the run has come."""

    phase: Line
    generation: Whole | None = None
    interactions: Whole | None = None
    interactions_total: Whole | None = None
    updated_s: Number
    pid: Whole | None = None
    step: RunStep | None = None
    """What is being done now, where that is not the spending of the budget."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SpeciesRecord:
    """One living species in one generation."""

    id: Whole
    name: Line
    niche: Line | None = None
    population: Whole
    born: Whole
    accuracy: Number
    base_accuracy: Number
    profile: Numbers = ()
    parent: Whole | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ExtinctRecord:
    """A species that died out, in which generation and of what."""

    id: Whole
    name: Line
    niche: Line | None = None
    generation: Whole
    cause: Line


@dataclass(frozen=True, slots=True, kw_only=True)
class Fitness:
    """Fitness over the population of one generation."""

    best: Number
    mean: Number
    worst: Number


@dataclass(frozen=True, slots=True, kw_only=True)
class GenerationRecord:
    """`run/generations/NNNN.json`: one generation, complete."""

    generation: Whole
    births: Whole | None = None
    deaths: Whole | None = None
    living_lines: Whole
    fitness: Fitness
    best_by_skill: Numbers = ()
    mean_by_skill: Numbers = ()
    base_by_skill: Numbers = ()
    """The base model's accuracy on questions of the same split; empty in older runs."""
    species: Annotated[tuple[SpeciesRecord, ...], BeforeValidator(or_empty)] = ()
    extinct: Annotated[tuple[ExtinctRecord, ...], BeforeValidator(or_empty)] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class SummarySpecies:
    """A species as the finished run reports it, measured on the test split."""

    name: Line
    niche: Line | None = None
    population: Whole | None = None
    born: Whole | None = None
    test_accuracy: Number
    test_interval: tuple[Number, Number]
    base_accuracy: Number
    price_nanos: Whole | None = None
    sales: Whole | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Summary:
    """`summary.json`: the finished run."""

    generations: Whole
    wall_s: Number
    species: Annotated[tuple[SummarySpecies, ...], BeforeValidator(or_empty)] = ()
    base_accuracy: Numbers = ()
    """The base model's per skill on unseen questions, (n_skills,); empty if not measured."""
    extinct_lines: Whole | None = None
    controls: Named = ()
    """Every number found among the controls, nested names joined by a space."""
