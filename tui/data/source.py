"""Where the screens get their data: `Source`, and the one that reads a home folder.

Everything here may block, so it is called from thread workers only. The files of a run are read
again only when they changed (the app asks every second); a file that cannot be used becomes a
notice that names it, and the rest is shown. The market's code is imported on the first reading,
so that a home without a market opens without SQLAlchemy.
"""

from __future__ import annotations

import math
import os
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

from tui.data.fields import RecordError, read_json, record_of
from tui.data.records import GenerationRecord, RunConfig, RunStatus, Summary
from tui.data.snapshot import (
    MarketSnapshot,
    RunSnapshot,
    species_lines,
)
from tui.printing import cleaned

if TYPE_CHECKING:
    from marketplace.front import MarketLike
    from marketplace.ledger.journal import PostingView

MARKET_FILE = "market.db"
SHOWN_LISTINGS = 500
ASK_EVERY_S = 5.0
"""So often a market elsewhere is asked again."""
DIGEST_LENGTH = 64
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

    def postings(self, account: str) -> tuple[PostingView, ...]:
        """An account's newest movements, newest first; raises RecordError."""
        ...


class HomeSource:
    """Reads a Continuum home folder, which need not exist.

    Args:
        market: Address of a market; None = the home's own file.
        account: Whose balance and movements a service is asked for.
    """

    def __init__(self, home: Path, market: str | None = None, account: str | None = None) -> None:
        self.home = home
        self._market_url = market
        self._account = account
        self._asked_s = -math.inf
        self._lock = threading.Lock()
        self._parsed: dict[str, tuple[Stamp, object]] = {}
        self._run = RunSnapshot()
        self._market = MarketSnapshot()
        self._market_stamps: tuple[Stamp, ...] = (None, None)

    @property
    def title(self) -> str:
        """The home folder, with the user's own home shortened, and a market elsewhere."""
        path = str(self.home)
        own = str(Path.home())
        short = path.replace(own, "~", 1) if path.startswith(own + os.sep) else path
        return f"{short}, market {self._market_url}" if self._market_url else short

    def run(self) -> RunSnapshot:
        """Read what changed under HOME/run; the same object as before if nothing did."""
        with self._lock:
            notices: list[str] = []
            config = self._record("run/config.json", RunConfig, notices)
            status = self._record("run/status.json", RunStatus, notices)
            summary = self._record("summary.json", Summary, notices)
            generations = self._generations(notices)
            lives = _process_lives(status.pid) if status and status.pid is not None else None
            layers, personas = cleaned((_layers(self.home), _personas(self.home)))
            old = self._run
            same = generations == old.generations and summary == old.summary
            found = RunSnapshot(
                config,
                status,
                generations,
                summary,
                old.species if same else species_lines(generations, summary),
                lives,
                tuple(notices),
                layers,
                personas,
            )
            if found != old:
                self._run = found
            return self._run

    def _generations(self, notices: list[str]) -> tuple[GenerationRecord, ...]:
        folder = self.home / "run" / "generations"
        names = [f"run/generations/{path.name}" for path in sorted(folder.glob("*.json"))]
        found = (self._record(name, GenerationRecord, notices) for name in names)
        records = [record for record in found if record is not None]
        return tuple(sorted(records, key=lambda record: record.generation))

    def _record(self, name: str, kind: type[Record], notices: list[str]) -> Record | None:
        """One file's record, from memory if the file is as it was."""
        stamp = _stamp(self.home / name)
        known = self._parsed.get(name)
        if known is None or known[0] != stamp:
            known = (stamp, self._read(name, kind))
            self._parsed[name] = known
        result: Any = known[1]
        if isinstance(result, RecordError):
            notices.append(str(result))
            return None
        return result  # type: ignore[no-any-return]

    def _read(self, name: str, kind: type[Record]) -> Record | RecordError | None:
        try:
            return record_of(kind, name, read_json(self.home / name, name))
        except FileNotFoundError:
            return None
        except RecordError as error:
            return error

    def market(self) -> MarketSnapshot:
        """Read the market if its file or log changed, or, elsewhere, if some time has passed."""
        with self._lock:
            if self._market_url:
                if time.monotonic() - self._asked_s >= ASK_EVERY_S:
                    self._keep(self._read_market())
                    self._asked_s = time.monotonic()
                return self._market
            stamps = tuple(_stamp(self.home / f"{MARKET_FILE}{end}") for end in ("", "-wal"))
            if stamps != self._market_stamps:
                self._keep(MarketSnapshot() if stamps[0] is None else self._read_market())
                self._market_stamps = stamps
            return self._market

    def _keep(self, found: MarketSnapshot) -> None:
        if found != self._market:
            self._market = found

    def _read_market(self) -> MarketSnapshot:
        try:
            with self._opened() as market:
                listings = market.listings(limit=SHOWN_LISTINGS)
                accounts = market.accounts()
                return MarketSnapshot(
                    exists=True,
                    listings=cleaned(tuple(listings)),
                    accounts=cleaned(tuple(accounts)),
                )
        except RecordError as error:
            return MarketSnapshot(exists=True, notices=(str(error),))

    def quote(self, listing: str) -> tuple[str, ...]:
        """Ask the market how it comes to this price."""
        with self._opened() as market:
            return cleaned(tuple(market.quote(listing).lines))

    def postings(self, account: str) -> tuple[PostingView, ...]:
        """Ask the market for an account's newest movements, page by page."""
        from marketplace.ledger.statement import MAX_STATEMENT_LINES

        found: list[PostingView] = []
        with self._opened() as market:
            cursor = None
            while len(found) < SHOWN_POSTINGS:
                page = market.statement(account, limit=MAX_STATEMENT_LINES, cursor=cursor)
                found += page.lines
                if (cursor := page.next) is None:
                    break
        return cleaned(tuple(found))

    @contextmanager
    def _opened(self) -> Iterator[MarketLike]:
        """The market, opened for one reading: no lock or stale file is held between two."""
        from sqlalchemy.exc import SQLAlchemyError

        from marketplace.errors import MarketError
        from tui.cli.market.place import open_market, speaker

        url = self._market_url or f"sqlite:///{self.home / MARKET_FILE}"
        try:
            account = speaker(self.home, url, self._account)
            with open_market(self.home, url, account) as market:
                yield market
        except (MarketError, SQLAlchemyError, OSError) as error:
            reason = str(error).strip().splitlines()[0] if str(error).strip() else repr(error)
            raise RecordError(self._market_url or MARKET_FILE, reason) from error


def _layers(home: Path) -> int:
    """How many layers the home's library has."""
    folder = home / "library" / "layers"
    try:
        return sum(len(name) == DIGEST_LENGTH for name in os.listdir(folder))
    except OSError:
        return 0


def _personas(home: Path) -> tuple[str, ...]:
    """The names of the home's personas."""
    return tuple(sorted(path.stem for path in (home / "personas").glob("[!.]*.json")))


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
