"""What is signed cannot be changed, moved or replayed: checked with the library's own verifier."""

from __future__ import annotations

from datetime import timedelta

import httpx
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from http_message_signatures import HTTPMessageVerifier, HTTPSignatureKeyResolver
from http_message_signatures.algorithms import ED25519
from http_message_signatures.exceptions import HTTPMessageSignaturesException
from http_message_signatures.structures import VerifyResult

from marketplace.client.transport import TAG, VALID_S, RequestSigner
from marketplace.ledger.keyring import PrivateKey

KEY = PrivateKey.generate()
URL = "http://market.test/v1/listings/a?max_price=0.5"
NEEDED = ("@method", "@target-uri", "content-digest", "idempotency-key")


class KeyIsItsName(HTTPSignatureKeyResolver):
    def resolve_public_key(self, key_id: str) -> Ed25519PublicKey:
        return Ed25519PublicKey.from_public_bytes(bytes.fromhex(key_id))


def signed(body: bytes | None = b'{"a":1}', at: float | None = None) -> httpx.Request:
    import time

    headers = {"Idempotency-Key": "k1"} if body else {}
    request = httpx.Request("POST" if body else "GET", URL, content=body, headers=headers)
    flow = RequestSigner(KEY, lambda: time.time() if at is None else at).auth_flow(request)
    return next(flow)


def check(request: httpx.Request, needed: tuple[str, ...] = NEEDED) -> VerifyResult:
    verifier = HTTPMessageVerifier(signature_algorithm=ED25519, key_resolver=KeyIsItsName())
    results = verifier.verify(
        request,
        max_age=timedelta(seconds=60),
        expect_tag=TAG,
        require_components=needed,
        body=request.content or None,
    )
    assert len(results) == 1
    return results[0]


def test_a_signed_request_names_its_key_and_ends_soon() -> None:
    """The key id is the public key; created and expires are half a minute apart."""
    found = check(signed()).parameters
    assert found["keyid"] == KEY.public
    assert found["expires"] - found["created"] == VALID_S
    assert len(found["nonce"]) >= 22


def test_reading_has_no_body_and_no_key_to_cover() -> None:
    """Method and address are enough."""
    assert check(signed(None), ("@method", "@target-uri"))


def test_two_requests_have_two_nonces() -> None:
    """Else the second would be a replay."""
    assert check(signed()).parameters["nonce"] != check(signed()).parameters["nonce"]


@pytest.mark.parametrize(
    "changed",
    [
        {"method": "PUT"},
        {"url": "http://market.test/v1/listings/b?max_price=0.5"},
        {"url": "http://market.test/v1/listings/a?max_price=5"},
        {"url": "http://other.test/v1/listings/a?max_price=0.5"},
        {"content": b'{"a":2}'},
        {"key": "k2"},
    ],
)
def test_whatever_is_changed_breaks_the_signature(changed: dict[str, object]) -> None:
    """Method, path, query, host, body, idempotency key."""
    true = signed()
    headers = dict(true.headers)
    headers.pop("content-length")
    headers["idempotency-key"] = str(changed.get("key", "k1"))
    content = changed.get("content", true.content)
    assert isinstance(content, bytes)
    url = str(changed.get("url", URL))
    forged = httpx.Request(
        str(changed.get("method", "POST")), url, content=content, headers=headers
    )
    with pytest.raises(HTTPMessageSignaturesException):
        check(forged)


def test_an_old_signature_is_worth_nothing() -> None:
    """It expired half a minute after it was made."""
    with pytest.raises(HTTPMessageSignaturesException):
        check(signed(at=1_000_000_000.0))
