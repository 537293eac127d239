"""What was imported can be used, or says in one line what is missing; every way out is open."""

from __future__ import annotations

import json
import re
import shlex
from pathlib import Path
from typing import Any

import pytest

from economy.revocations import ORIGINS
from genome.base_model import BaseModel
from genome.library import Library, Manifest, Parent
from marketplace.listing.similarity import factors_of
from marketplace.market import Market, ReceiptFacts
from persona.persona import PersonaStore
from tests.support.cli import Done, continuum
from tests.support.genome import random_layer, tiny_model


def follow(text: str, **filled: object) -> list[Done]:
    """Run every command that a message names, in order, with its placeholders filled in."""
    done = []
    for command in re.findall(r"`continuum ([^`]+)`", text):
        words = [str(filled.get(word, word)) for word in shlex.split(command)]
        done.append(continuum(*words))
        assert done[-1].code == 0, done[-1]
    assert done, f"no command in {text!r}"
    return done


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home that does not exist yet, named on the command line only."""
    for name in ("HOME", "MARKET", "ACCOUNT"):
        monkeypatch.delenv(f"CONTINUUM_{name}", raising=False)
    return tmp_path / "my home"


@pytest.fixture
def adapter(embedded: BaseModel, tmp_path: Path) -> Path:
    """A PEFT folder for the embedded base that does not say so."""
    random_layer(embedded.model, "", rank=2).to_peft(tmp_path / "sql-helper")
    return tmp_path / "sql-helper"


def saved(model: Any, tokenizer: Any, folder: Path) -> Path:
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


def test_a_plain_adapter_is_imported_searched_made_a_persona_and_asked(
    place: Path, adapter: Path
) -> None:
    """Nothing in its file names its base; every hint on the way works as it is printed."""
    said = continuum("layer", "import", adapter, "--licence", "MIT", "--home", place).out
    assert "sql-helper 1.0.0 is in the library" in said
    assert "bound to the base model embedded" in said
    (indexed,) = follow(said)
    assert "1 layers examined, 0 known by description" in indexed.out
    assert "sql-helper" in continuum("layer", "search", "sort: 9 2 7", "--home", place).out
    line = continuum("layer", "advise", "sort: 9 2 7", "--home", place).refusal
    assert "receipts for two skills" in line and "`continuum academy run smoke --home" in line
    listed = continuum("layer", "list", "--base", "embedded", "--home", place).out
    assert "embedded" in listed and "sql-helper" in listed
    made = continuum("persona", "create", "helper", "--layer", "sql-helper", "--home", place)
    (answer,) = follow(made.out, QUESTION="sort: 9 2 7")
    assert answer.out.endswith("\n")
    exam = ("academy", "exam", "helper", "--skill", "sort", "--items", 4, "--home", place)
    assert continuum(*exam).code == 0


def test_a_layer_for_an_unknown_base_says_so_until_it_is_bound(
    place: Path, tokenizer: Any, tmp_path: Path
) -> None:
    model = tiny_model("gpt2")
    base = saved(model, tokenizer, tmp_path / "My GPT")
    random_layer(model, "").to_peft(tmp_path / "poet")
    said = continuum("layer", "import", tmp_path / "poet", "--home", place)
    assert said.code == 0 and "layer 'poet' is unbound" in said.out
    assert "embedded (the base model has no module" in said.out
    assert "unbound" in continuum("layer", "list", "--home", place).out
    assert (
        "unbound; `continuum layer bind" in continuum("layer", "show", "poet", "--home", place).out
    )
    command = f"`continuum layer bind poet --base FOLDER --home '{place}'`"
    create = ("persona", "create", "bard", "--layer", "poet", "--home", place)
    for words in (create, ("layer", "bind", "poet", "--home", place)):
        assert command in continuum(*words).refusal
    indexed = continuum("layer", "reindex", "--home", place).out
    assert "0 layers examined, 1 known by description" in indexed and command in indexed
    follow(command, FOLDER=base)
    assert "my-gpt" in continuum("layer", "show", "poet", "--home", place).out
    assert "1 layers examined" in continuum("layer", "reindex", "--home", place).out
    search = ("layer", "search", "verse", "--home", place)
    assert "1 on my-gpt: --base my-gpt" in continuum(*search, "--base", "embedded").err
    for base in ((), ("--base", "my-gpt")):  # all layers here run on it
        assert "my-gpt" in continuum(*search, *base).out
    (answer,) = follow(continuum(*create).out, QUESTION="hello")
    assert answer.code == 0
    exam = ("academy", "exam", "bard", "--skill", "sort", "--items", 2, "--home", place)
    assert continuum(*exam).code == 0


def test_of_two_bases_that_fit_one_is_taken_and_the_other_can_be_chosen(
    place: Path, adapter: Path, embedded: BaseModel, tmp_path: Path
) -> None:
    import copy

    import torch

    twin = copy.deepcopy(embedded.model)
    with torch.no_grad():
        twin.get_input_embeddings().weight.mul_(1.01)
    folder = saved(twin, embedded.tokenizer, tmp_path / "twin")
    random_layer(embedded.model, "", seed=4).to_peft(tmp_path / "other")
    continuum("layer", "import", tmp_path / "other", "--base", folder, "--home", place)
    shown = continuum("layer", "show", "other", "--home", place).out
    assert "base model   twin" in shown
    said = continuum("layer", "import", adapter, "--home", place).out
    assert "bound to the base model embedded" in said and "it fits twin too" in said
    continuum("persona", "create", "helper", "--layer", "sql-helper", "--home", place)
    command = re.search(r"`continuum layer bind[^`]+`", said)
    assert command is not None
    refused = continuum(*shlex.split(command[0].strip("`"))[1:]).refusal
    assert "persona 'helper' runs layer 'sql-helper'" in refused
    follow(refused)
    follow(command[0])
    assert "twin" in continuum("layer", "show", "sql-helper", "--home", place).out


def test_a_base_that_cannot_run_a_layer_is_refused_and_nothing_is_kept(
    place: Path, adapter: Path, tokenizer: Any, tmp_path: Path
) -> None:
    base = saved(tiny_model("gpt2"), tokenizer, tmp_path / "gpt")
    line = continuum("layer", "import", adapter, "--base", base, "--home", place).refusal
    assert "module_unknown" in line
    assert Library.open(place).find() == []
    assert (
        "cannot be loaded"
        in continuum(
            "layer", "import", adapter, "--base", tmp_path / "none", "--home", place
        ).refusal
    )


def test_many_are_imported_at_once_and_what_fails_does_not_stop_the_others(
    place: Path, embedded: BaseModel, tmp_path: Path
) -> None:
    many = tmp_path / "adapters"
    for seed, name in enumerate(("a", "b", "deep/c")):
        random_layer(embedded.model, "", seed=seed).to_peft(many / name)
    (many / "b" / "adapter_config.json").write_text("{}")
    (tmp_path / "bare.safetensors").write_bytes(b"1234")
    random_layer(embedded.model, "", seed=9).to_peft(tmp_path / "d")
    done = continuum(
        "layer", "import", many, tmp_path / "bare.safetensors", tmp_path / "d", "--home", place
    )
    assert done.code == 1
    assert "2 of 5 layers were refused, 3 are in the library" in done.err
    assert "octal" not in done.out
    refused = done.out.split("refused")[1]
    assert str(many / "b") in refused and "put its adapter_config.json beside it" in refused
    assert {row.name for row in Library.open(place).find()} == {"a", "c", "d"}
    good = continuum("layer", "import", many / "a", many / "deep", "--home", place)
    assert good.code == 0 and "in the library" in good.out


def test_a_name_is_for_one_layer(place: Path, adapter: Path) -> None:
    line = continuum("layer", "import", adapter, adapter.parent, "--name", "x", "--home", place)
    assert line.code == 0  # the same layer twice is one
    line = continuum(
        "layer", "import", adapter, adapter.parent / "none", "--name", "x", "--home", place
    )
    assert "--name x is for one layer, here are 2" in line.refusal


def test_a_layer_is_removed_once_nothing_needs_it_and_the_way_is_named(
    place: Path, adapter: Path, embedded: BaseModel
) -> None:
    """A persona, a child and a listing each hold it back; their commands, typed, let it go."""
    continuum("layer", "import", adapter, "--home", place)
    continuum("persona", "create", "helper", "--layer", "sql-helper", "--home", place)
    library = Library.open(place)
    (row,) = library.find()
    child = random_layer(embedded.model, embedded.fingerprint, seed=5)
    library.add(child, Manifest("child", embedded.fingerprint, parents=(Parent(row.digest),)))
    with Market.open(f"sqlite:///{place / 'market.db'}") as market:
        market.open_account("ada")
        market.publish(
            owner="ada",
            name="sql",
            digest=row.digest,
            base_model=embedded.fingerprint,
            niche="sort",
            ask_nanos=10**8,
            weights=factors_of(library.path(row.digest)),
            receipt=ReceiptFacts("sort", n_questions=100, n_correct=80, n_base_correct=30),
            key="p",
        )
    line = continuum("layer", "remove", "sql-helper", "--home", place).refusal
    for needed in ("persona helper", "child child", "listing sql"):
        assert needed in line
    assert row.digest in library and PersonaStore(place).names() == ["helper"]
    follow(line)
    said = continuum("layer", "remove", "sql-helper", "--home", place)
    assert said.code == 0 and "sql-helper 1.0.0 is removed" in said.out
    assert Library.open(place).find() == [] and PersonaStore(place).names() == []
    assert (
        "there is no layer" in continuum("layer", "remove", "sql-helper", "--home", place).refusal
    )


def test_a_layer_of_a_market_can_be_fetched_again(place: Path, adapter: Path) -> None:
    continuum("layer", "import", adapter, "--home", place)
    digest = Library.open(place).find()[0].digest
    (place / ORIGINS).write_text(json.dumps({digest: ["http://127.0.0.1:1"]}))
    said = continuum("layer", "remove", "sql-helper", "--home", place).out
    assert (
        "`continuum market fetch sql-helper --market http://127.0.0.1:1 --account ACCOUNT" in said
    )


@pytest.mark.parametrize("left", [None, b"", b"damaged"])
def test_a_missing_or_damaged_encoder_is_made_again(
    place: Path, adapter: Path, left: bytes | None
) -> None:
    """The remedy was `continuum demo`, which makes another home."""
    continuum("layer", "import", adapter, "--home", place)
    if left is not None:
        (place / "library" / "encoder.safetensors").write_bytes(left)
    line = continuum("layer", "search", "sort", "--home", place).refusal
    assert "demo" not in line and ("examined yet" in line) == (left is None)
    follow(line)
    assert "sql-helper" in continuum("layer", "search", "sort", "--home", place).out


def test_a_search_before_the_exam_names_the_exam(place: Path, adapter: Path) -> None:
    continuum("layer", "import", adapter, "--home", place)
    continuum("layer", "reindex", "--home", place)
    Library.open(place).remove(Library.open(place).find()[0].digest)
    continuum("layer", "import", adapter, "--home", place)
    said = continuum("layer", "search", "sort", "--home", place).out
    assert "no layer that can be searched" in said
    follow(said)
    assert "sql-helper" in continuum("layer", "search", "sort", "--home", place).out
