"""Payments without the ledger: the payer signs ever larger sums, the payee keeps the newest (L16).

    hold 5 credits -> voucher 1: 0.001 -> voucher 2: 0.003 -> ... -> settle: pay the newest, once

A voucher is `domain || channel (32 bytes) || seq u64 || cumulative nano-credits u64 || expiry u64`,
big-endian, signed with Ed25519. The channel's name is made of the hold's hash in the journal and
the payee, so a voucher is worth nothing in another market, on another hold or to anybody else.
Here is the payee's side, which needs no database; `marketplace.payment_channel` opens and settles.
"""

import json
import struct
from dataclasses import asdict, dataclass, replace
from hashlib import sha256

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from marketplace.errors import VoucherError
from marketplace.money import INT64_MAX, format_credits
from marketplace.signatures import is_signed

DOMAIN = b"continuum-market-voucher-1"


@dataclass(frozen=True, slots=True)
class Voucher:
    """The payer's word that the payee may take so much in all."""

    channel: str
    """64 hex digits, see `channel_name`."""
    seq: int
    """From 1, each higher than the one before."""
    cumulative_nanos: int
    """Everything owed since the channel was opened, not what this voucher adds."""
    expires_at: int
    """The payee must have settled before; whole seconds since 1970."""
    public_key: str
    """Of the payer, 64 hex digits."""
    signature: str
    """128 hex digits."""

    def to_json(self) -> str:
        """One JSON object on one line."""
        return json.dumps(asdict(self), sort_keys=True)

    @classmethod
    def from_json(cls, text: str) -> "Voucher":
        """Read what `to_json` wrote; whether it is good, `Channel.accept` finds out.

        Raises:
            VoucherError: It is no voucher.
        """
        try:
            found = cls(**json.loads(text))
        except (ValueError, TypeError, RecursionError) as error:
            raise VoucherError(
                f"this is no voucher ({type(error).__name__}): ask the payer for one"
            ) from None
        texts = (found.channel, found.public_key, found.signature)
        numbers = (found.seq, found.cumulative_nanos, found.expires_at)
        if not all(type(one) is str for one in texts) or not all(type(n) is int for n in numbers):
            raise VoucherError("this is no voucher (a field is of the wrong kind): ask for another")
        return found


@dataclass(frozen=True, slots=True)
class Channel:
    """What the payee knows: the deposit behind the vouchers, and the newest voucher taken."""

    name: str
    payer_keys: frozenset[str]
    """Public keys that speak for the payer."""
    deposit_nanos: int
    ends_at: float
    """When the hold expires, seconds since 1970."""
    newest: Voucher | None = None

    def accept(self, voucher: Voucher, now: float) -> "Channel":
        """The channel with this voucher as its newest; what it adds may now be delivered.

        Raises:
            VoucherError: For another channel, of a strange key, expired, not above the newest in
                both number and sum, or above the deposit.
        """
        last = self.newest
        if voucher.channel != self.name:
            raise _refused(voucher, "is for another channel", "sign one for this hold and payee")
        if voucher.public_key not in self.payer_keys or not _is_signed(voucher):
            raise _refused(voucher, "is not signed by the payer", "sign it with a registered key")
        if not now < min(voucher.expires_at, self.ends_at):
            raise _refused(voucher, f"has expired at {now:.0f}", "ask for a newer one")
        if last is not None and (
            voucher.seq <= last.seq or voucher.cumulative_nanos <= last.cumulative_nanos
        ):
            raise _refused(
                voucher,
                f"is not above number {last.seq} over {format_credits(last.cumulative_nanos)}",
                "number and sum must both grow",
            )
        if not 0 < voucher.cumulative_nanos <= self.deposit_nanos or voucher.seq < 1:
            raise _refused(
                voucher,
                f"must be over more than 0 and at most the deposit of"
                f" {format_credits(self.deposit_nanos)}",
                "open another channel for more",
            )
        return replace(self, newest=voucher)


def channel_name(hold_hash: str, payee: str) -> str:
    """The channel from a hold to a payee, 64 hex digits.

    Args:
        hold_hash: Of the hold's transfer in the journal's chain.
    """
    return sha256(DOMAIN + bytes.fromhex(hold_hash) + payee.encode()).hexdigest()


def sign_voucher(
    private_key: Ed25519PrivateKey,
    *,
    channel: str,
    seq: int,
    cumulative_nanos: int,
    expires_at: int,
) -> Voucher:
    """The payer's next voucher.

    Raises:
        VoucherError: A number does not fit.
    """
    public_key = private_key.public_key().public_bytes_raw().hex()
    unsigned = Voucher(channel, seq, cumulative_nanos, expires_at, public_key, "")
    return replace(unsigned, signature=private_key.sign(_message(unsigned)).hex())


def _is_signed(voucher: Voucher) -> bool:
    return is_signed(voucher.public_key, voucher.signature, _message(voucher))


def _message(voucher: Voucher) -> bytes:
    numbers = (voucher.seq, voucher.cumulative_nanos, voucher.expires_at)
    if not all(0 <= number <= INT64_MAX for number in numbers):
        raise VoucherError(
            f"voucher numbers {numbers} must be from 0 to {INT64_MAX}: change what is too large"
        )
    return DOMAIN + bytes.fromhex(voucher.channel) + struct.pack(">QQQ", *numbers)


def _refused(voucher: Voucher, why: str, remedy: str) -> VoucherError:
    amount = format_credits(voucher.cumulative_nanos)
    return VoucherError(f"voucher {voucher.seq} over {amount} {why}: {remedy}")
