"""Bundles, subscriptions, bounties, machine time, and what users want."""

from typing import Annotated, Literal

from fastapi import APIRouter, Query, Request
from pydantic import Field
from starlette.responses import Response

from marketplace.listing.listing import PurchaseView
from marketplace.service.answers import Cursor, Limit, answer, page
from marketplace.service.caller import Anyone, Signed
from marketplace.service.change import Changing
from marketplace.service.problems import Due, costs
from marketplace.service.state import Here
from marketplace.service.upkeep import must_be_deliverable
from marketplace.service.wire_models import (
    ACCOUNT_PATTERN,
    AccountName,
    Body,
    Credits,
    Days,
    ListingName,
    Name,
    Number,
    Parts,
    Several,
    Text,
    model_of,
    page_of,
)
from marketplace.trade.bounty import BountyView
from marketplace.trade.bundle import BundleView
from marketplace.trade.compute import ComputeUseView, OfferView
from marketplace.trade.demand import SkillDemand
from marketplace.trade.subscription import SubscriptionView

router = APIRouter(prefix="/v1", tags=["deals"])


class BundleBody(Body):
    """Listings to be sold together."""

    owner: AccountName
    name: Name
    listings: Annotated[list[Name], Field(min_length=1, max_length=100)]
    discount_parts: Parts = 0


class BundleBuyBody(Body):
    """Who buys a bundle, and the most it may cost."""

    AMOUNTS = ("max_price",)

    buyer: AccountName
    max_price: Credits | None = None


class SubscriptionBody(Body):
    """A fee that is divided by the account's own usage."""

    AMOUNTS = ("fee",)

    account: AccountName
    fee: Credits
    days: Days


class BountyBody(Body):
    """Wanted: a layer that scores so much on an exam."""

    AMOUNTS = ("reward",)

    sponsor: AccountName
    skill: Name
    base_model: Text
    exam: Name
    min_questions: Several
    min_accuracy_parts: Parts
    reward: Credits
    days: Days


class ClaimBody(Body):
    """The listing that earned a bounty, and who says so; its exam is on file."""

    listing: Name
    by: AccountName


class OfferBody(Body):
    """Machine time for sale, priced per 1,000 units."""

    AMOUNTS = ("ask",)

    owner: AccountName
    name: Name
    resource: Text
    ask: Credits
    capacity_units: Several


class ComputeBody(Body):
    """Who uses machine time, how much, and the most it may cost."""

    AMOUNTS = ("max_price",)

    buyer: AccountName
    units: Several
    max_price: Credits | None = None


@router.post("/bundles", operation_id="create_bundle", response_model=model_of(BundleView))
async def create_bundle(body: BundleBody, change: Changing, service: Here) -> Response:
    """Put listings together."""
    change.caller.must_be(body.owner)
    market = service.market
    return answer(await change.run(lambda key: market.bundle_create(**body.arguments(), key=key)))


@router.get("/bundles", operation_id="list_bundles", response_model=page_of(BundleView))
async def list_bundles(
    caller: Anyone, service: Here, limit: Limit = 50, cursor: Cursor = None
) -> Response:
    """All bundles by name, at the running prices."""
    scope = ("bundles",)
    after = service.cursors.position(scope, cursor, "")
    found = await service.read(lambda: service.market.bundles(after=after, limit=limit + 1))
    return page(*service.cursors.cut(scope, found, lambda x: x.name, limit))


@router.post(
    "/bundles/{name}/purchases", operation_id="buy_bundle", response_model=page_of(PurchaseView)
)
async def buy_bundle(
    name: ListingName, body: BundleBuyBody, request: Request, change: Changing, service: Here
) -> Response:
    """Buy whatever of a bundle the buyer does not own yet: all of it or nothing."""
    change.caller.must_be(body.buyer)
    market = service.market

    def due() -> Due:
        return Due(market.bundle(name).price_nanos)

    def listings() -> tuple[str, ...]:
        return market.bundle(name).listings

    costs(request, due)
    await must_be_deliverable(change, listings)
    bought = await change.run(
        lambda key: market.bundle_buy(bundle=name, **body.arguments(), key=key)
    )
    return page(bought, None, change.caller)


