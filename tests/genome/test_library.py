"""The library stores a layer once, whole or not at all, and finds it by ability."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from genome.embedding import ability_vector, unit
from genome.errors import LayerNotFoundError, LayerRejected, LibraryError
from genome.layer import WEIGHTS_FILE, Layer
from genome.library import Library, Manifest
from genome.testing import random_layer, tiny_llama

MODEL = tiny_llama()


def manifest(name: str, vector: tuple[float, ...] = (), base: str = "tiny") -> Manifest:
    return Manifest(name, base, "sort", "put in order", 0.9, 0.4, 400, vector=vector)


def test_a_stored_layer_comes_back_with_its_digest_after_reopening(tmp_path: Path) -> None:
    layer = random_layer(MODEL)
    digest = Library.open(tmp_path).add(layer, manifest("sorter-1"))
    library = Library.open(tmp_path)
    assert digest == layer.digest == library.get(digest).digest
    assert library.named("sorter-1")[0] == digest
    assert library.add(layer, manifest("sorter-1")) == digest
    assert len(library.manifests) == 1


def test_a_changed_or_unknown_layer_is_refused(tmp_path: Path) -> None:
    library = Library.open(tmp_path)
    digest = library.add(random_layer(MODEL), manifest("sorter-1"))
    random_layer(MODEL, seed=5).to_peft(library.path(digest))
    with pytest.raises(LayerRejected, match="no longer matches its digest"):
        library.get(digest)
    (library.path(digest) / WEIGHTS_FILE).unlink()
    with pytest.raises(LayerRejected, match="does not exist"):
        library.get(digest)
    with pytest.raises(LayerNotFoundError):
        library.get("0" * 64)
    with pytest.raises(LayerNotFoundError, match="did you mean sorter-1"):
        library.named("sotter-1")


def test_an_interrupted_add_leaves_nothing_behind(tmp_path: Path, monkeypatch: object) -> None:
    """The layer appears under its digest only when complete."""
    library = Library.open(tmp_path)

    def full_disk(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Layer, "to_peft", full_disk)  # type: ignore[attr-defined]
    with pytest.raises(OSError, match="No space"):
        library.add(random_layer(MODEL), manifest("sorter-1"))
    assert list((tmp_path / "library" / "layers").iterdir()) == []
    assert Library.open(tmp_path).manifests == {}


def test_search_ranks_by_cosine_and_filters_by_base(tmp_path: Path) -> None:
    """Agrees with brute force."""
    rng = np.random.default_rng(0)
    vectors = unit(rng.normal(size=(8, 6)))
    library = Library.open(tmp_path)
    for i, vector in enumerate(vectors):
        base = "other" if i == 3 else "tiny"
        layer = random_layer(MODEL, base_model=base, rank=1, seed=i)
        library.add(layer, manifest(f"layer-{i}", tuple(vector.tolist()), base))
    query = unit(rng.normal(size=(1, 6)))
    found = library.search_vectors(query, base_model="tiny", k=4)[0]
    order = [i for i in np.argsort(-(vectors @ query[0])) if i != 3][:4]
    assert [f.manifest.name for f in found] == [f"layer-{i}" for i in order]
    assert found[0].similarity == pytest.approx(float(vectors[order[0]] @ query[0]), abs=1e-5)
    assert library.search_vectors(query, base_model="unknown")[0] == []


def test_a_broken_manifest_names_the_file(tmp_path: Path) -> None:
    library = Library.open(tmp_path)
    digest = library.add(random_layer(MODEL), manifest("sorter-1"))
    path = library.path(digest) / "manifest.json"
    path.write_text("{")
    with pytest.raises(LibraryError, match=r"manifest\.json cannot be read"):
        Library.open(tmp_path)


def test_a_layers_vector_points_to_what_it_gained_and_away_from_what_it_lost() -> None:
    """What base and layer both pass or both fail has no pull."""
    questions = np.eye(3, dtype=np.float32)
    found = ability_vector(questions, np.array([1.0, 0.0, -1.0]))
    np.testing.assert_allclose(found, np.array([1, 0, -1]) / 2**0.5, atol=1e-6)
    assert np.linalg.norm(ability_vector(questions, np.zeros(3))) == pytest.approx(1.0)


def test_digests_do_not_depend_on_the_order_of_modules() -> None:
    layer = random_layer(MODEL)
    turned = Layer("tiny", dict(reversed(list(layer.factors.items()))))
    assert turned.digest == layer.digest
    assert all(torch.equal(turned.factors[m].a, layer.factors[m].a) for m in layer.factors)
