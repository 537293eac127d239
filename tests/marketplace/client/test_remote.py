"""A market on a service feels like a local one: same answers, same errors, one effect per key."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any

import httpx
import pytest

from marketplace.client.remote import RemoteMarket
from marketplace.errors import (
    AlreadyOwnedError,
    IdempotencyKeyReusedError,
    InsufficientCreditsError,
    InvalidInputError,
    KeyTakenError,
    ListingNotFoundError,
    MarketError,
    ServiceError,
    ServiceUnreachableError,
)
from marketplace.formula.royalty import Parent
from marketplace.ledger.account_key import prove_key
from marketplace.listing.listing import Wanted
from marketplace.money import NANOS_PER_CREDIT
from marketplace.receipt import ReceiptFacts
from marketplace.trade.charge import Charge
from tests.support.client import Hosted
from tests.support.market import publish_example
from tests.support.trading import purchases


@pytest.fixture
def layers() -> None:
    """The service keeps no files: what is listed here is a name only."""


@pytest.fixture
def bob(hosted: Hosted) -> RemoteMarket:
    """A buyer with credits, on a market where ada sells a sorter."""
    hosted.member("ada")
    publish_example(hosted.market, "ada", "sorter")
    return hosted.member("bob", credits=100)


def test_opening_an_account_registers_the_key_once(hosted: Hosted) -> None:
    """Opening it again finds it; another key cannot take it."""
    ada = hosted.member("ada")
    assert ada.open_account("ada").name == "ada"
    assert [view.public_key for view in ada.keys("ada")] == [hosted.keys["ada"].public]
    with pytest.raises(KeyTakenError):
        hosted.at("eve").open_account("ada")


def test_debts_are_seen_and_collected_from_afar(hosted: Hosted, bob: RemoteMarket) -> None:
    """By the debtor and the creditor, by nobody else; collecting takes what is there by now."""
    market = hosted.market
    market.open_account("tom")
    publish_example(market, "tom", "dear", ask_nanos=9 * 10**8)
    market.buy(buyer="bob", listing="sorter", key="sale")
    market.buy(buyer="ada", listing="dear", key="spend")
    market.revoke(listing="sorter", by="platform", reason="stolen", key="revoke")
    (debt,) = bob.owed()
    assert debt == market.owed("bob")[0] and (debt.debtor, debt.creditor) == ("ada", "bob")
    assert bob.collect_owed() == [debt]
    with pytest.raises(ServiceError, match="does not speak for"):
        bob.owed("ada")
    market.fund("ada", debt.owed_nanos, key="found")
    assert bob.collect_owed("bob") == [] == market.owed()
    assert market.account("bob").balance_nanos == 100 * NANOS_PER_CREDIT


READS: dict[str, Callable[[Any], Any]] = {
    "listings": lambda m: list(m.listings()),
    "wanted": lambda m: list(m.listings(Wanted(niche="sorting", max_price_nanos=10**12))),
    "listing": lambda m: m.listing("sorter"),
    "search": lambda m: m.search("sort", order="name").listings,
    "versions": lambda m: list(m.versions("sorter")),
    "quote": lambda m: m.quote("sorter"),
    "price_history": lambda m: list(m.price_history("sorter")),
    "receipts": lambda m: list(m.receipts("sorter")),
    "terms": lambda m: m.terms("sorter"),
    "reviews": lambda m: list(m.reviews("sorter")),
    "account": lambda m: m.account("bob"),
    "postings": lambda m: list(m.postings("bob")),
    "trials": lambda m: list(m.trials("bob")),
    "subscriptions": lambda m: list(m.subscriptions("bob")),
    "mandates": lambda m: list(m.mandates("bob")),
    "bundles": lambda m: list(m.bundles()),
    "bounties": lambda m: list(m.bounties()),
    "offers": lambda m: list(m.offers()),
    "demand": lambda m: list(m.demand()),
    "head": lambda m: m.head(),
}


@pytest.mark.parametrize("name", READS)
def test_what_is_read_is_what_the_market_says(hosted: Hosted, bob: RemoteMarket, name: str) -> None:
    """Every view crosses the wire unchanged, with something in it."""
    market = hosted.market
    market.set_terms(owner="ada", listing="sorter", key="t", rent_day_parts=1000)
    bob.buy(buyer="bob", listing="sorter", key="k-buy")
    bob.review(reviewer="bob", listing="sorter", n_good=3, n_bad=1, text="good", key="k-review")
    publish_example(market, "ada", "adder")
    bob.trial_open(
        buyer="bob",
        listing="adder",
        challenge_digest="0" * 64,
        n_questions=10,
        min_gain=2,
        key="k-try",
    )
    bob.subscribe(account="bob", fee_nanos=NANOS_PER_CREDIT, days=30, key="k-sub")
    bob.open_mandate(owner="bob", name="shopper", cap_nanos=NANOS_PER_CREDIT, key="k-mandate")
    market.bundle_create(owner="ada", name="both", listings=["sorter", "adder"], key="b")
    market.offer_compute(
        owner="ada",
        name="gpu",
        resource="inference",
        ask_nanos=10**6,
        capacity_units=10**6,
        key="o",
    )
    bob.bounty_post(
        sponsor="bob",
        skill="sorting",
        base_model="tiny-llama",
        exam="standard",
        min_questions=10,
        min_accuracy_parts=900_000,
        reward_nanos=NANOS_PER_CREDIT,
        days=3,
        key="k-bounty",
    )
    here, there = READS[name](market), READS[name](bob)
    assert there == here
    assert here


def test_every_way_to_pay_has_the_effect_it_has_at_home(hosted: Hosted, bob: RemoteMarket) -> None:
    """Rent, use, meter, trial, bundle, compute: each asked from afar, seen in the books."""
    market = hosted.market
    assert bob.rent(renter="bob", listing="sorter", days=2, key="r").days == 2
    publish_example(market, "ada", "adder")
    used = bob.charge(account="bob", listing="adder", units=10, key="u")
    assert 0 < used.amount_nanos < NANOS_PER_CREDIT
    meter = bob.meter_open(
        account="bob", listing="adder", limit_nanos=NANOS_PER_CREDIT, days=1, key="m"
    )
    assert bob.meter_use(meter=meter.meter, units=500, key="m1").n_units == 500
    assert not bob.meter_close(meter=meter.meter, key="m2").open
    trial = bob.trial_open(
        buyer="bob",
        listing="adder",
        challenge_digest="0" * 64,
        n_questions=10,
        min_gain=2,
        key="t",
    )
    done = bob.trial_settle(trial=trial.trial, n_correct=9, n_base_correct=1, key="t1")
    assert done.state == "passed" and market.owns("bob", "digest-of-adder")
    publish_example(market, "ada", "third")
    market.bundle_create(owner="ada", name="pair", listings=["sorter", "third"], key="b")
    bought = bob.bundle_buy(buyer="bob", bundle="pair", key="bb")
    assert {one.listing for one in bought} == {"sorter", "third"}
    hosted.at("ada").offer_compute(
        owner="ada",
        name="gpu",
        resource="inference",
        ask_nanos=10**6,
        capacity_units=10**6,
        key="o",
    )
    assert bob.use_compute(buyer="bob", offer="gpu", units=2000, key="c").price_nanos >= 2 * 10**6
    assert market.verify() == []


def test_a_batch_of_uses_has_an_answer_each(hosted: Hosted, bob: RemoteMarket) -> None:
    """A refused use does not stop the others, and comes back as the market's own error."""
    answers = bob.charge_many(
        [
            Charge("bob", "sorter", 5, "c1"),
            Charge("bob", "nothing", 5, "c2"),
            Charge("bob", "sorter", 7, "c3"),
        ]
    )
    first, second, third = answers
    assert not isinstance(first, MarketError) and first.units == 5
    assert isinstance(second, ListingNotFoundError)
    assert not isinstance(third, MarketError) and third.units == 7


