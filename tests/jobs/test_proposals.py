"""A run that may stack layers gets them from the home's library, the same ones on resume."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from academy.evolution.config import RunConfig
from academy.sources.opening import open_source
from genome.base_model import BaseModel
from genome.embedding import unit
from genome.library import Library, Manifest
from tests.support.genome import random_layer
from tui.jobs.evolve import proposed_layers
from tui.jobs.specialists import fit_encoder

ADDING = RunConfig().with_(operators={"names": ("memetic-4", "add")})
SOURCE = "builtin:sort,add"


@pytest.fixture(scope="module")
def home(embedded: BaseModel, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A library with a layer proven on sorting, one on adding, and one for another base."""
    home = tmp_path_factory.mktemp("home")
    library = Library.open(home)
    encoder = fit_encoder(embedded, seed=0)
    library.save_encoder(encoder)
    source = open_source(SOURCE)
    rng = np.random.default_rng(0)
    for seed, skill in enumerate(source.skills):
        layer = random_layer(embedded.model, embedded.fingerprint, rank=1, seed=seed)
        library.add(
            layer,
            Manifest(name=skill, base_model=embedded.fingerprint),
            base_model_path=embedded.path,
        )
        asked = [c.prompt for c in source.draw(skill, "train", 30, rng)]
        vector = unit(encoder.evidence(asked).mean(0, keepdims=True))[0]
        library.set_vector(layer.digest, vector, n_results=30)
    return home


def test_layers_are_found_by_ability_and_stay_the_same(home: Path, embedded: BaseModel) -> None:
    """The specialist of a skill comes first; what joins the library later is not proposed."""
    source = open_source(SOURCE)
    library = Library.open(home)
    first = proposed_layers(ADDING, embedded, source, home)
    names = {s: [library.manifest(x.digest).name for x in some] for s, some in first.items()}
    assert names["sort"][0] == "sort" and names["add"][0] == "add"
    late = random_layer(embedded.model, embedded.fingerprint, rank=1, seed=9)
    library.add(
        late, Manifest(name="late", base_model=embedded.fingerprint), base_model_path=embedded.path
    )
    again = proposed_layers(ADDING, embedded, source, home)
    assert {s: [x.digest for x in some] for s, some in again.items()} == {
        s: [x.digest for x in some] for s, some in first.items()
    }


def test_nothing_is_searched_where_no_operator_asks(
    home: Path, embedded: BaseModel, tmp_path: Path
) -> None:
    """Neither without such an operator, nor without a library."""
    source = open_source(SOURCE)
    assert proposed_layers(RunConfig(), embedded, source, home) == {}
    assert proposed_layers(ADDING, embedded, source, tmp_path) == {}
