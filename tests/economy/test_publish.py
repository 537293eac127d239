"""A PEFT folder is examined, stored and listed, or refused and nothing is stored."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import pytest
import torch

from academy.errors import UnknownSkillError
from economy.cycle.shop import Shop, maker
from economy.delivery import as_bought
from economy.publish import SaleTerms, numbers_of, publish_folder, put_up
from genome.base_model import BaseModel
from genome.errors import LayerRejected, UnboundLayerError, UnknownBaseError
from genome.layer import Factors, Layer
from genome.library import Library
from marketplace.errors import ListingTakenError, MarketError, NearDuplicateError, StatusError
from marketplace.listing.similarity import Weights
from marketplace.market import Market, ReceiptFacts
from tests.support.genome import random_layer
from tests.support.market import buried
from tui.jobs.market import market_url


@pytest.fixture
def few_questions(monkeypatch: pytest.MonkeyPatch) -> None:
    """Exams of a tenth, where what they find does not matter."""
    monkeypatch.setattr("economy.publish.EXAM_QUESTIONS", 40)


def publish(home: Path, folder: Path, skill: str = "sort", name: str = "mine") -> None:
    publish_folder(home, folder, name=name, skill=skill, ask_nanos=10**8, owner="me")


def test_a_layer_is_listed_with_what_it_really_does(
    home: Path, embedded: BaseModel, tmp_path: Path
) -> None:
    layer = random_layer(embedded.model, embedded.fingerprint, scale=0.01)
    layer.to_peft(tmp_path / "peft")
    publish(home, tmp_path / "peft")
    with Market.open(market_url(home), create=False) as market:
        listing = market.listing("mine")
        assert market.verify() == []
    assert listing.n_questions == 400
    assert 0.1 < listing.base_accuracy < 0.65
    assert Library.open(home).named("mine")[0] == layer.digest == listing.digest


def test_a_layer_that_is_in_the_library_already_keeps_its_name_and_gains_the_exam(
    home: Path, embedded: BaseModel, tmp_path: Path
) -> None:
    layer = random_layer(embedded.model, embedded.fingerprint, scale=0.01)
    layer.to_peft(tmp_path / "peft")
    library = Library.open(home)
    digest = library.import_folder(tmp_path / "peft", name="found-on-a-stick")
    assert library.manifest(digest).receipts == ()
    publish(home, tmp_path / "peft")
    stored = library.manifest(digest)
    assert (stored.name, stored.niche, stored.n_questions) == ("found-on-a-stick", "sort", 400)
    assert library.verify() == []


def test_refusals_name_the_rule_and_store_nothing(
    home: Path, embedded: BaseModel, tmp_path: Path
) -> None:
    before = set(Library.open(home).manifests)
    folder = tmp_path / "peft"
    with pytest.raises(LayerRejected, match="does not exist"):
        publish(home, folder)
    random_layer(embedded.model, "0123456789abcdef").to_peft(folder)
    with pytest.raises(UnknownBaseError, match="is not known here"):
        publish(home, folder)
    layer = random_layer(embedded.model, "")
    one = next(iter(layer.factors.values()))
    Layer("", {"encoder.block.0": one}).to_peft(folder)
    with pytest.raises(UnboundLayerError, match="fits no base model that is known here"):
        publish(home, folder)
    module = "model.layers.0.self_attn.q_proj"
    Layer("", {module: Factors(one.a[:, :-1], one.b)}).to_peft(folder)
    with pytest.raises(UnboundLayerError, match="fits no base model that is known here"):
        publish(home, folder)
    layer.to_peft(folder)
    with pytest.raises(UnknownSkillError):
        publish(home, folder, skill="juggling")
    with pytest.raises(LayerRejected, match="a layer's name must be"):
        publish(home, folder, name="No Such Name!")
    taken = next(iter(Library.open(home).find())).name
    with pytest.raises(LayerRejected, match="give this one a higher version"):
        publish(home, folder, name=taken)
    with pytest.raises(MarketError):
        publish_folder(home, folder, name="mine", skill="sort", ask_nanos=-1, owner="me")
    champion = next(iter(Library.open(home).find()))
    with pytest.raises(ListingTakenError, match=f"is already listed as '{champion.name}'"):
        publish(home, Library.open(home).path(champion.digest))
    assert set(Library.open(home).manifests) == before
    with Market.open(market_url(home), create=False) as market:
        assert "mine" not in {listing.name for listing in market.listings()}


def test_a_fork_and_a_next_version_are_listed_with_their_line_and_licence(
    home: Path, embedded: BaseModel, tmp_path: Path, few_questions: None
) -> None:
    """Parents by name, a higher version in the library, and a copy with noise refused unlinked."""
    root = random_layer(embedded.model, embedded.fingerprint, scale=0.01)
    other = random_layer(embedded.model, embedded.fingerprint, seed=5, scale=0.01)
    near = Layer(
        root.base_model, {m: Factors(a * 1.001, b + 1e-6) for m, (a, b) in root.factors.items()}
    )
    for name, layer in (("root", root), ("other", other), ("near", near)):
        layer.to_peft(tmp_path / name)
    common: dict[str, Any] = {"skill": "sort", "ask_nanos": 10**8, "licence": "CC-BY-SA-4.0"}
    publish_folder(home, tmp_path / "root", name="root", owner="me", **common)
    with pytest.raises(MarketError, match="as a fork, with 'root' as parent"):
        publish_folder(home, tmp_path / "near", name="near", owner="eve", **common)
    assert near.digest not in Library.open(home)
    fork = publish_folder(
        home, tmp_path / "near", name="near", owner="eve", parents=("root",), **common
    )
    assert (fork.parents, fork.near_of, fork.licence) == (("root",), "root", "CC-BY-SA-4.0")
    again = publish_folder(
        home, tmp_path / "other", name="root", owner="me", version_of="root", **common
    )
    assert (again.version, again.digest) == (2, other.digest)
    library = Library.open(home)
    assert library.manifest(other.digest).version == "1.1.0"
    assert [p.digest for p in library.manifest(near.digest).parents] == [root.digest]


def test_random_ranks_make_no_new_layer_of_a_copy(
    home: Path, embedded: BaseModel, tmp_path: Path, few_questions: None
) -> None:
    """Refused without its parent, and, once the original is revoked, refused altogether."""
    root = random_layer(embedded.model, embedded.fingerprint, scale=0.01)
    copy = of_numbers(embedded, buried(numbers_of(root)))
    for name, layer in (("root", root), ("copy", copy)):
        layer.to_peft(tmp_path / name)
    publish(home, tmp_path / "root", name="root")
    terms: dict[str, Any] = {"name": "copy", "skill": "sort", "ask_nanos": 10**8, "owner": "eve"}
    with pytest.raises(NearDuplicateError, match="with 'root' as parent"):
        publish_folder(home, tmp_path / "copy", **terms)
    assert copy.digest not in Library.open(home)
    with Market.open(market_url(home), create=False) as market:
        market.revoke(listing="root", by="platform", reason="poisoned", key="r")
    with pytest.raises(StatusError, match="'root' version 1"):
        publish_folder(home, tmp_path / "copy", **terms)


def test_demo_and_cycle_are_looked_at_like_everybody(
    home: Path, embedded: BaseModel, finished: tuple[Path, dict[str, Any]], tmp_path: Path
) -> None:
    """Their layers are known to the market, so that copies of them are found, and their own
    copies are linked to what they have listed."""
    champion = Library.open(home).get(finished[1]["species"][0]["layer"])
    of_numbers(embedded, buried(numbers_of(champion))).to_peft(tmp_path / "copy")
    with pytest.raises(NearDuplicateError, match=finished[1]["species"][0]["name"]):
        publish(home, tmp_path / "copy", skill=finished[1]["species"][0]["niche"])
    layer = random_layer(embedded.model, embedded.fingerprint, seed=3, scale=0.01)
    again = of_numbers(embedded, buried(numbers_of(layer)))
    receipt = ReceiptFacts(skill="sort", n_questions=100, n_correct=50, n_base_correct=40)
    with Market.open("sqlite://") as market:
        shop = Shop(market, cast("Any", None), {})
        for skill in ("sort", "add"):
            market.open_account(maker(skill))
        shop.publish("sort", layer, receipt, [], 0)
        with pytest.raises(NearDuplicateError, match="'sort-line'"):
            shop.publish("add", again, replace(receipt, skill="add"), [], 0)
        named = shop.publish("add", again, replace(receipt, skill="add"), ["sort-line"], 0)
        assert named.parents == ("sort-line",)
        terms = SaleTerms("more", "sort", 10**8, maker("sort"))
        others = {one.digest: numbers_of(one) for one in (layer, again)}.get
        more = of_numbers(embedded, buried(numbers_of(layer), seed=9))
        own = put_up(market, more, receipt, terms, others, key="more")
        assert own.parents == ("sort-line",)
        assert put_up(market, more, receipt, terms, others, key="more") == own


def test_a_receipt_says_what_was_examined_and_stands_beside_its_parents(
    home: Path, embedded: BaseModel, tmp_path: Path
) -> None:
    """Layer, base, prompts and rule; and what the first parent does on the same questions."""
    root, child = (
        random_layer(embedded.model, embedded.fingerprint, seed=seed, scale=0.01) for seed in (1, 2)
    )
    for name, layer, parents in (("root", root, ()), ("child", child, ("root",))):
        layer.to_peft(tmp_path / name)
        publish_folder(
            home,
            tmp_path / name,
            name=name,
            skill="sort",
            ask_nanos=10**8,
            owner="me",
            licence="Apache-2.0",
            parents=parents,
        )
    with Market.open(market_url(home), create=False) as market:
        (receipt,) = market.receipts("child")
        (above,) = market.receipts("root")
    assert (receipt.layer, receipt.base_model) == (child.digest, embedded.fingerprint)
    assert (receipt.prompt, receipt.rule) == (embedded.prompt_digest, "exact")
    assert (receipt.n_ancestor_correct, above.n_ancestor_correct) == (above.n_correct, None)
    (kept,) = Library.open(home).manifest(child.digest).receipts
    assert kept == as_bought(receipt)


def test_a_trainers_folder_is_published_without_what_lies_beside_the_adapter(
    embedded: BaseModel, tmp_path: Path, few_questions: None
) -> None:
    """Said in one line; neither the library nor the market gets any of it."""
    with Market.open(market_url(tmp_path)):
        pass
    folder = tmp_path / "out"
    random_layer(embedded.model, embedded.fingerprint, scale=0.01).to_peft(folder)
    (folder / "optimizer.pt").write_bytes(b"\x80\x04")
    (folder / "checkpoint-9").mkdir()
    said: list[str] = []
    listing = publish_folder(
        tmp_path, folder, name="mine", skill="sort", ask_nanos=10**8, owner="me", say=said.append
    )
    assert said == ["left where they are, being no part of a layer: checkpoint-9/, optimizer.pt"]
    stored = {path.name for path in Library.open(tmp_path).path(listing.digest).iterdir()}
    assert not stored & {"optimizer.pt", "checkpoint-9"}


def of_numbers(base: BaseModel, weights: Weights) -> Layer:
    """A layer of these factors."""
    return Layer(
        base.fingerprint,
        {m: Factors(torch.from_numpy(a), torch.from_numpy(b)) for m, (a, b) in weights.items()},
    )
