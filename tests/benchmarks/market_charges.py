"""Markets full of funded accounts, and charges between them without end."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Sequence

from sqlmodel import Session

from marketplace.errors import MarketError
from marketplace.ledger.account import Account
from marketplace.ledger.book import Leg
from marketplace.ledger.ledger import Entry, Posted, post_many
from marketplace.market import Market

N_ACCOUNTS = 1000
GRANT_NANOS = 10**12
"""A thousand credits each: nobody runs out."""


class Charges:
    """A market of many funded accounts, and an endless supply of charges between them."""

    def __init__(self, url: str, *, hot: bool = True) -> None:
        self.market = Market.open(url)
        self._made = 0
        names = [f"member-{number:04d}" for number in range(N_ACCOUNTS)]
        accounts = [Account(name=name, opened_at=0.0) for name in names]
        self.market._change(lambda session: session.add_all(accounts))
        grants = [
            Entry(f"grant:{name}", "fund", "", (Leg("world", -GRANT_NANOS), Leg(name, GRANT_NANOS)))
            for name in names
        ]
        self.market._change(lambda session: post_many(session, grants, at=0.0))
        rng = random.Random(0)
        four = [rng.sample(names, 4) for _ in range(5003)]  # drawn once: not what is measured
        self._full = [_split(a, b, c, "platform" if hot else d) for a, b, c, d in four]
        self._plain = [(Leg(a, -1000), Leg(b, 1000)) for a, b, _, _ in four]

    def full(self, n: int) -> list[Entry]:
        """Charges of four legs; unless `hot`, no account is in all of them."""
        return self._entries(self._full, n)

    def plain(self, n: int) -> list[Entry]:
        """Transfers between two accounts."""
        return self._entries(self._plain, n)

    def _entries(self, patterns: list[tuple[Leg, ...]], n: int) -> list[Entry]:
        first, self._made = self._made, self._made + n
        return [
            Entry(f"charge:{number}", "charge", "sorting-v1", patterns[number % len(patterns)])
            for number in range(first, first + n)
        ]

    def submit(self, entries: list[Entry], submitters: int) -> None:
        """Each submitter waits for its answer before it sends the next entry."""
        asyncio.run(self._submit(entries, submitters))

    async def _submit(self, entries: list[Entry], submitters: int) -> None:
        waiting = iter(entries)

        async def submitter() -> None:
            for entry in waiting:
                answer = await self.market._writer.change_in(_post, entry, key=entry.key)
                assert isinstance(answer, Posted) and not answer.replayed

        await asyncio.gather(*(submitter() for _ in range(submitters)))

    def bulk(self, entries: list[Entry], batch: int) -> None:
        """Straight through the bulk path, `batch` per commit."""
        for start in range(0, len(entries), batch):
            with self.market._database.write() as session:
                answers = post_many(session, entries[start : start + batch], at=time.time())
            assert all(isinstance(answer, Posted) for answer in answers)

    def close(self) -> None:
        """Write what is queued and give back the database."""
        self.market.close()


def _split(payer: str, seller: str, ancestor: str, house: str) -> tuple[Leg, ...]:
    return (Leg(payer, -1000), Leg(seller, 720), Leg(ancestor, 180), Leg(house, 100))


def _post(session: Session, entries: list[Entry]) -> Sequence[Posted | MarketError]:
    return post_many(session, entries, at=time.time())
