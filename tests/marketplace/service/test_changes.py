"""Idempotency-Key, ETag and payment: what a change over the wire promises."""

import base64
import json
import threading
import time

import pytest

from marketplace.errors import IdempotencyKeyReusedError
from tests.support.market import publish_example
from tests.support.service import key_of, public_of
from tests.support.trading import purchases


def slug(response) -> str:
    """The last part of a problem's type."""
    return response.json()["type"].rpartition(":")[2]


@pytest.fixture
def shop(hosted):
    """Bob sells sql-v2, ada has five credits."""
    hosted.member("bob")
    hosted.member("ada", "5")
    publish_example(hosted.market, "bob", "sql-v2", ask_nanos=10_000)
    return hosted


BUY = "/v1/listings/sql-v2/purchases"


def test_change_without_key_is_refused(shop):
    """Without an Idempotency-Key a lost answer could not be asked for again."""
    refused = shop.caller("ada").send("POST", BUY, {"buyer": "ada"})
    assert (refused.status_code, slug(refused)) == (400, "idempotency-key-missing")


def test_same_key_same_body_has_one_effect_and_the_same_answer(shop):
    """The second answer tells of the first purchase; the balance moved once."""
    ada = shop.caller("ada")
    answers = [ada.change("POST", BUY, {"buyer": "ada"}, idempotency_key="k1") for _ in range(2)]
    assert [a.status_code for a in answers] == [200, 200]
    first, second = (a.json() for a in answers)
    assert (first.pop("replayed"), second.pop("replayed")) == (False, True)
    assert first == second and first["key"] == "k1"
    assert len(purchases(shop.market)) == 1


def test_same_key_other_body_is_refused(shop):
    """A key belongs to its first request."""
    ada = shop.caller("ada")
    publish_example(shop.market, "bob", "py-v1", ask_nanos=10_000)
    assert ada.change("POST", BUY, {"buyer": "ada"}, idempotency_key="k1").status_code == 200
    other = "/v1/listings/py-v1/purchases"
    refused = ada.change("POST", other, {"buyer": "ada"}, idempotency_key="k1")
    assert (refused.status_code, slug(refused)) == (422, "idempotency-key-reused")


def test_key_in_progress_is_refused_until_it_is_done(shop, monkeypatch):
    """While the first is at work the second is told to come back; then it gets the answer."""
    ada, inside, go_on = shop.caller("ada"), threading.Event(), threading.Event()
    send = shop.market.send

    def slow(operation):
        inside.set()
        assert go_on.wait(10)
        return send(operation)

    monkeypatch.setattr(shop.market, "send", slow)
    answers = []
    worker = threading.Thread(
        target=lambda: answers.append(
            ada.change("POST", BUY, {"buyer": "ada"}, idempotency_key="k1")
        )
    )
    worker.start()
    assert inside.wait(10)
    refused = ada.change("POST", BUY, {"buyer": "ada"}, idempotency_key="k1")
    go_on.set()
    worker.join(10)
    assert (refused.status_code, slug(refused)) == (409, "request-in-progress")
    assert refused.headers["retry-after"] == "1"
    assert answers[0].status_code == 200
    again = ada.change("POST", BUY, {"buyer": "ada"}, idempotency_key="k1")
    assert again.json()["replayed"] is True


def test_buying_for_another_account_is_refused(shop):
    """Ada cannot spend bob's credits."""
    refused = shop.caller("ada").change("POST", BUY, {"buyer": "bob"})
    assert (refused.status_code, slug(refused)) == (403, "forbidden")


def test_missing_credits_are_answered_with_402_and_what_to_pay(shop):
    """The x402 header names the exact price in the smallest unit, and the document repeats it."""
    poor = shop.member("carl")
    refused = poor.change("POST", BUY, {"buyer": "carl"})
    assert (refused.status_code, slug(refused)) == (402, "insufficient-credits")
    told = json.loads(base64.b64decode(refused.headers["payment-required"]))
    assert told == refused.json()["payment"] and told["x402Version"] == 2
    offer = told["accepts"][0]
    assert offer["amount"] == str(shop.market.listing("sql-v2").price_nanos)
    assert offer["scheme"] == "exact" and offer["payTo"] == "bob"
    assert told["resource"]["url"] == BUY


def test_price_above_the_limit_is_refused(shop):
    """max_price is in credits, exact."""
    price = shop.caller("ada").get("/v1/listings/sql-v2").json()["price"]
    assert float(price) > 0.000000001
    refused = shop.caller("ada").change("POST", BUY, {"buyer": "ada", "max_price": "0.000000001"})
    assert (refused.status_code, slug(refused)) == (409, "price-above-limit")
    bought = shop.caller("ada").change("POST", BUY, {"buyer": "ada", "max_price": price})
    assert bought.json()["price"] == price


def test_etag_names_the_content(shop):
    """The same content has the same tag and is not sent twice; other content has another."""
    ada = shop.caller("ada")
    first = ada.get("/v1/listings/sql-v2")
    tag = first.headers["etag"]
    assert tag.startswith('"') and len(tag) == 34
    unchanged = ada.get("/v1/listings/sql-v2", headers={"If-None-Match": tag})
    assert unchanged.status_code == 304 and unchanged.content == b""
    ada.change("POST", BUY, {"buyer": "ada"})
    sold = ada.get("/v1/listings/sql-v2", headers={"If-None-Match": tag})
    assert sold.status_code == 200 and sold.headers["etag"] != tag


def test_stopping_service_refuses_new_work_and_is_not_ready(shop):
    """What has begun ends; what comes now is sent elsewhere, at once."""
    assert shop.client.get("/ready").status_code == 200
    shop.service.stopping = True
    refused = shop.caller("ada").change("POST", BUY, {"buyer": "ada"})
    assert (refused.status_code, slug(refused)) == (503, "stopping")
    assert shop.client.get("/ready").status_code == 503
    assert shop.client.get("/health").status_code == 200
    assert purchases(shop.market) == []


def test_close_waits_for_what_was_begun(shop, monkeypatch):
    """A change handed to the writer is finished before the service is gone."""
    done = []

    def slow():
        time.sleep(0.2)
        done.append(True)

    shop.service._changers.submit(slow)
    shop.service.close()
    assert done == [True]


def test_an_account_named_like_the_operators_key_shares_nothing_with_it(shop):
    """Both use one Idempotency-Key: each has its own effect, and neither reads the other's."""
    operator = public_of(key_of("operator"))
    twin = shop.caller("eve")
    joined = twin.change(
        "PUT",
        f"/v1/accounts/{operator}",
        {"public_key": public_of(twin.key)},
        idempotency_key="k1",
    )
    assert joined.status_code == 200
    given = shop.caller("operator").change(
        "POST", "/v1/accounts/ada/grants", {"amount": "1.5"}, idempotency_key="k1"
    )
    assert given.status_code == 200 and given.json()["balance"] == "6.5"
    opened = twin.change(
        "POST",
        f"/v1/accounts/{operator}/mandates",
        {"name": "agent", "cap": "1"},
        idempotency_key="k1",
    )
    assert opened.status_code == 200
    assert shop.market.has_request(f"{operator}:k1"), "what was stored before goes on replaying"


def test_a_refused_key_does_not_say_what_it_was_used_for(shop):
    """The refusal names the kind of request, never its content."""
    shop.market.fund("ada", 1, key="k1")
    with pytest.raises(IdempotencyKeyReusedError) as refused:
        shop.market.open_mandate(owner="bob", name="agent", cap_nanos=5, key="k1")
    assert "ada" not in str(refused.value) and "fund" in str(refused.value)
