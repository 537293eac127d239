"""Promises of economy.cycle.shop."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, cast

import numpy as np

from academy.challenge import Challenge
from academy.operators.noise import random_layer
from economy.cycle.shop import ASK, CUSTOMERS, Shop, maker
from economy.publish import numbers_of
from genome.base_model import BaseModel
from genome.genome import Genome
from marketplace.market import Market
from marketplace.receipt import ReceiptFacts


@dataclass
class Sitting:
    """Answers part of any sheet right with a layer, a tenth without."""

    base: BaseModel
    part: float = 0.0

    def scores(self, genomes: Sequence[Genome], sheet: Sequence[Challenge]) -> np.ndarray:
        """(n_genomes, n_questions) of 0 and 1."""
        parts = [self.part if genome.layers else 0.1 for genome in genomes]
        return np.array([np.arange(len(sheet)) < part * len(sheet) for part in parts], dtype=float)


def test_a_maker_is_paid_the_bounties_its_layer_earned(embedded: BaseModel) -> None:
    """Each sponsor sits fresh questions first: what was learned by heart earns nothing."""
    evaluator = Sitting(embedded)
    with Market.open("sqlite://") as market:
        shop = Shop(market, cast("Any", evaluator), {})
        shop.open(1000)
        for number, (skill, claimed, evaluator.part) in enumerate(
            (("sort", 60, 0.6), ("add", 40, 0.4), ("max", 100, 0.2))
        ):
            shop._miss(skill, 4 * len(CUSTOMERS), 0)
            receipt = ReceiptFacts(skill, 100, claimed, 10)
            rng = np.random.default_rng(number)
            layer = random_layer(embedded.fingerprint, embedded.linear_shapes, 1, 0.01, rng)
            shop.layers[layer.digest] = layer
            market.publish(
                owner=maker(skill),
                name=f"{skill}-line",
                digest=layer.digest,
                base_model=embedded.fingerprint,
                niche=skill,
                ask_nanos=ASK,
                licence="Apache-2.0",
                receipt=receipt,
                key=f"publish-{skill}",
                weights=numbers_of(layer),
            )
            shop.claim(skill, receipt, 0)
        states = {one.skill: one.state for one in market.bounties(open_only=False)}
        assert states == {"sort": "paid", "add": "open", "max": "open"}
        assert {one.way for one in market.incomes(maker("sort"))} == {"rent", "bounty"}
        (stated,) = market.receipts("max-line")
        assert [again.passed for again in market.rechecks(stated.id)] == [False]
        assert market.verify() == []
