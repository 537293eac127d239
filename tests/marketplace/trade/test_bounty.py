"""Promises of marketplace.trade.bounty."""

import pytest

from marketplace.errors import (
    BountyError,
    InsufficientCreditsError,
    InvalidInputError,
    NotOwnerError,
    TradeNotFoundError,
)
from marketplace.market import Market
from marketplace.trade.bounty import BountyView
from tests.support.trading import HandClock, balances, gains, put_up

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


def examine(
    market: Market,
    *,
    by: str = "eve",
    listing: str = "sort",
    n_correct: int = 90,
    seed: int | None = 7,
) -> None:
    """Somebody's fresh re-run of the exam; by the sponsor and with 90 of 100 unless told.

    Who is no judge by office rents the layer for it.
    """
    (receipt,) = market.receipts(listing)
    if not market.may_fetch(by, receipt.digest) and by != market.listing(listing).owner:
        market.fund(by, 10**9, key=f"fund-{by}-{listing}")
        market.rent(renter=by, listing=listing, days=1, key=f"rent-{by}-{listing}")
    market.recheck(
        receipt=receipt.id,
        by=by,
        n_correct=n_correct,
        n_base_correct=30,
        seed=seed,
        questions_digest="f" * 64,
        key=f"exam-{by}-{listing}-{n_correct}",
    )


def claim(
    market: Market,
    bounty: BountyView,
    *,
    listing: str = "sort",
    by: str = "bob",
    key: str = "claim",
) -> BountyView:
    """The maker's claim unless told otherwise."""
    return market.bounty_claim(bounty=bounty.bounty, listing=listing, by=by, key=key)


def test_questions_that_the_maker_knew_decide_nothing(market: Market, bounty: BountyView) -> None:
    """A layer can be trained on a stated exam: only fresh questions of it show what it can do."""
    for judge in ("eve", "platform"):
        examine(market, by=judge, n_correct=100, seed=None)
    with pytest.raises(BountyError, match="on fresh questions"):
        claim(market, bounty)
    examine(market, n_correct=91)
    assert claim(market, bounty, key="then").state == "paid"


def test_the_reward_is_held_until_it_is_earned(market: Market, bounty: BountyView) -> None:
    """Then it is divided like a sale, and the sponsor owns the layer."""
    assert market.account("eve").held_nanos == REWARD
    assert [view.bounty for view in market.bounties()] == [bounty.bounty]
    examine(market)
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
    examine(market, listing="sort2")
    before = balances(market)
    claim(market, bounty, listing="sort2", by="tom")
    assert gains(before, balances(market))["bob"] == pytest.approx(REWARD * 9 // 10 // 5 * 3 / 4)


def test_the_makers_word_earns_nothing(market: Market, bounty: BountyView) -> None:
    """Without a judge's re-run the reward stays held, whoever claims; a bystander's is none."""
    for number, by in enumerate(("bob", "eve", "platform", "tom")):
        with pytest.raises(BountyError, match=r"no judge of bounty .* 'eve' or an evaluator runs"):
            claim(market, bounty, by=by, key=f"claim-{number}")
    examine(market, by="tom", n_correct=100)
    with pytest.raises(BountyError, match="no judge"):
        claim(market, bounty)
    with pytest.raises(NotOwnerError):
        examine(market, by="bob", n_correct=100)
    assert market.account("eve").held_nanos == REWARD


def test_the_exam_decides(market: Market, bounty: BountyView) -> None:
    """One answer short earns nothing, whatever the maker stated; the newest re-run counts."""
    examine(market, n_correct=89)
    with pytest.raises(BountyError, match=r"'eve' found 89 of 100"):
        claim(market, bounty)
    examine(market, n_correct=90)
    assert claim(market, bounty).state == "paid"


def test_an_evaluators_exam_outweighs_the_sponsors(market: Market, bounty: BountyView) -> None:
    """Either way: a miser cannot refuse what is earned, a friend cannot give what is not."""
    market.appoint_evaluator("zoe", key="appoint")
    examine(market, by="zoe", n_correct=80)
    examine(market, by="eve", n_correct=100)
    with pytest.raises(BountyError, match="'zoe' found 80"):
        claim(market, bounty)
    examine(market, by="zoe", n_correct=95)
    examine(market, by="eve", n_correct=0)
    assert claim(market, bounty).state == "paid"


def test_an_exam_of_another_skill_or_kind_earns_nothing(market: Market, bounty: BountyView) -> None:
    """Nor one with too few questions, nor a layer for another base model."""
    put_up(market, "bob", "parse", skill="parsing")
    examine(market, listing="parse", n_correct=100)
    with pytest.raises(BountyError, match=r"states results of parsing \(standard\)"):
        claim(market, bounty, listing="parse")
    examine(market)
    for number, (changed, words) in enumerate(
        (
            ({"min_questions": 101}, "asks for 101 questions, the exam had 100"),
            ({"exam": "long"}, r"is about sorting \(long\)"),
            ({"base_model": "llama"}, "wants a layer for 'llama'"),
        )
    ):
        terms = {"skill": "sorting", "base_model": "tiny-llama", "exam": "standard"} | {
            "min_questions": 50,
            "min_accuracy_parts": 1,
            "reward_nanos": 1000,
            "days": 1,
        }
        other = market.bounty_post(sponsor="eve", **(terms | changed), key=f"post-{number}")
        with pytest.raises(BountyError, match=words):
            claim(market, other, key=f"claim-{number}")


def test_a_mandate_judges_for_its_owner(market: Market, bounty: BountyView) -> None:
    """The sponsor's program may sit the exam; an evaluator's is no evaluator."""
    market.open_mandate(owner="eve", name="bot", cap_nanos=10**9, key="open")
    examine(market, by="eve/bot")
    assert claim(market, bounty).state == "paid"


def test_a_sponsor_cannot_earn_the_own_bounty(market: Market, bounty: BountyView) -> None:
    """The platform may not hand it over either."""
    put_up(market, "eve", "eves")
    examine(market, listing="eves", by="platform")
    with pytest.raises(NotOwnerError, match="cannot"):
        claim(market, bounty, listing="eves", by="platform")


def test_a_bounty_is_paid_once(market: Market, bounty: BountyView) -> None:
    """Repeating the claim repeats the answer; a second winner comes too late."""
    examine(market)
    put_up(market, "tom", "late")
    examine(market, listing="late")
    claim(market, bounty)
    before = balances(market)
    assert claim(market, bounty).replayed
    with pytest.raises(BountyError, match="is paid"):
        claim(market, bounty, listing="late", key="second")
    assert balances(market) == before


def test_an_unclaimed_reward_goes_back(
    market: Market, bounty: BountyView, clock: HandClock
) -> None:
    """After its days nothing can be claimed, and the sponsor has every credit again."""
    examine(market)
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
        "skill": "sorting",
        "base_model": "tiny-llama",
        "exam": "standard",
        "min_questions": 5,
        "days": 1,
        "key": "k",
    }
    with pytest.raises(InsufficientCreditsError):
        market.bounty_post(sponsor="tom", min_accuracy_parts=1, reward_nanos=1, **terms)
    for parts in (0, 1_000_001, 0.9):
        with pytest.raises(InvalidInputError):
            market.bounty_post(sponsor="ada", min_accuracy_parts=parts, reward_nanos=1, **terms)
    with pytest.raises(TradeNotFoundError):
        market.bounty_claim(bounty=1, listing="sort", by="eve", key="c")
