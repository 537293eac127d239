"""Made-up requests to every route: refused in the promised form, or answered in it; never a 500.

Every request is signed by an account that is also the operator, so that it gets past the door.
The short run is part of every test run; the long one and the stateful one, which follows the
document's links from answer to request, are marked slow.
"""

import io
from pathlib import Path
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from schemathesis.checks import not_a_server_error
from schemathesis.openapi import checks as _checks  # noqa: F401  registers the checks by name
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    negative_data_rejection,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
    unsupported_method,
)
from starlette.testclient import TestClient

from marketplace.ledger.keyring import PrivateKey
from marketplace.service.serve import create_app
from marketplace.service.settings import RateLimit, ServiceSettings
from marketplace.service.state import make_logger
from tests.support.market import make_market, publish_example
from tests.support.service import SigningClient, SigningProxy, key_of, public_of

HOST = "http://testserver"
CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_schema_conformance,
    response_headers_conformance,
    negative_data_rejection,
    unsupported_method,
]
MANY = RateLimit(10**6)


def made_up(n: int) -> settings:
    """So many requests per route, the same ones every time."""
    return settings(
        max_examples=n, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck)
    )


@pytest.fixture
def api(tmp_path: Path) -> Any:
    """The schema of a service with an account, an offer and a purchase; requests are signed."""
    market, key = make_market(), key_of("fuzz")
    told = ServiceSettings(
        origins=(HOST,),
        operators=frozenset({public_of(key)}),
        layers=tmp_path / "store",
        signed=MANY,
        unsigned=MANY,
        change_threads=2,
        read_threads=2,
        signing_key=PrivateKey(key),
    )
    app = create_app(market, told, log=make_logger(io.StringIO()))
    market.register("ada", public_of(key), key="register-ada")
    market.open_account("bob")
    market.fund("ada", 10**12, key="fund-ada")
    for name in ("sql-v2", "py-v1"):
        publish_example(market, "bob", name, ask_nanos=10_000)
    market.buy(buyer="ada", listing="sql-v2", key="ada-sql")
    schema = schemathesis.openapi.from_asgi("/openapi.json", SigningProxy(app, key))
    schema.config.generation.update(with_security_parameters=False)  # the proxy signs, not the net
    yield schema
    app.state.service.close()
    market.close()


def ask_everything(api: Any, n: int) -> None:
    """Send so many made-up requests to every route and check each answer."""
    for found in api.get_all_operations():
        operation = found.ok()

        @made_up(n)
        @given(case=operation.as_strategy())
        def ask(case):
            case.call_and_validate(checks=CHECKS)

        ask()


def test_few_requests_to_every_route(api):
    """Statuses, media types and shapes are those of the document."""
    ask_everything(api, 4)


@pytest.mark.slow
def test_many_requests_to_every_route(api):
    """The same, with more patience."""
    ask_everything(api, 200)


@pytest.mark.slow
def test_following_links_from_answer_to_request(api):
    """What one answer names, the next request uses; nothing on the way is a failure of ours."""

    class Journey(api.as_state_machine()):
        def validate_response(self, response, case, **_kwargs):
            case.validate_response(response, checks=CHECKS)

    Journey.run(
        settings=settings(
            max_examples=60,
            stateful_step_count=8,
            deadline=None,
            derandomize=True,
            suppress_health_check=list(HealthCheck),
        )
    )


def test_checks_find_a_planted_failure(api, monkeypatch):
    """The net has no hole: a route that fails on some input is caught."""
    service = api.app._app.state.service
    monkeypatch.setattr(service.market, "ask", lambda question, **asked: 1 // 0)
    case = api["/v1/listings/{name}/quote"]["GET"].Case(path_parameters={"name": "sql-v2"})
    with pytest.raises(BaseException, match=r"(?i)server error"):
        case.call_and_validate(checks=CHECKS)


def test_every_operation_keeps_its_word_about_signatures(api):
    """Unsigned, what the document calls open answers and everything else says 401."""
    client = SigningClient(TestClient(api.app._app, base_url=HOST), None)
    values = {"name": "ada", "digest": "0" * 64, "file": "adapter_config.json", "number": "1"}
    for path, item in api.raw_schema["paths"].items():
        for method, operation in item.items():
            address = path.format(public_key="0" * 64, **values)
            body = {"examples": "none"} if method in ("post", "put") else None
            answer = client.send(method.upper(), address, body, idempotency_key="k")
            if operation["security"]:
                assert answer.status_code == 401, (method, path, answer.text)
            else:
                assert answer.status_code in (200, 404), (method, path, answer.text)
