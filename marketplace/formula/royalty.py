"""Who is paid when a layer earns: platform, seller and the layers it was bred from (P2).

    fee = ceil(gross / 10)    net = gross - fee    pool = 20 % of net, for a layer with ancestors

Half of the pool goes to the root of the line. The rest is halved layer by layer, nearest parent
first, the root last: 1/2, 1/4, ... of it. What nobody takes stays with the seller, who therefore
keeps at least 80 % of net. Several parents share by their contribution weight.

A layer counts only if it was new when published (`novel`), belongs to somebody else than the
seller, and no elder layer of its own line has the same owner. Layers that do not count let
everything through, so inserting one's own forks, or near-duplicates, changes nobody's payout. A
parent whose whole line does not count is left out beside one that does: a seller's own second
parent dilutes nothing. A stranger's shell that passes for new can take the halves after the
root's, never the root's half.

Shares depend on the lineage only; compute them once per listing and split every payment by them.

Whole nano-credits divided by weights, and what a subscriber's fee pays for (P3).

Largest remainder (Hamilton): everybody gets the rounded-down part, the units left over go to the
largest fractions, ties to the first name. The parts add up to the whole exactly.

User-centric means that each subscriber's own fee is divided by that subscriber's own usage. A bot
that plays one layer all day can therefore earn its owner at most 90 % of what the bot pays; from
a common pool it could drain what others paid.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from graphlib import TopologicalSorter
from typing import ClassVar

from pydantic import ConfigDict

from marketplace.errors import InvalidInputError
from marketplace.fields import NESTED, Digest, Several
from marketplace.money import check_amount, split_price
from marketplace.names import PLATFORM

WHOLE = 2**60
"""Parts of the royalty pool; halves are exact for 60 generations."""
POOL_PERCENT = 20
"""Share of net that ancestors can earn together."""


@dataclass(frozen=True, slots=True)
class Parent:
    """A layer that another was made from.

    Raises:
        InvalidInputError: The weight is no whole number of at least 1.
    """

    __pydantic_config__: ClassVar[ConfigDict] = NESTED

    name: Digest
    """Of a layer by its digest, or of a listing, meaning its newest version."""
    weight: Several = 1
    """Contribution relative to the other parents; from the breeding record, at least 1."""

    def __post_init__(self) -> None:
        if type(self.weight) is not int or self.weight < 1:
            raise InvalidInputError(
                f"parent {self.name!r} must weigh a whole number of at least 1, got"
                f" {self.weight!r}: take the weight from the breeding record"
            )


@dataclass(frozen=True, slots=True)
class Bred:
    """A layer in the breeding line, as far as royalties care."""

    owner: str
    parents: tuple[Parent, ...] = ()
    novel: bool = True
    """False for a near-duplicate of an elder layer."""


@dataclass(frozen=True, slots=True)
class Share:
    """What one owner takes of every royalty pool of one listing."""

    owner: str
    parts: int
    """Of `WHOLE`."""


@dataclass(frozen=True, slots=True)
class Payout:
    """A payment divided; fee, seller and royalties add up to the gross exactly."""

    gross_nanos: int
    fee_nanos: int
    seller_nanos: int
    royalties: tuple[tuple[str, int], ...] = ()
    """Each ancestor's owner with nano-credits, by name; nobody with 0."""

    def legs(self, seller: str) -> tuple[tuple[str, int], ...]:
        """Every payee with nano-credits above 0: platform, seller, then the ancestors' owners."""
        legs = ((PLATFORM, self.fee_nanos), (seller, self.seller_nanos), *self.royalties)
        return tuple((account, nanos) for account, nanos in legs if nanos)


def split(gross_nanos: int, shares: Sequence[Share] = ()) -> Payout:
    """Divide a payment; rounded down for ancestors, up for the fee, the seller takes the rest.

    Args:
        gross_nanos: What the buyer pays.
        shares: From `royalty_shares`; none for a layer without ancestors.

    Raises:
        AmountError: The payment is no amount.
    """
    parts = split_price(check_amount(gross_nanos, "payment"))
    seller_nanos, royalties = split_net(parts.creator_nanos, shares)
    return Payout(
        gross_nanos=gross_nanos,
        fee_nanos=parts.fee_nanos,
        seller_nanos=seller_nanos,
        royalties=tuple((owner, nanos) for owner, nanos in royalties if nanos),
    )