def test_a_seller_acts_on_its_listing_from_afar(hosted: Hosted, bob: RemoteMarket) -> None:
    """Terms, withdrawing and putting back; a stranger may not."""
    ada = hosted.at("ada")
    assert ada.set_terms(owner="ada", listing="sorter", use_parts=0, key="t").use_rate_nanos is None
    assert ada.withdraw(listing="sorter", by="ada", key="w").status == "withdrawn"
    assert ada.relist(listing="sorter", by="ada", key="w2").status == "listed"
    with pytest.raises(MarketError):
        bob.withdraw(listing="sorter", by="ada", key="w3")


@pytest.mark.usefixtures("bob")
@pytest.mark.parametrize("parents", [["sorter"], [Parent("digest-of-sorter", 3)]])
def test_parents_are_named_from_afar_as_at_home(
    hosted: Hosted, parents: list[str | Parent]
) -> None:
    """By listing or digest, with a weight or without."""
    made = hosted.at("ada").publish(
        owner="ada",
        name="child",
        digest="digest-of-child",
        base_model="tiny-llama",
        niche="sorting",
        ask_nanos=10**9,
        receipt=ReceiptFacts(skill="sorting", n_questions=100, n_correct=80, n_base_correct=30),
        parents=parents,
        key="child",
    )
    assert made.parents and made.parents == hosted.market.listing("child").parents


