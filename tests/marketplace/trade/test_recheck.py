"""Promises of marketplace.trade.recheck, on SQLite and PostgreSQL."""

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from marketplace.errors import (
    AccountNotFoundError,
    IdempotencyKeyReusedError,
    MarketError,
    NotOwnerError,
    ReceiptError,
    ReceiptNotFoundError,
    StatusError,
    UnpaidRecheckError,
)
from marketplace.formula.reputation import exam_evidence, lower_bound, stated_reputation
from marketplace.market import Market
from marketplace.money import NANOS_PER_CREDIT
from marketplace.receipt import ReceiptFacts, RecheckView
from marketplace.trade.recheck import MAX_RECHECKS
from tests.support.market import Publish, fair, publisher

OTHER = ReceiptFacts(
    skill="sorting",
    exam="long-words",
    n_questions=100,
    n_correct=90,
    n_base_correct=10,
    seed=7,
    questions_digest="a" * 64,
)


@pytest.fixture
def market(market_url: str) -> Iterator[Market]:
    """Ada, Bob, Carol and Eve have ten credits each."""
    with fair(market_url) as market:
        yield market


@pytest.fixture
def publish(market: Market) -> Publish:
    """Publishes a layer with usual values for whatever is not given."""
    return publisher(market)


def exam_bound(n_questions: int, n_correct: int) -> float:
    """Reputation of this many right, as measured."""
    return lower_bound(exam_evidence(n_questions, n_correct))


@pytest.fixture
def receipt(market: Market, publish: Any) -> int:
    """Bob claims 320 of 400, base 100; the receipt's number."""
    publish("bob", "sort")
    return market.receipts("sort")[0].id


def rerun(market: Market, receipt: int, n_correct: int, **changes: Any) -> RecheckView:
    """The platform's re-run, base as claimed."""
    facts = {"by": "platform", "n_base_correct": 100, "key": f"re-{n_correct}"} | changes
    return market.recheck(receipt=receipt, n_correct=n_correct, **facts)


def test_a_claim_that_holds_stands(market: Market, receipt: int) -> None:
    """Recorded with its reason; what was one word of the seller's now counts as a measurement."""
    before = market.listing("sort").reputation
    view = rerun(market, receipt, 318)
    assert (view.passed, view.binding) == (True, True)
    assert "claimed 320 of 400, re-run 318 of 400" in view.reason
    after = market.receipts("sort")[0]
    assert (after.n_passed, after.n_failed, after.refuted) == (1, 0, False)
    assert before == pytest.approx(stated_reputation(400, 320))
    assert market.listing("sort").reputation == pytest.approx(exam_bound(800, 638))
    assert market.listing("sort").n_correct == 320
    assert market.rechecks(receipt) == [view]


def test_a_price_rests_on_an_exam_of_what_is_sold(market: Market, publish: Any) -> None:
    """Not on a stack's, nor on another base's; what was examined is told to everybody."""
    stated = ReceiptFacts(
        skill="sorting",
        n_questions=400,
        n_correct=320,
        n_base_correct=100,
        layer="digest-of-sort",
        base_model="tiny",
        prompt="0" * 16,
        rule="exact",
        n_ancestor_correct=200,
    )
    for wrong, words in (
        ({"layer": "digest-of-ancestor"}, "layer digest-of-an.*sold is digest-of-so"),
        ({"base_model": "big"}, "about base model 'big', the layer is for 'tiny'"),
    ):
        with pytest.raises(ReceiptError, match=words):
            publish("bob", "sort", receipt=replace(stated, **wrong))
        with pytest.raises(ReceiptError, match=words):
            publish("bob", "sort", receipts=(replace(stated, exam="long", **wrong),))
    publish("bob", "sort", receipt=stated)
    (told,) = market.receipts("sort")
    assert (told.layer, told.base_model, told.prompt) == ("digest-of-sort", "tiny", "0" * 16)
    assert (told.rule, told.n_ancestor_correct) == ("exact", 200)
    with pytest.raises(ReceiptError, match="examine what is sold"):
        market.add_receipt(
            listing="sort", owner="bob", receipt=replace(stated, exam="long", layer="x"), key="more"
        )
    with pytest.raises(ReceiptError, match="n_ancestor_correct"):
        replace(stated, n_ancestor_correct=401)


def test_a_request_of_before_repeats_as_it_was() -> None:
    """What receipts did not state then does not change what identifies the request."""
    assert ReceiptFacts("sorting", 4, 3, 1).body() == {
        "skill": "sorting",
        "n_questions": 4,
        "n_correct": 3,
        "n_base_correct": 1,
        "split": "test",
        "exam": "standard",
        "seed": None,
        "questions_digest": "",
    }


FRESH = {"seed": 7, "questions_digest": "f" * 64}