def split_net(net_nanos: int, shares: Sequence[Share]) -> tuple[int, list[tuple[str, int]]]:
    """What the seller keeps of a payment after the fee, and each share's owner with its part."""
    pool = net_nanos * POOL_PERCENT // 100
    royalties = [(share.owner, pool * share.parts // WHOLE) for share in shares]
    return net_nanos - sum(nanos for _, nanos in royalties), royalties


def royalty_shares(
    seller: str, parents: Iterable[Parent], lineage: Mapping[str, Bred]
) -> tuple[Share, ...]:
    """What each ancestor's owner takes of the pool of a layer, by name; empty for an original.

    Args:
        seller: Owner of the layer that is sold.
        parents: The layer's own parents.
        lineage: Every ancestor by name. A parent that is not in it earns nothing.

    Raises:
        graphlib.CycleError: A layer descends from itself.
    """
    kin = {name: [p for p in bred.parents if p.name in lineage] for name, bred in lineage.items()}
    eldest_first = _eldest_first([parent.name for parent in parents if parent.name in lineage], kin)
    counts = _counting(seller, eldest_first, kin, lineage)
    alive: dict[str, bool] = {}  # some layer of this line counts
    for name in eldest_first:
        alive[name] = counts[name] or any(alive[parent.name] for parent in kin[name])
    root_flow, rest_flow = dict.fromkeys(eldest_first, 0), dict.fromkeys(eldest_first, 0)
    taken: dict[str, int] = {}
    own = [parent for parent in parents if parent.name in lineage]
    _pass_on(WHOLE // 2, own, alive, root_flow)
    _pass_on(WHOLE // 2, own, alive, rest_flow)
    for name in reversed(eldest_first):
        rest = rest_flow[name]
        if counts[name]:
            owner = lineage[name].owner
            at_root = 0 if kin[name] else root_flow[name]
            taken[owner] = taken.get(owner, 0) + rest // 2 + at_root
            rest -= rest // 2
        _pass_on(root_flow[name], kin[name], alive, root_flow)
        _pass_on(rest, kin[name], alive, rest_flow)
    return tuple(Share(owner, parts) for owner, parts in sorted(taken.items()) if parts)


def _eldest_first(names: list[str], kin: Mapping[str, list[Parent]]) -> list[str]:
    """The ancestors reachable from these names, every layer after all of its parents."""
    graph: dict[str, list[str]] = {}
    waiting = list(names)
    while waiting:
        name = waiting.pop()
        if name not in graph:
            graph[name] = [parent.name for parent in kin[name]]
            waiting += graph[name]
    return list(TopologicalSorter(graph).static_order())


def _counting(
    seller: str,
    eldest_first: list[str],
    kin: Mapping[str, list[Parent]],
    lineage: Mapping[str, Bred],
) -> dict[str, bool]:
    """Which layers earn: new, not the seller's, the first of their owner in their line."""
    counts = {}
    so_far: dict[str, frozenset[str]] = {}  # owners of new layers, this one and its elders
    for name in eldest_first:
        bred = lineage[name]
        elders = frozenset().union(*(so_far[parent.name] for parent in kin[name]))
        counts[name] = bred.novel and bred.owner != seller and bred.owner not in elders
        so_far[name] = elders | {bred.owner} if bred.novel else elders
    return counts


def _pass_on(
    flow: int, parents: Sequence[Parent], alive: Mapping[str, bool], into: dict[str, int]
) -> None:
    """Divide a flow among the parents whose line counts, by weight, rounded down."""
    heirs = [parent for parent in parents if alive[parent.name]]
    total = sum(parent.weight for parent in heirs)
    for parent in heirs:
        into[parent.name] += flow * parent.weight // total


def apportion(total_nanos: int, weights: Mapping[str, int]) -> dict[str, int]:
    """Divide an amount by whole weights; exact, same answer in any order of the mapping.

    Args:
        total_nanos: At least 0.
        weights: Each name with its weight, at least 0, together above 0.

    Returns:
        Nano-credits per name, for names of positive weight only.
    """
    heirs = {name: weight for name, weight in sorted(weights.items()) if weight > 0}
    whole = sum(heirs.values())
    assert whole > 0, f"nobody to divide {total_nanos} among: {dict(weights)}"
    parts = {name: total_nanos * weight // whole for name, weight in heirs.items()}
    rest = {name: total_nanos * weight % whole for name, weight in heirs.items()}
    left = total_nanos - sum(parts.values())
    for name in sorted(heirs, key=lambda name: (-rest[name], name))[:left]:
        parts[name] += 1
    return parts
