"""Species keep their identity, split, merge and end with a cause; their number is steered."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest

from academy.errors import CensusError
from academy.species.classification import classify
from academy.species.phylogeny import Phylogeny
from academy.species.species import (
    SpeciesSettings,
    Taxonomy,
    adjusted_fitness,
    cull,
    largest_remainders,
    living,
    record,
    spawn_counts,
)
from academy.species.species_distance import Census, DistanceWeights, distances, update_cosines
from genome import compose
from tests.support.genome import random_layer, tiny_llama
from tests.support.phylogeny_text import text_tree

SKILLS = ("sort", "reverse", "juggle", "add")
FIXED = SpeciesSettings(threshold=0.4, step=0.0, target=3)


def census(
    niches: list[int | None],
    *,
    ids: list[int] | None = None,
    parents: dict[int, tuple[int, ...]] | None = None,
    fitness: list[float] | None = None,
    ages: list[int] | None = None,
    lift: float = 0.5,
) -> Census:
    """Candidates with one good skill each (or none), and unrelated updates."""
    n = len(niches)
    numbers = ids or list(range(n))
    accuracy = np.full((n, len(SKILLS)), 0.2)
    for i, niche in enumerate(niches):
        if niche is not None:
            accuracy[i, niche] += lift
    return Census(
        SKILLS,
        tuple(numbers),
        tuple((parents or {}).get(i, ()) for i in numbers),
        np.array(ages or [5] * n),
        np.array(fitness or [0.5] * n),
        accuracy,
        np.full(len(SKILLS), 0.2),
        np.full(n, 4),
        np.eye(n),
    )


def kinds(events: object) -> list[str]:
    return [f"{e.kind}:{e.name}" for e in events]  # type: ignore[attr-defined]


def test_candidates_of_one_niche_are_one_species_named_after_it() -> None:
    """A built-in skill gives its specialist's noun, any other its own name."""
    done = classify(Taxonomy(), census([0, 0, 1, 1, 2, None]), 0, FIXED)
    names = {s.id: s.name for s in done.taxonomy.species}
    assert sorted(names.values()) == ["helper-1", "juggle-1", "reverser-1", "sorter-1"]
    assert done.labels[0] == done.labels[1] != done.labels[2] == done.labels[3]
    assert names[int(done.labels[0])] == "sorter-1" and names[int(done.labels[4])] == "juggle-1"
    assert {e.kind for e in done.events} == {"birth"}
    assert sum(s.size for s in done.taxonomy.species) == 6


def test_beginners_are_one_species_however_different_their_updates() -> None:
    done = classify(Taxonomy(), census([None] * 8), 0)
    assert kinds(done.events) == ["birth:helper-1"]


def test_identity_lasts_while_members_change() -> None:
    first = classify(Taxonomy(), census([0, 0, 1]), 0, FIXED)
    heirs = census([0, 0, 1], ids=[10, 1, 11], parents={10: (0,), 11: (2,)}, ages=[0, 6, 0])
    second = classify(first.taxonomy, heirs, 1, FIXED)
    assert second.events == ()
    assert second.labels.tolist() == first.labels.tolist()
    only_children = census([0, 1], ids=[20, 21], parents={20: (10, 11), 21: (11,)}, ages=[0, 0])
    third = classify(second.taxonomy, only_children, 2, FIXED)
    assert third.events == () and third.labels.tolist() == [first.labels[0], first.labels[2]]


def test_the_order_of_candidates_does_not_matter() -> None:
    fitness = [0.9, 0.8, 0.7, 0.6, 0.5]
    first = classify(Taxonomy(), census([0, 1, 0, 2, 1], fitness=fitness), 0, FIXED)
    turned = census([1, 2, 0, 1, 0], ids=[4, 3, 2, 1, 0], fitness=fitness[::-1])
    second = classify(Taxonomy(), turned, 0, FIXED)
    assert second.labels[::-1].tolist() == first.labels.tolist()


