"""Which name was probably meant, found out when a refusal is on its way to whoever asked.

Comparing names takes a while, and who asks chooses how often: so whatever runs for everybody, such
as the writer's thread, only notes what was sought (`errors.unknown`), and the facade compares, once
for each request, with few names (`advised`).
"""

from sqlmodel import Session, col, select

from marketplace.errors import MarketError
from marketplace.ledger.account import Account
from marketplace.listing.listing import Listing
from marketplace.names import did_you_mean

MAX_BESIDE = 50
"""Names compared on either side of the one that was sought, in the order of the alphabet."""
MAX_OTHERS = 100
"""Names compared besides: enough to find any slip in a small market."""
_NAMES = {"account": col(Account.name), "listing": col(Listing.name)}


def advised(session: Session, refusal: MarketError) -> MarketError:
    """A refusal of the same kind that names the closest names; itself if none is close."""
    if refusal.sought is None:
        return refusal
    table, name = refusal.sought
    names, close = _NAMES[table], name[:64]
    after = select(names).where(names >= close).order_by(names).limit(MAX_BESIDE)
    before = select(names).where(names < close).order_by(names.desc()).limit(MAX_BESIDE)
    known = {
        found
        for query in (after, before, select(names).limit(MAX_OTHERS))
        for found in session.exec(query)
    }
    hint = did_you_mean(close, known)
    return type(refusal)(f"{str(refusal).rpartition(': ')[0]}: {hint}") if hint else refusal
