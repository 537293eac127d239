"""What owners state, what others found when they tried it, and what follows."""

from typing import Annotated, Literal

from fastapi import APIRouter, Request
from pydantic import Field
from starlette.responses import Response

from marketplace.listing.listing import ListingView
from marketplace.receipt.receipt import ReceiptView, RecheckView
from marketplace.service.answers import Cursor, Limit, answer, page, wire
from marketplace.service.caller import Anyone
from marketplace.service.change import Changing
from marketplace.service.etags import check_if_match, etag_of
from marketplace.service.routes.listings import ReceiptBody
from marketplace.service.state import Here
from marketplace.service.wire_models import (
    AccountName,
    Body,
    Count,
    ListingName,
    Number,
    Seed,
    model_of,
    page_of,
)

router = APIRouter(prefix="/v1", tags=["evidence"])


class OwnReceiptBody(Body):
    """One more exam of one's own listing."""

    owner: AccountName
    receipt: ReceiptBody


class RecheckBody(Body):
    """What a re-run of a receipt found."""

    by: AccountName
    n_correct: Count
    n_base_correct: Count
    questions_digest: Annotated[str, Field(pattern=r"^([0-9a-f]{64})?$")] = ""
    seed: Seed | None = None


class StatusBody(Body):
    """What becomes of a listing."""

    deed: Literal["withdraw", "relist", "quarantine", "release", "revoke"]
    by: AccountName
    reason: Annotated[str, Field(max_length=500)] = ""


@router.get(
    "/listings/{name}/receipts", operation_id="list_receipts", response_model=page_of(ReceiptView)
)
async def list_receipts(
    name: ListingName, caller: Anyone, service: Here, limit: Limit = 50, cursor: Cursor = None
) -> Response:
    """A listing's receipts, newest version first."""
    found = await service.read(lambda: service.market.receipts(name))
    scope = ("receipts", name)
    return page(*service.cursors.page_by_count(scope, found, cursor=cursor, limit=limit))


@router.post(
    "/listings/{name}/receipts",
    operation_id="add_receipt",
    response_model=model_of(ReceiptView),
    status_code=201,
)
async def add_receipt(
    name: ListingName, body: OwnReceiptBody, change: Changing, service: Here
) -> Response:
    """State another exam's result of one's own listing."""
    change.caller.must_be(body.owner)
    market = service.market
    view = await change.run(
        lambda key: market.add_receipt(
            owner=body.owner, listing=name, receipt=body.receipt.facts(), key=key
        )
    )
    return answer(view, status=201)


@router.get(
    "/receipts/{number}/rechecks",
    operation_id="list_rechecks",
    response_model=page_of(RecheckView),
)
async def list_rechecks(
    number: Number, caller: Anyone, service: Here, limit: Limit = 50, cursor: Cursor = None
) -> Response:
    """Every re-run of a receipt, oldest first."""
    found = await service.read(lambda: service.market.rechecks(number))
    scope = ("rechecks", number)
    return page(*service.cursors.page_by_count(scope, found, cursor=cursor, limit=limit))


@router.post(
    "/receipts/{number}/rechecks",
    operation_id="recheck",
    response_model=model_of(RecheckView),
    status_code=201,
)
async def recheck(number: Number, body: RecheckBody, change: Changing, service: Here) -> Response:
    """File a re-run: same exam, the same questions or, with their seed, fresh ones."""
    change.caller.must_be(body.by)
    market = service.market
    view = await change.run(lambda key: market.recheck(receipt=number, **body.arguments(), key=key))
    return answer(view, status=201)


@router.post(
    "/listings/{name}/status", operation_id="set_status", response_model=model_of(ListingView)
)
async def set_status(
    name: ListingName, body: StatusBody, request: Request, change: Changing, service: Here
) -> Response:
    """Withdraw, relist, quarantine, release or revoke a listing whose ETag If-Match names.

    A repeat of a change that was made is answered as such, whatever the ETag is by now.
    """
    change.caller.must_be(body.by)
    market = service.market
    if not await service.read(lambda: market.has_request(change.market_key)):
        check_if_match(request, wire(await service.read(lambda: market.listing(name))))
    deed = {
        "withdraw": market.withdraw, "relist": market.relist, "quarantine": market.quarantine,
        "release": market.release, "revoke": market.revoke,
    }[body.deed]  # fmt: skip
    view = await change.run(lambda key: deed(listing=name, by=body.by, reason=body.reason, key=key))
    return answer(view, headers={"ETag": etag_of(wire(view))})
