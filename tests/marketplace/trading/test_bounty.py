"""Promises of marketplace.trading.bounty."""

import pytest

from marketplace.errors import (
    BountyError,
    InsufficientCreditsError,
    InvalidInputError,
    NotOwnerError,
    TradeNotFoundError,
)
from marketplace.market import Market
from marketplace.trading.bounty import BountyView
from marketplace.trading.testing import HandClock, balances, gains, put_up

REWARD = 10 * 10**9


@pytest.fixture
def bounty(market: Market) -> BountyView:
    """Eve pays 10 credits for 90 % on at least 50 questions."""
    return market.bounty_post(
        sponsor="eve",
        skill="sorting",
        base_model="tiny-llama",
        exam="standard",
        min_questions=50,
        min_accuracy_parts=900_000,
        reward_nanos=REWARD,
        days=30,
        key="post",
    )


def claim(
    market: Market,
    bounty: BountyView,
    *,
    listing: str = "sort",
    by: str = "eve",
    n_questions: int = 100,
    n_correct: int = 90,
    key: str = "claim",
) -> BountyView:
    """A claim that meets the bounty unless told otherwise."""
    return market.bounty_claim(
        bounty=bounty.bounty,
        listing=listing,
        by=by,
        n_questions=n_questions,
        n_correct=n_correct,
        key=key,
    )


def test_the_reward_is_held_until_it_is_earned(market: Market, bounty: BountyView) -> None:
    """Then it is divided like a sale, and the sponsor owns the layer."""
    assert market.account("eve").held_nanos == REWARD
    assert [view.bounty for view in market.bounties()] == [bounty.bounty]
    before = balances(market)
    paid = claim(market, bounty)
    assert (paid.state, paid.listing) == ("paid", "sort")
    fee = REWARD // 10
    assert gains(before, balances(market)) == {"eve": -REWARD, "bob": REWARD - fee, "platform": fee}
    assert market.account("eve").held_nanos == 0
    assert market.owns("eve", "digest-of-sort")
    assert market.bounties() == []


def test_ancestors_share_in_a_bounty(market: Market, bounty: BountyView) -> None:
    """A fork that earns it pays the root its royalty."""
    put_up(market, "tom", "sort2", parents=["sort"])
    before = balances(market)
    claim(market, bounty, listing="sort2")
    assert gains(before, balances(market))["bob"] == pytest.approx(REWARD * 9 // 10 // 5 * 3 / 4)


def test_the_exam_decides(market: Market, bounty: BountyView) -> None:
    """One answer short, one question short, or another base model earns nothing."""
    with pytest.raises(BountyError, match=r"89 of 100"):
        claim(market, bounty, n_correct=89)
    with pytest.raises(BountyError, match="asks for 50 questions"):
        claim(market, bounty, n_questions=49, n_correct=49)
    assert claim(market, bounty, n_questions=50, n_correct=45).state == "paid"


def test_nobody_judges_the_own_layer(market: Market, bounty: BountyView) -> None:
    """Neither the seller nor a bystander; the platform and an evaluator may."""
    with pytest.raises(NotOwnerError, match="cannot judge"):
        claim(market, bounty, by="bob")
    with pytest.raises(NotOwnerError, match="may not judge"):
        claim(market, bounty, by="tom")
    market.appoint_evaluator("zoe", key="appoint")
    assert claim(market, bounty, by="zoe").state == "paid"


def test_a_sponsor_cannot_earn_the_own_bounty(market: Market, bounty: BountyView) -> None:
    """The platform may not hand it over either."""
    put_up(market, "eve", "eves")
    with pytest.raises(NotOwnerError, match="cannot"):
        claim(market, bounty, listing="eves", by="platform")


def test_a_bounty_is_paid_once(market: Market, bounty: BountyView) -> None:
    """Repeating the claim repeats the answer; a second winner comes too late."""
    claim(market, bounty)
    before = balances(market)
    assert claim(market, bounty).replayed
    put_up(market, "tom", "late")
    with pytest.raises(BountyError, match="is paid"):
        claim(market, bounty, listing="late", key="second")
    assert balances(market) == before


def test_an_unclaimed_reward_goes_back(
    market: Market, bounty: BountyView, clock: HandClock
) -> None:
    """After its days nothing can be claimed, and the sponsor has every credit again."""
    before = balances(market)
    clock.pass_days(30)
    with pytest.raises(BountyError, match="is returned"):
        claim(market, bounty)
    assert market.sweep().expired == (bounty.bounty,)
    assert balances(market) == before
    assert market.account("eve").held_nanos == 0
    assert [view.state for view in market.bounties(open_only=False)] == ["returned"]


def test_bounties_need_credits_and_a_mark(market: Market, bounty: BountyView) -> None:
    """A reward that is not there, and marks that mean nothing, are refused."""
    terms = {
        "skill": "sorting", "base_model": "tiny-llama", "exam": "standard", "min_questions": 5,
        "days": 1, "key": "k",
    }  # fmt: skip
    with pytest.raises(InsufficientCreditsError):
        market.bounty_post(sponsor="tom", min_accuracy_parts=1, reward_nanos=1, **terms)
    for parts in (0, 1_000_001, 0.9):
        with pytest.raises(InvalidInputError):
            market.bounty_post(sponsor="ada", min_accuracy_parts=parts, reward_nanos=1, **terms)
    with pytest.raises(TradeNotFoundError):
        market.bounty_claim(bounty=1, listing="sort", by="eve", n_questions=9, n_correct=9, key="c")
