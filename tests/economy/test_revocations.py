"""Revoked layers are known at home, whoever tells and whoever is offline."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from economy.revocations import FILE, ORIGINS, kept, note_origin, refresh, refuse_revoked
from marketplace.client.remote import RemoteMarket
from marketplace.errors import ProvenanceError, ServiceError
from marketplace.ledger.keyring import PrivateKey
from marketplace.market import Market
from marketplace.service.serve import create_app
from marketplace.service.settings import ServiceSettings
from marketplace.trade.moderation import RevocationList, sign_revocations
from tests.support.client import ORIGIN, Hosted, InProcess
from tests.support.market import publish_example

DIGEST = "digest-of-sorter"


@pytest.fixture
def market() -> Iterator[Market]:
    """ada sells a sorter."""
    with Market.open("sqlite://") as market:
        market.open_account("ada")
        publish_example(market, "ada", "sorter")
        yield market


def serving(market: Market, key: PrivateKey | None) -> tuple[InProcess, RemoteMarket]:
    """A service over it that signs with this key, and a client."""
    wire = InProcess(create_app(market, ServiceSettings(origins=(ORIGIN,), signing_key=key)))
    return wire, Hosted(market, wire).at(None)


def test_what_a_service_revokes_must_not_be_used(market: Market, tmp_path: Path) -> None:
    """Known after one look, with the reason, and without the service from then on."""
    wire, client = serving(market, PrivateKey.generate())
    with wire, client:
        note_origin(tmp_path, DIGEST, client)
        assert refresh(client, tmp_path).layers == {}
        refuse_revoked(tmp_path, [DIGEST])
        market.revoke(listing="sorter", by="platform", reason="poisoned", key="gone")
        assert refresh(client, tmp_path).layers == {DIGEST: "poisoned"}
    with pytest.raises(ProvenanceError, match=r"must not be used any more.*poisoned") as refused:
        refuse_revoked(tmp_path, ["another", DIGEST])
    assert refused.value.code == "layer_revoked"
    refuse_revoked(tmp_path, ["another"])


def test_a_database_tells_without_a_signature(market: Market, tmp_path: Path) -> None:
    """Its operator has it before him; a home without revocations gets no file."""
    refresh(market, tmp_path)
    assert not (tmp_path / FILE).exists()
    market.revoke(listing="sorter", by="ada", reason="mine", key="gone")
    refresh(market, tmp_path)
    with pytest.raises(ProvenanceError, match="mine"):
        refuse_revoked(tmp_path, [DIGEST])


def test_the_key_that_was_seen_first_is_the_only_one(market: Market, tmp_path: Path) -> None:
    """Whoever takes the service's place cannot hide what it revoked."""
    market.revoke(listing="sorter", by="platform", reason="poisoned", key="gone")
    first, second = PrivateKey.generate(), PrivateKey.generate()
    for key in (first, second):
        wire, client = serving(market, key)
        with wire, client:
            if key is first:
                refresh(client, tmp_path)
                continue
            with pytest.raises(ProvenanceError, match="is not signed by"):
                refresh(client, tmp_path)
    (one,) = kept(tmp_path).values()
    assert (one.public_key, one.number, dict(one.layers)) == (
        first.public,
        1,
        {DIGEST: "poisoned"},
    )


def test_an_older_list_does_not_replace_a_newer_one(market: Market, tmp_path: Path) -> None:
    """The same key, but the market as it was before: refused, and nothing is forgotten."""
    key = PrivateKey.generate()
    market.revoke(listing="sorter", by="platform", reason="poisoned", key="gone")
    wire, client = serving(market, key)
    with wire, client:
        refresh(client, tmp_path)
        with pytest.raises(ProvenanceError, match="has expired"):
            refresh(client, tmp_path, now=1e12)
    with Market.open("sqlite://") as before:
        wire, client = serving(before, key)
        with wire, client, pytest.raises(ProvenanceError, match="is older than number 1"):
            refresh(client, tmp_path)
    assert DIGEST in kept(tmp_path)[ORIGIN].layers


def test_a_service_without_a_key_has_no_list(market: Market, tmp_path: Path) -> None:
    """And says so."""
    wire, client = serving(market, None)
    with wire, client, pytest.raises(ServiceError, match="signs no list"):
        refresh(client, tmp_path)


@pytest.mark.parametrize("text", ["", "[]", "{", '{"x": {}}', '{"x": 1}'])
def test_a_spoilt_file_is_no_reason_to_use_anything(tmp_path: Path, text: str) -> None:
    """It is named, with the way to a new one."""
    (tmp_path / FILE).write_text(text)
    with pytest.raises(ProvenanceError, match="market revocations"):
        refuse_revoked(tmp_path, [DIGEST])


def test_a_market_cannot_take_away_what_came_from_elsewhere(market: Market, tmp_path: Path) -> None:
    """A hostile list names everybody's layers; it binds those that were fetched from it."""
    own, bought, theirs = "a" * 64, "b" * 64, DIGEST
    (tmp_path / ORIGINS).write_text(json.dumps({bought: ["http://elsewhere.test"]}))
    listed = RevocationList(1, 0.0, 1e12, {own: "", bought: "", theirs: ""}, {})
    key = PrivateKey.generate()
    wire, client = serving(market, key)
    client.revocations = lambda: sign_revocations(listed, key.private)  # type: ignore[method-assign]
    with wire, client:
        note_origin(tmp_path, theirs, client)
        refresh(client, tmp_path)
        with pytest.raises(ProvenanceError):
            refuse_revoked(tmp_path, [own], market=client)
    refuse_revoked(tmp_path, [own, bought])
    with pytest.raises(ProvenanceError, match=ORIGIN):
        refuse_revoked(tmp_path, [theirs])


def test_another_databases_list_binds_no_layer_of_this_home(tmp_path: Path) -> None:
    """A file that somebody sent is a market like any other; the home's own binds everything."""
    home, other = tmp_path / "home", tmp_path / "other"
    for folder in (home, other):
        folder.mkdir()
        with Market.open(f"sqlite:///{folder / 'market.db'}") as market:
            market.open_account("ada")
            publish_example(market, "ada", f"sorter-{folder.name}")
            market.revoke(listing=f"sorter-{folder.name}", by="ada", reason="no", key="gone")
            refresh(market, home)
    refuse_revoked(home, ["digest-of-sorter-other"])
    with pytest.raises(ProvenanceError):
        refuse_revoked(home, ["digest-of-sorter-home"])
