"""Metered use: charges of fractions of a cent, many in one request, and meters on a hold."""

from typing import Annotated, Any

from fastapi import APIRouter, Request
from pydantic import BaseModel, Field
from starlette.responses import Response

from marketplace.errors import IdempotencyKeyReusedError, MarketError
from marketplace.service.answers import JSONAnswer, answer, wire
from marketplace.service.caller import Caller, Signed
from marketplace.service.change import Change, Changing
from marketplace.service.problems import Due, ProblemError, costs, market_document, status_of
from marketplace.service.state import Here
from marketplace.service.upkeep import must_be_deliverable
from marketplace.service.wire_models import (
    NAME_PATTERN,
    AccountName,
    Body,
    Credits,
    Days,
    ListingName,
    Number,
    Problem,
    Several,
    model_of,
)
from marketplace.trade.meter import MeterView
from marketplace.trade.usage import Charge, UsageView

router = APIRouter(prefix="/v1", tags=["usage"])
MAX_CHARGES = 1000


class ChargeBody(Body):
    """One use: which listing, how many units, under which key."""

    account: AccountName
    listing: Annotated[str, Field(pattern=NAME_PATTERN)]
    units: Several
    key: Annotated[str, Field(pattern=r"^[!-~]{1,128}$", examples=["call-17"])]


class ChargesBody(Body):
    """Uses to be paid for together; each has its own key and its own answer."""

    charges: Annotated[list[ChargeBody], Field(min_length=1, max_length=MAX_CHARGES)]


class ChargeAnswer(BaseModel):
    """What became of one use: a result or a problem."""

    status: int
    result: model_of(UsageView) | None = None  # type: ignore[valid-type]
    problem: Problem | None = None


class ChargeAnswers(BaseModel):
    """One answer for each use, in order."""

    items: list[ChargeAnswer]
    next: str | None


class MeterBody(Body):
    """How much is held for metered use, and for how long."""

    AMOUNTS = ("limit",)

    account: AccountName
    limit: Credits
    days: Days


class ReadingBody(Body):
    """Units used."""

    units: Several


class ClosingBody(Body):
    """Nothing more to say."""


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


@router.post(
    "/listings/{name}/meters", operation_id="open_meter", response_model=model_of(MeterView)
)
async def open_meter(
    name: ListingName, body: MeterBody, request: Request, change: Changing, service: Here
) -> Response:
    """Hold up to so many credits and rent by use."""
    change.caller.must_be(body.account)
    costs(request, lambda: Due(body.limit, service.market.listing(name).owner))
    await must_be_deliverable(change, lambda: [name])
    return answer(
        await change.run(
            lambda key: service.market.meter_open(listing=name, **body.arguments(), key=key)
        )
    )


@router.get("/meters/{number}", operation_id="read_meter", response_model=model_of(MeterView))
async def read_meter(number: Number, caller: Signed, service: Here) -> Response:
    """What a meter of the caller's shows."""
    view = await service.read(lambda: service.market.meter(number))
    caller.must_see(view.account, f"meter {number}")
    return answer(view)


@router.post(
    "/meters/{number}/readings", operation_id="read_off_meter", response_model=model_of(MeterView)
)
async def read_off_meter(
    number: Number, body: ReadingBody, change: Changing, service: Here
) -> Response:
    """Count units on a meter of the caller's."""
    await _own_meter(change, number)
    return answer(
        await change.run(
            lambda key: service.market.meter_use(meter=number, units=body.units, key=key)
        )
    )


@router.post(
    "/meters/{number}/closing", operation_id="close_meter", response_model=model_of(MeterView)
)
async def close_meter(
    number: Number, body: ClosingBody, change: Changing, service: Here
) -> Response:
    """Pay what the meter shows and release the rest."""
    await _own_meter(change, number)
    return answer(await change.run(lambda key: service.market.meter_close(meter=number, key=key)))


async def _own_meter(change: Change, number: int) -> None:
    market = change.service.market
    view = await change.service.read(lambda: market.meter(number))
    change.caller.must_see(view.account, f"meter {number}")


def _charged(found: UsageView | MarketError, caller: Caller) -> dict[str, Any]:
    if isinstance(found, MarketError):
        problem = market_document(found)
        return {"status": status_of(type(found)), "result": None, "problem": problem}
    return {"status": 200, "result": wire(found, caller), "problem": None}
