"""Uploads that nobody finishes do not fill the disk."""

import asyncio
import os
import time
from pathlib import Path

import pytest

from genome.validate import check_folder
from marketplace.service.change import do_chores
from marketplace.service.layer_store import (
    CONFIG_FILE,
    MAX_ARRIVING,
    WEIGHTS_FILE,
    LayerStore,
)
from marketplace.service.problems import ProblemError
from marketplace.service.settings import ServiceSettings
from tests.support.hostile import write_valid
from tests.support.uploads import DAY_S, two_days_later


@pytest.fixture
def store(tmp_path):
    """A store that keeps uploads for a day; everything complete is listed."""
    return LayerStore(tmp_path, ServiceSettings(upload_rests_s=DAY_S), lambda _digest: True)


def begin(store: LayerStore, account: str, digest: str) -> Path:
    """Upload the configuration, as if more followed."""
    part = store.incoming(account, digest, CONFIG_FILE, 2)
    part.write_bytes(b"{}")
    store.keep(part, account, digest, CONFIG_FILE)
    return part


def unfinished(folder: Path) -> list[Path]:
    """Files on their way in."""
    return [path for path in (folder / "uploads").rglob("*") if path.is_file()]


def test_what_rests_for_a_day_is_removed(store, tmp_path):
    """Half an upload, a part file cut off by a kill, a layer being checked, half a fact."""
    begin(store, "bob", "a" * 64)
    begin(store, "bob/agent", "b" * 64)
    store.incoming("eve", "c" * 64, CONFIG_FILE, 4).write_bytes(b"half")
    write_valid(tmp_path / "uploads" / ".0123456789abcdef")
    (tmp_path / "facts" / ".0123456789abcdef").write_text("{")
    assert store.sweep(now=time.time() + DAY_S - 60) == 0
    assert store.sweep(now=time.time() + DAY_S + 60) == 6  # eve's folder is one more
    assert unfinished(tmp_path) == [] and not list((tmp_path / "facts").iterdir())
    assert store.sweep(now=time.time() + DAY_S + 60) == 0


def test_an_upload_that_goes_on_stays(store, tmp_path):
    """The day begins again with every file that is begun, however long ago the folder was made."""
    begin(store, "bob", "a" * 64)
    began = os.stat(tmp_path / "uploads" / "of-bob" / ("a" * 64)).st_ctime
    time.sleep(0.05)
    weights = store.incoming("bob", "a" * 64, WEIGHTS_FILE, 12)
    weights.write_bytes(b"still coming")
    assert store.sweep(now=began + DAY_S + 0.01) == 0
    assert weights.exists() and len(unfinished(tmp_path)) == 2


def test_what_is_listed_stays(store, tmp_path):
    """A layer that is listed is never swept, nor is what is known of it."""
    folder = write_valid(tmp_path / "layer")
    with check_folder(folder) as checked:
        digest = checked.digest
    for name in (CONFIG_FILE, WEIGHTS_FILE):
        part = store.incoming("bob", digest, name, 1)
        part.write_bytes((folder / name).read_bytes())
        store.keep(part, "bob", digest, name)
    store.sweep(now=time.time() + 1000 * DAY_S)
    assert store.has(digest) and len(store.layer(digest).files) == 2


def test_swept_uploads_no_longer_count(store):
    """Who left four beginnings behind may begin again when they are gone."""
    for number in range(4):
        begin(store, "bob", f"{number:064x}")
    store.sweep(now=time.time() + DAY_S + 60)
    begin(store, "bob", "f" * 64)


@pytest.mark.parametrize("account", ["..", ".", ".bob", "bob/.."])
def test_no_account_uploads_elsewhere(store, tmp_path, account):
    """Names of accounts once could consist of dots; their files stay below the uploads."""
    begin(store, account, "a" * 64)
    (found,) = unfinished(tmp_path)
    assert found.resolve().is_relative_to(tmp_path / "uploads" / found.parts[-3])
    assert found.parts[-3].startswith("of-")
    assert store.sweep(now=time.time() + DAY_S + 60) == 1


def test_the_chores_sweep_whatever_else_fails(host, tmp_path, monkeypatch):
    """A settlement that fails keeps no abandoned file on the disk."""
    hosted = host(layers=tmp_path / "store", upload_rests_s=DAY_S)
    begin(hosted.service.store, "bob", "a" * 64)
    monkeypatch.setattr(hosted.market, "sweep", lambda: 1 // 0, raising=False)
    two_days_later(monkeypatch)
    asyncio.run(do_chores(hosted.service))
    assert unfinished(tmp_path / "store") == []
    assert any(line["event"] == "chore failed" for line in hosted.logged())


def test_unfinished_files_count_towards_the_quota_mandates_included(tmp_path):
    """Small files that no weights follow take room like others, under whatever account's name."""
    settings = ServiceSettings(max_unlisted_bytes=3 * 4096, max_uploads=9)
    store = LayerStore(tmp_path, settings, lambda _digest: False)
    for number, account in enumerate(("bob", "bob/agent", "bob/other")):
        begin(store, account, str(number) * 64)
    with pytest.raises(ProblemError, match="12288 bytes are uploaded") as refused:
        begin(store, "bob/third", "9" * 64)
    assert refused.value.slug == "too-much-unlisted"
    begin(store, "eve", "9" * 64)


def test_unfinished_uploads_are_counted_for_owner_and_mandates_together(tmp_path):
    """Mandates are free to open, so they bring no uploads of their own."""
    store = LayerStore(tmp_path, ServiceSettings(max_uploads=2), lambda _digest: False)
    begin(store, "bob", "a" * 64)
    begin(store, "bob/agent", "b" * 64)
    with pytest.raises(ProblemError, match="2 uploads are unfinished"):
        begin(store, "bob/other", "c" * 64)


def test_files_on_their_way_are_bounded_in_number(tmp_path):
    """However small they say they are."""
    store = LayerStore(tmp_path, ServiceSettings(), lambda _digest: False)
    for _ in range(MAX_ARRIVING):
        store.incoming("bob", "a" * 64, CONFIG_FILE, 1)
    with pytest.raises(ProblemError, match="send fewer at once"):
        store.incoming("bob/agent", "a" * 64, CONFIG_FILE, 1)


def test_the_sweep_leaves_no_empty_folders(store, tmp_path):
    """An account that came once leaves nothing behind."""
    begin(store, "bob", "a" * 64)
    store.sweep(now=time.time() + 2 * DAY_S)
    assert list((tmp_path / "uploads").iterdir()) == []
