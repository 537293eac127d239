"""What one account may have open is bounded, whatever it calls itself."""

import pytest

from marketplace.errors import TooManyOpenError
from marketplace.ledger import mandate
from marketplace.ledger.mandate import MOST
from marketplace.market import Market
from tests.support.market import make_market, publish_example


@pytest.fixture
def market(monkeypatch: pytest.MonkeyPatch) -> Market:
    """ada and a mandate of hers have credits; three of each kind may be open."""
    market = make_market(credits={"ada": 100, "bob": 100})
    for name in ("one", "two"):
        publish_example(market, "bob", name)
    market.open_mandate(owner="ada", name="agent", cap_nanos=10**10, key="agent")
    market.fund_mandate("ada/agent", 10**10, key="fill")
    monkeypatch.setattr(mandate, "MOST", dict.fromkeys(MOST, 3))
    return market


def open_one(market: Market, kind: str, account: str, name: str) -> int | None:
    """One more of a kind; the number of its hold, if it has one."""
    if kind == "mandate":
        market.open_mandate(owner=account.partition("/")[0], name=name, cap_nanos=1, key=name)
    elif kind == "bundle":
        market.bundle_create(owner=account, name=name, listings=["one", "two"], key=name)
    elif kind == "offer":
        market.offer_compute(
            owner=account, name=name, resource="training", ask_nanos=9, capacity_units=9, key=name
        )
    elif kind == "bounty":
        return market.bounty_post(
            sponsor=account,
            skill="sql",
            base_model="tiny",
            exam="standard",
            min_questions=100,
            min_accuracy_parts=1,
            reward_nanos=100,
            days=1,
            key=name,
        ).bounty
    else:
        assert kind == "hold"
        return market.hold(payer=account, amount_nanos=1, purpose="x", expires_at=1e9, key=name)
    return None


@pytest.mark.parametrize("kind", MOST)
def test_an_account_and_its_mandates_share_one_allowance(market: Market, kind: str) -> None:
    """The next one is refused to each of them, a repeat of an earlier one is not, nor others'."""
    opened = len(market.mandates("ada")) if kind == "mandate" else 0
    for number in range(opened, 3):
        open_one(market, kind, ("ada", "ada/agent")[number % 2], f"n{number}")
    for account in ("ada", "ada/agent"):
        with pytest.raises(TooManyOpenError, match="'ada' has 3 of its 3"):
            open_one(market, kind, account, "more")
    open_one(market, kind, ("ada", "ada/agent")[2 % 2], "n2")
    open_one(market, kind, "bob", "other")
    assert market.verify() == []


@pytest.mark.parametrize("kind", ["hold", "bounty"])
def test_what_ends_makes_room(market: Market, kind: str) -> None:
    """A hold taken back, a bounty that is over."""
    for number in range(3):
        open_one(market, kind, "ada", f"n{number}")
    if kind == "hold":
        market.void_hold(market.open_holds("ada")[0].hold_id, key="void")
    else:
        market._clock._now += 2 * 86_400.0  # type: ignore[attr-defined]
        market.sweep()
    open_one(market, kind, "ada", "more")


def test_every_way_to_promise_credits_is_a_hold(market: Market) -> None:
    """Trials, meters, subscriptions, bounties and deposits count together."""
    market.trial_open(
        buyer="ada", listing="one", challenge_digest="0" * 64, n_questions=9, min_gain=1, key="t"
    )
    market.meter_open(account="ada", listing="two", limit_nanos=10**9, days=1, key="m")
    market.subscribe(account="ada/agent", fee_nanos=10**9, days=1, key="s")
    for kind in ("hold", "bounty"):
        with pytest.raises(TooManyOpenError, match="open holds"):
            open_one(market, kind, "ada", kind)
