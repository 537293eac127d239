"""Promises of marketplace.signatures."""

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from marketplace.signatures import is_signed

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