@router.post("/subscriptions", operation_id="subscribe", response_model=model_of(SubscriptionView))
async def subscribe(
    body: SubscriptionBody, request: Request, change: Changing, service: Here
) -> Response:
    """Hold a fee; at the end it is divided by the account's own usage."""
    change.caller.must_be(body.account)
    costs(request, lambda: Due(body.fee))
    market = service.market
    return answer(await change.run(lambda key: market.subscribe(**body.arguments(), key=key)))


@router.get(
    "/subscriptions", operation_id="list_subscriptions", response_model=page_of(SubscriptionView)
)
async def list_subscriptions(
    caller: Signed,
    service: Here,
    account: Annotated[str | None, Query(pattern=ACCOUNT_PATTERN)] = None,
    limit: Limit = 50,
    cursor: Cursor = None,
) -> Response:
    """The caller's subscriptions, oldest first."""
    name = caller.must_be(account or caller.name)
    found = await service.read(lambda: service.market.subscriptions(name))
    scope = ("subscriptions", name)
    return page(*service.cursors.page_by_count(scope, found, cursor=cursor, limit=limit))


@router.post("/bounties", operation_id="post_bounty", response_model=model_of(BountyView))
async def post_bounty(
    body: BountyBody, request: Request, change: Changing, service: Here
) -> Response:
    """Hold a reward for the first layer that scores enough on an exam."""
    change.caller.must_be(body.sponsor)
    costs(request, lambda: Due(body.reward))
    market = service.market
    return answer(await change.run(lambda key: market.bounty_post(**body.arguments(), key=key)))


@router.get("/bounties", operation_id="list_bounties", response_model=page_of(BountyView))
async def list_bounties(
    caller: Anyone,
    service: Here,
    state: Literal["open", "all"] = "open",
    limit: Limit = 50,
    cursor: Cursor = None,
) -> Response:
    """Rewards that can be earned, or all there ever were, oldest first."""
    scope = ("bounties", state)
    after = service.cursors.position(scope, cursor, 0)
    found = await service.read(
        lambda: service.market.bounties(open_only=state == "open", after=after, limit=limit + 1)
    )
    return page(*service.cursors.cut(scope, found, lambda x: x.bounty, limit))


@router.post(
    "/bounties/{number}/claims", operation_id="claim_bounty", response_model=model_of(BountyView)
)
async def claim_bounty(
    number: Number, body: ClaimBody, change: Changing, service: Here
) -> Response:
    """Pay the reward to a listing whose receipt a judge has re-run and found above the mark."""
    change.caller.must_be(body.by)
    market = service.market
    return answer(
        await change.run(
            lambda key: market.bounty_claim(bounty=number, **body.arguments(), key=key)
        )
    )


@router.post("/offers", operation_id="offer_compute", response_model=model_of(OfferView))
async def offer_compute(body: OfferBody, change: Changing, service: Here) -> Response:
    """Put machine time up for sale."""
    change.caller.must_be(body.owner)
    market = service.market
    return answer(await change.run(lambda key: market.offer_compute(**body.arguments(), key=key)))


@router.get("/offers", operation_id="list_offers", response_model=page_of(OfferView))
async def list_offers(
    caller: Anyone, service: Here, limit: Limit = 50, cursor: Cursor = None
) -> Response:
    """All offers of machine time by name, at the running rates."""
    scope = ("offers",)
    after = service.cursors.position(scope, cursor, "")
    found = await service.read(lambda: service.market.offers(after=after, limit=limit + 1))
    return page(*service.cursors.cut(scope, found, lambda x: x.name, limit))


@router.post(
    "/offers/{name}/uses", operation_id="use_compute", response_model=model_of(ComputeUseView)
)
async def use_compute(
    name: ListingName, body: ComputeBody, change: Changing, service: Here
) -> Response:
    """Pay for machine time at the running epoch's rate."""
    change.caller.must_be(body.buyer)
    market = service.market
    return answer(
        await change.run(lambda key: market.use_compute(offer=name, **body.arguments(), key=key))
    )


@router.get("/demand", operation_id="read_demand", response_model=page_of(SkillDemand))
async def read_demand(
    caller: Anyone,
    service: Here,
    since: Annotated[float | None, Query(ge=0.0, le=1e11)] = None,
    limit: Limit = 100,
    cursor: Cursor = None,
) -> Response:
    """What users want per skill, most wanted first; the last 30 days unless told."""
    found = await service.read(lambda: service.market.demand(since))
    scope = ("demand", since)
    return page(*service.cursors.page_by_count(scope, found, cursor=cursor, limit=limit))
