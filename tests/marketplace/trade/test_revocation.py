"""Promises of marketplace.trade.moderation."""

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from marketplace.errors import ProvenanceError
from marketplace.trade.moderation import RevocationList, check_revocations, sign_revocations

KEY = Ed25519PrivateKey.generate()
PUBLIC = KEY.public_key().public_bytes_raw().hex()
LIST = RevocationList(3, 100.0, 200.0, {"d" * 64: "poisoned"}, {"e" * 64: "stolen"})


def code(data: bytes, *, now: float = 150.0, seen: int = 0, key: str = PUBLIC) -> str:
    """The refusal's code, or 'accepted'."""
    try:
        check_revocations(data, public_key=key, now=now, seen_number=seen)
    except ProvenanceError as error:
        return error.code
    return "accepted"


def test_a_signed_list_comes_back_as_it_was() -> None:
    """Every layer, key and reason."""
    data = sign_revocations(LIST, KEY)
    assert check_revocations(data, public_key=PUBLIC, now=150.0, seen_number=3) == LIST


def test_an_old_list_is_refused() -> None:
    """Past its last day, or after a newer one was seen: an attacker cannot freeze the client."""
    data = sign_revocations(LIST, KEY)
    assert code(data, now=200.0) == "signature_expired"
    assert code(data, seen=4) == "version_rollback"


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"[]",
        b"{}",
        b'{"list": {}, "signature": "00"}',
        b"[" * 10_000,
        sign_revocations(LIST, Ed25519PrivateKey.generate()),
        sign_revocations(LIST, KEY).replace(b"poisoned", b"harmless"),
        sign_revocations(LIST, KEY).replace(b'"number": 3', b'"number": 9'),
    ],
)
def test_a_changed_or_foreign_list_is_refused(data: bytes) -> None:
    """Whatever was changed, and whoever else signed."""
    assert code(data) == "signature_bad"
