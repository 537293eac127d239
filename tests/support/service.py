"""Clients for tests: they sign as the real one does, in the same process as the service."""

import secrets
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from http_message_signatures import (
    HTTPMessageSignaturesException,
    HTTPMessageSigner,
    MappingKeyResolver,
    algorithms,
)

from marketplace.service.signature import TAG

ORIGIN = "http://testserver"


def key_of(seed: str) -> Ed25519PrivateKey:
    """The private key that belongs to a word."""
    return Ed25519PrivateKey.from_private_bytes(seed.encode().ljust(32, b"-")[:32])


def public_of(key: Ed25519PrivateKey) -> str:
    """The public half, 64 hex digits."""
    return key.public_key().public_bytes_raw().hex()


class _Message:
    def __init__(self, method: str, url: str, headers: dict[str, str]) -> None:
        self.method, self.url, self.headers = method, url, headers


def sign_headers(
    key: Ed25519PrivateKey,
    method: str,
    url: str,
    body: bytes = b"",
    headers: Mapping[str, str] | None = None,
    *,
    created: datetime | None = None,
    validity_s: float = 30.0,
    nonce: str | None = None,
    covered: tuple[str, ...] | None = None,
    tag: str = TAG,
) -> dict[str, str]:
    """The headers of a signed request, the given ones included."""
    message = _Message(method, url, dict(headers or {}))
    names = {name.lower() for name in message.headers}
    wanted: tuple[str, ...] = ("@method", "@target-uri")
    wanted += ("idempotency-key",) if "idempotency-key" in names else ()
    public, now = public_of(key), created or datetime.now()
    resolver = MappingKeyResolver(public_keys={}, private_keys={public: key})
    signer = HTTPMessageSigner(signature_algorithm=algorithms.ED25519, key_resolver=resolver)
    signer.sign(
        message,
        key_id=public,
        created=now,
        expires=now + timedelta(seconds=validity_s),
        nonce=nonce or secrets.token_urlsafe(16),
        label="sig",
        tag=tag,
        covered_component_ids=wanted if covered is None else covered,
        body=body or None,
    )
    return message.headers


class SigningClient:
    """One account's requests to a service in this process.

    Args:
        transport: A `TestClient` or httpx client at an origin of the service.
    """

    def __init__(self, transport: Any, key: Ed25519PrivateKey | None) -> None:
        self._transport = transport
        self.key = key

    def send(
        self,
        method: str,
        path: str,
        json: Any = None,
        *,
        content: bytes | None = None,
        idempotency_key: str | None = None,
        headers: Mapping[str, str] | None = None,
        **signing: Any,
    ) -> Any:
        """Send a request, signed if there is a key."""
        request = self._transport.build_request(
            method, path, json=json, content=content, headers=dict(headers or {})
        )
        if idempotency_key is not None:
            request.headers["Idempotency-Key"] = idempotency_key
        if self.key is not None:
            own = {"Idempotency-Key": idempotency_key} if idempotency_key is not None else {}
            request.headers.update(
                sign_headers(self.key, method, str(request.url), request.read(), own, **signing)
            )
        return self._transport.send(request)

    def get(self, path: str, **options: Any) -> Any:
        """A signed read."""
        return self.send("GET", path, **options)

    def change(self, method: str, path: str, json: Any = None, **options: Any) -> Any:
        """A signed change with a key of its own unless one is given."""
        options.setdefault("idempotency_key", secrets.token_hex(8))
        return self.send(method, path, json, **options)


class SigningProxy:
    """Stands before a service and signs whatever comes, byte for byte as it came.

    For tools that make up requests: what they send is refused for what it says, not for want of
    a signature. `signing` turns it off, to see that nothing works without.
    """

    def __init__(self, app: Any, key: Ed25519PrivateKey) -> None:
        self._app = app
        self._key = key
        self.signing = True

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Pass a request on, signed."""
        if scope["type"] != "http" or not self.signing:
            await self._app(scope, receive, send)
            return
        body, more = b"", True
        while more:
            message = await receive()
            body, more = body + message.get("body", b""), message.get("more_body", False)
        await self._app(self._signed(dict(scope), body), _once(body), send)

    def _signed(self, scope: dict[str, Any], body: bytes) -> dict[str, Any]:
        drop = (b"signature", b"signature-input", b"content-digest", b"transfer-encoding")
        lines = [(name, value) for name, value in scope["headers"] if name.lower() not in drop]
        if body and not any(name.lower() == b"content-length" for name, _ in lines):
            lines.append((b"content-length", str(len(body)).encode()))
        sent = {name.decode("latin-1"): value.decode("latin-1") for name, value in lines}
        path = (scope.get("raw_path") or scope["path"].encode()).decode("latin-1")
        query = scope["query_string"].decode("latin-1")
        url = f"http://{sent.get('host', '')}{path}{f'?{query}' if query else ''}"
        idempotency = {k: v for k, v in sent.items() if k.lower() == "idempotency-key"}
        try:
            signed = sign_headers(self._key, scope["method"], url, body, idempotency)
        except HTTPMessageSignaturesException:  # what cannot be signed comes unsigned
            return scope
        new = {name: value for name, value in signed.items() if name not in idempotency}
        lines += [(name.lower().encode(), value.encode()) for name, value in new.items()]
        return scope | {"headers": lines}


def _once(body: bytes) -> Any:
    messages = [{"type": "http.request", "body": body, "more_body": False}]

    async def receive() -> dict[str, Any]:
        return messages.pop() if messages else {"type": "http.disconnect"}

    return receive
