"""A route that is called past FastAPI answers exactly as FastAPI would."""

import json
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from marketplace.service.direct import Direct
from tests.support.market import publish_example

USE = {"account": "ada", "listing": "sql-v2", "units": 5, "key": "u"}
BODIES: dict[str, bytes] = {
    "good": json.dumps({"charges": [USE]}).encode(),
    "two": json.dumps({"charges": [USE, USE | {"key": "v", "listing": "none"}]}).encode(),
    "another's account": json.dumps({"charges": [USE | {"account": "bob"}]}).encode(),
    "no charges": b'{"charges": []}',
    "wrong types": b'{"charges": [{"account": 1, "listing": "A", "units": "5", "key": ""}]}',
    "unknown field": json.dumps({"charges": [USE], "tip": 1}).encode(),
    "list": b"[]",
    "null": b"null",
    "number": b"NaN",
    "half": b'{"charges": [',
    "no text": b"\xff\xfe",
    "deep": b"[" * 100_000,
    "surrogate": b'{"charges": [{"account": "\\ud800"}]}',
    "empty": b"",
}
TYPES = ("application/json", "application/json; charset=utf-8", "text/plain", "APPLICATION/JSON")


@pytest.fixture
def shop(hosted):
    """Bob sells sql-v2, ada has five credits."""
    hosted.member("bob")
    hosted.member("ada", "5")
    publish_example(hosted.market, "bob", "sql-v2", ask_nanos=10_000)
    return hosted


def both(shop, monkeypatch, ask) -> list[Any]:
    """What the request is answered directly, and by FastAPI: status, body, headers, log line."""
    found = []
    for direct in (True, False):
        with monkeypatch.context() as patched:
            if not direct:
                patched.setattr(Direct, "__call__", lambda self, *request: self._app(*request))
            answer = ask()
        headers = {k: v for k, v in answer.headers.items() if k != "x-request-id"}
        for name in ("ratelimit", "content-length"):  # the second answer says that it is one
            headers.pop(name, None)
        line = {
            k: v
            for k, v in shop.logged()[-1].items()
            if k not in ("request", "timestamp", "duration_ms")
        }
        body = answer.json()
        for item in body.get("items", []):
            if item["result"]:
                item["result"].pop("replayed")
        found.append((answer.status_code, body, headers, line))
    return found


@pytest.mark.parametrize("kind", TYPES)
@pytest.mark.parametrize("name", BODIES)
@pytest.mark.parametrize("signer", ["ada", "stranger", None])
def test_same_answer_headers_and_log_line(shop, monkeypatch, name, kind, signer):
    """For good requests and for everything that can be wrong with one."""
    caller = shop.caller(signer) if signer else shop.nobody()
    content = BODIES[name]

    def ask():
        return caller.send(
            "POST",
            "/v1/usage",
            content=content,
            idempotency_key="k",
            headers={"Content-Type": kind},
        )

    direct, fastapi = both(shop, monkeypatch, ask)
    assert direct == fastapi


def test_ordinary_charge_is_called_directly(shop, monkeypatch):
    """What our client sends never meets FastAPI."""
    monkeypatch.setattr("fastapi.routing.APIRoute.handle", lambda *_: pytest.fail("FastAPI asked"))
    charged = shop.caller("ada").change("POST", "/v1/usage", {"charges": [USE]})
    assert charged.status_code == 200 and charged.json()["items"][0]["status"] == 200


def test_without_idempotency_key_the_refusal_is_the_same(shop, monkeypatch):
    """A dependency's refusal goes through the same handler."""
    direct, fastapi = both(
        shop, monkeypatch, lambda: shop.caller("ada").send("POST", "/v1/usage", {"charges": [USE]})
    )
    assert direct == fastapi and direct[0] == 400


def test_unforeseen_failure_is_a_problem_too(shop, monkeypatch):
    """An exception without a handler reaches the front door."""

    async def fail(_charges):
        raise ZeroDivisionError

    monkeypatch.setattr(shop.market, "charge_each", fail, raising=False)
    answer = shop.caller("ada").change("POST", "/v1/usage", {"charges": [USE]})
    assert answer.status_code == 500 and answer.json()["type"].endswith(":internal")


values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=5)
    | st.sampled_from(["ada", "sql-v2", "k"]),
    lambda inner: (
        st.lists(inner, max_size=2)
        | st.dictionaries(st.sampled_from([*USE, "charges"]), inner, max_size=4)
    ),
    max_leaves=8,
)


@given(values)
@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
def test_same_verdict_on_any_json(shop, monkeypatch, value):
    """Whatever the body says, it is refused, or understood, in the same words."""
    content = json.dumps(value).encode()

    def ask():
        return shop.caller("ada").send(
            "POST",
            "/v1/usage",
            content=content,
            idempotency_key="k",
            headers={"Content-Type": "application/json"},
        )

    direct, fastapi = both(shop, monkeypatch, ask)
    assert direct == fastapi
