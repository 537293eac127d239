"""The questions a database answers in its own way."""

from typing import Protocol

from sqlalchemy import Connection, Engine

from marketplace.errors import MarketError


class Backend(Protocol):
    """One kind of database.

    Its writer's transactions hold the market's only write lock from their first statement, so
    that whatever is read in them is still true when it is written back.
    """

    writer: Engine
    """Transactions that change something; at most one runs at a time, in all processes."""
    reader: Engine
    """Transactions that see one unchanging state and block nobody."""
    mover: Engine
    """Transactions that rebuild tables; they hold the write lock and do not check references."""

    def begin_write(self, connection: Connection) -> None:
        """Take the write lock, unless the transaction's own first statement does."""

    def is_alive(self, connection: Connection) -> bool:
        """Whether the transaction can still be committed."""

    def settle(self) -> bool:
        """Last touches to a market that was just opened; False if others kept it busy."""

    def check_same(self) -> None:
        """Refuse when what was opened is no longer what is at the address.

        Raises:
            MarketFileError: It was moved, deleted or replaced.
        """

    def dispose(self) -> None:
        """Give back every connection."""

    def busy(self) -> MarketError:
        """The error of having waited too long for other writers."""

    def named(self, error: BaseException | None) -> MarketError:
        """A failure in the market's words; the database's own follow in brackets."""
