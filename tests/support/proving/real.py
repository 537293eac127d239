"""The same deeds, done by the real ledger, and its rows compared with the model's."""

from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import replace
from typing import Any

from sqlmodel import Session

from marketplace.errors import MarketError
from marketplace.ledger.book import Leg
from marketplace.ledger.hold import expire_holds, hold, post_hold, void_hold
from marketplace.ledger.idempotency import claim
from marketplace.ledger.ledger import Entry, Posted, post_many
from marketplace.ledger.mandate import OpenMandate as OpenMandateOperation
from marketplace.ledger.operation import once
from marketplace.ledger.refund import refund
from marketplace.ledger.statement import transfer_of_key
from marketplace.names import ESCROW
from marketplace.store.writer import _Job
from tests.support.proving.deed import (
    Deed,
    Done,
    ExpireHolds,
    Hold,
    Linked,
    OpenMandate,
    Outcome,
    Pay,
    PostHold,
    Refund,
    Refused,
    VoidHold,
    key_of,
)
from tests.support.proving.model import Model

NO_TRANSFER = 10**9
Bulk = Callable[[Session, list[Entry]], Sequence[Posted | MarketError]]


def post_group(session: Session, entries: Sequence[Entry], *, at: float) -> list[Posted]:
    """Add all transfers or none; they share the first one's group key, or else its key.

    Raises:
        MarketError: The first refusal; nothing was added.
    """
    name = entries[0].group_key or entries[0].key
    posted = []
    for answer in post_many(session, [replace(one, group_key=name) for one in entries], at=at):
        if isinstance(answer, MarketError):
            raise answer
        posted.append(answer)
    return posted


def do(session: Session, deed: Deed, at: float) -> Done:
    """Do a deed in the session's transaction.

    Raises:
        MarketError: It was refused; the caller undoes what it began.
    """
    match deed:
        case Pay():
            return Done((_or_raise(post_many(session, [entry(deed)], at=at)[0]),))
        case Linked():
            posted = post_group(session, [entry(pay) for pay in deed.pays], at=at)
            return Done(tuple(one.transfer_id for one in posted))
        case ExpireHolds():
            return Done(tuple(expire_holds(session, at=at)))
        case OpenMandate():
            name = deed.name.partition("/")[2]
            opened = OpenMandateOperation(
                owner=deed.owner, name=name, cap_nanos=deed.cap_nanos, key=deed.key
            )
            once(session, opened, at)
            return Done(())
    return Done((_claimed(session, deed, at),))


def entry(pay: Pay) -> Entry:
    """A payment as the bulk path takes it."""
    return Entry(pay.key, pay.kind, "", tuple(Leg(name, amount) for name, amount in pay.legs))


def jobs(deed: Deed, at: float, bulk: Bulk) -> list[_Job]:
    """A deed as it waits in the writer's queue; payments go down the bulk path."""
    if isinstance(deed, Pay):
        return [_Job(bulk, entry(deed), None, Future())]
    if isinstance(deed, Linked):
        group = deed.pays[0].key
        entries = [replace(entry(pay), group_key=group) for pay in deed.pays]
        return [_Job(bulk, one, None, Future()) for one in entries]
    return [_Job(None, lambda session: do(session, deed, at), None, Future())]


def outcome(some: Sequence[_Job]) -> Outcome:
    """What came of a deed's jobs.

    Raises:
        BaseException: Neither an answer nor a refusal.
    """
    numbers: tuple[int, ...] = ()
    for job in some:
        assert isinstance(job.future, Future)
        try:
            found = job.future.result(timeout=60)
        except MarketError as error:
            return Refused(type(error).__name__)
        numbers += (found.transfer_id,) if isinstance(found, Posted) else found.numbers
    return Done(numbers)


def differences(session: Session, model: Model) -> list[str]:
    """Everything in which accounts, journal and open holds are not the model's, one line each."""
    holds = _rows(session, "SELECT transfer_id, payer, amount_nanos FROM open_hold")
    return [
        *_differences("account", _accounts(session), _model_accounts(model)),
        *_differences("transfer", _journal(session), _model_journal(model)),
        *_differences(
            "open hold",
            {number: (payer, amount) for number, payer, amount in holds},
            {one.number: (one.pending[0][0], -one.pending[0][1]) for one in model.open_holds()},
        ),
    ]


