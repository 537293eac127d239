"""Promises of tui.jobs.cycle.shop."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, cast

from marketplace.market import Market
from marketplace.receipt import ReceiptFacts
from tui.jobs.cycle.shop import ASK, CUSTOMERS, Shop, maker


def test_a_maker_is_paid_the_bounties_its_layer_earned() -> None:
    """What customers searched in vain is promised, re-run by them, and paid; below it, held."""
    evaluator: Any = SimpleNamespace(base=SimpleNamespace(fingerprint="tiny"))
    with Market.open("sqlite://") as market:
        shop = Shop(market, cast("Any", evaluator), {})
        shop.open(1000)
        for skill, n_correct in (("sort", 60), ("add", 40)):
            shop._miss(skill, len(CUSTOMERS), 0)
            receipt = ReceiptFacts(skill, 100, n_correct, 10)
            market.publish(
                owner=maker(skill), name=f"{skill}-line", digest=f"digest-of-{skill}",
                base_model="tiny", niche=skill, ask_nanos=ASK, licence="Apache-2.0",
                receipt=receipt, key=f"publish-{skill}",
            )  # fmt: skip
            shop.claim(skill, receipt, 0)
        states = {one.skill: one.state for one in market.bounties(open_only=False)}
        assert states == {"sort": "paid", "add": "open"}
        assert {one.way for one in market.incomes(maker("sort"))} == {"bounty"}
        assert market.verify() == []