def test_a_species_without_heirs_is_outcompeted_and_its_name_is_not_given_again() -> None:
    first = classify(Taxonomy(), census([0, 1]), 0, FIXED)
    second = classify(first.taxonomy, census([0], ids=[0]), 1, FIXED)
    (end,) = second.events
    assert (end.kind, end.name, end.cause) == ("extinction", "reverser-1", "outcompeted")
    third = classify(second.taxonomy, census([0, 1], ids=[0, 9]), 2, FIXED)
    assert kinds(third.events) == ["birth:reverser-2"]
    assert third.events[0].species not in {s.id for s in first.taxonomy.species}


def test_a_child_that_finds_a_new_niche_splits_from_its_parents_species() -> None:
    first = classify(Taxonomy(), census([0]), 0, FIXED)
    grown = census([0, 1], ids=[0, 1], parents={1: (0,)}, ages=[1, 0])
    second = classify(first.taxonomy, grown, 1, FIXED)
    (split,) = second.events
    assert (split.kind, split.name, split.other) == ("split", "reverser-1", first.labels[0])
    assert second.taxonomy.by_id(split.species).parent == first.labels[0]


def test_species_that_become_alike_merge_into_the_older() -> None:
    first = classify(Taxonomy(), census([0, 1]), 0, FIXED)
    second = classify(first.taxonomy, census([0, 0]), 1, FIXED)
    older, younger = (int(x) for x in first.labels)
    assert second.labels.tolist() == [older, older]
    merge, end = second.events
    assert (merge.kind, merge.species, merge.other) == ("merge", younger, older)
    assert (end.kind, end.cause, end.other) == ("extinction", "absorbed", older)


def test_a_species_whose_niche_moves_keeps_its_number_and_gets_a_new_name() -> None:
    first = classify(Taxonomy(), census([None]), 0, FIXED)
    second = classify(first.taxonomy, census([2]), 1, FIXED)
    assert kinds(second.events) == ["renamed:juggle-1"]
    assert second.labels.tolist() == first.labels.tolist()
    near = census([2])
    near.accuracy[0, 3] = 0.71  # ahead of the old niche's 0.70, but within the noise
    assert classify(second.taxonomy, near, 2, FIXED).events == ()


def test_species_that_become_identical_both_last_if_nothing_is_merged() -> None:
    apart = replace(FIXED, merging=0.0)
    first = classify(Taxonomy(), census([0, 1]), 0, apart)
    alike = replace(census([0, 0]), cosine=np.ones((2, 2)))
    assert classify(first.taxonomy, alike, 1, apart).labels.tolist() == first.labels.tolist()


def test_a_dead_representative_is_followed_by_a_survivor_before_any_child() -> None:
    """Else the many children of another niche would carry the name away."""
    first = classify(Taxonomy(), census([0, 0], fitness=[0.9, 0.5]), 0, FIXED)
    assert first.taxonomy.species[0].representative == 0
    after = census(
        [0, 1, 1, 1], ids=[1, 7, 8, 9], ages=[6, 0, 0, 0], parents={7: (0,), 8: (0,), 9: (0,)}
    )
    second = classify(first.taxonomy, after, 1, FIXED)
    assert second.taxonomy.by_id(int(first.labels[0])).representative == 1
    assert kinds(second.events) == ["split:reverser-1"]


def many_kinds(n: int = 40, seed: int = 0) -> Census:
    """Candidates scattered over mixtures of niches: any number of species can be made."""
    rng = np.random.default_rng(seed)
    base = census([0] * n)
    lift = rng.dirichlet([0.5] * len(SKILLS), n)
    return replace(base, accuracy=base.base_accuracy + 0.8 * lift, fitness=rng.random(n))


