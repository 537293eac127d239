"""A wish becomes a recipe, and children are compared with their parents."""

from __future__ import annotations

import pytest
import torch

from academy.errors import BreedingError
from academy.species.breeding import Parent, compare, litter, parse_wishes, recipe
from genome import compose
from tests.support.genome import random_layer, tiny_llama

SKILLS = ("sort", "reverse", "add")


def parent(name: str, **hits: int) -> Parent:
    return Parent(name, f"digest-{name}", hits, dict.fromkeys(SKILLS, 100))


ADA, BOB = parent("ada", sort=90, reverse=20), parent("bob", sort=30, reverse=80)


def test_wishes_are_read_as_they_are_said() -> None:
    assert parse_wishes("sort from ada, reverse from bob", SKILLS) == {
        "sort": "ada",
        "reverse": "bob",
    }
    assert parse_wishes(" sort ;reverse  from  Bob Smith\n", SKILLS) == {
        "sort": None,
        "reverse": "Bob Smith",
    }


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "no trait is wished for"),
        (" , ;", "no trait is wished for"),
        ("srot from ada", "'srot': did you mean 'sort'"),
        ("sort, sort from ada", "twice"),
        ("sort from", "names no parent"),
        ("from ada", "no trait 'from ada'"),
    ],
)
def test_wishes_that_cannot_be_read_are_refused(text: str, message: str) -> None:
    with pytest.raises(BreedingError, match=message) as caught:
        parse_wishes(text, SKILLS)
    assert "\n" not in str(caught.value)


def test_each_wish_counts_the_same_and_goes_to_the_best_or_the_named() -> None:
    best = recipe([ADA, BOB], {"sort": None, "reverse": None})
    assert best.parents == ("digest-ada", "digest-bob") and best.weights == (0.5, 0.5)
    named = recipe([ADA, BOB], {"sort": "bob", "reverse": None, "add": "ada"})
    assert dict(zip(named.parents, named.weights, strict=True)) == pytest.approx(
        {"digest-bob": 2 / 3, "digest-ada": 1 / 3}
    )
    assert named.sources[0] == ("sort", "digest-bob")


def test_the_same_wish_at_several_strengths() -> None:
    recipes = litter([ADA, BOB], {"sort": None, "reverse": None}, (1.0, 2.0))
    assert [sum(r.weights) for r in recipes] == [1.0, 2.0]


@pytest.mark.parametrize(
    ("wishes", "message"),
    [
        ({"sort": "adda"}, "did you mean 'ada'"),
        ({"add": None}, "no parent has shown 'add'"),
        ({}, "at least one"),
    ],
)
def test_wishes_nobody_can_fulfil_are_refused(wishes: dict[str, str | None], message: str) -> None:
    with pytest.raises(BreedingError, match=message):
        recipe([ADA, BOB], wishes)
    with pytest.raises(BreedingError):
        recipe([], {"sort": None})
    with pytest.raises(BreedingError):
        recipe([ADA], {"sort": None}, strength=0.0)


def test_a_recipe_is_what_exact_merging_needs() -> None:
    """At strength 2 a wish for both parents' traits is the plain sum of their updates."""
    model = tiny_llama()
    layers = {
        f"digest-{n}": random_layer(model, rank=2, seed=s) for n, s in (("ada", 0), ("bob", 1))
    }
    made = recipe([ADA, BOB], {"sort": None, "reverse": None}, strength=2.0)
    child = compose.merge([layers[d] for d in made.parents], made.weights, rank=4)
    module = next(iter(child.factors))
    delta = child.factors[module].b @ child.factors[module].a
    both = sum(x.factors[module].b @ x.factors[module].a for x in layers.values())
    assert torch.allclose(delta, both, atol=1e-5)


def test_children_are_better_or_worse_only_where_it_is_no_accident() -> None:
    child = parent("child", sort=88, reverse=50, add=30)
    rows = {row.skill: row for row in compare([child], [ADA, BOB])}
    assert [rows[s].verdict for s in SKILLS] == ["kept", "worse", "better"]
    assert rows["sort"].parents == (0.9, 0.3) and rows["sort"].accuracy == 0.88
    assert rows["sort"].interval[0] < 0.88 < rows["sort"].interval[1]
    with pytest.raises(BreedingError):
        compare([], [ADA])
