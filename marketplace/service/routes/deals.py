"""Bounties, page by page."""

from typing import Literal

from fastapi import APIRouter
from starlette.responses import Response

from marketplace.service.answers import Cursor, Limit, page
from marketplace.service.caller import Anyone
from marketplace.service.openapi import page_of
from marketplace.service.state import Here
from marketplace.trade.bounty import BountyView

router = APIRouter(prefix="/v1", tags=["deals"])


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