@pytest.mark.parametrize("target", [2, 4, 7])
def test_the_number_of_species_is_steered_to_the_target(target: int) -> None:
    """At once where enough is known; and from a wrong threshold within 40 generations."""
    found = SpeciesSettings(target=target)
    assert abs(len(classify(Taxonomy(), many_kinds(), 0, found).taxonomy.species) - target) <= 1
    for start in (0.06, 2.5):
        settings = SpeciesSettings(target=target, threshold=start)
        taxonomy = Taxonomy()
        numbers = []
        for generation in range(60):
            taxonomy = classify(taxonomy, many_kinds(), generation, settings).taxonomy
            numbers.append(len(taxonomy.species))
        assert abs(np.mean(numbers[40:]) - target) <= 1


def test_the_threshold_does_not_run_away_while_nobody_can_found_a_species() -> None:
    settings = SpeciesSettings(target=6, threshold=0.5)
    taxonomy = Taxonomy()
    for generation in range(30):
        taxonomy = classify(taxonomy, census([None] * 6), generation, settings).taxonomy
    assert taxonomy.threshold == 0.5


def test_identical_candidates_are_no_problem() -> None:
    alike = replace(census([0] * 5), cosine=np.ones((5, 5)))
    settings = SpeciesSettings(merging=0.0, target=3)
    taxonomy = classify(Taxonomy(), alike, 0, settings).taxonomy
    assert [s.size for s in classify(taxonomy, alike, 1, settings).taxonomy.species] == [5]


# stagnation ------------------------------------------------------------------------------


def run_idle(niches: list[int | None], ages: list[int], generations: int = 9, **more: object):  # type: ignore[no-untyped-def]
    settings = replace(FIXED, patience=8, grace=2, **more)
    people = census(niches, ages=ages, fitness=[0.9 - 0.1 * i for i in range(len(niches))])
    taxonomy = Taxonomy()
    for generation in range(generations):
        done = classify(taxonomy, people, generation, settings)
        taxonomy = done.taxonomy
    return people, done, settings


def test_the_only_holder_of_a_niche_is_never_culled() -> None:
    people, done, settings = run_idle([0, 1, 2], [9, 9, 9])
    assert cull(done.taxonomy, people, done.labels, 8, settings).rows == ()


def test_a_stagnant_species_goes_if_others_can_do_all_it_can_and_newborns_stay() -> None:
    """Two species of sorters: the merging factor 0 keeps them apart."""
    people = census([0, 0, 0], ages=[9, 9, 1], fitness=[0.9, 0.4, 0.3])
    cosine = np.array([[1.0, -1, -1], [-1, 1, 1], [-1, 1, 1]])
    people = replace(people, cosine=cosine)
    settings = replace(FIXED, threshold=0.3, merging=0.0)
    taxonomy = Taxonomy()
    for generation in range(9):
        done = classify(taxonomy, people, generation, settings)
        taxonomy = done.taxonomy
    assert len(taxonomy.species) == 2
    culled = cull(taxonomy, people, done.labels, 8, settings)
    assert culled.rows == (1,)  # of the worse species, and not its newborn
    assert [s.stagnant for s in culled.taxonomy.species] == [False, True]
    assert cull(taxonomy, people, done.labels, 7, settings).rows == ()
    left = classify(culled.taxonomy, census([0], ids=[0]), 9, settings)
    assert [e.cause for e in left.events] == ["stagnated"]


def test_only_real_improvement_counts() -> None:
    """The better of the two gains 0.004, less than noise; the other 0.02."""
    first = classify(Taxonomy(), census([0, 1], fitness=[0.9, 0.4]), 0, FIXED)
    later = classify(first.taxonomy, census([0, 1], fitness=[0.904, 0.42]), 8, FIXED)
    assert [(s.best, s.improved) for s in later.taxonomy.species] == [(0.9, 0), (0.42, 8)]


def test_the_last_species_is_never_culled() -> None:
    people, done, settings = run_idle([None, None], [9, 9], generations=20)
    assert cull(done.taxonomy, people, done.labels, 19, settings).rows == ()


# distance --------------------------------------------------------------------------------


