"""Questions about accounts and their postings; answers are rows or views, never decisions.

A statement is read from its newest line back: every posting names the one before it of the same
account, and the account names the last (`Posting.previous_id`). So its newest lines cost the same
in the millionth year as in the first, without an index over accounts.
"""

import re
from dataclasses import dataclass

from sqlalchemy import text
from sqlmodel import Session, col, select

from marketplace.errors import AccountNotFoundError, PageError, unknown
from marketplace.ledger.account import Account, AccountView, account_view
from marketplace.ledger.journal import PostingView, Transfer

_LINES = text(  # CROSS JOIN: SQLite then keeps this order and never reads others' postings
    "WITH RECURSIVE line (id, n_newer) AS (SELECT CAST(:start AS BIGINT), 0"
    " UNION ALL SELECT p.previous_id, n_newer + CASE WHEN p.pending THEN 0 ELSE 1 END"
    " FROM line CROSS JOIN posting p"
    " WHERE p.id = line.id AND p.account = :name AND n_newer < :n_lines)"
    " SELECT p.id, p.transfer_id, t.at, p.amount_nanos, t.kind, t.memo"
    " FROM line CROSS JOIN posting p CROSS JOIN transfer t"
    " WHERE p.id = line.id AND p.account = :name AND n_newer < :n_lines"
    " AND t.id = p.transfer_id AND NOT p.pending ORDER BY p.id DESC"
)
_CURSOR = re.compile(r"([0-9]{1,18}):(-?[0-9]{1,19})")
STATEMENT_LINES = 50
MAX_STATEMENT_LINES = 100
_ALL = 2**31 - 2


def find_account(session: Session, name: str) -> Account:
    """The account of this name.

    Raises:
        AccountNotFoundError: There is none.
    """
    found = session.get(Account, name)
    if found is None:
        problem = f"account {name!r} does not exist: `continuum market open NAME` opens it"
        raise unknown(AccountNotFoundError(problem), "account", name)
    return found


def account_of(session: Session, name: str) -> AccountView:
    """What the account has, holds and may spend.

    Raises:
        AccountNotFoundError: There is none; the message names the closest ones.
    """
    return account_view(find_account(session, name))


def account_views(session: Session) -> list[AccountView]:
    """All accounts by name, the house's own included."""
    return [account_view(row) for row in session.exec(select(Account).order_by(col(Account.name)))]


def mandate_views(session: Session, owner: str) -> list[AccountView]:
    """The owner's mandates by name."""
    find_account(session, owner)
    query = select(Account).where(Account.owner == owner).order_by(col(Account.name))
    return [account_view(row) for row in session.exec(query)]


@dataclass(frozen=True, slots=True)
class StatementPage:
    """Some lines of an account's statement, newest first."""

    lines: tuple[PostingView, ...]
    next: str | None
    """Cursor of the page of older lines; None after the last."""


def statement_page(
    session: Session, account_name: str, *, limit: int = STATEMENT_LINES, cursor: str | None = None
) -> StatementPage:
    """One page of the account's statement, newest line first; holds are left out.

    So many lines and no more is read, however long the statement is.

    Args:
        cursor: `StatementPage.next` of the page before: a posting, and the balance after it.

    Raises:
        AccountNotFoundError: There is no such account.
        PageError: A limit or a cursor that there is not.
    """
    if type(limit) is not int or not 1 <= limit <= MAX_STATEMENT_LINES:
        raise PageError(
            f"a page holds 1 to {MAX_STATEMENT_LINES} lines of a statement, not {limit!r:.60}:"
            " choose"
        )
    account = find_account(session, account_name)
    start, balance = account.last_posting_id, account.balance_nanos
    if cursor is not None:
        start, balance = _read_cursor(cursor)
    found = _lines(session, account_name, start, balance, limit + 1)
    if len(found) <= limit:
        return StatementPage(tuple(line for _, line in found), None)
    number, older = found.pop()
    return StatementPage(tuple(line for _, line in found), f"{number}:{older.balance_after_nanos}")


def posting_views(session: Session, account_name: str) -> list[PostingView]:
    """The account's whole statement, oldest first, with the balance after each line.

    Raises:
        AccountNotFoundError: There is no such account.
    """
    account = find_account(session, account_name)
    found = _lines(session, account_name, account.last_posting_id, account.balance_nanos, _ALL)
    return [line for _, line in reversed(found)]


def _lines(
    session: Session, account_name: str, start: int, balance: int, n_lines: int
) -> list[tuple[int, PostingView]]:
    """Up to so many lines with their posting's number, newest first, from a posting on.

    Args:
        balance: What the account had after that posting.
    """
    asked = {"name": account_name, "start": start, "n_lines": n_lines}
    found = []
    for row in session.connection().execute(_LINES, asked):
        line = PostingView(
            transfer_id=row.transfer_id,
            at=row.at,
            account=account_name,
            amount_nanos=row.amount_nanos,
            kind=row.kind,
            memo=row.memo,
            balance_after_nanos=balance,
        )
        found.append((row.id, line))
        balance -= row.amount_nanos
    return found


def _read_cursor(cursor: str) -> tuple[int, int]:
    parts = _CURSOR.fullmatch(cursor) if isinstance(cursor, str) else None
    if parts is None:
        raise PageError("cursor must be the `next` of a page of this statement: start without one")
    return int(parts[1]), int(parts[2])


def transfer_of_key(session: Session, key: str) -> int | None:
    """The number of the transfer that this key made."""
    return session.exec(select(Transfer.id).where(Transfer.key == key)).first()


def made_by(session: Session, key: str) -> int:
    """The number of the transfer of a key that is known to have made one."""
    number = transfer_of_key(session, key)
    assert number is not None, f"key {key!r} was claimed by a request that made no transfer"
    return number
