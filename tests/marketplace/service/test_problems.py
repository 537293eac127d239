"""Every refusal is a problem document with a type that stays."""

from urllib.parse import urlencode

import pytest

from marketplace.errors import MarketError, MarketFileError
from marketplace.service.openapi import PUBLIC
from marketplace.service.problems import PROBLEMS, market_document, status_of
from marketplace.wire import problem_type


def tree() -> list[type[MarketError]]:
    """Every error class of the market."""
    kinds = [MarketError]
    for kind in kinds:
        kinds.extend(kind.__subclasses__())
    return kinds


def test_every_error_has_its_own_type_and_a_refusing_status():
    """No two classes share a type; none looks like success."""
    types = [problem_type(kind) for kind in tree()]
    assert len(types) == len(set(types))
    for kind in tree():
        assert 400 <= status_of(kind) < 600


@pytest.mark.parametrize(
    ("name", "status"),
    [
        ("InsufficientCreditsError", 402),
        ("ListingNotFoundError", 404),
        ("AmountError", 422),
        ("IdempotencyKeyReusedError", 422),
        ("AlreadyOwnedError", 409),
        ("MarketBusyError", 503),
        ("HouseAccountError", 403),
        ("KeyInProgressError", 409),
        ("MarketDamagedError", 503),
    ],
)
def test_statuses_clients_rely_on(name, status):
    """These are published: changing one is a new version of the interface."""
    found = {kind.__name__: kind for kind in tree()}
    if name in found:
        assert status_of(found[name]) == status


def test_details_keep_secrets():
    """File names and the names of other accounts stay inside."""
    from marketplace.errors import AccountNotFoundError, MarketFileError

    told = market_document(MarketFileError("market file /home/ada/market.db cannot be used"))
    assert "/home" not in told["detail"]
    hint = market_document(
        AccountNotFoundError("account 'adx' does not exist: did you mean 'ada'?")
    )
    assert "'ada'" not in hint["detail"]


def test_service_types_are_stable_slugs():
    """Lower case with hyphens, each with a status of refusal and a title."""
    for slug, (status, title) in PROBLEMS.items():
        assert slug == slug.lower() and " " not in slug and 400 <= status < 600 and title


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [("GET", "/nothing", 404), ("DELETE", "/health", 405), ("GET", "/v1/listings/NOPE", 422)],
)
def test_framework_errors_are_problems_too(hosted, method, path, status):
    """Unknown address, wrong method, bad parameter: same kind of document."""
    answer = hosted.client.request(method, path)
    assert answer.status_code == status
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["status"] == status


def test_validation_does_not_repeat_what_was_sent(hosted):
    """A secret in the wrong field does not come back, nor go to the log."""
    ada = hosted.member("ada")
    answer = ada.change("POST", "/v1/epochs", {"number": "sk-secret-token"})
    assert answer.status_code == 422 and "sk-secret" not in answer.text
    assert "sk-secret" not in hosted.lines.getvalue()


def test_unforeseen_failure_is_a_problem_and_is_logged(hosted, monkeypatch):
    """500 says a number to quote; the log has the places, nobody gets a traceback."""
    monkeypatch.setattr(hosted.market, "search", lambda *a, **k: 1 // 0, raising=False)
    answer = hosted.client.get("/v1/listings")
    assert answer.status_code == 500 and "Traceback" not in answer.text
    failure = next(line for line in hosted.logged() if line["event"] == "failure")
    assert failure["request"] in answer.json()["detail"]
    assert failure["error"] == "ZeroDivisionError" and failure["places"]


@pytest.mark.parametrize(
    ("headers", "status"),
    [({"Content-Length": str(2 << 20)}, 413), ({"Transfer-Encoding": "chunked"}, 411)],
)
def test_bodies_without_measure_are_refused_before_they_are_read(hosted, headers, status):
    """Too long, or of unknown length: refused by the header alone."""
    answer = hosted.client.post("/v1/epochs", content=iter([b"{}"]), headers=headers)
    assert answer.status_code == status


ODD = ("", "No Such Skill!", "x" * 200, "\x7f", "%00", "a/b", "-1", "1e9", "..", "ünicode")


@pytest.mark.parametrize("asked", ["niche", "base_model", "owner", "licence", "tag", "query"])
@pytest.mark.parametrize("value", ODD)
def test_a_list_answers_signed_and_unsigned_alike(hosted, asked, value):
    """A search that finds nothing is noted as demand only for who signs; the answer is the same."""
    ada = hosted.member("ada")
    address = f"/v1/listings?{urlencode({asked: value})}"
    signed, unsigned = ada.get(address), hosted.nobody().get(address)
    assert (signed.status_code, signed.json()) == (unsigned.status_code, unsigned.json())


@pytest.mark.parametrize("limit", ["0", "101", "x", "5"])
@pytest.mark.parametrize("number", ["0", "1", "9" * 30])
@pytest.mark.parametrize("name", ["none", "UPPER", "a" * 64])
def test_public_reads_answer_signed_and_unsigned_alike(hosted, name, number, limit):
    """Every list and view that needs no signature: one status, one body, whoever asks."""
    ada = hosted.member("ada")
    for path, operations in hosted.client.app.openapi()["paths"].items():
        if operations.get("get", {}).get("operationId") not in PUBLIC - {"metrics"}:
            continue
        address = f"{path.format(name=name, number=number)}?limit={limit}"
        signed, unsigned = ada.get(address), hosted.nobody().get(address)
        assert signed.status_code == unsigned.status_code, address
        assert signed.json() == unsigned.json(), address


def test_a_search_is_answered_while_nothing_can_be_noted(hosted, monkeypatch):
    """A full disk takes the note, not the answer."""

    def full(**_miss):
        raise MarketFileError("the disk is full")

    monkeypatch.setattr(hosted.market, "record_miss", full, raising=False)
    found = hosted.member("ada").get("/v1/listings?niche=nothing")
    assert (found.status_code, found.json()["items"]) == (200, [])
