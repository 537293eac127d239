"""Who can hold credits.

The balance is a cache: the truth is the sum of the account's postings, and
`marketplace.verify` compares the two. Only an overdraft account may go below zero;
'world' is the one that exists, the source of every credit, so all balances sum to 0.
"""

from dataclasses import dataclass
from typing import ClassVar

from sqlalchemy import BigInteger, CheckConstraint
from sqlmodel import Field

from marketplace.errors import HouseAccountError
from marketplace.tables import MarketTable

WORLD = "world"
"""Where credits come from; may be negative without limit."""
PLATFORM = "platform"
"""Where fees go."""


class Account(MarketTable, table=True):
    """One holder of credits; the name never changes."""

    __tablename__: ClassVar[str] = "account"
    __table_args__ = (
        CheckConstraint("overdraft OR balance_nanos >= 0", name="only_overdraft_goes_below_zero"),
    )

    name: str = Field(primary_key=True)
    overdraft: bool = False
    balance_nanos: int = Field(default=0, sa_type=BigInteger)
    opened_at: float


@dataclass(frozen=True, slots=True)
class AccountView:
    """An account as others see it."""

    name: str
    balance_nanos: int


def house_accounts(at: float) -> tuple[Account, Account]:
    """The two accounts every market starts with."""
    return (
        Account(name=WORLD, overdraft=True, opened_at=at),
        Account(name=PLATFORM, opened_at=at),
    )


def refuse_house(name: str, deed: str) -> None:
    """Keep the house out of its own market.

    Raises:
        HouseAccountError: The name is 'world' or 'platform'.
    """
    if name in (WORLD, PLATFORM):
        raise HouseAccountError(f"house account {name!r} cannot {deed}: use an ordinary account")
