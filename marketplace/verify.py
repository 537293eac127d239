"""The audit: whether the books agree with themselves.

It reads rows as they are stored and adds them up in Python, because SQLite's own sum() gives up
on overflow and quietly counts a text as 0, and whoever tampers with a file may leave both.
"""

from collections import defaultdict
from typing import Any

from sqlmodel import Session

from marketplace import schema
from marketplace.account import PLATFORM
from marketplace.money import split_price
from marketplace.repository import raw_rows

Rows = list[tuple[Any, ...]]


def problems(session: Session) -> list[str]:
    """Everything that is wrong with the market, one line each; empty when all is well."""
    accounts = raw_rows(session, "SELECT name, overdraft, balance_nanos FROM account")
    postings = raw_rows(session, "SELECT id, transfer_id, account, amount_nanos FROM posting")
    transfers = raw_rows(session, "SELECT id, kind FROM transfer")
    broken_types = _not_whole(accounts, postings)
    if broken_types:  # sums of these would mean nothing
        return _file_problems(session) + broken_types
    return [
        *_file_problems(session),
        *_balance_problems(accounts, postings),
        *_transfer_problems(transfers, postings),
        *_purchase_problems(session, transfers, postings),
    ]


def _file_problems(session: Session) -> list[str]:
    structure = [row[0] for row in raw_rows(session, "PRAGMA quick_check") if row[0] != "ok"]
    dangling = raw_rows(session, "PRAGMA foreign_key_check")
    return [
        *(f"file structure: {line}" for line in structure),
        *(f"table {row[0]} row {row[1]} refers to a missing {row[2]}" for row in dangling),
        *(
            f"trigger {name} is missing or altered: rows are no longer protected"
            for name in schema.missing_triggers(session.connection())
        ),
    ]


def _not_whole(accounts: Rows, postings: Rows) -> list[str]:
    return [
        *(
            f"account {name!r} has balance {balance!r}, which is no whole number"
            for name, _, balance in accounts
            if type(balance) is not int
        ),
        *(
            f"posting {number} moves {amount!r}, which is no whole number"
            for number, _, _, amount in postings
            if type(amount) is not int
        ),
    ]


def _balance_problems(accounts: Rows, postings: Rows) -> list[str]:
    sums: dict[str, int] = defaultdict(int)
    for _, _, name, amount in postings:
        sums[name] += amount
    found = []
    for name, overdraft, balance in accounts:
        if balance != sums[name]:
            found.append(
                f"account {name!r} has balance {balance}, its postings sum to {sums[name]}"
            )
        if sums[name] < 0 and not overdraft:
            found.append(f"account {name!r} is at {sums[name]} and may not go below 0")
    total = sum(balance for _, _, balance in accounts)
    if total:
        found.append(f"all balances sum to {total} instead of 0")
    return found


def _transfer_problems(transfers: Rows, postings: Rows) -> list[str]:
    legs: dict[int, list[int]] = defaultdict(list)
    for _, transfer, _, amount in postings:
        legs[transfer].append(amount)
    found = []
    for number, kind in transfers:
        if len(legs[number]) < 2:
            found.append(f"transfer {number} ({kind}) has {len(legs[number])} postings, not 2 or 3")
        if sum(legs[number]):
            found.append(f"transfer {number} ({kind}) sums to {sum(legs[number])} instead of 0")
    return found


def _purchase_problems(session: Session, transfers: Rows, postings: Rows) -> list[str]:
    legs: dict[int, list[tuple[str, int]]] = defaultdict(list)
    for _, transfer, name, amount in postings:
        legs[transfer].append((name, amount))
    purchases = raw_rows(
        session,
        "SELECT p.transfer_id, p.buyer, l.owner, p.price_nanos, p.fee_nanos, p.creator_nanos,"
        " r.price_nanos FROM purchase p LEFT JOIN listing l ON l.name = p.listing"
        " LEFT JOIN price r ON r.listing = p.listing AND r.epoch = p.epoch",
    )
    kinds = dict(tuple(row) for row in transfers)
    found = []
    for number, buyer, owner, price, fee, creator, listed in purchases:
        if kinds.get(number) != "sale":
            found.append(f"purchase {number} by {buyer!r} has no sale transfer")
            continue
        paid = sorted([(buyer, -price), (owner, creator), (PLATFORM, fee)])
        if sorted(legs[number]) != paid:
            found.append(f"purchase {number} says {paid}, its postings {sorted(legs[number])}")
        split = split_price(price)
        if (fee, creator) != (split.fee_nanos, split.creator_nanos):
            found.append(f"purchase {number} splits {price} into fee {fee} and creator {creator}")
        if price != listed:
            found.append(f"purchase {number} cost {price}, the price of its epoch was {listed}")
    sold = {row[0] for row in purchases}
    unsold = [number for number, kind in kinds.items() if kind == "sale" and number not in sold]
    return found + [f"transfer {number} is a sale without a purchase" for number in unsold]