def test_distance_adds_its_three_parts() -> None:
    accuracy = np.array([[0.9, 0.1], [0.1, 0.9]])
    base = np.array([0.1, 0.1])
    cosine = np.array([[1.0, 0.5], [0.5, 1.0]])
    only = DistanceWeights(update=2.0, profile=0.0, rank=0.0)
    assert distances(cosine, accuracy, base, np.array([4, 8]), only)[0, 1] == 1.0
    ranks = DistanceWeights(update=0.0, profile=0.0, rank=0.5)
    assert distances(cosine, accuracy, base, np.array([4, 8]), ranks)[0, 1] == 2.0
    hamming = DistanceWeights(update=0.0, profile=1.0, rank=0.0, kind="hamming")
    assert distances(cosine, accuracy, base, np.array([4, 8]), hamming)[0, 1] == 1.0
    variation = DistanceWeights(update=0.0, profile=1.0, rank=0.0)
    apart = distances(cosine, accuracy, base, np.array([4, 8]), variation)
    assert 0.95 < apart[0, 1] < 1.0 and apart[0, 1] == apart[1, 0] and apart[0, 0] == 0
    with pytest.raises(CensusError, match="distance weights"):
        DistanceWeights(update=-1)
    with pytest.raises(CensusError, match="did you mean"):
        DistanceWeights(kind="euclid")  # type: ignore[arg-type]


def test_cosines_see_through_the_form_of_a_layer() -> None:
    """The same update in other factors has cosine 1, and its opposite -1."""
    layer = random_layer(tiny_llama(), rank=2, seed=0)
    cosines = update_cosines([layer, compose.canonical(layer), compose.stack([layer], [-2.0])])
    assert cosines[0] == pytest.approx([1, 1, -1], abs=1e-4)


# spawning --------------------------------------------------------------------------------


def test_a_crowd_gets_no_more_children_than_its_mean_is_worth() -> None:
    labels, fitness = [0, 0, 0, 0, 1], [0.4] * 4 + [0.8]
    assert adjusted_fitness(fitness, labels) == pytest.approx([0.1] * 4 + [0.8])
    assert spawn_counts(fitness, labels, 9) == {0: 3, 1: 6}
    assert spawn_counts(fitness, labels, 9, barred=[1]) == {0: 9, 1: 0}
    assert spawn_counts(fitness, labels, 9, barred=[0, 1]) == {0: 3, 1: 6}
    assert spawn_counts([0.0, 0, 0, 0, 1], labels, 4, at_least=1) == {0: 1, 1: 3}
    assert spawn_counts([0.0] * 5, labels, 3) == {0: 2, 1: 1}


def test_places_are_dealt_exactly_and_in_proportion() -> None:
    rng = np.random.default_rng(0)
    for _ in range(200):
        claims = rng.random(int(rng.integers(1, 9))).tolist()
        n = int(rng.integers(0, 50))
        dealt = largest_remainders(claims, n)
        assert sum(dealt) == n
        assert all(abs(d - n * c / sum(claims)) < 1 for d, c in zip(dealt, claims, strict=True))


@pytest.mark.parametrize(
    ("fitness", "labels", "n"),
    [([-0.1], [0], 1), ([np.nan], [0], 1), ([], [], 1), ([1.0], [0], -1)],
)
def test_claims_that_make_no_sense_are_refused(
    fitness: list[float], labels: list[int], n: int
) -> None:
    with pytest.raises(CensusError):
        spawn_counts(fitness, labels, n)


# records ---------------------------------------------------------------------------------


def test_saved_and_restored_taxonomies_go_on_alike() -> None:
    first = classify(Taxonomy(), many_kinds(), 0)
    back = Taxonomy.restore(json.loads(json.dumps(first.taxonomy.state())))
    assert back == first.taxonomy
    one, other = (classify(t, many_kinds(seed=1), 1) for t in (first.taxonomy, back))
    assert one.taxonomy == other.taxonomy and one.events == other.events
    with pytest.raises(CensusError, match="no taxonomy's state"):
        Taxonomy.restore({"species": [{}]})


