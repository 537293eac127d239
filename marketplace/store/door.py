"""One view to read a market by, one door to change it by.

Changes go through `_change`, never around it: the work runs in a transaction that holds the write
lock, together with whatever else is waiting to be written (see `marketplace.store.writer`).

Time never runs backwards: a change happens at the clock's time, or at that of the newest row, where
the clock, perhaps another machine's, was ahead. Else a sale could be older than what was sold.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, TypeVar

from sqlmodel import Session

from marketplace.database.bulk import NO_DEBTS, state
from marketplace.errors import MarketError
from marketplace.listing.nearest import advised
from marketplace.store.database import Database
from marketplace.store.writer import Batch, Item, Writer

T = TypeVar("T")


class Door:
    """An open database and a clock."""

    def __init__(self, database: Database, clock: Callable[[], float]) -> None:
        self._database = database
        self._clock = clock
        self._writer = Writer(database)
        with database.read() as session:
            self._newest, _ = state(session.connection())

    def close(self) -> None:
        """Write what is queued and give back the file or server; later calls are refused."""
        self._writer.close()
        self._database.close()

    @contextmanager
    def _read(self) -> Iterator[Session]:
        """One unchanging view of the market; blocks nobody and keeps nothing."""
        with self._database.read() as session:
            try:
                yield session
            except MarketError as error:
                better = advised(session, error)
                if better is error:
                    raise
                raise better from None

    def _change(self, work: Callable[[Session], T], *, key: str | None = None) -> T:
        """What the work returns, once its changes are on disk; if it raises, none of them is.

        The work runs in the writer's thread. It returns views or plain values, never table rows,
        and reads the clock itself, so that time and order of the ledger agree.

        Args:
            key: The request's idempotency key: a second call with it is refused while the first
                is still being worked on. Without it, the second call waits its turn.

        Raises:
            KeyInProgressError: Another thread works on this key now.
        """

        def timed(session: Session) -> T:
            self._follow(session)
            return work(session)

        try:
            return self._writer.run(timed, key=key)
        except MarketError as error:
            raise self._advised(error) from error.__cause__

    def _change_in(self, batch: Batch[Item, T], item: Item, *, key: str | None = None) -> T:
        """As `_change`, for one item of a batch function: neighbours are done in one call.

        Pass a method or function, not a lambda: neighbours are known by it.
        """
        try:
            return self._writer.submit_to(batch, item, key=key).result()
        except MarketError as error:
            raise self._advised(error) from error.__cause__

    def _advised(self, refusal: MarketError) -> MarketError:
        """The refusal with the names that were probably meant; out of the writer's way."""
        if refusal.sought is None:
            return refusal
        with self._database.read() as session:
            return advised(session, refusal)

    def _advised_once(self, answers: Sequence[Any]) -> list[Any]:
        """Answers of which the first that sought a name in vain says which one was meant."""
        found = list(answers)
        for place, one in enumerate(found):
            if isinstance(one, MarketError) and one.sought is not None:
                found[place] = self._advised(one)
                break
        return found

    def _now(self) -> float:
        """Seconds since 1970 by the market's clock, never before what is known to have happened."""
        return max(self._clock(), self._newest)

    def _follow(self, session: Session) -> None:
        """Let time not be before what any process has written; within a change, before `_now`."""
        newest, any_debt = state(session.connection())
        self._newest = max(self._newest, newest)
        session.info[NO_DEBTS] = not any_debt
