"""Each way of paying, over the wire: the translation is right, the market decides."""

import pytest

from marketplace.money import NANOS_PER_CREDIT
from tests.support.market import publish_example
from tests.support.service import key_of, public_of


def slug(response) -> str:
    """The last part of a problem's type."""
    return response.json()["type"].rpartition(":")[2]


@pytest.fixture
def shop(hosted):
    """Bob sells two layers, ada has nine credits."""
    hosted.member("bob")
    hosted.member("ada", "9")
    for name in ("sql-v2", "py-v1"):
        publish_example(hosted.market, "bob", name, ask_nanos=10**8)
    return hosted


def charge(key: str, **changes) -> dict:
    """One use of sql-v2 by ada."""
    return {"account": "ada", "listing": "sql-v2", "units": 10, "key": key} | changes


def test_batch_of_charges_answers_each(shop):
    """Good, refused and repeated uses in one request: one answer each, in order, paid once."""
    ada = shop.caller("ada")
    body = {"charges": [charge("a"), charge("b", listing="nothing"), charge("a")]}
    items = ada.change("POST", "/v1/usage", body).json()["items"]
    assert [item["status"] for item in items[:2]] == [200, 404]
    assert items[0]["result"]["key"] == "a" and items[0]["problem"] is None
    assert items[1]["problem"]["type"].endswith(":listing-not-found")
    again = ada.change("POST", "/v1/usage", {"charges": [charge("a")]}).json()["items"]
    assert again[0]["result"]["replayed"] is True
    paid = [p for p in shop.market.postings("ada") if p.kind != "fund"]
    assert len(paid) == 1


def balance(shop) -> str:
    """Ada's credits."""
    return shop.caller("ada").get("/v1/accounts/ada").json()["balance"]


LISTS = (
    ("a", [charge("a")]),  # the use's own key: one change, nothing is claimed beside it
    ("outer", [charge("a")]),
    ("outer", [charge("a"), charge("b")]),
)


@pytest.mark.parametrize(("key", "first"), LISTS)
@pytest.mark.parametrize(
    "second",
    [
        [charge("z", units=7)],
        [charge("a", units=11)],
        [charge("a"), charge("z")],
        [charge("b"), charge("a")],
        [charge("a"), charge("b"), charge("c")],
    ],
)
def test_key_of_a_batch_belongs_to_its_list(shop, key, first, second):
    """Same key, same uses: the same answers; other uses: refused as a whole, nothing is paid."""
    ada = shop.caller("ada")

    def send(charges):
        return ada.change("POST", "/v1/usage", {"charges": charges}, idempotency_key=key)

    answers = [item["result"] for item in send(first).json()["items"]]
    before = balance(shop)
    again = [item["result"] for item in send(first).json()["items"]]
    assert again == [one | {"replayed": True} for one in answers]
    refused = send(second)
    assert refused.status_code == 422
    assert slug(refused) in ("idempotency-key-reused", "request-invalid")
    assert balance(shop) == before


