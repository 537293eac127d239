"""Promises of marketplace.listing.publish, on SQLite and PostgreSQL."""

from dataclasses import replace
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from genome.shelf.manifest import Manifest, Parent
from genome.shelf.signing import SigningKey
from marketplace.errors import (
    HouseAccountError,
    IdempotencyKeyReusedError,
    InvalidInputError,
    LicenceConflictError,
    LicenceError,
    LineageError,
    ListingNotFoundError,
    ListingTakenError,
    MarketError,
    NotOwnerError,
    ProvenanceError,
    StatusError,
)
from marketplace.ledger.account_key import prove_key
from marketplace.listing.provenance import Attestation
from marketplace.market import Market
from marketplace.receipt import ReceiptFacts

FACTS = ReceiptFacts(skill="sorting", n_questions=400, n_correct=320, n_base_correct=100)
HEX = {name: letter * 64 for name, letter in (("root", "a"), ("next", "b"), ("last", "c"))}


def test_a_listing_shows_what_was_published(market: Market, publish: Any) -> None:
    """Terms, tags in order, status, and a price from ask and exam."""
    view = publish("bob", "sort", tags=("b", "a"), description="sorts words")
    assert view == market.listing("sort") == market.listings()[0]
    assert (view.licence, view.tags, view.version, view.status) == (
        "Apache-2.0",
        ("a", "b"),
        1,
        "listed",
    )
    assert view.lift == pytest.approx(0.55)
    assert view.price_nanos > view.ask_nanos


def test_publishing_twice_with_one_key_is_publishing_once(market: Market, publish: Any) -> None:
    """The answer is the same; another request under the key is refused."""
    first = publish("bob", "sort", parents=(), key="k")
    assert publish("bob", "sort", key="k") == first
    assert len(market.versions("sort")) == 1
    with pytest.raises(IdempotencyKeyReusedError):
        publish("bob", "sort", key="k", licence="MIT")


def test_the_next_version_takes_the_name_over(market: Market, publish: Any) -> None:
    """New digest, terms and evidence; the same price track; the old version stays known."""
    old = publish("bob", "sort")
    new = publish("bob", "sort", digest="v2", version_of="sort", ask_nanos=5, licence="MIT")
    assert (new.version, new.digest, new.licence, new.ask_nanos) == (2, "v2", "MIT", 5)
    assert new.price_nanos == old.price_nanos
    assert [v.digest for v in market.versions("sort")] == ["v2", old.digest]
    assert [r.version for r in market.receipts("sort")] == [2, 1]
    assert market.owns("bob", old.digest) and market.owns("bob", "v2")
    assert market.verify() == []


@pytest.mark.parametrize(
    ("owner", "name", "changes", "error", "words"),
    [
        ("bob", "sort", {"digest": "d2"}, ListingTakenError, "taken by layer digest-of-sort"),
        ("ada", "other", {"digest": "digest-of-sort"}, ListingTakenError, "already listed as"),
        ("bob", "sort", {"key": "new"}, ListingTakenError, "already listed as 'sort' by 'bob'"),
        ("platform", "x", {}, HouseAccountError, "cannot publish"),
        ("ada", "sort", {"digest": "d2", "version_of": "sort"}, NotOwnerError, "publish a fork"),
        ("ada", "sirt", {"version_of": "sirt"}, ListingNotFoundError, "mean 'sort'"),
        ("bob", "x", {"version_of": "sort"}, InvalidInputError, "carries that name"),
        (
            "bob",
            "sort",
            {"digest": "d2", "version_of": "sort", "base_model": "big"},
            LineageError,
            "under another name",
        ),
        ("ada", "fork", {"parents": ("sirt",)}, LineageError, "did you mean 'sort'"),
        ("ada", "fork", {"parents": ("0" * 64,)}, LineageError, "publish it first"),
        ("ada", "fork", {"parents": ("sort",), "base_model": "big"}, LineageError, "share one"),
        ("ada", "fork", {"parents": ("digest-of-fork",)}, LineageError, "not in the market"),
        ("ada", "fork", {"licence": "apache20"}, LicenceError, "use Apache-2.0"),
        ("ada", "fork", {"tags": ("A",)}, InvalidInputError, "tag"),
        ("ada", "fork", {"tags": ("a", "a")}, InvalidInputError, "each once"),
        ("ada", "fork", {"receipts": (FACTS,)}, InvalidInputError, "one per exam"),
        ("ada", "fork", {"ask_nanos": 0}, InvalidInputError, "1 to"),
        ("ada", "fork", {"ask_nanos": -5}, InvalidInputError, "1 to"),
        ("ada", "fork", {"ask_nanos": 2**63}, InvalidInputError, "1 to"),
        ("ada", "fork", {"ask_nanos": 0.1}, InvalidInputError, "float"),
        ("ada", "fork", {"ask_nanos": float("nan")}, InvalidInputError, "nan"),
    ],
)
def test_what_does_not_fit_is_refused_and_changes_nothing(
    market: Market,
    publish: Any,
    owner: str,
    name: str,
    changes: Any,
    error: type[MarketError],
    words: str,
) -> None:
    """One line with the remedy; the key stays free, and nothing is listed."""
    publish("bob", "sort")
    before = market.listings()
    with pytest.raises(error, match=words) as caught:
        publish(owner, name, **({"key": "again"} | changes))
    assert len(str(caught.value).splitlines()) == 1
    assert market.listings() == before
    publish("ada", "fine", key="again")


