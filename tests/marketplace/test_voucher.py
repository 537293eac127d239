"""Promises of marketplace.voucher: growing, within the deposit, bound, unexpired (L16)."""

from dataclasses import replace

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given
from hypothesis import strategies as st

from marketplace.errors import VoucherError
from marketplace.voucher import Channel, Voucher, channel_name, sign_voucher

KEY = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
OTHER = Ed25519PrivateKey.from_private_bytes(bytes(32))
PUBLIC = KEY.public_key().public_bytes_raw().hex()
NAME = channel_name("ab" * 32, "bob")
CHANNEL = Channel(NAME, frozenset({PUBLIC}), deposit_nanos=1000, ends_at=500.0)


def voucher(seq: int = 1, nanos: int = 10, expires_at: int = 400, channel: str = NAME) -> Voucher:
    """One that the channel takes, unless told otherwise."""
    return sign_voucher(
        KEY, channel=channel, seq=seq, cumulative_nanos=nanos, expires_at=expires_at
    )


@given(st.lists(st.tuples(st.integers(0, 20), st.integers(0, 1200)), max_size=30))
def test_number_and_sum_grow_and_the_deposit_is_never_passed(said: list[tuple[int, int]]) -> None:
    """Whatever arrives, in whatever order: a plain model of the rule takes exactly the same."""
    channel, last = CHANNEL, (0, 0)
    for seq, nanos in said:
        good = seq > last[0] and last[1] < nanos <= 1000
        try:
            channel = channel.accept(voucher(seq, nanos), 1.0)
        except VoucherError:
            assert not good
        else:
            assert good
            last = (seq, nanos)
        taken = channel.newest
        assert last == (0, 0) if taken is None else (taken.seq, taken.cumulative_nanos) == last


@pytest.mark.parametrize(
    ("bad", "why"),
    [
        (voucher(channel=channel_name("ab" * 32, "eve")), "another channel"),
        (voucher(channel=channel_name("cd" * 32, "bob")), "another channel"),
        (voucher(expires_at=100), "expired"),
        (voucher(nanos=1001), "deposit"),
        (voucher(nanos=0), "more than 0"),
        (replace(voucher(), cumulative_nanos=11), "not signed by the payer"),
        (replace(voucher(), seq=2), "not signed by the payer"),
        (replace(voucher(), expires_at=401), "not signed by the payer"),
        (replace(voucher(), signature="00" * 64), "not signed by the payer"),
        (replace(voucher(), signature="x"), "not signed by the payer"),
    ],
)
def test_a_foreign_stale_or_forged_voucher_is_refused(bad: Voucher, why: str) -> None:
    with pytest.raises(VoucherError, match=why):
        CHANNEL.accept(bad, 200.0)


def test_another_key_does_not_speak_for_the_payer() -> None:
    forged = sign_voucher(OTHER, channel=NAME, seq=1, cumulative_nanos=10, expires_at=400)
    with pytest.raises(VoucherError, match="not signed by the payer"):
        CHANNEL.accept(forged, 1.0)


def test_the_hold_ends_the_channel_whatever_the_voucher_says() -> None:
    late = voucher(expires_at=10_000)
    assert CHANNEL.accept(late, 499.0).newest == late
    with pytest.raises(VoucherError, match="expired"):
        CHANNEL.accept(late, 500.0)


def test_a_voucher_survives_being_written_down() -> None:
    assert Voucher.from_json(voucher().to_json()) == voucher()
    for text in ("", "[]", "{}", '{"channel": 1}', voucher().to_json().replace("10", '"10"', 1)):
        with pytest.raises(VoucherError, match="no voucher"):
            Voucher.from_json(text)


def test_numbers_that_do_not_fit_are_not_signed() -> None:
    with pytest.raises(VoucherError, match="must be from 0"):
        voucher(nanos=2**63)
