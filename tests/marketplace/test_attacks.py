"""What cheating brings, against the stated bounds; wash trading's is in simulator/test_wash.py."""

from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from marketplace.errors import NearDuplicateError
from marketplace.formula.price import target_nanos
from marketplace.formula.ranking import CLONE_FACTOR, Candidate, ordered, ranks
from marketplace.formula.reputation import Evidence, Rating, Record, exam_evidence, inherited, rated
from marketplace.formula.trust import Edge, trust_of
from marketplace.market import Market, ReceiptFacts
from marketplace.money import NANOS_PER_CREDIT
from tests.support.market import example_weights
from tests.support.trading import open_bazaar, put_up

N_SYBILS = 1000
HONEST = [Edge("house", "ada", 50.0), Edge("ada", "bob", 20.0), Edge("house", "bob", 5.0)]
REVIEWS = {
    "sort": [Rating("ada", Evidence(8.0, 2.0), 1.0), Rating("bob", Evidence(5.0, 5.0), 9.0)],
    "count": [Rating("house", Evidence(9.0, 1.0), 3.0)],
    "rhyme": [],
}


def market_ranks(edges: list[Edge], reviews: dict[str, list[Rating]]) -> dict[str, float]:
    """Ranks of three layers by these payments and reviews; all did equally well in their exams."""
    trust = trust_of(edges, ["house"])
    records = {}
    for name, ratings in reviews.items():
        users, n_raters = rated(ratings, trust)
        records[name] = Record(exam_evidence(100, 70), users, n_raters=n_raters)
    return ranks([Candidate(name, name, record.evidence) for name, record in records.items()])


@settings(max_examples=10)
@given(st.sampled_from(sorted(REVIEWS)), st.booleans(), st.integers(1, 500))
def test_a_thousand_sybil_reviewers_move_a_ranking_by_zero(
    target: str, praise: bool, uses: int
) -> None:
    """Each paid for its use, paid the others in a ring, and rated; every rank stays to the bit."""
    sybils = [f"sybil-{number}" for number in range(N_SYBILS)]
    paid = [Edge(name, target, 10.0) for name in sybils]
    ring = [Edge(one, other, 1e6) for one, other in pairwise(sybils)]
    verdict = Evidence(uses * praise, uses * (not praise))
    flood = [*REVIEWS[target], *(Rating(name, verdict, 0.0) for name in sybils)]
    before = market_ranks(HONEST, REVIEWS)
    assert market_ranks([*HONEST, *paid, *ring], REVIEWS | {target: flood}) == before


@pytest.mark.parametrize("vouched", [True, False])
def test_sybil_reviewers_move_nothing_in_the_market_itself(vouched: bool) -> None:
    """Fifteen accounts buy, praise one layer and damn the other; both stand where they stood.

    Also where the operator has vouched for nobody yet.
    """
    sybils = [f"sybil-{number}" for number in range(15)]
    credits = dict.fromkeys(["ada", "bob", "tom"], 100) | dict.fromkeys(sybils, 10)

    def after(attackers: list[str]) -> list[tuple[str, int, float]]:
        market = open_bazaar(credits=credits)
        if vouched:
            market.vouch("ada", key="vouch")
        put_up(market, "bob", "sort")
        put_up(market, "tom", "order")
        market.buy(buyer="ada", listing="order", key="honest")
        for name in attackers:
            for listing, good in (("sort", 50), ("order", 0)):
                market.buy(buyer=name, listing=listing, key=f"{name}-{listing}")
                market.review(
                    reviewer=name,
                    listing=listing,
                    n_good=good,
                    n_bad=50 - good,
                    key=f"{name}-{listing}-review",
                )
        market.close_epoch()
        return [(v.name, v.price_nanos, v.reputation) for v in market.search("").listings]

    assert after(sybils) == after([])


def test_a_ring_of_the_owners_accounts_trades_itself_into_nothing() -> None:
    """Self-dealing: without an inbound payment from somebody trusted, all of it weighs zero."""
    ring = [Edge(f"sock-{n}", f"sock-{(n + 1) % 50}", 1e9) for n in range(50)]
    own = [Edge(f"sock-{n}", "owner", 1e9) for n in range(50)]
    trust = trust_of([*HONEST, *ring, *own], ["house"])
    assert set(trust) == {"house", "ada", "bob"}


@given(st.integers(0, 100), st.integers(0, 100), st.floats(0.0, 50.0), st.floats(0.0, 50.0))
def test_whitewashing_gains_nothing(n_correct: int, luck: int, s: float, f: float) -> None:
    """A worn layer republished by a new account inherits nothing and ranks below its old self.

    Even if its users' complaints are left behind and its new exam is luckier: the copy is found by
    its update and capped at 95 % of the original's rank.
    """
    old = Record(exam_evidence(100, n_correct), Evidence(s, f))
    assert inherited(old.evidence, same_owner=False) == Evidence()
    new = Record(exam_evidence(100, min(100, n_correct + luck)))
    rank = ranks(
        [Candidate("old", "eve", old.evidence), Candidate("new", "mallory", new.evidence, "old")]
    )
    assert rank["new"] <= CLONE_FACTOR * rank["old"]
    assert target_nanos(NANOS_PER_CREDIT, rank["new"], 0.0) <= target_nanos(
        NANOS_PER_CREDIT, rank["old"], 0.0
    )


