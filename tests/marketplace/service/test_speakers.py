"""Promises of marketplace.service.state."""

import asyncio
from collections import Counter

import pytest

from marketplace.service.state import CHECK_S, Speakers


class Keys:
    """A market's keys, and how often they were asked for."""

    def __init__(self) -> None:
        self.accounts: dict[str, str] = {"key-1": "ada", "key-2": "bob"}
        self.n_revoked = 0
        self.asked: Counter[str] = Counter()

    def speaker(self, public_key: str) -> str | None:
        """The account, unless revoked."""
        self.asked[public_key] += 1
        return self.accounts.get(public_key)

    def n_revoked_keys(self) -> int:
        """Revocations so far."""
        self.asked["revoked"] += 1
        return self.n_revoked

    def revoke(self, public_key: str) -> None:
        """As another process would."""
        del self.accounts[public_key]
        self.n_revoked += 1


async def at_once(work):
    """Read without a thread."""
    return work()


@pytest.fixture
def keys() -> Keys:
    """Two accounts with a key each."""
    return Keys()


def spoken(speakers: Speakers, key: str, now: float) -> str | None:
    """The account the key speaks for."""
    return asyncio.run(speakers.account(key, now))


def test_a_key_is_looked_up_once_and_revocations_once_a_second(keys):
    """However many keys speak, however often."""
    speakers = Speakers(keys, at_once)
    for tick in range(30):
        now = 100.0 + tick / 10
        assert spoken(speakers, "key-1", now) == "ada" and spoken(speakers, "key-2", now) == "bob"
    assert keys.asked == {"key-1": 1, "key-2": 1, "revoked": 3}


def test_a_key_revoked_elsewhere_is_silent_after_a_second(keys):
    """And the other keys speak on."""
    speakers = Speakers(keys, at_once)
    assert spoken(speakers, "key-1", 100.0) == "ada"
    keys.revoke("key-1")
    assert spoken(speakers, "key-1", 100.0 + CHECK_S) is None
    assert spoken(speakers, "key-2", 100.0 + CHECK_S) == "bob"


def test_a_key_revoked_here_is_silent_at_once(keys):
    """The change forgets what was known."""
    speakers = Speakers(keys, at_once)
    assert spoken(speakers, "key-1", 100.0) == "ada"
    keys.revoke("key-1")
    speakers.forget()
    assert spoken(speakers, "key-1", 100.1) is None


def test_unknown_keys_are_asked_for_each_time(keys):
    """They may be registered at any moment, elsewhere too."""
    speakers = Speakers(keys, at_once)
    assert spoken(speakers, "key-3", 100.0) is None
    keys.accounts["key-3"] = "eve"
    assert spoken(speakers, "key-3", 100.1) == "eve"


def test_an_answer_from_before_a_revocation_is_not_remembered(keys):
    """The lookup was under way when the key was revoked and everything forgotten."""
    speakers: Speakers

    async def slow(work):
        found = work()
        if found == "ada":
            keys.revoke("key-1")
            speakers.forget()
        return found

    speakers = Speakers(keys, slow)
    assert spoken(speakers, "key-1", 100.0) == "ada"
    assert spoken(speakers, "key-1", 100.1) is None


def test_a_clock_set_back_does_not_keep_a_revoked_key(keys):
    """The next check is never more than a second away."""
    speakers = Speakers(keys, at_once)
    assert spoken(speakers, "key-1", 100.0) == "ada"
    keys.revoke("key-1")
    assert spoken(speakers, "key-1", 50.0) is None


def test_a_failed_check_is_made_again(keys):
    """Whoever asked hears of it; nobody goes on without having checked."""
    failures = [OSError("no database")]

    async def failing(work):
        if failures:
            raise failures.pop()
        return work()

    speakers = Speakers(keys, failing)
    with pytest.raises(OSError, match="no database"):
        spoken(speakers, "key-1", 100.0)
    assert spoken(speakers, "key-1", 100.1) == "ada" and keys.asked["revoked"] == 1
