"""Markets to test with: in memory or in a file, funded, with a clock that only ticks.

The two `*_loop` functions are workers for other processes; they live here because a spawned
process must import its target by name, and test files have none.
"""

import sqlite3
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from marketplace.ledger import event_log
from marketplace.listing.listing import ListingView
from marketplace.market import Market
from marketplace.money import NANOS_PER_CREDIT
from marketplace.receipt import ReceiptFacts
from marketplace.store.database import Database

if TYPE_CHECKING:
    from marketplace.listing.similarity import Pair, Weights


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


def tamper(path: Path, *statements: str) -> None:
    """Run statements as an intruder would who knows of triggers, references and constraints."""
    with closing(sqlite3.connect(path, isolation_level=None)) as raw:
        raw.execute("PRAGMA foreign_keys = OFF")
        raw.execute("PRAGMA ignore_check_constraints = ON")
        raw.execute("PRAGMA synchronous = OFF")
        raw.execute("BEGIN")
        triggers = raw.execute("SELECT name, sql FROM sqlite_schema WHERE type = 'trigger'")
        found = triggers.fetchall()
        for name, _ in found:
            raw.execute(f"DROP TRIGGER {name}")
        for statement in statements:
            raw.execute(statement)
        for _, sql in found:
            raw.execute(sql)
        raw.execute("COMMIT")


def log_anew(path: Path) -> None:
    """Make an event log, hashes and all, that fits the rows as they are now."""
    tamper(path, "DELETE FROM event")
    database = Database(f"sqlite:///{path}", create=False, at=0.0)
    with database.transaction() as connection:
        event_log.write_all(connection)
    database.close()


def example_weights(seed: int = 0, noise: float = 0.0) -> "dict[str, Pair]":
    """A layer of three modules; with noise one that nearly repeats it, another every time."""
    import numpy as np

    rng, shaking = np.random.default_rng(seed), np.random.default_rng()
    found = {}
    for module, (n_out, n_in) in {"q": (32, 48), "v": (48, 32), "up": (64, 32)}.items():
        a, b = rng.standard_normal((4, n_in)), rng.standard_normal((n_out, 4))
        shaken = a + noise * shaking.standard_normal(a.shape)
        found[module] = shaken.astype(np.float32), b.astype(np.float32)
    return found


def buried(
    weights: "Weights", *, rank: int = 4, size: float = 1.0, seed: int = 1
) -> "dict[str, Pair]":
    """A copy under random ranks, `size` times as large an update as the copy itself."""
    import numpy as np

    rng = np.random.default_rng(seed)
    found = {}
    for module, (a, b) in weights.items():
        more_a = rng.standard_normal((rank, a.shape[1]))
        more_b = rng.standard_normal((b.shape[0], rank))
        more_b *= size * np.linalg.norm(b @ a) / np.linalg.norm(more_b @ more_a)
        found[module] = (
            np.vstack([a, more_a]).astype(np.float32),
            np.hstack([b, more_b]).astype(np.float32),
        )
    return found


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


Publish = Callable[..., ListingView]


@contextmanager
def fair(url: str) -> Iterator[Market]:
    """A market where Ada, Bob, Carol and Eve have ten credits each."""
    with Market.open(url, clock=TickingClock()) as market:
        for name in ("ada", "bob", "carol", "eve"):
            market.open_account(name)
            market.fund(name, 10 * NANOS_PER_CREDIT, key=f"fund-{name}")
        yield market


def publisher(market: Market) -> Publish:
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
