"""The service about itself: whether it lives, whether it can work, what it counts."""

from fastapi import APIRouter
from pydantic import BaseModel
from starlette.responses import JSONResponse, Response

from marketplace.errors import MarketError
from marketplace.ledger.chain import Head
from marketplace.service.answers import answer
from marketplace.service.caller import Anyone
from marketplace.service.change import Changing
from marketplace.service.problems import ProblemError
from marketplace.service.state import Here
from marketplace.service.wire_models import Body, Credits, Number, model_of

router = APIRouter(tags=["service"])


class Health(BaseModel):
    """That the process answers."""

    status: str


class EpochBody(Body):
    """Which epoch to close."""

    number: int | None = None


class RunningEpoch(BaseModel):
    """Between two of these, prices stand still."""

    number: int


class RefundBody(Body):
    """How much of a payment goes back; all that is left unless told."""

    amount: Credits | None = None


class Refunded(BaseModel):
    """The transfer that gave it back."""

    transfer_id: int


@router.get("/health", operation_id="health", response_model=Health)
async def health() -> Response:
    """The process lives; says nothing about the database."""
    return JSONResponse({"status": "alive"})


@router.get("/ready", operation_id="ready", response_model=Health)
async def ready(service: Here) -> Response:
    """The market can be read and the service is not stopping."""
    if service.stopping:
        raise ProblemError("stopping", "the service is stopping: use another one")
    try:
        await service.read(service.market.epoch)
    except MarketError:
        raise ProblemError("stopping", "the market cannot be read: try again later") from None
    return JSONResponse({"status": "ready"})


@router.get("/metrics", operation_id="metrics", response_class=Response)
async def metrics(service: Here) -> Response:
    """Counters in Prometheus' text format; no account and no listing appears in them."""
    return Response(service.metrics.text(), media_type="text/plain; version=0.0.4")


@router.get("/v1/head", operation_id="read_head", response_model=model_of(Head))
async def read_head(caller: Anyone, service: Here) -> Response:
    """The end of the ledger's hash chain, for anybody to keep: history before it cannot change."""
    return answer(await service.read(service.market.head))


@router.get("/v1/epoch", operation_id="read_epoch", response_model=RunningEpoch)
async def read_epoch(caller: Anyone, service: Here) -> Response:
    """Number of the running epoch: name it when closing, and a repeat closes no second one."""
    return answer({"number": await service.read(service.market.epoch)})


@router.post("/v1/epochs", operation_id="close_epoch", response_model=Health)
async def close_epoch(body: EpochBody, change: Changing, service: Here) -> Response:
    """Close the running epoch, for operators: demand moves every price."""
    change.caller.must_operate()
    await change.run(lambda key: service.market.close_epoch(body.number, key=key))
    return JSONResponse({"status": "closed"})


@router.post("/v1/transfers/{number}/refunds", operation_id="refund", response_model=Refunded)
async def refund(number: Number, body: RefundBody, change: Changing, service: Here) -> Response:
    """Give a settled payment back, for operators: it takes the royalties and the fee back too."""
    change.caller.must_operate()
    market = service.market
    made = await change.run(lambda key: market.refund(number, amount_nanos=body.amount, key=key))
    return answer({"transfer_id": made})