def test_a_layer_that_learned_its_exam_by_heart_is_found_out(market: Market, publish: Any) -> None:
    """Every re-run of the very questions agrees with it; one on fresh questions does not."""
    facts = ReceiptFacts(skill="sorting", n_questions=400, n_correct=400, n_base_correct=100)
    publish("bob", "sort", receipt=facts)
    number = market.receipts("sort")[0].id
    assert rerun(market, number, 400).passed
    found = rerun(market, number, 104, n_base_correct=101, **FRESH)
    assert (found.passed, found.binding, found.seed) == (False, True, 7)
    assert "the claim is refuted" in found.reason
    assert market.receipts("sort")[0].refuted
    assert market.rechecks(number)[-1] == found


def test_fresh_questions_forgive_the_luck_of_both_exams(market: Market, receipt: int) -> None:
    """19 fewer of 400 would be too few on the very questions that were asked; not on others."""
    market.rent(renter="ada", listing="sort", days=1, key="rent")
    assert not rerun(market, receipt, 297, by="ada").passed
    assert rerun(market, receipt, 297, by="ada", key="fresh", **FRESH).passed
    assert not rerun(market, receipt, 285, by="ada", key="fresh-too-few", **FRESH).passed


@pytest.mark.parametrize(
    "asked",
    [
        {"seed": 7},
        {"seed": -1, "questions_digest": "f" * 64},
        {"seed": 2**63, "questions_digest": "f" * 64},
        {"seed": 7.0, "questions_digest": "f" * 64},
        {"seed": True, "questions_digest": "f" * 64},
    ],
)
def test_a_fresh_re_run_says_what_it_asked(
    market: Market, receipt: int, asked: dict[str, Any]
) -> None:
    """A seed that draws something, and the digest of what it drew."""
    with pytest.raises(ReceiptError, match=r"draw them with another seed|seed must be"):
        rerun(market, receipt, 320, **asked)
    assert market.rechecks(receipt) == []


def test_the_receipts_own_questions_are_not_fresh(market: Market, publish: Any) -> None:
    """Neither by seed nor by digest."""
    publish("bob", "sort")
    market.add_receipt(owner="bob", listing="sort", receipt=OTHER, key="other")
    number = next(one.id for one in market.receipts("sort") if one.exam == OTHER.exam)
    for asked in (
        {"seed": 7, "questions_digest": "b" * 64},
        FRESH | {"questions_digest": "a" * 64},
    ):
        with pytest.raises(ReceiptError, match="asks other questions"):
            rerun(market, number, 90, n_base_correct=10, **asked)


def test_a_refuted_claim_is_paid_back_and_costs_more_than_the_truth(
    market: Market, receipt: int, publish: Any
) -> None:
    """Every buyer gets everything back, and who had claimed the truth stands far better."""
    honest = ReceiptFacts(skill="sorting", n_questions=400, n_correct=240, n_base_correct=100)
    publish("carol", "honest", receipt=honest)
    for buyer in ("ada", "eve"):
        market.buy(buyer=buyer, listing="sort", key=f"{buyer}-buys")
    assert not rerun(market, receipt, 240).passed
    assert market.receipts("sort")[0].refuted
    shown = market.listing("sort")
    assert (shown.n_correct, shown.n_base_correct, shown.accuracy) == (240, 100, 0.6)
    assert market.quote("sort").lines[1].startswith("quality  x")
    assert "240 of 400 right" in market.quote("sort").lines[1]
    assert market.receipts("sort")[0].n_correct == 320
    for buyer in ("ada", "eve"):
        assert market.account(buyer).balance_nanos == 10 * NANOS_PER_CREDIT
        assert not market.owns(buyer, "digest-of-sort")
    assert market.listing("sort").reputation < 0.7 * market.listing("honest").reputation
    assert market.listing("sort").status == "listed"
    assert market.verify() == []


def test_a_layer_without_the_lift_it_was_sold_for_is_quarantined(
    market: Market, receipt: int
) -> None:
    """No better than the base model: it is not sold until an evaluator releases it."""
    rerun(market, receipt, 100)
    assert market.listing("sort").status == "quarantined"
    assert market.listings() == []
    assert market.search().total == 0
    with pytest.raises(MarketError, match="quarantined"):
        market.buy(buyer="ada", listing="sort", key="late")


def test_a_users_word_moves_nothing(market: Market, receipt: int) -> None:
    """A user's failed re-run is shown; money, reputation and status wait for an evaluator."""
    market.buy(buyer="ada", listing="sort", key="sale")
    market.rent(renter="eve", listing="sort", days=1, key="rent")
    before = market.listing("sort")
    view = rerun(market, receipt, 0, by="eve")
    assert (view.passed, view.binding) == (False, False)
    after = market.receipts("sort")[0]
    assert (after.n_failed, after.refuted) == (1, False)
    assert market.listing("sort") == before
    assert market.owns("ada", "digest-of-sort")


