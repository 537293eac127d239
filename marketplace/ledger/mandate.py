"""A spending mandate: a sub-account with a cap, so that an agent can shop without the purse.

    ada  --fund-->  ada/shopper (cap 5 credits)  --buys-->  ...

The cap bounds everything that ever leaves the mandate, open holds included, across all merchants:
the ledger enforces what a stateless verifier of signed mandates cannot. It never changes; the
owner takes back what is left whenever he likes, and opens another mandate for another cap.
"""

from sqlmodel import Session

from marketplace.errors import MandateError
from marketplace.ledger.account import Account, refuse_house
from marketplace.ledger.caps import refuse_more
from marketplace.ledger.idempotency import claim
from marketplace.ledger.journal import RECLAIM
from marketplace.ledger.ledger import Leg, record_transfer
from marketplace.ledger.statement import find_account
from marketplace.money import check_amount
from marketplace.names import check_name

MANDATE_FUND = "mandate_fund"


def open_mandate(
    session: Session, *, owner: str, name: str, cap_nanos: int, key: str, at: float
) -> Account:
    """A new, empty sub-account 'owner/name'; its account, also when the key is repeated.

    Raises:
        MandateError: The owner is a mandate himself, or the name is taken.
    """
    refuse_house(owner, "open a mandate")
    check_name(name, "mandate name")
    check_amount(cap_nanos, "cap")
    if find_account(session, owner).owner is not None:
        raise MandateError(f"{owner!r} is a mandate itself: open this one for its owner")
    full_name = f"{owner}/{name}"
    body: dict[str, object] = {"mandate": full_name, "owner": owner, "cap_nanos": cap_nanos}
    if claim(session, key=key, operation="open_mandate", body=body, at=at):
        if session.get(Account, full_name) is not None:
            raise MandateError(f"mandate {full_name!r} exists already: choose another name")
        refuse_more(session, "mandate", owner)
        session.add(Account(name=full_name, opened_at=at, cap_nanos=cap_nanos, owner=owner))
        session.flush()
    return find_account(session, full_name)


def fund_mandate(session: Session, *, mandate: str, amount_nanos: int, key: str, at: float) -> None:
    """Move credits from the owner to the mandate, once per key.

    Raises:
        MandateError: The account is no mandate.
        InsufficientCreditsError: The owner has too little available.
    """
    check_amount(amount_nanos)
    account = _mandate(session, mandate)
    body: dict[str, object] = {  # owner and cap too: the chain covers them from now on
        "mandate": mandate,
        "owner": account.owner,
        "cap_nanos": account.cap_nanos,
        "amount_nanos": amount_nanos,
    }
    if claim(session, key=key, operation=MANDATE_FUND, body=body, at=at):
        record_transfer(
            session,
            at=at,
            kind=MANDATE_FUND,
            memo=f"{account.owner} funds {mandate}",
            key=key,
            legs=[Leg(str(account.owner), -amount_nanos), Leg(mandate, amount_nanos)],
        )


def reclaim_mandate(session: Session, *, mandate: str, key: str, at: float) -> None:
    """Move everything available in the mandate back to its owner; the cap does not count it.

    Raises:
        MandateError: The account is no mandate.
    """
    account = _mandate(session, mandate)
    owner = str(account.owner)
    if not claim(session, key=key, operation=RECLAIM, body={"mandate": mandate}, at=at):
        return
    available = account.balance_nanos - account.held_nanos
    if available > 0:
        record_transfer(
            session,
            at=at,
            kind=RECLAIM,
            memo=f"{owner} takes back what {mandate} has left",
            key=key,
            legs=[Leg(mandate, -available), Leg(owner, available)],
        )


def _mandate(session: Session, name: str) -> Account:
    account = find_account(session, name)
    if account.owner is None:
        raise MandateError(f"account {name!r} is no mandate: open one with `open_mandate`")
    return account
