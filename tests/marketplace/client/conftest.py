"""A service in this process, and the real client in front of it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from marketplace.ledger.keyring import PrivateKey
from marketplace.market import Market
from marketplace.service.serve import create_app
from marketplace.service.settings import ServiceSettings
from tests.support.client import ORIGIN, Hosted, InProcess


@pytest.fixture
def layers(tmp_path: Path) -> Path | None:
    """Where the service keeps the files of layers."""
    return tmp_path / "layers"


@pytest.fixture
def hosted(tmp_path: Path, layers: Path | None) -> Iterator[Hosted]:
    """A service over a market in a file, with an operator."""
    operator = PrivateKey.generate()
    settings = ServiceSettings(
        origins=(ORIGIN,), operators=frozenset({operator.public}), layers=layers
    )
    with (
        Market.open(f"sqlite:///{tmp_path / 'market.db'}") as market,
        InProcess(create_app(market, settings)) as wire,
    ):
        found = Hosted(market, wire, {"operator": operator})
        yield found
        for client in found.opened:
            client.close()
