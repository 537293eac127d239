"""The routes, one file per concept of the market; each handler is a translation, never a rule."""

from marketplace.service.routes import (
    accounts,
    deals,
    evidence,
    house,
    layers,
    listings,
    mandates,
    trades,
    usage,
)

# the busiest first: routes are tried in this order
ROUTERS = tuple(
    part.router
    for part in (usage, trades, listings, accounts, mandates, evidence, deals, layers, house)
)