@pytest.mark.parametrize(
    ("deed", "error"),
    [
        (lambda m: m.listing("sortre"), ListingNotFoundError),
        (lambda m: m.buy(buyer="bob", listing="sorter", key="again"), AlreadyOwnedError),
        (lambda m: m.buy(buyer="bob", listing="adder", key="k-buy"), IdempotencyKeyReusedError),
        (
            lambda m: m.subscribe(account="bob", fee_nanos=10**15, days=1, key="s"),
            InsufficientCreditsError,
        ),
    ],
)
def test_a_refusal_is_the_same_error_with_the_same_words(
    hosted: Hosted,
    bob: RemoteMarket,
    deed: Callable[[Any], object],
    error: type[MarketError],
) -> None:
    """So that a command prints the same line, local or remote."""
    publish_example(hosted.market, "ada", "adder")
    bob.buy(buyer="bob", listing="sorter", key="k-buy")
    with pytest.raises(error) as afar:
        deed(bob)
    if error is not IdempotencyKeyReusedError:  # keys carry their account's name on a service
        with pytest.raises(error) as here:
            deed(hosted.market)
        assert str(afar.value) == str(here.value)
    assert type(afar.value) is error


def test_accounts_see_nobody_else(hosted: Hosted, bob: RemoteMarket) -> None:
    """Neither balance nor postings, and spending for others is refused."""
    for deed in (
        lambda: bob.account("ada"),
        lambda: bob.postings("ada"),
        lambda: bob.buy(buyer="ada", listing="sorter", key="x"),
        lambda: hosted.at(None).account("bob"),
        lambda: bob.fund("bob", 10**9, key="x"),
        lambda: bob.close_epoch(),
    ):
        with pytest.raises(ServiceError):
            deed()
    assert [view.name for view in bob.accounts()] == ["bob"]


def test_an_operator_grants_and_closes_epochs(hosted: Hosted, bob: RemoteMarket) -> None:
    """With its key, from afar."""
    operator = hosted.at("operator")
    operator.fund("bob", 5 * NANOS_PER_CREDIT, key="gift")
    assert bob.account("bob").balance_nanos == 105 * NANOS_PER_CREDIT
    before = hosted.market.epoch()
    operator.close_epoch(before)
    operator.close_epoch(before)
    assert hosted.market.epoch() == before + 1


