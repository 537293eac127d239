"""HTTP as uvicorn speaks it, with bounds on what a client may send and how long it may take.

httptools keeps a header in memory until its line ends, however long that is, and uvicorn waits for
the end of a head or a body for ever. What is bounded here is the head; who may wait how long is
decided by the seats (`marketplace.service.rates`), which are told whose turn it is.
"""

import asyncio
import math
import time
from typing import Any, cast

from uvicorn.middleware.proxy_headers import ProxyHeadersMiddleware
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from marketplace.service.caller import peer_name
from marketplace.service.frontdoor import is_layer_file
from marketplace.service.problems import (
    MEDIA_TYPE,
    PROBLEMS,
    ProblemError,
    problem_response,
    service_document,
)
from marketplace.service.rates import SEAT, Connections, Seat

LINE_BYTES = 32
"""What an empty header line counts: thousands of them cost memory too."""
HEAD, BODY, DONE = "head", "body", "done"
"""What of a request is still to come."""


class BoundedHttp(HttpToolsProtocol):
    """One connection. `made_for` binds it to a service's seats."""

    _seats: Connections
    _max_body_bytes: int
    _proxies: Any

    @classmethod
    def made_for(
        cls, seats: Connections, max_body_bytes: int, proxies: tuple[str, ...]
    ) -> type["BoundedHttp"]:
        """The class that uvicorn is to use.

        Args:
            proxies: Addresses whose connections carry others' requests.
        """
        trusted = ProxyHeadersMiddleware(_nobody, list(proxies)).trusted_hosts
        parts = {"_seats": seats, "_max_body_bytes": max_body_bytes, "_proxies": trusted}
        return type("BoundedHttp", (cls,), parts)

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Take a seat."""
        super().connection_made(transport)
        peer = self.client[0] if self.client else "unknown"
        proxied = peer in self._proxies
        self._left, self._head_bytes, self._body_until = HEAD, 0, math.inf
        self._seat = Seat(
            peer_name(peer), transport.abort, transport.get_write_buffer_size, proxied, proxied
        )
        self._seat.waits(time.monotonic(), self._seats.limits.head_s)
        self._seats.enter(self._seat)

    def connection_lost(self, exc: Exception | None) -> None:
        """Give the seat back."""
        self._seats.leave(self._seat)
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Count what belongs to an unfinished head; let a body that goes on go on."""
        seat, limits, left = self._seat, self._seats.limits, self._left
        if seat.waiting and left == BODY:
            seat.deadline = min(time.monotonic() + limits.stall_s, self._body_until)
        elif seat.waiting and seat.deadline == math.inf:  # the first bytes of the next head
            seat.waits(time.monotonic(), limits.head_s)
        super().data_received(data)
        if left == self._left == HEAD:
            self._head_bytes += len(data)
            if self._head_bytes > limits.max_head_bytes:
                self._refuse()

    def on_message_begin(self) -> None:
        """A head begins."""
        super().on_message_begin()
        self._left, self._head_bytes = HEAD, 0

    def on_url(self, url: bytes) -> None:
        """A part of the address."""
        self._head_bytes += len(url)
        super().on_url(url)

    def on_header(self, name: bytes, value: bytes) -> None:
        """A header, or a trailer behind a body."""
        self._head_bytes += len(name) + len(value) + LINE_BYTES
        if self._head_bytes <= self._seats.limits.max_head_bytes:
            super().on_header(name, value)
        elif self._left != HEAD:
            self.transport.abort()

    def on_headers_complete(self) -> None:
        """A head is complete: refuse it, or let it be answered."""
        if self._head_bytes > self._seats.limits.max_head_bytes:
            self._refuse()
        else:
            self._expect_body()
            cast("dict[str, Any]", self.scope)[SEAT] = self._seat
            super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        """A part of the body; of a refused request, nothing."""
        if not self.transport.is_closing():
            super().on_body(body)

    def on_message_complete(self) -> None:
        """The request is whole: our turn, unless it was refused before."""
        if self.transport.is_closing():
            return
        self._left, self._seat.n_bytes = DONE, 0
        self._seat.works()
        super().on_message_complete()
        self._rest_when_done()

    def on_response_complete(self) -> None:
        """The answer is whole; uvicorn goes on with the next request if it is here."""
        super().on_response_complete()
        self._body_until = min(self._body_until, time.monotonic() + self._seats.limits.body_s)
        self._rest_when_done()

    def _rest_when_done(self) -> None:
        """The client's turn, for as long as uvicorn keeps idle connections."""
        if self._left == DONE and self.cycle.response_complete:
            self._seat.waits(time.monotonic(), math.inf)
            self._seat.known |= self._seat.proxied

    def _expect_body(self) -> None:
        seat, limits, now = self._seat, self._seats.limits, time.monotonic()
        method, path = self.parser.get_method().decode("ascii"), self.url.decode("latin-1")
        is_file = is_layer_file(method, path)
        length = next((value for name, value in self.headers if name == b"content-length"), b"")
        self._left, self._body_until = BODY, math.inf if is_file else now + limits.body_s
        seat.n_bytes = 0 if is_file else min(self._max_body_bytes, int(length[:18] or 0))
        seat.waits(now, limits.stall_s)
        if seat.proxied:
            seat.known = False
        if seat.n_bytes:
            self._seats.share(seat)

    def _refuse(self) -> None:
        """431, and no more of this client: where its next request begins is not known."""
        if self.cycle is not None and not self.cycle.response_complete:
            self.transport.abort()
            return
        limit = self._seats.limits.max_head_bytes
        problem = ProblemError(
            "head-too-large", f"address and headers may have {limit} bytes together: send less"
        )
        status, title = PROBLEMS[problem.slug]
        body = bytes(problem_response(service_document(problem)).body)
        head = (
            f"HTTP/1.1 {status} {title}\r\ncontent-type: {MEDIA_TYPE}\r\n"
            f"content-length: {len(body)}\r\nconnection: close\r\n\r\n"
        )
        self.transport.write(head.encode("ascii") + body)
        self.transport.close()


async def _nobody(_scope: Any, _receive: Any, _send: Any) -> None:
    """No application: only the addresses are of interest."""
