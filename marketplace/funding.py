"""How accounts come to be and how credits enter the market."""

from sqlmodel import Session

from marketplace.account import WORLD, Account, refuse_house
from marketplace.idempotency import claim
from marketplace.ledger import Leg, record_transfer
from marketplace.statement import find_account


def open_account(session: Session, *, name: str, key: str | None, at: float) -> Account:
    """The account of this name, opened now if it is new."""
    if key is not None:
        claim(session, key=key, operation="open", body={"name": name}, at=at)
    account = session.get(Account, name)
    if account is None:
        account = Account(name=name, opened_at=at)
        session.add(account)
        session.flush()
    return account


def fund(session: Session, *, name: str, amount_nanos: int, key: str, at: float) -> None:
    """Move credits from 'world' to the account, once per key."""
    refuse_house(name, "be funded")
    find_account(session, name)
    body: dict[str, object] = {"account": name, "amount_nanos": amount_nanos}
    if claim(session, key=key, operation="fund", body=body, at=at):
        record_transfer(
            session,
            at=at,
            kind="fund",
            memo=f"credits for {name}",
            key=key,
            legs=[Leg(WORLD, -amount_nanos), Leg(name, amount_nanos)],
        )
