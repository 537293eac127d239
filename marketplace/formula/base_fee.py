"""What a slot on a machine costs: only for things that one user takes from another.

EIP-1559: each block the base fee moves towards the utilisation target, by at most 1/8.

    fee' = fee + fee * (used - target) / target / 8,   target = capacity / 2
         = fee + fee * (2 used - capacity) / capacity / 8

For a layer, which any number can use at once, such a controller would be an invitation: measured,
a wash trader gains 133 % of honest revenue from it. For machines it is safe because no owner is
paid the surplus above the ask: filling one's own slots raises a price one never gets. The surplus
goes to the platform, which offers no machines and so cannot make a queue for them.
"""

from marketplace.errors import InvalidInputError
from marketplace.money import INT64_MAX, check_amount

STEP = 8
"""The fee moves by at most 1/STEP per block."""


def next_base_fee(fee_nanos: int, *, used: int, capacity: int, floor_nanos: int = 1) -> int:
    """The base fee after a block with this utilisation.

    Args:
        fee_nanos: Price per unit in the block that ends.
        used: Units sold in it, 0 to capacity.
        capacity: Units there were, at least 1.
        floor_nanos: The owner's ask per unit; the fee never falls below.

    Returns:
        Nano-credits per unit; rises by at least 1 above the target, so that no fee gets stuck.

    Raises:
        InvalidInputError: More was used than there is, or there was nothing to use.
    """
    check_amount(fee_nanos, "base fee")
    if capacity < 1 or not 0 <= used <= capacity:
        raise InvalidInputError(
            f"utilisation needs 0 <= used <= capacity and capacity >= 1, got {used} of {capacity}:"
            " count the block again"
        )
    surprise = 2 * used - capacity
    step = fee_nanos * abs(surprise) // capacity // STEP
    if surprise > 0:
        fee_nanos += max(1, step)
    else:
        fee_nanos -= step
    return min(INT64_MAX, max(floor_nanos, 1, fee_nanos))