def test_events_fill_a_phylogeny() -> None:
    first = classify(Taxonomy(), census([0]), 0, FIXED)
    grown = census([0, 1], ids=[0, 1], parents={1: (0,)}, ages=[1, 0])
    second = classify(first.taxonomy, grown, 1, FIXED)
    third = classify(second.taxonomy, census([0, 0]), 4, FIXED)
    tree = Phylogeny()
    for done in (first, second, third):
        record(tree, done.events)
    assert text_tree(tree, "species").splitlines() == [
        "sorter-1 (founder, 0-)",
        "  reverser-1 (split, 1-4 absorbed by sorter-1)",
    ]
    assert [node.name for node in living(tree)] == ["sorter-1"]


def next_generation(people: Census, labels: np.ndarray, gone: set[int], rng) -> Census:  # type: ignore[no-untyped-def]
    """Survivors, and twice children with drifting skills from random parents, ages correct."""
    kept = [i for i in range(len(people.ids)) if i not in gone and rng.random() < 0.7] or [0]
    parents = [int(i) for i in rng.choice(kept, 8)]
    start = max(int(i) for i in people.ids) + 1
    children = np.clip(people.accuracy[parents] + rng.normal(0, 0.15, (8, len(SKILLS))), 0, 1)
    n = len(kept) + 8
    vectors = rng.normal(size=(n, 30))
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    accuracy = np.vstack([people.accuracy[kept], children])
    return Census(
        SKILLS,
        (*(people.ids[i] for i in kept), *range(start, start + 8)),
        (*(people.parents[i] for i in kept), *((people.ids[i],) for i in parents)),
        np.r_[people.ages[kept] + 1, np.zeros(8)],
        accuracy.mean(axis=1),
        accuracy,
        people.base_accuracy,
        np.full(n, 4),
        vectors @ vectors.T,
    )


@pytest.mark.parametrize("seed", range(8))
def test_a_long_random_life_keeps_its_books(seed: int) -> None:
    """60 generations with culls: everybody has a living species, sizes add up, every species in
    the phylogeny lives exactly if it has members, newborns are never culled, names are unique."""
    rng = np.random.default_rng(seed)
    settings = SpeciesSettings(target=4, patience=4)
    people, taxonomy, tree = census([0, 1, 2, 3, None] * 2), Taxonomy(), Phylogeny()
    for generation in range(60):
        done = classify(taxonomy, people, generation, settings)
        record(tree, done.events)
        sizes = {s.id: s.size for s in done.taxonomy.species}
        assert sizes == {
            int(k): int(n) for k, n in zip(*np.unique(done.labels, return_counts=True), strict=True)
        }
        assert {n.id for n in living(tree)} == {f"species-{s}" for s in sizes}
        assert len({n.name for n in tree.nodes}) == len(tree)
        culled = cull(done.taxonomy, people, done.labels, generation, settings)
        assert all(people.ages[row] >= settings.grace for row in culled.rows)
        taxonomy = culled.taxonomy
        people = next_generation(people, done.labels, set(culled.rows), rng)
    causes = {str(n.cause).split()[0] for n in tree.nodes}
    assert len(tree) > 8 and {"outcompeted", "absorbed"} & causes


@pytest.mark.parametrize(
    "change",
    [
        {"fitness": np.array([np.nan, 1])},
        {"cosine": np.eye(3)},
        {"ids": (1, 1)},
        {"ids": (), "parents": ()},
        {"parents": ((),)},
        {"accuracy": np.zeros((2, 3))},
    ],
)
def test_a_census_that_does_not_fit_together_is_refused(change: dict[str, object]) -> None:
    with pytest.raises(CensusError) as caught:
        replace(census([0, 1]), **change)  # type: ignore[arg-type]
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "change", [{"target": 0}, {"threshold": 0.0}, {"step": 1.0}, {"patience": 0}, {"lowest": 5.0}]
)
def test_settings_out_of_range_are_refused(change: dict[str, float]) -> None:
    with pytest.raises(CensusError, match=next(iter(change))):
        SpeciesSettings(**change)  # type: ignore[arg-type]
