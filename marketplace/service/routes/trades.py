"""Ways to pay for one listing: buying, renting, trying, and saying afterwards how it was."""

from typing import Annotated

from fastapi import APIRouter, Query, Request
from pydantic import Field
from starlette.responses import Response

from marketplace.listing.listing import PurchaseView
from marketplace.service.answers import Cursor, Limit, answer, page, wire
from marketplace.service.caller import Anyone, Signed
from marketplace.service.change import Changing
from marketplace.service.etags import check_if_match, tagged
from marketplace.service.problems import Due, costs
from marketplace.service.state import Here, Service
from marketplace.service.upkeep import must_be_deliverable
from marketplace.service.wire_models import (
    ACCOUNT_PATTERN,
    AccountName,
    Body,
    Count,
    Credits,
    Days,
    ListingName,
    Number,
    Parts,
    Several,
    model_of,
    page_of,
)
from marketplace.trade.rent import RentalView
from marketplace.trade.review import ReviewView
from marketplace.trade.terms import RENT_DAY_PARTS, USE_PARTS, TermsView
from marketplace.trade.trial import TrialView

router = APIRouter(prefix="/v1", tags=["trades"])


class BuyBody(Body):
    """Who buys, and the most it may cost."""

    AMOUNTS = ("max_price",)

    buyer: AccountName
    max_price: Credits | None = None


class TermsBody(Body):
    """How one's own listing may be paid for besides buying it."""

    owner: AccountName
    rent_day_parts: Parts = RENT_DAY_PARTS
    use_parts: Parts = USE_PARTS
    subscribable: bool = True


class RentBody(Body):
    """Who rents, for how long, and the most it may cost."""

    AMOUNTS = ("max_price",)

    renter: AccountName
    days: Days
    max_price: Credits | None = None


class TrialBody(Body):
    """Questions of the buyer's own, known only by their digest, and what must come out."""

    AMOUNTS = ("max_price",)

    buyer: AccountName
    challenge_digest: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
    n_questions: Several
    min_gain: Several
    days: Days = 7
    max_price: Credits | None = None


class ResultBody(Body):
    """What came out of a trial."""

    n_correct: Count
    n_base_correct: Count


class ReviewBody(Body):
    """Uses that helped and uses that did not."""

    reviewer: AccountName
    n_good: Count
    n_bad: Count
    text: Annotated[str, Field(max_length=2000)] = ""


@router.post(
    "/listings/{name}/purchases", operation_id="buy", response_model=model_of(PurchaseView)
)
async def buy(
    name: ListingName, body: BuyBody, request: Request, change: Changing, service: Here
) -> Response:
    """Pay the running price; the buyer then owns the layer for good."""
    change.caller.must_be(body.buyer)
    costs(request, lambda: price_of(service, name))
    await must_be_deliverable(change, lambda: [name])
    view = await change.run(
        lambda key: service.market.buy(listing=name, **body.arguments(), key=key)
    )
    return answer(view, change.caller)


@router.get("/listings/{name}/terms", operation_id="read_terms", response_model=model_of(TermsView))
async def read_terms(
    name: ListingName, request: Request, caller: Anyone, service: Here
) -> Response:
    """What the listing costs to own, to rent and to use."""
    return tagged(request, wire(await service.read(lambda: service.market.terms(name))))


@router.put("/listings/{name}/terms", operation_id="set_terms", response_model=model_of(TermsView))
async def set_terms(
    name: ListingName, body: TermsBody, request: Request, change: Changing, service: Here
) -> Response:
    """Set how one's own listing may be paid for; If-Match is optional: the last word counts."""
    change.caller.must_be(body.owner)
    market = service.market
    if "if-match" in request.headers:
        check_if_match(request, wire(await service.read(lambda: market.terms(name))))
    view = await change.run(lambda key: market.set_terms(listing=name, **body.arguments(), key=key))
    return answer(view)


@router.post("/listings/{name}/rentals", operation_id="rent", response_model=model_of(RentalView))
async def rent(
    name: ListingName, body: RentBody, request: Request, change: Changing, service: Here
) -> Response:
    """Pay for days of use; a rental that is running is extended."""
    change.caller.must_be(body.renter)

    def due() -> Due:
        daily = service.market.terms(name).rent_day_nanos or 0
        return Due(daily * body.days, service.market.listing(name).owner)

    costs(request, due)
    await must_be_deliverable(change, lambda: [name])
    return answer(
        await change.run(lambda key: service.market.rent(listing=name, **body.arguments(), key=key))
    )


@router.post(
    "/listings/{name}/trials", operation_id="open_trial", response_model=model_of(TrialView)
)
async def open_trial(
    name: ListingName, body: TrialBody, request: Request, change: Changing, service: Here
) -> Response:
    """Take a day's rent and hold the price while the buyer's own questions decide."""
    change.caller.must_be(body.buyer)

    def due() -> Due:
        terms = service.market.terms(name)
        return Due(terms.price_nanos + terms.trial_nanos, service.market.listing(name).owner)

    costs(request, due)
    await must_be_deliverable(change, lambda: [name])
    return answer(
        await change.run(
            lambda key: service.market.trial_open(listing=name, **body.arguments(), key=key)
        )
    )


@router.get("/trials", operation_id="list_trials", response_model=page_of(TrialView))
async def list_trials(
    caller: Signed,
    service: Here,
    buyer: Annotated[str | None, Query(pattern=ACCOUNT_PATTERN)] = None,
    limit: Limit = 50,
    cursor: Cursor = None,
) -> Response:
    """The caller's trials, oldest first."""
    name = caller.must_be(buyer or caller.name)
    found = await service.read(lambda: service.market.trials(name))
    scope = ("trials", name)
    return page(*service.cursors.page_by_count(scope, found, cursor=cursor, limit=limit))


@router.post(
    "/trials/{number}/settlement", operation_id="settle_trial", response_model=model_of(TrialView)
)
async def settle_trial(
    number: Number, body: ResultBody, change: Changing, service: Here
) -> Response:
    """Let the result decide: the held price is paid, or released."""
    market = service.market
    trial = await service.read(lambda: market.trial(number))
    change.caller.must_see(trial.buyer, f"trial {number}")
    return answer(
        await change.run(lambda key: market.trial_settle(trial=number, **body.arguments(), key=key))
    )


@router.get(
    "/listings/{name}/reviews", operation_id="list_reviews", response_model=page_of(ReviewView)
)
async def list_reviews(
    name: ListingName, caller: Anyone, service: Here, limit: Limit = 50, cursor: Cursor = None
) -> Response:
    """Every reviewer's newest review of each version, oldest first."""
    found = await service.read(lambda: service.market.reviews(name))
    scope = ("reviews", name)
    return page(*service.cursors.page_by_count(scope, found, cursor=cursor, limit=limit))


@router.post("/listings/{name}/reviews", operation_id="review", response_model=model_of(ReviewView))
async def review(name: ListingName, body: ReviewBody, change: Changing, service: Here) -> Response:
    """Rate a listing after paid use."""
    change.caller.must_be(body.reviewer)
    return answer(
        await change.run(
            lambda key: service.market.review(listing=name, **body.arguments(), key=key)
        )
    )


def price_of(service: Service, name: str) -> Due:
    """What a listing costs to buy, and whose it is."""
    listing = service.market.listing(name)
    return Due(listing.price_nanos, listing.owner)
