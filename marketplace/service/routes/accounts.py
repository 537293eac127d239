"""Accounts, their keys and their statements; each caller sees its own and its mandates'."""

from fastapi import APIRouter, Request
from starlette.responses import Response

from marketplace.ledger.account_key import KeyView, Register
from marketplace.ledger.journal import PostingView
from marketplace.service.answers import Cursor, Limit, answer, page
from marketplace.service.caller import Signed, within_registrations
from marketplace.service.change import Changing, Joining
from marketplace.service.endpoints import Account, body_of, values_of
from marketplace.service.openapi import Body, model_of, page_of
from marketplace.service.problems import ProblemError
from marketplace.service.state import Here
from marketplace.trade.buy import PurchaseView
from marketplace.trade.debts import DebtView
from marketplace.trade.incomes import IncomeView

router = APIRouter(prefix="/v1/accounts", tags=["accounts"])


RegisterBody = body_of(Register, {"account"})


class CollectBody(Body):
    """Everybody who owes the account, and the account itself, pays what there is."""


@router.put("/{name}", operation_id="register", response_model=model_of(KeyView))
async def register(
    name: Account,
    body: RegisterBody,  # type: ignore[valid-type]
    request: Request,
    change: Joining,
    service: Here,
) -> Response:
    """Open an account with its first key, which signs this request."""
    asked = Register(account=name, key=change.market_key, **values_of(Register, body))
    if change.caller.proof.public_key != asked.public_key:
        raise ProblemError("forbidden", "the new key itself must sign its registration: use it")
    if change.caller.account is None:
        within_registrations(request)
    return answer(await change.run(lambda _key: service.market.send(asked)))


@router.get("/{name}/postings", operation_id="list_postings", response_model=page_of(PostingView))
async def list_postings(
    name: Account, caller: Signed, service: Here, limit: Limit = 50, cursor: Cursor = None
) -> Response:
    """The account's statement, newest first."""
    caller.must_be(name)
    scope = ("postings", name)
    start = None if cursor is None else str(service.cursors.open(scope, cursor))
    found = await service.read(lambda: service.market.statement(name, limit=limit, cursor=start))
    following = None if found.next is None else service.cursors.seal(scope, found.next)
    return page(found.lines, following)


@router.get(
    "/{name}/purchases", operation_id="list_purchases", response_model=page_of(PurchaseView)
)
async def list_purchases(
    name: Account, caller: Signed, service: Here, limit: Limit = 50, cursor: Cursor = None
) -> Response:
    """What the account bought, oldest first."""
    caller.must_be(name)
    scope = ("purchases", name)
    after = 0 if cursor is None else int(service.cursors.open(scope, cursor))
    found, last = await service.read(
        lambda: service.market.purchase_page(name, limit=limit, after=after)
    )
    return page(found, None if last is None else service.cursors.seal(scope, last), caller)


@router.get("/{name}/incomes", operation_id="list_incomes", response_model=page_of(IncomeView))
async def list_incomes(
    name: Account, caller: Signed, service: Here, limit: Limit = 50, cursor: Cursor = None
) -> Response:
    """What the account earned as seller and as ancestor, oldest first."""
    caller.must_be(name)
    scope = ("incomes", name)
    start = None if cursor is None else str(service.cursors.open(scope, cursor))
    found = await service.read(lambda: service.market.income_page(name, limit=limit, cursor=start))
    following = None if found.next is None else service.cursors.seal(scope, found.next)
    return page(found.items, following)


@router.post(
    "/{name}/debts/collections", operation_id="collect_debts", response_model=page_of(DebtView)
)
async def collect_debts(
    name: Account, body: CollectBody, change: Changing, service: Here
) -> Response:
    """Let debtors pay what they can by now, as happens every minute; the first that are left."""
    change.caller.must_be(name)
    market = service.market
    found = await change.run(lambda _key: market.collect_owed(name))
    return page(found[:50], None)
