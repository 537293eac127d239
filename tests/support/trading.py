"""A small market to trade in: four people, some layers, and a clock that is set by hand."""

from collections.abc import Mapping, Sequence

from marketplace.formula.royalty import Parent
from marketplace.listing.listing import ListingView
from marketplace.market import Market
from marketplace.money import NANOS_PER_CREDIT
from marketplace.receipt import ReceiptFacts
from marketplace.trade.buy import PurchaseView, purchase_views
from marketplace.trade.charge import Charge

DAY_S = 86_400.0


class HandClock:
    """A clock that stands still until somebody moves it."""

    def __init__(self, now: float = 1_000_000.0) -> None:
        self.now = now

    def __call__(self) -> float:
        """The time it was last set to."""
        return self.now

    def pass_days(self, days: float) -> None:
        """Move the clock forward."""
        self.now += days * DAY_S


def open_bazaar(
    url: str = "sqlite://",
    *,
    clock: HandClock | None = None,
    credits: Mapping[str, int] | None = None,
) -> Market:
    """A market where ada and eve have 100 credits, and bob, tom and zoe have none."""
    market = Market.open(url, clock=clock or HandClock())
    funds = credits or {"ada": 100, "eve": 100, "bob": 0, "tom": 0, "zoe": 0}
    for name, amount in funds.items():
        market.open_account(name)
        if amount:
            market.fund(name, amount * NANOS_PER_CREDIT, key=f"fund-{name}")
    return market


def put_up(
    market: Market,
    owner: str,
    name: str,
    *,
    skill: str = "sorting",
    ask_nanos: int = NANOS_PER_CREDIT,
    parents: Sequence[str | Parent] = (),
) -> ListingView:
    """A listing with an unremarkable exam result; the digest follows from the name."""
    return market.publish(
        owner=owner,
        name=name,
        digest=f"digest-of-{name}",
        base_model="tiny-llama",
        niche=skill,
        ask_nanos=ask_nanos,
        licence="Apache-2.0",
        parents=parents,
        receipt=ReceiptFacts(skill=skill, n_questions=100, n_correct=80, n_base_correct=30),
        key=f"publish-{name}",
    )


def trade_in_every_way(market: Market, clock: HandClock) -> None:
    """One of each, royalties included, in a bazaar with `sort3`, bred from `sort2`, from `sort`."""
    clock.pass_days(1)
    market.open_mandate(owner="ada", name="agent", cap_nanos=10**10, key="open")
    market.fund_mandate("ada/agent", 10**9, key="fill")
    market.buy(buyer="eve", listing="sort3", key="buy")
    market.rent(renter="ada", listing="sort3", days=2, key="rent")
    meter = market.meter_open(account="ada", listing="sort2", limit_nanos=10**9, days=3, key="m")
    market.meter_use(meter=meter.meter, units=5_000, key="read")
    market.charge_many([Charge("ada/agent", "sort", n + 1, f"use-{n}") for n in range(5)])
    market.subscribe(account="eve", fee_nanos=10**9, days=3, key="sub")
    market.charge(account="eve", listing="sort2", units=7, key="covered")
    market.bundle_create(owner="bob", name="pack", listings=["sort", "sort2"], key="pack")
    market.bundle_buy(buyer="ada", bundle="pack", key="pack-ada")
    put_up(market, "bob", "spare")
    trial = market.trial_open(
        buyer="ada", listing="spare", challenge_digest="d", n_questions=10, min_gain=1, key="try"
    )
    market.trial_settle(trial=trial.trial, n_correct=9, n_base_correct=1, key="passed")
    bounty = market.bounty_post(
        sponsor="eve",
        skill="sorting",
        base_model="tiny-llama",
        exam="standard",
        min_questions=5,
        min_accuracy_parts=500_000,
        reward_nanos=10**9,
        days=5,
        key="bounty",
    )
    market.rent(renter="eve", listing="sort2", days=1, key="rent-to-examine")
    (receipt,) = market.receipts("sort2")
    market.recheck(
        receipt=receipt.id,
        by="eve",
        n_correct=80,
        n_base_correct=30,
        seed=7,
        questions_digest="f" * 64,
        key="exam",
    )
    market.bounty_claim(bounty=bounty.bounty, listing="sort2", by="tom", key="claim")
    market.offer_compute(
        owner="zoe", name="gpu", resource="training", ask_nanos=10**7, capacity_units=9_000, key="o"
    )
    market.use_compute(buyer="ada", offer="gpu", units=9_000, key="train")
    market.close_epoch()
    market.use_compute(buyer="ada", offer="gpu", units=1_000, key="train-dear")
    market.review(reviewer="ada", listing="sort3", n_good=3, n_bad=1, key="review")
    market.record_miss(account="ada", skill="parsing")
    clock.pass_days(4)
    market.sweep()


def balances(market: Market) -> dict[str, int]:
    """What everybody owns, held credits included, in nano-credits."""
    return {account.name: account.balance_nanos for account in market.accounts()}


def gains(before: Mapping[str, int], after: Mapping[str, int]) -> dict[str, int]:
    """Who gained or lost how much in between; whoever did neither is left out."""
    changes = {name: after[name] - before.get(name, 0) for name in after}
    return {name: change for name, change in changes.items() if change}


def purchases(market: Market, buyer: str | None = None) -> list[PurchaseView]:
    """All purchases, or one account's, oldest first."""
    with market._read() as session:
        return [view for _, view in purchase_views(session, buyer)]
