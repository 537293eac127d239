"""Promises of marketplace.listing.listing."""

from typing import Any

import pytest

from marketplace.errors import InvalidInputError
from marketplace.receipt import ReceiptFacts

GOOD: dict[str, Any] = {
    "skill": "sorting",
    "n_questions": 100,
    "n_correct": 80,
    "n_base_correct": 30,
}


def test_a_true_receipt_is_accepted() -> None:
    """The split defaults to the one nothing is ever selected on."""
    assert ReceiptFacts(**GOOD).split == "test"


@pytest.mark.parametrize(
    "change",
    [
        {"n_questions": 0},
        {"n_questions": 79},
        {"n_correct": -1},
        {"n_correct": 80.0},
        {"n_correct": True},
        {"n_base_correct": 101},
        {"split": "train"},
        {"split": "select"},
        {"skill": "Sorting!"},
    ],
)
def test_an_impossible_or_trained_on_receipt_is_refused(change: dict[str, Any]) -> None:
    """More right than asked, fractions, and questions the layer was trained or selected on."""
    with pytest.raises(InvalidInputError, match=r"\A[^\n]+\Z"):
        ReceiptFacts(**(GOOD | change))
