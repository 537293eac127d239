"""A species, all species of a run, and what can happen to them.

An identity is a number that is never given twice. It lasts as long as there are members or
their children; the name follows the niche, and a change of name is an event like the others.

Species events, written into the phylogeny.

Species that no longer improve make room; newborns and the only holders of a niche stay.

NEAT (Stanley and Miikkulainen 2002) removes species without improvement for a number of
generations. Here a species is spared as long as it alone is good at some skill, so culling
never costs coverage, and its newborns live on: if they improve, the species is saved.

How many children each species may have: fitness sharing between species.

NEAT (Stanley and Miikkulainen 2002): a member's fitness is divided by the size of its species,
f / |S|, so a species' claim is its *mean* fitness and no species wins by numbers. Places are
dealt by largest remainders (Hamilton), so that they add up exactly.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike

from academy.errors import CensusError
from academy.skills.curriculum import is_skill, skill_named
from academy.species.phylogeny import Node, Phylogeny
from academy.species.species_distance import CandidateId, Census, DistanceWeights

EventKind = Literal["birth", "split", "merge", "extinction", "renamed"]
Cause = Literal["outcompeted", "absorbed", "stagnated"]


@dataclass(frozen=True)
class SpeciesSettings:
    """How species are told apart and when they are given up.

    Raises:
        CensusError: A setting out of its range.
    """

    target: int = 8
    """Number of species that the threshold is steered to."""
    distance: DistanceWeights = field(default_factory=DistanceWeights)
    threshold: float | None = None
    """Distance from which one is a stranger; None finds the one that gives `target` species, as
    soon as so many candidates are good at something."""
    start: float = 0.5
    """The threshold until then."""
    step: float = 0.2
    """The threshold changes by this part of itself a generation if there are twice as many species
    as wanted (or none), and in proportion otherwise; 0 keeps it fixed."""
    lowest: float = 0.05
    highest: float = 3.0
    merging: float = 0.7
    """Species whose representatives are nearer than this part of the threshold become one."""
    notable_lift: float = 0.12
    """Accuracy over the base from which a candidate is good at a skill and may found a species;
    of the others one may, if there is no species of beginners yet."""
    renaming_lead: float = 0.02
    """A new niche must be ahead of the old one by this much accuracy."""
    grace: int = 2
    """Candidates younger than this many generations are never culled."""
    patience: int = 8
    """Generations without improvement after which a species is stagnant."""
    improvement: float = 0.005
    """Fitness gained over the old best that counts as improvement."""

    def __post_init__(self) -> None:
        rules = {
            "target": self.target >= 1,
            "threshold": self.threshold is None or self.threshold > 0,
            "start": self.start > 0,
            "step": 0 <= self.step < 1 / 3,
            "lowest": 0 < self.lowest <= self.highest,
            "merging": 0 <= self.merging < 1,
            "grace": self.grace >= 0,
            "patience": self.patience >= 1,
            "improvement": self.improvement >= 0,
        }
        for name, holds in rules.items():
            if not holds:
                value = getattr(self, name)
                raise CensusError(f"species setting {name} is {value}: it is out of range")


@dataclass(frozen=True)
class Species:
    """A kind of persona, with an identity that lasts through generations."""

    id: int
    name: str
    niche: str | None
    """Skill its members are best at, compared with the base; None while nothing stands out."""
    born: int
    parent: int | None
    """Species that its founder, or the founder's first parent, belonged to."""
    representative: CandidateId
    """Candidate that newcomers are compared with."""
    size: int
    best: float
    """Highest fitness any member ever had, up to `improvement`."""
    improved: int
    """Generation of the last improvement."""
    stagnant: bool = False


@dataclass(frozen=True)
class SpeciesEvent:
    """Something that happened to a species."""

    kind: EventKind
    generation: int
    species: int
    name: str
    other: int | None = None
    """Birth and split: the species it comes from. Merge: the one it became part of."""
    cause: Cause | None = None
    """Why it is extinct."""


@dataclass(frozen=True)
class Taxonomy:
    """All living species, and what must be remembered to recognise them."""

    species: tuple[Species, ...] = ()
    members: dict[CandidateId, int] = field(default_factory=dict)
    """Species of every candidate of the last census."""
    threshold: float | None = None
    n_born: int = 0
    named: dict[str, int] = field(default_factory=dict)
    """How many species each noun was given to so far."""

    def by_id(self, species: int) -> Species:
        """The living species of that number.

        Raises:
            CensusError: It does not live.
        """
        for one in self.species:
            if one.id == species:
                return one
        raise CensusError(
            f"no species {species} lives: choose one of {[s.id for s in self.species]}"
        )

    def state(self) -> dict[str, object]:
        """Everything as plain JSON."""
        return {
            "species": [asdict(s) for s in self.species],
            "members": [[candidate, species] for candidate, species in self.members.items()],
            "threshold": self.threshold,
            "n_born": self.n_born,
            "named": dict(self.named),
        }

    @classmethod
    def restore(cls, state: Mapping[str, object]) -> Taxonomy:
        """The taxonomy that `state` describes.

        Raises:
            CensusError: It is no taxonomy's state.
        """
        try:
            return cls(
                tuple(Species(**s) for s in state["species"]),  # type: ignore[attr-defined]
                {candidate: int(s) for candidate, s in state["members"]},  # type: ignore[attr-defined]
                state["threshold"],  # type: ignore[arg-type]
                int(state["n_born"]),  # type: ignore[call-overload]
                dict(state["named"]),  # type: ignore[call-overload]
            )
        except (KeyError, TypeError, ValueError) as cause:
            raise CensusError(f"this is no taxonomy's state ({cause}): use an older copy") from None


