"""The client asks until it knows: same key, fresh signature, one line when patience ends."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import httpx
import pytest

from marketplace.client.transport import MAX_ANSWER_BYTES, Patience, Transport, check_url
from marketplace.errors import (
    AnswerError,
    InsufficientCreditsError,
    InvalidInputError,
    MarketError,
    ServiceError,
    ServiceUnreachableError,
)
from marketplace.fields import Nanos
from marketplace.ledger.keyring import PrivateKey
from marketplace.money import decimal_credits

Handler = Callable[[httpx.Request], httpx.Response]
OK = httpx.Response(200, json={"name": "x", "price": "0.1"})


@dataclass(frozen=True, slots=True)
class Thing:
    name: str
    price_nanos: Nanos


class Script:
    """Answers in the given order; an exception in place of an answer is raised."""

    def __init__(self, *answers: httpx.Response | Exception) -> None:
        self.answers: Iterator[httpx.Response | Exception] = iter(answers)
        self.seen: list[httpx.Request] = []
        self.pauses: list[float] = []

    def __call__(self, request: httpx.Request) -> httpx.Response:
        self.seen.append(request)
        answer = next(self.answers)
        if isinstance(answer, Exception):
            raise answer
        return answer

    def transport(self, key: PrivateKey | None = None, attempts: int = 6) -> Transport:
        http = httpx.Client(transport=httpx.MockTransport(self))
        patience = Patience(attempts=attempts)
        return Transport(
            "http://market.test/",
            key,
            patience=patience,
            http=http,
            clock=lambda: 1000.0,
            sleep=self.pauses.append,
        )


def problem(status: int, kind: str, detail: str = "no: do", **headers: str) -> httpx.Response:
    content = json.dumps({"type": kind, "status": status, "detail": detail})
    fields = {"Content-Type": "application/problem+json", **headers}
    return httpx.Response(status, content=content, headers=fields)


def buy(transport: Transport) -> Thing:
    body = {"max_price": decimal_credits(5), "none": None}
    return transport.send(Thing, "POST", "/v1/x", body, key="k1")


def test_an_answer_becomes_a_view() -> None:
    """The body is sent in credits, what is None is not sent."""
    script = Script(OK)
    assert buy(script.transport()) == Thing("x", 100_000_000)
    assert json.loads(script.seen[0].content) == {"max_price": "0.000000005"}
    assert script.seen[0].headers["Idempotency-Key"] == "k1"
    assert str(script.seen[0].url) == "http://market.test/v1/x"


@pytest.mark.parametrize(
    "lost",
    [
        httpx.ReadTimeout("slow"),
        httpx.ConnectError("refused"),
        httpx.RemoteProtocolError("cut"),
        httpx.Response(503),
        httpx.Response(502, text="<html>"),
        problem(429, "urn:continuum:service:rate-limited"),
        problem(409, "urn:continuum:market:key-in-progress"),
        problem(409, "urn:continuum:service:request-in-progress"),
        problem(401, "urn:continuum:service:signature-replayed"),
    ],
)
def test_a_lost_answer_is_asked_for_again_with_the_same_key(
    lost: httpx.Response | Exception,
) -> None:
    """Key and body stay, so that both attempts together have one effect."""
    script = Script(lost, OK)
    assert buy(script.transport()).name == "x"
    first, second = script.seen
    assert first.content == second.content
    assert first.headers["Idempotency-Key"] == second.headers["Idempotency-Key"]
    assert len(script.pauses) == 1


def test_each_attempt_is_signed_anew() -> None:
    """A repeated nonce would be refused as a replay."""
    script = Script(httpx.Response(503), OK)
    buy(script.transport(PrivateKey.generate()))
    assert len({request.headers["Signature-Input"] for request in script.seen}) == 2


@pytest.mark.parametrize(
    ("status", "kind", "error"),
    [
        (402, "urn:continuum:market:insufficient-credits", InsufficientCreditsError),
        (401, "urn:continuum:service:signature-invalid", ServiceError),
        (409, "urn:continuum:market:already-owned", MarketError),
    ],
)
def test_a_refusal_is_final_and_keeps_its_words(
    status: int, kind: str, error: type[MarketError]
) -> None:
    """Asked once, raised as the market's own error."""
    script = Script(problem(status, kind, "rule, value: remedy"))
    with pytest.raises(error) as caught:
        buy(script.transport())
    assert str(caught.value) == "rule, value: remedy"
    assert len(script.seen) == 1


