"""Markets for the publishing tests, on each database."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from marketplace.listing.listing import ListingView
from marketplace.market import Market
from marketplace.money import NANOS_PER_CREDIT
from marketplace.receipt.receipt import ReceiptFacts
from tests.support.market import TickingClock

Publish = Callable[..., ListingView]


@pytest.fixture
def market(market_url: str) -> Iterator[Market]:
    """Ada, Bob, Carol and Eve have ten credits each."""
    with Market.open(market_url, clock=TickingClock()) as market:
        for name in ("ada", "bob", "carol", "eve"):
            market.open_account(name)
            market.fund(name, 10 * NANOS_PER_CREDIT, key=f"fund-{name}")
        yield market


@pytest.fixture
def publish(market: Market) -> Publish:
    """Publishes a layer with usual values for whatever is not given."""

    def call(owner: str, name: str, **changes: Any) -> ListingView:
        digest = changes.pop("digest", f"digest-of-{name}")
        facts: dict[str, Any] = {
            "base_model": "tiny",
            "niche": "sorting",
            "ask_nanos": NANOS_PER_CREDIT,
            "licence": "Apache-2.0",
            "receipt": ReceiptFacts(
                skill="sorting", n_questions=400, n_correct=320, n_base_correct=100
            ),
            "key": f"publish-{digest}",
        }
        return market.publish(owner=owner, name=name, digest=digest, **(facts | changes))

    return call
