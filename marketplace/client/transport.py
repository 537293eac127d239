"""One question to the service and its answer, however often it has to be asked.

A lost answer says nothing about whether the change was made. So a request is repeated as it was,
with the same idempotency key, until there is an answer or patience ends; the service makes sure
that all attempts together have one effect. Refusals come back as the market's own errors.

What came back from the service, and whether asking again may help.

Requests signed as RFC 9421 asks: the service knows who speaks and that nothing was altered.

Covered are method, full address, body digest and idempotency key; each attempt has a fresh nonce
and lives for half a minute, so a recorded request is worth nothing later or elsewhere.
"""

import json
import random
import re
import secrets
import time
from collections.abc import Callable, Generator, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Generic, Self, TypeVar

import httpx
from http_message_signatures import HTTPMessageSigner, HTTPSignatureKeyResolver
from http_message_signatures.algorithms import ED25519

from marketplace.errors import (
    AnswerError,
    InvalidInputError,
    MarketError,
    ServiceError,
    ServiceUnreachableError,
)
from marketplace.ledger.keyring import PrivateKey
from marketplace.names import check_key
from marketplace.wire import PREFIX, SERVICE_PREFIX, error_of, from_wire


@dataclass(frozen=True, slots=True)
class Answer:
    """A complete answer: status, headers, body."""

    status: int
    headers: httpx.Headers
    body: bytes

    @property
    def may_be_retried(self) -> bool:
        """Whether the same request may succeed a moment later."""
        return self.status in RETRIED_STATUS or (
            self.status in (401, 409) and self._problem().get("type") in RETRIED_PROBLEMS
        )

    @property
    def retry_after_s(self) -> float | None:
        """The pause the service asks for."""
        text = self.headers.get("Retry-After", "")
        return float(text) if text.isascii() and text.isdigit() else None

    def json(self) -> Any:
        """The body as JSON values.

        Raises:
            AnswerError: It is none.
        """
        try:
            return json.loads(self.body)
        except (ValueError, RecursionError):
            raise AnswerError(
                f"the service's answer is no JSON ({len(self.body)} bytes): check that the address"
                " is one of a market"
            ) from None

    def checked(self, url: str) -> Self:
        """This answer, if it grants what was asked.

        Raises:
            MarketError: What the service refused.
        """
        if 200 <= self.status < 300:
            return self
        raise self._error(url)

    def _error(self, url: str) -> MarketError:
        problem = self._problem()
        if "type" in problem:
            return error_of(problem["type"], problem.get("detail"))
        return ServiceError(
            f"{url} answered {self.status} without a reason: check that the address is one of a"
            " market"
        )

    def _problem(self) -> dict[str, Any]:
        if not self.headers.get("Content-Type", "").startswith("application/problem+json"):
            return {}
        try:
            problem = json.loads(self.body)
        except (ValueError, RecursionError):
            return {}
        return problem if isinstance(problem, dict) else {}


T = TypeVar("T")
MAX_PAGES = 100_000


@dataclass(frozen=True, slots=True)
class Patience:
    """How long a client insists; all in seconds."""

    connect_s: float = 5.0
    answer_s: float = 30.0
    attempts: int = 6
    first_pause_s: float = 0.2
    """Doubled after each attempt, halved to whole by chance so that clients spread."""
    longest_pause_s: float = 10.0


@dataclass(frozen=True, slots=True)
class Page(Generic[T]):
    """A part of a list."""

    items: list[T]
    next: str | None = None
    """Cursor of the next part; None after the last."""
    total: int | None = None
    """Items in all, where the service counts them."""


