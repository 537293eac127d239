"""What a run leaves on disk, read back: one frozen record per JSON file.

The jobs (`tui/jobs/`) write these files; nothing is computed from them here.
"""

from __future__ import annotations

from dataclasses import dataclass

from tui.fields import Fields


@dataclass(frozen=True, slots=True)
class RunConfig:
    """`run/config.json`: what was asked for."""

    seed: int
    personas: int
    interactions: int
    skills: tuple[str, ...]
    base_accuracy: tuple[float, ...]
    """Base model's accuracy per skill, (n_skills,); empty if it was not measured."""
    unit: str = "interactions"
    """What the budget is counted in."""

    @classmethod
    def parse(cls, data: Fields) -> RunConfig:
        """Read it from the file's fields."""
        return cls(
            seed=data.integer("seed"),
            personas=data.integer("personas"),
            interactions=data.integer("interactions"),
            skills=data.texts("skills"),
            base_accuracy=data.numbers("base_accuracy"),
            unit=data.maybe_text("unit") or "interactions",
        )


@dataclass(frozen=True, slots=True)
class RunStatus:
    """`run/status.json`: how far the run has come."""

    phase: str
    generation: int
    interactions: int
    interactions_total: int
    updated_s: float
    pid: int | None

    @classmethod
    def parse(cls, data: Fields) -> RunStatus:
        """Read it from the file's fields."""
        return cls(
            phase=data.text("phase"),
            generation=data.integer("generation", 0),
            interactions=data.integer("interactions", 0),
            interactions_total=data.integer("interactions_total", 0),
            updated_s=data.number("updated_s"),
            pid=data.maybe_integer("pid"),
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
    interactions: int
    births: int
    deaths: int
    living_lines: int
    fitness: Fitness
    best_by_skill: tuple[float, ...]
    mean_by_skill: tuple[float, ...]
    species: tuple[SpeciesRecord, ...]
    extinct: tuple[ExtinctRecord, ...]

    @classmethod
    def parse(cls, data: Fields) -> GenerationRecord:
        """Read it from the file's fields."""
        fitness = data.object("fitness")
        return cls(
            generation=data.integer("generation"),
            interactions=data.integer("interactions", 0),
            births=data.integer("births", 0),
            deaths=data.integer("deaths", 0),
            living_lines=data.integer("living_lines"),
            fitness=Fitness(*(fitness.number(key) for key in ("best", "mean", "worst"))),
            best_by_skill=data.numbers("best_by_skill"),
            mean_by_skill=data.numbers("mean_by_skill"),
            species=tuple(SpeciesRecord.parse(item) for item in data.objects("species")),
            extinct=tuple(ExtinctRecord.parse(item) for item in data.objects("extinct")),
        )


@dataclass(frozen=True, slots=True)
class SummarySpecies:
    """A species as the finished run reports it, measured on the test split."""

    name: str
    niche: str | None
    population: int
    born: int
    test_accuracy: float
    test_interval: tuple[float, float]
    base_accuracy: float
    price_nanos: int | None
    sales: int

    @classmethod
    def parse(cls, data: Fields) -> SummarySpecies:
        """Read it from one entry of the summary's `species`."""
        return cls(
            name=data.text("name"),
            niche=data.maybe_text("niche"),
            population=data.integer("population", 0),
            born=data.integer("born", 0),
            test_accuracy=data.number("test_accuracy"),
            test_interval=data.pair("test_interval"),
            base_accuracy=data.number("base_accuracy"),
            price_nanos=data.maybe_integer("price_nanos"),
            sales=data.integer("sales", 0),
        )


@dataclass(frozen=True, slots=True)
class Summary:
    """`summary.json`: the finished run."""

    generations: int
    wall_s: float
    species: tuple[SummarySpecies, ...]
    extinct_lines: int
    controls: tuple[tuple[str, float], ...]
    """Every number found among the controls, nested names joined by a space."""

    @classmethod
    def parse(cls, data: Fields) -> Summary:
        """Read it from the file's fields."""
        return cls(
            generations=data.integer("generations"),
            wall_s=data.number("wall_s"),
            species=tuple(SummarySpecies.parse(item) for item in data.objects("species")),
            extinct_lines=data.integer("extinct_lines", 0),
            controls=data.flat_numbers("controls"),
        )
