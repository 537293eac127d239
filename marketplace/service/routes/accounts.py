"""Accounts, their keys and their statements; each caller sees its own and its mandates'."""

from typing import Annotated

from fastapi import APIRouter, Depends, Path, Request
from starlette.responses import Response

from marketplace.ledger.account import AccountView
from marketplace.ledger.account_key import KeyView
from marketplace.ledger.journal import PostingView
from marketplace.listing.listing import PurchaseView
from marketplace.names import NAME
from marketplace.service.answers import Cursor, Limit, answer, page
from marketplace.service.caller import Signed, within_registrations
from marketplace.service.change import Changing, Joining
from marketplace.service.problems import ProblemError
from marketplace.service.state import Here
from marketplace.service.wire_models import Body, Credits, PublicKey, model_of, page_of
from marketplace.trade.debts import DebtView
from marketplace.trade.incomes import EarningView
from marketplace.trade.records import IncomeView

router = APIRouter(prefix="/v1/accounts", tags=["accounts"])
_PATH_PATTERN = rf"^{NAME}(~{NAME})?$"


async def account_in_path(
    name: Annotated[
        str,
        Path(
            pattern=_PATH_PATTERN,
            description="An account, or a mandate as `owner~mandate`.",
            examples=["ada"],
        ),
    ],
) -> str:
    """The account's name: a mandate's slash is a tilde in paths, which proxies leave alone."""
    return name.replace("~", "/")


Account = Annotated[str, Depends(account_in_path)]


class RegisterBody(Body):
    """The first key of a new account; the request is signed with it."""

    public_key: PublicKey


class KeyBody(Body):
    """One more key, with its agreement."""

    public_key: PublicKey
    proof: str
    """Its signature over the key statement, 128 hex digits."""


class GrantBody(Body):
    """New credits."""

    AMOUNTS = ("amount",)

    amount: Credits


class CollectBody(Body):
    """Everybody who owes the account, and the account itself, pays what there is."""


@router.put("/{name}", operation_id="register", response_model=model_of(KeyView))
async def register(
    name: Account, body: RegisterBody, request: Request, change: Joining, service: Here
) -> Response:
    """Open an account with its first key, which signs this request."""
    if change.caller.proof.public_key != body.public_key:
        raise ProblemError("forbidden", "the new key itself must sign its registration: use it")
    if change.caller.account is None:
        within_registrations(request)
    return answer(
        await change.run(lambda key: service.market.register(name, body.public_key, key=key))
    )


@router.get("/{name}", operation_id="read_account", response_model=model_of(AccountView))
async def read_account(name: Account, caller: Signed, service: Here) -> Response:
    """What the account has, holds and may spend."""
    caller.must_be(name)
    return answer(await service.read(lambda: service.market.account(name)))


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


@router.get("/{name}/earnings", operation_id="list_earnings", response_model=page_of(EarningView))
async def list_earnings(
    name: Account, caller: Signed, service: Here, limit: Limit = 50, cursor: Cursor = None
) -> Response:
    """What each layer brought the account in each way, summed up."""
    caller.must_be(name)
    found = await service.read(lambda: service.market.earnings(name))
    scope = ("earnings", name)
    return page(*service.cursors.page_by_count(scope, found, cursor=cursor, limit=limit))


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


@router.get("/{name}/debts", operation_id="list_debts", response_model=page_of(DebtView))
async def list_debts(
    name: Account, caller: Signed, service: Here, limit: Limit = 50, cursor: Cursor = None
) -> Response:
    """What the account must pay back, or is to be paid back, and is not yet; oldest first."""
    caller.must_be(name)
    found = await service.read(lambda: service.market.owed(name))
    scope = ("debts", name)
    return page(*service.cursors.page_by_count(scope, found, cursor=cursor, limit=limit))


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


@router.post("/{name}/grants", operation_id="grant", response_model=model_of(AccountView))
async def grant(name: Account, body: GrantBody, change: Changing, service: Here) -> Response:
    """Move new credits to an account, for operators."""
    change.caller.must_operate()
    market = service.market
    await change.run(lambda key: market.fund(name, body.amount, key=key))
    return answer(await service.read(lambda: market.account(name)))


@router.get("/{name}/keys", operation_id="list_keys", response_model=page_of(KeyView))
async def list_keys(
    name: Account, caller: Signed, service: Here, limit: Limit = 50, cursor: Cursor = None
) -> Response:
    """The keys that speak or spoke for the account."""
    caller.must_be(name)
    keys = await service.read(lambda: service.market.keys(name))
    return page(*service.cursors.page_by_count(("keys", name), keys, cursor=cursor, limit=limit))


@router.post(
    "/{name}/keys", operation_id="add_key", response_model=model_of(KeyView), status_code=201
)
async def add_key(name: Account, body: KeyBody, change: Changing, service: Here) -> Response:
    """Let one more key speak for the account, or for a mandate of it."""
    change.caller.must_be(name)
    market = service.market
    view = await change.run(
        lambda key: market.add_key(name, body.public_key, proof=body.proof, key=key)
    )
    return answer(view, status=201)


@router.delete(
    "/{name}/keys/{public_key}", operation_id="revoke_key", response_model=model_of(KeyView)
)
async def revoke_key(
    name: Account,
    public_key: Annotated[str, Path(pattern=r"^[0-9a-f]{64}$")],
    change: Changing,
    service: Here,
) -> Response:
    """Take a key's voice for good; the last one stays."""
    change.caller.must_be(name)
    market = service.market
    view = await change.run(lambda key: market.revoke_key(name, public_key, key=key))
    service.speakers.forget()
    return answer(view)
