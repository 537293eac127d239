"""Metered use: charges of fractions of a cent, many in one request."""

from typing import Annotated, Any

from fastapi import APIRouter
from pydantic import BaseModel, Field
from starlette.responses import Response

from marketplace.errors import IdempotencyKeyReusedError, MarketError
from marketplace.service.answers import JSONAnswer, wire
from marketplace.service.caller import Caller
from marketplace.service.change import Changing
from marketplace.service.openapi import Body, Problem, model_of
from marketplace.service.problems import ProblemError, market_document, status_of
from marketplace.service.state import Here
from marketplace.trade.charge import Charge, UsageView

router = APIRouter(prefix="/v1", tags=["usage"])
MAX_CHARGES = 1000


class ChargesBody(Body):
    """Uses to be paid for together; each has its own key and its own answer."""

    charges: Annotated[list[Charge], Field(min_length=1, max_length=MAX_CHARGES)]


class ChargeAnswer(BaseModel):
    """What became of one use: a result or a problem."""

    status: int
    result: model_of(UsageView) | None = None  # type: ignore[valid-type]
    problem: Problem | None = None


class ChargeAnswers(BaseModel):
    """One answer for each use, in order."""

    items: list[ChargeAnswer]
    next: str | None


@router.post("/usage", operation_id="charge", response_model=ChargeAnswers)
async def charge(body: ChargesBody, change: Changing, service: Here) -> Response:
    """Pay for uses; a refused one does not stop the others, and a repeated one costs nothing.

    Each use has its key. The request's own belongs to the whole list: give a single use's key, and
    it is taken by the payment itself; else it is claimed first, and must be no use's key.
    """
    for one in body.charges:
        change.caller.must_be(one.account)
    prefix, keys = change.caller.namespace, [one.key for one in body.charges]
    is_its_own = keys == [change.key]
    if change.key in keys and not is_its_own:
        raise ProblemError(
            "request-invalid",
            "the Idempotency-Key of several uses must not be the key of one: choose another",
        )
    wanted = [
        Charge(one.account, one.listing, one.units, f"{prefix}{one.key}") for one in body.charges
    ]
    with change.only_one():
        if not is_its_own:
            claimed = change.market_key
            await service.change(lambda: service.market.claim_batch(wanted, key=claimed))
        answers = await service.market.charge_each(wanted)
    if is_its_own and isinstance(answers[0], IdempotencyKeyReusedError):
        raise answers[0]
    items = [_charged(found, change.caller) for found in answers]
    return JSONAnswer({"items": items, "next": None})


def _charged(found: UsageView | MarketError, caller: Caller) -> dict[str, Any]:
    if isinstance(found, MarketError):
        problem = market_document(found)
        return {"status": status_of(type(found)), "result": None, "problem": problem}
    return {"status": 200, "result": wire(found, caller), "problem": None}
