"""Promises of marketplace.payment_channel, on both databases."""

from collections.abc import Iterator

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from marketplace.errors import (
    AccountNotFoundError,
    HoldClosedError,
    HouseAccountError,
    VoucherError,
)
from marketplace.market import Market
from marketplace.testing import TickingClock
from marketplace.voucher import Voucher, sign_voucher

KEY = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
PUBLIC = KEY.public_key().public_bytes_raw().hex()
FUNDS = 10_000


@pytest.fixture
def market(market_url: str) -> Iterator[Market]:
    """Ada, whose key is registered, has credits; bob has none."""
    with Market.open(market_url, clock=TickingClock()) as market:
        market.register("ada", PUBLIC, key="register")
        market.open_account("bob")
        market.fund("ada", FUNDS, key="fund")
        yield market


def opened(market: Market, payer: str = "ada") -> int:
    """A hold of 1000 that lasts."""
    return market.hold(
        payer=payer, amount_nanos=1000, purpose="to bob", expires_at=9e9, key=f"hold-{payer}"
    )


def signed(market: Market, hold: int, seq: int, nanos: int, payee: str = "bob") -> Voucher:
    """Ada's voucher on the hold."""
    name = market.channel(hold, payee).name
    return sign_voucher(KEY, channel=name, seq=seq, cumulative_nanos=nanos, expires_at=8 * 10**9)


def test_the_newest_voucher_is_paid_once_and_the_rest_is_free(market: Market) -> None:
    hold = opened(market)
    channel, now = market.channel(hold, "bob"), 2e9
    for seq in range(1, 4):
        channel = channel.accept(signed(market, hold, seq, 100 * seq), now)
    assert channel.newest is not None
    payment = market.settle_channel(hold, "bob", channel.newest, key="settle")
    assert market.settle_channel(hold, "bob", channel.newest, key="settle") == payment
    assert market.account("bob").balance_nanos == 300
    assert market.account("ada").balance_nanos == market.account("ada").available_nanos == 9700
    assert market.verify() == []
    with pytest.raises(HoldClosedError):
        market.settle_channel(hold, "bob", channel.newest, key="again")


def test_a_voucher_for_one_payee_pays_nobody_else(market: Market) -> None:
    market.open_account("eve")
    hold = opened(market)
    stolen = signed(market, hold, 1, 500)
    with pytest.raises(VoucherError, match="another channel"):
        market.settle_channel(hold, "eve", stolen, key="settle")
    assert market.account("eve").balance_nanos == 0
    assert market.settle_channel(hold, "bob", stolen, key="settle") > hold


def test_a_mandate_pays_with_its_owner_s_key(market: Market) -> None:
    market.open_mandate(owner="ada", name="agent", cap_nanos=2000, key="mandate")
    market.fund_mandate("ada/agent", 2000, key="fund-mandate")
    hold = opened(market, "ada/agent")
    market.settle_channel(hold, "bob", signed(market, hold, 1, 700), key="settle")
    assert market.account("ada/agent").available_nanos == 1300


def test_what_is_no_channel_is_refused(market: Market) -> None:
    hold = opened(market)
    with pytest.raises(AccountNotFoundError):
        market.channel(hold, "nobody")
    with pytest.raises(HouseAccountError):
        market.channel(hold, "platform")
    market.void_hold(hold, key="void")
    with pytest.raises(HoldClosedError):
        market.channel(hold, "bob")
