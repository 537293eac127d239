"""A library's index keeps up with its catalogue, in memory and on disk."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from genome.embedding import unit
from genome.errors import LibraryError
from genome.library import Library, Manifest, Receipt
from genome.search import finder
from genome.search.finder import Calibration
from genome.search.index_filter import Filter
from tests.support.genome import random_layer, tiny_llama

MODEL = tiny_llama()
LAYERS = [random_layer(MODEL, rank=1, seed=i) for i in range(8)]
AXES = np.eye(8, dtype=np.float32)


class Axis:
    """An encoder whose questions are the names of axes."""

    identity = "axis"

    def encode(self, questions: list[str]) -> np.ndarray:
        return AXES[[int(question) for question in questions]]

    evidence = describe = encode


def filled(home: Path, n: int = 6) -> Library:
    """Layer i on axis i; the odd ones under another licence, the last for another base."""
    library = Library.open(home)
    library.folder.mkdir(exist_ok=True)
    (library.folder / "encoder.safetensors").write_bytes(b"axis")
    for i in range(n):
        add(library, i)
    return library


def add(library: Library, i: int) -> str:
    base = "other" if i == 5 else "tiny"
    licence = "MIT" if i % 2 else "Apache-2.0"
    manifest = Manifest(name=f"layer-{i}", base_model=base, licence=licence)
    digest = library.add(replace(LAYERS[i], base_model=base), manifest)
    library.set_vector(digest, unit((AXES[i] + 0.1 * AXES[7])[None])[0], n_results=5)
    return digest


def names(library: Library, question: int, **conditions: object) -> list[str]:
    among = {"base_model": "tiny", "unbound": "base_model" not in conditions, **conditions}
    found = library.search(str(question), encoder=Axis(), k=3, **among)  # type: ignore[arg-type]
    return [f.manifest.name for f in found]


@pytest.mark.parametrize("save_from", [5_000, 3], ids=["in memory", "on disk"])
def test_what_is_added_changed_and_removed_is_found_so_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, save_from: int
) -> None:
    """By this library, by another one open on the same home, and after opening it again."""
    monkeypatch.setattr(finder, "SAVE_FROM", save_from)
    monkeypatch.setattr(finder, "SAVE_EVERY", 1)
    library = filled(tmp_path)
    other = Library.open(tmp_path)
    assert names(library, 3)[0] == names(other, 3)[0] == "layer-3"
    digest = add(library, 6)
    assert names(library, 6)[0] == names(other, 6)[0] == "layer-6"
    library.set_vector(digest, AXES[0], n_results=9)
    assert names(other, 0)[0] == "layer-6"
    library.remove(digest)
    for one in (library, other, Library.open(tmp_path)):
        assert "layer-6" not in names(one, 0) + names(one, 6)
    add(library, 6)
    assert names(other, 6)[0] == names(Library.open(tmp_path), 6)[0] == "layer-6"
    saved = list((tmp_path / "library" / "index").glob("*/CURRENT"))
    assert bool(saved) == (save_from == 3)


def test_a_damaged_index_is_made_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(finder, "SAVE_FROM", 3)
    monkeypatch.setattr(finder, "SAVE_EVERY", 1)
    names(filled(tmp_path), 1)
    current = next((tmp_path / "library" / "index").glob("*/CURRENT"))
    current.write_bytes(b"rubbish")
    assert names(Library.open(tmp_path), 1)[0] == "layer-1"


def test_conditions_hold_before_the_nearest_are_chosen(tmp_path: Path) -> None:
    library = filled(tmp_path)
    free = names(library, 1, licences=["Apache-2.0"])
    assert sorted(free) == ["layer-0", "layer-2", "layer-4"]
    assert "layer-5" not in names(library, 5, base_model="tiny")
    wanted = {library.named("layer-2")[0], library.named("layer-4")[0]}
    assert sorted(names(library, 1, among=wanted)) == ["layer-2", "layer-4"]
    assert names(library, 1, max_bytes=1) == []
    id_ = library.encoder_id("tiny")
    assert library.search_vectors(AXES[:1], id_, where=Filter(base_model="nobody's"))[0] == []


def test_advice_follows_the_calibration(tmp_path: Path) -> None:
    library = filled(tmp_path)
    with pytest.raises(LibraryError, match="continuum layer reindex"):
        library.advise("1", encoder=Axis(), base_model="tiny")
    calibration = Calibration(library.encoder_id("tiny"), 0.9, 0.5, 100, ("a", "b"), 1.0)
    library.save_calibration(calibration)
    assert library.calibration("tiny") == calibration
    reuse = library.advise("1", encoder=Axis(), base_model="tiny")
    assert (reuse.action, reuse.digest) == ("reuse", library.named("layer-1")[0])
    mint = library.advise("7", encoder=Axis(), base_model="tiny")
    assert (mint.action, mint.digest) == ("mint", None)
    assert "mint below 0.50" in mint.reason
    (library.folder / "encoder.safetensors").write_bytes(b"a new encoder")
    for i, why in ((6, "two skills, and has them for 0:"), (7, "two skills, and has them for 1:")):
        with pytest.raises(LibraryError, match=why):
            Library.open(tmp_path).advise("1", encoder=Axis(), base_model="tiny")
        receipt = Receipt(f"skill-{i}", 10, n_correct=9, n_base_correct=1)
        manifest = Manifest(name=f"known-{i}", base_model="tiny", receipts=(receipt,))
        library.add(replace(LAYERS[i], base_model="tiny"), manifest)
    with pytest.raises(
        LibraryError, match="no thresholds for advice: run `continuum layer reindex"
    ):
        Library.open(tmp_path).advise("1", encoder=Axis(), base_model="tiny")
