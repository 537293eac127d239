"""Questions about accounts and their postings; answers are rows or views, never decisions."""

from itertools import accumulate

from sqlalchemy import text
from sqlmodel import Session, col, select

from marketplace.account import Account, AccountView, account_view
from marketplace.errors import AccountNotFoundError
from marketplace.journal import PostingView, Transfer
from marketplace.names import did_you_mean

_STATEMENT = text(  # CROSS JOIN: SQLite then keeps this order and never reads others' postings
    "WITH RECURSIVE line (id) AS (SELECT last_posting_id FROM account WHERE name = :name"
    " UNION ALL SELECT p.previous_id FROM line CROSS JOIN posting p WHERE p.id = line.id)"
    " SELECT p.transfer_id, t.at, p.amount_nanos, t.kind, t.memo"
    " FROM line CROSS JOIN posting p CROSS JOIN transfer t"
    " WHERE p.id = line.id AND t.id = p.transfer_id AND NOT p.pending ORDER BY p.id"
)

MAX_HINTED_NAMES = 2000
"""Closeness is compared with at most so many names: an unknown name must stay a cheap question."""


def find_account(session: Session, name: str) -> Account:
    """The account of this name.

    Raises:
        AccountNotFoundError: There is none; the message names the closest ones.
    """
    found = session.get(Account, name)
    if found is None:
        known = session.exec(select(Account.name).limit(MAX_HINTED_NAMES)).all()
        hint = did_you_mean(name, known)
        raise AccountNotFoundError(f"account {name!r} does not exist: {hint or 'open it first'}")
    return found


def account_views(session: Session) -> list[AccountView]:
    """All accounts by name."""
    return [account_view(row) for row in session.exec(select(Account).order_by(col(Account.name)))]


def mandate_views(session: Session, owner: str) -> list[AccountView]:
    """The owner's mandates by name."""
    query = select(Account).where(Account.owner == owner).order_by(col(Account.name))
    return [account_view(row) for row in session.exec(query)]


def posting_views(session: Session, account_name: str) -> list[PostingView]:
    """The account's statement, oldest first, with the balance after each line; holds left out."""
    rows = session.connection().execute(_STATEMENT, {"name": account_name}).all()
    balances = accumulate(row.amount_nanos for row in rows)
    return [
        PostingView(
            transfer_id=row.transfer_id,
            at=row.at,
            account=account_name,
            amount_nanos=row.amount_nanos,
            kind=row.kind,
            memo=row.memo,
            balance_after_nanos=balance,
        )
        for row, balance in zip(rows, balances, strict=True)
    ]


def transfer_of_key(session: Session, key: str) -> int | None:
    """The number of the transfer that this key made."""
    return session.exec(select(Transfer.id).where(Transfer.key == key)).first()


def made_by(session: Session, key: str) -> int:
    """The number of the transfer of a key that is known to have made one."""
    number = transfer_of_key(session, key)
    assert number is not None, f"key {key!r} was claimed by a request that made no transfer"
    return number
