"""Claiming a bounty: who may judge sits the exam first, the maker shows what judges found.

continuum market bounty claim 7 sorter
"""

from __future__ import annotations

import secrets
from pathlib import Path

from marketplace.account import principal_of
from marketplace.errors import TradeNotFoundError
from marketplace.protocol import MarketLike
from marketplace.trading.bounty import BountyView
from tui.jobs.recheck import recheck_listing


def claim_bounty(
    market: MarketLike,
    home: Path,
    *,
    bounty: int,
    listing: str,
    by: str,
    key: str,
    base: str | Path | None = None,
    layers: Path | None = None,
) -> BountyView:
    """Sit the exam that the bounty names, unless `by` sells the layer, and ask for the reward.

    The questions are fresh; where `by` has sat such an exam before, that one counts.

    Args:
        base: Name, fingerprint or folder of the base model; None = the listing's.
        layers: Where a service keeps its layers; None = the home's own service.

    Raises:
        MarketError: The market refuses the re-run or the claim.
    """
    wanted = next((x for x in market.bounties(open_only=False) if x.bounty == bounty), None)
    if wanted is None:
        raise TradeNotFoundError(f"bounty {bounty} does not exist: see the list of bounties")
    view = market.listing(listing)
    stated = [
        receipt.id
        for receipt in market.receipts(listing)
        if (receipt.version, receipt.skill, receipt.exam)
        == (view.version, wanted.skill, wanted.exam)
    ]
    if stated and wanted.state == "open" and principal_of(view.owner) != principal_of(by):
        sat = market.rechecks(stated[0])
        if not any(again.by == by and again.seed is not None for again in sat):
            recheck_listing(
                market, home, listing, by=by, receipt=stated[0], fresh=True, base=base,
                layers=layers, key=f"bounty-exam-{secrets.token_hex(16)}",
            )  # fmt: skip
    return market.bounty_claim(bounty=bounty, listing=listing, by=by, key=key)
