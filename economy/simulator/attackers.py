"""Four ways to cheat, each with the layer it is for; none draws from the economy's randomness.

Every attacker owns a mediocre layer whether it attacks or not, so that two runs with the same
seed, one with the attack and one without, differ by the attack alone.
"""

from economy.simulator.world import (
    CLONER,
    EXAM_QUESTIONS,
    SHILL,
    WASHER,
    WHITEWASHER,
    SimLayer,
    World,
)
from marketplace.formula.reputation import Evidence, exam_evidence

MEDIOCRE = 0.60
"""True success rate of an attacker's own layer."""
PERTURBED = 1e-3
"""What adding noise to a copied layer costs it in quality."""
CLONE_DISCOUNT = 0.8
REVIEW_EVERY_DAYS = 7


def settle_in(world: World) -> None:
    """Give every attacker its layer."""
    for place, owner in enumerate((WASHER, SHILL, CLONER, WHITEWASHER)):
        world.publish(
            f"{owner}-0",
            owner,
            world.economy.skills[place % len(world.economy.skills)],
            quality=MEDIOCRE,
            ask_nanos=world.economy.ask_nanos,
            exam=_usual_exam(MEDIOCRE),
        )


def attack(world: World, day: int) -> None:
    """What the attackers do today."""
    economy = world.economy
    if day < economy.attack_day:
        return
    since = day - economy.attack_day
    if "wash" in economy.attacks:
        _wash(world)
    if "sybil" in economy.attacks and since % REVIEW_EVERY_DAYS == 0:
        _flood(world)
    if "clone" in economy.attacks and since == 0:
        _clone(world)
    if "whitewash" in economy.attacks and since > 0 and since % 30 == 0:
        _whitewash(world, since // 30)


def _wash(world: World) -> None:
    """Fifty accounts of the owner use its layer once a day; nine tenths come back."""
    layer = world.layers[f"{WASHER}-0"]
    for account in world.washers:
        world.pay(account, layer, 1, wanted=False)


def _flood(world: World) -> None:
    """A thousand accounts pay for one use each, praise the own layer and damn the best rival."""
    own = world.layers[f"{SHILL}-0"]
    rival = best_of(world, own.skill, besides=SHILL)
    for account in world.sybils:
        for layer, good, bad in ((own, 5.0, 0.0), (rival, 0.0, 5.0)):
            world.pay(account, layer, 1, wanted=False)
            world.reports.add(layer.row, world.places[account], good, bad)


def _clone(world: World) -> None:
    """The most used layer again, with a little noise and for less; found out by its update."""
    original = max(
        (layer for layer in world.layers.values() if layer.clone_of is None),
        key=lambda layer: (layer.reputation, layer.name),
    )
    world.publish(
        f"{CLONER}-1",
        CLONER,
        original.skill,
        quality=original.quality - PERTURBED,
        ask_nanos=max(1, round(original.ask_nanos * CLONE_DISCOUNT)),
        parents=[original],
        clone_of=original.name,
        exam=_usual_exam(original.quality),
    )


def _whitewash(world: World, number: int) -> None:
    """The own layer under a new name and a new account, to leave its record behind."""
    worn = world.layers[f"{WHITEWASHER}-0"]
    world.publish(
        f"{WHITEWASHER}-{number}",
        f"{WHITEWASHER}-account-{number}",
        worn.skill,
        quality=worn.quality - PERTURBED,
        ask_nanos=worn.ask_nanos,
        parents=[worn],
        clone_of=worn.name,
        exam=_usual_exam(worn.quality),
    )


def best_of(world: World, skill: str, *, besides: str) -> SimLayer:
    """The layer of best reputation for a skill that somebody else sells."""
    rivals = [
        layer for layer in world.layers.values() if layer.skill == skill and layer.owner != besides
    ]
    return max(rivals, key=lambda layer: (layer.reputation, layer.name))


def _usual_exam(quality: float) -> Evidence:
    """An exam without luck: attackers use none of the economy's randomness."""
    return exam_evidence(EXAM_QUESTIONS, round(EXAM_QUESTIONS * quality))
