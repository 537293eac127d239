"""Classification: every generation each candidate gets a species, and species their events.

As in NEAT (Stanley and Miikkulainen 2002): a candidate joins the nearest species whose
representative is within the threshold; a stranger to all founds a new one; and the threshold
is steered, up when there are more species than wanted, down when there are fewer. Unlike
NEAT, species that come close are merged, and only a candidate with a notable lift may found
one, beside one species for all beginners: their random updates are strangers to each other.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from academy.species.species import (
    Cause,
    EventKind,
    Species,
    SpeciesEvent,
    SpeciesSettings,
    Taxonomy,
    next_name,
)
from academy.species.species_distance import Census

_BISECTIONS = 24


@dataclass(frozen=True)
class Classified:
    """A population sorted into species."""

    taxonomy: Taxonomy
    labels: np.ndarray
    """Species number of each candidate of the census, (n,)."""
    events: tuple[SpeciesEvent, ...]


def classify(
    taxonomy: Taxonomy,
    census: Census,
    generation: int,
    settings: SpeciesSettings | None = None,
) -> Classified:
    """Give every candidate its species; tell which species began, joined and ended.

    Children count as their first parent's species until they are measured, so a species
    lasts while it has members or heirs. Without chance: the same input, the same output.
    """
    settings = settings or SpeciesSettings()
    apart = census.distances(settings.distance)  # (n, n)
    notable = census.lift.max(axis=1, initial=-np.inf) >= settings.notable_lift
    prior = _prior(taxonomy, census)
    threshold = taxonomy.threshold or settings.threshold
    if threshold is None and notable.sum() >= settings.target:
        threshold = _calibrated(apart, census.fitness, notable, settings)
    steerable = threshold is not None
    threshold = settings.start if threshold is None else threshold
    heads = _representatives(taxonomy, census, prior, apart)
    heads, merges = _merged(heads, apart, threshold * settings.merging)
    labels, founders = _assigned(heads, apart, census.fitness, notable, threshold, taxonomy.n_born)
    living, named, births = _living(
        taxonomy, census, {**heads, **founders}, labels, prior, generation, settings
    )
    events = [*births, *_endings(taxonomy, living, merges, generation)]
    after = Taxonomy(
        tuple(living),
        {c: int(s) for c, s in zip(census.ids, labels, strict=True)},
        _steered(threshold, len(living), int(notable.sum()), settings) if steerable else None,
        taxonomy.n_born + len(founders),
        named,
    )
    return Classified(after, labels, tuple(events))


def _prior(taxonomy: Taxonomy, census: Census) -> np.ndarray:
    """Species before this census, a newborn's that of its first known parent, -1 unknown, (n,)."""
    known = dict(taxonomy.members)
    alive = {s.id for s in taxonomy.species}
    prior = np.full(len(census.ids), -1)
    order = sorted(range(len(census.ids)), key=lambda i: -census.ages[i])  # parents first
    for i in order:
        kin = (census.ids[i], *census.parents[i])
        prior[i] = next((known[k] for k in kin if known.get(k) in alive), -1)
        if prior[i] >= 0:
            known.setdefault(census.ids[i], int(prior[i]))
    return prior


def _representatives(
    taxonomy: Taxonomy, census: Census, prior: np.ndarray, apart: np.ndarray
) -> dict[int, int]:
    """Row of each continuing species' representative: the old one, else the medoid."""
    place = {candidate: row for row, candidate in enumerate(census.ids)}
    heads = {}
    for species in taxonomy.species:
        rows = np.flatnonzero(prior == species.id)
        survivors = [int(r) for r in rows if census.ids[r] in taxonomy.members]
        if species.representative in place:
            heads[species.id] = place[species.representative]
        elif len(rows):
            group = np.array(survivors or rows)
            heads[species.id] = int(group[apart[np.ix_(group, group)].sum(axis=1).argmin()])
    return heads


def _merged(
    heads: dict[int, int], apart: np.ndarray, nearer: float
) -> tuple[dict[int, int], dict[int, int]]:
    """Representatives left after merging the younger into the older, and who went where."""
    left: dict[int, int] = {}
    merges: dict[int, int] = {}
    for species in sorted(heads):
        near = [s for s in left if apart[heads[species], left[s]] < nearer]
        if near:
            merges[species] = min(near, key=lambda s: (apart[heads[species], left[s]], s))
        else:
            left[species] = heads[species]
    return left, merges


