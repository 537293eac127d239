"""Credits go to accounts that somebody can speak for; nothing is granted into the void."""

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from marketplace.errors import KeyTakenError, UnclaimedAccountError
from marketplace.ledger.account_key import prove_key
from marketplace.market import Market
from tests.support.market import make_market

KEY = Ed25519PrivateKey.from_private_bytes(bytes([1]) * 32)
OTHER = Ed25519PrivateKey.from_private_bytes(bytes([2]) * 32)


def public(key: Ed25519PrivateKey) -> str:
    return key.public_key().public_bytes_raw().hex()


def served(market: Market) -> Market:
    market.note_served()
    market.note_served()  # each start of a service says so
    assert market.is_served()
    return market


def test_a_homes_own_market_funds_whom_it_likes() -> None:
    """There whoever holds the file speaks for all."""
    market = make_market(credits={"me": 5})
    assert not market.is_served()
    assert market.account("me").balance_nanos == 5 * 10**9


@pytest.mark.parametrize("opened", [False, True], ids=["unknown", "without a key"])
def test_a_served_market_funds_nobody_without_a_key(opened: bool) -> None:
    """Refused with the remedy, and nothing is left behind that would be in the owner's way."""
    market = make_market()
    if opened:
        market.open_account("bob")
    served(market)
    with pytest.raises(UnclaimedAccountError, match="market open bob"):
        market.fund("bob", 5, key="welcome")
    assert [x.name for x in market.accounts() if x.balance_nanos] == []
    if not opened:
        market.register("bob", public(KEY), key="open")
        market.fund("bob", 5, key="welcome")
        assert market.account("bob").balance_nanos == 5


def test_a_mandate_is_spoken_for_by_its_owner() -> None:
    """Its owner's keys are good for it."""
    market = served(make_market())
    market.register("bob", public(KEY), key="open")
    market.open_mandate(owner="bob", name="shop", cap_nanos=9, key="m")
    market.fund("bob/shop", 5, key="gift")
    assert market.account("bob/shop").balance_nanos == 5


def test_an_account_from_before_is_given_a_key_by_who_holds_the_database() -> None:
    """From afar it is nobody's; adopted, it has its credits; a second key cannot be slipped in."""
    market = served(make_market(credits={"bob": 5}))
    with pytest.raises(UnclaimedAccountError, match="--public"):
        market.register("bob", public(KEY), key="open")
    market.adopt("bob", public(KEY), proof=prove_key(KEY, "bob"), key="adopt")
    assert market.speaker(public(KEY)) == "bob" and market.account("bob").balance_nanos == 5 * 10**9
    with pytest.raises(KeyTakenError):
        market.adopt("bob", public(OTHER), proof=prove_key(OTHER, "bob"), key="theft")
    assert market.verify() == []
