"""Where each thing that a market does is found over HTTP: the one table of service and client.

    POST /v1/listings/sql-v2/rentals    {"renter": "ada", "days": 3}    ->    a RentalView

The body, its validation and who may send it follow from the operation's fields; what stands in the
address is left out of the body. What is no plain translation - charges in bulk, searches, files -
has a route of its own in the service and a method of its own in the client.
"""

import re
from collections.abc import Mapping
from dataclasses import KW_ONLY, dataclass, fields
from typing import Any
from urllib.parse import quote

from marketplace.front import MarketLike as Asked
from marketplace.front import Query
from marketplace.ledger.account_key import AddKey, Register, RevokeKey
from marketplace.ledger.funding import Fund
from marketplace.ledger.mandate import FundMandate, OpenMandate, ReclaimMandate
from marketplace.ledger.operation import Operation
from marketplace.listing.publish import Publish
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
from marketplace.wire import to_wire

_PLACEHOLDER = re.compile(r"\{(\w+)\}")


@dataclass(frozen=True, slots=True)
class _Route:
    id: str
    """What it is called in the OpenAPI document."""
    path: str
    within: str
    """The argument that stands in the address, as `{name}` or `{number}`."""

    def places(self) -> dict[str, str]:
        """The arguments in the address, by placeholder."""
        names = _PLACEHOLDER.findall(self.path)
        return {name: self.within if name in ("name", "number") else name for name in names}

    def address(self, values: Mapping[str, Any]) -> str:
        """The address for these arguments."""
        places = self.places()
        return _PLACEHOLDER.sub(lambda found: spelt(values[places[found[1]]]), self.path)


@dataclass(frozen=True, slots=True)
class Write(_Route):
    """Where an operation is sent to."""

    kind: type[Operation[Any]]
    _: KW_ONLY
    method: str = "POST"
    status: int = 200
    by_hand: bool = False
    """Whether the service answers it with a function of its own."""
    state: Query[..., Any] | None = None
    """What an If-Match header names the state of."""
    must_match: bool = False
    """Whether there must be such a header."""

    def body(self, operation: Operation[Any]) -> dict[str, Any] | None:
        """What is sent besides the address and the key, as JSON values; None where nothing is."""
        if self.method == "DELETE":
            return None
        sent = self.kind.sent().keys() - self.places().values()
        left_out = {f.name for f in fields(self.kind)} - sent
        body: dict[str, Any] = to_wire(operation, leave_out=left_out)
        return body


@dataclass(frozen=True, slots=True)
class Read(_Route):
    """Where a question is asked."""

    question: Query[..., Any]
    _: KW_ONLY
    by_hand: bool = False
    """Whether the service answers it with a function of its own."""
    whose: str = ""
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


_L, _A, _M = "/v1/listings/{name}", "/v1/accounts/{name}", "/v1/meters/{number}"
_RECHECKS = "/v1/receipts/{number}/rechecks"