def _assigned(
    heads: dict[int, int],
    apart: np.ndarray,
    fitness: np.ndarray,
    notable: np.ndarray,
    threshold: float,
    next_id: int,
) -> tuple[np.ndarray, dict[int, int]]:
    """Species of every candidate, (n,), and the founder's row of each new one."""
    ids, rows = list(heads), list(heads.values())
    founders: dict[int, int] = {}
    order = np.lexsort((np.arange(len(fitness)), -fitness, ~notable))  # the notable, then the fit
    for i in order:  # found first, so that everybody can join the nearest of all
        far = not rows or apart[i, rows].min() > threshold
        if far and (notable[i] or notable[rows].all()):  # all([]) is true
            founders[next_id + len(founders)] = int(i)
            ids.append(next_id + len(founders) - 1)
            rows.append(int(i))
    labels = np.array(ids)[apart[:, rows].argmin(axis=1)]
    labels[rows] = ids  # a representative is never outvoted by a copy of itself
    return labels, founders


def _calibrated(
    apart: np.ndarray, fitness: np.ndarray, notable: np.ndarray, settings: SpeciesSettings
) -> float:
    """A threshold that gives about `target` species here; the largest that gives no fewer."""
    low, high = settings.lowest, settings.highest
    for _ in range(_BISECTIONS):
        middle = (low + high) / 2
        _, founders = _assigned({}, apart, fitness, notable, middle, 0)
        low, high = (middle, high) if len(founders) >= settings.target else (low, middle)
    return low


def _steered(threshold: float, n_species: int, n_notable: int, settings: SpeciesSettings) -> float:
    """A step towards the target, in proportion to what is missing (three steps at most).

    Not down while nobody is left who could found a species.
    """
    missing = n_species - settings.target
    if missing < 0 and n_species >= n_notable:
        missing = 0
    error = max(-3.0, min(3.0, missing / settings.target))
    return min(settings.highest, max(settings.lowest, threshold * (1 + settings.step * error)))


def _living(
    taxonomy: Taxonomy,
    census: Census,
    heads: dict[int, int],
    labels: np.ndarray,
    prior: np.ndarray,
    generation: int,
    settings: SpeciesSettings,
) -> tuple[list[Species], dict[str, int], list[SpeciesEvent]]:
    """Every species with a member, renewed or new; the names given; births and renamings."""
    old = {s.id: s for s in taxonomy.species}
    named, events, living = dict(taxonomy.named), [], []
    for number in sorted(heads):
        rows = np.flatnonzero(labels == number)
        before = old.get(number)
        niche = _niche(census, rows, before, settings)
        best = float(census.fitness[rows].max())
        if before is None:
            origin = int(prior[heads[number]])
            name, named = next_name(niche, named)
            kind: EventKind = "split" if origin in heads else "birth"
            parent = origin if origin >= 0 else None
            events.append(SpeciesEvent(kind, generation, number, name, parent))
            now = Species(number, name, niche, generation, parent, "", 0, best, generation)
        else:
            now = replace(before, niche=niche)
            if niche != before.niche:
                name, named = next_name(niche, named)
                now = replace(now, name=name)
                events.append(SpeciesEvent("renamed", generation, number, name))
            if best > before.best + settings.improvement:
                now = replace(now, best=best, improved=generation, stagnant=False)
        living.append(replace(now, representative=census.ids[heads[number]], size=len(rows)))
    return living, named, events


def _niche(
    census: Census, rows: np.ndarray, before: Species | None, settings: SpeciesSettings
) -> str | None:
    """The skill with the largest mean lift, if notable; the old one unless clearly behind."""
    lift = census.lift[rows].mean(axis=0)  # (n_skills,)
    best = int(lift.argmax())
    if before and before.niche in census.skills:
        kept = census.skills.index(before.niche)
        if lift[kept] >= max(settings.notable_lift, lift[best]) - settings.renaming_lead:
            return before.niche
    return census.skills[best] if lift[best] >= settings.notable_lift else None


def _endings(
    taxonomy: Taxonomy, living: list[Species], merges: dict[int, int], generation: int
) -> list[SpeciesEvent]:
    alive = {s.id for s in living}
    events = []
    for species in taxonomy.species:
        number, name = species.id, species.name
        if number in merges:
            events.append(SpeciesEvent("merge", generation, number, name, merges[number]))
            events.append(
                SpeciesEvent("extinction", generation, number, name, merges[number], "absorbed")
            )
        elif number not in alive:
            cause: Cause = "stagnated" if species.stagnant else "outcompeted"
            events.append(SpeciesEvent("extinction", generation, number, name, None, cause))
    return events
