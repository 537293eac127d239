"""A receipt is re-run by one call: the same questions, whoever asks."""

from __future__ import annotations

from pathlib import Path

import pytest

from academy.exam import EXAM_SEED, exam_sheet
from academy.skills import SKILLS
from genome.base_model import BaseModel
from genome.library import Library, Manifest
from genome.testing import random_layer
from marketplace.errors import ReceiptError, ReceiptNotFoundError
from marketplace.market import Market, ReceiptFacts
from marketplace.money import NANOS_PER_CREDIT
from marketplace.receipt import ReceiptView
from tui.jobs.market import market_url
from tui.jobs.recheck import recheck_listing
from tui.jobs.standard_exam import sheet_of, standard_sheet


def view(**changes: object) -> ReceiptView:
    """A receipt about 30 standard questions."""
    facts = {
        "id": 1, "listing": "x", "version": 1, "digest": "d", "exam": "standard", "skill": "sort",
        "split": "test", "n_questions": 30, "n_correct": 3, "n_base_correct": 1, "seed": None,
        "questions_digest": "", "at": 0.0, "n_passed": 0, "n_failed": 0, "refuted": False,
    }  # fmt: skip
    return ReceiptView(**(facts | changes))  # type: ignore[arg-type]


@pytest.mark.parametrize("skill", [skill.name for skill in SKILLS[::5]])
def test_a_receipts_questions_are_those_of_the_academys_exam(skill: str) -> None:
    """With the usual seed, question by question; another seed asks other ones."""
    sheet = exam_sheet(skill, 30)
    assert sheet_of(view(skill=skill)) == standard_sheet(skill, 30) == sheet
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
            owner="bob", name="noise", digest=layer.digest, base_model=embedded.fingerprint,
            niche="sort", ask_nanos=NANOS_PER_CREDIT, key="lie",
            receipt=ReceiptFacts(skill="sort", n_questions=100, n_correct=100, n_base_correct=10),
        )  # fmt: skip
        market.buy(buyer="eve", listing="noise", key="sale")
        by_a_stranger = recheck_listing(market, home, "noise", by="eve", key="first")
        assert (by_a_stranger.passed, by_a_stranger.binding) == (False, False)
        assert market.owns("eve", layer.digest)
        done = recheck_listing(market, home, "noise", by="platform", key="second")
        assert not done.passed
        assert market.account("eve").balance_nanos == 100 * NANOS_PER_CREDIT
        assert market.receipts("noise")[0].refuted
        assert market.verify() == []
