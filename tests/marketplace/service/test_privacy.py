"""No address of the service shows one account another's business."""

import re

import pytest
from fastapi.routing import APIRoute

from marketplace.service.routes import ROUTERS
from tests.support.market import publish_example

SECRET = "0.123454321"


def private_routes() -> list[str]:
    """Every GET address that names an account."""
    return [
        route.path
        for router in ROUTERS
        for route in router.routes
        if isinstance(route, APIRoute) and "GET" in route.methods and "/accounts/" in route.path
    ]


def every_get() -> list[str]:
    """Every GET address there is."""
    return [
        route.path
        for router in ROUTERS
        for route in router.routes
        if isinstance(route, APIRoute) and "GET" in route.methods
    ]


@pytest.fixture
def busy(hosted):
    """Ada has a balance like no other, a statement, a purchase and a listing of hers."""
    hosted.member("ada", "9")
    hosted.member("bob", "9")
    hosted.member("eve", "1")
    hosted.market.fund("ada", 123_454_321, key="telltale")
    publish_example(hosted.market, "bob", "sql-v2", ask_nanos=10_000)
    hosted.market.buy(buyer="ada", listing="sql-v2", key="ada-sql")
    return hosted


def test_other_accounts_are_closed_whether_they_exist_or_not(busy):
    """The refusal is the same for an account that exists and one that does not."""
    eve, nobody = busy.caller("eve"), busy.nobody()
    for route in private_routes():
        for name in ("ada", "nobody", "ada~mandate", "platform"):
            address = re.sub(r"\{[a-z_]+\}", name, route)
            answer = eve.get(address)
            assert answer.status_code == 403, address
            assert answer.json()["detail"].startswith("the signing key does not speak for")
            assert nobody.get(address).status_code == 401, address


def test_no_read_shows_another_accounts_postings(busy):
    """Whatever eve or a stranger reads with ada's name in the address, ada's sums are not in it."""
    readers = (busy.caller("eve"), busy.nobody())
    for route in every_get():
        for name in ("ada", "sql-v2", "1"):
            address = re.sub(r"\{[a-z_]+\}", name, route)
            for asked in (address, f"{address}?account=ada&buyer=ada&name=ada&query=ada"):
                for reader in readers:
                    text = reader.get(asked).text
                    for telltale in (SECRET, "ada-sql", "telltale"):
                        assert telltale not in text, (asked, telltale)


def test_numbered_agreements_are_closed_to_others(busy):
    """A meter and a trial are their account's: to others they look like those that are not."""
    market = busy.market
    publish_example(market, "bob", "py-v1", ask_nanos=10_000)
    meter = market.meter_open(account="ada", listing="py-v1", limit_nanos=10**6, days=1, key="m")
    trial = market.trial_open(
        buyer="ada", listing="py-v1", challenge_digest="0" * 64, n_questions=10, min_gain=1, key="t"
    )
    eve, moves = busy.caller("eve"), {"n_correct": 9, "n_base_correct": 1}
    for method, address, body in (
        ("GET", "/v1/meters/{0}", None),
        ("POST", "/v1/meters/{0}/readings", {"units": 5}),
        ("POST", "/v1/meters/{0}/closing", {}),
        ("POST", "/v1/trials/{0}/settlement", moves),
    ):
        number = trial.trial if "trials" in address else meter.meter
        own, none = (eve.change(method, address.format(n), body) for n in (number, 777))
        assert own.status_code == none.status_code == 404, address
        assert own.text.replace(f" {number} ", " 777 ") == none.text, address
    for address in ("/v1/trials?buyer=ada", "/v1/subscriptions?account=ada"):
        assert eve.get(address).status_code == 403, address
    assert market.meter(meter.meter).n_units == 0 and market.trial(trial.trial).n_correct is None


def test_owner_does_see_the_telltale_posting(busy):
    """The test above would see it if it were there: its owner reads it in the statement."""
    assert SECRET in busy.caller("ada").get("/v1/accounts/ada/postings").text


def test_log_holds_no_secret_and_no_search(busy):
    """Signatures, keys' whole text, queries and addresses stay out of the log."""
    busy.caller("ada").get("/v1/listings?query=my-secret-prompt")
    busy.caller("ada").change("POST", "/v1/epochs", {"number": 77}, idempotency_key="secret-key")
    text = busy.lines.getvalue()
    for secret in (
        "my-secret-prompt",
        "secret-key",
        "sig=",
        "nonce",
        "Signature",
        "/v1/accounts/ada",
    ):
        assert secret not in text
    last = busy.logged()[-1]
    assert last["route"] == "/v1/epochs" and last["status"] == 403 and last["account"] == "ada"


def test_metrics_name_no_account_and_no_listing(busy):
    """Prometheus sees routes and statuses."""
    busy.caller("ada").get("/v1/listings/sql-v2")
    text = busy.client.get("/metrics").text
    assert 'route="/v1/listings/{name}",status="200"' in text
    assert "ada" not in text and "sql-v2" not in text
