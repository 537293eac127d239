"""A quota is what it says: so many per window, then a wait that is long enough."""

from hypothesis import given
from hypothesis import strategies as st

from marketplace.service.rates import Rates
from marketplace.service.settings import RateLimit


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
    hosted = host(unsigned=RateLimit(3, 60.0))
    ada = hosted.member("ada")
    for _ in range(3):
        assert ada.get("/v1/accounts/ada", tag="forged").status_code == 401
    assert hosted.client.get("/v1/listings").status_code == 429