def test_claim_of_a_batch_is_left_when_its_uses_were_not(shop, monkeypatch):
    """Killed between the claim and the uses: the same list is then paid, another is not."""
    ada = shop.caller("ada")
    body = {"charges": [charge("a"), charge("b")]}
    monkeypatch.setattr(type(shop.market), "charge_each", lambda *_: 1 // 0)
    assert ada.change("POST", "/v1/usage", body, idempotency_key="k").status_code == 500
    monkeypatch.undo()
    other = {"charges": [charge("a"), charge("c")]}
    assert ada.change("POST", "/v1/usage", other, idempotency_key="k").status_code == 422
    found = ada.change("POST", "/v1/usage", body, idempotency_key="k").json()["items"]
    assert [item["status"] for item in found] == [200, 200]
    assert len(shop.market.postings("ada")) == 3


def test_single_use_with_its_own_key_claims_nothing(shop, monkeypatch):
    """What nearly all requests are costs one change."""
    monkeypatch.setattr(type(shop.market), "claim_batch", lambda *_, **__: 1 // 0)
    body = {"charges": [charge("a")]}
    done = shop.caller("ada").change("POST", "/v1/usage", body, idempotency_key="a")
    assert done.json()["items"][0]["status"] == 200


def test_charging_another_account_is_refused_as_a_whole(shop):
    """One foreign account among the charges, and nothing of the request is done."""
    body = {"charges": [charge("a"), charge("b", account="bob")]}
    assert shop.caller("ada").change("POST", "/v1/usage", body).status_code == 403
    assert len(shop.market.postings("ada")) == 1


def test_meter_holds_counts_and_settles(shop):
    """Open, read off, close: the rest of the hold is free again."""
    ada = shop.caller("ada")
    body = {"account": "ada", "limit": "1", "days": 1}
    meter = ada.change("POST", "/v1/listings/sql-v2/meters", body).json()
    assert ada.get("/v1/accounts/ada").json()["held"] == "1"
    assert len(ada.get("/v1/accounts/ada/holds").json()["items"]) == 1
    address = f"/v1/meters/{meter['meter']}"
    read = ada.change("POST", f"{address}/readings", {"units": 1000}).json()
    assert read["n_units"] == 1000 and ada.get(address).json()["n_units"] == 1000
    closed = ada.change("POST", f"{address}/closing", {}).json()
    assert closed["open"] is False and ada.get("/v1/accounts/ada").json()["held"] == "0"


def test_trial_is_decided_by_its_result(shop):
    """The price is held and released when the layer does not help; a day's rent stays paid."""
    ada, rent = shop.caller("ada"), shop.market.terms("sql-v2").trial_nanos
    body = {"buyer": "ada", "challenge_digest": "0" * 64, "n_questions": 10, "min_gain": 3}
    trial = ada.change("POST", "/v1/listings/sql-v2/trials", body).json()
    assert len(ada.get("/v1/trials").json()["items"]) == 1
    result = {"n_correct": 5, "n_base_correct": 5}
    address = f"/v1/trials/{trial['trial']}/settlement"
    assert ada.change("POST", address, result).status_code == 200
    account = shop.market.account("ada")
    assert (account.balance_nanos, account.held_nanos) == (9 * NANOS_PER_CREDIT - rent, 0)


def test_mandate_spends_only_what_it_was_given(shop):
    """A program with a key of its own buys up to the cap; it cannot touch its owner's credits."""
    ada, agent = shop.caller("ada"), shop.caller("agent")
    opened = ada.change("POST", "/v1/accounts/ada/mandates", {"name": "shopper", "cap": "1"})
    assert opened.json()["name"] == "ada/shopper" and opened.json()["cap"] == "1"
    funded = ada.change("POST", "/v1/accounts/ada~shopper/funds", {"amount": "0.5"})
    assert funded.json()["balance"] == "0.5"
    from marketplace.ledger.account_key import prove_key

    body = {
        "public_key": public_of(key_of("agent")),
        "proof": prove_key(key_of("agent"), "ada/shopper"),
    }
    assert ada.change("POST", "/v1/accounts/ada~shopper/keys", body).status_code == 201
    bought = agent.change("POST", "/v1/listings/sql-v2/purchases", {"buyer": "ada/shopper"})
    assert bought.status_code == 200, bought.text
    assert agent.get("/v1/accounts/ada").status_code == 403
    refused = agent.change("POST", "/v1/listings/py-v1/purchases", {"buyer": "ada"})
    assert refused.status_code == 403
    refill = agent.change("POST", "/v1/accounts/ada~shopper/funds", {"amount": "1"})
    assert refill.status_code == 403
    assert ada.change("POST", "/v1/accounts/ada~shopper/reclaims", {}).status_code == 200


def test_status_change_needs_the_state_it_saw(shop):
    """Without If-Match 428, with an old one 412, with the present one it is done, once."""
    bob, address = shop.caller("bob"), "/v1/listings/sql-v2/status"
    tag = bob.get("/v1/listings/sql-v2").headers["etag"]
    body = {"deed": "withdraw", "by": "bob", "reason": "a better one comes"}
    missing = bob.change("POST", address, body)
    assert (missing.status_code, slug(missing)) == (428, "precondition-required")
    buy = shop.caller("ada").change("POST", "/v1/listings/sql-v2/purchases", {"buyer": "ada"})
    assert buy.status_code == 200
    stale = bob.change("POST", address, body, headers={"If-Match": tag})
    assert (stale.status_code, slug(stale)) == (412, "precondition-failed")
    tag = bob.get("/v1/listings/sql-v2").headers["etag"]
    for _ in range(2):  # the repeat comes with an ETag that is old by now, and is answered
        done = bob.change("POST", address, body, headers={"If-Match": tag}, idempotency_key="w")
        assert done.status_code == 200 and done.json()["status"] == "withdrawn"


def test_search_pages_are_signed_and_complete(shop):
    """Following `next` shows each listing once; the cursor of one search is none of another."""
    for number in range(5):
        publish_example(shop.market, "bob", f"extra-{number}", ask_nanos=10**8)
    ada, seen, cursor = shop.caller("ada"), [], ""
    while cursor is not None:
        address = f"/v1/listings?order=name&limit=3{cursor and f'&cursor={cursor}'}"
        found = ada.get(address).json()
        assert found["total"] == 7
        seen += [item["name"] for item in found["items"]]
        if found["next"]:
            other = ada.get(f"/v1/listings?order=name&limit=3&query=x&cursor={found['next']}")
            assert slug(other) == "cursor-invalid"
        cursor = found["next"]
    assert seen == sorted(seen) and len(set(seen)) == 7


def test_unmet_search_for_a_skill_counts_as_demand(shop):
    """Who looks for a skill that nobody sells is heard."""
    assert shop.caller("ada").get("/v1/listings?niche=juggling").json()["total"] == 0
    wanted = {item["skill"]: item for item in shop.client.get("/v1/demand").json()["items"]}
    assert wanted["juggling"]["n_misses"] == 1


@pytest.mark.parametrize(
    ("address", "body"),
    [
        ("/v1/listings/sql-v2/rentals", {"renter": "carl", "days": 2}),
        ("/v1/subscriptions", {"account": "carl", "fee": "3", "days": 30}),
        ("/v1/listings/sql-v2/meters", {"account": "carl", "limit": "2", "days": 1}),
    ],
)
def test_every_way_of_paying_answers_402_with_the_amount(shop, address, body):
    """Who cannot pay is told what it costs, whatever it is."""
    refused = shop.member("carl").change("POST", address, body)
    assert (refused.status_code, slug(refused)) == (402, "insufficient-credits")
    assert int(refused.json()["payment"]["accepts"][0]["amount"]) > 0