def test_a_fork_shows_its_parents_and_pays_them(market: Market, publish: Any) -> None:
    """By name or digest alike; the parent's owner takes a share of the sale."""
    root = publish("bob", "root")
    fork = publish("carol", "fork", parents=("root",))
    assert fork.parents == ("root",)
    assert market.versions("fork")[0].parents == (root.digest,)
    before = market.account("bob").balance_nanos
    market.buy(buyer="ada", listing="fork", key="sale")
    assert market.account("bob").balance_nanos > before
    assert market.verify() == []


def test_a_parent_stays_the_version_that_was_built_on(market: Market, publish: Any) -> None:
    """A later version of the parent's listing did not contribute."""
    old = publish("bob", "root")
    publish("carol", "fork", parents=("root",))
    publish("bob", "root", digest="v2", version_of="root")
    assert market.versions("fork")[0].parents == (old.digest,)
    assert market.listing("fork").parents == ("root",)


def test_licences_are_inherited_down_the_line(publish: Any) -> None:
    """A share-alike root binds its grandchild through everybody else's hands, never its owner."""
    publish("bob", "root", licence="CC-BY-SA-4.0")
    with pytest.raises(LicenceConflictError, match=r"CC-BY-SA-4\.0"):
        publish("ada", "mid", parents=("root",), licence="MIT")
    publish("ada", "mid", parents=("root",), licence="CC-BY-SA-4.0")
    with pytest.raises(LicenceConflictError, match=r"'mid'|'root'"):
        publish("carol", "leaf", parents=("mid",), licence="MIT")
    publish("bob", "own", parents=("root",), licence="MIT")


def test_nobody_builds_on_a_layer_without_a_licence(publish: Any) -> None:
    """None stated means none given; its owner may still build on it."""
    publish("bob", "root", licence="")
    with pytest.raises(LicenceConflictError, match="no stated licence"):
        publish("ada", "fork", parents=("root",))
    publish("bob", "fork", parents=("root",))


def test_nobody_builds_on_or_replaces_a_quarantined_layer(market: Market, publish: Any) -> None:
    """A next version would wash the finding away."""
    publish("bob", "root")
    market.quarantine(listing="root", by="platform", reason="trigger found", key="q")
    with pytest.raises(LineageError, match="quarantined"):
        publish("ada", "fork", parents=("root",))
    with pytest.raises(StatusError, match="release"):
        publish("bob", "root", digest="v2", version_of="root")


def signed(key: SigningKey, name: str, **facts: Any) -> Attestation:
    """A manifest for the layer of that name, signed."""
    files = {"adapter_model.safetensors": "f" * 64}
    manifest = Manifest(
        name="sort", base_model="tiny", digest=HEX[name], licence="Apache-2.0", files=files, **facts
    )
    return Attestation(key.signed(manifest).to_json(), files)


def test_a_signed_line_of_versions_stays_signed_by_its_owner_and_rises(
    market: Market, publish: Any
) -> None:
    """No unsigned or foreign next version, and none that states an older number."""
    key, foreign = SigningKey.generate(), SigningKey.generate()
    publish("bob", "sort", digest=HEX["root"], evidence=signed(key, "root", version="1.1.0"))
    first = market.versions("sort")[0]
    assert (first.creator, first.release) == (key.creator, "1.1.0")

    def code(evidence: Attestation) -> str:
        with pytest.raises(ProvenanceError) as caught:
            publish("bob", "sort", digest=HEX["next"], version_of="sort", evidence=evidence)
        return caught.value.code

    assert code(Attestation()) == "unsigned"
    assert code(signed(foreign, "next", version="1.2.0")) == "signature_unknown"
    assert code(signed(key, "next", version="1.1.0")) == "version_rollback"
    assert code(signed(key, "last", version="1.2.0")) == "manifest_digest"
    swapped = replace(signed(key, "next", version="1.2.0"), files={"evil.py": "0" * 64})
    assert code(swapped) == "file_unlisted"
    publish(
        "bob",
        "sort",
        digest=HEX["next"],
        version_of="sort",
        evidence=signed(key, "next", version="1.2.0"),
    )


def test_a_registered_key_signs_for_its_account_only(market: Market, publish: Any) -> None:
    """Another account's key is refused, and one's own once it was revoked."""
    raw = Ed25519PrivateKey.generate()
    key = SigningKey(raw)
    market.register("zoe", key.creator, key="reg")
    with pytest.raises(ProvenanceError, match="another account") as caught:
        publish("bob", "sort", digest=HEX["root"], evidence=signed(key, "root"))
    assert caught.value.code == "signature_foreign"
    publish("zoe", "sort", digest=HEX["root"], evidence=signed(key, "root"))
    spare = Ed25519PrivateKey.generate()
    public = SigningKey(spare).creator
    market.add_key("zoe", public, proof=prove_key(spare, "zoe"), key="add")
    market.revoke_key("zoe", key.creator, key="revoke")
    with pytest.raises(ProvenanceError, match="revoked") as caught:
        publish("zoe", "next", digest=HEX["next"], evidence=signed(key, "next"))
    assert caught.value.code == "signature_revoked"


def test_a_market_can_demand_signatures(publish: Any) -> None:
    """Nothing unsigned gets in."""
    with pytest.raises(ProvenanceError, match="signed manifest"):
        publish("bob", "sort", must_be_signed=True)


def test_the_manifest_cannot_hide_a_parent(publish: Any) -> None:
    """A parent that the request names must be in the manifest, and the other way round."""
    root = publish("bob", "root", digest=HEX["root"])
    key = SigningKey.generate()
    with pytest.raises(ProvenanceError, match="parents"):
        publish(
            "ada", "fork", digest=HEX["next"], evidence=signed(key, "next"), parents=(root.digest,)
        )
    publish(
        "ada",
        "fork",
        digest=HEX["next"],
        parents=(root.digest,),
        evidence=signed(key, "next", parents=(Parent(root.digest),)),
    )
