"""One trader under two names is one trader: `ada/shop` sells, `ada` acts, and nothing comes of it.

The first test lists every place of the marketplace that compares owners, payers or accounts, with
what it must compare. A new comparison fails it until somebody says which kind it is.
"""

import ast
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import marketplace
from marketplace.errors import (
    AlreadyOwnedError,
    LicenceConflictError,
    NotOwnerError,
    OwnLayerError,
    StatusError,
)
from marketplace.ledger.account import principal_of, speaks_for
from marketplace.market import Market
from marketplace.receipt import ReceiptFacts
from tests.support.market import example_weights
from tests.support.trading import HandClock, balances, open_bazaar, put_up

SAME, LEAVE, ROWS = "the same trader?", "may it dispose of that?", "rows of exactly this name"
"""What is compared: principals; an account with an owner's; names that were looked up as such."""

COMPARISONS = {
    "formula/royalty.py": {"bred.owner != seller": SAME, "bred.owner not in elders": SAME},
    "formula/trust.py": {"edge.payer != edge.payee": SAME},
    "ledger/account.py": {"account in (owner, principal_of(owner))": LEAVE},
    "ledger/account_key.py": {
        "AccountKey.account == account": ROWS,
        "view.account != self.account": LEAVE,
        "known.account != self.account": LEAVE,
    },
    "ledger/audit.py": {
        "promised != [(payer, -amount)]": ROWS,
        "previous != last.get(account, 0)": ROWS,
        "account != ESCROW": ROWS,
    },
    "ledger/hold.py": {"OpenHold.payer == payer": ROWS},
    "ledger/mandate.py": {
        "_table('account').c.owner == principal": SAME,
        "account.name == principal": SAME,
        "account.owner == principal": SAME,
    },
    "ledger/statement.py": {"Account.owner == owner": ROWS},
    "listing/licence.py": {"ancestor.owner == owner": SAME},
    "listing/listing.py": {"account == PLATFORM": ROWS},
    "listing/publish.py": {
        "submission.owner != view.owner": LEAVE,
        "owner == principal_of(submission.owner)": SAME,
        "its_owner == principal_of(owner)": SAME,
        "AccountKey.account == submission.owner": ROWS,
        "principal_of(event.by) == owner": SAME,
        "signer.account != submission.owner": LEAVE,
    },
    "listing/rows.py": {"purchase.buyer != seller": SAME, "account.name == listing.owner": ROWS},
    "price/known.py": {
        "buyer != principal_of(owner)": SAME,
        "payer != payee": SAME,
        "PLATFORM not in (payer, payee)": ROWS,
    },
    "service/caller.py": {"account == self.account": LEAVE},
    "service/layer_store.py": {
        "principal_of(uploader) != principal_of(account)": SAME,
        "self._unlisted.account(digest) not in (None, account)": LEAVE,
        "who == principal": SAME,
    },
    "trade/bounty.py": {
        "principal_of(view.owner) == row.principal": SAME,
        "judge != principal_of(seller)": SAME,
        "judge == row.principal": SAME,
    },
    "trade/bundle.py": {"principal_of(view.owner) == principal": SAME},
    "trade/buy.py": {
        "principal_of(view.owner) == principal": SAME,
        "Purchase.buyer == buyer": ROWS,
    },
    "trade/compute.py": {"principal == principal_of(row.owner)": SAME},
    "trade/debts.py": {
        "debtor in claim_of(session, debt.transfer_id).owed": SAME,
        "Account.name == principal": SAME,
        "Account.owner == principal": SAME,
        "Debt.debtor == debtor": SAME,
        "who in (row.debtor, principal_of(row.creditor))": SAME,
        "account.name != principal": ROWS,
    },
    "trade/demand.py": {
        "SearchMiss.account == name": SAME,
        "col(Settlement.principal) != func.coalesce(Account.owner, Account.name)": SAME,
        "said.c.reviewer == Settlement.principal": SAME,
        "col(Account.name) == col(Listing.owner)": ROWS,
    },
    "trade/incomes.py": {
        "col(Income.account) == account": ROWS,
        "Settlement.principal == principal": SAME,
    },
    "trade/meter.py": {"Meter.principal == principal": SAME},
    "trade/moderation.py": {
        "principal_of(by) != principal_of(view.owner)": SAME,
        "principal_of(self.by) == principal_of(view.owner)": SAME,
    },
    "trade/recheck.py": {
        "owner != view.owner": LEAVE,
        "principal_of(by) == principal_of(owner)": SAME,
        "by == principal": SAME,
    },
    "trade/rent.py": {"Rental.renter == renter": SAME},
    "trade/returns.py": {"one.debtor in able": SAME},
    "trade/review.py": {"principal_of(view.owner) == principal": SAME},
    "trade/rights.py": {
        "sellers_of(session, [version.listing])[version.listing] == principal": SAME,
        "sellers_of(session, [listing])[listing] == principal": SAME,
        "sellers.get(listing) == who": SAME,
        "Purchase.buyer == principal": SAME,
        "Rental.renter == principal": SAME,
    },
    "trade/subscription.py": {"Subscription.principal == principal": SAME},
    "trade/terms.py": {"view.owner != self.owner": LEAVE},
    "trade/trial.py": {
        "Trial.principal == principal": SAME,
        "Trial.buyer == buyer": ROWS,
        "Trial.principal == buyer": ROWS,
    },
}
TRADERS = {
    "account",
    "buyer",
    "by",
    "creditor",
    "debtor",
    "judge",
    "maker",
    "owner",
    "payee",
    "payer",
    "principal",
    "renter",
    "reviewer",
    "seller",
    "sponsor",
    "uploader",
    "who",
}
"""Names under which code holds an account's name."""
OTHERWISE = ("len(good_keys(session, account)) == 1",)
"""Comparisons of something else that mention an account."""
ELSEWHERE = ("store/migrations",)
"""Folders without accounts of a market, or with a model of the ledger that knows no mandates."""