def _claimed(session: Session, deed: Deed, at: float) -> int:
    assert isinstance(deed, Hold | PostHold | VoidHold | Refund)
    body: dict[str, object] = {"deed": repr(deed)}
    if not claim(session, key=deed.key, operation=type(deed).__name__, body=body, at=at):
        number = transfer_of_key(session, deed.key)
        assert number is not None, f"{deed} was claimed without a transfer"
        return number
    match deed:
        case Hold():
            return hold(
                session,
                payer=deed.payer,
                amount_nanos=deed.amount_nanos,
                purpose="",
                key=deed.key,
                expires_at=deed.expires_at,
                at=at,
            )
        case PostHold():
            number = _number(session, deed.hold_key)
            return post_hold(session, number, legs=list(deed.legs), key=deed.key, at=at)
        case VoidHold():
            return void_hold(session, _number(session, deed.hold_key), key=deed.key, at=at)
        case Refund():
            number, amount = _number(session, deed.of_key), deed.amount_nanos
            return refund(session, transfer_id=number, amount_nanos=amount, key=deed.key, at=at)


def _number(session: Session, key: str) -> int:
    return transfer_of_key(session, key) or NO_TRANSFER


def _or_raise(answer: Posted | MarketError) -> int:
    if isinstance(answer, MarketError):
        raise answer
    return answer.transfer_id


def _differences(what: str, found: dict[Any, Any], wanted: dict[Any, Any]) -> list[str]:
    return [
        f"{what} {name}: {found.get(name)}, the model has {wanted.get(name)}"
        for name in sorted(found.keys() | wanted.keys())
        if found.get(name) != wanted.get(name)
    ]


def _rows(session: Session, sql: str) -> list[tuple[Any, ...]]:
    return [tuple(row) for row in session.connection().exec_driver_sql(sql)]


def _accounts(session: Session) -> dict[str, tuple[object, ...]]:
    columns = "name, balance_nanos, held_nanos, spent_nanos, cap_nanos, owner"
    return {row[0]: row[1:] for row in _rows(session, f"SELECT {columns} FROM account")}


def _model_accounts(model: Model) -> dict[str, tuple[object, ...]]:
    return {
        name: (one.balance, one.held, one.spent, one.cap, one.owner)
        for name, one in model.accounts.items()
    }


def _journal(session: Session) -> dict[int, tuple[object, ...]]:
    legs: dict[int, list[tuple[str, int, bool]]] = {}
    columns = "transfer_id, account, amount_nanos, pending"
    for number, name, amount, pending in _rows(session, f"SELECT {columns} FROM posting"):
        legs.setdefault(number, []).append((name, amount, bool(pending)))
    columns = "id, kind, key, refers_to, expires_at"
    return {
        number: (kind, "" if kind == "expire" else key, *rest, sorted(legs.get(number, [])))
        for number, kind, key, *rest in _rows(session, f"SELECT {columns} FROM transfer")
    }


def _model_journal(model: Model) -> dict[int, tuple[object, ...]]:
    return {
        one.number: (
            one.kind,
            one.key,
            one.refers_to,
            one.expires_at,
            sorted([(*leg, False) for leg in one.legs] + [(*leg, True) for leg in one.pending]),
        )
        for one in model.journal
    }


def keys_of(deed: Deed) -> tuple[str, ...]:
    """The keys of a deed's transfers, in order."""
    return tuple(pay.key for pay in deed.pays) if isinstance(deed, Linked) else (key_of(deed),)


def numbers_by_key(session: Session) -> dict[str, int]:
    """Every transfer's number by its key."""
    return dict(_rows(session, "SELECT key, id FROM transfer"))


def account_names(session: Session) -> set[str]:
    """All accounts there are."""
    return {name for (name,) in _rows(session, "SELECT name FROM account")}


def not_rebuilt(session: Session) -> list[str]:
    """Accounts whose balance or held credits do not follow from the postings alone (L15)."""
    rebuilt: dict[str, list[int]] = {name: [0, 0] for name in account_names(session)}
    for name, amount, pending in _rows(
        session, "SELECT account, amount_nanos, pending FROM posting"
    ):
        rebuilt[name][bool(pending)] += -amount if pending else amount
    rebuilt[ESCROW][1] = 0
    stored = _rows(session, "SELECT name, balance_nanos, held_nanos FROM account")
    return _differences("account", {name: rest for name, *rest in stored}, rebuilt)
