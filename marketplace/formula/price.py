"""What a layer costs: the owner's ask, moved by quality and by demand (P1).

    P* = ask · 2^(4(L-½)) · e^x
    x' = clip((1-λ)x + k(u-ū)/(max(u,ū)+u₀), ±ln 4)

L is the reputation, u the distinct buyers of the closing epoch, each counted by the trust in it
and by the part of the price it paid, and ū their running mean. `marketplace.price.quote` tells a
price term by term.
x forgets (λ) on purpose: a price that integrates demand can be pumped by a wash trader for
more than the 10 % fee costs. Per epoch a price moves by at most a factor of 1.125.

Multipliers are rounded to millionths and the rest is integer arithmetic, so that anyone can
check a quote with pencil and paper and every machine finds the same price.

What a slot on a machine costs: only for things that one user takes from another.

EIP-1559: each block the base fee moves towards the utilisation target, by at most 1/8.

    fee' = fee + fee * (used - target) / target / 8,   target = capacity / 2
         = fee + fee * (2 used - capacity) / capacity / 8

For a layer, which any number can use at once, such a controller would be an invitation: measured,
a wash trader gains 133 % of honest revenue from it. For machines it is safe because no owner is
paid the surplus above the ask: filling one's own slots raises a price one never gets. The surplus
goes to the platform, which offers no machines and so cannot make a queue for them.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass

from marketplace.errors import InvalidInputError
from marketplace.money import INT64_MAX, check_amount

STEP = 8
"""The fee moves by at most 1/STEP per block."""

PARTS = 1_000_000


@dataclass(frozen=True, slots=True)
class PriceRules:
    """Constants of P1; the defaults are the ones the wash-trading study was made with."""

    quality_octaves: float = 4.0
    """Quality multiplies the ask by 2^±(half of this)."""
    forgetting: float = 0.2
    """λ, share of the premium lost per epoch."""
    gain: float = 0.005
    """k, premium gained per epoch of full surprise."""
    prior_buyers: float = 10.0
    """u₀, buyers below which a change counts for little."""
    memory: float = 0.95
    """β of the running mean ū."""
    max_log_premium: float = math.log(4.0)
    floor_nanos: int = 10
    """Ten fee units: below, the rounded-up fee would take more than a tenth."""


@dataclass(frozen=True, slots=True)
class Demand:
    """State of the demand controller of one listing."""

    log_premium: float = 0.0
    """x; 0 means the price is ask times quality."""
    usual_buyers: float = 0.0
    """ū, buyers per epoch."""


def buyer_weight(
    spending: Mapping[str, int], price_nanos: int, trust: Mapping[str, float]
) -> float:
    """u of P1: distinct buyers, each by trust and by how much of the price it paid, at most all.

    Without the second factor a ring of trusted accounts could fake demand with uses that cost
    next to nothing: the tenth that a full price costs is what makes faking it a loss.
    """
    return sum(
        trust.get(buyer, 0.0) * min(1.0, nanos / price_nanos)
        for buyer, nanos in sorted(spending.items())
    )


def next_demand(demand: Demand, buyers: float, rules: PriceRules = PriceRules()) -> Demand:
    """Demand after an epoch with this many distinct buyers, each counted by trust in [0, 1]."""
    usual = demand.usual_buyers
    surprise = (buyers - usual) / (max(buyers, usual) + rules.prior_buyers)  # (-1, 1)
    x = (1.0 - rules.forgetting) * demand.log_premium + rules.gain * surprise
    limit = rules.max_log_premium
    return Demand(
        log_premium=min(limit, max(-limit, x)),
        usual_buyers=rules.memory * usual + (1.0 - rules.memory) * buyers,
    )


def quality_parts(reputation: float, rules: PriceRules = PriceRules()) -> int:
    """Quality multiplier in millionths: 250 000 at reputation 0, 4 000 000 at 1."""
    return round(PARTS * math.exp2(rules.quality_octaves * (reputation - 0.5)))


def demand_parts(log_premium: float) -> int:
    """Demand multiplier in millionths."""
    return round(PARTS * math.exp(log_premium))


def target_nanos(
    ask_nanos: int, reputation: float, log_premium: float, rules: PriceRules = PriceRules()
) -> int:
    """P*, the price the formula asks for, before the limit on its movement."""
    product = ask_nanos * quality_parts(reputation, rules) * demand_parts(log_premium)
    nearest = (product + PARTS * PARTS // 2) // (PARTS * PARTS)
    return min(INT64_MAX, max(rules.floor_nanos, nearest))


def step_nanos(previous_nanos: int, target: int, rules: PriceRules = PriceRules()) -> int:
    """The next epoch's price: towards the target, by at most a factor of 1.125 = 9/8."""
    lowest = -(-previous_nanos * 8 // 9)
    highest = previous_nanos * 9 // 8
    return min(INT64_MAX, max(rules.floor_nanos, lowest, min(highest, target)))


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
