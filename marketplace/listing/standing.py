"""What an epoch was priced by: the evidence on each listing, the trust in each account.

Rows are added when an epoch closes and say what held during the next one. A listing that is
known by its first exam alone has no row: its reputation follows from the receipt. Trust begins at
the accounts the operator vouches for: until there is one, nobody's word or purchase moves a price.
"""

from typing import ClassVar

from sqlalchemy import BigInteger
from sqlmodel import Field

from marketplace.database.tables import MarketTable
from marketplace.formula.reputation import Evidence, Record


class Standing(MarketTable, table=True):
    """Evidence on one listing during one epoch, and the buyers its price was made from."""

    __tablename__: ClassVar[str] = "standing"

    listing: str = Field(primary_key=True, foreign_key="listing.name")
    epoch: int = Field(primary_key=True, foreign_key="epoch.number", index=True, sa_type=BigInteger)
    version: int = Field(sa_type=BigInteger)
    """The version the evidence is about; it says nothing about a newer one."""
    reputation: float
    """What the price was made from: the evidence's, or less for a near-duplicate (P4)."""
    buyers: float
    """Distinct buyers of the epoch before, each by trust."""
    measured_s: float
    measured_f: float
    rated_s: float
    rated_f: float
    inherited_s: float
    inherited_f: float
    n_raters: int = Field(sa_type=BigInteger)

    @property
    def record(self) -> Record:
        """The evidence by where it comes from."""
        return Record(
            measured=Evidence(self.measured_s, self.measured_f),
            rated=Evidence(self.rated_s, self.rated_f),
            inherited=Evidence(self.inherited_s, self.inherited_f),
            n_raters=self.n_raters,
        )


class AccountTrust(MarketTable, table=True):
    """Trust in one account during one epoch; no row means none."""

    __tablename__: ClassVar[str] = "account_trust"

    account: str = Field(primary_key=True, foreign_key="account.name")
    epoch: int = Field(primary_key=True, foreign_key="epoch.number", index=True, sa_type=BigInteger)
    trust: float


class Vouching(MarketTable, table=True):
    """The operator vouches for an account, or no longer does; the newest row applies."""

    __tablename__: ClassVar[str] = "vouching"

    number: int = Field(primary_key=True, sa_type=BigInteger)
    account: str = Field(foreign_key="account.name", index=True)
    vouched: bool
    at: float
    key: str = Field(foreign_key="request.key", unique=True)


def standing_row(
    listing: str, epoch: int, version: int, record: Record, *, reputation: float, buyers: float
) -> dict[str, object]:
    """The values of one row, ready for a bulk insert."""
    return {
        "listing": listing,
        "epoch": epoch,
        "version": version,
        "reputation": reputation,
        "buyers": buyers,
        "measured_s": record.measured.successes,
        "measured_f": record.measured.failures,
        "rated_s": record.rated.successes,
        "rated_f": record.rated.failures,
        "inherited_s": record.inherited.successes,
        "inherited_f": record.inherited.failures,
        "n_raters": record.n_raters,
    }
