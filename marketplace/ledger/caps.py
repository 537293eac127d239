"""How much one account may have open at the same time: one table, one rule.

Whoever answers for several accounts has one allowance for all of them, else each mandate, which
costs nothing to open, would bring one of its own. What cannot be closed counts for ever.
"""

from collections.abc import Callable
from typing import Any

from sqlalchemy import Select, func, select
from sqlmodel import Session

from marketplace.database.tables import MarketTable
from marketplace.errors import TooManyOpenError
from marketplace.ledger.account import Account

MOST = {"mandate": 100, "bundle": 100, "offer": 100, "bounty": 100, "hold": 1000}
"""What may be open, by kind; a trial, meter, subscription or bounty is a hold too."""


def refuse_more(session: Session, kind: str, account: str) -> None:
    """Let an account open one more of a kind.

    Raises:
        TooManyOpenError: It, its owner and the owner's mandates have as many as one may have.
    """
    row = session.get(Account, account)
    principal = account if row is None or row.owner is None else row.owner
    most = MOST[kind]
    (found,) = session.connection().execute(_QUESTIONS[kind](principal)).one()
    if found >= most:
        raise TooManyOpenError(
            f"{principal!r} has {found} of its {most} {_WORDS[kind]}, mandates included:"
            f" {_REMEDIES.get(kind, 'use those that are there')}"
        )


_WORDS = {
    "mandate": "mandates", "bundle": "bundles", "offer": "offers of machine time",
    "bounty": "open bounties", "hold": "open holds",
}  # fmt: skip
_REMEDIES = {
    "bounty": "wait until one is earned or over",
    "hold": "settle a trial, meter or deposit, or wait until one is over",
}


def _table(name: str) -> Any:
    return MarketTable.metadata.tables[name]


def _accounts(principal: str) -> Any:
    account = _table("account").c
    return select(account.name).where((account.name == principal) | (account.owner == principal))


def _owned(table: str) -> Callable[[str], Select[Any]]:
    def question(principal: str) -> Select[Any]:
        owner = _table(table).c.owner
        return select(func.count()).where(owner.in_(_accounts(principal)))

    return question


def _mandates(principal: str) -> Select[Any]:
    return select(func.count()).where(_table("account").c.owner == principal)


def _holds(principal: str) -> Select[Any]:
    return select(func.count()).where(_table("open_hold").c.payer.in_(_accounts(principal)))


def _bounties(principal: str) -> Select[Any]:
    hold, bounty = _table("open_hold").c, _table("bounty").c
    return _holds(principal).where(bounty.hold_id == hold.transfer_id)


_QUESTIONS: dict[str, Callable[[str], Select[Any]]] = {
    "mandate": _mandates, "bundle": _owned("bundle"), "offer": _owned("compute_offer"),
    "bounty": _bounties, "hold": _holds,
}  # fmt: skip
