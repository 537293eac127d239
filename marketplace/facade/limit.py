"""What every request that pays carries: a key, and perhaps the most it may cost."""

from marketplace.money import check_amount
from marketplace.names import check_key


def limit_of(key: str, max_price_nanos: int | None) -> int | None:
    """The most a buyer allows, checked together with the request's key; None = anything."""
    check_key(key)
    return None if max_price_nanos is None else check_amount(max_price_nanos, "max_price_nanos")
