"""The market's side of an epoch: makers publish, customers ask, use, pay and rate.

Every skill has a maker with an account of its own. Its layers earn by metered use, royalties
along the breeding line included, and what it has earned is what it can pay for machine time.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from academy.challenge import Challenge
from academy.evaluator import LocalEvaluator
from academy.exam import exam_sheet, sheet_digest
from academy.skills.letters import SKILL_NAMES
from economy.publish import SaleTerms, numbers_of, put_up
from genome.genome import Genome
from genome.layer import Layer
from marketplace.errors import MarketError
from marketplace.formula.price import PARTS
from marketplace.listing.similarity import Weights
from marketplace.market import ListingView, Market, ReceiptFacts
from marketplace.money import NANOS_PER_CREDIT
from marketplace.trade.charge import Charge

ACADEMY, OFFER = "academy", "academy-hours"
CUSTOMERS = tuple(f"customer-{number}" for number in range(8))
WALLET = 10_000 * NANOS_PER_CREDIT
GRANT = NANOS_PER_CREDIT
"""What every maker begins with: enough for its first layers."""
ASK = NANOS_PER_CREDIT
HOUR_NANOS = NANOS_PER_CREDIT // 1_000
"""Asked for 1,000 token-equivalents of training."""
REWARD = NANOS_PER_CREDIT // 100
"""Promised for a layer, per question that nobody could be asked."""
EXAM = "standard"
FRESH_SEED = 10**6
"""Sponsors draw their questions with this and the number of their bounty."""
UNITS = 40
"""Metered units of one answer."""
USE_PARTS = 400_000
"""Rate per 1,000 units in millionths of the price: an answer costs some hundredths of a credit."""


def maker(skill: str) -> str:
    """The account of a skill's maker."""
    return f"maker-{skill}"


