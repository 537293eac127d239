"""Where the screens get their data: `Source`, and the one that reads a home folder.

Everything here may block, so it is called from thread workers only. The files of a run are read
again only when they changed (the app asks every second); a file that cannot be used becomes a
notice that names it, and the rest is shown. The market's code is imported on the first reading,
so that a home without a market opens without SQLAlchemy.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

from tui.fields import Fields, RecordError, read_fields
from tui.records import GenerationRecord, RunConfig, RunStatus, Summary
from tui.snapshot import (
    AccountRecord,
    ListingRecord,
    MarketSnapshot,
    PostingRecord,
    RunSnapshot,
    species_lines,
)

if TYPE_CHECKING:
    from marketplace.market import Market

MARKET_FILE = "market.db"
SHOWN_POSTINGS = 500
"""So many of an account's movements are shown: a busy seller has millions."""
Record = TypeVar("Record")
Stamp = tuple[int, int, int] | None


class Source(Protocol):
    """What the app needs; an unchanged answer is the very same object, so that it can skip it."""

    @property
    def title(self) -> str:
        """Where the data comes from, for the header."""
        ...

    def run(self) -> RunSnapshot:
        """The run as it stands now."""
        ...

    def market(self) -> MarketSnapshot:
        """The market as it stands now."""
        ...

    def quote(self, listing: str) -> tuple[str, ...]:
        """Lines that explain a listing's price; raises RecordError."""
        ...

    def postings(self, account: str) -> tuple[PostingRecord, ...]:
        """An account's newest movements, newest first; raises RecordError."""
        ...


class HomeSource:
    """Reads a Continuum home folder, which need not exist."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self._lock = threading.Lock()
        self._parsed: dict[str, tuple[Stamp, object]] = {}
        self._run = RunSnapshot()
        self._market = MarketSnapshot()
        self._market_stamps: tuple[Stamp, ...] = (None, None)

    @property
    def title(self) -> str:
        """The home folder, with the user's own home shortened."""
        path = str(self.home)
        own = str(Path.home())
        return path.replace(own, "~", 1) if path.startswith(own + os.sep) else path

    def run(self) -> RunSnapshot:
        """Read what changed under HOME/run; the same object as before if nothing did."""
        with self._lock:
            notices: list[str] = []
            config = self._record("run/config.json", RunConfig.parse, notices)
            status = self._record("run/status.json", RunStatus.parse, notices)
            summary = self._record("summary.json", Summary.parse, notices)
            generations = self._generations(notices)
            lives = _process_lives(status.pid) if status and status.pid is not None else None
            old = self._run
            if (config, status, generations, summary, lives, tuple(notices)) == (
                old.config, old.status, old.generations, old.summary, old.process_lives, old.notices
            ):  # fmt: skip
                return old
            same = generations == old.generations and summary == old.summary
            species = old.species if same else species_lines(generations, summary)
            self._run = RunSnapshot(
                config, status, generations, summary, species, lives, tuple(notices)
            )
            return self._run

    def _generations(self, notices: list[str]) -> tuple[GenerationRecord, ...]:
        folder = self.home / "run" / "generations"
        names = [f"run/generations/{path.name}" for path in sorted(folder.glob("*.json"))]
        found = (self._record(name, GenerationRecord.parse, notices) for name in names)
        records = [record for record in found if record is not None]
        return tuple(sorted(records, key=lambda record: record.generation))

    def _record(
        self, name: str, parse: Callable[[Fields], Record], notices: list[str]
    ) -> Record | None:
        """One file's record, from memory if the file is as it was."""
        stamp = _stamp(self.home / name)
        known = self._parsed.get(name)
        if known is None or known[0] != stamp:
            known = (stamp, self._read(name, parse))
            self._parsed[name] = known
        result: Any = known[1]
        if isinstance(result, RecordError):
            notices.append(str(result))
            return None
        return result  # type: ignore[no-any-return]

    def _read(self, name: str, parse: Callable[[Fields], Record]) -> Record | RecordError | None:
        try:
            return parse(read_fields(self.home / name, name))
        except FileNotFoundError:
            return None
        except RecordError as error:
            return error

    def market(self) -> MarketSnapshot:
        """Read the market if its file or write-ahead log changed."""
        with self._lock:
            stamps = tuple(_stamp(self.home / f"{MARKET_FILE}{end}") for end in ("", "-wal"))
            if stamps != self._market_stamps:
                self._market = MarketSnapshot() if stamps[0] is None else self._read_market()
                self._market_stamps = stamps
            return self._market

    def _read_market(self) -> MarketSnapshot:
        try:
            with self._opened() as market:
                return MarketSnapshot(
                    exists=True,
                    listings=tuple(_listing(item) for item in market.listings()),
                    accounts=tuple(
                        AccountRecord(item.name, item.balance_nanos) for item in market.accounts()
                    ),
                )
        except RecordError as error:
            return MarketSnapshot(exists=True, notices=(str(error),))

    def quote(self, listing: str) -> tuple[str, ...]:
        """Ask the market how it comes to this price."""
        with self._opened() as market:
            return tuple(market.quote(listing).lines)

    def postings(self, account: str) -> tuple[PostingRecord, ...]:
        """Ask the market for an account's newest movements, page by page."""
        from marketplace.statement import MAX_STATEMENT_LINES

        found: list[PostingRecord] = []
        with self._opened() as market:
            cursor = None
            while len(found) < SHOWN_POSTINGS:
                page = market.statement(account, limit=MAX_STATEMENT_LINES, cursor=cursor)
                found += [_posting(item) for item in page.lines]
                if (cursor := page.next) is None:
                    break
        return tuple(found)

    @contextmanager
    def _opened(self) -> Iterator[Market]:
        """The market, opened for one reading: no lock or stale file is held between two."""
        from sqlalchemy.exc import SQLAlchemyError

        from marketplace.errors import MarketError
        from marketplace.market import Market

        try:
            market = Market.open(f"sqlite:///{self.home / MARKET_FILE}", create=False)
            try:
                yield market
            finally:
                market.close()
        except (MarketError, SQLAlchemyError, OSError) as error:
            reason = str(error).strip().splitlines()[0] if str(error).strip() else repr(error)
            raise RecordError(MARKET_FILE, reason) from error


def _stamp(path: Path) -> Stamp:
    """Changes whenever a file is replaced or grows; None if it is absent."""
    try:
        stat = path.stat()
    except OSError:
        return None
    return (stat.st_mtime_ns, stat.st_size, stat.st_ino)


def _process_lives(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except (PermissionError, OverflowError):
        return True
    return True


def _listing(item: Any) -> ListingRecord:
    """Copy the attributes, so that nothing of the market outlives its session."""
    names = ListingRecord.__dataclass_fields__
    return ListingRecord(**{name: getattr(item, name) for name in names})


def _posting(item: Any) -> PostingRecord:
    names = PostingRecord.__dataclass_fields__
    return PostingRecord(**{name: getattr(item, name) for name in names})
