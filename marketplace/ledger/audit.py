"""The books made again from the journal, one transfer after the other, and every rule they broke.

This is the ledger a second time, slower of thought and without trust: it shares only the hash
function with the one that writes. What it keeps grows with the accounts and the open holds, never
with the journal.

The journal as it is stored, from the first transfer on, a few thousand rows in memory.

Two cursors run side by side: transfers by number and postings by number, which the ledger gives
in the same order. Postings that fit no transfer are handed out with the next one that does not
match, so that nothing is skipped silently.
"""

from collections import defaultdict
from collections.abc import Iterator
from itertools import count
from typing import Any, NamedTuple

from sqlalchemy import Connection

from marketplace.database.bulk import is_postgres
from marketplace.ledger.chain import GENESIS, Head, link, postings_text
from marketplace.ledger.idempotency import body_hash
from marketplace.ledger.journal import EXPIRE, HOLD, POST, RECLAIM, VOID
from marketplace.ledger.ledger import whole_entry
from marketplace.money import INT64_MAX
from marketplace.names import ESCROW


class Stored(NamedTuple):
    """One transfer with its request and postings, exactly as stored and perhaps tampered with."""

    row: tuple[Any, ...]
    """id, at, kind, memo, key, group_key, refers_to, expires_at."""
    own_body: tuple[Any, Any]
    """Hash and text of the request that is the transfer itself; ('', None) without."""
    hash: Any
    request: tuple[Any, Any, Any]
    """Operation, body hash and body of the request's row; all None without."""
    postings: list[tuple[Any, ...]]
    """account, amount, pending, transfer_id, id, previous_id."""


RESOLUTIONS = (POST, VOID, EXPIRE)


class Audit:
    """Balances, holds and the chain while the journal is replayed."""

    def __init__(
        self, overdraft: frozenset[str], capped: frozenset[str], head: Head | None
    ) -> None:
        self.owned: dict[str, int] = defaultdict(int)
        self.held: dict[str, int] = defaultdict(int)
        self.spent: dict[str, int] = defaultdict(int)
        self.last_posting: dict[str, int] = {}
        self.open_holds: dict[int, tuple[str, int, float]] = {}
        """Payer, amount and expiry of every hold that was not resolved so far."""
        self.n_transfers = 0
        self._overdraft, self._capped, self._head = overdraft, capped, head
        self._hash: Any = GENESIS
        self._posting = 0

    def read(self, stored: Stored) -> list[str]:
        """Replay one transfer; what is wrong with it, one line each."""
        number, _, kind = stored.row[:3]
        if number is None:
            return [
                f"posting {posting[4]} is out of order or refers to a missing transfer {posting[3]}"
                for posting in stored.postings
            ]
        found: list[str] = []
        if number != self.n_transfers + 1:
            found.append(
                f"transfer {number} follows {self.n_transfers}: transfers are missing or renumbered"
            )
        self.n_transfers = number
        self._check_chain(stored, found)
        moves, holds = _sums(stored, found)
        self._count_postings(stored, found)
        left, left_held = sum(moves.values()), sum(holds.values())
        if len(stored.postings) < 2 or left or left_held:
            found.append(
                f"transfer {number} ({kind}) has {len(stored.postings)} postings and sums to"
                f" {left}, held {left_held}, instead of 0"
            )
        self._move(stored, moves, found)
        if holds or kind == HOLD or kind in RESOLUTIONS:
            self._hold(holds, found, number)
            found += self._hold_problems(stored, moves, holds)
        return found

    def end_problems(self) -> Iterator[str]:
        """What can only be said once the whole journal was read."""
        if self._head is not None and self._head.seq > self.n_transfers:
            yield (
                f"the journal ends at transfer {self.n_transfers}, the signed head is of"
                f" {self._head.seq}: rows were cut off"
            )

    def _count_postings(self, stored: Stored, found: list[str]) -> None:
        last = self.last_posting
        for account, _, _, _, number, previous in stored.postings:
            if number != self._posting + 1:
                found.append(
                    f"posting {number} follows {self._posting}: postings are missing or renumbered"
                )
            if previous != last.get(account, 0):
                found.append(
                    f"posting {number} of {account!r} names {previous} as the one before, that is"
                    f" {last.get(account, 0)}"
                )
            self._posting = last[account] = number

    def _check_chain(self, stored: Stored, found: list[str]) -> None:
        number = stored.row[0]
        try:
            legs = postings_text(stored.postings)
            operation, hashed = _check_request(stored, legs, found)
            computed = link(self._hash, stored.row, operation, hashed, legs)
        except (TypeError, ValueError, AttributeError, IndexError):
            computed = "unreadable"
        if computed != stored.hash:
            found.append(
                f"transfer {number} does not fit the hash chain: it, its request, its postings or"
                " the transfer before were changed"
            )
        if self._head is not None and number == self._head.seq and stored.hash != self._head.hash:
            found.append(
                f"transfer {number} has another hash than the signed head: history was rewritten"
            )
        self._hash = stored.hash

    def _move(self, stored: Stored, moves: dict[str, int], found: list[str]) -> None:
        for name, amount in moves.items():
            owned = self.owned[name] = self.owned[name] + amount
            if amount < 0:
                if name in self._capped and stored.row[2] != RECLAIM:
                    self.spent[name] -= amount
                if stored.row[2] != POST and owned < self.held[name]:
                    self._check_covered(name, stored.row[0], found)

    def _hold(self, holds: dict[str, int], found: list[str], number: int) -> None:
        for name, amount in holds.items():
            if name != ESCROW:
                self.held[name] -= amount
                self._check_covered(name, number, found)

    def _check_covered(self, name: str, number: int, found: list[str]) -> None:
        owned, held = self.owned[name], self.held[name]
        if owned < held and name not in self._overdraft:
            found.append(
                f"account {name!r} is at {owned} with {held} held after transfer {number} and may"
                " not go below 0"
            )

    def _hold_problems(
        self, stored: Stored, moves: dict[str, int], holds: dict[str, int]
    ) -> Iterator[str]:
        number, at, kind, _, _, _, refers_to, expires_at = stored.row
        name = f"transfer {number} ({kind})"
        promised = [(account, -amount) for account, amount in holds.items() if account != ESCROW]
        if kind == HOLD:
            if moves or len(promised) != 1 or promised[0][1] <= 0 or expires_at is None:
                yield f"{name} is no promise of one account until a time"
            else:
                self.open_holds[number] = (*promised[0], expires_at)
            return
        known = self.open_holds.pop(refers_to, None) if kind in RESOLUTIONS else None
        if known is None:
            yield f"{name} resolves {refers_to}, which is no open hold: a hold ends once"
            return
        payer, amount, expiry = known
        if promised != [(payer, -amount)]:
            yield f"{name} takes back {promised}, hold {refers_to} was {amount} of {payer!r}"
        if kind == POST and not (-amount <= moves.get(payer, 0) <= 0 and at < expiry):
            yield f"{name} posts {moves} from hold {refers_to} of {amount} until {expiry}"
        if kind != POST and moves:
            yield f"{name} moves {moves} and should only take hold {refers_to} back"
        if kind == EXPIRE and at < expiry:
            yield f"{name} came at {at}, before hold {refers_to} expired at {expiry}"


