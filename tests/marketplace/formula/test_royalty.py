"""Promises of marketplace.formula.royalty."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from marketplace.errors import AmountError, InvalidInputError
from marketplace.formula.royalty import WHOLE, Bred, Parent, Share, royalty_shares, split
from marketplace.money import INT64_MAX, split_price

amounts = st.integers(min_value=1, max_value=INT64_MAX)
owners = st.sampled_from(["ada", "bob", "cleo", "dan", "eve"])


def line(*bred: Bred) -> dict[str, Bred]:
    """A straight line, root first: layer-0 <- layer-1 <- ..."""
    return {
        f"layer-{number}": Bred(
            layer.owner, (Parent(f"layer-{number - 1}"),) if number else (), layer.novel
        )
        for number, layer in enumerate(bred)
    }


def shares_in(seller: str, *bred: Bred) -> dict[str, int]:
    """Parts per owner when the seller's layer descends from this line, root first."""
    shares = royalty_shares(seller, [Parent(f"layer-{len(bred) - 1}")], line(*bred))
    return {share.owner: share.parts for share in shares}


@st.composite
def lineages(draw: st.DrawFn) -> dict[str, Bred]:
    """Any family tree in which layers only descend from earlier ones."""
    lineage: dict[str, Bred] = {}
    for number in range(draw(st.integers(1, 8))):
        known = sorted(lineage)
        chosen = draw(st.lists(st.sampled_from(known), max_size=3, unique=True)) if known else []
        parents = tuple(Parent(name, draw(st.integers(1, 100))) for name in chosen)
        lineage[f"layer-{number}"] = Bred(draw(owners), parents, draw(st.booleans()))
    return lineage


@given(amounts, st.lists(st.integers(0, WHOLE // 8), max_size=8))
def test_a_payment_is_divided_to_the_unit(gross: int, parts: list[int]) -> None:
    """Fee, seller and royalties add up to the gross; the seller keeps at least 80 % of net."""
    shares = [Share(f"owner-{number}", part) for number, part in enumerate(parts)]
    payout = split(gross, shares)
    net = gross - payout.fee_nanos
    assert payout.fee_nanos == split_price(gross).fee_nanos
    assert payout.seller_nanos + sum(nanos for _, nanos in payout.royalties) == net
    assert 10 * payout.seller_nanos >= 8 * net
    legs = payout.legs("seller")
    assert sum(nanos for _, nanos in legs) == gross
    assert all(nanos > 0 for _, nanos in legs)


@given(lineages(), owners)
def test_shares_never_exceed_the_pool(lineage: dict[str, Bred], seller: str) -> None:
    """In any family tree: at most everything, nothing to the seller, nothing negative."""
    shares = royalty_shares(seller, [Parent(sorted(lineage)[-1])], lineage)
    assert sum(share.parts for share in shares) <= WHOLE
    assert all(share.parts > 0 and share.owner != seller for share in shares)


@given(lineages(), owners, st.data())
def test_inserting_a_fork_that_does_not_count_changes_no_payout(
    lineage: dict[str, Bred], seller: str, data: st.DataObject
) -> None:
    """One's own forks and near-duplicates between a layer and its parent let all through."""
    top = sorted(lineage)[-1]
    before = royalty_shares(seller, [Parent(top)], lineage)
    novel = data.draw(st.booleans())
    owner = seller if novel else data.draw(owners)
    shill = lineage | {"shill": Bred(owner, (Parent(top),), novel)}
    assert royalty_shares(seller, [Parent("shill")], shill) == before


@given(lineages(), owners)
def test_a_second_parent_of_ones_own_dilutes_nobody(lineage: dict[str, Bred], seller: str) -> None:
    """Whatever weight it claims, as long as the true parent's line counts."""
    top = sorted(lineage)[-1]
    before = royalty_shares(seller, [Parent(top)], lineage)
    decoy = lineage | {"decoy": Bred(seller)}
    after = royalty_shares(seller, [Parent(top), Parent("decoy", 10**6)], decoy)
    assert after == before


@given(st.lists(owners, min_size=1, max_size=10))
def test_strangers_shells_cannot_cut_the_root_below_half_the_pool(shells: list[str]) -> None:
    """However many layers pass for new between the root and the layer that is sold."""
    parts = shares_in("seller", Bred("root"), *(Bred(owner) for owner in shells))
    assert parts["root"] >= WHOLE // 2


def test_the_root_takes_half_and_the_rest_halves_from_the_nearest() -> None:
    """root <- bob <- cleo <- sold: of the other half cleo 1/2, bob 1/4, root 1/8."""
    parts = shares_in("seller", Bred("ada"), Bred("bob"), Bred("cleo"))
    assert parts == {
        "cleo": WHOLE // 4,
        "bob": WHOLE // 8,
        "ada": WHOLE // 2 + WHOLE // 16,
    }


def test_a_direct_fork_of_an_original_pays_three_quarters_of_the_pool() -> None:
    """1,000 credits: fee 100, net 900, pool 180, of which the root's owner gets 135."""
    shares = royalty_shares("bob", [Parent("root")], {"root": Bred("ada")})
    payout = split(1000, shares)
    assert payout.legs("bob") == (("platform", 100), ("bob", 765), ("ada", 135))


def test_an_original_pays_no_royalties() -> None:
    """Seller and platform share it alone, also when an unknown parent is named."""
    assert royalty_shares("bob", [], {}) == ()
    assert royalty_shares("bob", [Parent("elsewhere")], {}) == ()
    assert split(1000).legs("bob") == (("platform", 100), ("bob", 900))


def test_an_owner_counts_once_in_a_line() -> None:
    """Forking one's own layer again adds nothing, wherever it stands above a stranger's."""
    once = shares_in("seller", Bred("ada"), Bred("bob"), Bred("cleo"))
    twice = shares_in("seller", Bred("ada"), Bred("bob"), Bred("bob"), Bred("cleo"), Bred("ada"))
    assert twice == once


def test_the_sellers_own_root_keeps_its_half() -> None:
    """ada <- bob <- ada's sale: bob is the nearest parent, not the root."""
    assert shares_in("ada", Bred("ada"), Bred("bob")) == {"bob": WHOLE // 4}


def test_parents_share_by_their_contribution() -> None:
    """A layer bred 3:1 from two originals pays their owners 3:1."""
    lineage = {"x": Bred("ada"), "y": Bred("bob")}
    shares = royalty_shares("seller", [Parent("x", 3), Parent("y", 1)], lineage)
    assert {share.owner: share.parts for share in shares} == {
        "ada": WHOLE * 9 // 16,
        "bob": WHOLE * 3 // 16,
    }


def test_a_crossed_line_of_a_thousand_generations_is_divided_at_once() -> None:
    """Every layer bred from the two before it: paths explode, work does not."""
    lineage = {"layer-0": Bred("root")}
    for number in range(1, 1000):
        parents = tuple(Parent(f"layer-{n}") for n in {number - 1, max(0, number - 2)})
        lineage[f"layer-{number}"] = Bred(f"owner-{number % 7}", parents)
    shares = royalty_shares("seller", [Parent("layer-999")], lineage)
    # 1000 layers each round one part down, of a quintillion
    assert sum(share.parts for share in shares if share.owner == "root") > WHOLE // 2 - 2000


def test_impossible_values_are_refused() -> None:
    """No payment of nothing, no parent of no weight."""
    with pytest.raises(AmountError):
        split(0)
    with pytest.raises(InvalidInputError, match="breeding record"):
        Parent("x", 0)
