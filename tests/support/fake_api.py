"""An OpenAI-compatible server that does as it is told, for tests: adapters as vLLM has them."""

from __future__ import annotations

import json
import threading
from collections import deque
from collections.abc import Callable, Iterable, Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, Self

Plan = Callable[["Handler", dict[str, Any]], None]
"""What becomes of one request for text."""
END = b"data: [DONE]\n\n"


def event(**facts: Any) -> bytes:
    """One event of a stream."""
    return b"data: " + json.dumps(facts).encode() + b"\n\n"


def piece(text: str, *, is_chat: bool = True) -> bytes:
    """A piece of an answer."""
    return event(choices=[{"index": 0, "delta": {"content": text}} if is_chat else {"text": text}])


def ending(reason: str = "stop", n_prompt: int = 7, n_said: int = 2) -> bytes:
    """What ends one: the reason, the counts, the mark."""
    usage = {"prompt_tokens": n_prompt, "completion_tokens": n_said}
    reasoned = event(choices=[{"index": 0, "delta": {}, "finish_reason": reason}])
    return reasoned + event(choices=[], usage=usage) + END


HELLO = (piece("hel"), piece("lo"), ending())


def say(*parts: bytes, kind: str = "text/event-stream") -> Plan:
    """Send these bytes as a stream, and end it."""
    return lambda handler, _: handler.send(200, parts, {"Content-Type": kind})


def refuse(status: int, body: bytes = b"", **headers: str) -> Plan:
    """Answer with a status, and whatever body."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return lambda handler, _: handler.send(status, [body], named)


def drop(*parts: bytes) -> Plan:
    """Break the connection behind these bytes, before any status if there are none."""

    def plan(handler: Handler, _: dict[str, Any]) -> None:
        if parts:
            handler.begin(200, {"Content-Type": "text/event-stream"})
        for part in parts:
            handler.chunk(part)
        handler.close_connection = True
        handler.connection.close()

    return plan


class Handler(BaseHTTPRequestHandler):
    """One connection."""

    protocol_version = "HTTP/1.1"
    server: FakeApi

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        key = self.headers.get("Authorization")
        self.server.plan(self.path, body, key)(self, body)

    def begin(self, status: int, headers: Mapping[str, str]) -> None:
        """Status and headers."""
        self.send_response(status)
        for name, value in {**headers, "Transfer-Encoding": "chunked"}.items():
            self.send_header(name, value)
        self.end_headers()

    def chunk(self, data: bytes) -> None:
        """Some bytes of the body."""
        self.wfile.write(b"%x\r\n%b\r\n" % (len(data), data))
        self.wfile.flush()

    def send(self, status: int, parts: Iterable[bytes], headers: Mapping[str, str]) -> None:
        """A whole answer."""
        self.begin(status, headers)
        for part in filter(None, parts):
            self.chunk(part)
        self.wfile.write(b"0\r\n\r\n")

    def log_message(self, format: str, *args: Any) -> None:
        """Nothing."""


class FakeApi(ThreadingHTTPServer):
    """Answers `hello`, unless there is a plan for the request."""

    daemon_threads = True
    request_queue_size = 64

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.plans: deque[Plan] = deque()
        self.asked: list[dict[str, Any]] = []
        """Bodies of requests for text, each with its `path`."""
        self.moves: list[tuple[str, str]] = []
        """What was loaded and unloaded: ("load", name)."""
        self.folders: dict[str, str] = {}
        """Name -> folder of each adapter that is loaded."""
        self.room = 100
        self.keys: list[str | None] = []
        self._lock = threading.Lock()
        self._thread = threading.Thread(target=self.serve_forever, args=(0.01,))

    @property
    def url(self) -> str:
        """Without a path."""
        return f"http://127.0.0.1:{self.server_port}"

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        at: TracebackType | None,
    ) -> None:
        self.shutdown()
        self._thread.join()
        self.server_close()

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Clients leave; that is what is tested."""

    def plan(self, path: str, body: dict[str, Any], key: str | None) -> Plan:
        """What becomes of a request."""
        with self._lock:
            self.keys.append(key)
            if path.endswith("_lora_adapter"):
                return self._move(path, body)
            self.asked.append({"path": path, **body})
            if self.plans:
                return self.plans.popleft()
            if body["model"] not in ("base", *self.folders):
                return refuse(404, b'{"error": {"message": "no such model"}}')
            return say(*HELLO)

    def _move(self, path: str, body: dict[str, Any]) -> Plan:
        name, is_load = body["lora_name"], path == "/v1/load_lora_adapter"
        if is_load == (name in self.folders):
            said = f"The lora adapter '{name}' has already been loaded."
            return refuse(
                400 if is_load else 404, json.dumps({"error": {"message": said}}).encode()
            )
        if is_load and len(self.folders) >= self.room:
            return refuse(400, b'{"error": {"message": "no free slot: max_loras is reached"}}')
        self.moves.append(("load" if is_load else "unload", name))
        if is_load:
            self.folders[name] = body["lora_path"]
        else:
            del self.folders[name]
        return refuse(200, b"Success", Content_Type="text/plain")
