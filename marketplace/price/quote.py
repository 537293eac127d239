"""Why a layer costs what it costs: every term of P1 in numbers and in words.

A quote is made of what the epoch fixed (ask, evidence, demand) and repeats the arithmetic of
`marketplace.formula.price`; the factors it shows multiply to the price it shows.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from marketplace.fields import Nanos
from marketplace.formula.price import (
    PARTS,
    Demand,
    PriceRules,
    demand_parts,
    quality_parts,
    target_nanos,
)
from marketplace.formula.ranking import CLONE_FACTOR
from marketplace.formula.reputation import Evidence, Record, stated_evidence
from marketplace.formula.royalty import Share, split
from marketplace.listing.listing import ListingView
from marketplace.money import format_credits

RULES = PriceRules()


@dataclass(frozen=True, slots=True)
class Term:
    """One step on the way to a price."""

    name: str
    value: str
    """The number, as a person writes it."""
    words: str
    """What it means and where it comes from."""

    def line(self) -> str:
        """The term on one line of a table."""
        return f"{self.name:<14}{self.value:>22}  {self.words}"


@dataclass(frozen=True, slots=True)
class Quote:
    """A price with its reasons."""

    listing: ListingView
    price_nanos: Nanos
    lines: tuple[str, ...]
    """The short answer, one reason per line."""
    terms: tuple[Term, ...] = ()
    """The long answer: every term of the formula."""


@dataclass(frozen=True, slots=True)
class Basis:
    """What the running epoch's price was made from."""

    record: Record
    demand: Demand
    buyers: float = 0.0
    """u: distinct buyers of the epoch before, by trust."""
    previous_nanos: int | None = None
    """The price of the epoch before; None in the listing's first."""
    shares: tuple[Share, ...] = ()
    """Royalties the listing owes."""
    anybody_vouched: bool = True
    """Whether the operator vouches for an account; else no user's word and no purchase counts."""


def explain(listing: ListingView, basis: Basis | None = None) -> Quote:
    """The listing's price and how it came about.

    Args:
        basis: What is known beyond the listing itself; by default one exam and its premium.
    """
    basis = basis or Basis(
        Record(stated_evidence(listing.n_questions, listing.n_correct)), Demand(listing.log_premium)
    )
    return Quote(
        listing=listing,
        price_nanos=listing.price_nanos,
        lines=tuple(_short(listing, basis)),
        terms=(
            *_proof(listing, basis),
            *_demand(basis),
            *_arithmetic(listing, basis),
            *_division(listing, basis.shares),
        ),
    )


def _short(listing: ListingView, basis: Basis) -> list[str]:
    quality, demand = quality_parts(listing.reputation), demand_parts(listing.log_premium)
    raters = basis.record.n_raters
    also = f" and {raters} {'user' if raters == 1 else 'users'}" if raters else ""
    lines = [
        f"ask      {format_credits(listing.ask_nanos)}, set by {listing.owner}",
        (
            f"quality  x {_decimal(quality)}: {listing.n_correct} of {listing.n_questions} right"
            f" (base model {listing.n_base_correct}){also} proves at least"
            f" {listing.reputation:.3f}"
        ),
        f"demand   x {_decimal(demand)}: {_mood(demand)}",
    ]
    target = target_nanos(listing.ask_nanos, listing.reputation, listing.log_premium)
    if target != listing.price_nanos:
        lines.append(f"step     at most x 1.125 per epoch on the way to {format_credits(target)}")
    return [*lines, f"price    {format_credits(listing.price_nanos)}"]


def _proof(listing: ListingView, basis: Basis) -> list[Term]:
    record = basis.record
    return [
        Term(
            "exams",
            _counts(record.measured),
            f"{listing.n_correct} of {listing.n_questions} right on {listing.skill}"
            f" ({listing.split}), base model {listing.n_base_correct}; what the seller states"
            " counts as at most 10 trials, with an evaluator's re-run as at most 50",
        ),
        Term(
            "users",
            _counts(record.rated),
            f"reports of {record.n_raters} users who paid, each by trust, halved every 30 days,"
            " at most 5 trials a user" + _nobody(basis),
        ),
        Term(
            "inherited",
            _counts(record.inherited),
            "a quarter of the version before, same owner only, at most 10 trials",
        ),
        Term(
            "reputation L",
            f"{listing.reputation:.6f}",
            f"what {_counts(record.evidence)} proves: lower end of the plausible success rates"
            " (Wilson, one-sided 95 %)"
            if listing.near_of is None
            else f"at most {CLONE_FACTOR:g} of {listing.near_of}'s, which it nearly repeats;"
            f" its own {_counts(record.evidence)} would prove {record.reputation:.6f}",
        ),
    ]


def _demand(basis: Basis) -> list[Term]:
    return [
        Term(
            "buyers u",
            f"{basis.buyers:.3f}",
            "distinct buyers last epoch, each by trust and by part of the price paid"
            + _nobody(basis),
        ),
        Term(
            "usual ū",
            f"{basis.demand.usual_buyers:.3f}",
            f"their running mean: {RULES.memory:g} of the old, {1 - RULES.memory:.2g} of the new",
        ),
        Term(
            "premium x",
            f"{basis.demand.log_premium:+.6f}",
            f"each epoch {RULES.forgetting:.0%} is forgotten and at most {RULES.gain:g} added for"
            f" a surprise, (u - ū) / (max(u, ū) + {RULES.prior_buyers:g}) of it",
        ),
    ]


def _arithmetic(listing: ListingView, basis: Basis) -> list[Term]:
    quality, demand = quality_parts(listing.reputation), demand_parts(listing.log_premium)
    target = target_nanos(listing.ask_nanos, listing.reputation, listing.log_premium)
    before = basis.previous_nanos
    return [
        Term("ask", format_credits(listing.ask_nanos), f"set by {listing.owner}"),
        Term("quality", f"x {_decimal(quality)}", "2^(4 (L - 1/2)): from a quarter to four times"),
        Term("demand", f"x {_decimal(demand)}", f"e^x: {_mood(demand)}"),
        Term("target", format_credits(target), "ask x quality x demand, to the nano-credit"),
        Term(
            "last price",
            "none" if before is None else format_credits(before),
            "first epoch: the target itself"
            if before is None
            else "an epoch moves a price by at most 9/8 up or 8/9 down",
        ),
        Term("floor", format_credits(RULES.floor_nanos), "below it the fee would exceed a tenth"),
        Term("price", format_credits(listing.price_nanos), "for the whole running epoch"),
    ]


def _division(listing: ListingView, shares: Sequence[Share]) -> list[Term]:
    payout = split(listing.price_nanos, shares)
    return [
        Term("to platform", format_credits(payout.fee_nanos), "a tenth, rounded up"),
        Term("to seller", format_credits(payout.seller_nanos), listing.owner),
        *(
            Term("to ancestor", format_credits(nanos), f"{owner}, whose layer this was bred from")
            for owner, nanos in payout.royalties
        ),
    ]


def _nobody(basis: Basis) -> str:
    """What keeps users from counting, where something does."""
    if basis.anybody_vouched:
        return ""
    return "; nobody is vouched for, so all count 0: `continuum market vouch ACCOUNT`"


def _counts(evidence: Evidence) -> str:
    return f"{evidence.successes:.2f} of {evidence.trials:.2f}"


def _decimal(parts: int) -> str:
    return f"{parts // PARTS}.{parts % PARTS:06d}"


def _mood(demand: int) -> str:
    if demand == PARTS:
        return "as many buyers as usual"
    return "more buyers than usual lately" if demand > PARTS else "fewer buyers than usual lately"