def publish(market: Market, owner: str, name: str, n_correct: int, noise: float | None) -> None:
    """A layer that is the example update with this much noise; None = another update."""
    market.publish(
        owner=owner,
        name=name,
        digest=f"digest-of-{name}",
        base_model="tiny-llama",
        niche="sorting",
        ask_nanos=NANOS_PER_CREDIT,
        licence="Apache-2.0",
        parents=["root"] if noise else [],
        weights=None if noise is None else example_weights(0, noise),
        receipt=ReceiptFacts("sorting", 100, n_correct, 30),
        key=f"publish-{name}",
    )


def test_a_clone_that_claims_to_know_everything_is_still_a_clone() -> None:
    """100 of 100 stated, on two exams, before and after somebody looks: linked, below, cheaper.

    The original was honest (80), and nobody has sat its exam again either.
    """
    market = open_bazaar()
    publish(market, "bob", "root", 80, 0.0)
    lies = [ReceiptFacts(skill, 100, 100, 30) for skill in ("sorting", "counting")]
    terms: dict[str, Any] = {
        "owner": "tom",
        "name": "copy",
        "digest": "digest-of-copy",
        "base_model": "tiny-llama",
        "niche": "sorting",
        "ask_nanos": NANOS_PER_CREDIT,
        "licence": "Apache-2.0",
        "weights": example_weights(0, 0.01),
        "receipt": lies[0],
        "receipts": lies[1:],
        "key": "copy",
    }
    with pytest.raises(NearDuplicateError, match="'root' as parent"):
        market.publish(**terms)
    market.publish(**terms, parents=["root"])

    def check() -> None:
        root, copy = market.listing("root"), market.listing("copy")
        assert copy.near_of == "root"
        assert copy.reputation <= CLONE_FACTOR * root.reputation
        assert copy.price_nanos < root.price_nanos
        assert [view.name for view in market.search("").listings] == ["root", "copy"]

    check()
    market.close_epoch()
    check()
    market.recheck(
        receipt=market.receipts("copy")[0].id,
        by="platform",
        n_correct=81,
        n_base_correct=30,
        key="look",
    )
    for _ in range(3):
        check()
        market.close_epoch()
    before = market.account("bob").balance_nanos
    market.buy(buyer="ada", listing="copy", key="sale")
    assert market.account("bob").balance_nanos > before  # royalties


def test_an_unchecked_claim_does_not_outrank_a_measured_layer() -> None:
    """Whitewashing under a new name: 100 of 100 stated is worth less than 95 of 100 found."""
    market = open_bazaar()
    publish(market, "bob", "honest", 95, None)
    market.recheck(
        receipt=market.receipts("honest")[0].id,
        by="platform",
        n_correct=95,
        n_base_correct=30,
        key="look",
    )
    market.close_epoch()
    publish(market, "tom", "boast", 100, None)
    assert market.listing("boast").reputation < market.listing("honest").reputation
    assert [view.name for view in market.search("").listings] == ["honest", "boast"]
    market.recheck(
        receipt=market.receipts("boast")[0].id,
        by="platform",
        n_correct=60,
        n_base_correct=30,
        key="look-twice",
    )
    shown = market.listing("boast")
    assert (shown.accuracy, shown.n_correct, shown.lift) == (0.6, 60, pytest.approx(0.3))


def test_a_clone_is_ranked_and_priced_below_its_original() -> None:
    """A noisy copy with a slightly luckier exam: found, linked, and never above."""
    market = open_bazaar()
    publish(market, "bob", "root", 80, 0.0)
    publish(market, "tom", "copy", 84, 0.01)
    assert market.listing("copy").near_of == "root"
    for _ in range(5):
        market.close_epoch()
    root, copy = market.listing("root"), market.listing("copy")
    expected = target_nanos(NANOS_PER_CREDIT, CLONE_FACTOR * root.reputation, 0.0)
    assert copy.price_nanos == pytest.approx(expected, rel=1e-6)
    assert copy.price_nanos < root.price_nanos
    assert [view.name for view in market.search("").listings] == ["root", "copy"]


def test_the_order_of_equals_puts_the_original_first() -> None:
    """A clone of a layer without a record ties with it at 0 and still comes second."""
    clone = Candidate("a-clone", "eve", Evidence(), clone_of="root")
    assert [c.name for c in ordered([clone, Candidate("root", "bob", Evidence())])] == [
        "root",
        "a-clone",
    ]
