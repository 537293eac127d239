"""The audit of trades: whether payments, rights and reports agree with the postings (L11).

Every check is one question to the database whose answer is empty when all is well, so memory
stays flat however long the journal is. The audit of the books comes first: here, amounts are
taken to be whole numbers.
"""

from collections.abc import Iterator
from typing import NamedTuple

from sqlalchemy import text
from sqlmodel import Session

SHOWN = 20
"""Findings listed per check."""
WAYS = ("sale", "rent", "meter", "usage", "subscription", "bounty", "compute")
_WAYS = ", ".join(f"'{way}'" for way in WAYS)
_OVER_HOLDS = "'sale', 'meter', 'subscription', 'bounty'"


class Check(NamedTuple):
    """A question, and how to say what it found."""

    finding: str
    """Takes the columns of the answer in order."""
    sql: str


CHECKS = (
    Check(
        "settlement {0}: {1!r} received or paid {2} nano-credits other than its postings",
        "SELECT transfer_id, account, SUM(nanos) FROM ("
        " SELECT transfer_id, payer AS account, -gross_nanos - surplus_nanos AS nanos"
        " FROM settlement"
        " UNION ALL SELECT transfer_id, 'platform', fee_nanos + surplus_nanos FROM settlement"
        " UNION ALL SELECT transfer_id, account, amount_nanos FROM income"
        " UNION ALL SELECT p.transfer_id, p.account, -p.amount_nanos FROM posting p"
        " JOIN settlement s ON s.transfer_id = p.transfer_id WHERE NOT p.pending"
        ") AS expected GROUP BY transfer_id, account HAVING SUM(nanos) <> 0 ORDER BY 1, 2",
    ),
    Check(
        "settlement {0}: of {1} the fee is {2} and the incomes are {3}",
        "SELECT s.transfer_id, s.gross_nanos, s.fee_nanos, COALESCE(SUM(i.amount_nanos), 0)"
        " FROM settlement s LEFT JOIN income i ON i.transfer_id = s.transfer_id"
        " GROUP BY s.transfer_id, s.gross_nanos, s.fee_nanos"
        " HAVING s.fee_nanos + COALESCE(SUM(i.amount_nanos), 0) <> s.gross_nanos"
        " OR s.fee_nanos <> s.gross_nanos / 10"
        " + CASE WHEN s.gross_nanos % 10 > 0 THEN 1 ELSE 0 END ORDER BY 1",
    ),
    Check(
        "settlement {0}: the seller of {1!r} got {2} of {3}, less than 80 %",
        "SELECT transfer_id, source, seller, net FROM (SELECT transfer_id, source,"
        " SUM(CASE WHEN role = 'seller' THEN amount_nanos ELSE 0 END) AS seller,"
        " SUM(amount_nanos) AS net FROM income GROUP BY transfer_id, source) AS shares"
        " WHERE seller < net - net / 5 ORDER BY 1, 2",
    ),
    Check(
        "settlement {0}: {1!r} got a seller's income from {2!r}, which belongs to {3!r}",
        "SELECT i.transfer_id, i.account, i.source, l.owner FROM income i"
        " JOIN settlement s ON s.transfer_id = i.transfer_id JOIN listing l ON l.name = i.source"
        " WHERE i.role = 'seller' AND s.way <> 'compute' AND i.account <> l.owner ORDER BY 1, 2",
    ),
    Check(
        "settlement {0} is a {1}, its transfer a {2}",
        "SELECT s.transfer_id, s.way, COALESCE(t.kind, 'missing one') FROM settlement s"
        " LEFT JOIN transfer t ON t.id = s.transfer_id WHERE t.kind IS NULL OR (t.kind <> s.way"
        f" AND NOT (t.kind = 'post' AND s.way IN ({_OVER_HOLDS}))) ORDER BY 1",
    ),
    Check(
        "transfer {0} is a {1} without a settlement",
        "SELECT t.id, t.kind FROM transfer t LEFT JOIN settlement s ON s.transfer_id = t.id"
        " LEFT JOIN purchase p ON p.transfer_id = t.id"
        f" WHERE t.kind IN ({_WAYS}) AND s.transfer_id IS NULL AND p.transfer_id IS NULL"
        " ORDER BY 1",
    ),
    Check(
        "purchase {0} by {1!r} of {2!r} for {3} does not agree with its settlement",
        "SELECT p.transfer_id, p.buyer, p.listing, p.price_nanos FROM purchase p"
        " JOIN settlement s ON s.transfer_id = p.transfer_id WHERE s.principal <> p.buyer"
        " OR s.gross_nanos <> p.price_nanos OR s.fee_nanos <> p.fee_nanos"
        " OR s.epoch <> p.epoch OR s.way NOT IN ('sale', 'bounty')"
        " OR p.fee_nanos + p.creator_nanos <> p.price_nanos OR NOT EXISTS (SELECT 1 FROM income i"
        " WHERE i.transfer_id = p.transfer_id AND i.source = p.listing) ORDER BY 1",
    ),
    Check(
        "settlement {0} is a sale without a purchase",
        "SELECT s.transfer_id FROM settlement s LEFT JOIN purchase p"
        " ON p.transfer_id = s.transfer_id"
        " WHERE s.way = 'sale' AND p.transfer_id IS NULL ORDER BY 1",
    ),
    Check(
        "purchase {0} cost {1}, the price of its epoch was {2}",
        "SELECT p.transfer_id, p.price_nanos, r.price_nanos FROM purchase p"
        " JOIN transfer t ON t.id = p.transfer_id LEFT JOIN price r"
        " ON r.listing = p.listing AND r.epoch = p.epoch WHERE t.kind = 'sale' AND"
        " (r.price_nanos IS NULL OR p.price_nanos > r.price_nanos"
        " OR (t.group_key IS NULL AND p.price_nanos <> r.price_nanos)) ORDER BY 1",
    ),
    Check(  # sales made before payments had a settlement: buyer, owner, platform
        "purchase {0}: {1!r} received or paid {2} nano-credits other than its postings",
        "SELECT transfer_id, account, SUM(nanos) FROM ("
        " SELECT p.transfer_id, p.buyer AS account, -p.price_nanos AS nanos FROM purchase p"
        " WHERE NOT EXISTS (SELECT 1 FROM settlement s WHERE s.transfer_id = p.transfer_id)"
        " UNION ALL SELECT p.transfer_id, l.owner, p.creator_nanos FROM purchase p"
        " JOIN listing l ON l.name = p.listing"
        " WHERE NOT EXISTS (SELECT 1 FROM settlement s WHERE s.transfer_id = p.transfer_id)"
        " UNION ALL SELECT p.transfer_id, 'platform', p.fee_nanos FROM purchase p"
        " WHERE NOT EXISTS (SELECT 1 FROM settlement s WHERE s.transfer_id = p.transfer_id)"
        " UNION ALL SELECT g.transfer_id, g.account, -g.amount_nanos FROM posting g"
        " JOIN purchase p ON p.transfer_id = g.transfer_id WHERE NOT g.pending"
        " AND NOT EXISTS (SELECT 1 FROM settlement s WHERE s.transfer_id = p.transfer_id)"
        ") AS expected GROUP BY transfer_id, account HAVING SUM(nanos) <> 0 ORDER BY 1, 2",
    ),
    Check(
        "purchase {0} splits {1} into fee {2} and creator {3}",
        "SELECT transfer_id, price_nanos, fee_nanos, creator_nanos FROM purchase"
        " WHERE fee_nanos + creator_nanos <> price_nanos OR fee_nanos <> price_nanos / 10"
        " + CASE WHEN price_nanos % 10 > 0 THEN 1 ELSE 0 END ORDER BY 1",
    ),
    Check(
        "purchase {0} has no transfer of a sale",
        "SELECT p.transfer_id FROM purchase p LEFT JOIN transfer t ON t.id = p.transfer_id"
        " WHERE t.kind IS NULL OR t.kind NOT IN ('sale', 'post') ORDER BY 1",
    ),
    Check(
        "sale {0} counts as paid back by transfer {1}, which is no refund of it",
        "SELECT r.sale_id, r.refund_id FROM sale_return r LEFT JOIN transfer t"
        " ON t.id = r.refund_id AND t.kind = 'refund' AND t.refers_to = r.sale_id"
        " WHERE t.id IS NULL ORDER BY 1",
    ),
    Check(
        "transfer {0} gives settlement {1} back, and what it bought has not ended",
        "SELECT t.id, t.refers_to FROM transfer t"
        " JOIN settlement s ON s.transfer_id = t.refers_to"
        " LEFT JOIN sale_return r ON r.sale_id = t.refers_to"
        " LEFT JOIN debt d ON d.transfer_id = t.refers_to"
        " WHERE t.kind = 'refund' AND r.sale_id IS NULL AND d.transfer_id IS NULL ORDER BY 1",
    ),
    Check(
        "payment {0}: {1!r} is said to owe {2}, and received {3}",
        "SELECT d.transfer_id, d.debtor, d.amount_nanos, COALESCE(SUM(p.amount_nanos), 0)"
        " FROM debt d LEFT JOIN account a ON COALESCE(a.owner, a.name) = d.debtor"
        " LEFT JOIN posting p ON p.transfer_id = d.transfer_id AND p.account = a.name"
        " AND NOT p.pending GROUP BY d.transfer_id, d.debtor, d.amount_nanos"
        " HAVING COALESCE(SUM(p.amount_nanos), 0) <> d.amount_nanos ORDER BY 1, 2",
    ),
    Check(
        "payment {0}: {1} of it are not given back, and what it bought has {2}ended",
        "SELECT s.transfer_id, MAX(s.gross_nanos + s.surplus_nanos) - SUM(f.nanos),"
        " CASE WHEN MAX(f.ended) = 1 THEN '' ELSE 'not ' END"
        " FROM (SELECT sale_id AS payment, 0 AS nanos, 1 AS ended FROM sale_return"
        " UNION ALL SELECT transfer_id, 0, 0 FROM debt"
        " UNION ALL SELECT t.refers_to, -p.amount_nanos, 0 FROM transfer t"
        " JOIN posting p ON p.transfer_id = t.id"
        " WHERE t.kind = 'refund' AND p.amount_nanos < 0 AND NOT p.pending"
        ") AS f JOIN settlement s ON s.transfer_id = f.payment GROUP BY s.transfer_id"
        " HAVING (MAX(s.gross_nanos + s.surplus_nanos) = SUM(f.nanos)) <> (MAX(f.ended) = 1)"
        " ORDER BY 1",
    ),
    Check(
        "trial {0} was decided as {1}, which {2} against {3} of {4} does not support",
        "SELECT t.hold_id, CASE WHEN r.passed THEN 'passed' ELSE 'failed' END, r.n_correct,"
        " r.n_base_correct, t.n_questions FROM trial t"
        " JOIN trial_result r ON r.hold_id = t.hold_id"
        " LEFT JOIN transfer e ON e.refers_to = t.hold_id AND e.kind IN ('post', 'void', 'expire')"
        " WHERE r.passed <> (r.n_correct - r.n_base_correct >= t.min_gain)"
        " OR r.passed <> (COALESCE(e.kind, '') = 'post') ORDER BY 1",
    ),
    Check(
        "bounty {0} was paid for {1} of {2}, below its mark",
        "SELECT b.hold_id, a.n_correct, a.n_questions FROM bounty b"
        " JOIN bounty_award a ON a.hold_id = b.hold_id WHERE a.n_questions < b.min_questions"
        " OR a.n_correct * 1000000 < b.min_accuracy_parts * a.n_questions ORDER BY 1",
    ),
    Check(
        "bounty {0} has an award without a payment, or a payment without an award",
        "SELECT b.hold_id FROM bounty b LEFT JOIN bounty_award a ON a.hold_id = b.hold_id"
        " LEFT JOIN transfer e ON e.refers_to = b.hold_id AND e.kind = 'post'"
        " WHERE (a.hold_id IS NULL) <> (e.id IS NULL) ORDER BY 1",
    ),
    Check(
        "meter {0}: its readings add up to {1}, the last total is {2}",
        "SELECT hold_id, SUM(units), MAX(n_units) FROM meter_reading"
        " GROUP BY hold_id HAVING SUM(units) <> MAX(n_units) ORDER BY 1",
    ),
    Check(
        "usage {0!r}: {1} nano-credits, its payment was {2}",
        "SELECT u.key, u.amount_nanos, s.gross_nanos FROM usage u"
        " LEFT JOIN settlement s ON s.transfer_id = u.cover_id AND s.way = 'usage'"
        " WHERE (u.covered_by = 'charge' AND (s.gross_nanos IS NULL"
        " OR s.gross_nanos <> u.amount_nanos))"
        " OR (u.covered_by <> 'charge' AND u.amount_nanos <> 0) ORDER BY 1",
    ),
    Check(
        "settlement {0} is a {1} that left no row of its own",
        "SELECT s.transfer_id, s.way FROM settlement s"
        " LEFT JOIN rental r ON r.transfer_id = s.transfer_id"
        " LEFT JOIN compute_use c ON c.transfer_id = s.transfer_id"
        " LEFT JOIN usage u ON u.cover_id = s.transfer_id AND u.covered_by = 'charge'"
        " WHERE (s.way = 'rent' AND r.transfer_id IS NULL)"
        " OR (s.way = 'compute' AND c.transfer_id IS NULL)"
        " OR (s.way = 'usage' AND u.key IS NULL) ORDER BY 1",
    ),
)


def problems(session: Session) -> list[str]:
    """Everything about trades that does not agree, one line each; empty when all is well."""
    return [finding for check in CHECKS for finding in _findings(session, check)]


def _findings(session: Session, check: Check) -> Iterator[str]:
    rows = session.connection().execute(text(f"{check.sql} LIMIT {SHOWN + 1}")).all()
    for row in rows[:SHOWN]:
        yield check.finding.format(*row)
    if len(rows) > SHOWN:
        yield f"and more of the kind: {check.finding.format(*rows[SHOWN])}"
