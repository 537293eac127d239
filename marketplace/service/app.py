"""The service as one ASGI application over an open market.

    app = create_app(market, ServiceSettings(origins=("https://market.example",)))

The market stays open when the application ends: whoever opened it closes it.
"""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi

from marketplace.market import Market
from marketplace.service.direct import Direct
from marketplace.service.frontdoor import FrontDoor
from marketplace.service.handlers import add_handlers
from marketplace.service.openapi import complete
from marketplace.service.routes import ROUTERS, busiest
from marketplace.service.settings import ServiceSettings
from marketplace.service.state import Service
from marketplace.service.upkeep import keep_up
from marketplace.service.wire_models import PROBLEMS

VERSION = "1"
DESCRIPTION = """Layers published, tried, bought, rented, forked and metered.

Requests that act for an account are signed (RFC 9421, Ed25519, tag `continuum-market`) over
`@method`, `@target-uri`, `content-digest` when there is a body and `idempotency-key` when there is
one, with `created`, `expires` at most 60 s later, a fresh `nonce`, and the public key as `keyid`.
Amounts are exact decimal credits in strings. Refusals are problem documents (RFC 9457)."""


def create_app(market: Market, settings: ServiceSettings | None = None, **parts: Any) -> FastAPI:
    """The application that serves a market.

    Args:
        parts: Other fields of `Service`: clock, log.
    """
    service = Service(market, settings or ServiceSettings(), **parts)
    app = FastAPI(
        title="Continuum market",
        version=VERSION,
        description=DESCRIPTION,
        docs_url=None,
        redoc_url=None,
        lifespan=_lifespan(service),
        responses=PROBLEMS,
    )
    app.state.service = service
    for router in ROUTERS:
        app.include_router(router)
    add_handlers(app)
    app.add_middleware(Direct, routes=busiest(), handlers=app.exception_handlers)
    app.add_middleware(FrontDoor, service=service)
    app.openapi = _document(app)  # type: ignore[method-assign]
    return app


def _lifespan(service: Service) -> Callable[[FastAPI], Any]:
    @asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
        chores = asyncio.create_task(keep_up(service))
        try:
            yield
        finally:
            chores.cancel()
            service.close()

    return lifespan


def _document(app: FastAPI) -> Callable[[], dict[str, Any]]:
    def document() -> dict[str, Any]:
        if not app.openapi_schema:
            app.openapi_schema = complete(
                get_openapi(
                    title=app.title,
                    version=app.version,
                    description=app.description,
                    routes=app.routes,
                )
            )
        return app.openapi_schema

    return document