def comparisons() -> Iterator[tuple[str, str]]:
    """(file, source) of every ==, !=, in and not in over something that holds an account."""
    root = Path(marketplace.__file__).parent
    for path in sorted(root.rglob("*.py")):
        name = path.relative_to(root).as_posix()
        if name.startswith(ELSEWHERE):
            continue
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if not isinstance(node, ast.Compare):
                continue
            known = {getattr(n, "id", getattr(n, "attr", "")) for n in ast.walk(node)}
            kinds = (ast.Eq, ast.NotEq, ast.In, ast.NotIn)
            source = ast.unparse(node)
            is_other = source.startswith(OTHERWISE) or not isinstance(node.ops[0], kinds)
            if known & TRADERS and not is_other:
                yield name, source


def test_every_comparison_of_accounts_is_known() -> None:
    """Say in COMPARISONS what a new one compares: traders (`principal_of`), leave, or rows."""
    found = set(comparisons())
    listed = {(name, source) for name, sources in COMPARISONS.items() for source in sources}
    assert found - listed == set(), "say what these compare"
    assert listed - found == set(), "these are gone"


def test_a_mandate_is_its_owner_and_speaks_for_nobody() -> None:
    """Who trades, and who may dispose: an owner for its mandate, not the other way round."""
    assert principal_of("ada/shop") == principal_of("ada") == "ada"
    assert speaks_for("ada", "ada/shop") and speaks_for("ada/shop", "ada/shop")
    assert not speaks_for("ada/shop", "ada") and not speaks_for("ada/bot", "ada/shop")


# --- what comes of trading with oneself


@pytest.fixture
def clock() -> HandClock:
    """The market's time."""
    return HandClock()


@pytest.fixture
def market(clock: HandClock) -> Iterator[Market]:
    """`ada/shop` sells 'sort' and 'count' and offers a machine; ada has credits and is judge."""
    with open_bazaar(clock=clock) as market:
        market.open_mandate(owner="ada", name="shop", cap_nanos=10**12, key="shop")
        market.open_mandate(owner="ada", name="bot", cap_nanos=10**12, key="bot")
        market.fund_mandate("ada/bot", 10**10, key="fund-bot")
        put_up(market, "ada/shop", "sort")
        put_up(market, "ada/shop", "count")
        market.offer_compute(
            owner="ada/shop",
            name="gpu",
            resource="training",
            ask_nanos=10**6,
            capacity_units=1000,
            key="gpu",
        )
        market.appoint_evaluator("ada", key="judge")
        yield market
        assert market.verify() == []


def receipt(market: Market, listing: str = "sort") -> int:
    """Number of a listing's receipt."""
    return market.receipts(listing)[0].id


