"""Vouchers on the ledger: a hold is the deposit, and settling posts the newest voucher once.

    hold (payer, 5 credits) -> channel -> vouchers change hands off the ledger -> settle

A hold ends once, so a channel is settled once; what the voucher leaves of the deposit is free
again in the same transaction. A payee who never settles loses it when the hold expires.
"""

from sqlmodel import Session

from marketplace import account_key
from marketplace.account import refuse_house
from marketplace.errors import HoldClosedError
from marketplace.hold import open_hold, post_hold
from marketplace.idempotency import claim
from marketplace.journal import Transfer
from marketplace.ledger import Leg
from marketplace.statement import find_account, made_by
from marketplace.trading.pending import is_promised
from marketplace.voucher import Channel, Voucher, channel_name


def channel(session: Session, *, hold: int, payee: str) -> Channel:
    """The channel from an open hold's payer to a payee, as it is before any voucher.

    Raises:
        AccountNotFoundError: There is no such payee.
        HoldClosedError: The hold has ended, or belongs to something that decides its end.
    """
    refuse_house(payee, "be paid by voucher")
    find_account(session, payee)
    found = open_hold(session, hold)
    if is_promised(session, hold):
        raise HoldClosedError(
            f"hold {hold} belongs to a trial, meter, subscription or bounty, which decides how it"
            " ends: open a hold of its own for a channel"
        )
    owner = find_account(session, found.payer).owner
    speakers = [found.payer] if owner is None else [found.payer, owner]
    keys = [view.public_key for name in speakers for view in account_key.good_keys(session, name)]
    name = channel_name(session.get_one(Transfer, hold).hash, payee)
    return Channel(name, frozenset(keys), found.amount_nanos, found.expires_at)


def settle(
    session: Session, *, hold: int, payee: str, voucher: Voucher, key: str, at: float
) -> int:
    """Pay what the voucher says and free the rest, once per key; the number of the payment.

    Raises:
        VoucherError: The voucher is not good for this channel, now.
        HoldClosedError: The channel was settled before, under another key.
    """
    body: dict[str, object] = {"hold": hold, "payee": payee, "voucher": voucher.to_json()}
    if not claim(session, key=key, operation="settle-channel", body=body, at=at):
        return made_by(session, key)
    channel(session, hold=hold, payee=payee).accept(voucher, at)
    return post_hold(
        session,
        hold,
        legs=[Leg(payee, voucher.cumulative_nanos)],
        key=key,
        at=at,
        memo=f"voucher {voucher.seq} on hold {hold}",
    )
