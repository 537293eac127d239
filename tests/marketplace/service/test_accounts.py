"""Accounts over the wire: first come, own business only."""

import pytest

from marketplace.ledger.account_key import prove_key
from tests.support.market import publish_example
from tests.support.service import key_of, public_of


def slug(response) -> str:
    """The last part of a problem's type."""
    return response.json()["type"].rpartition(":")[2]


def test_first_key_opens_the_account_and_the_next_stranger_is_refused(hosted):
    """First come, first served; repeating the registration changes nothing."""
    ada = hosted.member("ada")
    again = ada.change("PUT", "/v1/accounts/ada", {"public_key": public_of(key_of("ada"))})
    assert again.status_code == 200
    thief = hosted.caller("thief")
    taken = thief.change("PUT", "/v1/accounts/ada", {"public_key": public_of(key_of("thief"))})
    assert (taken.status_code, slug(taken)) == (409, "key-taken")


def test_registering_a_key_one_does_not_hold_is_refused(hosted):
    """Possession is proven by signing the registration with the new key itself."""
    body = {"public_key": public_of(key_of("victim"))}
    refused = hosted.caller("thief").change("PUT", "/v1/accounts/victim", body)
    assert (refused.status_code, slug(refused)) == (403, "forbidden")


def test_account_opened_by_the_operator_is_not_up_for_grabs(hosted):
    """An account that exists without keys, perhaps with credits, is not taken by registering."""
    hosted.market.open_account("treasury")
    body = {"public_key": public_of(key_of("thief"))}
    taken = hosted.caller("thief").change("PUT", "/v1/accounts/treasury", body)
    assert (taken.status_code, slug(taken)) == (409, "unclaimed-account")


@pytest.mark.parametrize("house", ["world", "platform"])
def test_house_accounts_have_no_keys(hosted, house):
    """Nobody speaks for the source of credits or for the fees."""
    body = {"public_key": public_of(key_of("thief"))}
    refused = hosted.caller("thief").change("PUT", f"/v1/accounts/{house}", body)
    assert refused.status_code == 403


def test_second_key_speaks_after_it_agreed_and_is_silent_after_revocation(hosted):
    """A key is added with its own signature, works, and works no more once revoked."""
    ada = hosted.member("ada")
    laptop = key_of("laptop")
    forged = {"public_key": public_of(laptop), "proof": "00" * 64}
    assert ada.change("POST", "/v1/accounts/ada/keys", forged).status_code == 422
    body = {"public_key": public_of(laptop), "proof": prove_key(laptop, "ada")}
    assert ada.change("POST", "/v1/accounts/ada/keys", body).status_code == 201
    second = hosted.caller("laptop")
    assert second.get("/v1/accounts/ada").status_code == 200
    address = f"/v1/accounts/ada/keys/{public_of(laptop)}"
    assert ada.change("DELETE", address).json()["revoked_at"] is not None
    assert slug(second.get("/v1/accounts/ada")) == "key-unknown"
    last = ada.change("DELETE", f"/v1/accounts/ada/keys/{public_of(key_of('ada'))}")
    assert (last.status_code, slug(last)) == (409, "last-key")


def test_only_operators_grant_credits(hosted):
    """Credits come from an operator's key, exact to the nano-credit, once per Idempotency-Key."""
    ada = hosted.member("ada")
    refused = ada.change("POST", "/v1/accounts/ada/grants", {"amount": "5"})
    assert (refused.status_code, slug(refused)) == (403, "operator-only")
    operator = hosted.caller("operator")
    for _ in range(2):
        granted = operator.change(
            "POST", "/v1/accounts/ada/grants", {"amount": "1.000000001"}, idempotency_key="g1"
        )
        assert granted.json()["balance"] == "1.000000001"


@pytest.mark.parametrize("amount", [1, 1.5, "-1", "1e3", "01", "1.0000000001", "NaN", "", None])
def test_amounts_are_decimal_strings(hosted, amount):
    """A number in a JSON float, or a string that is no plain decimal, never becomes money."""
    hosted.member("ada")
    refused = hosted.caller("operator").change(
        "POST", "/v1/accounts/ada/grants", {"amount": amount}
    )
    assert (refused.status_code, slug(refused)) == (422, "request-invalid")


def test_keys_of_two_accounts_do_not_meet(hosted):
    """Two accounts may use the same Idempotency-Key, and neither learns of the other's."""
    hosted.member("ada", "5")
    hosted.member("bob", "5")
    operator = hosted.caller("operator")
    for name in ("ada", "bob"):
        body = {"public_key": public_of(key_of(f"{name}-2")), "proof": ""}
        body["proof"] = prove_key(key_of(f"{name}-2"), name)
        answer = hosted.caller(name).change(
            "POST", f"/v1/accounts/{name}/keys", body, idempotency_key="same"
        )
        assert answer.status_code == 201
    assert operator.get("/v1/accounts/ada").status_code == 403


def test_statement_is_paged_to_its_end(hosted):
    """Following `next` shows every posting once, newest first, whatever comes meanwhile."""
    ada = hosted.member("ada")
    for number in range(7):
        hosted.market.fund("ada", number + 1, key=f"f{number}")
    seen, cursor = [], ""
    while cursor is not None:
        found = ada.get(f"/v1/accounts/ada/postings?limit=3{cursor and f'&cursor={cursor}'}").json()
        seen += [item["amount"] for item in found["items"]]
        cursor = found["next"]
        hosted.market.fund("ada", 9, key=f"meanwhile-{len(seen)}")
    assert seen == [f"0.00000000{7 - number}" for number in range(7)]


@pytest.mark.parametrize("what", ["purchases", "incomes", "postings"])
def test_lists_of_an_account_come_in_pages_that_fit_together(hosted, what):
    """Each line once, whatever the page's size; a cursor of one list opens no other."""
    name = {"purchases": "ada", "incomes": "bob", "postings": "ada"}[what]
    hosted.member("bob")
    hosted.member("ada", "9")
    for number in range(5):
        publish_example(hosted.market, "bob", f"layer-{number}", ask_nanos=10**8)
        hosted.market.buy(buyer="ada", listing=f"layer-{number}", key=f"buy-{number}")
    reader, address = hosted.caller(name), f"/v1/accounts/{name}/{what}"
    whole = reader.get(address).json()
    assert len(whole["items"]) >= 5 and whole["next"] is None
    found, cursor = [], ""
    while cursor is not None:
        page = reader.get(f"{address}?limit=2{cursor and '&cursor='}{cursor}").json()
        found += page["items"]
        cursor = page["next"]
        assert len(page["items"]) == 2 or cursor is None
    assert found == whole["items"]
    sealed = reader.get(f"{address}?limit=2").json()["next"]
    other = reader.get(f"/v1/accounts/{name}/keys?cursor={sealed}")
    assert (other.status_code, slug(other)) == (400, "cursor-invalid")
