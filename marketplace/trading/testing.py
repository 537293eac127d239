"""A small market to trade in: four people, some layers, and a clock that is set by hand."""

from collections.abc import Mapping, Sequence

from marketplace.listing import ListingView, ReceiptFacts
from marketplace.market import Market
from marketplace.money import NANOS_PER_CREDIT
from marketplace.royalty import Parent

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


def balances(market: Market) -> dict[str, int]:
    """What everybody owns, held credits included, in nano-credits."""
    return {account.name: account.balance_nanos for account in market.accounts()}


def gains(before: Mapping[str, int], after: Mapping[str, int]) -> dict[str, int]:
    """Who gained or lost how much in between; whoever did neither is left out."""
    changes = {name: after[name] - before.get(name, 0) for name in after}
    return {name: change for name, change in changes.items() if change}
