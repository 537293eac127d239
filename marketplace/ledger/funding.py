"""How accounts come to be and how credits enter the market.

In a home's own market whoever holds the file acts for every account. Once a market is served,
accounts belong to keys: credits given to one without a key would lie where nobody can claim them,
and letting the first comer claim it would give them to a stranger. So they are refused.
"""

from dataclasses import dataclass
from typing import ClassVar

from sqlmodel import Session

from marketplace.database import bulk
from marketplace.database.sql import put
from marketplace.errors import UnclaimedAccountError
from marketplace.fields import AccountName, Credits
from marketplace.ledger import account_key
from marketplace.ledger.account import Account, AccountView, account_view, refuse_house
from marketplace.ledger.book import Leg
from marketplace.ledger.idempotency import claim
from marketplace.ledger.ledger import record_transfer
from marketplace.ledger.operation import Operation
from marketplace.ledger.statement import find_account
from marketplace.money import check_amount
from marketplace.names import WORLD

SERVED = "market-is-served"
"""Key of the request that a service makes once, when it first serves the market."""


def note_served(session: Session, *, at: float) -> None:
    """Remember that the accounts of this market belong to keys from now on."""
    claim(session, key=SERVED, operation="serve", body={}, at=at)


def is_served(session: Session) -> bool:
    """Whether a service ever served the market."""
    return bool(bulk.known_requests(session.connection(), [SERVED]))


def open_account(session: Session, *, name: str, key: str | None, at: float) -> Account:
    """The account of this name, opened now if it is new."""
    if key is not None:
        claim(session, key=key, operation="open", body={"name": name}, at=at)
    account = session.get(Account, name)
    if account is None:
        account = Account(name=name, opened_at=at)
        put(session, account)
    return account


@dataclass(frozen=True, slots=True)
class Fund(Operation[AccountView]):
    """Move new credits from 'world' to an account, for operators.

    Raises:
        AccountNotFoundError: There is no such account.
        UnclaimedAccountError: The market is served, and no key speaks for the account.
    """

    BY_OPERATOR: ClassVar[bool] = True
    OPERATION: ClassVar[str] = "fund"

    name: AccountName
    amount_nanos: Credits

    def check(self) -> None:
        """Refuse the house, and what is no amount."""
        check_amount(self.amount_nanos)
        refuse_house(self.name, "be funded")

    def identity(self, session: Session) -> dict[str, object]:
        """The account by the name that it always had here."""
        return {"account": self.name, "amount_nanos": self.amount_nanos}

    def do(self, session: Session, at: float) -> None:
        """Move them."""
        if is_served(session):
            _refuse_unclaimed(session, self.name)
        find_account(session, self.name)
        record_transfer(
            session,
            at=at,
            kind="fund",
            memo=f"credits for {self.name}",
            key=self.key,
            legs=[Leg(WORLD, -self.amount_nanos), Leg(self.name, self.amount_nanos)],
        )

    def done(self, session: Session, at: float) -> AccountView:
        """The account as it is now."""
        return account_view(find_account(session, self.name))


def _refuse_unclaimed(session: Session, name: str) -> None:
    account = session.get(Account, name)
    owner = name if account is None else account.owner or name
    if not account_key.good_keys(session, owner):
        raise UnclaimedAccountError(
            f"no key speaks for account {name!r} on this served market, so nobody could claim the"
            f" credits: its owner types `continuum market open {owner} --market URL` first"
        )
