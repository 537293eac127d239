"""What the screens show: one run and one market as they stood at one moment.

A run's files tell of one generation each, a screen tells of one species over all of them. The
join is made here, once per change, so that screens only format.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from tui.data.records import (
    ExtinctRecord,
    GenerationRecord,
    RunConfig,
    RunStatus,
    SpeciesRecord,
    Summary,
    SummarySpecies,
)

if TYPE_CHECKING:
    from marketplace.ledger.account import AccountView
    from marketplace.listing.listing import ListingView

CAUSE_NOT_RECORDED = "not recorded"


@dataclass(frozen=True, slots=True)
class SpeciesLine:
    """One species over all generations read so far."""

    id: int
    name: str
    niche: str | None
    parent: str | None
    born: int | None
    population: int | None
    """Today's population; 0 once extinct, None if nobody wrote it down."""
    populations: tuple[int, ...]
    """Population in every generation read, oldest first, (n_generations,)."""
    accuracy: float | None
    base_accuracy: float | None
    profile: tuple[float, ...]
    extinct: ExtinctRecord | None
    outcome: SummarySpecies | None
    """The finished run's report on this species, if there is one."""

    @property
    def living(self) -> bool:
        """Whether it is in the newest generation."""
        return self.extinct is None


@dataclass(frozen=True, slots=True)
class RunSnapshot:
    """Everything under HOME/run, and the summary; any part may be missing."""

    config: RunConfig | None = None
    status: RunStatus | None = None
    generations: tuple[GenerationRecord, ...] = ()
    summary: Summary | None = None
    species: tuple[SpeciesLine, ...] = ()
    process_lives: bool | None = None
    """Whether the process that writes the run is there; None if it left no process id."""
    notices: tuple[str, ...] = ()
    """One line for each file that could not be read."""
    layers: int = 0
    """Layers in the home's library."""
    personas: tuple[str, ...] = ()
    """Names of the home's personas."""

    @property
    def empty(self) -> bool:
        """Whether there is no run at all."""
        return not (self.config or self.status or self.generations or self.summary)

    @property
    def live(self) -> bool:
        """Whether a run is going now."""
        return (
            self.status is not None
            and self.status.phase != "done"
            and self.process_lives is not False
        )

    @property
    def skills(self) -> tuple[str, ...]:
        """Names of the skills, in the order of every profile."""
        return self.config.skills if self.config else ()

    @property
    def base_by_skill(self) -> tuple[float, ...]:
        """The base model's accuracy, in the order of every profile; empty if never measured."""
        measured = [record.base_by_skill for record in self.generations if record.base_by_skill]
        return measured[-1] if measured else self.summary.base_accuracy if self.summary else ()

    def species_named(self, name: str) -> SpeciesLine | None:
        """The species of that name, which is also its listing's name on the market."""
        return next((line for line in self.species if line.name == name), None)


@dataclass(frozen=True, slots=True)
class MarketSnapshot:
    """All listings and accounts."""

    exists: bool = False
    listings: tuple[ListingView, ...] = ()
    accounts: tuple[AccountView, ...] = ()
    notices: tuple[str, ...] = field(default=())

    def listing(self, name: str) -> ListingView | None:
        """The listing of that name."""
        return next((listing for listing in self.listings if listing.name == name), None)


def species_lines(
    generations: Sequence[GenerationRecord], summary: Summary | None
) -> tuple[SpeciesLine, ...]:
    """Join generations (oldest first) into species: living by population, then the newest dead."""
    last_seen: dict[int, tuple[int, SpeciesRecord]] = {}
    extinct: dict[int, ExtinctRecord] = {}
    for record in generations:
        last_seen.update((species.id, (record.generation, species)) for species in record.species)
        extinct.update((dead.id, dead) for dead in record.extinct)
    outcomes = {species.name: species for species in summary.species} if summary else {}
    names = {key: species.name for key, (_, species) in last_seen.items()}
    counts = [{item.id: item.population for item in record.species} for record in generations]
    newest = generations[-1].generation if generations else 0
    lines = [
        _line(
            species,
            _death(species, seen, newest, extinct),
            populations=tuple(count.get(species.id, 0) for count in counts),
            parent=None if species.parent is None else names.get(species.parent),
            outcome=outcomes.pop(species.name, None),
        )
        for seen, species in last_seen.values()
    ]
    unseen = enumerate(outcomes.values(), start=max(last_seen, default=-1) + 1)
    lines += [_line_of_outcome(key, outcome) for key, outcome in unseen]
    return tuple(sorted(lines, key=_order))


def _death(
    species: SpeciesRecord, seen: int, newest: int, extinct: Mapping[int, ExtinctRecord]
) -> ExtinctRecord | None:
    """How a species ended; its record may be lost with the file of that generation."""
    if seen == newest and species.population > 0:
        return None
    lost = ExtinctRecord(
        id=species.id,
        name=species.name,
        niche=species.niche,
        generation=seen + 1,
        cause=CAUSE_NOT_RECORDED,
    )
    return extinct.get(species.id, lost)


def _line(
    species: SpeciesRecord,
    death: ExtinctRecord | None,
    *,
    populations: tuple[int, ...],
    parent: str | None,
    outcome: SummarySpecies | None,
) -> SpeciesLine:
    return SpeciesLine(
        id=species.id,
        name=species.name,
        niche=species.niche,
        parent=parent,
        born=species.born,
        population=0 if death else species.population,
        populations=populations,
        accuracy=species.accuracy,
        base_accuracy=species.base_accuracy,
        profile=species.profile,
        extinct=death,
        outcome=outcome,
    )


def _line_of_outcome(species_id: int, outcome: SummarySpecies) -> SpeciesLine:
    """A species known from the summary alone: its generations are gone."""
    return SpeciesLine(
        id=species_id,
        name=outcome.name,
        niche=outcome.niche,
        parent=None,
        born=outcome.born,
        population=outcome.population,
        populations=(),
        accuracy=outcome.test_accuracy,
        base_accuracy=outcome.base_accuracy,
        profile=(),
        extinct=None,
        outcome=outcome,
    )


def _order(line: SpeciesLine) -> tuple[bool, int, int, int]:
    ended = line.extinct.generation if line.extinct else 0
    return (not line.living, -(line.population or 0), -ended, line.id)
