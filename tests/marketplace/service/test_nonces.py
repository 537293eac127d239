"""Each nonce counts once while its signature is valid, and is forgotten after."""

from hypothesis import given
from hypothesis import strategies as st

from marketplace.service.signature import NonceCache


@given(st.lists(st.tuples(st.sampled_from("ab"), st.sampled_from("xyz"), st.integers(0, 5))))
def test_agrees_with_a_plain_list(steps):
    """Taken is what was taken before and has not expired, whatever the order."""
    cache, taken, now = NonceCache(), [], 0.0
    for key, nonce, gap in steps:
        now += gap
        known = any((k, n) == (key, nonce) and until >= now for k, n, until in taken)
        assert cache.take(key, nonce, until=now + 10, now=now) is not known
        if not known:
            taken.append((key, nonce, now + 10))


def test_memory_holds_only_what_is_still_valid():
    """A million requests a day leave nothing behind but the last minute's."""
    cache = NonceCache()
    for second in range(1000):
        cache.take("key", str(second), until=second + 60.0, now=float(second))
    assert len(cache) <= 62
