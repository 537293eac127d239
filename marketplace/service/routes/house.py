"""The service about itself: whether it lives, whether it can work, what it counts."""

from fastapi import APIRouter
from pydantic import BaseModel
from starlette.responses import JSONResponse, Response

from marketplace.errors import MarketError
from marketplace.service.answers import answer
from marketplace.service.caller import Anyone
from marketplace.service.change import Changing
from marketplace.service.openapi import Body
from marketplace.service.problems import ProblemError
from marketplace.service.state import Here

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
