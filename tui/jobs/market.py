"""Champions go on sale, a second account finds one by a question, buys it and uses it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from academy.evaluator import LocalEvaluator
from academy.exam import ExamResult, exam_sheet, sit_exam
from academy.run_folder import RunFolder
from economy.delivery import market_url, weights_at
from economy.publish import SaleTerms, put_up
from genome.base_model import BaseModel
from genome.genome import Genome
from genome.library import Found, Library
from genome.search.index_filter import Filter
from marketplace.market import NANOS_PER_CREDIT, Market
from persona.persona import Persona, PersonaStore
from tui.jobs.settings import DemoPlan
from tui.jobs.show import Show
from tui.jobs.specialists import Specialist, Specialists

SELLER, BUYER = "academy", "ada"
ASK_NANOS = NANOS_PER_CREDIT // 10
FIRST_EPOCH = 0
WALLET_NANOS = 5 * NANOS_PER_CREDIT


def sell_champions(
    base: BaseModel,
    specialists: Specialists,
    plan: DemoPlan,
    folder: RunFolder,
    show: Show,
) -> dict[str, Any]:
    """Publish every champion, make one sale, close the epoch, audit the books."""
    show.phase("market", 0, 3)
    with Market.open(market_url(plan.out.resolve())) as market:
        market.open_account(SELLER)
        market.open_account(BUYER)
        market.fund(BUYER, WALLET_NANOS, key=f"demo-{plan.seed}-wallet")
        for specialist in specialists.species:
            _publish(market, specialist, plan)
        show.phase("market", 1, 3)
        purchase = folder.step("purchase", lambda: _purchase(market, base, specialists, plan))
        show.phase("market", 2, 3)
        market.close_epoch(FIRST_EPOCH)
        listings = {listing.name: listing for listing in market.listings()}
        problems = market.verify()
        show.phase("market", 3, 3)
        return {
            "by_species": {
                s.name: {
                    "price_nanos": listings[s.name].price_nanos,
                    "reputation": round(listings[s.name].reputation, 4),
                    "sales": listings[s.name].sales,
                    "price_history": [
                        {"epoch": p.epoch, "price_nanos": p.price_nanos, "sales": p.sales}
                        for p in market.price_history(s.name)
                    ],
                }
                for s in specialists.species
            },
            "totals": {
                "listings": len(listings),
                "sales": sum(listing.sales for listing in listings.values()),
                "ledger_ok": not problems,
                "problems": problems,
            },
            "purchase": purchase,
        }


def _publish(market: Market, specialist: Specialist, plan: DemoPlan) -> None:
    terms = SaleTerms(specialist.name, specialist.niche, ASK_NANOS, SELLER)
    put_up(
        market,
        specialist.layer,
        specialist.exam.facts,
        terms,
        weights_at(plan.out),
        key=f"demo-{plan.seed}-publish-{specialist.name}",
    )


def _purchase(
    market: Market, base: BaseModel, specialists: Specialists, plan: DemoPlan
) -> dict[str, Any]:
    """The buyer asks a question nobody has seen, buys what search finds, and checks the gain.

    Search answers as everybody's does: what is nearer than `Library.clear_match` can do it. A
    question that nothing here can do is put in other words, the next ones of the same skill; then
    the buyer asks for what the next best species is for.
    """
    sizes, library = plan.sizes, Library.open(plan.out)
    by_lift = sorted(specialists.species, key=lambda s: (s.lift, s.name), reverse=True)
    in_vain = []
    for wanted in dict.fromkeys(species.niche for species in by_lift):
        sheet = exam_sheet(wanted, sizes.niche_exam + sizes.buyer_exam)[sizes.niche_exam :]
        asked = [challenge.prompt for challenge in sheet]
        if answered := _first_found(library, specialists, base, asked):
            break
        in_vain.append(wanted)
    else:
        return {"in_vain": in_vain} if in_vain else {}
    question, found = answered
    bought = market.buy(buyer=BUYER, listing=found.manifest.name, key=f"demo-{plan.seed}-purchase")
    persona = Persona(
        f"{BUYER}-helper", base.fingerprint, (bought.digest,), f"helper with {bought.listing}"
    )
    PersonaStore(plan.out).save(persona)
    after, before = _sit(base, persona.genome(library), sheet)
    return {
        "buyer": BUYER,
        "question": question,
        "found": found.manifest.name,
        "similarity": round(found.similarity, 4),
        "price_nanos": bought.price_nanos,
        "fee_nanos": bought.fee_nanos,
        "persona": persona.name,
        "skill": wanted,
        "in_vain": in_vain,
        "n_questions": len(sheet),
        "accuracy_before": round(before.accuracy, 4),
        "accuracy_after": round(after.accuracy, 4),
        "balance_nanos": market.account(BUYER).balance_nanos,
    }


def _first_found(
    library: Library, specialists: Specialists, base: BaseModel, questions: Sequence[str]
) -> tuple[str, Found] | None:
    """The first question that some layer is known to be good at, with the nearest such layer."""
    where = Filter(base_model=base.fingerprint)
    vectors = specialists.encoder.encode(list(questions))
    encoder = library.encoder_id(base.fingerprint)
    enough = library.clear_match(base.fingerprint)
    for question, hits in zip(
        questions, library.search_vectors(vectors, encoder, where=where, k=1), strict=True
    ):
        if hits and hits[0].similarity >= enough:
            return question, hits[0]
    return None


def _sit(base: BaseModel, genome: Genome, sheet: Any) -> tuple[ExamResult, ExamResult]:
    results = sit_exam(LocalEvaluator(base), [genome, Genome(base.fingerprint)], sheet)
    return results[0], results[1]
