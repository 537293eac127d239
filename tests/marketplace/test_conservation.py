"""The market against a model of a few lines: any sequence of calls, same answers, same money."""

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from marketplace.errors import (
    AlreadyOwnedError,
    IdempotencyKeyReusedError,
    InsufficientCreditsError,
    OwnLayerError,
)
from marketplace.names import HOUSE
from tests.support.market import make_market, publish_example

NAMES = ("ada", "bob", "eve")
LISTINGS = {"sort": "ada", "rhyme": "bob", "count": "bob"}
names = st.sampled_from(NAMES)
keys = st.sampled_from([f"key-{number}" for number in range(12)])


class MarketMachine(RuleBasedStateMachine):
    """Funds, buys and closes epochs, with few keys so that they are reused often."""

    @initialize()
    def open_market(self) -> None:
        """Three traders, three layers, no credits."""
        self.market = make_market(credits=dict.fromkeys(NAMES, 0))
        for listing, owner in LISTINGS.items():
            publish_example(self.market, owner, listing, ask_nanos=7)
        self.balances = dict.fromkeys((*NAMES, *HOUSE), 0)
        self.requests: dict[str, tuple[object, ...]] = {}
        self.owned: set[tuple[str, str]] = set()

    def teardown(self) -> None:
        """Give the memory back."""
        if hasattr(self, "market"):
            self.market.close()

    @rule(name=names, amount=st.integers(1, 40), key=keys)
    def fund(self, name: str, amount: int, key: str) -> None:
        """Funding moves money once per key."""
        request = ("fund", name, amount)
        try:
            self.market.fund(name, amount, key=key)
        except IdempotencyKeyReusedError:
            assert self.requests[key] != request
            return
        if self.requests.setdefault(key, request) is request:
            self.balances[name] += amount
            self.balances["world"] -= amount
        assert self.requests[key] == request

    @rule(buyer=names, listing=st.sampled_from(sorted(LISTINGS)), key=keys)
    def buy(self, buyer: str, listing: str, key: str) -> None:
        """A purchase is refused for exactly the stated reasons, else moves money once per key."""
        request = ("buy", buyer, listing)
        price = self.market.listing(listing).price_nanos
        known = self.requests.get(key)
        try:
            purchase = self.market.buy(buyer=buyer, listing=listing, key=key)
        except IdempotencyKeyReusedError:
            assert known not in (None, request)
        except OwnLayerError:
            assert (known, LISTINGS[listing]) == (None, buyer)
        except AlreadyOwnedError:
            assert known is None
            assert (buyer, listing) in self.owned
        except InsufficientCreditsError:
            assert known is None
            assert self.balances[buyer] < price
        else:
            assert purchase.replayed == (known == request)
            if not purchase.replayed:
                self.requests[key] = request
                self._settle(buyer, listing, price)

    @rule()
    def close_epoch(self) -> None:
        """Prices may move; money does not."""
        self.market.close_epoch()

    @invariant()
    def books_agree_with_the_model(self) -> None:
        """Same balances, nothing created, nobody below zero but the world."""
        balances = {view.name: view.balance_nanos for view in self.market.accounts()}
        assert balances == self.balances
        assert sum(balances.values()) == 0
        assert all(balance >= 0 for name, balance in balances.items() if name != "world")
        assert self.market.verify() == []

    def _settle(self, buyer: str, listing: str, price: int) -> None:
        fee = (price + 9) // 10
        self.owned.add((buyer, listing))
        self.balances[buyer] -= price
        self.balances[LISTINGS[listing]] += price - fee
        self.balances["platform"] += fee


TestMarketMachine = MarketMachine.TestCase
TestMarketMachine.settings = settings(
    max_examples=25, stateful_step_count=20, deadline=None, derandomize=True
)