ROUTES: Mapping[str, tuple[Write | Read, ...]] = {
    "trades": (
        Write("buy", f"{_L}/purchases", "listing", Buy),
        Read("read_terms", f"{_L}/terms", "listing", Asked.terms, tagged=True),
        Write("set_terms", f"{_L}/terms", "listing", SetTerms, method="PUT", state=Asked.terms),
        Write("rent", f"{_L}/rentals", "listing", Rent),
        Write("open_trial", f"{_L}/trials", "listing", OpenTrial),
        Read("list_trials", "/v1/trials", "", Asked.trials, whose="buyer"),
        Write("settle_trial", "/v1/trials/{number}/settlement", "trial", SettleTrial),
        Read("list_reviews", f"{_L}/reviews", "listing", Asked.reviews),
        Write("review", f"{_L}/reviews", "listing", RateListing),
    ),
    "usage": (
        Write("open_meter", f"{_L}/meters", "listing", OpenMeter),
        Read("read_meter", _M, "number", Asked.meter, party=("meter", "account")),
        Write("read_off_meter", f"{_M}/readings", "meter", ReadOffMeter),
        Write("close_meter", f"{_M}/closing", "meter", CloseMeter),
    ),
    "listings": (
        Write("publish", "/v1/listings", "", Publish, status=201, by_hand=True),
        Read("read_listing", _L, "name", Asked.listing, tagged=True),
        Read("read_quote", f"{_L}/quote", "name", Asked.quote),
        Read("read_prices", f"{_L}/prices", "name", Asked.price_history),
        Read("list_versions", f"{_L}/versions", "name", Asked.versions),
    ),
    "accounts": (
        Write("register", _A, "account", Register, method="PUT", by_hand=True),
        Read("read_account", _A, "name", Asked.account, whose="name"),
        Read("list_earnings", f"{_A}/earnings", "account", Asked.earnings, whose="account"),
        Read(
            "list_incomes", f"{_A}/incomes", "account", Asked.incomes, whose="account", by_hand=True
        ),
        Read("list_debts", f"{_A}/debts", "account", Asked.owed, whose="account"),
        Write("grant", f"{_A}/grants", "name", Fund),
        Read("list_keys", f"{_A}/keys", "account", Asked.keys, whose="account"),
        Write("add_key", f"{_A}/keys", "account", AddKey, status=201),
        Write("revoke_key", f"{_A}/keys/{{public_key}}", "account", RevokeKey, method="DELETE"),
    ),
    "mandates": (
        Write("open_mandate", f"{_A}/mandates", "owner", OpenMandate),
        Read(
            "list_mandates",
            f"{_A}/mandates",
            "owner",
            Asked.mandates,
            whose="owner",
            page_by="name",
        ),
        Write("fund_mandate", f"{_A}/funds", "name", FundMandate),
        Write("reclaim_mandate", f"{_A}/reclaims", "name", ReclaimMandate),
        Read(
            "list_holds",
            f"{_A}/holds",
            "payer",
            Asked.open_holds,
            whose="payer",
            page_by="hold_id",
        ),
    ),
    "evidence": (
        Read("list_receipts", f"{_L}/receipts", "listing", Asked.receipts),
        Write("add_receipt", f"{_L}/receipts", "listing", AddReceipt, status=201),
        Read("list_rechecks", _RECHECKS, "receipt", Asked.rechecks),
        Write("recheck", _RECHECKS, "receipt", Reexamine, status=201),
        Write(
            "set_status",
            f"{_L}/status",
            "listing",
            ChangeStatus,
            state=Asked.listing,
            must_match=True,
        ),
    ),
    "deals": (
        Write("create_bundle", "/v1/bundles", "", CreateBundle),
        Read("list_bundles", "/v1/bundles", "", Asked.bundles, page_by="name"),
        Write("buy_bundle", "/v1/bundles/{name}/purchases", "bundle", BuyBundle),
        Write("subscribe", "/v1/subscriptions", "", Subscribe),
        Read("list_subscriptions", "/v1/subscriptions", "", Asked.subscriptions, whose="account"),
        Write("post_bounty", "/v1/bounties", "", PostBounty),
        Write("claim_bounty", "/v1/bounties/{number}/claims", "bounty", ClaimBounty),
        Write("offer_compute", "/v1/offers", "", OfferCompute),
        Read("list_offers", "/v1/offers", "", Asked.offers, page_by="name"),
        Write("use_compute", "/v1/offers/{name}/uses", "offer", UseCompute),
        Read("read_demand", "/v1/demand", "", Asked.demand, limit=100),
    ),
    "service": (
        Read("read_head", "/v1/head", "", Asked.head),
        Write("refund", "/v1/transfers/{number}/refunds", "transfer_id", Refund),
    ),
}
"""By the tag of the OpenAPI document."""
ALL = [route for routes in ROUTES.values() for route in routes]
WRITES: Mapping[type[Operation[Any]], Write] = {r.kind: r for r in ALL if isinstance(r, Write)}
READS: Mapping[Query[..., Any], Read] = {r.question: r for r in ALL if isinstance(r, Read)}
