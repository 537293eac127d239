"""A spending mandate: a sub-account with a cap, so that an agent can shop without the purse.

    ada  --fund-->  ada/shopper (cap 5 credits)  --buys-->  ...

The cap bounds everything that ever leaves the mandate, open holds included, across all merchants:
the ledger enforces what a stateless verifier of signed mandates cannot. It never changes; the
owner takes back what is left whenever he likes, and opens another mandate for another cap.

How much one account may have open at the same time: one table, one rule.

Whoever answers for several accounts has one allowance for all of them, else each mandate, which
costs nothing to open, would bring one of its own. What cannot be closed counts for ever.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar

from sqlalchemy import Select, func, select
from sqlmodel import Session

from marketplace.database.sql import MarketTable, put
from marketplace.errors import MandateError, TooManyOpenError
from marketplace.fields import Actor, Credits, MandateName, Name
from marketplace.ledger.account import Account, AccountView, account_view, refuse_house
from marketplace.ledger.book import Leg
from marketplace.ledger.journal import RECLAIM
from marketplace.ledger.ledger import record_transfer
from marketplace.ledger.operation import Operation
from marketplace.ledger.statement import find_account
from marketplace.money import check_amount
from marketplace.names import check_name

MOST = {"mandate": 100, "bundle": 100, "offer": 100, "bounty": 100, "hold": 1000}
"""What may be open, by kind; a trial, meter, subscription or bounty is a hold too."""
_WORDS = {
    "mandate": "mandates",
    "bundle": "bundles",
    "offer": "offers of machine time",
    "bounty": "open bounties",
    "hold": "open holds",
}
_REMEDIES = {
    "bounty": "wait until one is earned or over",
    "hold": "settle a trial, meter or deposit, or wait until one is over",
}

MANDATE_FUND = "mandate_fund"


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenMandate(Operation[AccountView]):
    """A sub-account that may spend up to its cap in all.

    Raises:
        MandateError: The owner is a mandate himself, or the name is taken.
    """

    OPERATION: ClassVar[str] = "open_mandate"

    owner: Actor
    name: Name
    cap_nanos: Credits

    @property
    def account(self) -> str:
        """Of `ada` and `shopper`: `ada/shopper`."""
        return f"{self.owner}/{self.name}"

    def check(self) -> None:
        """Refuse the house, and a cap that lets nothing through."""
        refuse_house(self.owner, "open a mandate")
        check_name(self.name, "mandate name")
        check_amount(self.cap_nanos, "cap")

    def identity(self, session: Session) -> dict[str, object]:
        """With the whole name."""
        return {"mandate": self.account, "owner": self.owner, "cap_nanos": self.cap_nanos}

    def do(self, session: Session, at: float) -> None:
        """Open it, empty."""
        if find_account(session, self.owner).owner is not None:
            raise MandateError(f"{self.owner!r} is a mandate itself: open this one for its owner")
        name = self.account
        if session.get(Account, name) is not None:
            raise MandateError(f"mandate {name!r} exists already: choose another name")
        refuse_more(session, "mandate", self.owner)
        put(session, Account(name=name, opened_at=at, cap_nanos=self.cap_nanos, owner=self.owner))

    def done(self, session: Session, at: float) -> AccountView:
        """The mandate's account."""
        return account_view(find_account(session, self.account))


@dataclass(frozen=True, slots=True)
class FundMandate(Operation[AccountView]):
    """Move credits from the owner to the mandate; only the owner's key may.

    Raises:
        MandateError: The account is no mandate.
        InsufficientCreditsError: The owner has too little available.
    """

    OPERATION: ClassVar[str] = MANDATE_FUND

    name: MandateName
    amount_nanos: Credits

    def check(self) -> None:
        """Refuse what is no amount."""
        check_amount(self.amount_nanos)

    def identity(self, session: Session) -> dict[str, object]:
        """With owner and cap: the chain covers them from now on."""
        account = _mandate(session, self.name)
        return {
            "mandate": self.name,
            "owner": account.owner,
            "cap_nanos": account.cap_nanos,
            "amount_nanos": self.amount_nanos,
        }

    def do(self, session: Session, at: float) -> None:
        """Move them."""
        owner, nanos = str(_mandate(session, self.name).owner), self.amount_nanos
        record_transfer(
            session,
            at=at,
            kind=MANDATE_FUND,
            memo=f"{owner} funds {self.name}",
            key=self.key,
            legs=[Leg(owner, -nanos), Leg(self.name, nanos)],
        )

    def done(self, session: Session, at: float) -> AccountView:
        """The mandate's account."""
        return account_view(find_account(session, self.name))


@dataclass(frozen=True, slots=True)
class ReclaimMandate(Operation[AccountView]):
    """Move what a mandate has left back to its owner; the cap does not count it.

    Raises:
        MandateError: The account is no mandate.
    """

    OPERATION: ClassVar[str] = RECLAIM

    name: MandateName

    def identity(self, session: Session) -> dict[str, object]:
        """The mandate by the name that it always had here."""
        return {"mandate": self.name}

    def do(self, session: Session, at: float) -> None:
        """Move everything that is available."""
        account = _mandate(session, self.name)
        owner, available = str(account.owner), account.balance_nanos - account.held_nanos
        if available > 0:
            record_transfer(
                session,
                at=at,
                kind=RECLAIM,
                memo=f"{owner} takes back what {self.name} has left",
                key=self.key,
                legs=[Leg(self.name, -available), Leg(owner, available)],
            )

    def done(self, session: Session, at: float) -> AccountView:
        """The mandate's account."""
        return account_view(_mandate(session, self.name))


def _mandate(session: Session, name: str) -> Account:
    account = find_account(session, name)
    if account.owner is None:
        raise MandateError(f"account {name!r} is no mandate: open one with `open_mandate`")
    return account


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
    "mandate": _mandates,
    "bundle": _owned("bundle"),
    "offer": _owned("compute_offer"),
    "bounty": _bounties,
    "hold": _holds,
}
