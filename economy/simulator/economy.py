"""The economy simulator: buyers, creators, attackers and demand shocks, one epoch a day.

Each day buyers look at the first page for their skill, choose by reputation and price, pay per
use and report; attackers attack; the epoch closes with the formulas of the real market. Once a
month creators invest what they earned. Same settings, same history.
"""

from collections.abc import Sequence
from random import Random

import numpy as np
from numpy.typing import NDArray

from economy.simulator.attackers import attack, settle_in
from economy.simulator.creators import draw_ask, draw_quality, invest
from economy.simulator.history import History
from economy.simulator.settings import DAYS_PER_MONTH, Economy
from economy.simulator.world import SimLayer, World
from marketplace.formula.price import buyer_weight, next_demand, step_nanos, target_nanos
from marketplace.formula.ranking import page_of, ranks
from marketplace.formula.reputation import Record
from marketplace.formula.trust import Edge, trust_of

TRUST_EVERY_DAYS = 7
CARE_FOR_REPUTATION = 8.0
"""How strongly buyers prefer what is proven: 0.1 of it outweighs a price 2.2 times lower."""
CARE_FOR_PRICE = 1.0


def simulate(economy: Economy) -> History:
    """Play the economy from its first day to its last."""
    world = World(economy)
    skills = _found(world)
    history = History(economy)
    for day in range(economy.n_days):
        for skill, users in skills.items():
            _trade(world, day, skill, users)
        attack(world, day)
        if day % DAYS_PER_MONTH == DAYS_PER_MONTH - 1:
            invest(world, day)
        history.note(world, day)
        _close(world, day)
    history.finish(world)
    return history


def _found(world: World) -> dict[str, list[str]]:
    """First layers, attackers' layers, and what each user needs: users by skill."""
    economy = world.economy
    skills = list(economy.skills)
    for place, creator in enumerate(world.creators):
        for number in range(economy.layers_per_creator):
            world.fund(creator, economy.training_nanos)
            world.train(creator, economy.training_nanos)
            world.publish(
                world.next_name(),
                creator,
                skills[(place * economy.layers_per_creator + number) % len(skills)],
                quality=draw_quality(world),
                ask_nanos=draw_ask(world),
            )
    settle_in(world)
    users = [*world.buyers, *world.creators]
    needs = world.rng.integers(len(skills), size=len(users))
    return {
        skill: [user for user, need in zip(users, needs, strict=True) if need == place]
        for place, skill in enumerate(skills)
    }


def _trade(world: World, day: int, skill: str, users: Sequence[str]) -> None:
    """One day of one skill: choose, use, pay, report."""
    economy = world.economy
    on_sale = [layer for layer in world.layers.values() if layer.skill == skill]
    chance = Random(f"{economy.seed}:{day}:{skill}")
    page = page_of([layer.candidate for layer in on_sale], size=economy.page_size, rng=chance)
    offers = [world.layers[candidate.name] for candidate in page]
    chosen = world.rng.choice(len(offers), size=len(users), p=_appeal(world, offers))
    factor = economy.demand(day, skill)
    uses = world.rng.poisson(economy.uses_per_day * factor, size=len(users))
    luck = world.rng.random((len(users), 2))
    for user, choice, n_uses, (outcome, reports) in zip(users, chosen, uses, luck, strict=True):
        layer = offers[choice]
        if n_uses == 0 or layer.owner == user:
            continue
        world.pay(user, layer, int(n_uses))
        good = _successes(int(n_uses), layer.quality, float(outcome))
        if reports < economy.report_rate:
            world.reports.add(layer.row, world.places[user], good, n_uses - good)


def _appeal(world: World, offers: Sequence[SimLayer]) -> NDArray[np.float64]:
    """Probability of choosing each offer: softmax of reputation and log price."""
    reputation = np.array([layer.reputation for layer in offers])  # (n_offers,)
    price = np.array([layer.price_nanos / world.economy.ask_nanos for layer in offers])
    value = CARE_FOR_REPUTATION * reputation - CARE_FOR_PRICE * np.log(price)
    weight = np.exp(value - value.max())
    return np.asarray(weight / weight.sum())


def _successes(n_uses: int, quality: float, luck: float) -> int:
    """Successes of a day, spread evenly around the expected number; one draw whatever the size."""
    expected = n_uses * quality
    return int(expected) + (luck < expected - int(expected))


def _close(world: World, day: int) -> None:
    """Evidence, trust and demand become tomorrow's prices."""
    if day % TRUST_EVERY_DAYS == 0:
        edges = [Edge(payer, payee, nanos) for (payer, payee), nanos in world.paid.items()]
        for name, value in trust_of(edges, world.seeds).items():
            if name in world.places:
                world.trust[world.places[name]] = value
    trust = {name: float(world.trust[place]) for name, place in world.places.items()}
    heard = world.reports.evidence(world.trust)
    for layer in world.layers.values():
        users, n_raters = heard[layer.row]
        layer.record = Record(layer.record.measured, users, layer.record.inherited, n_raters)
    rank = ranks([layer.candidate for layer in world.layers.values()])
    for layer in world.layers.values():
        layer.reputation = rank[layer.name]
        u = buyer_weight(layer.spending, layer.price_nanos, trust)
        layer.demand = next_demand(layer.demand, u)
        target = target_nanos(layer.ask_nanos, layer.reputation, layer.demand.log_premium)
        layer.price_nanos = step_nanos(layer.price_nanos, target)
        layer.uses = layer.income_nanos = 0
        layer.spending.clear()
    world.reports.next_day()
