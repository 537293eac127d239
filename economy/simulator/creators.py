"""How honest creators run their business: invest what was earned where demand is short of supply.

Once a month, by the vision's rule that earnings pay for training: whoever can afford a layer from
scratch trains one; whoever can afford less refines an own layer or forks the best of another.
"""

from economy.simulator.world import SimLayer, World

ASK_STEP = 1.2
"""A refined layer asks this much more when it sells better than its rivals, less when worse."""


def invest(world: World, day: int) -> None:
    """One month's decisions of all creators, in order of name."""
    economy = world.economy
    for creator in world.creators:
        purse = world.balances[creator]
        if purse >= economy.training_nanos:
            _train(world, creator, day)
        elif purse >= economy.refining_nanos:
            own = [layer for layer in world.layers.values() if layer.owner == creator]
            if own and world.rng.random() < 0.5:
                _refine(world, max(own, key=lambda layer: (layer.reputation, layer.name)))
            else:
                _fork(world, creator, day)


def wanted_skill(world: World, day: int) -> str:
    """A skill drawn by how much demand there is per layer on sale."""
    skills = world.economy.skills
    supply = dict.fromkeys(skills, 1)
    for layer in world.layers.values():
        supply[layer.skill] += layer.clone_of is None
    gaps = [world.economy.demand(day, skill) / supply[skill] for skill in skills]
    total = sum(gaps)
    return str(world.rng.choice(list(skills), p=[gap / total for gap in gaps]))


def draw_quality(world: World) -> float:
    """Success rate of a layer trained from scratch: average quality, spread .08."""
    economy = world.economy
    drawn = float(world.rng.normal(economy.quality, 0.08))
    return min(economy.best_quality, max(0.3, drawn))


def draw_ask(world: World) -> int:
    """An ask around the usual one, within a factor of about two."""
    return max(1, round(world.economy.ask_nanos * float(world.rng.lognormal(0.0, 0.35))))


def _train(world: World, creator: str, day: int) -> None:
    world.train(creator, world.economy.training_nanos)
    world.publish(
        world.next_name(),
        creator,
        wanted_skill(world, day),
        quality=draw_quality(world),
        ask_nanos=draw_ask(world),
    )


def _fork(world: World, creator: str, day: int) -> None:
    skill = wanted_skill(world, day)
    best = [
        layer
        for layer in world.layers.values()
        if layer.skill == skill
        and layer.owner != creator
        and layer.clone_of is None
        and layer.n_forks < world.economy.max_forks
    ]
    if best:
        parent = max(best, key=lambda layer: (layer.reputation, layer.name))
        world.train(creator, world.economy.refining_nanos)
        parent.n_forks += 1
        world.publish(
            world.next_name(),
            creator,
            skill,
            quality=_better(world, parent),
            ask_nanos=parent.ask_nanos,
            parents=[parent],
        )


def _refine(world: World, layer: SimLayer) -> None:
    """A new version: better on average, with a new digest and most of its record gone (R6)."""
    world.train(layer.owner, world.economy.refining_nanos)
    rivals = [other for other in world.layers.values() if other.skill == layer.skill]
    sold = sum(other.uses for other in rivals) / len(rivals)
    layer.ask_nanos = max(
        1, round(layer.ask_nanos * (ASK_STEP if layer.uses > sold else 1 / ASK_STEP))
    )
    layer.quality = _better(world, layer)
    world.start_version(layer)


def _better(world: World, layer: SimLayer) -> float:
    gap = world.economy.best_quality - layer.quality
    return layer.quality + float(world.rng.uniform(-0.1, 0.5)) * max(0.0, gap)
