"""The routes, one file per concept of the market; each handler is a translation, never a rule."""

from fastapi.routing import APIRoute

from marketplace.service.routes import (
    accounts,
    deals,
    evidence,
    house,
    layers,
    listings,
    mandates,
    revocations,
    trades,
    usage,
)

# the busiest first: routes are tried in this order
ROUTERS = tuple(
    part.router
    for part in (
        usage, trades, listings, accounts, mandates, evidence, deals, layers, revocations, house,
    )
)  # fmt: skip
DIRECT = frozenset({"charge"})
"""Operations that are called past FastAPI (`marketplace.service.direct`)."""


def busiest() -> list[APIRoute]:
    """The routes of these operations."""
    routes = (route for router in ROUTERS for route in router.routes)
    return [r for r in routes if isinstance(r, APIRoute) and r.operation_id in DIRECT]
