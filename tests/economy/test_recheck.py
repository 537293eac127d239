"""A receipt is re-run by one call: the same questions, whoever asks."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from academy.exam import EXAM_SEED, exam_sheet
from academy.skills.letters import SKILLS
from economy.examined import sheet_of
from economy.publish import numbers_of
from economy.recheck import claim_bounty, recheck_listing
from genome.base_model import BaseModel
from genome.errors import LayerNotFoundError
from genome.library import Library, Manifest
from marketplace.errors import BountyError, ReceiptError, ReceiptNotFoundError
from marketplace.market import Market, ReceiptFacts
from marketplace.money import NANOS_PER_CREDIT
from marketplace.receipt import ReceiptView
from tests.support.genome import random_layer
from tui.jobs.market import market_url


def view(**changes: object) -> ReceiptView:
    """A receipt about 30 standard questions."""
    facts = {
        "id": 1,
        "listing": "x",
        "version": 1,
        "digest": "d",
        "exam": "standard",
        "skill": "sort",
        "split": "test",
        "n_questions": 30,
        "n_correct": 3,
        "n_base_correct": 1,
        "seed": None,
        "questions_digest": "",
        "at": 0.0,
        "n_passed": 0,
        "n_failed": 0,
        "refuted": False,
    }
    return ReceiptView(**(facts | changes))  # type: ignore[arg-type]


@pytest.mark.parametrize("skill", [skill.name for skill in SKILLS[::5]])
def test_a_receipts_questions_are_those_of_the_academys_exam(skill: str) -> None:
    """With the usual seed, question by question; another seed asks other ones."""
    sheet = exam_sheet(skill, 30)
    assert sheet_of(view(skill=skill)) == sheet
    assert sheet_of(view(skill=skill, seed=EXAM_SEED)) == sheet
    assert sheet_of(view(skill=skill, seed=1)) != sheet


def test_an_exam_that_cannot_be_drawn_again_is_refused() -> None:
    """An unknown name, or more questions than there are."""
    with pytest.raises(ReceiptError, match="has only 'standard'"):
        sheet_of(view(exam="long-words"))
    with pytest.raises(ReceiptError, match="use the version of continuum that wrote it"):
        sheet_of(view(skill="add", n_questions=10**7))


def test_a_champions_claim_holds_to_the_question(home: Path) -> None:
    """Counts come back as they were stated, and the receipt says so."""
    with Market.open(market_url(home), create=False) as market:
        listing = market.listings()[0]
        done = recheck_listing(market, home, listing.name, by="platform", key="re")
        assert (done.n_correct, done.n_base_correct) == (listing.n_correct, listing.n_base_correct)
        assert (done.passed, done.binding) == (True, True)
        assert market.receipts(listing.name)[0].n_passed == 1
        assert recheck_listing(market, home, listing.name, by="platform", key="re") == done
        with pytest.raises(ReceiptNotFoundError, match="has no receipt 999: it has"):
            recheck_listing(market, home, listing.name, by="platform", key="x", receipt=999)


def test_a_champions_claim_holds_on_fresh_questions(home: Path) -> None:
    """Other questions of the same exam; another key asks others again, the same one the same."""
    with Market.open(market_url(home), create=False) as market:
        name = market.listings()[0].name
        done = recheck_listing(market, home, name, by="platform", key="one", fresh=True)
        assert done.passed and done.binding and done.seed is not None
        again = recheck_listing(market, home, name, by="platform", key="one", fresh=True)
        assert again == done
        other = recheck_listing(market, home, name, by="platform", key="two", fresh=True)
        assert other.seed not in (None, done.seed)
        receipt = market.receipts(name)[0]
        sheets = [sheet_of(receipt, seed) for seed in (None, done.seed, other.seed)]
        assert len({tuple(question.prompt for question in sheet) for sheet in sheets}) == 3
        assert {len(sheet) for sheet in sheets} == {receipt.n_questions}


def test_a_false_claim_is_found_out_and_paid_back(home: Path, embedded: BaseModel) -> None:
    """A layer of noise sold as a champion: its buyer is made whole, the layer taken down."""
    layer = random_layer(embedded.model, embedded.fingerprint, scale=0.01)
    library = Library.open(home)
    library.add(layer, Manifest(name="noise", base_model=embedded.fingerprint))
    with Market.open(market_url(home), create=False) as market:
        for name in ("bob", "eve"):
            market.open_account(name)
        market.fund("eve", 100 * NANOS_PER_CREDIT, key="wallet")
        market.publish(
            owner="bob",
            name="noise",
            digest=layer.digest,
            base_model=embedded.fingerprint,
            niche="sort",
            ask_nanos=NANOS_PER_CREDIT,
            key="lie",
            weights=numbers_of(layer),
            receipt=ReceiptFacts(skill="sort", n_questions=100, n_correct=100, n_base_correct=10),
        )
        market.buy(buyer="eve", listing="noise", key="sale")
        by_a_stranger = recheck_listing(market, home, "noise", by="eve", key="first")
        assert (by_a_stranger.passed, by_a_stranger.binding) == (False, False)
        assert market.owns("eve", layer.digest)
        done = recheck_listing(market, home, "noise", by="platform", key="second")
        assert not done.passed
        assert market.account("eve").balance_nanos == 100 * NANOS_PER_CREDIT
        assert market.receipts("noise")[0].refuted
        assert market.verify() == []


def test_the_operator_rechecks_what_the_service_keeps(home: Path, tmp_path: Path) -> None:
    """Its home's library has no layer of a seller; the folder of its service has, checked."""
    with Market.open(market_url(home), create=False) as market:
        listing = market.listings()[0]
        with pytest.raises(LayerNotFoundError):
            recheck_listing(market, tmp_path, listing.name, by="platform", key="none")
        served = tmp_path / "served-layers" / "layers" / listing.digest
        shutil.copytree(Library.open(home).path(listing.digest), served)
        done = recheck_listing(market, tmp_path, listing.name, by="platform", key="served")
        assert (done.n_correct, done.binding) == (listing.n_correct, True)
        again = recheck_listing(
            market,
            tmp_path / "empty",
            listing.name,
            by="platform",
            key="elsewhere",
            layers=tmp_path / "served-layers",
        )
        assert again.n_correct == listing.n_correct


