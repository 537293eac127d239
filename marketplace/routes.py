"""Where each thing that a market does is found over HTTP: the one table of service and client.

    POST /v1/listings/sql-v2/rentals    {"renter": "ada", "days": 3}    ->    a RentalView

The body, its validation and who may send it follow from the operation's fields; what stands in the
address is left out of the body. What is no plain translation - charges in bulk, searches, files -
has a route of its own in the service and a method of its own in the client.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any
from urllib.parse import quote

from marketplace.front import MarketLike, Question
from marketplace.ledger.account_key import AddKey, Register, RevokeKey
from marketplace.ledger.funding import Fund
from marketplace.ledger.mandate import FundMandate, OpenMandate, ReclaimMandate
from marketplace.ledger.operation import Operation
from marketplace.trade.bounty import ClaimBounty, PostBounty
from marketplace.trade.bundle import BuyBundle, CreateBundle
from marketplace.trade.buy import Buy
from marketplace.trade.compute import OfferCompute, UseCompute
from marketplace.trade.meter import CloseMeter, OpenMeter, ReadOffMeter
from marketplace.trade.moderation import ChangeStatus
from marketplace.trade.recheck import AddReceipt, Reexamine
from marketplace.trade.rent import Rent
from marketplace.trade.returns import Refund
from marketplace.trade.review import RateListing
from marketplace.trade.subscription import Subscribe
from marketplace.trade.terms import SetTerms
from marketplace.trade.trial import OpenTrial, SettleTrial

_PLACEHOLDER = re.compile(r"\{(\w+)\}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Route:
    """An address, and what it is called in the OpenAPI document."""

    id: str
    path: str
    within: str = ""
    """The argument that stands in the address, as `{name}` or `{number}`."""
    by_hand: bool = False
    """Whether the service answers it with a function of its own."""

    def places(self) -> dict[str, str]:
        """The arguments in the address, by placeholder."""
        names = _PLACEHOLDER.findall(self.path)
        return {name: self.within if name in ("name", "number") else name for name in names}

    def address(self, values: Mapping[str, Any]) -> str:
        """The address for these arguments."""
        places = self.places()
        return _PLACEHOLDER.sub(lambda found: spelt(values[places[found[1]]]), self.path)


@dataclass(frozen=True, slots=True, kw_only=True)
class Write(Route):
    """Where an operation is sent to."""

    kind: type[Operation[Any]]
    method: str = "POST"
    status: int = 200
    state: Question[..., Any] | None = None
    """What an If-Match header names the state of."""
    must_match: bool = False
    """Whether there must be such a header."""

    def body(self, operation: Operation[Any]) -> dict[str, Any] | None:
        """What is sent besides the address and the key; None where nothing ever is."""
        if self.method == "DELETE":
            return None
        left_out = {"key", *self.places().values()}
        names = [f.name for f in fields(operation) if f.name not in left_out]
        return {name: getattr(operation, name) for name in names}


@dataclass(frozen=True, slots=True, kw_only=True)
class Read(Route):
    """Where a question is asked."""

    question: Question[..., Any]
    owner: str = ""
    """The argument that names the account whose business it is; none: everybody's."""
    party: tuple[str, str] | None = None
    """Of an agreement: what it is called, and the field of the view that says whose it is."""
    page_by: str = ""
    """The field that a list is sorted by; none: a list that only grows at its end."""
    limit: int = 50
    tagged: bool = False
    """Whether the answer has an ETag."""


def spelt(name: object) -> str:
    """A name or number as it stands in an address.

    A mandate `ada/shopper` becomes `ada~shopper`: encoded slashes do not survive proxies.
    """
    return quote(str(name).replace("/", "~"), safe="~")


_LISTING, _ACCOUNT = "/v1/listings/{name}", "/v1/accounts/{name}"
_METER = "/v1/meters/{number}"
_TERMS, _RECHECKS = f"{_LISTING}/terms", "/v1/receipts/{number}/rechecks"

