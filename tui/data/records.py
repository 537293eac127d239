"""What a run leaves on disk, read back: one frozen record per JSON file.

The jobs (`tui/jobs/`) write these files; nothing is computed from them here.
"""

from __future__ import annotations

from dataclasses import dataclass

from tui.data.fields import Fields


@dataclass(frozen=True, slots=True)
class RunConfig:
    """`run/config.json`: what was asked for."""

    seed: int
    personas: int
    interactions: int
    skills: tuple[str, ...]
    unit: str | None = None
    """What the budget is counted in, if the run says so."""

    @classmethod
    def parse(cls, data: Fields) -> RunConfig:
        """Read it from the file's fields."""
        return cls(
            seed=data.integer("seed"),
            personas=data.integer("personas"),
            interactions=data.integer("interactions"),
            skills=data.texts("skills"),
            unit=data.maybe_text("unit"),
        )


@dataclass(frozen=True, slots=True)
class RunStep:
    """How far one phase has come, and how many seconds it may take yet."""

    name: str
    done: float
    total: float
    left_s: float | None

    @classmethod
    def parse(cls, data: Fields) -> RunStep:
        """Read it from the status' `step`."""
        return cls(
            name=data.text("name"),
            done=data.number("done"),
            total=data.number("total"),
            left_s=data.number("left_s") if data.has("left_s") else None,
        )


@dataclass(frozen=True, slots=True)
class RunStatus:
    """`run/status.json`: how far the run has come."""

    phase: str
    generation: int | None
    interactions: int | None
    interactions_total: int | None
    updated_s: float
    pid: int | None
    step: RunStep | None = None
    """What is being done now, where that is not the spending of the budget."""

    @classmethod
    def parse(cls, data: Fields) -> RunStatus:
        """Read it from the file's fields."""
        return cls(
            phase=data.text("phase"),
            generation=data.maybe_integer("generation"),
            interactions=data.maybe_integer("interactions"),
            interactions_total=data.maybe_integer("interactions_total"),
            updated_s=data.number("updated_s"),
            pid=data.maybe_integer("pid"),
            step=RunStep.parse(data.object("step")) if data.has("step") else None,
        )


@dataclass(frozen=True, slots=True)
class SpeciesRecord:
    """One living species in one generation."""

    id: int
    name: str
    niche: str | None
    population: int
    born: int
    accuracy: float
    base_accuracy: float
    profile: tuple[float, ...]
    parent: int | None

    @classmethod
    def parse(cls, data: Fields) -> SpeciesRecord:
        """Read it from one entry of a generation's `species`."""
        return cls(
            id=data.integer("id"),
            name=data.text("name"),
            niche=data.maybe_text("niche"),
            population=data.integer("population"),
            born=data.integer("born"),
            accuracy=data.number("accuracy"),
            base_accuracy=data.number("base_accuracy"),
            profile=data.numbers("profile"),
            parent=data.maybe_integer("parent"),
        )


@dataclass(frozen=True, slots=True)
class ExtinctRecord:
    """A species that died out, in which generation and of what."""

    id: int
    name: str
    niche: str | None
    generation: int
    cause: str

    @classmethod
    def parse(cls, data: Fields) -> ExtinctRecord:
        """Read it from one entry of a generation's `extinct`."""
        return cls(
            id=data.integer("id"),
            name=data.text("name"),
            niche=data.maybe_text("niche"),
            generation=data.integer("generation"),
            cause=data.text("cause"),
        )


@dataclass(frozen=True, slots=True)
class Fitness:
    """Fitness over the population of one generation."""

    best: float
    mean: float
    worst: float


@dataclass(frozen=True, slots=True)
class GenerationRecord:
    """`run/generations/NNNN.json`: one generation, complete."""

    generation: int
    births: int | None
    deaths: int | None
    living_lines: int
    fitness: Fitness
    best_by_skill: tuple[float, ...]
    mean_by_skill: tuple[float, ...]
    base_by_skill: tuple[float, ...]
    """The base model's accuracy on questions of the same split; empty in older runs."""
    species: tuple[SpeciesRecord, ...]
    extinct: tuple[ExtinctRecord, ...]

    @classmethod
    def parse(cls, data: Fields) -> GenerationRecord:
        """Read it from the file's fields."""
        fitness = data.object("fitness")
        return cls(
            generation=data.integer("generation"),
            births=data.maybe_integer("births"),
            deaths=data.maybe_integer("deaths"),
            living_lines=data.integer("living_lines"),
            fitness=Fitness(*(fitness.number(key) for key in ("best", "mean", "worst"))),
            best_by_skill=data.numbers("best_by_skill"),
            mean_by_skill=data.numbers("mean_by_skill"),
            base_by_skill=data.numbers("base_by_skill"),
            species=tuple(SpeciesRecord.parse(item) for item in data.objects("species")),
            extinct=tuple(ExtinctRecord.parse(item) for item in data.objects("extinct")),
        )


@dataclass(frozen=True, slots=True)
class SummarySpecies:
    """A species as the finished run reports it, measured on the test split."""

    name: str
    niche: str | None
    population: int | None
    born: int | None
    test_accuracy: float
    test_interval: tuple[float, float]
    base_accuracy: float
    price_nanos: int | None
    sales: int | None

    @classmethod
    def parse(cls, data: Fields) -> SummarySpecies:
        """Read it from one entry of the summary's `species`."""
        return cls(
            name=data.text("name"),
            niche=data.maybe_text("niche"),
            population=data.maybe_integer("population"),
            born=data.maybe_integer("born"),
            test_accuracy=data.number("test_accuracy"),
            test_interval=data.pair("test_interval"),
            base_accuracy=data.number("base_accuracy"),
            price_nanos=data.maybe_integer("price_nanos"),
            sales=data.maybe_integer("sales"),
        )


@dataclass(frozen=True, slots=True)
class Summary:
    """`summary.json`: the finished run."""

    generations: int
    wall_s: float
    species: tuple[SummarySpecies, ...]
    base_accuracy: tuple[float, ...]
    """The base model's per skill on unseen questions, (n_skills,); empty if not measured."""
    extinct_lines: int | None
    controls: tuple[tuple[str, float], ...]
    """Every number found among the controls, nested names joined by a space."""

    @classmethod
    def parse(cls, data: Fields) -> Summary:
        """Read it from the file's fields."""
        return cls(
            generations=data.integer("generations"),
            wall_s=data.number("wall_s"),
            species=tuple(SummarySpecies.parse(item) for item in data.objects("species")),
            base_accuracy=data.numbers("base_accuracy"),
            extinct_lines=data.maybe_integer("extinct_lines"),
            controls=data.flat_numbers("controls"),
        )
