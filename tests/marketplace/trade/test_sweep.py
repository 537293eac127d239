"""Promises of marketplace.trade.sweep."""

from typing import Any

import pytest
from sqlmodel import Session

from marketplace.errors import MarketError
from marketplace.ledger.operation import once
from marketplace.market import Market
from marketplace.trade.meter import CloseMeter
from marketplace.trade.sweep import SweepReport, sweep
from tests.support.trading import HandClock, balances


def open_everything(market: Market) -> None:
    """A meter, a subscription, a trial and a bounty, all of one day, the first two used."""
    meter = market.meter_open(account="ada", listing="sort", limit_nanos=10**8, days=1, key="m")
    market.meter_use(meter=meter.meter, units=1_000, key="mu")
    market.subscribe(account="eve", fee_nanos=10**9, days=1, key="s")
    market.charge(account="eve", listing="sort", units=1, key="su")
    market.bounty_post(
        sponsor="eve",
        skill="parsing",
        base_model="tiny-llama",
        exam="standard",
        min_questions=1,
        min_accuracy_parts=1,
        reward_nanos=10**9,
        days=1,
        key="b",
    )
    market.fund("zoe", 10**10, key="fund-zoe")
    market.trial_open(
        buyer="zoe",
        listing="sort",
        challenge_digest="d",
        n_questions=5,
        min_gain=1,
        days=1,
        key="t",
    )


def test_before_its_time_nothing_is_touched(market: Market) -> None:
    """Sweeping early changes no balance and no hold."""
    open_everything(market)
    before = [market.account(name) for name in ("ada", "eve", "zoe")]
    report = market.sweep()
    assert (report.meters, report.subscriptions, report.expired) == ((), (), ())
    assert [market.account(name) for name in ("ada", "eve", "zoe")] == before


@pytest.mark.parametrize("days", [1, 25])
def test_what_is_due_is_paid_before_holds_expire(
    market: Market, clock: HandClock, days: float
) -> None:
    """On the day or weeks late: meter and subscription are paid, the rest goes back, once."""
    open_everything(market)
    rent = market.terms("sort").trial_nanos
    clock.pass_days(days)
    report = market.sweep()
    assert (len(report.meters), len(report.subscriptions), len(report.expired)) == (1, 1, 2)
    assert report.problems == ()
    assert all(account.held_nanos == 0 for account in market.accounts())
    assert balances(market)["zoe"] == 10**10 - rent
    before = balances(market)
    again = market.sweep()
    assert (again.meters, again.subscriptions, again.expired) == ((), (), ())
    assert balances(market) == before


def test_nobody_can_take_the_keys_of_the_house(market: Market, clock: HandClock) -> None:
    """A user who used the sweep's key before does not keep the seller from being paid."""
    meter = market.meter_open(account="ada", listing="sort", limit_nanos=10**8, days=1, key="m")
    market.meter_use(meter=meter.meter, units=1_000, key="mu")
    market.buy(buyer="eve", listing="sort", key=f"sweep/{meter.meter}")
    clock.pass_days(1)
    assert market.sweep().meters == (meter.meter,)


def test_much_that_falls_due_at_once_is_done_in_parts(
    market: Market, clock: HandClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No transaction does more than a part, what fails is tried once, all is paid."""
    sizes = []

    def noted(session: Session, **options: Any) -> SweepReport:
        report = sweep(session, limit=3, **options)
        sizes.append(max(len(report.meters), len(report.subscriptions), len(report.expired)))
        return report

    def failing(session: Session, operation: CloseMeter, at: float) -> object:
        if operation.meter == broken:
            raise MarketError("cannot be settled")
        return once(session, operation, at)

    meters = []
    for number in range(8):
        market.open_account(f"user-{number}")
        market.fund(f"user-{number}", 10**10, key=f"f{number}")
        opened = market.meter_open(
            account=f"user-{number}", listing="sort", limit_nanos=10**7, days=1, key=f"m{number}"
        )
        market.meter_use(meter=opened.meter, units=1_000, key=f"u{number}")
        market.hold(
            payer="ada", amount_nanos=1, purpose="x", expires_at=clock() + 9, key=f"h{number}"
        )
        meters.append(opened.meter)
    broken = meters[0]
    monkeypatch.setattr("marketplace.market.sweep", noted)
    monkeypatch.setattr("marketplace.trade.sweep.once", failing)
    clock.pass_days(1)
    report = market.sweep()
    assert report.meters == tuple(meters[1:]) and report.problems == ("cannot be settled",)
    assert len(report.expired) == 8 and max(sizes) == 3
    held = [account.name for account in market.accounts() if account.held_nanos]
    assert {*held} - {"escrow"} == {"user-0"}, "its hold lasts a while longer"
    assert market.verify() == []