@dataclass
class Shop:
    """A market, what is known of its goods, and what they answer with."""

    market: Market
    evaluator: LocalEvaluator
    layers: dict[str, Layer]
    """By digest; the library's part."""

    def open(self, capacity_units: int) -> None:
        """Accounts, wallets and the Academy's machine time; repeatable."""
        self.market.open_account(ACADEMY)
        for name in CUSTOMERS:
            self.market.open_account(name)
            self.market.fund(name, WALLET, key=f"cycle-fund-{name}")
            self.market.vouch(name, key=f"cycle-vouch-{name}")  # else their word weighs nothing
        for skill in SKILL_NAMES:
            self.market.open_account(maker(skill))
            self.market.fund(maker(skill), GRANT, key=f"cycle-grant-{skill}")
        self.market.offer_compute(
            owner=ACADEMY,
            name=OFFER,
            resource="training",
            ask_nanos=HOUR_NANOS,
            capacity_units=capacity_units,
            key="cycle-offer",
        )

    def offered(self) -> dict[str, ListingView]:
        """The listing that customers take for each skill: the most reputed one."""
        best: dict[str, ListingView] = {}
        for listing in self.market.listings():
            known = best.get(listing.skill)
            if known is None or (listing.reputation, listing.name) > (known.reputation, known.name):
                best[listing.skill] = listing
        return best

    def serve(self, questions: Sequence[Challenge], epoch: int) -> np.ndarray:
        """Answer customers' questions and settle their use, (n_questions,) of 0 or 1."""
        offered = self.offered()
        base = self.evaluator.base.fingerprint
        right = np.zeros(len(questions))
        for skill in dict.fromkeys(q.skill for q in questions):
            mine = [i for i, q in enumerate(questions) if q.skill == skill]
            listing = offered.get(skill)
            if listing is None:
                self._miss(skill, len(mine), epoch)
            genome = Genome(base) if listing is None else Genome.of(self.layers[listing.digest])
            right[mine] = self.evaluator.scores([genome], [questions[i] for i in mine])[0]
            if listing is not None:
                self._settle(listing, epoch, right[mine])
        return right

    def _miss(self, skill: str, n: int, epoch: int) -> None:
        """Nobody answers for it: customers search in vain, and promise a reward for its worth."""
        for number in range(n):
            self.market.record_miss(account=CUSTOMERS[number % len(CUSTOMERS)], skill=skill)
        self.market.bounty_post(
            sponsor=CUSTOMERS[epoch % len(CUSTOMERS)],
            skill=skill,
            exam=EXAM,
            base_model=self.evaluator.base.fingerprint,
            min_questions=20,
            min_accuracy_parts=PARTS // 2,
            reward_nanos=n * REWARD,
            days=1,
            key=f"cycle-{epoch}-wanted-{skill}",
        )

    def claim(self, skill: str, receipt: ReceiptFacts, epoch: int) -> None:
        """Let a maker collect the rewards that its new layer has earned.

        Each sponsor rents the layer and sits the exam first, on questions of its own. What pays
        less than that rent is left alone: the market gives no layer for it.
        """
        for bounty in self.market.bounties():
            if bounty.skill == skill and 2 * receipt.n_correct >= receipt.n_questions:
                listing = self.market.listing(f"{skill}-line")
                if bounty.reward_nanos < self.market.terms(listing.name).trial_nanos:
                    continue
                if not self.market.may_fetch(bounty.sponsor, listing.digest):
                    self.market.rent(
                        renter=bounty.sponsor,
                        listing=listing.name,
                        days=1,
                        key=f"cycle-{epoch}-rent-{bounty.bounty}",
                    )
                seed = FRESH_SEED + bounty.bounty
                sheet = exam_sheet(skill, receipt.n_questions, seed=seed)
                layer = self.layers[listing.digest]
                both = [Genome.of(layer), Genome(layer.base_model)]
                right, alone = self.evaluator.scores(both, sheet).sum(1)
                self.market.recheck(
                    receipt=self.market.receipts(listing.name)[0].id,
                    by=bounty.sponsor,
                    n_correct=int(right),
                    n_base_correct=int(alone),
                    questions_digest=sheet_digest(sheet),
                    seed=seed,
                    key=f"cycle-{epoch}-exam-{bounty.bounty}",
                )
                if right * PARTS < bounty.min_accuracy_parts * len(sheet):
                    continue
                self.market.bounty_claim(
                    bounty=bounty.bounty,
                    listing=listing.name,
                    by=maker(skill),
                    key=f"cycle-{epoch}-claim-{bounty.bounty}",
                )

    def _settle(self, listing: ListingView, epoch: int, right: np.ndarray) -> None:
        """Pay for the answers, one charge each, and rate them by what they were worth."""
        charges = [
            Charge(
                CUSTOMERS[i % len(CUSTOMERS)],
                listing.name,
                UNITS,
                f"cycle-{epoch}-{listing.name}-{i}",
            )
            for i in range(len(right))
        ]
        for answer in self.market.charge_many(charges):
            if isinstance(answer, MarketError):
                raise answer
        for number, customer in enumerate(CUSTOMERS):
            own = right[number :: len(CUSTOMERS)]
            if len(own):
                self.market.review(
                    reviewer=customer,
                    listing=listing.name,
                    n_good=int(own.sum()),
                    n_bad=int(len(own) - own.sum()),
                    key=f"cycle-{epoch}-{listing.name}-{customer}",
                )

    def publish(
        self, skill: str, layer: Layer, receipt: ReceiptFacts, parents: Sequence[str], epoch: int
    ) -> ListingView:
        """List a layer of a skill's maker, or the next version of what it sells."""
        self.layers[layer.digest] = layer
        name = f"{skill}-line"
        known = {listing.name for listing in self.market.listings()}
        terms = SaleTerms(
            name,
            skill,
            ASK,
            maker(skill),
            licence="Apache-2.0",
            parents=tuple(parents),
            version_of=name if name in known else None,
        )
        view = put_up(
            self.market, layer, receipt, terms, self._weights, key=f"cycle-{epoch}-publish-{skill}"
        )
        if name not in known:
            self.market.set_terms(
                owner=maker(skill), listing=name, use_parts=USE_PARTS, key=f"cycle-terms-{skill}"
            )
        return view

    def _weights(self, digest: str) -> Weights | None:
        layer = self.layers.get(digest)
        return None if layer is None else numbers_of(layer)

    def pay_for_training(
        self, shares: Mapping[str, float], tokens: int, epoch: int
    ) -> dict[str, int]:
        """What each maker can pay of its share of an epoch's training, in token-equivalents."""
        rate = next(o.rate_nanos for o in self.market.offers() if o.name == OFFER)
        paid: dict[str, int] = {}
        for skill, share in shares.items():
            balance = self.market.account(maker(skill)).balance_nanos
            units = min(int(share * tokens), balance * 1_000 // max(rate, 1))
            if units >= 1_000:
                self.market.use_compute(
                    buyer=maker(skill),
                    offer=OFFER,
                    units=units,
                    key=f"cycle-{epoch}-training-{skill}",
                )
                paid[skill] = units
        return paid

    def income(self) -> float:
        """Credits that makers have earned so far."""
        earned = (self.market.earnings(maker(skill)) for skill in SKILL_NAMES)
        return sum(one.amount_nanos for some in earned for one in some) / NANOS_PER_CREDIT

    def population(self) -> dict[str, int]:
        """Versions on the market by skill, newest of each line only counted once a skill."""
        return dict(Counter(listing.skill for listing in self.market.listings()))
