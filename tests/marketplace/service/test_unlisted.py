"""Layers that are complete and not listed: whose they are, how many bytes, and how long."""

import asyncio
import time
from pathlib import Path

import pytest

from genome.validate import check_folder
from marketplace.service.change import do_chores
from marketplace.service.layer_store import CARD_FILE, CONFIG_FILE, WEIGHTS_FILE, LayerStore
from marketplace.service.problems import ProblemError
from marketplace.service.settings import ServiceSettings
from marketplace.service.unlisted import Unlisted
from tests.support.hostile import write_valid
from tests.support.uploads import DAY_S, two_days_later

LISTED: set[str] = set()


@pytest.fixture
def layer(tmp_path) -> tuple[str, Path]:
    """A valid layer: its digest and its folder."""
    folder = write_valid(tmp_path / "layer")
    with check_folder(folder) as checked:
        return checked.digest, folder


def open_store(folder: Path, **settings) -> LayerStore:
    """A store over a folder; what is in LISTED is listed."""
    told = ServiceSettings(upload_rests_s=DAY_S, **settings)
    return LayerStore(folder, told, LISTED.__contains__)


@pytest.fixture
def store(tmp_path):
    """A store where nothing is listed yet."""
    LISTED.clear()
    return open_store(tmp_path / "store")


def upload(store: LayerStore, account: str, layer: tuple[str, Path], card: str = "") -> None:
    """Upload a layer with this README, if any."""
    digest, folder = layer
    files = {CONFIG_FILE: (folder / CONFIG_FILE).read_bytes(), CARD_FILE: card.encode()}
    files[WEIGHTS_FILE] = (folder / WEIGHTS_FILE).read_bytes()
    for name, data in files.items():
        if data:
            part = store.incoming(account, digest, name, len(data))
            try:
                part.write_bytes(data)
                store.keep(part, account, digest, name)
            finally:
                store.forget(part)


def card(store: LayerStore, digest: str) -> bytes:
    """The README that is kept, hashed as before every download."""
    store.check(digest)
    return store.text(digest, CARD_FILE)


def test_a_second_upload_of_a_listed_layer_changes_nothing(store, layer):
    """Neither its uploader's nor a stranger's: with another README, or without one."""
    upload(store, "bob", layer, "one")
    LISTED.add(layer[0])
    for account, text in (("eve", "two"), ("bob", "two"), ("eve", "")):
        upload(store, account, layer, text)  # as an equal upload is: no refusal
        assert card(store, layer[0]) == b"one"
    store.listed(layer[0])
    upload(store, "eve", layer, "two")
    assert card(store, layer[0]) == b"one"


def test_its_uploader_may_replace_what_is_not_listed(store, layer, tmp_path):
    """Files and facts change together, and what was there before is gone."""
    upload(store, "bob", layer, "one")
    upload(store, "bob", layer, "two")
    assert card(store, layer[0]) == b"two"
    assert len(list((tmp_path / "store" / "uploads").rglob("*"))) == 1  # bob's empty folder


def test_nobody_else_replaces_what_is_not_listed(store, layer):
    """One line says so, also of the very same files: first come, first served for a day."""
    upload(store, "bob", layer, "one")
    for text in ("one", "two"):
        with pytest.raises(ProblemError, match="another account uploaded these"):
            upload(store, "eve", layer, text)
        assert card(store, layer[0]) == b"one"
    with pytest.raises(ProblemError, match="not uploaded"), store.being_listed(layer[0], "eve"):
        pass
    with store.being_listed(layer[0], "bob"):
        pass


def test_a_mandate_may_bring_what_its_owner_brought(store, layer):
    """They are one uploader: the last of its accounts to bring a layer lists it."""
    upload(store, "bob", layer, "one")
    upload(store, "bob/shop", layer, "one")
    with store.being_listed(layer[0], "bob/shop"):
        pass


def test_nothing_changes_while_it_is_being_listed(store, layer):
    """What was prepared for the listing is what will be sold: no replacement, no sweep."""
    upload(store, "bob", layer, "one")
    with store.being_listed(layer[0], "bob"):
        upload(store, "bob", layer, "two")
        assert store.sweep(now=time.time() + 2 * DAY_S) == 0
        assert card(store, layer[0]) == b"one"


def test_what_is_never_listed_is_removed(store, layer, tmp_path):
    """After a day, whole: files, facts and the note; it may be uploaded again."""
    upload(store, "bob", layer)
    assert store.sweep(now=time.time() + DAY_S - 60) == 0 and store.has(layer[0])
    assert store.sweep(now=time.time() + DAY_S + 60) == 1 and not store.has(layer[0])
    assert not [path for path in (tmp_path / "store").rglob("*") if path.is_file()]
    upload(store, "eve", layer)
    assert store.has(layer[0])


def test_a_layer_that_was_listed_before_a_kill_stays(store, layer, tmp_path):
    """The service was killed between the listing and the note of it: the market is asked."""
    upload(store, "bob", layer)
    LISTED.add(layer[0])
    after = open_store(tmp_path / "store")
    assert after.sweep(now=time.time() + 2 * DAY_S) == 0 and after.has(layer[0])
    LISTED.clear()
    assert after.sweep(now=time.time() + 9 * DAY_S) == 0, "it waits no longer"


def test_an_account_leaves_so_many_bytes_and_no_more(layer, tmp_path):
    """Uploads under way count as announced, mandates with their owner, after a restart as well."""
    LISTED.clear()
    limit = 10_000  # the layer's two files take a block of 4096 each
    store = open_store(tmp_path / "store", max_unlisted_bytes=limit)
    upload(store, "bob", layer)
    for again in (store, open_store(tmp_path / "store", max_unlisted_bytes=limit)):
        with pytest.raises(ProblemError, match="list a layer") as refused:
            again.incoming("bob/agent", "a" * 64, CONFIG_FILE, 1)
        assert refused.value.slug == "too-much-unlisted"
    first = store.incoming("eve", "a" * 64, CONFIG_FILE, 8000)
    with pytest.raises(ProblemError, match="list a layer"):
        store.incoming("eve", "b" * 64, CONFIG_FILE, 8000)
    store.forget(first)
    store.incoming("eve", "b" * 64, CONFIG_FILE, 8000)
    store.listed(layer[0])
    store.incoming("bob", "a" * 64, CONFIG_FILE, 8000)


def test_small_files_take_a_block_each(tmp_path):
    """A note that is read again says the same."""
    waiting = Unlisted(tmp_path)
    waiting.add("a" * 64, "bob/agent", 4096)
    waiting.add("b" * 64, "bob", 1)
    waiting.add("b" * 64, "eve", 2)
    again = Unlisted(tmp_path)
    for one in (waiting, again):
        assert (one.n_bytes("bob"), one.n_bytes("eve")) == (4096, 2)
        assert "a" * 64 in one and one.account("b" * 64) == "eve"


def test_the_chores_remove_what_is_not_listed(host, layer, tmp_path, monkeypatch):
    """By the service's own market, in which this layer never was."""
    hosted = host(layers=tmp_path / "store", upload_rests_s=DAY_S)
    upload(hosted.service.store, "bob", layer)
    two_days_later(monkeypatch)
    asyncio.run(do_chores(hosted.service))
    assert not hosted.service.store.has(layer[0])