class Transport:
    """Speaks to one service, as one account or as nobody.

    Args:
        url: Such as http://127.0.0.1:8000; a path in it is kept as prefix.
        key: Signs the requests; None for public reading.
        http: Instead of a client of its own, for tests.
    """

    def __init__(
        self,
        url: str,
        key: PrivateKey | None = None,
        *,
        patience: Patience | None = None,
        http: httpx.Client | None = None,
        clock: Callable[[], float] = time.time,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self.url = check_url(url)
        self._patience = patience or Patience()
        self._signer = None if key is None else RequestSigner(key, clock)
        limits = httpx.Timeout(self._patience.answer_s, connect=self._patience.connect_s)
        self._http = http if http is not None else httpx.Client(timeout=limits)
        self._sleep = sleep
        self._jitter = random.Random()

    def close(self) -> None:
        """Give back the connections."""
        self._http.close()

    def get(self, kind: type[T], path: str, **query: Any) -> T:
        """Read one thing; query values that are None are left out."""
        return from_wire(kind, self.ask("GET", path, query=query).json(), path)

    def send(
        self,
        kind: type[T],
        method: str,
        path: str,
        body: Mapping[str, Any] | None,
        *,
        key: str,
        headers: Mapping[str, str] | None = None,
    ) -> T:
        """Change something, once per key; of the body's JSON values, None is not sent."""
        given = dict(headers or {})
        content = None
        if body is not None:
            content = json.dumps(_stated(body), allow_nan=False).encode()
            given["Content-Type"] = "application/json"
        answer = self.ask(method, path, content=content, key=key, headers=given)
        return from_wire(kind, answer.json(), path)

    def send_for_items(
        self, kind: type[T], path: str, body: Mapping[str, Any], *, key: str
    ) -> list[T]:
        """Change several things in one request, once per key; the answer is a list."""
        return self.send(Page[kind], "POST", path, body, key=key).items  # type: ignore[valid-type]

    def page(self, kind: type[T], path: str, **query: Any) -> Page[T]:
        """One page of a list."""
        return self.get(Page[kind], path, **query)  # type: ignore[valid-type]

    def pages(self, kind: type[T], path: str, **query: Any) -> Iterator[T]:
        """Every item of a list, one page after the other."""
        cursor: str | None = None
        for _ in range(MAX_PAGES):
            page = self.page(kind, path, **query, cursor=cursor)
            yield from page.items
            cursor = page.next
            if not cursor:
                return
        raise AnswerError(f"the service's {path} never ends: report it to the service's owner")

    def ask(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, Any] | None = None,
        content: bytes | Path | None = None,
        key: str | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Answer:
        """The answer to a request, repeated while it may help.

        Raises:
            ServiceUnreachableError: No answer, after every attempt.
            MarketError: The service refused; the error is the market's own.
        """
        fields = dict(headers or {})
        if key is not None:
            fields["Idempotency-Key"] = _header_text(check_key(key), "key")
        asked = _stated(query or {})
        for attempt in range(self._patience.attempts):
            is_last = attempt + 1 == self._patience.attempts
            try:
                answer = self._once(method, path, asked, content, fields)
            except httpx.TransportError as error:
                if is_last:
                    raise self._unreachable(error, key) from error
                self._pause(attempt, None)
                continue
            if not answer.may_be_retried or is_last:
                return answer.checked(self.url)
            self._pause(attempt, answer.retry_after_s)
        raise AssertionError("an attempt either answers or raises")

    @contextmanager
    def opened(self, path: str, headers: Mapping[str, str]) -> Iterator[httpx.Response]:
        """An answer that is granted and whose body is still to be read; asked for once.

        Raises:
            httpx.TransportError: The connection failed, now or while reading.
            MarketError: The service refused.
        """
        request = self._http.build_request("GET", self.url + path, headers=dict(headers))
        response = self._http.send(request, auth=self._signer, stream=True)
        try:
            if not response.is_success:
                answer = Answer(response.status_code, response.headers, read_body(response))
                if answer.may_be_retried:
                    raise httpx.ReadError(f"the service answered {answer.status}")
                answer.checked(self.url)
            yield response
        finally:
            response.close()

    def again(self, attempt: int, error: httpx.TransportError) -> None:
        """Wait before the next attempt.

        Raises:
            ServiceUnreachableError: This attempt was the last.
        """
        if attempt + 1 >= self._patience.attempts:
            raise self._unreachable(error, None) from error
        self._pause(attempt, None)

    def _once(
        self,
        method: str,
        path: str,
        query: Mapping[str, Any],
        content: bytes | Path | None,
        headers: Mapping[str, str],
    ) -> Answer:
        with ExitStack() as files:
            body = files.enter_context(content.open("rb")) if isinstance(content, Path) else content
            request = self._http.build_request(
                method, self.url + path, params=query or None, content=body, headers=headers
            )
            response = self._http.send(request, auth=self._signer, stream=True)
            try:
                return Answer(response.status_code, response.headers, read_body(response))
            finally:
                response.close()

    def _pause(self, attempt: int, asked_s: float | None) -> None:
        longest = self._patience.longest_pause_s
        pause_s = min(longest, self._patience.first_pause_s * 2**attempt)
        pause_s *= self._jitter.uniform(0.5, 1.0)
        self._sleep(min(longest, max(pause_s, asked_s or 0.0)))

    def _unreachable(self, error: httpx.TransportError, key: str | None) -> MarketError:
        detail = " ".join(str(error).split()) or type(error).__name__
        repeat = f", then repeat it with --key {key}" if key is not None else ""
        return ServiceUnreachableError(
            f"the market at {self.url} gave no answer in {self._patience.attempts} attempts"
            f" ({detail}): check the address and that it runs{repeat}"
        )


def check_url(url: str) -> str:
    """A service's address without a slash at its end.

    Raises:
        InvalidInputError: It is none.
    """
    try:
        parsed = httpx.URL(url)
    except httpx.InvalidURL:
        parsed = httpx.URL("")
    has_extras = parsed.query or parsed.fragment or parsed.userinfo
    is_host = re.fullmatch(r"[A-Za-z0-9._:-]+", parsed.host) is not None
    if parsed.scheme not in ("http", "https") or not is_host or has_extras:
        raise InvalidInputError(
            f"a market's service is at http://HOST:PORT or https://HOST, got {url!r}: write it so"
        )
    return str(parsed).rstrip("/")


def _stated(values: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in values.items() if value is not None}


def _header_text(value: str, what: str) -> str:
    if re.fullmatch(r"[\x21-\x7e]{1,128}", value):
        return value
    raise InvalidInputError(
        f"to travel in a header a {what} must be 1-128 ASCII characters without spaces,"
        f" got {value[:80]!r}: change it"
    )


RETRIED_STATUS = frozenset({429, 502, 503, 504})
RETRIED_PROBLEMS = frozenset(
    {
        f"{PREFIX}key-in-progress",
        f"{SERVICE_PREFIX}request-in-progress",
        f"{SERVICE_PREFIX}signature-replayed",
    }
)
MAX_ANSWER_BYTES = 16 << 20


def read_body(response: httpx.Response) -> bytes:
    """The whole body of an open response.

    Raises:
        AnswerError: It is longer than any honest answer.
    """
    body = bytearray()
    for block in response.iter_bytes():
        body += block
        if len(body) > MAX_ANSWER_BYTES:
            raise AnswerError(
                f"the service's answer is longer than {MAX_ANSWER_BYTES} bytes: ask for less"
            )
    return bytes(body)


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
