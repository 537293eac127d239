"""Keys of accounts: first come, proven, never given twice."""

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from marketplace.errors import (
    HouseAccountError,
    IdempotencyKeyReusedError,
    KeyProofError,
    KeyTakenError,
    LastKeyError,
    NameFormatError,
)
from marketplace.ledger.account_key import MAX_KEYS, check_public_key, prove_key
from tests.support.market import make_market


def private(number: int) -> Ed25519PrivateKey:
    """A key of its own for each number."""
    return Ed25519PrivateKey.from_private_bytes(bytes([number]) * 32)


def public(number: int) -> str:
    """Its public half."""
    return private(number).public_key().public_bytes_raw().hex()


def test_registration_opens_the_account_once():
    """Repeating it, with the same or another idempotency key, finds the same key."""
    market = make_market()
    first = market.register("ada", public(1), key="k")
    assert market.register("ada", public(1), key="k") == first
    assert market.register("ada", public(1), key="k2") == first
    assert market.speaker(public(1)) == "ada" and market.account("ada").balance_nanos == 0


def test_nobody_takes_an_account_that_exists():
    """With keys or without: an account is registered when it is new, or never this way."""
    market = make_market(credits={"rich": 5})
    market.register("ada", public(1), key="k")
    for name in ("rich", "ada"):
        with pytest.raises(KeyTakenError):
            market.register(name, public(2), key=f"steal-{name}")
    assert market.speaker(public(2)) is None


def test_a_key_speaks_for_one_account_only():
    """Two accounts with one key could be mistaken for each other."""
    market = make_market()
    market.register("ada", public(1), key="k")
    with pytest.raises(KeyTakenError):
        market.register("bob", public(1), key="k2")
    with pytest.raises(KeyTakenError):
        market.add_key("bob", public(1), proof=prove_key(private(1), "bob"), key="k3")


def test_added_key_must_agree_to_this_account():
    """A proof for another account, or by another key, is none."""
    market = make_market()
    market.register("ada", public(1), key="k")
    for proof in (prove_key(private(2), "bob"), prove_key(private(3), "ada"), "", "00" * 64):
        with pytest.raises(KeyProofError):
            market.add_key("ada", public(2), proof=proof, key="add")
    market.add_key("ada", public(2), proof=prove_key(private(2), "ada"), key="add")
    assert market.speaker(public(2)) == "ada"


def test_revoked_key_is_silent_for_good():
    """It speaks no more, and cannot be registered again by anybody."""
    market = make_market()
    market.register("ada", public(1), key="k")
    market.add_key("ada", public(2), proof=prove_key(private(2), "ada"), key="add")
    assert market.n_revoked_keys() == 0
    market.revoke_key("ada", public(1), key="revoke")
    assert market.revoke_key("ada", public(1), key="revoke").revoked_at is not None
    assert market.speaker(public(1)) is None and market.n_revoked_keys() == 1
    with pytest.raises(KeyTakenError):
        market.register("eve", public(1), key="again")
    with pytest.raises(LastKeyError):
        market.revoke_key("ada", public(2), key="last")


def test_limits():
    """No keys for the house, no endless keys, no reused idempotency key, no odd key."""
    market = make_market()
    with pytest.raises(HouseAccountError):
        market.register("platform", public(1), key="k")
    market.register("ada", public(1), key="k")
    for number in range(2, MAX_KEYS + 1):
        market.add_key(
            "ada", public(number), proof=prove_key(private(number), "ada"), key=str(number)
        )
    with pytest.raises(KeyTakenError, match="the most"):
        market.add_key("ada", public(99), proof=prove_key(private(99), "ada"), key="99")
    with pytest.raises(IdempotencyKeyReusedError):
        market.register("bob", public(50), key="k")
    for odd in ("", "A" * 64, "0" * 63, None, 5):
        with pytest.raises(NameFormatError):
            check_public_key(odd)


def test_a_mandates_last_key_can_be_revoked():
    """Nothing is lost: its owner still speaks for it."""
    market = make_market()
    market.register("ada", public(1), key="k")
    market.open_mandate(owner="ada", name="shopper", cap_nanos=5, key="m")
    proof = prove_key(private(2), "ada/shopper")
    market.add_key("ada/shopper", public(2), proof=proof, key="k2")
    assert market.speaker(public(2)) == "ada/shopper"
    assert market.revoke_key("ada/shopper", public(2), key="r").revoked_at is not None
    assert market.speaker(public(2)) is None
    with pytest.raises(LastKeyError):
        market.revoke_key("ada", public(1), key="r2")
