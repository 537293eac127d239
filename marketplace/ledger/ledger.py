"""Double entry, in bulk: every movement of credits is one transfer of postings that sum to zero.

    post_many(session, [Entry("k1", "sale", "ada buys sort", (Leg("ada", -9), ...))], at=now)

A group of entries costs a few questions and statements however large it is; the sums are made in
Python (`marketplace.ledger.book`). Each entry stands alone: a refused one is reported in its place
and the others go through. Entries with the same `group_key` next to each other are linked: all of
them or none.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from sqlmodel import Session

from marketplace.database import bulk
from marketplace.database.sql import table_of
from marketplace.errors import MarketError
from marketplace.ledger.account import CACHES, Account
from marketplace.ledger.book import Book, Leg
from marketplace.ledger.chain import GENESIS, link, postings_text
from marketplace.ledger.idempotency import body_hash, canonical_body, reused
from marketplace.ledger.journal import Posting, Transfer
from marketplace.names import MAX_KEY_CHARS, check_key, check_text

MAX_MEMO_CHARS = 500

_TRANSFER = table_of(Transfer)
_POSTING = table_of(Posting)


@dataclass(frozen=True, slots=True)
class Entry:
    """A transfer that somebody asks for."""

    key: str
    """Idempotency key; the entry is its own request."""
    kind: str
    memo: str
    legs: Sequence[Leg]
    body: dict[str, object] | None = None
    """What a repeat must equal, besides the kind; None = the whole entry."""
    group_key: str | None = None
    refers_to: int | None = None
    expires_at: float | None = None


@dataclass(frozen=True, slots=True)
class Posted:
    """An entry that is in the journal."""

    transfer_id: int
    at: float
    replayed: bool = False
    """True when the key had already taken effect and nothing moved this time."""


def post_many(
    session: Session, entries: Sequence[Entry], *, at: float
) -> list[Posted | MarketError]:
    """Add many transfers; one answer per entry, in order.

    The session must hold the write lock: balances are read, then written.

    Args:
        at: Seconds since 1970, the same for the whole group.
    """
    return _Group(session, entries, at=float(at)).run()


@contextmanager
def linked(session: Session) -> Iterator[None]:
    """Everything done in this block, or, when it raises, nothing of it."""
    with session.begin_nested():
        yield


def record_transfer(
    session: Session,
    *,
    at: float,
    kind: str,
    memo: str,
    key: str,
    legs: Sequence[Leg | tuple[Account | str, int]],
    refers_to: int | None = None,
    group_key: str | None = None,
    expires_at: float | None = None,
) -> int:
    """Add one transfer under a key that this transaction has claimed, and return its number.

    Raises:
        MarketError: Any refusal of `post_many`; nothing was added.
    """
    plain = [as_leg(leg) for leg in legs]
    entry = Entry(key, kind, memo, plain, None, group_key, refers_to, expires_at)
    answer = _Group(session, [entry], at=float(at), claimed=True).run()[0]
    return _or_raise(answer).transfer_id


def as_leg(leg: Leg | tuple[Account | str, int]) -> Leg:
    """A leg, also from an account row and an amount."""
    if isinstance(leg, Leg):
        return leg
    account, amount_nanos = leg
    return Leg(account if isinstance(account, str) else account.name, amount_nanos)


def whole_entry(row: bulk.Row, legs: str) -> str:
    """The body of an entry that came without one.

    Args:
        row: As `link` takes it; number, time and key are no part of what was asked for.
    """
    _, _, kind, memo, _, group_key, refers_to, expires_at = row
    return f"{kind}\0{memo}\0{group_key}\0{refers_to}\0{expires_at!r}\0{legs}"


class _Group:
    """One run of `post_many`: what is known before, and the rows that will be added."""

    def __init__(
        self, session: Session, entries: Sequence[Entry], *, at: float, claimed: bool = False
    ) -> None:
        session.flush()  # rows that wait in the session are read and chained below
        self._session, self._entries, self._at, self._claimed = session, entries, at, claimed
        connection = self._connection = session.connection()
        names = {leg[0] for entry in entries for leg in entry.legs}
        self._book = Book(bulk.lock_accounts(connection, _printable(names)))
        keys = _printable({entry.key for entry in entries})
        self._known = {row[0]: row[1:] for row in bulk.known_requests(connection, keys)}
        self._number, last_hash, _ = bulk.last_transfer(connection)
        self._hash = last_hash or GENESIS
        self._posting = bulk.last_posting(connection)
        self._transfers: list[bulk.Row] = []
        self._postings: list[bulk.Row] = []

    def run(self) -> list[Posted | MarketError]:
        """Work out every entry, then write everything that was accepted."""
        answers: list[Posted | MarketError] = []
        entries, n_entries = self._entries, len(self._entries)
        while len(answers) < n_entries:
            start = len(answers)
            group, stop = entries[start].group_key, start + 1
            while group is not None and stop < n_entries and entries[stop].group_key == group:
                stop += 1
            if stop == start + 1:
                answers.append(self._answer(entries[start]))
            else:
                answers += self._linked(entries[start:stop])
        self._write()
        return answers

    def _answer(self, entry: Entry) -> Posted | MarketError:
        try:
            return self._post(entry)
        except MarketError as refusal:
            return refusal

    def _linked(self, entries: Sequence[Entry]) -> list[Posted | MarketError]:
        mark, before = self._book.mark(), (self._number, self._hash, self._posting)
        sizes = len(self._transfers), len(self._postings)
        known = dict(self._known)
        answers: list[Posted | MarketError] = []
        for entry in entries:
            answer = self._answer(entry)
            if isinstance(answer, MarketError):
                self._book.back_to(mark)
                self._number, self._hash, self._posting = before
                for posting in reversed(self._postings[sizes[1] :]):
                    self._book.last_posting[posting[2]] = posting[5]
                del self._transfers[sizes[0] :], self._postings[sizes[1] :]
                self._known = known
                return [answer] * len(entries)
            answers.append(answer)
        return answers

    def _post(self, entry: Entry) -> Posted:
        _check_texts(entry)
        legs = postings_text(entry.legs)
        number, expires_at = self._number + 1, entry.expires_at
        row = (
            number,
            self._at,
            entry.kind,
            entry.memo,
            entry.key,
            entry.group_key,
            entry.refers_to,
            None if expires_at is None else float(expires_at),
        )
        known = self._known.get(entry.key)
        if self._claimed:
            assert known is not None and known[3] is None, f"key {entry.key!r} was not claimed"
            operation, hashed = known[0], known[1]
            own_hash, own_body = "", None
        else:
            own_body = None if entry.body is None else canonical_body(entry.body)
            own_hash = hashed = body_hash(whole_entry(row, legs) if own_body is None else own_body)
            operation = entry.kind
            if known is not None:
                return _repeat(entry, known, hashed)
        self._book.move(entry.kind, entry.legs)
        self._number = number
        self._hash = link(self._hash, row, operation, hashed, legs)
        self._transfers.append((*row, own_hash, own_body, self._hash))
        posting, last = self._posting, self._book.last_posting
        for name, amount, pending in entry.legs:
            posting += 1
            self._postings.append((posting, number, name, amount, pending, last[name]))
            last[name] = posting
        self._posting = posting
        self._known[entry.key] = (operation, hashed, own_body, number, self._at)
        return Posted(number, self._at)

    def _write(self) -> None:
        if not self._transfers:
            return
        bulk.insert(self._connection, _TRANSFER, self._transfers)
        bulk.insert(self._connection, _POSTING, self._postings)
        names = {posting[2] for posting in self._postings}
        bulk.write_balances(self._connection, self._book.rows(names))
        _forget_old_balances(self._session, names)


def _repeat(entry: Entry, known: bulk.Row, hashed: str) -> Posted:
    operation, known_hash, _, number, at = known
    if (operation, known_hash) != (entry.kind, hashed) or number is None:
        raise reused(entry.key, operation, entry.kind)
    return Posted(number, at, replayed=True)


def _printable(texts: set[str]) -> list[str]:
    """The texts that a database can be asked about."""
    return [text for text in texts if text.isprintable()]


def _check_texts(entry: Entry) -> None:
    """One unstorable text must refuse its own entry, not fail the group's statement."""
    texts = (entry.key, entry.kind, entry.memo, entry.group_key or "")
    fits = 0 < len(entry.key) <= MAX_KEY_CHARS and len(entry.memo) <= MAX_MEMO_CHARS
    if not fits or not "".join(texts).isprintable():
        check_key(entry.key)
        check_text(entry.kind, "kind", min_chars=1)
        check_text(entry.group_key or "", "group key")
        check_text(entry.memo, "memo", max_chars=MAX_MEMO_CHARS)


def _forget_old_balances(session: Session, names: set[str]) -> None:
    for row in list(session.identity_map.values()):
        if isinstance(row, Account) and row.name in names:
            session.expire(row, CACHES)


def _or_raise(answer: Posted | MarketError) -> Posted:
    if isinstance(answer, MarketError):
        raise answer
    return answer
