"""What a market offers, wherever it runs: the local `Market` and the remote client alike.

Commands and jobs are written against `MarketLike`, so that `--market URL` is all that changes.
Each method is described where it is made, in `marketplace.facade`. What only the database's
operator can do (audit, move, simulate) is not here.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from types import TracebackType
from typing import TYPE_CHECKING, ClassVar, Protocol, Self, TypeGuard

from marketplace.errors import MarketError
from marketplace.formula.royalty import Parent
from marketplace.ledger.account import AccountView
from marketplace.ledger.account_key import KeyView
from marketplace.ledger.chain import Head
from marketplace.ledger.epoch import PricePoint
from marketplace.ledger.journal import PostingView
from marketplace.ledger.statement import StatementPage
from marketplace.listing.listing import ListingView, PurchaseView, VersionView
from marketplace.listing.provenance import Evidence
from marketplace.listing.wanted import SearchPage, Wanted
from marketplace.price.quote import Quote
from marketplace.receipt.receipt import ReceiptFacts, ReceiptView, RecheckView
from marketplace.trade.bounty import BountyView
from marketplace.trade.bundle import BundleView
from marketplace.trade.compute import ComputeUseView, OfferView
from marketplace.trade.debts import DebtView
from marketplace.trade.demand import SkillDemand
from marketplace.trade.incomes import EarningView
from marketplace.trade.meter import MeterView
from marketplace.trade.records import IncomeView
from marketplace.trade.rent import RentalView
from marketplace.trade.review import ReviewView
from marketplace.trade.subscription import SubscriptionView
from marketplace.trade.terms import TermsView
from marketplace.trade.trial import TrialView
from marketplace.trade.usage import Charge, UsageView

if TYPE_CHECKING:  # they load numpy, and what only the extra `remote` brings
    from marketplace.client.remote import RemoteMarket
    from marketplace.listing.duplicates import Others
    from marketplace.listing.similarity import Weights


class Accounts(Protocol):
    """Money, and the keys that may spend it."""

    def open_account(self, name: str, *, key: str | None = None) -> AccountView: ...
    def account(self, name: str) -> AccountView: ...
    def accounts(self) -> Sequence[AccountView]: ...
    def fund(self, name: str, amount_nanos: int, *, key: str) -> None: ...
    def postings(self, account: str) -> Sequence[PostingView]: ...
    def statement(
        self, account: str, *, limit: int = ..., cursor: str | None = None
    ) -> StatementPage: ...
    def open_mandate(self, *, owner: str, name: str, cap_nanos: int, key: str) -> AccountView: ...
    def fund_mandate(self, name: str, amount_nanos: int, *, key: str) -> None: ...
    def reclaim_mandate(self, name: str, *, key: str) -> None: ...
    def mandates(self, owner: str) -> Sequence[AccountView]: ...
    def earnings(self, account: str) -> Sequence[EarningView]: ...
    def incomes(self, account: str) -> Sequence[IncomeView]: ...
    def owed(self, account: str | None = None) -> Sequence[DebtView]: ...
    def collect_owed(self, account: str | None = None) -> Sequence[DebtView]: ...
    def keys(self, account: str) -> Sequence[KeyView]: ...
    def add_key(self, account: str, public_key: str, *, proof: str, key: str) -> KeyView: ...
    def revoke_key(self, account: str, public_key: str, *, key: str) -> KeyView: ...
    def refund(self, transfer_id: int, *, amount_nanos: int | None = None, key: str) -> int: ...
    def head(self) -> Head: ...


class Catalogue(Protocol):
    """What is for sale and what it costs."""

    def publish(
        self,
        *,
        owner: str,
        name: str,
        digest: str,
        base_model: str,
        niche: str,
        ask_nanos: int,
        receipt: ReceiptFacts,
        receipts: Sequence[ReceiptFacts] = (),
        description: str = "",
        licence: str = "",
        tags: Sequence[str] = (),
        parents: Sequence[str | Parent] = (),
        version_of: str | None = None,
        weights: Weights | None = None,
        others: Others | None = None,
        evidence: Evidence | None = None,
        key: str,
    ) -> ListingView: ...
    def listings(
        self, wanted: Wanted | None = None, *, limit: int | None = None
    ) -> Iterable[ListingView]: ...
    def search(
        self,
        text: str = "",
        wanted: Wanted | None = None,
        *,
        order: str = "rank",
        limit: int = ...,
        cursor: str | None = None,
    ) -> SearchPage: ...
    def listing(self, name: str) -> ListingView: ...
    def versions(self, name: str) -> Sequence[VersionView]: ...
    def quote(self, name: str) -> Quote: ...
    def price_history(self, name: str) -> Sequence[PricePoint]: ...
    def close_epoch(self, number: int | None = None, *, key: str | None = None) -> None: ...


class Moderation(Protocol):
    """Evidence, its re-runs, and taking layers down."""

    def receipts(self, listing: str) -> Sequence[ReceiptView]: ...
    def rechecks(self, receipt: int) -> Sequence[RecheckView]: ...
    def recheck(
        self,
        *,
        receipt: int,
        by: str,
        n_correct: int,
        n_base_correct: int,
        key: str,
        questions_digest: str = "",
        seed: int | None = None,
    ) -> RecheckView: ...
    def withdraw(self, *, listing: str, by: str, key: str, reason: str = "") -> ListingView: ...
    def relist(self, *, listing: str, by: str, key: str, reason: str = "") -> ListingView: ...
    def quarantine(self, *, listing: str, by: str, reason: str, key: str) -> ListingView: ...
    def release(self, *, listing: str, by: str, reason: str, key: str) -> ListingView: ...
    def revoke(self, *, listing: str, by: str, reason: str, key: str) -> ListingView: ...


class Rights(Protocol):
    """Ways to pay for one layer."""

    def buy(
        self, *, buyer: str, listing: str, key: str, max_price_nanos: int | None = None
    ) -> PurchaseView: ...
    def terms(self, listing: str) -> TermsView: ...
    def set_terms(
        self,
        *,
        owner: str,
        listing: str,
        key: str,
        rent_day_parts: int = ...,
        use_parts: int = ...,
        subscribable: bool = ...,
    ) -> TermsView: ...
    def rent(
        self, *, renter: str, listing: str, days: int, key: str, max_price_nanos: int | None = None
    ) -> RentalView: ...
    def charge(self, *, account: str, listing: str, units: int, key: str) -> UsageView: ...
    def charge_many(self, charges: Sequence[Charge]) -> Sequence[UsageView | MarketError]: ...
    def meter_open(
        self, *, account: str, listing: str, limit_nanos: int, days: int, key: str
    ) -> MeterView: ...
    def meter_use(self, *, meter: int, units: int, key: str) -> MeterView: ...
    def meter_close(self, *, meter: int, key: str) -> MeterView: ...
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
    ) -> TrialView: ...
    def trial_settle(
        self, *, trial: int, n_correct: int, n_base_correct: int, key: str
    ) -> TrialView: ...
    def trials(self, buyer: str | None = None) -> Sequence[TrialView]: ...
    def review(
        self, *, reviewer: str, listing: str, n_good: int, n_bad: int, key: str, text: str = ""
    ) -> ReviewView: ...
    def reviews(self, listing: str) -> Sequence[ReviewView]: ...


class Deals(Protocol):
    """What is about several layers, about machine time, or about layers that are missing."""

    def subscribe(
        self, *, account: str, fee_nanos: int, days: int, key: str
    ) -> SubscriptionView: ...
    def subscriptions(self, account: str) -> Sequence[SubscriptionView]: ...
    def bundle_create(
        self, *, owner: str, name: str, listings: Sequence[str], key: str, discount_parts: int = 0
    ) -> BundleView: ...
    def bundles(self) -> Sequence[BundleView]: ...
    def bundle_buy(
        self, *, buyer: str, bundle: str, key: str, max_price_nanos: int | None = None
    ) -> Sequence[PurchaseView]: ...
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
    ) -> BountyView: ...
    def bounty_claim(self, *, bounty: int, listing: str, by: str, key: str) -> BountyView: ...
    def bounties(self, *, open_only: bool = True) -> Sequence[BountyView]: ...
    def offer_compute(
        self,
        *,
        owner: str,
        name: str,
        resource: str,
        ask_nanos: int,
        capacity_units: int,
        key: str,
    ) -> OfferView: ...
    def offers(self) -> Sequence[OfferView]: ...
    def use_compute(
        self,
        *,
        buyer: str,
        offer: str,
        units: int,
        key: str,
        max_price_nanos: int | None = None,
    ) -> ComputeUseView: ...
    def demand(self, since: float | None = None) -> Sequence[SkillDemand]: ...
    def record_miss(self, *, account: str, skill: str) -> bool: ...


class MarketLike(Accounts, Catalogue, Moderation, Rights, Deals, Protocol):
    """A market that is open, here or elsewhere."""

    at_service: ClassVar[bool]

    def close(self) -> None: ...
    def __enter__(self) -> Self: ...
    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None: ...


def is_remote(market: MarketLike) -> TypeGuard[RemoteMarket]:
    """Whether a market is behind a service, which keeps the layers' files.

    Asked of the market and not of its class: that one needs the extra `remote`.
    """
    return market.at_service