def claimed(market: Market, who: str) -> None:
    """A bounty of ada's, met by ada's own layer as the platform says, claimed by an account."""
    posted = market.bounty_post(
        sponsor=who,
        skill="sorting",
        base_model="tiny-llama",
        exam="standard",
        min_questions=1,
        min_accuracy_parts=1,
        reward_nanos=5 * 10**9,
        days=9,
        key=f"post-{who}",
    )
    market.recheck(
        receipt=receipt(market),
        by="platform",
        n_correct=80,
        n_base_correct=30,
        seed=7,
        questions_digest="f" * 64,
        key="exam",
    )
    market.bounty_claim(bounty=posted.bounty, listing="sort", by=who, key="claim")


DEEDS: dict[str, tuple[Callable[[Market, str], object], type[Exception]]] = {
    "buy": (lambda m, who: m.buy(buyer=who, listing="sort", key="k"), OwnLayerError),
    "rent": (lambda m, who: m.rent(renter=who, listing="sort", days=1, key="k"), OwnLayerError),
    "try": (
        lambda m, who: m.trial_open(
            buyer=who, listing="sort", challenge_digest="d", n_questions=1, min_gain=0, key="k"
        ),
        OwnLayerError,
    ),
    "meter": (
        lambda m, who: m.meter_open(account=who, listing="sort", limit_nanos=9, days=1, key="k"),
        OwnLayerError,
    ),
    "review": (
        lambda m, who: m.review(reviewer=who, listing="sort", n_good=1, n_bad=0, key="k"),
        OwnLayerError,
    ),
    "re-run": (
        lambda m, who: m.recheck(
            receipt=receipt(m), by=who, n_correct=80, n_base_correct=30, key="k"
        ),
        NotOwnerError,
    ),
    "machine": (
        lambda m, who: m.use_compute(buyer=who, offer="gpu", units=9, key="k"),
        OwnLayerError,
    ),
    "bounty": (claimed, NotOwnerError),
}


@pytest.mark.parametrize("who", ["ada", "ada/bot", "ada/shop"])
@pytest.mark.parametrize("deed", DEEDS)
def test_nobody_trades_with_a_mandate_of_the_same_owner(
    market: Market, deed: str, who: str
) -> None:
    """Whichever account acts; it is refused before anything moves."""
    work, error = DEEDS[deed]
    if who == "ada/shop":
        market.fund_mandate("ada/shop", 10**10, key="fund-shop")
    before = balances(market)
    with pytest.raises(error):
        work(market, who)
    assert balances(market) == before


@pytest.mark.parametrize("deed", ["release", "quarantine", "revoke"])
def test_no_evaluator_judges_what_a_mandate_of_its_own_sells(market: Market, deed: str) -> None:
    """Neither to save it nor to take it down; what stays is an owner's withdrawal."""
    if deed == "release":
        market.quarantine(listing="sort", by="platform", reason="test", key="q")
    if deed == "revoke":
        market.buy(buyer="eve", listing="sort", key="sale")
    with pytest.raises((NotOwnerError, StatusError)):
        getattr(market, deed)(listing="sort", by="ada", reason="mine", key="k")
    assert market.listing("sort").status == ("quarantined" if deed == "release" else "listed")


def test_own_use_is_free_and_says_nothing(market: Market) -> None:
    """Owned and fetched by all accounts of the owner; no demand, no sale, no trust, same price."""
    digest = market.listing("sort").digest
    for who in ("ada", "ada/bot"):
        assert market.owns(who, digest) and market.may_fetch(who, digest)
        used = market.charge(account=who, listing="sort", units=9, key=f"use-{who}")
        assert (used.covered_by, used.amount_nanos) == ("own", 0)
    before = market.listing("sort")
    market.vouch("ada", key="vouch")
    market.close_epoch()
    assert market.demand() == []
    after = market.listing("sort")
    assert (after.price_nanos, after.reputation, after.sales) == (
        before.price_nanos,
        before.reputation,
        0,
    )


def test_old_self_trade_counts_no_more(market: Market) -> None:
    """Sales that an earlier version let through: no sale, no buyer, no trust, no demand."""
    with pytest.MonkeyPatch.context() as patch:
        for module in ("buy", "review"):
            patch.setattr(f"marketplace.trade.{module}.principal_of", lambda name: name)
        patch.setattr("marketplace.trade.rights.principal_of", lambda name: name)
        market.buy(buyer="ada", listing="sort", key="self")
    market.vouch("ada", key="vouch")
    assert market.listing("sort").sales == 0
    assert [point.sales for point in market.price_history("sort")] == [0]
    assert market.demand() == []
    market.close_epoch()
    assert market.listing("sort").log_premium == 0.0
    assert market.trust("ada/shop") == 0.0


