"""A market on a machine that may lose power, beside the model of what it should contain.

A power cut is played by keeping the bytes of the market's files as they are at that moment,
dropping every connection, and writing these bytes back: what lived in the old connections is gone.
For a torn commit the kept write-ahead log is cut somewhere in the bytes that nobody was promised
yet, and what is left of them may end in noise, as when a disk had begun to write a sector.
"""

import random
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from sqlalchemy import Connection
from sqlmodel import Session

from marketplace.errors import MarketError
from marketplace.ledger.ledger import Entry, Posted, post_many
from marketplace.market import Market
from marketplace.names import WORLD
from tests.support.proving import real
from tests.support.proving.deed import Deed, OpenMandate, Outcome, Pay
from tests.support.proving.model import Model, agree
from tests.support.proving.source import MANDATES, MEMBERS

Fate = Literal["none", "before", "after", "torn"]
START = 1_000_000.0


class PowerCutError(Exception):
    """The machine stopped before the commit."""


@dataclass(frozen=True, slots=True)
class Template:
    """A funded market to start from, and its model."""

    path: Path
    model: Model

    @classmethod
    def make(cls, folder: Path, nanos_each: int = 200) -> "Template":
        """A market of the members, each with a few nano-credits."""
        path = folder / "template.db"
        with Market.open(_url(path), clock=lambda: START) as market:
            return cls(path, settle(market, nanos_each))


def settle(market: Market, nanos_each: int) -> Model:
    """Open and fund the members' accounts and mandates, and say what the market is now.

    A mandate owns twice what its cap lets it spend, so that caps get in the way.
    """
    model = Model.of(MEMBERS)
    deeds: list[Deed] = []
    for name in MEMBERS:
        market.open_account(name)
        deeds.append(_transfer(WORLD, name, nanos_each))
    for name in MANDATES:
        owner = name.partition("/")[0]
        deeds.append(OpenMandate(f"open:{name}", owner, name, nanos_each // 4))
        deeds.append(_transfer(owner, name, nanos_each // 2))
    for deed in deeds:
        with market._database.write() as session:
            found = real.do(session, deed, START)
        expected = model.do(deed, START)
        assert agree(expected, found), f"{deed}: model {expected}, ledger {found}"
    return model


def _transfer(payer: str, payee: str, nanos: int) -> Pay:
    return Pay(f"grant:{payee}", ((payer, -nanos), (payee, nanos)), "grant")


class Machine:
    """Serves groups of deeds, dies when told to, and is compared with its model."""

    def __init__(self, template: Template, folder: Path, rng: random.Random) -> None:
        self._path, self._rng = folder / "market.db", rng
        self.now = START
        self.model = template.model.copy()
        shutil.copy(template.path, self._path)
        self._market = self._opened()
        self._promised = 0

    def close(self) -> None:
        """Switch off in peace."""
        self._market.close()

    def serve(self, deeds: Sequence[Deed], fate: Fate) -> list[Outcome] | None:
        """Do the deeds in one commit; None when the machine died before it could answer.

        Raises:
            AssertionError: An answer is not the model's, or a torn commit left a part.
        """
        model = self.model.copy()
        expected = [model.do(deed, self.now) for deed in deeds]
        if fate == "before":
            self._write_until_power_fails(deeds)
            return None
        answers = self._write(deeds)
        for deed, wanted, found in zip(deeds, expected, answers, strict=True):
            assert agree(wanted, found), f"{deed}: model {wanted}, ledger {found}"
        if fate == "torn":
            self._restart(self._bytes_on_disk(torn=True))
            assert self._differences(self.model) == [] or self._differences(model) == []
        elif fate == "after":
            self._restart(self._bytes_on_disk())
        if fate != "torn" or not self._differences(model):
            self.model = model
        self._promised = self._log_bytes()
        return answers if fate == "none" else None

    def check_rows(self) -> None:
        """Stored rows are the model's.

        Raises:
            AssertionError: Otherwise.
        """
        assert self._differences(self.model) == []

    def check_everything(self) -> None:
        """Stored rows are the model's, and the market's own audit finds nothing.

        Raises:
            AssertionError: Otherwise.
        """
        assert self._differences(self.model) == []
        problems = self._market.verify()
        assert problems == []

    def _write(self, deeds: Sequence[Deed]) -> list[Outcome]:
        """Through the writer's own group commit, in this thread."""

        def bulk(session: Session, entries: list[Entry]) -> Sequence[Posted | MarketError]:
            return post_many(session, entries, at=self.now)

        jobs = [real.jobs(deed, self.now, bulk) for deed in deeds]
        self._market._writer._write([job for some in jobs for job in some])
        return [real.outcome(some) for some in jobs]

    def _write_until_power_fails(self, deeds: Sequence[Deed]) -> None:
        database = self._market._database
        commit = database.transaction
        found: list[tuple[bytes, bytes]] = []

        @contextmanager
        def interrupted() -> Iterator[Connection]:
            with commit() as connection:
                yield connection
                found.append(self._bytes_on_disk())
                raise PowerCutError

        database.transaction = interrupted  # type: ignore[method-assign]
        try:
            self._write(deeds)
        except PowerCutError:
            self._restart(found[0])
        finally:
            database.transaction = commit  # type: ignore[method-assign]
        assert self._differences(self.model) == []

    def _bytes_on_disk(self, *, torn: bool = False) -> tuple[bytes, bytes]:
        log = _log(self._path)
        content = log.read_bytes() if log.exists() else b""
        if torn and len(content) > self._promised:
            content = content[: self._rng.randint(self._promised, len(content))]
            content = self._with_noise(content)
        return self._path.read_bytes(), content

    def _with_noise(self, content: bytes) -> bytes:
        n_fresh = max(0, len(content) - self._promised)
        n_noisy = self._rng.randint(0, min(n_fresh, 700))
        return content[: len(content) - n_noisy] + self._rng.randbytes(n_noisy)

    def _restart(self, found: tuple[bytes, bytes]) -> None:
        """Come back with these files; now and then as a new program, which takes longer."""
        anew = self._rng.random() < 0.1
        if anew:
            self._market.close()
        else:
            self._market._database._backend.dispose()
        for path, content in zip((self._path, _log(self._path)), found, strict=True):
            path.write_bytes(content)
        if anew:
            self._market = self._opened()

    def _opened(self) -> Market:
        return Market.open(_url(self._path), clock=lambda: self.now, create=False)

    def _differences(self, model: Model) -> list[str]:
        with self._market._database.read() as session:
            return real.differences(session, model)

    def _log_bytes(self) -> int:
        log = _log(self._path)
        return log.stat().st_size if log.exists() else 0


def _url(path: Path) -> str:
    return f"sqlite:///{path}"


def _log(path: Path) -> Path:
    return path.with_name(f"{path.name}-wal")
