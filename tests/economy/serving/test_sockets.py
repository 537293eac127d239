"""Clients that leave, that do not read, that come by the thousand; and a server that stops."""

from __future__ import annotations

import json
import socket
import threading
import time
from collections.abc import Callable
from typing import Any

import httpx
import pytest
import torch

from economy.serving.keys import ApiKey
from economy.serving.service import Service
from persona.stream import Stream

BODY = {
    "model": "ada",
    "messages": [{"role": "user", "content": "sort: cbda"}],
    "max_tokens": 90,
    "stop": [],
    "temperature": 1.5,
    "stream": True,
}


def until(condition: Callable[[], bool], seconds: float = 20.0) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def counted(service: Service, secret: str) -> int:
    """Tokens of a key when the books are up to date."""
    service.books.submit(lambda: None).result(30)
    key = service.keys.of(secret)
    assert key
    return key.used


def ask(port: int, secret: str = "", **more: Any) -> socket.socket:
    """A request by hand, of which nothing is read yet."""
    body = json.dumps({**BODY, **more}).encode()
    client = socket.create_connection(("127.0.0.1", port))
    head = (
        "POST /v1/chat/completions HTTP/1.1\r\nHost: 127.0.0.1\r\n"
        f"Authorization: Bearer {secret}\r\n"
        f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    client.sendall(head.encode() + body)
    return client


@pytest.fixture
def slow(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Tokens that take their time and never end an answer; how many there were."""
    before, tokens = Stream.next, [0]

    def later(stream: Stream, logits: torch.Tensor) -> Any:
        time.sleep(0.01)
        tokens[0] += 1
        logits[list(stream._ends)] = -1e9
        return before(stream, logits)

    monkeypatch.setattr(Stream, "next", later)
    return tokens


@pytest.mark.parametrize("stream", [True, False])
def test_who_leaves_is_not_answered_any_further(
    port: int, service: Service, slow: list[int], stream: bool
) -> None:
    secret = service.keys.create(ApiKey("leaver"))
    client = ask(port, secret, stream=stream, n=2)
    until(lambda: slow[0] > 4)
    client.close()
    until(lambda: service.engine.stats().running == 0)
    assert slow[0] < 120  # of 180: the two would have gone on for a second
    until(lambda: 0 < counted(service, secret) < 200)  # what was made is counted, no more
    assert counted(service, secret) > 4
    assert httpx.get(f"http://127.0.0.1:{port}/health").status_code == 200


def test_who_leaves_before_the_first_token_leaves_the_queue_and_pays_nothing(
    port: int, service: Service
) -> None:
    go_on = threading.Event()
    held = service.engine.between_tokens(lambda: go_on.wait(60))
    service.engine.waiting = 4
    secret = service.keys.create(ApiKey("early"))
    for _ in range(3):
        client = ask(port, secret, n=2)
        until(lambda: service.engine.stats().waiting == 2)
        client.close()
        until(lambda: service.engine.stats().waiting == 0)
    go_on.set()
    assert held.result(30)
    assert counted(service, secret) == 0


def test_who_does_not_read_holds_nobody_up(port: int, service: Service, slow: list[int]) -> None:
    """Its answer is made to the end, which is all that is kept of it."""
    client = ask(port)
    found = httpx.post(
        f"http://127.0.0.1:{port}/v1/chat/completions", json={**BODY, "stream": False}, timeout=30
    )
    assert found.json()["usage"]["completion_tokens"] == 90
    until(lambda: service.engine.stats().running == 0)
    client.settimeout(10)
    text = b""
    while b"[DONE]" not in text:
        text += client.recv(65536)
    client.close()


def test_a_thousand_connections_leave_room_for_who_asks(port: int, service: Service) -> None:
    limit = service.connections.limits.most_per_peer
    idle = [socket.create_connection(("127.0.0.1", port)) for _ in range(1000)]
    found = httpx.post(
        f"http://127.0.0.1:{port}/v1/chat/completions",
        json={**BODY, "stream": False, "max_tokens": 3},
        timeout=30,
    )
    assert found.status_code == 200
    assert len(service.connections) <= limit + 2
    for one in idle:
        one.close()


def test_a_server_that_stops_ends_what_it_has_begun(
    port: int, service: Service, slow: list[int]
) -> None:
    texts: list[str] = []

    def whole() -> None:
        url = f"http://127.0.0.1:{port}/v1/chat/completions"
        texts.append(httpx.post(url, json=BODY, timeout=30).text)

    reader = threading.Thread(target=whole)
    reader.start()
    until(lambda: slow[0] > 2)
    service.stopping = True  # as the first signal does
    late = httpx.post(f"http://127.0.0.1:{port}/v1/chat/completions", json=BODY)
    assert late.status_code == 503 and late.headers["retry-after"]
    reader.join(30)
    assert texts[0].endswith("data: [DONE]\n\n")
