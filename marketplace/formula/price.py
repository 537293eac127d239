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
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass

from marketplace.money import INT64_MAX

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
