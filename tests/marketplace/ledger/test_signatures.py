"""Promises of marketplace.ledger.account_key."""

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from genome.errors import LayerRejected
from genome.shelf.manifest import Manifest
from genome.shelf.signing import TrustPolicy, is_weak, signature_holds
from marketplace.errors import NameFormatError
from marketplace.ledger.account_key import check_public_key, is_signed
from tests.support.market import make_market

WEAK_KEYS = [
    "0100000000000000000000000000000000000000000000000000000000000000",
    "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    "0000000000000000000000000000000000000000000000000000000000000000",
    "0000000000000000000000000000000000000000000000000000000000000080",
    "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a",
    "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac03fa",
    "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05",
    "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc85",
    "0100000000000000000000000000000000000000000000000000000000000080",
    "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff",
    "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff",
    "eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    "eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff",
]
"""The eight points of small order, then their other encodings."""
KEY = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
PUBLIC = KEY.public_key().public_bytes_raw().hex()
SIGNATURE = KEY.sign(b"message").hex()


def test_a_signature_holds_for_its_key_and_message_only() -> None:
    other = Ed25519PrivateKey.from_private_bytes(bytes(32)).public_key().public_bytes_raw().hex()
    assert is_signed(PUBLIC, SIGNATURE, b"message")
    assert not is_signed(PUBLIC, SIGNATURE, b"massage")
    assert not is_signed(other, SIGNATURE, b"message")


@pytest.mark.parametrize("text", ["", "x", "00", "0" * 63])
def test_what_is_no_key_or_signature_signs_nothing(text: str) -> None:
    assert not is_signed(text, SIGNATURE, b"message")
    assert not is_signed(PUBLIC, text, b"message")


@pytest.mark.parametrize("key", WEAK_KEYS)
def test_a_key_with_which_anybody_can_sign_signs_nothing(key: str) -> None:
    """All points of small order, in every encoding; for the first, one signature fits any text."""
    forged = "01" + "00" * 63
    identity = Ed25519PublicKey.from_public_bytes(bytes.fromhex(WEAK_KEYS[0]))
    identity.verify(bytes.fromhex(forged), b"anything")
    assert is_weak(key) and not is_weak(PUBLIC)
    assert not is_signed(key, forged, b"anything")
    with pytest.raises(NameFormatError, match="anybody can sign"):
        check_public_key(key)
    files = {"adapter_config.json": "d" * 64}
    manifest = Manifest("sorter-1", digest="c" * 64, files=files, creator=key, signature=forged)
    assert not signature_holds(manifest)
    with pytest.raises(LayerRejected) as refused:
        TrustPolicy(known=frozenset({key})).check(manifest)
    assert refused.value.code == "signature_bad"
    with make_market(credits={"ada": 0}) as market:
        with pytest.raises(NameFormatError):
            market.register("eve", key, key="k")
        with pytest.raises(NameFormatError):
            market.add_key("ada", key, proof=forged, key="k")
