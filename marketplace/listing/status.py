"""What befell a version since it was published, and whose verdicts bind.

    listed ──withdraw (owner)──> withdrawn ──relist (owner)──> listed
    listed, withdrawn ──quarantine (evaluator)──> quarantined ──release (evaluator)──> listed
    any but revoked ──revoke (evaluator; owner, of what nobody paid for)──> revoked, for good

Only a listed version is sold. Who bought a withdrawn one keeps it; a quarantined or revoked one
must not be used either. Rows are only added; the last one of a version holds, and a version
without any is listed.
"""

from typing import Any, ClassVar

from sqlalchemy import BigInteger, ForeignKeyConstraint, Index
from sqlmodel import Field, Session

from marketplace.database.tables import MarketTable, RowNumber
from marketplace.names import PLATFORM

LISTED, WITHDRAWN, QUARANTINED, REVOKED = "listed", "withdrawn", "quarantined", "revoked"
UNUSABLE = (QUARANTINED, REVOKED)
"""Statuses under which even a buyer may not use the layer."""


class StatusEvent(MarketTable, table=True):
    """One change of status of one version."""

    __tablename__: ClassVar[str] = "status_event"
    __table_args__: ClassVar[Any] = (
        ForeignKeyConstraint(["listing", "number"], ["version.listing", "version.number"]),
        Index("status_event_of", "listing", "number"),
        {"sqlite_autoincrement": True},
    )

    id: int | None = Field(default=None, primary_key=True, sa_type=RowNumber)
    listing: str
    number: int = Field(sa_type=BigInteger)
    status: str
    reason: str
    by: str = Field(foreign_key="account.name")
    at: float
    key: str | None = Field(default=None, foreign_key="request.key")
    """The request that asked for it; None for a consequence, such as of a failed re-run."""


class Evaluator(MarketTable, table=True):
    """An account whose re-runs and verdicts bind, besides the platform's own."""

    __tablename__: ClassVar[str] = "evaluator"

    account: str = Field(primary_key=True, foreign_key="account.name")
    appointed_at: float


def is_evaluator(session: Session, account: str) -> bool:
    """Whether the account's verdicts bind; the platform's always do."""
    return account == PLATFORM or session.get(Evaluator, account) is not None
