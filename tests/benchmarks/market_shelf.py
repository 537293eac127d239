"""A market with a hundred thousand listings, put there without the ceremony of publishing."""

from __future__ import annotations

import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from sqlmodel import Session, SQLModel

from marketplace.ledger.account import Account
from marketplace.ledger.epoch import PriceRow
from marketplace.ledger.idempotency import Request
from marketplace.listing.listing import Listing, Version, Wanted
from marketplace.market import Market
from marketplace.receipt import ReceiptRow

BASES = [f"base-{number}" for number in range(5)]
SKILLS = [f"skill-{number}" for number in range(40)]
LICENCES = ["Apache-2.0", "MIT", "CC-BY-4.0", "CC-BY-NC-4.0"]
WORDS = [f"word{number}" for number in range(500)]
N_OWNERS = 2000
_ROWS_AT_ONCE = 5000


def stocked(folder: Path, n: int) -> Market:
    """An open market with n listings of many owners."""
    market = Market.open(f"sqlite:///{folder / 'shelf.db'}")
    owners = [Account(name=f"owner-{number}", opened_at=0.0) for number in range(N_OWNERS)]
    market._change(lambda session: session.add_all(owners))
    rng = random.Random(0)
    for first in range(0, n, _ROWS_AT_ONCE):
        numbers = range(first, min(n, first + _ROWS_AT_ONCE))
        rows = [list(_rows(number, rng)) for number in numbers]
        market._change(lambda session, rows=rows: _add(session, rows))
    return market


def questions(n: int) -> Iterator[tuple[str, Wanted]]:
    """Searches as people make them: a word or two, a base model, sometimes a skill or a price."""
    rng = random.Random(1)
    for _ in range(n):
        text = " ".join(rng.sample(WORDS, rng.choice((0, 1, 1, 2))))
        yield (
            text,
            Wanted(
                base_model=rng.choice(BASES),
                niche=rng.choice(SKILLS) if rng.random() < 0.5 else None,
                licences=("Apache-2.0", "MIT") if rng.random() < 0.3 else (),
                max_price_nanos=rng.randint(1, 4 * 10**9) if rng.random() < 0.5 else None,
                min_reputation=rng.choice((0.0, 0.3)),
            ),
        )


def _rows(number: int, rng: random.Random) -> Iterator[SQLModel]:
    name, skill = f"layer-{number}", rng.choice(SKILLS)
    key, body = f"publish:{number}", "{}"
    n_base = rng.randrange(200)
    n_correct = rng.randint(n_base, 400)
    ask = rng.randint(10**8, 4 * 10**9)
    yield Request(key=key, operation="publish", body=body, at=0.0)
    yield Listing(
        name=name,
        owner=f"owner-{int(rng.paretovariate(1.0)) % N_OWNERS}",
        base_model=rng.choice(BASES),
        niche=skill,
        published_at=float(number),
        key=key,
    )
    yield Version(
        listing=name,
        number=1,
        digest=f"digest-{number}",
        licence=rng.choice(LICENCES),
        description=" ".join(rng.sample(WORDS, 8)),
        tags=" ".join(sorted(rng.sample(WORDS, 2))),
        ask_nanos=ask,
        published_at=float(number),
        key=key,
    )
    yield ReceiptRow(
        listing=name,
        skill=skill,
        split="test",
        n_questions=400,
        n_correct=n_correct,
        n_base_correct=n_base,
    )
    yield PriceRow(listing=name, epoch=0, price_nanos=ask, log_premium=0.0, usual_buyers=0.0)


def _add(session: Session, rows: list[list[Any]]) -> None:
    for kind in zip(*rows, strict=True):  # parents before children
        session.bulk_save_objects(kind)
