"""Connections to another program's HTTP API: asked again while nothing has come, cut at any time.

Pauses are tenacity's: stamina, which is built on it, has none that a cancel could end. Lines are
split here, for neither httpx nor httpx-sse bounds how long one may become.
"""

from __future__ import annotations

import json
import os
import socket
import threading
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Any

import httpx
from tenacity import RetryCallState, Retrying, retry_if_exception, stop_after_attempt
from tenacity.nap import sleep_using_event
from tenacity.wait import wait_random_exponential

from persona.errors import BackendError

if TYPE_CHECKING:
    from persona.remote.endpoint import EndpointSettings

MAX_LINE = 1 << 20
MAX_REFUSAL = 64 << 10
"""Bytes that are read of a refusal."""
MAX_REASON = 200
"""Characters that are shown of it."""
QUOTED = 16
"""Characters in a row of a request that no message may show."""
FIRST_PAUSE_S = 0.5
"""At most; doubled after each attempt. A random part of it is waited, so that clients spread."""
LONGEST_PAUSE_S = 60.0
"""Who asks for more is not asked again."""
END = "[DONE]"


class Connections:
    """Connections to one server, kept open between requests."""

    def __init__(self, name: str, settings: EndpointSettings) -> None:
        self.name, self.settings = name, settings
        self.n_retries = 0
        self._verify = httpx.create_ssl_context()
        self._lock = threading.Lock()
        self._idle: list[Connection] = []

    @contextmanager
    def take(self) -> Iterator[Connection]:
        """A connection for oneself; it is kept for the next unless it was cut."""
        with self._lock:
            connection = self._idle.pop() if self._idle else None
        connection = connection or Connection(self, self._client())
        try:
            yield connection
        finally:
            if connection.gone.is_set():
                connection.client.close()
            else:
                with self._lock:
                    self._idle.append(connection)

    def close(self) -> None:
        """Close those that nobody has."""
        with self._lock:
            idle, self._idle = self._idle, []
        for connection in idle:
            connection.client.close()

    def count_retry(self, _: RetryCallState) -> None:
        """Note that a request is made again."""
        with self._lock:
            self.n_retries += 1

    def headers(self) -> dict[str, str]:
        """Of a request.

        Raises:
            BackendError: There is no usable key.
        """
        wanted = {
            "Accept-Encoding": "identity",  # what unpacks has no bound
            "Content-Type": "application/json",
        }
        variable = self.settings.key_env
        if variable is None:
            return wanted
        key = os.environ.get(variable, "").strip()
        if not key or not key.isascii() or not key.isprintable() or " " in key:
            what = "is not set" if not key else "holds no key (one word of ASCII)"
            raise BackendError(
                self.name,
                f"needs a key, and the environment variable {variable} {what}",
                "set it where this runs",
            )
        return {**wanted, "Authorization": f"Bearer {key}"}

    def _client(self) -> httpx.Client:
        settings = self.settings
        return httpx.Client(
            verify=self._verify,
            timeout=httpx.Timeout(settings.timeout_s, connect=settings.connect_s),
            limits=httpx.Limits(max_connections=1),
        )


