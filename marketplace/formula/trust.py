"""Whose word counts: personalised PageRank from accounts the operator vouches for (R4).

    t = (1 - a) C'T t + a p,    a = 0.15

C holds each account's settled, unrefunded payments to others, every row divided by its sum; p is
uniform over the seeds (evaluators of the house, verified organisations). Trust starts at seeds
and flows from who pays to who is paid. Buying never makes the buyer trusted, so a thousand new
accounts without an inbound edge have exactly 0; a group S with one holds at most
(1 - a)/a times its inflow. No symmetric measure can do that (Cheng & Friedman 2005).

What accounts without outgoing edges receive leaves the system; the answer is scaled so that the
most trusted account has 1, and dust below 1e-6 is 0.
"""

from collections import defaultdict
from collections.abc import Collection, Iterable
from dataclasses import dataclass

RESTART = 0.15
DUST = 1e-6
TOLERANCE = 1e-10
MAX_ROUNDS = 200


@dataclass(frozen=True, slots=True)
class Edge:
    """What one account paid another, settled and not refunded."""

    payer: str
    payee: str
    nanos: float


def personalised_pagerank(edges: Iterable[Edge], seeds: Collection[str]) -> dict[str, float]:
    """Trust before scaling: the probability mass at each account that trust reaches.

    Returns:
        Accounts with positive mass only; together at most 1.
    """
    flows = _normalised(edges)
    restart = {seed: RESTART / len(seeds) for seed in seeds}
    mass = dict(restart)
    for _ in range(MAX_ROUNDS):
        update = defaultdict(float, restart)
        for account, trust in mass.items():
            for payee, share in flows.get(account, ()):
                update[payee] += (1.0 - RESTART) * trust * share
        change = sum(abs(update[name] - mass.get(name, 0.0)) for name in update)
        mass = dict(update)
        if change < TOLERANCE:
            break
    return mass


def trust_of(edges: Iterable[Edge], seeds: Collection[str]) -> dict[str, float]:
    """Trust of every account that has any, in (0, 1]; absent means exactly 0."""
    if not seeds:
        return {}
    mass = personalised_pagerank(edges, seeds)
    most = max(mass.values())
    scaled = {name: value / most for name, value in sorted(mass.items())}
    return {name: value for name, value in scaled.items() if value >= DUST}


def _normalised(edges: Iterable[Edge]) -> dict[str, list[tuple[str, float]]]:
    """Outgoing shares per payer; paying oneself says nothing and is left out."""
    paid: dict[str, dict[str, float]] = defaultdict(lambda: defaultdict(float))
    for edge in edges:
        if edge.payer != edge.payee and edge.nanos > 0:
            paid[edge.payer][edge.payee] += edge.nanos
    sums = {payer: sum(row.values()) for payer, row in paid.items()}
    return {
        payer: [(payee, nanos / sums[payer]) for payee, nanos in sorted(row.items())]
        for payer, row in paid.items()
    }
