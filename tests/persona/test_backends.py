"""What else computes answers: known by name, kept in a file that people can read."""

from __future__ import annotations

from pathlib import Path

import pytest

from genome.base_model import BaseModel
from genome.errors import LayerRejected
from genome.genome import Genome
from genome.single import with_single
from persona.backends import FILE, Backends, Foundation
from persona.engine import Engine
from persona.errors import BackendFileError, BackendNameError, BackendNotFoundError
from tests.support.single import save_single

CLOUD = {"kind": "openai", "url": "http://127.0.0.1:9/v1", "model": "large", "key_env": "CLOUD_KEY"}


@pytest.fixture
def dora(tmp_path: Path, embedded: BaseModel) -> Path:
    save_single(embedded, tmp_path / "dora")
    return tmp_path / "dora"


@pytest.fixture
def backends(tmp_path: Path) -> Backends:
    return Backends(tmp_path / "home")


def peft(embedded: BaseModel, name: str = "dora") -> Foundation:
    return Foundation.of(name, {"kind": "peft", "base": embedded.fingerprint})


def test_an_adapter_is_copied_opened_and_removed(
    backends: Backends, dora: Path, embedded: BaseModel
) -> None:
    backends.add(peft(embedded), dora)
    expected = Engine(with_single(embedded, dora))
    found = backends.open("dora", {embedded.fingerprint: embedded}.__getitem__)
    try:
        genome = Genome(embedded.fingerprint)
        said = [one.answer(genome, "sort: cbda") for one in (found, expected)]
        assert said[0] == said[1] != Engine(embedded).answer(genome, "sort: cbda")
    finally:
        found.close()
        expected.close()
    backends.remove("dora")
    assert not backends.all() and not backends.folder("dora").exists()


def test_what_is_written_is_read(backends: Backends, embedded: BaseModel) -> None:
    found = Foundation.of("cloud", CLOUD)
    backends.add(found)
    assert backends.all() == {"cloud": found}
    text = (backends.home / FILE).read_text()
    assert '[cloud]\nkind = "openai"' in text and 'key_env = "CLOUD_KEY"' in text
    assert "timeout" not in text  # what is as it stands anyway


def test_names(backends: Backends, embedded: BaseModel, dora: Path) -> None:
    backends.add(peft(embedded), dora)
    with pytest.raises(BackendNameError, match="already"):
        backends.add(peft(embedded), dora)
    with pytest.raises(BackendNameError, match="64 of a-z"):
        backends.add(peft(embedded, "../out"), dora)
    with pytest.raises(BackendNotFoundError, match="did you mean dora"):
        backends.get("dore")
    assert list(backends.all()) == ["dora"]


def test_what_is_refused_leaves_nothing(
    backends: Backends, embedded: BaseModel, dora: Path
) -> None:
    (dora / "adapter_model.safetensors").write_bytes(b"no")
    with pytest.raises(LayerRejected):
        backends.add(peft(embedded), dora)
    assert not backends.all() and not backends.folder("dora").exists()


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[a", "toml|Expected|declaration"),
        ('[a]\nkind = "magic"', "one of peft, openai, llama.cpp"),
        ("a = 1", "a is no table"),
        ('[a]\nkind = "openai"\nmodel = "m"', "url"),
        ('[a]\nkind = "openai"\nurl = "ftp://x"\nmodel = "m"', "url"),
        ('[a]\nkind = "openai"\nurl = "http://x"\nmodel = "m"\ncolour = 1', "colour"),
    ],
)
def test_bad_files(backends: Backends, text: str, said: str) -> None:
    backends.home.mkdir()
    (backends.home / FILE).write_text(text)
    with pytest.raises(BackendFileError, match=said) as refused:
        backends.all()
    assert "\n" not in str(refused.value)
