"""Human breeding: parents and traits picked by a person, children made exactly and compared.

What all parents share (a common ancestor) is kept below as it is; only what each has of its own
is merged, so that a stronger mix does not exaggerate the ancestor.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from academy.errors import RunSettingsError
from academy.evaluator import LocalEvaluator
from academy.sources.source import ChallengeSource
from academy.species import breeding
from academy.species.breeding import Parent, Recipe, Row
from genome import compose
from genome.genome import Genome
from genome.layer import Layer
from genome.library import Library, Manifest, TrustPolicy
from genome.library import Parent as LayerParent
from persona.persona import Persona, PersonaStore


@dataclass(frozen=True)
class Bred:
    """What came of it."""

    rows: list[Row]
    saved: str
    """Name of the persona that was kept."""


def breed(
    evaluator: LocalEvaluator,
    source: ChallengeSource,
    parents: Sequence[tuple[str, Genome]],
    traits: str,
    *,
    n_questions: int,
    home: Path,
    name: str,
    seed: int,
) -> Bred:
    """Make children at several strengths, ask all the same select questions, keep the best.

    Args:
        traits: For example `sort from ada, reverse from bob`; without `from` the best parent.

    Raises:
        BreedingError: An unknown trait or parent.
        RunSettingsError: A parent has no layer of its own, or a layer has the child's name.
        PersonaError: The name is taken, or cannot be one.
    """
    _check_name(evaluator, home, name)
    wishes = breeding.parse_wishes(traits, source.skills)
    rng = np.random.default_rng([seed, 51])
    sheet = [c for skill in wishes for c in source.draw(skill, "select", n_questions, rng)]
    skills = [c.skill for c in sheet]
    measured = [
        _measured(who, genome, row, skills)
        for (who, genome), row in zip(
            parents, evaluator.scores([g for _, g in parents], sheet), strict=True
        )
    ]
    recipes = breeding.litter(measured, wishes)
    by_digest = dict(zip([p.digest for p in measured], [g for _, g in parents], strict=True))
    genomes = [_child(by_digest, recipe) for recipe in recipes]
    scores = evaluator.scores(genomes, sheet)
    children = [
        _measured(f"{name} x{strength:g}", genome, row, skills)
        for strength, genome, row in zip(breeding.STRENGTHS, genomes, scores, strict=True)
    ]
    best = int(scores.mean(1).argmax())
    _keep(evaluator, home, name, genomes[best], traits, lineage(by_digest, recipes[best]))
    return Bred(breeding.compare(children, measured), children[best].name)


def _check_name(evaluator: LocalEvaluator, home: Path, name: str) -> None:
    """Refuse a name that cannot be kept, before anything is asked."""
    PersonaStore(home).check_free(Persona(name, evaluator.base.fingerprint).name)
    if Library.open(home).versions(name):
        raise RunSettingsError(f"there is a layer {name!r} already: choose another name")


def _measured(who: str, genome: Genome, scores: np.ndarray, skills: Sequence[str]) -> Parent:
    hits: dict[str, int] = {}
    asked: dict[str, int] = {}
    for skill, score in zip(skills, scores, strict=True):
        asked[skill] = asked.get(skill, 0) + 1
        hits[skill] = hits.get(skill, 0) + int(score >= 1)
    return Parent(who, genome.digest, hits, asked)


def _child(parents: dict[str, Genome], recipe: Recipe) -> Genome:
    """Shared layers below, the weighted exact merge of everybody's own on top."""
    chosen = [parents[digest] for digest in recipe.parents]
    shared = _shared(list(parents.values()))
    own = [_own(genome, shared) for genome in chosen]
    rank = max(layer.rank for layer in own)
    top = compose.merge(own, list(recipe.weights), rank)
    return Genome(top.base_model, (*shared.values(), top), (1.0,) * (len(shared) + 1))


def lineage(parents: dict[str, Genome], recipe: Recipe) -> tuple[LayerParent, ...]:
    """The layers that a child's own layer is merged from, each at its weight in the merge."""
    shared = _shared(list(parents.values()))
    total: dict[str, float] = {}
    for digest, share in zip(recipe.parents, recipe.weights, strict=True):
        genome = parents[digest]
        for layer, weight in zip(genome.layers, genome.weights, strict=True):
            if layer.digest not in shared:
                total[layer.digest] = total.get(layer.digest, 0.0) + share * weight
    return tuple(LayerParent(digest, weight) for digest, weight in sorted(total.items()))


def _shared(genomes: Sequence[Genome]) -> dict[str, Layer]:
    """Layers that all of several parents have, at full weight."""
    if len(genomes) < 2:
        return {}
    common = set.intersection(
        *({x.digest for x, w in zip(g.layers, g.weights, strict=True) if w == 1.0} for g in genomes)
    )
    if any(len(g.layers) == len(common) for g in genomes):
        return {}
    return {x.digest: x for x in genomes[0].layers if x.digest in common}


def _own(genome: Genome, shared: dict[str, Layer]) -> Layer:
    pairs = [
        (layer, weight)
        for layer, weight in zip(genome.layers, genome.weights, strict=True)
        if layer.digest not in shared
    ]
    if not pairs:
        raise RunSettingsError(
            "a parent has no layer of its own to pass on: choose personas other than the base"
        )
    return compose.stack([layer for layer, _ in pairs], [weight for _, weight in pairs])


def _keep(
    evaluator: LocalEvaluator,
    home: Path,
    name: str,
    genome: Genome,
    traits: str,
    parents: tuple[LayerParent, ...],
) -> None:
    library = Library.open(home)
    digests = []
    for layer in genome.layers:
        if layer.digest not in library:
            manifest = Manifest(
                name=name,
                base_model=evaluator.base.fingerprint,
                description=f"bred: {traits}",
                parents=parents,
            )
            policy = TrustPolicy(allow_missing_parents=True)  # folders may be bred from, too
            library.add(layer, manifest, base_model_path=evaluator.base.path, policy=policy)
        digests.append(layer.digest)
    store = PersonaStore(home)
    store.create(Persona(name, evaluator.base.fingerprint, tuple(digests), f"bred: {traits}"))
