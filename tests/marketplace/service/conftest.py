"""A service in this process over a market in memory, and callers that sign."""

import io
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient

from marketplace.market import Market
from marketplace.service.serve import create_app
from marketplace.service.settings import ServiceSettings
from marketplace.service.state import Service, make_logger
from tests.support.market import make_market
from tests.support.service import ORIGIN, SigningClient, key_of, public_of


@dataclass
class Hosted:
    """A running service with everything a test wants to look at."""

    market: Market
    service: Service
    client: TestClient
    lines: io.StringIO

    def caller(self, name: str) -> SigningClient:
        """Who signs with the key that belongs to this word, registered or not."""
        return SigningClient(self.client, key_of(name))

    def member(self, name: str, credits: str | None = None) -> SigningClient:
        """The owner of a new account, with credits if told so."""
        caller = self.caller(name)
        body = {"public_key": public_of(key_of(name))}
        assert caller.change("PUT", f"/v1/accounts/{name}", body).status_code == 200
        if credits is not None:
            given = self.caller("operator").change(
                "POST", f"/v1/accounts/{name}/grants", {"amount": credits}
            )
            assert given.status_code == 200, given.text
        return caller

    def nobody(self) -> SigningClient:
        """Who does not sign."""
        return SigningClient(self.client, None)

    def logged(self) -> list[dict[str, Any]]:
        """The log's lines so far."""
        return [json.loads(line) for line in self.lines.getvalue().splitlines()]


Host = Callable[..., Hosted]


@pytest.fixture
def host() -> Iterator[Host]:
    """Makes services; each is closed with its market at the end."""
    opened: list[Hosted] = []

    def make(*, layers: Path | None = None, clock: Any = None, **settings: Any) -> Hosted:
        market = make_market()
        lines = io.StringIO()
        told = ServiceSettings(
            origins=(ORIGIN,),
            operators=frozenset({public_of(key_of("operator"))}),
            layers=layers,
            change_threads=4,
            read_threads=2,
            **settings,
        )
        parts = {"log": make_logger(lines)} | ({} if clock is None else {"clock": clock})
        app = create_app(market, told, **parts)
        client = TestClient(app, base_url=ORIGIN)
        client.__enter__()
        opened.append(Hosted(market, app.state.service, client, lines))
        return opened[-1]

    yield make
    for hosted in opened:
        hosted.client.__exit__(None, None, None)
        hosted.market.close()


@pytest.fixture
def hosted(host: Host) -> Hosted:
    """A service with ordinary settings that keeps no files."""
    return host()
