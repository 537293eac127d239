"""Requests signed as RFC 9421 asks: the service knows who speaks and that nothing was altered.

Covered are method, full address, body digest and idempotency key; each attempt has a fresh nonce
and lives for half a minute, so a recorded request is worth nothing later or elsewhere.
"""

import secrets
from collections.abc import Callable, Generator
from datetime import UTC, datetime, timedelta

import httpx
from http_message_signatures import HTTPMessageSigner, HTTPSignatureKeyResolver
from http_message_signatures.algorithms import ED25519

from marketplace.keys import PrivateKey

LABEL = "sig"
TAG = "continuum-market"
VALID_S = 30
"""Seconds a signature is good for; the service refuses more than 60."""
NONCE_BYTES = 18


class RequestSigner(httpx.Auth):
    """Signs every request it is given, each attempt anew."""

    def __init__(self, key: PrivateKey, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._public = key.public
        self._signer = HTTPMessageSigner(signature_algorithm=ED25519, key_resolver=_OneKey(key))

    def auth_flow(self, request: httpx.Request) -> Generator[httpx.Request, httpx.Response, None]:
        """The request with its signature; called by httpx."""
        covered = ["@method", "@target-uri"]
        if "Idempotency-Key" in request.headers:
            covered.append("idempotency-key")
        has_digest = "Content-Digest" in request.headers  # of a file that is sent as it is read
        if has_digest:
            covered.append("content-digest")
        created = datetime.fromtimestamp(int(self._clock()), UTC)
        self._signer.sign(
            request,
            key_id=self._public,
            created=created,
            expires=created + timedelta(seconds=VALID_S),
            nonce=secrets.token_urlsafe(NONCE_BYTES),
            label=LABEL,
            tag=TAG,
            covered_component_ids=covered,
            body=None if has_digest else request.read() or None,
            use_existing_digest=has_digest,
        )
        yield request


class _OneKey(HTTPSignatureKeyResolver):
    def __init__(self, key: PrivateKey) -> None:
        self._key = key

    def resolve_private_key(self, key_id: str) -> object:
        """The client's own key, whatever its name."""
        return self._key.private

    def resolve_public_key(self, key_id: str) -> object:
        """Never asked for: a client signs, it does not verify."""
        raise NotImplementedError
