"""The short cut accepts exactly what the library accepts, or leaves it to the library."""

import re
import time
from datetime import datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from marketplace.service import signature
from marketplace.service.problems import ProblemError
from marketplace.service.signature import (
    HeaderLines,
    SignedMessage,
    check_body,
    check_signature,
)
from tests.support.service import key_of, sign_headers

URL = "http://market.example/v1/usage?x=1"
KEY = key_of("ada")


def verdict(message: SignedMessage, *, has_body: bool) -> object:
    """The proof, or the slug of the refusal."""
    try:
        return check_signature(
            message, has_body=has_body, now=time.time(), max_validity_s=60, skew_s=5
        )
    except ProblemError as refusal:
        return refusal.slug


def both(message: SignedMessage, *, has_body: bool, monkeypatch) -> tuple[object, object]:
    """The verdict with the short cut, and without."""
    quick = verdict(message, has_body=has_body)
    with monkeypatch.context() as patched:
        patched.setattr(signature, "_quick_proof", lambda *_: None)
        return quick, verdict(message, has_body=has_body)


@pytest.fixture(scope="module")
def shared():
    """One monkeypatch for all examples of a property."""
    with pytest.MonkeyPatch.context() as patched:
        yield patched


def test_ordinary_request_takes_the_short_cut(monkeypatch):
    """What our client sends never meets the parser."""
    monkeypatch.setattr(signature, "_verify", lambda *_: pytest.fail("the library was asked"))
    headers = sign_headers(KEY, "POST", URL, b"{}", {"Idempotency-Key": "k"})
    message = SignedMessage("POST", URL, HeaderLines(headers.items()))
    assert verdict(message, has_body=True).public_key == KEY.public_key().public_bytes_raw().hex()


@given(
    st.sampled_from(["Signature-Input", "Signature", "Content-Digest", "Idempotency-Key"]),
    st.integers(0, 400),
    st.text('abz019"; =:()-_@,/+\t', max_size=2),
    st.integers(0, 2),
)
@settings(max_examples=300, deadline=None)
def test_agrees_with_the_library_on_mutilated_headers(shared, name, at, inserted, dropped):
    """Wherever a header is changed, both accept with the same proof, or both refuse."""
    headers = sign_headers(KEY, "POST", URL, b"{}", {"Idempotency-Key": "key-1"})
    text = headers[name]
    at = min(at, len(text))
    headers[name] = text[:at] + inserted + text[at + dropped :]
    message = SignedMessage("POST", URL, HeaderLines(headers.items()))
    quick, slow = both(message, has_body=True, monkeypatch=shared)
    assert quick == slow


@given(
    st.permutations(["@method", "@target-uri", "content-digest", "idempotency-key"]),
    st.integers(0, 4),
    st.booleans(),
    st.sampled_from([1.0, 30.0, 60.0, 61.0, 3600.0]),
    st.sampled_from([-120, -30, 0, 4, 30]),
)
@settings(max_examples=100, deadline=None)
def test_agrees_with_the_library_on_what_is_covered_and_when(
    shared, parts, n_covered, has_body, validity_s, shift_s
):
    """Order, omissions and times: the same verdict either way."""
    given_headers = {"Idempotency-Key": "key-1"}
    covered = tuple(part for part in parts[:n_covered] if part != "content-digest")
    headers = sign_headers(
        KEY,
        "POST",
        URL,
        b"{}" if has_body else b"",
        given_headers,
        covered=covered,
        created=datetime.now() + timedelta(seconds=shift_s),
        validity_s=validity_s,
    )
    message = SignedMessage("POST", URL, HeaderLines(headers.items()))
    quick, slow = both(message, has_body=has_body, monkeypatch=shared)
    assert quick == slow


def test_another_keys_signature_is_refused_either_way(monkeypatch):
    """The key id is signed: naming another key's breaks it."""
    headers = sign_headers(KEY, "GET", URL)
    own, other = (key_of(n).public_key().public_bytes_raw().hex() for n in ("ada", "bob"))
    headers["Signature-Input"] = headers["Signature-Input"].replace(own, other)
    message = SignedMessage("GET", URL, HeaderLines(headers.items()))
    assert both(message, has_body=False, monkeypatch=monkeypatch) == (("signature-invalid",) * 2)


def accepted(digest: str, body: bytes) -> bool:
    """Whether the body is the one that the digest is of."""
    try:
        check_body(digest, body)
    except ProblemError:
        return False
    return True


@given(
    st.sampled_from([b"{}", b"", b"another body"]),
    st.integers(0, 70),
    st.text('ab019=: +/,"', max_size=2),
    st.integers(0, 2),
)
@settings(max_examples=300, deadline=None)
def test_agrees_with_the_library_on_mutilated_digests(shared, body, at, inserted, dropped):
    """Wherever a Content-Digest is changed, both accept the body, or both refuse it."""
    text = sign_headers(KEY, "POST", URL, b"{}")["Content-Digest"]
    digest = text[:at] + inserted + text[at + dropped :]
    quick = accepted(digest, body)
    with shared.context() as patched:
        patched.setattr(signature, "_SHA_256", re.compile("never"))
        assert quick == accepted(digest, body)


def test_ordinary_digest_takes_the_short_cut(monkeypatch):
    """What our client sends never meets the parser."""
    monkeypatch.setattr(
        signature.ContentDigest, "verify", lambda *_: pytest.fail("the library was asked")
    )
    assert accepted(sign_headers(KEY, "POST", URL, b"{}")["Content-Digest"], b"{}")