def test_an_epoch_is_closed_once_per_key(hosted: Hosted) -> None:
    """The same answer again, by another process too; the key with another number is refused."""
    for _ in range(2):
        hosted.at("operator").close_epoch(key="monday")
    assert hosted.market.epoch() == 1
    with pytest.raises(IdempotencyKeyReusedError):
        hosted.at("operator").close_epoch(1, key="monday")
    hosted.at("operator").close_epoch(key="tuesday")
    assert hosted.market.epoch() == 2


def test_a_statement_comes_by_pages_from_the_newest(hosted: Hosted, bob: RemoteMarket) -> None:
    """As at home, and each page is one request; a cursor of ours is none of the service's."""
    for i in range(6):
        hosted.market.fund("bob", 1, key=f"more-{i}")
    first = bob.statement("bob", limit=4)
    second = bob.statement("bob", limit=4, cursor=first.next)
    assert first.lines + second.lines == hosted.market.statement("bob").lines
    assert second.next is None and len(second.lines) == 3
    own = hosted.market.statement("bob", limit=4).next
    with pytest.raises(MarketError, match="cursor"):
        bob.statement("bob", cursor=own)


def test_incomes_and_earnings_are_those_of_home(hosted: Hosted, bob: RemoteMarket) -> None:
    """More of them than one page holds, each once."""
    uses = [Charge("bob", "sorter", n, f"use-{n}") for n in range(1, 121)]
    hosted.market.charge_many(uses)
    ada = hosted.at("ada")
    assert ada.incomes("ada") == hosted.market.incomes("ada")
    assert len(ada.incomes("ada")) == len(uses)
    assert ada.earnings("ada") == hosted.market.earnings("ada")
    (earned,) = ada.earnings("ada")
    assert (earned.n_payments, earned.way, earned.role) == (len(uses), "usage", "seller")


def test_an_epoch_is_closed_once_however_answers_are_lost(hosted: Hosted) -> None:
    """Nobody named it: the client names the running one before it asks."""
    for fate in ("request", "answer"):
        before, planned = hosted.market.epoch(), iter(["", fate, fate])
        hosted.at("operator", lambda _, planned=planned: next(planned, "")).close_epoch()
        assert hosted.market.epoch() == before + 1


def test_a_mandate_signs_with_a_key_of_its_own(hosted: Hosted, bob: RemoteMarket) -> None:
    """Its holder spends up to the cap, sees nothing of the owner's, and is stopped by the owner."""
    bob.open_mandate(owner="bob", name="agent", cap_nanos=NANOS_PER_CREDIT, key="m")
    bob.fund_mandate("bob/agent", NANOS_PER_CREDIT, key="f")
    agent = hosted.at("bob/agent")
    key = hosted.keys["bob/agent"]
    proof = prove_key(key.private, "bob/agent")
    with pytest.raises(ServiceError):
        agent.add_key("bob/agent", key.public, proof=proof, key="k")
    bob.add_key("bob/agent", key.public, proof=proof, key="k")
    assert agent.charge(account="bob/agent", listing="sorter", units=10, key="u").amount_nanos > 0
    for deed in (
        lambda: agent.account("bob"),
        lambda: agent.charge(account="bob", listing="sorter", units=10, key="u2"),
        lambda: agent.fund_mandate("bob/agent", 1, key="f2"),
    ):
        with pytest.raises(ServiceError):
            deed()
    assert bob.revoke_key("bob/agent", key.public, key="r").revoked_at is not None
    with pytest.raises(ServiceError):
        agent.account("bob/agent")
    assert bob.charge(account="bob/agent", listing="sorter", units=10, key="u3").amount_nanos > 0