def test_a_bounty_is_paid_by_an_exam_that_was_sat(home: Path, embedded: BaseModel) -> None:
    """A maker who states everything right gets nothing when the sponsor's command sits the exam;
    a champion gets the reward, by whichever of the two commands comes second."""
    noise = random_layer(embedded.model, embedded.fingerprint, scale=0.01)
    Library.open(home).add(noise, Manifest(name="noise", base_model=embedded.fingerprint))
    with Market.open(market_url(home), create=False) as market:
        champion = market.listings()[0]
        skill = market.receipts(champion.name)[0].skill
        for name in ("bob", "eve"):
            market.open_account(name)
        market.fund("eve", 100 * NANOS_PER_CREDIT, key="wallet")
        market.publish(
            owner="bob",
            name="noise",
            digest=noise.digest,
            base_model=embedded.fingerprint,
            niche=skill,
            ask_nanos=NANOS_PER_CREDIT,
            key="lie",
            weights=numbers_of(noise),
            receipt=ReceiptFacts(skill=skill, n_questions=100, n_correct=100, n_base_correct=10),
        )
        bounty = market.bounty_post(
            sponsor="eve",
            skill=skill,
            base_model=embedded.fingerprint,
            exam="standard",
            min_questions=50,
            min_accuracy_parts=round(champion.accuracy * 900_000),
            reward_nanos=NANOS_PER_CREDIT,
            days=1,
            key="post",
        ).bounty
        for name in ("noise", champion.name):
            market.rent(renter="eve", listing=name, days=1, key=f"rent-{name}")
        for by in ("bob", "eve"):  # his word, then her exam
            with pytest.raises(BountyError, match="no judge" if by == "bob" else "'eve' found"):
                claim_bounty(market, home, bounty=bounty, listing="noise", by=by, key=f"n-{by}")
        assert market.account("eve").held_nanos == NANOS_PER_CREDIT
        owner = champion.owner
        with pytest.raises(BountyError, match="no judge"):
            claim_bounty(market, home, bounty=bounty, listing=champion.name, by=owner, key="early")
        won = claim_bounty(
            market, home, bounty=bounty, listing=champion.name, by="eve", key="sponsor"
        )
        assert (won.state, won.listing) == ("paid", champion.name)
        assert market.verify() == []
