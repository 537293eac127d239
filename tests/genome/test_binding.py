"""A layer's base is kept beside its manifest: signatures, digests and older libraries stay."""

from __future__ import annotations

import sqlite3
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from genome.base_model import BaseModel
from genome.bases import Bases
from genome.embedding import unit
from genome.errors import BaseModelMismatchError, LayerRejected
from genome.genome import Genome
from genome.layer import Layer
from genome.library import Library, Manifest
from genome.shelf.signing import SigningKey
from tests.support.genome import random_layer, tiny_base, tiny_llama

MODEL = tiny_llama()


@pytest.fixture
def base(tokenizer: Any, tmp_path: Path) -> BaseModel:
    """A base that the home knows."""
    base = tiny_base(tokenizer)
    Bases(tmp_path).remember(base, "tiny")
    return base


def plain(folder: Path, **options: Any) -> Path:
    """A PEFT folder that names no base, as every one of the hub."""
    random_layer(MODEL, "", **options).to_peft(folder)
    return folder


def test_an_imported_layer_is_bound_and_runs(base: BaseModel, tmp_path: Path) -> None:
    library = Library.open(tmp_path)
    digest = library.import_folder(plain(tmp_path / "a"))
    assert library.base_of(digest) == base.fingerprint
    assert Genome.of(library.get(digest)).base_model == base.fingerprint
    assert library.manifest(digest).base_model == ""
    assert [row.digest for row in library.find(base_model=base.fingerprint)] == [digest]
    assert library.verify() == []
    assert library.import_folder(tmp_path / "a") == digest  # again, and it changes nothing


def test_what_fits_no_base_is_stored_unbound_and_bound_later(
    tokenizer: Any, tmp_path: Path
) -> None:
    library = Library.open(tmp_path)
    digest = library.import_folder(plain(tmp_path / "a"))
    assert library.base_of(digest) == "" and library.get(digest).base_model == ""
    with pytest.raises(BaseModelMismatchError, match=r"no base model.*`continuum layer bind"):
        Genome("other", (library.get(digest),), (1.0,))
    assert library.bind(digest) == ""
    base = Bases(tmp_path).remember(tiny_base(tokenizer))
    assert library.bind(digest) == base.fingerprint
    assert Library.open(tmp_path).get(digest).base_model == base.fingerprint


def test_a_signed_layer_is_bound_without_touching_its_manifest(
    base: BaseModel, tmp_path: Path
) -> None:
    library, key = Library.open(tmp_path), SigningKey.generate()
    digest = library.import_folder(plain(tmp_path / "a"), key=key)
    signed = library.manifest(digest)
    assert library.base_of(digest) == base.fingerprint
    library.bind(digest, base.fingerprint)
    assert library.manifest(digest) == signed and library.verify() == []


def test_a_binding_survives_a_new_manifest_and_goes_with_the_layer(
    base: BaseModel, tmp_path: Path
) -> None:
    library = Library.open(tmp_path)
    digest = library.import_folder(plain(tmp_path / "a"))
    library.sign(digest, SigningKey.generate())
    assert library.base_of(digest) == base.fingerprint
    library.remove(digest)
    Bases(tmp_path).path.unlink()
    assert library.import_folder(tmp_path / "a") == digest
    assert library.base_of(digest) == ""


def test_another_base_forgets_what_was_seen_on_the_first(base: BaseModel, tmp_path: Path) -> None:
    library = Library.open(tmp_path)
    digest = library.import_folder(plain(tmp_path / "a"))
    vector = unit(np.ones((1, 4), np.float32))[0]
    library.set_vector(digest, vector, n_results=40)
    library.bind(digest, base.fingerprint)  # nothing new
    assert library.vector(digest) is not None
    library.bind(digest, "another")
    assert library.vector(digest) is None
    assert library.base_of(digest) == "another"


def test_a_layer_that_names_its_base_is_bound_to_no_other(base: BaseModel, tmp_path: Path) -> None:
    library = Library.open(tmp_path)
    random_layer(MODEL, "theirs").to_peft(tmp_path / "a")
    digest = library.import_folder(tmp_path / "a")
    assert library.bind(digest) == library.base_of(digest) == "theirs"
    with pytest.raises(LayerRejected, match="base_mismatch"):
        library.bind(digest, base.fingerprint)
    with pytest.raises(LayerRejected, match="base_mismatch"):
        library.import_folder(tmp_path / "a", base=base.fingerprint)


def test_an_unsigned_manifest_can_be_corrected_by_hand_but_not_by_guess(
    base: BaseModel, tmp_path: Path
) -> None:
    library = Library.open(tmp_path)
    digest = library.import_folder(plain(tmp_path / "a"), Manifest("a", "mistyped"))
    assert library.bind(digest) == "mistyped"
    assert library.bind(digest, base.fingerprint) == base.fingerprint
    assert library.get(digest).base_model == base.fingerprint


def test_a_layer_that_its_own_base_cannot_run_never_comes_in(
    base: BaseModel, tmp_path: Path
) -> None:
    library = Library.open(tmp_path)
    layer = random_layer(MODEL, "")
    renamed = {f"x.{module}": factors for module, factors in layer.factors.items()}
    Layer(base.fingerprint, renamed).to_peft(tmp_path / "stated")
    Layer("", renamed).to_peft(tmp_path / "chosen")
    for folder, given in (("stated", ""), ("chosen", base.fingerprint)):
        with pytest.raises(LayerRejected, match="module_unknown"):
            library.import_folder(tmp_path / folder, base=given)
    with pytest.raises(LayerRejected, match="module_unknown"):
        library.add(Layer(base.fingerprint, renamed), Manifest("a"))
    assert library.find() == [] and not list((tmp_path / "library" / "layers").iterdir())


def test_a_library_made_before_there_were_bindings_opens(tmp_path: Path, tokenizer: Any) -> None:
    library = Library.open(tmp_path)
    digest = library.import_folder(plain(tmp_path / "a"))
    with sqlite3.connect(tmp_path / "library" / "catalogue.db") as old:
        old.execute("DROP TABLE binding")
    base = Bases(tmp_path).remember(tiny_base(tokenizer))
    assert Library.open(tmp_path).bind(digest) == base.fingerprint
