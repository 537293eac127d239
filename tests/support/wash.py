"""The best that a wash trader can do against P1, found by search.

The setting flatters the attacker: honest demand is inelastic (everybody buys at any price),
surges are foreseen, and every wash account is trusted in full. The seller buys its own layer
through them; nine tenths come back, the fee is lost. What it gains is the higher price that
honest buyers pay afterwards.

    gain = (0.9 * sum honest * (price - honest price) - sum wash * fee) / honest revenue

Found with the default k = .005: at most 0.01 %; with k = .5 the same search gains more than 10 %.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from marketplace.formula.price import Demand, PriceRules, next_demand, step_nanos, target_nanos
from marketplace.money import NANOS_PER_CREDIT, split_price

RULES = PriceRules()
REPUTATION = 0.5
"""Quality factor 1: it cancels out of the gain."""


@dataclass(frozen=True, slots=True)
class WashResult:
    """The best plan found and what it is worth."""

    gain: float
    """Share of honest revenue; negative when no faking at all would have been better."""
    plan: tuple[int, ...]
    """Wash buyers per epoch."""


def prices(buyers: Sequence[float], rules: PriceRules = RULES) -> list[int]:
    """The price of each epoch, in nano-credits, given the buyers of all epochs."""
    price = target_nanos(NANOS_PER_CREDIT, REPUTATION, 0.0, rules)
    demand, course = Demand(), []
    for u in buyers:
        course.append(price)
        demand = next_demand(demand, u, rules)
        target = target_nanos(NANOS_PER_CREDIT, REPUTATION, demand.log_premium, rules)
        price = step_nanos(price, target, rules)
    return course


def wash_gain(
    honest: Sequence[int],
    plan: Sequence[int],
    rules: PriceRules = RULES,
    *,
    trust: float = 1.0,
) -> float:
    """What a plan brings the seller, as a share of what honest selling would have brought.

    Args:
        honest: Honest buyers per epoch.
        plan: Wash buyers per epoch.
        trust: Of every wash account.
    """
    faked = prices([h + trust * w for h, w in zip(honest, plan, strict=True)], rules)
    plain = prices([float(h) for h in honest], rules)
    earned = sum(h * _net(p) for h, p in zip(honest, faked, strict=True))
    fees = sum(w * (p - _net(p)) for w, p in zip(plan, faked, strict=True))
    revenue = sum(h * _net(p) for h, p in zip(honest, plain, strict=True))
    return (earned - fees - revenue) / revenue


def best_wash(
    honest: Sequence[int],
    rules: PriceRules = RULES,
    *,
    amounts: Sequence[int] = (0, 1, 3, 10, 30, 100, 300),
    rounds: int = 2,
) -> WashResult:
    """Hill climbing over plans: each epoch in turn takes the amount that pays best.

    Starts from no faking and from the best constant plan: the price may move by an eighth per
    epoch only, so that one epoch of faking alone can look useless where ten in a row pay.
    """
    starts = [[amount] * len(honest) for amount in amounts]
    best = max(starts, key=lambda plan: wash_gain(honest, plan, rules))
    results = [_climb(honest, start, rules, amounts, rounds) for start in (starts[0], best)]
    return max(results, key=lambda result: result.gain)


def _climb(
    honest: Sequence[int],
    start: Sequence[int],
    rules: PriceRules,
    amounts: Sequence[int],
    rounds: int,
) -> WashResult:
    plan = list(start)
    gain = wash_gain(honest, plan, rules)
    for _ in range(rounds):
        before = gain
        for epoch in range(len(plan)):
            for amount in amounts:
                changed = [*plan[:epoch], amount, *plan[epoch + 1 :]]
                value = wash_gain(honest, changed, rules)
                if value > gain:
                    plan, gain = changed, value
        if gain == before:
            break
    return WashResult(gain, tuple(plan))


def _net(price_nanos: int) -> int:
    return split_price(price_nanos).creator_nanos
