"""Promises of marketplace.store.database: what happens when the file is not as it should be."""

import os
import shutil
import sqlite3
import tempfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from sqlalchemy import event

from marketplace.database.place import mark_of
from marketplace.errors import (
    MarketBusyError,
    MarketDamagedError,
    MarketError,
    MarketFileError,
    MarketNotFoundError,
)
from marketplace.market import Market
from tests.support.market import make_market, publish_example


def url_of(path: Path) -> str:
    """The market address of a file."""
    return f"sqlite:///{path}"


@pytest.fixture
def market_file(tmp_path: Path) -> Path:
    """A closed market with some content."""
    path = tmp_path / "market.db"
    with make_market(path, credits={"ada": 100, "bob": 0}) as market:
        publish_example(market, "bob", "sort")
    return path


@pytest.fixture
def ordinary_user() -> Iterator[Path]:
    """A folder that the running user cannot write to; root steps down to find out."""
    folder = Path(tempfile.mkdtemp())
    folder.chmod(0o555)
    was_root = os.geteuid() == 0
    if was_root:
        os.seteuid(65534)
    yield folder
    if was_root:
        os.seteuid(0)
    folder.chmod(0o755)
    shutil.rmtree(folder)


def refusal(path: Path, *, create: bool = True) -> MarketError:
    """The error of opening the file; it must be ours, on one line, and name the file."""
    with pytest.raises(MarketError) as caught:
        Market.open(url_of(path), create=create).listings()
    message = str(caught.value)
    assert "\n" not in message
    assert str(path) in message
    return caught.value


def test_connections_are_durable_and_checked(market_file: Path) -> None:
    """WAL, synchronous FULL (2), foreign keys on: as every transaction assumes."""
    with Market.open(url_of(market_file)) as market, market._database.read() as session:
        connection = session.connection()
        for pragma, value in {"journal_mode": "wal", "synchronous": 2, "foreign_keys": 1}.items():
            assert connection.exec_driver_sql(f"PRAGMA {pragma}").scalar_one() == value


def test_writing_takes_the_lock_before_reading(market_file: Path) -> None:
    """The second writer waits at the door instead of reading numbers about to change."""
    first = Market.open(url_of(market_file))
    second = Market.open(url_of(market_file), busy_timeout_s=0.05)
    with first._database.write():
        with pytest.raises(MarketBusyError, match="try again, with the same key"):
            second.open_account("eve")
        assert len(second.accounts()) == 5  # reading waits for nobody
    assert second.open_account("eve").balance_nanos == 0


def test_a_missing_market_is_only_made_on_request(tmp_path: Path) -> None:
    """With create=False nothing appears on disk."""
    path = tmp_path / "market.db"
    assert isinstance(refusal(path, create=False), MarketNotFoundError)
    assert not path.exists()
    Market.open(url_of(path)).close()
    Market.open(url_of(path), create=False).close()


def test_a_file_that_is_no_database_is_left_alone(tmp_path: Path) -> None:
    """The message says how to repair; the bytes stay as they were."""
    path = tmp_path / "market.db"
    path.write_bytes(b"certainly not a database " * 100)
    before = path.read_bytes()
    error = refusal(path)
    assert isinstance(error, MarketDamagedError)
    assert "restore a backup" in str(error)
    assert path.read_bytes() == before


@pytest.mark.parametrize("keep", [0.02, 0.5, 0.9])
def test_a_truncated_market_is_refused(market_file: Path, keep: float) -> None:
    """Whether it loses its header page or its last rows."""
    os.truncate(market_file, int(market_file.stat().st_size * keep))
    assert isinstance(refusal(market_file), MarketDamagedError)


def test_an_emptied_market_is_not_taken_for_a_market(market_file: Path) -> None:
    """A file of no bytes holds nothing to open unless a new market is asked for."""
    os.truncate(market_file, 0)
    assert isinstance(refusal(market_file, create=False), MarketNotFoundError)


def test_scrambled_pages_are_named(market_file: Path) -> None:
    """A header that looks right does not help a body of noise."""
    size = market_file.stat().st_size
    with market_file.open("r+b") as file:
        file.seek(100)
        file.write(b"\xa5" * (size - 100))
    assert isinstance(refusal(market_file), MarketDamagedError)


def test_another_programs_database_is_left_alone(tmp_path: Path) -> None:
    """No tables of ours appear among somebody else's."""
    path = tmp_path / "other.db"
    with sqlite3.connect(path) as raw:
        raw.execute("CREATE TABLE account (id INTEGER)")
    assert "another program" in str(refusal(path))
    assert raw.execute("SELECT count(*) FROM sqlite_schema").fetchone() == (1,)
    raw.close()


def test_a_newer_market_is_left_alone(market_file: Path) -> None:
    """A later version may keep books we would misread."""
    with sqlite3.connect(market_file) as raw:
        raw.execute("PRAGMA user_version = 999")
    raw.close()
    assert "schema version 999" in str(refusal(market_file))


def test_a_read_only_folder_is_named(ordinary_user: Path) -> None:
    """Creating fails with the remedy, not with a traceback."""
    error = refusal(ordinary_user / "market.db")
    assert isinstance(error, MarketFileError)
    assert "writable" in str(error)


def test_a_full_disk_confirms_nothing(market_file: Path) -> None:
    """The purchase fails as a whole; after room is made, the same key goes through."""
    market = Market.open(url_of(market_file))

    def no_more_pages(connection: sqlite3.Connection, *_: object) -> None:
        connection.execute("PRAGMA max_page_count = 1")  # SQLite's way to play a full disk

    engine = market._database._backend.writer
    engine.dispose()
    event.listen(engine, "connect", no_more_pages)
    done: list[str] = []

    def fund_until_full() -> None:
        while True:
            market.fund("ada", 1, key=f"drop-{len(done)}")
            done.append("funded")

    with pytest.raises(MarketFileError, match=r"\A[^\n]*free disk space[^\n]*\Z"):
        fund_until_full()
    event.remove(engine, "connect", no_more_pages)
    engine.dispose()
    assert market.verify() == []
    market.fund("ada", 1, key=f"drop-{len(done)}")
    assert market.account("ada").balance_nanos == 100 * 10**9 + len(done) + 1