def test_a_mandate_shops_with_its_owners_key(hosted: Hosted, bob: RemoteMarket) -> None:
    """What it buys is its owner's; what it may spend is capped."""
    bob.open_mandate(owner="bob", name="shopper", cap_nanos=2 * NANOS_PER_CREDIT, key="m")
    bob.fund_mandate("bob/shopper", 2 * NANOS_PER_CREDIT, key="f")
    assert bob.account("bob/shopper").balance_nanos == 2 * NANOS_PER_CREDIT
    price = bob.listing("sorter").price_nanos
    if price <= 2 * NANOS_PER_CREDIT:
        bob.buy(buyer="bob/shopper", listing="sorter", key="b")
        assert hosted.market.owns("bob", "digest-of-sorter")
    bob.reclaim_mandate("bob/shopper", key="r")
    assert bob.account("bob/shopper").balance_nanos == 0


@pytest.mark.parametrize("fates", list(itertools.product(["", "request", "answer"], repeat=3)))
def test_however_answers_are_lost_a_purchase_is_made_once(
    hosted: Hosted, bob: RemoteMarket, fates: tuple[str, ...]
) -> None:
    """The client repeats with the same key: one payment, one answer."""
    planned = iter(fates)

    def fate(request: httpx.Request) -> str:
        return next(planned, "")

    bought = hosted.at("bob", fate).buy(buyer="bob", listing="sorter", key="k")
    assert bought.listing == "sorter" and bought.key == "k"
    assert len(purchases(hosted.market, "bob")) == 1
    assert hosted.market.verify() == []


def test_when_every_answer_is_lost_the_key_tells_what_happened(
    hosted: Hosted, bob: RemoteMarket
) -> None:
    """The error names the key; repeating with it finds the purchase that was made."""
    with pytest.raises(ServiceUnreachableError, match="--key k-lost"):
        hosted.at("bob", lambda _: "answer").buy(buyer="bob", listing="sorter", key="k-lost")
    again = bob.buy(buyer="bob", listing="sorter", key="k-lost")
    assert again.replayed
    assert len(purchases(hosted.market, "bob")) == 1


def test_listings_are_asked_for_as_they_are_looked_at(
    hosted: Hosted, bob: RemoteMarket, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first of many costs one request; a limit asks for no more than it says."""
    for number in range(7):
        publish_example(hosted.market, "ada", f"layer-{number}")
    asked: list[str] = []

    def fate(request: httpx.Request) -> str:
        asked.append(request.url.params["limit"])
        return ""

    monkeypatch.setattr("marketplace.client.remote.MAX_PAGE_SIZE", 3)
    market = hosted.at("bob", fate)
    found = market.listings()
    assert asked == []
    assert next(iter(found)).name == "layer-0" and len(asked) == 1
    assert [view.name for view in market.listings(limit=3)] == ["layer-0", "layer-1", "layer-2"]
    assert len(asked) == 2
    assert list(market.listings()) == hosted.market.listings() and len(asked) == 5
    assert list(market.listings(limit=5)) == hosted.market.listings(limit=5)


def test_long_lists_come_in_pages_and_whole(hosted: Hosted, bob: RemoteMarket) -> None:
    """More postings than one page holds, none twice, none missing."""
    for i in range(130):
        hosted.market.fund("bob", 1, key=f"more-{i}")
    assert list(bob.postings("bob")) == hosted.market.postings("bob")


@pytest.mark.parametrize("key", ["", "two words", "ä", "x" * 129])
def test_keys_that_cannot_travel_are_refused_here(
    hosted: Hosted, bob: RemoteMarket, key: str
) -> None:
    """One line, before anything is sent."""
    with pytest.raises(InvalidInputError):
        bob.buy(buyer="bob", listing="sorter", key=key)
    assert purchases(hosted.market, "bob") == []


def test_names_from_strangers_do_not_change_the_address(bob: RemoteMarket) -> None:
    """Slashes, dots and question marks stay inside the name."""
    for name in ("../accounts/bob", "sorter?x=1", "sorter/quote", "a b", ".."):
        with pytest.raises(MarketError):
            bob.listing(name)
