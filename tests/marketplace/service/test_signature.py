"""Requests are signed, once, for now, for here."""

import secrets
import time
from datetime import datetime, timedelta

import pytest

from marketplace.service.signature import CHALLENGE
from tests.support.service import ORIGIN, SigningClient, key_of, sign_headers


def slug(response) -> str:
    """The last part of a problem's type."""
    assert response.headers["content-type"] == "application/problem+json", response.text
    return response.json()["type"].rpartition(":")[2]


def test_signed_read_is_answered_and_unsigned_is_challenged(hosted):
    """A good signature opens the account; without one the answer says how to sign."""
    ada = hosted.member("ada")
    assert ada.get("/v1/accounts/ada").json()["name"] == "ada"
    refused = hosted.nobody().get("/v1/accounts/ada")
    assert (refused.status_code, slug(refused)) == (401, "signature-missing")
    assert refused.headers["accept-signature"] == CHALLENGE["Accept-Signature"]


def test_same_nonce_twice_is_refused(hosted):
    """A recorded request, sent again byte for byte, is a replay."""
    ada = hosted.member("ada")
    url = f"{ORIGIN}/v1/accounts/ada"
    headers = sign_headers(ada.key, "GET", url)
    assert hosted.client.get(url, headers=headers).status_code == 200
    again = hosted.client.get(url, headers=headers)
    assert (again.status_code, slug(again)) == (401, "signature-replayed")


def test_same_nonce_of_another_key_is_not_a_replay(hosted):
    """Nonces are counted per key: nobody can use up another's."""
    nonce = secrets.token_urlsafe(16)
    for name in ("ada", "bob"):
        hosted.member(name)
        assert hosted.caller(name).get(f"/v1/accounts/{name}", nonce=nonce).status_code == 200


@pytest.mark.parametrize("part", ["method", "target", "body", "idempotency-key"])
def test_changing_any_covered_part_breaks_the_signature(hosted, part):
    """Method, address, body and Idempotency-Key are what was signed, or nothing happens."""
    ada = hosted.member("ada", "5")
    url, body = f"{ORIGIN}/v1/listings", b'{"a":1}'
    headers = {"Idempotency-Key": "k1", "Content-Type": "application/json"}
    signed = sign_headers(ada.key, "POST", url, body, headers)
    method = "PUT" if part == "method" else "POST"
    target = f"{ORIGIN}/v1/epochs" if part in ("target", "method") else url
    sent = b'{"a":2}' if part == "body" else body
    if part == "idempotency-key":
        signed["Idempotency-Key"] = "k2"
    if part == "method":
        target = f"{ORIGIN}/v1/accounts/ada"
    answer = hosted.client.request(method, target, content=sent, headers=signed)
    expected = (400, "digest-mismatch") if part == "body" else (401, "signature-invalid")
    assert (answer.status_code, slug(answer)) == expected


@pytest.mark.parametrize(
    "left_out", ["@method", "@target-uri", "content-digest", "idempotency-key"]
)
def test_leaving_a_part_uncovered_is_refused(hosted, left_out):
    """A valid signature over less than everything proves too little."""
    ada = hosted.member("ada")
    url = f"{ORIGIN}/v1/epochs"
    parts = ("@method", "@target-uri", "content-digest", "idempotency-key")
    covered = tuple(part for part in parts if part != left_out)
    headers = {
        "Idempotency-Key": "k",
        "Content-Type": "application/json",
        "Content-Digest": "sha-256=:RBNvo1WzZ4oRRq0W9+hknpT7T8If536DEMBg9hyq/4o=:",
    }
    import http_message_signatures as library

    from tests.support import service

    message = service._Message("POST", url, dict(headers))
    public = service.public_of(ada.key)
    resolver = library.MappingKeyResolver(public_keys={}, private_keys={public: ada.key})
    now = datetime.now()
    library.HTTPMessageSigner(
        signature_algorithm=library.algorithms.ED25519, key_resolver=resolver
    ).sign(
        message,
        key_id=public,
        created=now,
        expires=now + timedelta(seconds=30),
        nonce=secrets.token_urlsafe(16),
        tag=service.TAG,
        covered_component_ids=covered,
        use_existing_digest=True,
    )
    answer = hosted.client.post(url, content=b"{}", headers=message.headers)
    assert (answer.status_code, slug(answer)) == (401, "signature-invalid")
    assert left_out in answer.json()["detail"]


@pytest.mark.parametrize(
    ("signing", "why"),
    [
        ({"validity_s": 61.0}, "expires must be"),
        ({"validity_s": -6.0}, "expires must be"),
        ({"created": datetime.now() + timedelta(seconds=3600)}, "was valid from"),
        ({"created": datetime.now() - timedelta(seconds=3600)}, "was valid from"),
        ({"nonce": "short"}, "nonce must be"),
        ({"tag": "another-service"}, "tag"),
    ],
)
def test_bad_parameters_are_refused(hosted, signing, why):
    """Valid for at most 60 s, now, with a real nonce, and made for this kind of service."""
    ada = hosted.member("ada")
    answer = ada.get("/v1/accounts/ada", **signing)
    assert (answer.status_code, slug(answer)) == (401, "signature-invalid")
    assert why in answer.json()["detail"]


def test_request_under_another_services_name_is_refused(hosted):
    """A request recorded at another service, whose name the thief sends along, proves nothing."""
    ada = hosted.member("ada")
    url = "http://other.example/v1/accounts/ada"
    headers = sign_headers(ada.key, "GET", url)
    answer = hosted.client.get("/v1/accounts/ada", headers=headers | {"Host": "other.example"})
    assert (answer.status_code, slug(answer)) == (421, "wrong-host")


def test_signature_from_before_the_start_is_refused(host):
    """The nonce cache starts empty, so what the process before may have seen does not count."""
    hosted = host(clock=lambda: time.time() + 2.0)
    answer = hosted.caller("ada").change(
        "PUT", "/v1/accounts/ada", {"public_key": "0" * 64}, created=datetime.now()
    )
    assert (answer.status_code, slug(answer)) == (401, "signature-replayed")


def test_unknown_key_is_refused(hosted):
    """A perfect signature of a key that nobody registered speaks for nobody."""
    answer = SigningClient(hosted.client, key_of("stranger")).get("/v1/accounts/ada")
    assert (answer.status_code, slug(answer)) == (401, "key-unknown")


def test_two_signatures_are_refused(hosted):
    """Which of two would count is a question that never arises."""
    ada = hosted.member("ada")
    headers = sign_headers(ada.key, "GET", f"{ORIGIN}/v1/accounts/ada")
    for name in ("Signature", "Signature-Input"):
        headers[name] += ", " + headers[name].replace("sig=", "sig2=")
    answer = hosted.client.get("/v1/accounts/ada", headers=headers)
    assert (answer.status_code, slug(answer)) == (401, "signature-invalid")
