"""Every route; those with a file here are more than a translation of one operation or question."""

from fastapi.routing import APIRoute

from marketplace.service.endpoints import routers
from marketplace.service.routes import (
    accounts,
    deals,
    house,
    layers,
    listings,
    revocations,
    usage,
)

_BY_HAND = (listings, accounts, deals, layers, revocations, house)
ROUTERS = (usage.router, *routers(), *(part.router for part in _BY_HAND))
"""The busiest first: routes are tried in this order."""
DIRECT = frozenset({"charge"})
"""Operations that are called past FastAPI (`marketplace.service.direct`)."""


def busiest() -> list[APIRoute]:
    """The routes of these operations."""
    routes = (route for router in ROUTERS for route in router.routes)
    return [r for r in routes if isinstance(r, APIRoute) and r.operation_id in DIRECT]