def test_patience_ends_with_the_key_to_repeat_with() -> None:
    """Nobody knows whether the change was made: the message says how to find out."""
    script = Script(*[httpx.ConnectError("refused")] * 3)
    with pytest.raises(ServiceUnreachableError, match=r"market\.test.*3 attempts.*--key k1"):
        buy(script.transport(attempts=3))
    assert len(script.pauses) == 2


def test_a_busy_service_is_named_after_the_last_attempt() -> None:
    """The last refusal is what the user reads."""
    script = Script(*[problem(503, "urn:continuum:market:market-busy", "busy: wait")] * 2)
    with pytest.raises(MarketError, match="busy: wait"):
        buy(script.transport(attempts=2))


def test_pauses_grow_and_follow_the_services_wish() -> None:
    """Doubling, never longer than the limit, at least Retry-After."""
    asked = problem(429, "urn:continuum:service:rate-limited", **{"Retry-After": "7"})
    script = Script(httpx.Response(503), httpx.Response(503), asked, OK)
    buy(script.transport())
    first, second, third = script.pauses
    assert 0.1 <= first <= 0.2 <= second <= 0.4 and third == 7.0


def test_a_wish_beyond_reason_is_cut() -> None:
    """A service cannot put a client to sleep for a year."""
    script = Script(problem(429, "x", **{"Retry-After": "31536000"}), OK)
    buy(script.transport())
    assert script.pauses == [10.0]


def test_pages_are_read_to_the_end() -> None:
    """Each with the cursor of the one before."""
    page = {"name": "x", "price": "1"}
    script = Script(
        httpx.Response(200, json={"items": [page, page], "next": "c2"}),
        httpx.Response(200, json={"items": [page], "next": None}),
    )
    found = list(script.transport().pages(Thing, "/v1/things", skill="sort", owner=None))
    assert len(found) == 3
    assert [str(request.url.query, "ascii") for request in script.seen] == [
        "skill=sort",
        "skill=sort&cursor=c2",
    ]


@pytest.mark.parametrize(
    "answer",
    [
        httpx.Response(200, text="<html>"),
        httpx.Response(200, content=b"[" * 100_000),
        httpx.Response(200, json=[]),
        httpx.Response(200, json={"name": "x"}),
    ],
)
def test_what_is_no_answer_is_one_line(answer: httpx.Response) -> None:
    """A web page, deep nesting, another shape."""
    with pytest.raises(AnswerError) as caught:
        buy(Script(answer).transport())
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("page", [[], {"items": 3}, {"items": [], "next": 5}, "x"])
def test_a_page_of_another_shape_is_one_line(page: object) -> None:
    """Whatever JSON came."""
    with pytest.raises(AnswerError):
        list(Script(httpx.Response(200, json=page)).transport().pages(Thing, "/v1/things"))


def test_an_endless_answer_is_cut() -> None:
    """A hostile service cannot fill the memory."""

    def blocks() -> Iterator[bytes]:
        for _ in range(MAX_ANSWER_BYTES // (1 << 20) + 2):
            yield b" " * (1 << 20)

    script = Script(httpx.Response(200, content=blocks()))
    with pytest.raises(AnswerError, match="longer than"):
        buy(script.transport())


@pytest.mark.parametrize("status", [301, 404, 500])
def test_an_answer_from_something_else_is_told_apart(status: int) -> None:
    """A status without a problem document is no market's."""
    with pytest.raises(ServiceError, match=f"answered {status}.*address"):
        buy(Script(httpx.Response(status, headers={"Location": "http://evil.test"})).transport())


@pytest.mark.parametrize(
    "url", ["", "market", "ftp://x", "http://", "http://a:b@x", "http://x/?q=1", "http://[", "x:\0"]
)
def test_addresses_that_are_none_are_refused(url: str) -> None:
    """One line with the form to use; credentials in an address would end in logs."""
    with pytest.raises(InvalidInputError, match=r"http://HOST:PORT"):
        check_url(url)


def test_a_key_that_cannot_travel_is_refused_before_anything_is_sent() -> None:
    """Headers carry ASCII."""
    script = Script()
    with pytest.raises(InvalidInputError, match="ASCII characters without spaces"):
        script.transport().send(Thing, "POST", "/v1/x", {}, key="schlüssel")
    assert script.seen == []
