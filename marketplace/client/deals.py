"""Bundles, subscriptions, bounties, machine time and demand on a service, asked from afar."""

from collections.abc import Sequence

from marketplace.client.base import ClientBase, path
from marketplace.listing.listing import PurchaseView
from marketplace.trade.bounty import BountyView
from marketplace.trade.bundle import BundleView
from marketplace.trade.compute import ComputeUseView, OfferView
from marketplace.trade.demand import SkillDemand
from marketplace.trade.subscription import SubscriptionView


class DealsClient(ClientBase):
    """What is about several layers, about machine time, or about layers that are missing."""

    def subscribe(self, *, account: str, fee_nanos: int, days: int, key: str) -> SubscriptionView:
        """Hold a fee; at the end it is shared by what was used."""
        body = {"account": account, "fee_nanos": fee_nanos, "days": days}
        return self._transport.send(SubscriptionView, "POST", path("subscriptions"), body, key=key)

    def subscriptions(self, account: str) -> list[SubscriptionView]:
        """The account's subscriptions, oldest first."""
        where = path("subscriptions")
        return list(self._transport.pages(SubscriptionView, where, account=account))

    def bundle_create(
        self, *, owner: str, name: str, listings: Sequence[str], key: str, discount_parts: int = 0
    ) -> BundleView:
        """Put listings together under a name."""
        body = {
            "owner": owner, "name": name, "listings": list(listings),
            "discount_parts": discount_parts,
        }  # fmt: skip
        return self._transport.send(BundleView, "POST", path("bundles"), body, key=key)

    def bundles(self) -> list[BundleView]:
        """All bundles at the running prices."""
        return list(self._transport.pages(BundleView, path("bundles")))

    def bundle_buy(
        self, *, buyer: str, bundle: str, key: str, max_price_nanos: int | None = None
    ) -> list[PurchaseView]:
        """Buy every layer of a bundle that the buyer does not have yet."""
        body = {"buyer": buyer, "max_price_nanos": max_price_nanos}
        where = path("bundles", bundle, "purchases")
        return self._transport.send_for_items(PurchaseView, where, body, key=key)

    def bounty_post(
        self,
        *,
        sponsor: str,
        skill: str,
        base_model: str,
        exam: str,
        min_questions: int,
        min_accuracy_parts: int,
        reward_nanos: int,
        days: int,
        key: str,
    ) -> BountyView:
        """Hold a reward for the first layer that scores enough on an exam."""
        body = {
            "sponsor": sponsor, "skill": skill, "base_model": base_model, "exam": exam,
            "min_questions": min_questions, "min_accuracy_parts": min_accuracy_parts,
            "reward_nanos": reward_nanos, "days": days,
        }  # fmt: skip
        return self._transport.send(BountyView, "POST", path("bounties"), body, key=key)

    def bounty_claim(self, *, bounty: int, listing: str, by: str, key: str) -> BountyView:
        """Ask for the reward that a listing has earned."""
        body = {"listing": listing, "by": by}
        where = path("bounties", bounty, "claims")
        return self._transport.send(BountyView, "POST", where, body, key=key)

    def bounties(self, *, open_only: bool = True) -> list[BountyView]:
        """What is wanted."""
        state = "open" if open_only else "all"
        return list(self._transport.pages(BountyView, path("bounties"), state=state))

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
        """Put machine time up for sale."""
        body = {
            "owner": owner, "name": name, "resource": resource, "ask_nanos": ask_nanos,
            "capacity_units": capacity_units,
        }  # fmt: skip
        return self._transport.send(OfferView, "POST", path("offers"), body, key=key)

    def offers(self) -> list[OfferView]:
        """All offers of machine time at the running rates."""
        return list(self._transport.pages(OfferView, path("offers")))

    def use_compute(
        self,
        *,
        buyer: str,
        offer: str,
        units: int,
        key: str,
        max_price_nanos: int | None = None,
    ) -> ComputeUseView:
        """Pay for machine time."""
        body = {"buyer": buyer, "units": units, "max_price_nanos": max_price_nanos}
        where = path("offers", offer, "uses")
        return self._transport.send(ComputeUseView, "POST", where, body, key=key)

    def demand(self, since: float | None = None) -> list[SkillDemand]:
        """What users want per skill, most wanted first."""
        return list(self._transport.pages(SkillDemand, path("demand"), since=since))

    def record_miss(self, *, account: str, skill: str) -> bool:
        """Nothing to do: the service notes a search without result by itself."""
        return False
