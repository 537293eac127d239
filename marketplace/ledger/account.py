"""Who can hold credits.

The balance is a cache: the truth is the sum of the account's postings, and
`marketplace.store.verify` compares the two. Only an overdraft account may go below zero;
'world' is the one that exists, the source of every credit, so all balances sum to 0.

    available = balance - held

Held credits are promised to an open hold and cannot be spent elsewhere. A spending mandate is
an account like any other that knows its owner and carries a cap on what ever leaves it.
"""

from dataclasses import dataclass
from typing import Any, ClassVar

from sqlalchemy import BigInteger, CheckConstraint
from sqlmodel import Field

from marketplace.database.sql import MarketTable, alike
from marketplace.errors import HouseAccountError
from marketplace.fields import Nanos
from marketplace.names import ESCROW, HOUSE, PLATFORM, WORLD

CACHES = ("balance_nanos", "held_nanos", "spent_nanos", "last_posting_id")
"""Columns that follow from the journal and change with it."""


class Account(MarketTable, table=True):
    """One holder of credits; the name never changes."""

    __tablename__: ClassVar[str] = "account"
    __table_args__: ClassVar[Any] = (
        CheckConstraint(
            "overdraft OR balance_nanos >= held_nanos", name="only_overdraft_goes_below_zero"
        ),
        CheckConstraint("held_nanos >= 0", name="held_is_a_promise"),
        CheckConstraint(
            "cap_nanos IS NULL OR spent_nanos + held_nanos <= cap_nanos", name="cap_is_kept"
        ),
    )

    name: str = Field(primary_key=True)
    overdraft: bool = False
    balance_nanos: int = Field(default=0, sa_type=BigInteger)
    opened_at: float
    held_nanos: int = Field(default=0, sa_type=BigInteger, sa_column_kwargs={"server_default": "0"})
    """Sum of the account's open holds."""
    spent_nanos: int = Field(
        default=0, sa_type=BigInteger, sa_column_kwargs={"server_default": "0"}
    )
    """What ever left a capped account; 0 without a cap."""
    last_posting_id: int = Field(
        default=0, sa_type=BigInteger, sa_column_kwargs={"server_default": "0"}
    )
    """Where the account's statement begins, newest line first; 0 = no line yet."""
    cap_nanos: int | None = Field(default=None, sa_type=BigInteger)
    """Greatest total outflow, open holds included; None = no cap."""
    owner: str | None = Field(default=None, foreign_key="account.name", index=True)
    """The account a mandate spends for; None = an account of its own."""


@dataclass(frozen=True, slots=True)
class AccountView:
    """An account as others see it."""

    name: str
    balance_nanos: Nanos
    held_nanos: Nanos = 0
    """Promised to open holds."""
    spent_nanos: Nanos = 0
    """What left a capped account so far."""
    cap_nanos: Nanos | None = None
    owner: str | None = None


def account_view(account: Account) -> AccountView:
    """The account as others see it."""
    return alike(AccountView, account)


def house_accounts(at: float) -> tuple[Account, ...]:
    """The accounts every market starts with."""
    return (
        Account(name=WORLD, overdraft=True, opened_at=at),
        Account(name=PLATFORM, opened_at=at),
        Account(name=ESCROW, opened_at=at),
    )


def principal_of(account: str) -> str:
    """Who stands behind an account: the owner of a mandate, else the account itself.

    The names say it, `ada` and `ada/shop`, and never change. Whoever asks whether two accounts are
    one and the same trader compares principals; whoever asks for leave compares accounts.
    """
    return account.partition("/")[0]


def speaks_for(account: str, owner: str) -> bool:
    """Whether an account may dispose of what belongs to another: its own, or its mandate's."""
    return account in (owner, principal_of(owner))


def refuse_house(name: str, deed: str) -> None:
    """Keep the house out of its own market.

    Raises:
        HouseAccountError: The name is one of the house's own accounts.
    """
    if name in HOUSE:
        raise HouseAccountError(f"house account {name!r} cannot {deed}: use an ordinary account")
