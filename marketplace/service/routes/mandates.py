"""Spending mandates: sub-accounts with a cap, for programs that buy on somebody's behalf."""

from fastapi import APIRouter
from starlette.responses import Response

from marketplace.ledger.account import AccountView
from marketplace.ledger.hold import HoldView
from marketplace.service.answers import Cursor, Limit, answer, page
from marketplace.service.caller import Signed
from marketplace.service.change import Changing
from marketplace.service.routes.accounts import Account
from marketplace.service.state import Here
from marketplace.service.wire_models import Body, Credits, Name, model_of, page_of

router = APIRouter(prefix="/v1/accounts", tags=["mandates"])


class MandateBody(Body):
    """A mandate to open: `ada` opens `shopper`, which is `ada/shopper`."""

    AMOUNTS = ("cap",)

    name: Name
    cap: Credits


class FundBody(Body):
    """Credits for a mandate, from its owner."""

    amount: Credits


class ReclaimBody(Body):
    """Everything that is left goes back."""


@router.post("/{name}/mandates", operation_id="open_mandate", response_model=model_of(AccountView))
async def open_mandate(
    name: Account, body: MandateBody, change: Changing, service: Here
) -> Response:
    """A sub-account that may spend up to its cap in all."""
    change.caller.must_be(name)
    market = service.market
    return answer(
        await change.run(lambda key: market.open_mandate(owner=name, **body.arguments(), key=key))
    )


@router.get("/{name}/mandates", operation_id="list_mandates", response_model=page_of(AccountView))
async def list_mandates(
    name: Account, caller: Signed, service: Here, limit: Limit = 50, cursor: Cursor = None
) -> Response:
    """The account's mandates by name."""
    caller.must_be(name)
    found = await service.read(lambda: service.market.mandates(name))
    scope = ("mandates", name)
    return page(
        *service.cursors.page_by_name(scope, found, lambda x: x.name, cursor=cursor, limit=limit)
    )


@router.post("/{name}/funds", operation_id="fund_mandate", response_model=model_of(AccountView))
async def fund_mandate(name: Account, body: FundBody, change: Changing, service: Here) -> Response:
    """Move credits from the owner to the mandate; only the owner's key may."""
    change.caller.must_be(name.partition("/")[0])
    market = service.market
    await change.run(lambda key: market.fund_mandate(name, body.amount, key=key))
    return answer(await service.read(lambda: market.account(name)))


@router.post(
    "/{name}/reclaims", operation_id="reclaim_mandate", response_model=model_of(AccountView)
)
async def reclaim_mandate(
    name: Account, body: ReclaimBody, change: Changing, service: Here
) -> Response:
    """Move what a mandate has left back to its owner."""
    change.caller.must_be(name.partition("/")[0])
    market = service.market
    await change.run(lambda key: market.reclaim_mandate(name, key=key))
    return answer(await service.read(lambda: market.account(name)))


@router.get("/{name}/holds", operation_id="list_holds", response_model=page_of(HoldView))
async def list_holds(
    name: Account, caller: Signed, service: Here, limit: Limit = 50, cursor: Cursor = None
) -> Response:
    """What the account has promised and not yet paid, oldest first."""
    caller.must_be(name)
    found = await service.read(lambda: service.market.open_holds(name))
    scope = ("holds", name)
    return page(
        *service.cursors.page_by_number(
            scope, found, lambda x: x.hold_id, cursor=cursor, limit=limit
        )
    )
