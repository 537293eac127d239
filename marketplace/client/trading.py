"""Trading on a service: the methods of `marketplace.facade.trading`, asked from afar."""

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from marketplace.client.base import ClientBase, path
from marketplace.errors import IdempotencyKeyReusedError, MarketError
from marketplace.ledger.idempotency import body_hash, canonical_body
from marketplace.listing.listing import PurchaseView
from marketplace.trade.meter import MeterView
from marketplace.trade.rent import RentalView
from marketplace.trade.review import ReviewView
from marketplace.trade.terms import TermsView
from marketplace.trade.trial import TrialView
from marketplace.trade.usage import Charge, UsageView
from marketplace.wire import error_of, from_wire


class TradingClient(ClientBase):
    """Ways to pay for one listing."""

    def buy(
        self, *, buyer: str, listing: str, key: str, max_price_nanos: int | None = None
    ) -> PurchaseView:
        """Pay the running price once per key; the layer is then the buyer's for good."""
        body = {"buyer": buyer, "max_price_nanos": max_price_nanos}
        where = path("listings", listing, "purchases")
        return self._transport.send(PurchaseView, "POST", where, body, key=key)

    def set_terms(
        self,
        *,
        owner: str,
        listing: str,
        key: str,
        rent_day_parts: int = 50_000,
        use_parts: int = 100,
        subscribable: bool = True,
    ) -> TermsView:
        """Say how one's own listing may be paid for besides buying it."""
        body = {
            "owner": owner, "rent_day_parts": rent_day_parts, "use_parts": use_parts,
            "subscribable": subscribable,
        }  # fmt: skip
        where = path("listings", listing, "terms")
        return self._transport.send(TermsView, "PUT", where, body, key=key)

    def terms(self, listing: str) -> TermsView:
        """What rent and metered use cost now."""
        return self._transport.get(TermsView, path("listings", listing, "terms"))

    def rent(
        self,
        *,
        renter: str,
        listing: str,
        days: int,
        key: str,
        max_price_nanos: int | None = None,
    ) -> RentalView:
        """Pay for days of use."""
        body = {"renter": renter, "days": days, "max_price_nanos": max_price_nanos}
        where = path("listings", listing, "rentals")
        return self._transport.send(RentalView, "POST", where, body, key=key)

    def charge(self, *, account: str, listing: str, units: int, key: str) -> UsageView:
        """Pay for one use, fractions of a cent included."""
        answers = self.charge_many([Charge(account, listing, units, key)])
        if isinstance(answers[0], MarketError):
            raise answers[0]
        return answers[0]

    def charge_many(self, charges: Sequence[Charge]) -> list[UsageView | MarketError]:
        """Pay for many uses in one request; one answer each, in order."""
        body = {"charges": [asdict(charge) for charge in charges]}
        key = charges[0].key if len(charges) == 1 else _key_of(body)
        where = path("usage")
        try:
            items = self._transport.send_for_items(dict[str, Any], where, body, key=key)
        except IdempotencyKeyReusedError as refusal:
            if len(charges) == 1:  # the key is the use's own
                return [refusal]
            raise
        return [_charged(item) for item in items]

    def meter_open(
        self, *, account: str, listing: str, limit_nanos: int, days: int, key: str
    ) -> MeterView:
        """Hold up to so many credits for metered use."""
        body = {"account": account, "limit_nanos": limit_nanos, "days": days}
        where = path("listings", listing, "meters")
        return self._transport.send(MeterView, "POST", where, body, key=key)

    def meter_use(self, *, meter: int, units: int, key: str) -> MeterView:
        """Read units off a meter."""
        where = path("meters", meter, "readings")
        return self._transport.send(MeterView, "POST", where, {"units": units}, key=key)

    def meter_close(self, *, meter: int, key: str) -> MeterView:
        """Pay what the meter shows and release the rest."""
        where = path("meters", meter, "closing")
        return self._transport.send(MeterView, "POST", where, {}, key=key)

    def trial_open(
        self,
        *,
        buyer: str,
        listing: str,
        challenge_digest: str,
        n_questions: int,
        min_gain: int,
        key: str,
        days: int = 7,
        max_price_nanos: int | None = None,
    ) -> TrialView:
        """Hold the price while the buyer's own questions decide."""
        body = {
            "buyer": buyer, "challenge_digest": challenge_digest, "n_questions": n_questions,
            "min_gain": min_gain, "days": days, "max_price_nanos": max_price_nanos,
        }  # fmt: skip
        where = path("listings", listing, "trials")
        return self._transport.send(TrialView, "POST", where, body, key=key)

    def trial_settle(
        self, *, trial: int, n_correct: int, n_base_correct: int, key: str
    ) -> TrialView:
        """Report the result: the credits are paid or released."""
        body = {"n_correct": n_correct, "n_base_correct": n_base_correct}
        where = path("trials", trial, "settlement")
        return self._transport.send(TrialView, "POST", where, body, key=key)

    def trials(self, buyer: str | None = None) -> list[TrialView]:
        """An account's trials."""
        return list(self._transport.pages(TrialView, path("trials"), buyer=buyer))

    def review(
        self, *, reviewer: str, listing: str, n_good: int, n_bad: int, key: str, text: str = ""
    ) -> ReviewView:
        """Rate what was paid for."""
        body = {"reviewer": reviewer, "n_good": n_good, "n_bad": n_bad, "text": text}
        where = path("listings", listing, "reviews")
        return self._transport.send(ReviewView, "POST", where, body, key=key)

    def reviews(self, listing: str) -> list[ReviewView]:
        """Every review of a listing."""
        return list(self._transport.pages(ReviewView, path("listings", listing, "reviews")))


def _key_of(body: dict[str, Any]) -> str:
    """The key of one list of uses: the same for the same list, and for no other."""
    return f"batch-{body_hash(canonical_body(body))}"


def _charged(item: dict[str, Any]) -> UsageView | MarketError:
    problem = item.get("problem")
    if isinstance(problem, dict):
        return error_of(problem.get("type"), problem.get("detail"))
    return from_wire(UsageView, item.get("result"), "usage")
