"""What was bred from a bought layer names it as parent by itself, so that royalties follow."""

from __future__ import annotations

from pathlib import Path

import pytest

from economy.publish import listed_parents
from genome.base_model import BaseModel
from genome.library import Library, Manifest, Parent
from tests.support.genome import random_layer
from tests.support.market import make_market, publish_example


@pytest.fixture
def library(tmp_path: Path) -> Library:
    return Library.open(tmp_path / "home")


def add(library: Library, base: BaseModel, seed: int, name: str, *parents: str) -> str:
    layer = random_layer(base.model, base.fingerprint, seed=seed)
    line = tuple(Parent(digest) for digest in parents)
    return library.add(layer, Manifest(name=name, base_model=base.fingerprint, parents=line))


def test_the_nearest_listed_ancestors_are_the_parents(
    library: Library, embedded: BaseModel
) -> None:
    """Through layers that are not for sale; a listed layer's own ancestors are left to it."""
    root = add(library, embedded, 1, "root")
    sorter = add(library, embedded, 2, "sorter", root)
    adder = add(library, embedded, 3, "renamed-here")
    between = add(library, embedded, 4, "between", adder)
    child = add(library, embedded, 5, "child", sorter, between)
    market = make_market()
    for owner, name, digest in (
        ("ada", "root", root),
        ("ada", "sorter", sorter),
        ("bob", "adder", adder),
    ):
        market.open_account(owner)
        publish_example(market, owner, name, digest=digest)
    found = listed_parents(market, library, [child])
    assert found == {sorter: "sorter", adder: "adder"}
    assert listed_parents(market, library, [child], but={"sorter"}) == {
        root: "root",
        adder: "adder",
    }


def test_a_layer_that_descends_from_nothing_listed_has_no_parents(
    library: Library, embedded: BaseModel
) -> None:
    """Another layer under the same name is no parent."""
    mine = add(library, embedded, 1, "sorter")
    market = make_market(credits={"ada": 0})
    publish_example(market, "ada", "sorter")
    assert listed_parents(market, library, [mine]) == {}
