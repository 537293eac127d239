"""Renting, metered use, subscriptions and machine time."""

from collections.abc import Sequence

from sqlmodel import Session

from marketplace.errors import MarketError
from marketplace.facade.base import MarketBase
from marketplace.facade.limit import limit_of
from marketplace.names import check_key
from marketplace.trade.compute import (
    ComputeUseView,
    OfferView,
    offer_compute,
    offer_views,
    use_compute,
)
from marketplace.trade.meter import MeterView, meter_close, meter_open, meter_use
from marketplace.trade.rent import RentalView, rent
from marketplace.trade.subscription import SubscriptionView, subscribe, subscription_views
from marketplace.trade.terms import RENT_DAY_PARTS, USE_PARTS, TermsView, set_terms, terms_of
from marketplace.trade.usage import Charge, UsageView, charge_many, claim_batch


class UsingFacade(MarketBase):
    """Rights and machine time that run out."""

    def terms(self, listing: str) -> TermsView:
        """What the listing costs to own, to rent and to use."""
        with self._read() as session:
            return terms_of(session, listing)

    def set_terms(
        self,
        *,
        owner: str,
        listing: str,
        key: str,
        rent_day_parts: int = RENT_DAY_PARTS,
        use_parts: int = USE_PARTS,
        subscribable: bool = True,
    ) -> TermsView:
        """Set rent per day and rate per 1,000 units, in millionths of the price; 0 = none."""
        check_key(key)
        return self._change(
            lambda session: set_terms(
                session, owner=owner, listing=listing, rent_day_parts=rent_day_parts,
                use_parts=use_parts, subscribable=subscribable, key=key, at=self._now(),
            ), key=key)  # fmt: skip

    def rent(
        self, *, renter: str, listing: str, days: int, key: str, max_price_nanos: int | None = None
    ) -> RentalView:
        """Pay for days of use; a rental that is running is extended."""
        limit = limit_of(key, max_price_nanos)
        return self._change(
            lambda session: rent(
                session, renter=renter, listing=listing, days=days, key=key,
                max_price_nanos=limit, at=self._now(),
            ), key=key)  # fmt: skip

    def claim_batch(self, charges: Sequence[Charge], *, key: str) -> None:
        """Let a key belong to these uses, in this order, before they are paid for.

        Raises:
            IdempotencyKeyReusedError: It belongs to something else.
        """
        check_key(key)
        self._change(
            lambda session: claim_batch(session, charges, key=key, at=self._now()), key=key
        )

    def meter_open(
        self, *, account: str, listing: str, limit_nanos: int, days: int, key: str
    ) -> MeterView:
        """Hold up to so many credits and rent by use."""
        check_key(key)
        return self._change(
            lambda session: meter_open(
                session, account=account, listing=listing, limit_nanos=limit_nanos, days=days,
                key=key, at=self._now(),
            ), key=key)  # fmt: skip

    def meter_use(self, *, meter: int, units: int, key: str) -> MeterView:
        """Read units off a meter."""
        check_key(key)
        return self._change(
            lambda session: meter_use(session, meter=meter, units=units, key=key, at=self._now()),
            key=key,
        )

    def meter_close(self, *, meter: int, key: str) -> MeterView:
        """Pay what the meter shows and release the rest."""
        check_key(key)
        return self._change(
            lambda session: meter_close(session, meter=meter, key=key, at=self._now()), key=key
        )

    def charge(self, *, account: str, listing: str, units: int, key: str) -> UsageView:
        """Pay for one use, by units; costs nothing when something else covers it.

        Charges that wait together are posted together.

        Raises:
            RefusedError: Not for sale, not offered by use, or too few credits.
        """
        one = Charge(account, listing, units, check_key(key))
        return self._change_in(self._charged, one, key=key)

    def _charged(
        self, session: Session, charges: Sequence[Charge]
    ) -> list[UsageView | MarketError]:
        self._follow(session)
        return charge_many(session, charges, at=self._now())

    def charge_many(self, charges: Sequence[Charge]) -> list[UsageView | MarketError]:
        """Pay for many uses at once; one answer each, a refused one does not stop the others."""
        found = self._change(lambda session: charge_many(session, charges, at=self._now()))
        return self._advised_once(found)

    def subscribe(self, *, account: str, fee_nanos: int, days: int, key: str) -> SubscriptionView:
        """Hold a fee; at the end it is divided by the account's own usage."""
        check_key(key)
        return self._change(
            lambda session: subscribe(
                session, account=account, fee_nanos=fee_nanos, days=days, key=key, at=self._now()
            ),
            key=key,
        )

    def subscriptions(self, account: str) -> list[SubscriptionView]:
        """The account's subscriptions, oldest first."""
        with self._read() as session:
            return subscription_views(session, account, self._now())

    def offer_compute(
        self,
        *,
        owner: str,
        name: str,
        resource: str,
        ask_nanos: int,
        capacity_units: int,
        key: str,
    ) -> OfferView:
        """Put machine time up for sale, priced per 1,000 units."""
        check_key(key)
        return self._change(
            lambda session: offer_compute(
                session, owner=owner, name=name, resource=resource, ask_nanos=ask_nanos,
                capacity_units=capacity_units, key=key, at=self._now(),
            ), key=key)  # fmt: skip

    def offers(self, *, after: str = "", limit: int | None = None) -> list[OfferView]:
        """All offers of machine time by name, at the running rates; or so many behind a name."""
        with self._read() as session:
            return offer_views(session, after=after, limit=limit)

    def use_compute(
        self, *, buyer: str, offer: str, units: int, key: str, max_price_nanos: int | None = None
    ) -> ComputeUseView:
        """Pay for machine time at the running epoch's rate."""
        limit = limit_of(key, max_price_nanos)
        return self._change(
            lambda session: use_compute(
                session, buyer=buyer, offer=offer, units=units, key=key,
                max_price_nanos=limit, at=self._now(),
            ), key=key)  # fmt: skip