class Connection:
    """One request at a time; any thread may cut it."""

    def __init__(self, pool: Connections, client: httpx.Client) -> None:
        self.client = client
        self.gone = threading.Event()
        """Whether it was cut."""
        self._pool = pool
        self._socket: socket.socket | None = None

    def cut(self) -> None:
        """End what is under way: the server sees it, and whoever reads here wakes up."""
        self.gone.set()
        if self._socket is not None:
            with suppress(OSError):  # it is closed already
                socket.socket.shutdown(self._socket, socket.SHUT_RDWR)

    @contextmanager
    def opened(self, path: str, body: Mapping[str, Any]) -> Iterator[Iterator[str]]:
        """The events of an answer; until it begins, the request is made again where that may help.

        Raises:
            BackendError: It refuses, or cannot be reached; or what it sends are no events.
        """
        response = self._asked(path, body)
        try:
            kind = response.headers.get("Content-Type", "").partition(";")[0].strip().lower()
            if kind != "text/event-stream":
                raise self._error(
                    f"answered with {_shown(kind) or 'no content type'} instead of a stream of "
                    "events (text/event-stream)",
                    "check that url is one of an OpenAI-compatible API that streams",
                )
            yield self._events(response)
        finally:
            response.close()

    def post(self, path: str, body: Mapping[str, Any]) -> None:
        """Ask for something that has no answer but that it is done.

        Raises:
            BackendError: As `opened`.
        """
        self._asked(path, body).close()

    def _asked(self, path: str, body: Mapping[str, Any]) -> httpx.Response:
        settings = self._pool.settings
        again = Retrying(
            stop=stop_after_attempt(1 + settings.retries),
            wait=_pause,
            retry=retry_if_exception(lambda e: isinstance(e, BackendError) and e.may_pass),
            sleep=sleep_using_event(self.gone),
            before_sleep=self._pool.count_retry,
            reraise=True,
        )
        return again(self._send, settings.api + path, body)

    def _send(self, url: str, body: Mapping[str, Any]) -> httpx.Response:
        if self.gone.is_set():
            raise self._error("was not asked, for the request was cancelled", "ask again")
        request = self.client.build_request(
            "POST",
            url,
            content=json.dumps(body).encode(),
            headers=self._pool.headers(),
            extensions={"trace": self._trace},
        )
        try:
            response = self.client.send(request, stream=True)
        except httpx.HTTPError as error:
            raise self._broken(error) from None
        if response.is_success:
            return response
        try:
            raise self._refusal(response, body)
        finally:
            response.close()

    def _trace(self, event: str, facts: Mapping[str, Any]) -> None:
        """Keep the socket, which alone wakes a thread that reads from it."""
        if event in ("connection.connect_tcp.complete", "connection.start_tls.complete"):
            self._socket = facts["return_value"].get_extra_info("socket")
            if self.gone.is_set():
                self.cut()

    def _events(self, response: httpx.Response) -> Iterator[str]:
        pieces = response.iter_raw()
        try:
            for line in self._lines(pieces):
                if line.startswith(b"data:"):
                    data = line[5:].decode(errors="replace").strip()
                    yield data
                    if data == END:
                        next(pieces, None)  # the body's end, after which the connection is kept
                        return
        except httpx.HTTPError as error:
            raise self._broken(error) from None

    def _lines(self, pieces: Iterable[bytes]) -> Iterator[bytes]:
        rest = bytearray()
        for piece in pieces:
            rest += piece
            if b"\n" in piece:
                *lines, rest = rest.split(b"\n")
                yield from map(bytes, lines)
            if len(rest) > MAX_LINE:
                raise self._error(
                    f"sent a line of more than {MAX_LINE} bytes",
                    "check that url is one of an OpenAI-compatible API",
                )
        yield bytes(rest)

    def _error(self, what: str, remedy: str, **more: Any) -> BackendError:
        return BackendError(self._pool.name, what, remedy, **more)

    def _broken(self, error: httpx.HTTPError) -> BackendError:
        settings = self._pool.settings
        if isinstance(error, httpx.ConnectTimeout):
            what = f"did not take a connection within {settings.connect_s:g} s"
            remedy = f"check that it runs at {settings.url}, or raise connect_s"
        elif isinstance(error, httpx.TimeoutException):
            what = f"sent nothing for {settings.timeout_s:g} s"
            remedy = "look at its load, or raise timeout_s"
        elif isinstance(error, httpx.ConnectError):
            what = f"cannot be reached at {settings.url} ({_shown(str(error))})"
            remedy = "start it, or correct url"
        else:
            what = f"broke the connection ({type(error).__name__})"
            remedy = "ask again, or look at its log"
        return self._error(what, remedy, may_pass=isinstance(error, httpx.TransportError))

    def _refusal(self, response: httpx.Response, body: Mapping[str, Any]) -> BackendError:
        status, settings = response.status_code, self._pool.settings
        wait_s = _retry_after_s(response.headers.get("Retry-After", ""))
        what = f"answered {status} ({self._reason(response, body)})"
        if status in (401, 403):
            variable, what = settings.key_env, f"answered {status}"  # some quote half the key
            remedy = f"set {variable} to a key that may do this" if variable else "name key_env"
        elif status == 404:
            remedy = f"check url and that it has the model {settings.model}"
        elif status == 429:
            remedy = "ask again later" if wait_s is None else f"ask again in {wait_s:.0f} s"
        elif status >= 500:
            remedy = "ask again later, or look at its log"
        elif status < 400:
            remedy = "set url to where it has moved"
        else:
            remedy = "ask for what it can do"
        may_pass = (status == 429 or status >= 500) and (wait_s or 0) <= LONGEST_PAUSE_S
        return self._error(what, remedy, status=status, may_pass=may_pass, wait_s=wait_s)

    def _reason(self, response: httpx.Response, body: Mapping[str, Any]) -> str:
        """What a refusal says of itself, unless it quotes key or prompt."""
        read = bytearray()
        with suppress(httpx.HTTPError):
            for piece in response.iter_raw():
                read += piece
                if len(read) > MAX_REFUSAL:
                    break
        try:
            return self.shown(reason_in(json.loads(read[:MAX_REFUSAL])), body)
        except (ValueError, RecursionError):
            return "no reason in JSON"

    def shown(self, said: str, body: Mapping[str, Any]) -> str:
        """One line of what the server said, for a message."""
        authorization = self._pool.headers().get("Authorization", "")
        secret = authorization.removeprefix("Bearer ")
        prompt = body.get("messages") or body.get("prompt") or ""
        contents = [m.get("content") for m in prompt if isinstance(m, Mapping)]
        texts = [json.dumps(prompt), *(text for text in contents if isinstance(text, str))]
        if _quotes(said, [secret] if secret else []) or _quotes(said, texts):
            return "its reason quotes the request"
        return _shown(said) or "no reason given"


def reason_in(document: Any) -> str:
    """The words of a refusal, as OpenAI, vLLM, Ollama or FastAPI write one; empty if there are
    none."""
    while isinstance(document, Mapping):
        document = next((document[k] for k in ("error", "message", "detail") if k in document), "")
    return document if isinstance(document, str) else ""


def _shown(said: str) -> str:
    line = " ".join("".join(c if c.isprintable() else " " for c in said).split())
    return line if len(line) <= MAX_REASON else f"{line[:MAX_REASON]}..."


def _quotes(said: str, texts: Iterable[str]) -> bool:
    """Whether so much of a text stands in what was said that it can only be from there."""
    windows = {said[i : i + QUOTED] for i in range(max(1, len(said) - QUOTED + 1))}
    for text in texts:
        if len(text) < QUOTED:
            if len(text) > 3 and text in said:
                return True
        elif len(said) >= QUOTED and any(window in text for window in windows):
            return True
    return False


def _retry_after_s(text: str) -> float | None:
    """Seconds, of a number or a date."""
    if text.isascii() and text.isdigit():
        return float(text[:9])
    with suppress(ValueError, TypeError):
        return max(0.0, (parsedate_to_datetime(text) - datetime.now(UTC)).total_seconds())
    return None


def _pause(state: RetryCallState) -> float:
    failure = state.outcome.exception() if state.outcome else None
    asked_s: float = getattr(failure, "wait_s", 0.0)
    return max(asked_s, wait_random_exponential(FIRST_PAUSE_S, LONGEST_PAUSE_S)(state))
