"""Promises of marketplace.ledger.hold."""

from collections.abc import Callable
from typing import Any

import pytest
from sqlalchemy.exc import IntegrityError
from sqlmodel import Session

from marketplace.errors import (
    AmountError,
    HoldClosedError,
    HoldExceededError,
    HouseAccountError,
    InsufficientCreditsError,
    InvalidInputError,
    TransferNotFoundError,
)
from marketplace.ledger.account import AccountView
from marketplace.ledger.book import Leg
from marketplace.ledger.hold import expire_holds, hold, post_hold, void_hold
from marketplace.ledger.idempotency import claim
from marketplace.ledger.journal import VOID
from marketplace.ledger.ledger import record_transfer
from marketplace.market import Market
from tests.support.market import make_market


@pytest.fixture
def market() -> Market:
    """Ada owns 10 credits and holds 4 of them until 2,000,000 as transfer 2."""
    market = make_market(credits={"ada": 10, "bob": 0})
    with market._database.write() as session:
        claim(session, key="hold", operation="trial", body={}, at=1.0)
        number = hold(
            session,
            payer="ada",
            amount_nanos=4 * 10**9,
            purpose="trial",
            key="hold",
            expires_at=2e6,
            at=1.0,
        )
    assert number == 2
    return market


def change(market: Market, work: Callable[..., Any], *args: Any, key: str, **more: Any) -> Any:
    """One function of the module under a fresh key."""
    with market._database.write() as session:
        claim(session, key=key, operation="test", body={}, at=1.0)
        return work(session, *args, key=key, **{"at": 5.0} | more)


def numbers(view: AccountView) -> tuple[int, int, int]:
    """Balance, held and available, in whole credits."""
    available = view.balance_nanos - view.held_nanos
    return view.balance_nanos // 10**9, view.held_nanos // 10**9, available // 10**9


def test_held_credits_are_owned_but_cannot_be_spent(market: Market) -> None:
    """Of 10 credits 4 are held: 6 can go, one nano-credit more cannot."""
    assert numbers(market.account("ada")) == (10, 4, 6)
    with pytest.raises(InsufficientCreditsError, match="has 10 credits, 4 credits of it held"):
        pay(market, 6 * 10**9 + 1, "too-much")
    pay(market, 6 * 10**9, "all")
    assert numbers(market.account("ada")) == (4, 4, 0)
    assert market.verify() == []


def test_posting_pays_what_is_due_and_frees_the_rest(market: Market) -> None:
    """3 of the 4 held credits are divided over two payees, 1 is Ada's again."""
    legs = [Leg("bob", 27 * 10**8), Leg("platform", 3 * 10**8)]
    assert change(market, post_hold, 2, legs=legs, key="post") == 3
    assert numbers(market.account("ada")) == (7, 0, 7)
    assert market.account("bob").balance_nanos == 27 * 10**8
    assert [line.balance_after_nanos // 10**9 for line in market.postings("ada")] == [10, 7]
    assert market.verify() == []


def test_voiding_frees_everything(market: Market) -> None:
    """As if the hold had never been."""
    market.void_hold(2, key="void")
    market.void_hold(2, key="void")
    assert numbers(market.account("ada")) == (10, 0, 10)
    assert market.open_holds("ada") == []
    assert market.verify() == []


@pytest.mark.parametrize("first", ["post", "void", "expire"])
@pytest.mark.parametrize("second", ["post", "void"])
def test_a_hold_ends_once(market: Market, first: str, second: str) -> None:
    """After any end, every other end is refused and says which one it was."""
    ends: dict[str, Callable[[str], object]] = {
        "post": lambda key: change(market, post_hold, 2, legs=[("bob", 1)], key=key),
        "void": lambda key: change(market, void_hold, 2, key=key),
        "expire": lambda key: expire(market, 2e6),
    }
    ends[first]("one")
    with pytest.raises(HoldClosedError, match=rf"hold 2 ended with transfer 3 \({first}\)"):
        ends[second]("two")
    assert expire(market, 3e6) == []
    assert market.verify() == []


def test_the_database_itself_refuses_a_second_end(market: Market) -> None:
    """The unique index holds even for code that forgets to look."""
    change(market, void_hold, 2, key="one")

    def again(session: Session, *, key: str, at: float) -> None:
        legs = [Leg("ada", -1), Leg("bob", 1)]
        record_transfer(session, at=at, kind=VOID, memo="", key=key, legs=legs, refers_to=2)

    with pytest.raises(Exception, match=r"append-only|UNIQUE|CONSTRAINT") as refusal:
        change(market, again, key="two")
    assert not isinstance(refusal.value, AssertionError)
    assert not isinstance(refusal.value, IntegrityError)
    assert market.verify() == []


def test_an_expired_hold_can_only_be_taken_back(market: Market) -> None:
    """At its last second posting is refused, and whoever looks frees it, once."""
    with pytest.raises(HoldClosedError, match="expired at 2000000"):
        change(market, post_hold, 2, legs=[("bob", 1)], key="late", at=2e6)
    assert expire(market, 2e6 - 1) == []
    assert expire(market, 2e6) == [2]
    assert expire(market, 2e6) == []
    assert numbers(market.account("ada")) == (10, 0, 10)
    assert market.verify() == []


def test_a_squatted_key_does_not_keep_a_hold_open(market: Market) -> None:
    """Somebody who guesses the house's key for an expiry gains nothing."""
    market.open_account("eve", key="expire:2:0")
    assert expire(market, 2e6) == [2]


@pytest.mark.parametrize(
    ("legs", "error"),
    [
        ([("bob", 4 * 10**9 + 1)], HoldExceededError),
        ([("bob", 4 * 10**9), ("platform", 1)], HoldExceededError),
        ([], HoldExceededError),
        ([("bob", -1)], AmountError),
        ([("bob", 0.5)], AmountError),
    ],
)
def test_no_more_than_was_held_is_posted(
    market: Market, legs: list[tuple[str, int]], error: type[Exception]
) -> None:
    """Nor nothing, nor a negative or broken amount."""
    with pytest.raises(error):
        change(market, post_hold, 2, legs=legs, key="post")
    assert numbers(market.account("ada")) == (10, 4, 6)


def test_holds_that_cannot_be_are_refused(market: Market) -> None:
    """More than is available, by the house, into the past, or of an unknown number."""
    terms: dict[str, Any] = {"payer": "ada", "amount_nanos": 1, "purpose": "", "expires_at": 9e9}
    for change_of, error in (
        ({"amount_nanos": 6 * 10**9 + 1}, InsufficientCreditsError),
        ({"payer": "world"}, HouseAccountError),
        ({"expires_at": 1.0}, InvalidInputError),
        ({"expires_at": float("nan")}, InvalidInputError),
        ({"expires_at": float("inf")}, InvalidInputError),
    ):
        with pytest.raises(error):
            market.hold(**terms | change_of, key="h")
    for number in (1, 99):
        with pytest.raises(TransferNotFoundError):
            market.void_hold(number, key="v")


def expire(market: Market, at: float) -> list[int]:
    """What is expired at a time."""
    with market._database.write() as session:
        return expire_holds(session, at=at)


def pay(market: Market, amount: int, key: str) -> None:
    """Ada pays Bob."""
    legs = [Leg("ada", -amount), Leg("bob", amount)]
    change(market, record_transfer, kind="gift", memo="", legs=legs, key=key)