def noun(niche: str | None) -> str:
    """What a species is called after its niche: `sorter` for the built-in `sort`."""
    if niche is None:
        return "helper"
    return skill_named(niche).specialist if is_skill(niche) else niche


def next_name(niche: str | None, named: Mapping[str, int]) -> tuple[str, dict[str, int]]:
    """The next free name for the niche, and the counts after giving it."""
    word = noun(niche)
    number = named.get(word, 0) + 1
    return f"{word}-{number}", {**named, word: number}


def node_id(species: int) -> str:
    """The phylogeny's id of a species."""
    return f"species-{species}"


def record(phylogeny: Phylogeny, events: Iterable[SpeciesEvent]) -> None:
    """Write births, splits, new names and extinctions; changes the phylogeny.

    A merge is written by the extinction that comes with it, as its cause.

    Raises:
        PhylogenyError: An event that cannot follow what is recorded.
    """
    for event in events:
        me = node_id(event.species)
        if event.kind in ("birth", "split"):
            parents = () if event.other is None else (node_id(event.other),)
            operator = event.kind if parents else "founder"
            phylogeny.add(Node(me, "species", parents, operator, event.generation, event.name))
        elif event.kind == "renamed":
            phylogeny.rename(me, event.name)
        elif event.kind == "extinction":
            into = f" by {phylogeny[node_id(event.other)].name}" if event.other is not None else ""
            phylogeny.end(me, event.generation, f"{event.cause}{into}")


def living(phylogeny: Phylogeny) -> tuple[Node, ...]:
    """Species that have not ended, older first."""
    return tuple(n for n in phylogeny.nodes if n.kind == "species" and n.died is None)


@dataclass(frozen=True)
class Culled:
    """Who must go because the species stands still."""

    taxonomy: Taxonomy
    """With the stagnant species marked; those left without members end at the next census."""
    rows: tuple[int, ...]
    """Places in the census, ascending."""


def protected(census: Census, settings: SpeciesSettings) -> np.ndarray:
    """Newborns, who are not culled, (n,) of bool."""
    return np.asarray(census.ages < settings.grace)


def cull(
    taxonomy: Taxonomy,
    census: Census,
    labels: np.ndarray,
    generation: int,
    settings: SpeciesSettings | None = None,
) -> Culled:
    """Members of stagnant species that are past their grace; never everybody.

    Args:
        labels: Species of each candidate, (n,), as `classify` returned them.
    """
    settings = settings or SpeciesSettings()
    good = census.lift >= settings.notable_lift  # (n, n_skills)
    left = {s.id: good[labels == s.id].any(axis=0) for s in taxonomy.species}
    marked = []
    for species in sorted(taxonomy.species, key=lambda s: (s.best, -s.id)):
        others = [held for number, held in left.items() if number != species.id]
        idle = generation - species.improved >= settings.patience
        covered = bool(others) and not (left[species.id] & ~np.any(others, axis=0)).any()
        if idle and covered:
            marked.append(species.id)
            del left[species.id]
    after = tuple(replace(s, stagnant=s.id in marked) for s in taxonomy.species)
    gone = np.isin(labels, marked) & ~protected(census, settings)
    rows = tuple(int(i) for i in np.flatnonzero(gone))
    return Culled(replace(taxonomy, species=after), rows)


def adjusted_fitness(fitness: ArrayLike, labels: ArrayLike) -> np.ndarray:
    """f_i / |S_i|, (n,).

    Args:
        fitness: At least 0, (n,).
        labels: Species of each candidate, (n,).
    """
    values, groups = np.asarray(fitness, dtype=float), np.asarray(labels)
    if values.shape != groups.shape or not (np.isfinite(values) & (values >= 0)).all():
        raise CensusError("fitness must be one finite number of at least 0 per label: shift it")
    _, place, sizes = np.unique(groups, return_inverse=True, return_counts=True)
    return np.asarray(values / sizes[place])


def spawn_counts(
    fitness: ArrayLike,
    labels: ArrayLike,
    n_children: int,
    *,
    barred: Collection[int] = (),
    at_least: int = 0,
) -> dict[int, int]:
    """Children of each species in proportion to its mean fitness; they sum to `n_children`.

    Args:
        barred: Species without children (stagnant ones), unless that would leave none.
        at_least: Every other species has at least this many, while there are enough.

    Raises:
        CensusError: No candidates, a fitness below 0 or NaN, or a negative number of children.
    """
    shares = adjusted_fitness(fitness, labels)
    numbers = [int(s) for s in np.unique(np.asarray(labels))]
    allowed = [s for s in numbers if s not in barred] or numbers
    if not numbers or n_children < 0 or at_least < 0:
        raise CensusError(
            f"{n_children} children, at least {at_least}, of {len(numbers)} species: give numbers "
            "from 0 and at least one species"
        )
    claims = [float(shares[np.asarray(labels) == s].sum()) for s in allowed]
    floor = at_least if at_least * len(allowed) <= n_children else 0
    dealt = largest_remainders(claims, n_children - floor * len(allowed))
    counts = dict(zip(allowed, dealt, strict=True))
    return {s: floor + counts[s] if s in counts else 0 for s in numbers}


def largest_remainders(claims: list[float], n: int) -> list[int]:
    """`n` places in proportion to the claims; the earlier wins a tie; even if all claims are 0."""
    weights = np.asarray(claims, dtype=float)
    weights = weights if weights.sum() > 0 else np.ones(len(weights))
    exact = (weights / weights.sum() * n).round(9)  # so that equal claims stay equal
    dealt = np.floor(exact).astype(int)
    order = np.argsort(-(exact - dealt), kind="stable")
    dealt[order[: n - int(dealt.sum())]] += 1
    return [int(d) for d in dealt]