def test_who_never_had_the_files_examines_nothing(market: Market, receipt: int) -> None:
    """Neither a stranger nor a subscriber; who rents it may say so, a few times and no more.

    A mandate counts as its owner, evaluators are not counted.
    """
    market.subscribe(account="eve", fee_nanos=10**6, days=30, key="sub")
    market.open_mandate(owner="ada", name="bot", cap_nanos=10**9, key="bot")
    for by in ("carol", "eve", "ada/bot"):
        with pytest.raises(UnpaidRecheckError, match="never paid for the files of 'sort'"):
            rerun(market, receipt, 0, by=by, key=f"no-{by}")
    market.rent(renter="ada", listing="sort", days=1, key="rent")
    for number, by in enumerate(("ada", "ada/bot", "ada")):
        rerun(market, receipt, 0, by=by, key=f"re-{number}")
    for by in ("ada", "ada/bot"):
        with pytest.raises(UnpaidRecheckError, match="'ada' has filed 3 re-runs"):
            rerun(market, receipt, 0, by=by, key=f"more-{by}")
    assert market.receipts("sort")[0].n_failed == MAX_RECHECKS
    for number in range(MAX_RECHECKS + 1):
        rerun(market, receipt, 320, key=f"judge-{number}")


def test_an_appointed_evaluator_binds_like_the_platform(market: Market, receipt: int) -> None:
    """From the appointment on; appointing twice is once."""
    market.appoint_evaluator("eve", key="appoint")
    market.appoint_evaluator("eve", key="appoint")
    market.appoint_evaluator("eve", key="appoint-again")
    assert rerun(market, receipt, 200, by="eve").binding
    assert market.receipts("sort")[0].refuted


def test_the_last_binding_re_run_decides(market: Market, receipt: int) -> None:
    """An evaluator that was wrong can be put right by another."""
    rerun(market, receipt, 200)
    rerun(market, receipt, 320, key="second look")
    assert not market.receipts("sort")[0].refuted


def test_a_new_version_does_not_save_the_seller_from_paying_back(
    market: Market, receipt: int, publish: Any
) -> None:
    """Who bought the false version gets the money back, who bought the honest one keeps it."""
    market.buy(buyer="ada", listing="sort", key="early")
    honest = ReceiptFacts(skill="sorting", n_questions=400, n_correct=240, n_base_correct=100)
    publish("bob", "sort", digest="v2", version_of="sort", receipt=honest)
    market.buy(buyer="eve", listing="sort", key="late")
    rerun(market, receipt, 240)
    assert not market.owns("ada", "v2")
    assert market.owns("eve", "v2")
    assert market.listing("sort").status == "listed"


@pytest.mark.parametrize(
    ("changes", "error", "words"),
    [
        ({"by": "bob"}, NotOwnerError, "cannot confirm its own claim"),
        ({"by": "nobody"}, AccountNotFoundError, "does not exist"),
        ({"receipt": 99}, ReceiptNotFoundError, "no receipt 99"),
        ({"n_correct": 401}, ReceiptError, "0 to 400"),
        ({"n_correct": -1}, ReceiptError, "0 to 400"),
        ({"n_base_correct": 1.5}, ReceiptError, "whole number"),
    ],
)
def test_an_impossible_re_run_is_refused(
    market: Market, receipt: int, changes: Any, error: type[MarketError], words: str
) -> None:
    """One line, and nothing is recorded."""
    facts = {"receipt": receipt, "n_correct": 300} | changes
    with pytest.raises(error, match=words) as caught:
        rerun(market, **facts)
    assert len(str(caught.value).splitlines()) == 1
    assert market.rechecks(receipt) == []


def test_a_re_run_with_its_key_repeated_counts_once(market: Market, receipt: int) -> None:
    """Same answer; other counts under the key are refused."""
    assert rerun(market, receipt, 300) == rerun(market, receipt, 300)
    assert len(market.rechecks(receipt)) == 1
    with pytest.raises(IdempotencyKeyReusedError):
        rerun(market, receipt, 301, key="re-300")


def test_a_re_run_sits_the_very_same_questions(market: Market, publish: Any) -> None:
    """Where the receipt states their digest, another sheet is no re-run."""
    publish("bob", "sort", receipts=(OTHER,))
    number = market.receipts("sort")[1].id
    with pytest.raises(ReceiptError, match="about questions aaaaaaaaaaaa"):
        rerun(market, number, 90, n_base_correct=10)
    assert rerun(market, number, 90, n_base_correct=10, questions_digest="a" * 64).passed


def test_an_owner_adds_a_receipt_per_exam_and_rewrites_none(market: Market, receipt: int) -> None:
    """Headline first; a claim once made stays."""
    view = market.add_receipt(owner="bob", listing="sort", receipt=OTHER, key="more")
    assert market.add_receipt(owner="bob", listing="sort", receipt=OTHER, key="more") == view
    assert [r.exam for r in market.receipts("sort")] == ["standard", "long-words"]
    assert (view.seed, view.questions_digest, view.lift) == (7, "a" * 64, 0.8)
    with pytest.raises(ReceiptError, match="claims are not rewritten"):
        market.add_receipt(owner="bob", listing="sort", receipt=OTHER, key="again")
    with pytest.raises(NotOwnerError, match="file a re-run"):
        market.add_receipt(owner="ada", listing="sort", receipt=OTHER, key="ada")
    market.withdraw(listing="sort", by="bob", key="w")
    with pytest.raises(StatusError, match="withdrawn"):
        market.add_receipt(owner="bob", listing="sort", receipt=OTHER, key="late")