ROUTES: Mapping[str, tuple[Write | Read, ...]] = {
    "trades": (
        Write(id="buy", kind=Buy, path=f"{_LISTING}/purchases", within="listing"),
        Read(
            id="read_terms", question=MarketLike.terms, path=_TERMS, within="listing", tagged=True
        ),
        Write(
            id="set_terms",
            kind=SetTerms,
            method="PUT",
            path=_TERMS,
            within="listing",
            state=MarketLike.terms,
        ),
        Write(id="rent", kind=Rent, path=f"{_LISTING}/rentals", within="listing"),
        Write(id="open_trial", kind=OpenTrial, path=f"{_LISTING}/trials", within="listing"),
        Read(id="list_trials", question=MarketLike.trials, path="/v1/trials", owner="buyer"),
        Write(
            id="settle_trial",
            kind=SettleTrial,
            path="/v1/trials/{number}/settlement",
            within="trial",
        ),
        Read(
            id="list_reviews",
            question=MarketLike.reviews,
            path=f"{_LISTING}/reviews",
            within="listing",
        ),
        Write(id="review", kind=RateListing, path=f"{_LISTING}/reviews", within="listing"),
    ),
    "usage": (
        Write(id="open_meter", kind=OpenMeter, path=f"{_LISTING}/meters", within="listing"),
        Read(
            id="read_meter",
            question=MarketLike.meter,
            path=_METER,
            within="number",
            party=("meter", "account"),
        ),
        Write(id="read_off_meter", kind=ReadOffMeter, path=f"{_METER}/readings", within="meter"),
        Write(id="close_meter", kind=CloseMeter, path=f"{_METER}/closing", within="meter"),
    ),
    "listings": (
        Read(
            id="read_listing",
            question=MarketLike.listing,
            path=_LISTING,
            within="name",
            tagged=True,
        ),
        Read(id="read_quote", question=MarketLike.quote, path=f"{_LISTING}/quote", within="name"),
        Read(
            id="read_prices",
            question=MarketLike.price_history,
            path=f"{_LISTING}/prices",
            within="name",
        ),
        Read(
            id="list_versions",
            question=MarketLike.versions,
            path=f"{_LISTING}/versions",
            within="name",
        ),
    ),
    "accounts": (
        Write(
            id="register",
            kind=Register,
            method="PUT",
            path=_ACCOUNT,
            within="account",
            by_hand=True,
        ),
        Read(
            id="read_account",
            question=MarketLike.account,
            path=_ACCOUNT,
            within="name",
            owner="name",
        ),
        Read(
            id="list_earnings",
            question=MarketLike.earnings,
            path=f"{_ACCOUNT}/earnings",
            within="account",
            owner="account",
        ),
        Read(
            id="list_incomes",
            question=MarketLike.incomes,
            path=f"{_ACCOUNT}/incomes",
            within="account",
            owner="account",
            by_hand=True,
        ),
        Write(id="grant", kind=Fund, path=f"{_ACCOUNT}/grants", within="name"),
        Read(
            id="list_keys",
            question=MarketLike.keys,
            path=f"{_ACCOUNT}/keys",
            within="account",
            owner="account",
        ),
        Write(id="add_key", kind=AddKey, path=f"{_ACCOUNT}/keys", within="account", status=201),
        Write(
            id="revoke_key",
            kind=RevokeKey,
            method="DELETE",
            path=f"{_ACCOUNT}/keys/{{public_key}}",
            within="account",
        ),
    ),
    "mandates": (
        Write(id="open_mandate", kind=OpenMandate, path=f"{_ACCOUNT}/mandates", within="owner"),
        Read(
            id="list_mandates",
            question=MarketLike.mandates,
            path=f"{_ACCOUNT}/mandates",
            within="owner",
            owner="owner",
            page_by="name",
        ),
        Write(id="fund_mandate", kind=FundMandate, path=f"{_ACCOUNT}/funds", within="name"),
        Write(
            id="reclaim_mandate", kind=ReclaimMandate, path=f"{_ACCOUNT}/reclaims", within="name"
        ),
        Read(
            id="list_holds",
            question=MarketLike.open_holds,
            path=f"{_ACCOUNT}/holds",
            within="payer",
            owner="payer",
            page_by="hold_id",
        ),
    ),
    "evidence": (
        Read(
            id="list_receipts",
            question=MarketLike.receipts,
            path=f"{_LISTING}/receipts",
            within="listing",
        ),
        Write(
            id="add_receipt",
            kind=AddReceipt,
            path=f"{_LISTING}/receipts",
            within="listing",
            by_hand=True,
        ),
        Read(id="list_rechecks", question=MarketLike.rechecks, path=_RECHECKS, within="receipt"),
        Write(id="recheck", kind=Reexamine, path=_RECHECKS, within="receipt", status=201),
        Write(
            id="set_status",
            kind=ChangeStatus,
            path=f"{_LISTING}/status",
            within="listing",
            state=MarketLike.listing,
            must_match=True,
        ),
    ),
    "deals": (
        Write(id="create_bundle", kind=CreateBundle, path="/v1/bundles"),
        Read(id="list_bundles", question=MarketLike.bundles, path="/v1/bundles", page_by="name"),
        Write(
            id="buy_bundle", kind=BuyBundle, path="/v1/bundles/{name}/purchases", within="bundle"
        ),
        Write(id="subscribe", kind=Subscribe, path="/v1/subscriptions"),
        Read(
            id="list_subscriptions",
            question=MarketLike.subscriptions,
            path="/v1/subscriptions",
            owner="account",
        ),
        Write(id="post_bounty", kind=PostBounty, path="/v1/bounties"),
        Write(
            id="claim_bounty",
            kind=ClaimBounty,
            path="/v1/bounties/{number}/claims",
            within="bounty",
        ),
        Write(id="offer_compute", kind=OfferCompute, path="/v1/offers"),
        Read(id="list_offers", question=MarketLike.offers, path="/v1/offers", page_by="name"),
        Write(id="use_compute", kind=UseCompute, path="/v1/offers/{name}/uses", within="offer"),
        Read(id="read_demand", question=MarketLike.demand, path="/v1/demand", limit=100),
    ),
    "service": (
        Read(id="read_head", question=MarketLike.head, path="/v1/head"),
        Write(
            id="refund", kind=Refund, path="/v1/transfers/{number}/refunds", within="transfer_id"
        ),
    ),
}
"""By the tag of the OpenAPI document."""
ALL = [route for routes in ROUTES.values() for route in routes]
WRITES: Mapping[type[Operation[Any]], Write] = {r.kind: r for r in ALL if isinstance(r, Write)}
READS: Mapping[Question[..., Any], Read] = {r.question: r for r in ALL if isinstance(r, Read)}
