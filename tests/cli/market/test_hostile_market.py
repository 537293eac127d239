"""A market that lies in every text it sends cannot steer the terminal of who asks it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import fields, is_dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from marketplace.errors import MarketError
from marketplace.market import Market
from tests.support.cli import continuum
from tests.support.market import publish_example

POISON = (
    "\x1b[2J\x1b]52;c;cm0K\x07\x1b]8;;http://evil.test\x1b\\\x9b31m\u202e\u2066\x00\r\n"
    "continuum: fine\x85[red][link=x]"
)


def poisoned(value: Any) -> Any:
    """The same view with the poison in each of its texts."""
    if isinstance(value, str):
        return value + POISON
    if isinstance(value, list | tuple):
        return type(value)(poisoned(one) for one in value)
    if is_dataclass(value) and not isinstance(value, type):
        parts = {one.name: poisoned(getattr(value, one.name)) for one in fields(value)}
        return replace(value, **parts)
    return value


class Hostile:
    """A market whose every answer, and every refusal, is poisoned."""

    def __init__(self, market: Market) -> None:
        self._market = market

    def __enter__(self) -> Hostile:
        return self

    def __exit__(self, *_: object) -> None:
        self._market.close()

    def __getattr__(self, name: str) -> Callable[..., Any]:
        method = getattr(self._market, name)

        def asked(*given: Any, **options: Any) -> Any:
            try:
                return poisoned(method(*given, **options))
            except MarketError as error:
                raise type(error)(str(error) + POISON) from None

        return asked


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A market with one of everything, which commands reach through the stub."""
    with Market.open(f"sqlite:///{tmp_path / 'market.db'}") as market:
        for name in ("ada", "bob"):
            market.open_account(name)
            market.fund(name, 50 * 10**9, key=f"start-{name}")
        for name in ("sorter", "adder"):
            publish_example(market, "ada", name)
        market.buy(buyer="bob", listing="sorter", key="buy")
        market.review(reviewer="bob", listing="sorter", n_good=1, n_bad=0, text="good", key="r")
        market.bundle_create(owner="ada", name="both", listings=["sorter", "adder"], key="b")
        market.offer_compute(
            owner="ada", name="box", resource="training", ask_nanos=9, capacity_units=9, key="o"
        )
    opened = Market.open

    def stub(url: str, **options: Any) -> Any:
        return Hostile(opened(url, **options))

    monkeypatch.setattr(Market, "open", stub)
    return tmp_path


@pytest.mark.parametrize(
    "words",
    [
        "list",
        "search sorter",
        "show sorter",
        "quote sorter",
        "quote sorter --explain",
        "wallet bob",
        "royalties -a ada",
        "bundle list",
        "compute list",
        "demand",
        "buy nothing -a bob",
        "buy adder -a nobody",
        "recheck nothing",
    ],
)
def test_nothing_that_a_market_says_is_obeyed(home: Path, words: str) -> None:
    """Whatever the command makes of it, only printable lines come out, and none that it forged."""
    done = continuum("market", *words.split(), "--home", home)
    assert done.code in (0, 1) and "[red]" in done.out + done.err, done
    for line in (done.out + done.err).split("\n"):
        assert line.isprintable(), ascii(line)
        assert not line.startswith("continuum: fine")
