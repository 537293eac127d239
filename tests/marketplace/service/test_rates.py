"""A quota is what it says: so many per window, then a wait that is long enough."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from starlette.requests import Request

from marketplace.service.caller import peer_of
from marketplace.service.rates import Rates
from marketplace.service.settings import RateLimit
from tests.support.service import key_of, public_of


def test_quota_may_be_used_at_once_and_the_next_must_wait():
    """Ten are allowed together, the eleventh is told how long."""
    rates = Rates("signed", RateLimit(10, 60.0))
    assert all(rates.take("ada", 0.0).allowed for _ in range(10))
    refused = rates.take("ada", 0.0)
    assert not refused.allowed and refused.headers()["Retry-After"] == "6"
    assert rates.take("bob", 0.0).allowed
    assert rates.take("ada", refused.wait_s).allowed


@given(st.lists(st.floats(0.0, 3.0), max_size=200), st.integers(1, 20))
def test_no_window_sees_more_than_twice_the_quota(gaps, quota):
    """Whatever the pattern: at most the quota at once, plus what grows back in one window."""
    rates, now, granted = Rates("signed", RateLimit(quota, 10.0)), 0.0, []
    for gap in gaps:
        now += gap
        if rates.take("ada", now).allowed:
            granted.append(now)
    for start in granted:
        assert sum(start <= at < start + 10.0 for at in granted) <= 2 * quota


@given(st.lists(st.floats(0.0, 3.0), max_size=50))
def test_after_the_wait_it_was_told_a_request_is_allowed(gaps):
    """Retry-After is honest."""
    rates, now = Rates("signed", RateLimit(3, 10.0)), 0.0
    for gap in gaps:
        now += gap
        found = rates.take("ada", now)
        if not found.allowed:
            now += float(found.headers()["Retry-After"])
            assert rates.take("ada", now).allowed


def test_looking_costs_nothing():
    """Cost 0 says whether a request would be allowed, without counting one."""
    rates = Rates("signed", RateLimit(1, 60.0))
    assert rates.take("ada", 0.0, cost=0).allowed
    assert rates.take("ada", 0.0).allowed
    assert not rates.take("ada", 0.0, cost=0).allowed


def test_service_says_what_is_left_and_refuses_with_retry_after(host):
    """Every answer carries the quota; beyond it is 429 with Retry-After."""
    hosted = host(unsigned=RateLimit(3, 60.0))
    answers = [hosted.client.get("/v1/listings") for _ in range(4)]
    assert [a.status_code for a in answers] == [200, 200, 200, 429]
    assert answers[0].headers["ratelimit"].startswith('"unsigned";r=2')
    assert answers[0].headers["ratelimit-policy"] == '"unsigned";q=3;w=60'
    assert int(answers[3].headers["retry-after"]) >= 1
    assert answers[3].json()["type"] == "urn:continuum:service:rate-limited"


def test_bad_signatures_use_up_the_peers_quota_not_the_keys(host):
    """Somebody who forges ada's key cannot lock ada out by being refused."""
    hosted = host(unsigned=RateLimit(4, 60.0))
    ada = hosted.member("ada")  # whose key was unknown: one
    for _ in range(3):
        assert ada.get("/v1/accounts/ada", tag="forged").status_code == 401
    assert hosted.client.get("/v1/listings").status_code == 429


def test_unknown_keys_use_up_their_peers_quota(host):
    """A new key per request gains nothing; who is registered has a quota of its own."""
    hosted = host(unsigned=RateLimit(4, 60.0))
    ada = hosted.member("ada")  # whose key was unknown: one
    strangers = [hosted.caller(f"stranger-{n}").get("/v1/accounts/ada") for n in range(5)]
    assert [answer.status_code for answer in strangers] == [401, 401, 401, 429, 429]
    assert strangers[0].headers["ratelimit"].startswith('"unsigned";r=2')
    assert hosted.client.get("/v1/listings").status_code == 429
    assert ada.key


def test_known_keys_and_operators_cost_their_peer_nothing(host):
    """Many registered accounts behind one address do not meet in its quota."""
    hosted = host(unsigned=RateLimit(3, 60.0))
    ada = hosted.member("ada", "1")
    for _ in range(5):
        assert ada.get("/v1/accounts/ada").status_code == 200
    left = hosted.client.get("/v1/listings").headers["ratelimit"]
    assert left.startswith('"unsigned";r=1')


def test_registrations_of_a_peer_are_few(host):
    """New accounts per address and hour; an account that is there may repeat its registration."""
    hosted = host(registrations=RateLimit(2, 3600.0))
    for name in ("ada", "bob", "ada"):
        hosted.member(name)
    body = {"public_key": public_of(key_of("eve"))}
    refused = hosted.caller("eve").change("PUT", "/v1/accounts/eve", body)
    assert refused.status_code == 429
    assert refused.headers["ratelimit-policy"] == '"registrations";q=2;w=3600'
    assert int(refused.headers["retry-after"]) > 1000
    assert hosted.caller("ada").get("/v1/accounts/ada").status_code == 200


@pytest.mark.parametrize(
    ("host", "peer"),
    [
        ("192.0.2.7", "192.0.2.7"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("2001:db8:1:2::", "2001:db8:1:2::/64"),
        ("::ffff:192.0.2.7", "192.0.2.7"),
        ("fe80::1%eth0", "fe80::/64"),
        ("a:b", "a:b"),
    ],
)
def test_an_ipv6_host_is_its_network(host, peer):
    """It has as many addresses as it likes; an IPv4 address counts as itself."""
    assert peer_of(Request({"type": "http", "client": (host, 1)})) == peer
