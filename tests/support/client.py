"""For tests: a service in this process behind the real client, and a network that loses answers."""

import asyncio
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Self

import httpx

from marketplace.client.remote import RemoteMarket
from marketplace.client.transport import Patience
from marketplace.ledger.keyring import PrivateKey
from marketplace.market import Market
from marketplace.money import NANOS_PER_CREDIT

ORIGIN = "http://market.test"
Fate = Callable[[httpx.Request], str]


class InProcess(httpx.BaseTransport):
    """Carries a synchronous client's requests to an ASGI application on a loop of its own."""

    def __init__(self, app: Any) -> None:
        self._inner = httpx.ASGITransport(app=app, raise_app_exceptions=False)
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)

    def __enter__(self) -> Self:
        """Start the loop."""
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None = None,
        error: BaseException | None = None,
        traceback: TracebackType | None = None,
    ) -> None:
        """Stop the loop."""
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        """The application's complete answer."""
        content = request.read()
        return asyncio.run_coroutine_threadsafe(self._answer(request, content), self._loop).result()

    def close(self) -> None:
        """Leave the loop to others: several clients share one service."""

    async def _answer(self, request: httpx.Request, content: bytes) -> httpx.Response:
        sent = httpx.Request(
            request.method, request.url, headers=request.headers, content=content or None
        )
        response = await self._inner.handle_async_request(sent)
        body = b"".join([block async for block in response.stream])  # type: ignore[union-attr]
        return httpx.Response(response.status_code, headers=response.headers, content=body)


class Lossy(httpx.BaseTransport):
    """Loses what it is told to lose.

    Args:
        fate: For each request in turn: 'request' = lost on the way, 'answer' = done but the answer
            is lost, '' = all goes well.
    """

    def __init__(self, inner: httpx.BaseTransport, fate: Fate) -> None:
        self._inner = inner
        self._fate = fate

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        """The answer, if it arrives."""
        fate = self._fate(request)
        if fate == "request":
            raise httpx.ConnectError("lost on the way", request=request)
        response = self._inner.handle_request(request)
        if fate == "answer":
            raise httpx.ReadTimeout("the answer was lost", request=request)
        return response


@dataclass
class Hosted:
    """A market, its service, and everybody who asks it."""

    market: Market
    wire: InProcess
    keys: dict[str, PrivateKey] = field(default_factory=dict)
    opened: list[RemoteMarket] = field(default_factory=list)

    def at(self, account: str | None, fate: Fate | None = None) -> RemoteMarket:
        """A client that acts as an account, over a network that may lose things."""
        key = None if account is None else self.keys.setdefault(account, PrivateKey.generate())
        carrier = self.wire if fate is None else Lossy(self.wire, fate)
        http = httpx.Client(transport=carrier)
        patience = Patience(first_pause_s=0.0, longest_pause_s=0.0)
        client = RemoteMarket(ORIGIN, account=account, key=key, http=http, patience=patience)
        self.opened.append(client)
        return client

    def member(self, account: str, credits: int = 0) -> RemoteMarket:
        """A client whose account is open and has credits."""
        client = self.at(account)
        client.open_account(account)
        if credits:
            self.market.fund(account, credits * NANOS_PER_CREDIT, key=f"grant-{account}")
        return client
