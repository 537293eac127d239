"""Markets for the tests of listings, on each database."""

from collections.abc import Iterator

import pytest

from marketplace.market import Market
from tests.support.market import Publish, fair, publisher


@pytest.fixture
def market(market_url: str) -> Iterator[Market]:
    """Ada, Bob, Carol and Eve have ten credits each."""
    with fair(market_url) as market:
        yield market


@pytest.fixture
def publish(market: Market) -> Publish:
    """Publishes a layer with usual values for whatever is not given."""
    return publisher(market)
