"""Markets to test with: in memory or in a file, funded, with a clock that only ticks.

The two `*_loop` functions are workers for other processes; they live here because a spawned
process must import its target by name, and test files have none.
"""

from collections.abc import Iterator, Mapping
from pathlib import Path

from marketplace.listing import ListingView, ReceiptFacts
from marketplace.market import Market
from marketplace.money import NANOS_PER_CREDIT


class TickingClock:
    """A clock that advances by one second whenever someone looks."""

    def __init__(self, start: float = 1_000_000.0) -> None:
        self._now = start

    def __call__(self) -> float:
        """The next second."""
        self._now += 1.0
        return self._now


def make_market(
    path: Path | None = None, *, credits: Mapping[str, int] | None = None, clock_start: float = 1e6
) -> Market:
    """A market with these accounts, holding this many whole credits; in memory without a path."""
    url = "sqlite://" if path is None else f"sqlite:///{path}"
    market = Market.open(url, clock=TickingClock(clock_start))
    for name, amount in (credits or {}).items():
        market.open_account(name)
        if amount:
            market.fund(name, amount * NANOS_PER_CREDIT, key=f"fund-{name}")
    return market


def publish_example(
    market: Market, owner: str, name: str, *, ask_nanos: int = NANOS_PER_CREDIT, digest: str = ""
) -> ListingView:
    """A listing with an unremarkable exam result; by default the digest follows from the name."""
    return market.publish(
        owner=owner,
        name=name,
        digest=digest or f"digest-of-{name}",
        base_model="tiny-llama",
        niche="sorting",
        ask_nanos=ask_nanos,
        receipt=ReceiptFacts(skill="sorting", n_questions=100, n_correct=80, n_base_correct=30),
        key=f"publish-{name}",
    )


def buy_loop(url: str, buyer: str, listings: list[str], acknowledged: Path) -> None:
    """Buy each listing in turn; note each key in a file once the purchase is confirmed."""
    with Market.open(url, create=False) as market, acknowledged.open("a", buffering=1) as notes:
        for listing in listings:
            purchase = market.buy(buyer=buyer, listing=listing, key=f"{buyer}:{listing}")
            notes.write(f"{purchase.key}\n")


def fund_loop(url: str, account: str, amount_nanos: int, acknowledged: Path) -> None:
    """Fund an account again and again until killed; note each confirmed key in a file."""
    with Market.open(url, create=False) as market, acknowledged.open("a", buffering=1) as notes:
        for key in _numbered(account):
            market.fund(account, amount_nanos, key=key)
            notes.write(f"{key}\n")


def _numbered(prefix: str) -> Iterator[str]:
    number = 0
    while True:
        number += 1
        yield f"{prefix}:{number}"