def test_a_bundle_of_ones_own_is_left_out_and_discounts_what_one_may(market: Market) -> None:
    """Ada owns all of her shop's pack; she may discount it, her program may not discount hers."""
    market.bundle_create(
        owner="ada", name="pack", listings=["sort", "count"], discount_parts=500_000, key="pack"
    )
    price = market.listing("sort").price_nanos
    assert market.bundles()[0].price_nanos == 2 * -(-price // 2)
    with pytest.raises(AlreadyOwnedError):
        market.bundle_buy(buyer="ada/bot", bundle="pack", key="k")
    put_up(market, "ada", "own")
    cheap = market.bundle_create(
        owner="ada/bot", name="cheap", listings=["own", "sort"], discount_parts=500_000, key="cheap"
    )
    assert cheap.price_nanos == 2 * price


def test_sales_pumped_through_a_bundle_do_not_show(market: Market) -> None:
    """Given away at a day's rent they are no sales; at half the price and more they are."""
    for name, parts in (("gift", 999_999), ("deal", 400_000)):
        market.bundle_create(
            owner="ada/shop", name=name, listings=["sort", "count"], discount_parts=parts, key=name
        )
    market.bundle_buy(buyer="eve", bundle="gift", key="gift-eve")
    assert market.listing("sort").sales == 0
    market.fund("tom", 10**10, key="tom")
    market.bundle_buy(buyer="tom", bundle="deal", key="deal-tom")
    assert market.listing("sort").sales == 1
    assert sum(point.sales for point in market.price_history("sort")) == 1


def test_no_royalty_flows_from_an_owner_to_its_mandate(market: Market) -> None:
    """A fork of one's own layer under another name pays nobody, and two mandates are one maker."""
    put_up(market, "ada", "fork", parents=["sort"])
    market.buy(buyer="eve", listing="fork", key="sale")
    roles = {one.role for name in ("ada", "ada/shop") for one in market.incomes(name)}
    assert roles == {"seller"}
    put_up(market, "ada/bot", "again", parents=["sort"])
    put_up(market, "tom", "child", parents=["again"])
    market.buy(buyer="eve", listing="child", key="sale-2")
    paid = {name: market.incomes(name) for name in ("ada", "ada/shop", "ada/bot")}
    assert [(n, one.role) for n in paid for one in paid[n] if one.listing == "child"] == [
        ("ada", "royalty")
    ]


def test_no_page_is_filled_by_one_owner_under_many_names(market: Market) -> None:
    """A third of a page is one trader's at most while others have something to show."""
    for number in range(4):
        put_up(market, f"ada/{'shop' if number % 2 else 'bot'}", f"many-{number}")
    for name in ("bob", "tom", "zoe", "eve"):
        put_up(market, name, f"of-{name}")
    first = market.search(limit=5).listings
    assert sum(principal_of(one.owner) == "ada" for one in first) == 1


def test_ones_own_licence_binds_no_mandate_but_others_licence_does(market: Market) -> None:
    """What ada published without a licence her shop may build on; a stranger may not."""
    facts = ReceiptFacts(skill="sorting", n_questions=100, n_correct=80, n_base_correct=30)
    given: dict[str, Any] = {
        "base_model": "tiny-llama",
        "niche": "sorting",
        "ask_nanos": 10**9,
        "receipt": facts,
    }
    market.publish(owner="ada", name="plain", digest="d-plain", key="p1", **given)
    market.publish(
        owner="ada/shop", name="on-it", digest="d-on", parents=["plain"], key="p2", **given
    )
    with pytest.raises(LicenceConflictError):
        market.publish(
            owner="tom", name="theft", digest="d-theft", parents=["plain"], key="p3", **given
        )


def test_a_revoked_layer_does_not_come_back_through_a_mandate(market: Market) -> None:
    """Nor does an owner's own revocation of a copy free it for the same owner."""
    facts = ReceiptFacts(skill="sorting", n_questions=100, n_correct=80, n_base_correct=30)
    given: dict[str, Any] = {
        "base_model": "tiny-llama",
        "niche": "sorting",
        "ask_nanos": 10**9,
        "receipt": facts,
        "weights": example_weights(),
        "licence": "Apache-2.0",
    }
    market.publish(owner="ada/shop", name="bad", digest="d-bad", key="p1", **given)
    market.revoke(listing="bad", by="platform", reason="poisoned", key="r")
    for number, who in enumerate(("ada", "ada/bot")):
        with pytest.raises(StatusError, match="poisoned"):
            market.publish(owner=who, name="again", digest=f"d-{number}", key=f"p{who}", **given)