def test_a_file_deleted_while_open_takes_no_more_money(market_file: Path) -> None:
    """SQLite would go on writing to the nameless file, and confirm it."""
    market = Market.open(url_of(market_file))
    kept = market_file.rename(market_file.with_name("moved.db"))
    with pytest.raises(MarketFileError, match="moved, deleted or replaced"):
        market.fund("ada", 1, key="ghost")
    kept.rename(market_file)
    market.fund("ada", 1, key="ghost")
    assert market.account("ada").balance_nanos == 100 * 10**9 + 1


def test_eight_openings_at_once_make_one_market(tmp_path: Path) -> None:
    """Whoever comes first creates it; the others find it, complete."""
    url = url_of(tmp_path / "market.db")

    def open_and_join(number: int) -> list[str]:
        with Market.open(url) as market:
            market.open_account(f"member-{number}")
            return market.verify()

    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(open_and_join, range(8))) == [[]] * 8
    with Market.open(url, create=False) as market:
        assert len(market.accounts()) == 3 + 8


def test_a_closed_market_says_so(market_file: Path) -> None:
    """In memory it would otherwise come back empty."""
    market = Market.open(url_of(market_file))
    market.close()
    with pytest.raises(MarketError, match="is closed"):
        market.accounts()


@pytest.mark.parametrize("left", ["nothing", "an empty file"])
def test_a_deleted_market_does_not_come_back_empty(market_file: Path, left: str) -> None:
    """Whoever serves it next is told, and begins anew only by removing the mark."""
    for path in market_file.parent.glob("market.db*"):
        path.unlink()
    if left != "nothing":
        market_file.touch()
    before = sorted(market_file.parent.iterdir())
    error = refusal(market_file)
    assert isinstance(error, MarketNotFoundError) and "restore a backup" in str(error)
    assert sorted(market_file.parent.iterdir()) == before
    mark_of(market_file).unlink()
    with Market.open(url_of(market_file)) as market:
        assert [account.name for account in market.accounts()] == ["escrow", "platform", "world"]


def test_a_market_of_before_is_marked_when_it_is_opened(market_file: Path) -> None:
    """So that the next deletion is noticed, whatever version made the market."""
    mark_of(market_file).unlink()
    Market.open(url_of(market_file), create=False).close()
    assert mark_of(market_file).exists()


def test_a_running_market_notices_that_its_file_is_gone(market_file: Path) -> None:
    """Reading from a nameless file would show what nobody can open again."""
    market = Market.open(url_of(market_file))
    assert market.listings()
    market_file.rename(market_file.with_name("moved.db"))
    for ask in (market.listings, market.epoch, market.verify):
        with pytest.raises(MarketFileError, match="moved, deleted or replaced"):
            ask()


@pytest.mark.parametrize("what", ["file", "folder", "both"])
def test_a_read_only_copy_is_listed_and_verified(market_file: Path, what: str) -> None:
    """As on a mounted backup: nothing is written or appears beside it; changes are refused."""
    folder = Path(tempfile.mkdtemp())
    copy = folder / "copy ?#%.db"
    shutil.copy(market_file, copy)
    copy.chmod(0o644 if what == "folder" else 0o444)
    folder.chmod(0o777 if what == "file" else 0o555)
    was_root = os.geteuid() == 0
    if was_root:
        os.seteuid(65534)
    try:
        with Market.open(url_of(copy).replace("%", "%25").replace("?", "%3F"), create=False) as m:
            assert [one.name for one in m.listings()] == ["sort"]
            assert m.verify() == []
            assert m.account("ada").balance_nanos == 100 * 10**9
            with pytest.raises(MarketFileError, match="writable"):
                m.fund("ada", 1, key="k")
        assert [path.name for path in folder.iterdir()] == [copy.name]
    finally:
        if was_root:
            os.seteuid(0)
        folder.chmod(0o755)
        shutil.rmtree(folder)


def test_only_its_owner_can_read_a_market(tmp_path: Path) -> None:
    """File, log, shared memory and mark; one that others could read is closed when opened."""
    old = os.umask(0)
    try:
        with make_market(tmp_path / "market.db", credits={"ada": 1}):
            modes = {path.name: path.stat().st_mode & 0o777 for path in tmp_path.iterdir()}
        assert set(modes.values()) == {0o600} and {"market.db", "market.db-wal"} <= modes.keys()
        (tmp_path / "market.db").chmod(0o664)
        Market.open(url_of(tmp_path / "market.db"), create=False).close()
    finally:
        os.umask(old)
    assert (tmp_path / "market.db").stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize(
    "edit",
    [
        "PRAGMA user_version = 3",
        "PRAGMA user_version = 1",
        "UPDATE market_version SET version_num = '0003'",
        "DELETE FROM market_version",
        "INSERT INTO market_version VALUES ('0002')",
        "DROP TABLE market_version",
    ],
)
def test_an_altered_schema_version_is_noticed(market_file: Path, edit: str) -> None:
    """Header and table must say the same: else a migration would rebuild what is not there."""
    with sqlite3.connect(market_file) as raw:
        raw.execute(edit)
    raw.close()
    before = market_file.read_bytes()
    error = refusal(market_file)
    assert isinstance(error, MarketDamagedError) and "altered, restore a backup" in str(error)
    assert market_file.read_bytes() == before