def _check_request(stored: Stored, legs: str, found: list[str]) -> tuple[str, str]:
    """Operation and body hash of the request behind a transfer, as the chain covers them."""
    number, _, kind, _, key = stored.row[:5]
    operation, hashed, body = stored.request
    own_hash, own_body = stored.own_body
    if own_hash:
        if operation is not None:
            found.append(
                f"key {key!r} of transfer {number} belongs to a request of its own as well"
            )
        operation, hashed = kind, own_hash
        body = whole_entry(stored.row, legs) if own_body is None else own_body
    elif own_body is not None:
        found.append(f"transfer {number} carries a body beside the one of its request {key!r}")
    if operation is None:
        found.append(f"transfer {number} refers to a missing request {key!r}")
    elif body_hash(body) != hashed:
        found.append(f"request {key!r} of transfer {number} was changed: its hash does not fit")
    return str(operation), str(hashed)


def _sums(stored: Stored, found: list[str]) -> tuple[dict[str, int], dict[str, int]]:
    """What moves and what is held, by account."""
    moves: dict[str, int] = {}
    holds: dict[str, int] = {}
    for name, amount, pending, _, posting, _ in stored.postings:
        if type(amount) is not int:
            found.append(f"posting {posting} moves {amount!r}, which is no whole number")
            continue
        if not amount or not -INT64_MAX <= amount <= INT64_MAX:
            found.append(f"posting {posting} moves {amount}, which no posting may")
        changes = holds if pending else moves
        changes[name] = changes.get(name, 0) + amount
    return moves, holds


ROWS_AT_ONCE = 5000
_numbers = count()

_TRANSFERS = (
    "SELECT t.id, t.at, t.kind, t.memo, t.key, t.group_key, t.refers_to, t.expires_at,"
    " t.body_hash, t.body, t.hash, r.operation, r.body_hash, r.body"
    " FROM transfer t LEFT JOIN request r ON r.key = t.key ORDER BY t.id"
)
_POSTINGS = (
    "SELECT account, amount_nanos, pending, transfer_id, id, previous_id FROM posting ORDER BY id"
)


def stored_transfers(connection: Connection) -> Iterator[Stored]:
    """Every transfer, by number; postings that belong to none come with row id None."""
    postings = streamed(connection, _POSTINGS)
    waiting = next(postings, None)
    for found in streamed(connection, _TRANSFERS):
        number = found[0]
        mine: list[tuple[Any, ...]] = []
        stray: list[tuple[Any, ...]] = []
        while waiting is not None and waiting[3] <= number:
            (mine if waiting[3] == number else stray).append(waiting)
            waiting = next(postings, None)
        if stray:
            yield _stray(stray)
        yield Stored(found[:8], found[8:10], found[10], found[11:14], mine)
    while waiting is not None:
        yield _stray([waiting])
        waiting = next(postings, None)


def _stray(postings: list[tuple[Any, ...]]) -> Stored:
    return Stored((None,) * 8, ("", None), None, (None,) * 3, postings)


def streamed(
    connection: Connection, sql: str, rows_at_once: int = ROWS_AT_ONCE
) -> Iterator[tuple[Any, ...]]:
    """Rows exactly as stored, a few thousand in memory; the audit must not trust tables' types.

    The driver's own cursors: SQLAlchemy's row objects would cost as much as the whole audit.
    """
    driver: Any = connection.connection
    cursor = (
        driver.cursor(f"stream_{next(_numbers)}") if is_postgres(connection) else driver.cursor()
    )
    try:
        cursor.execute(sql)
        while block := cursor.fetchmany(rows_at_once):
            yield from block
    finally:
        cursor.close()
