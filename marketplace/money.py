"""Money is a whole number of nano-credits that fits 64 bits; 1 credit is nominally 1 dollar.

Floats are refused rather than rounded: 0.1 + 0.2 has no place in a ledger.
"""

from dataclasses import dataclass

from marketplace.errors import AmountError

NANOS_PER_CREDIT = 1_000_000_000
INT64_MAX = 2**63 - 1


@dataclass(frozen=True, slots=True)
class Split:
    """How the price of one sale is divided; the parts add up to the price exactly."""

    fee_nanos: int
    creator_nanos: int


def check_amount(value: object, what: str = "amount") -> int:
    """The value itself, when it is an int in 1..2^63-1.

    Raises:
        AmountError: It is a bool, a float, another type, zero, negative or too large.
    """
    if type(value) is not int:
        raise AmountError(
            f"{what} must be a whole number of nano-credits (int), got {value!r}"
            f" of type {type(value).__name__}: pass credits * {NANOS_PER_CREDIT} as int"
        )
    if not 0 < value <= INT64_MAX:
        raise AmountError(f"{what} must be 1 to {INT64_MAX} nano-credits, got {value}: change it")
    return value


def split_price(price_nanos: int) -> Split:
    """The platform takes a tenth, rounded up; the creator takes the rest."""
    fee_nanos = -(-price_nanos // 10)
    return Split(fee_nanos=fee_nanos, creator_nanos=price_nanos - fee_nanos)


def decimal_credits(nanos: int) -> str:
    """Exact decimal credits without trailing zeros: 1500000000 is '1.5'."""
    whole, fraction = divmod(abs(nanos), NANOS_PER_CREDIT)
    digits = f"{whole}.{fraction:09d}".rstrip("0").rstrip(".")
    return f"-{digits}" if nanos < 0 else digits


def format_credits(nanos: int) -> str:
    """The same for people: 1500000000 is '1.5 credits'."""
    digits = decimal_credits(nanos)
    return f"{digits} {'credit' if digits in ('1', '-1') else 'credits'}"


def short_credits(nanos: int) -> str:
    """Four decimals, cut: nobody reads more than there is, and a smaller amount is not called 0."""
    sign, (whole, rest) = "-" if nanos < 0 else "", divmod(abs(nanos), NANOS_PER_CREDIT)
    if nanos and not whole and rest < NANOS_PER_CREDIT // 10_000:
        return "<0.0001" if nanos > 0 else ">-0.0001"
    return f"{sign}{whole:,}.{rest * 10_000 // NANOS_PER_CREDIT:04d}"
