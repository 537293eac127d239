"""Promises of marketplace.formula.ranking."""

from random import Random

from hypothesis import given
from hypothesis import strategies as st

from marketplace.formula.ranking import CLONE_FACTOR, Candidate, ordered, page_of, ranks
from marketplace.formula.reputation import Evidence

SIZE = 10


@st.composite
def markets(draw: st.DrawFn) -> list[Candidate]:
    """Listings of a few owners, some of them clones of others, some of clones."""
    found: list[Candidate] = []
    for number in range(draw(st.integers(1, 30))):
        evidence = Evidence(draw(st.integers(0, 50)), draw(st.integers(0, 50)))
        others = [None, *(candidate.name for candidate in found)]
        clone_of = draw(st.sampled_from(others))
        owner = draw(st.sampled_from(["ada", "bob", "cleo", "dan", "eve"]))
        found.append(Candidate(f"layer-{number}", owner, evidence, clone_of))
    return found


@given(markets(), st.integers(0, 2**32))
def test_a_clone_never_outranks_its_original(market: list[Candidate], seed: int) -> None:
    """Not by rank, not in order, not on a page made by chance alone."""
    rank = ranks(market)
    orders = [ordered(market), page_of(market, size=30, rng=Random(seed), explored=1.0)]
    for candidate in market:
        if candidate.clone_of is None:
            continue
        assert rank[candidate.name] <= CLONE_FACTOR * rank[candidate.clone_of]
        for order in orders:
            names = [other.name for other in order]
            assert names.index(candidate.clone_of) < names.index(candidate.name)


@given(markets(), st.integers(0, 2**32), st.integers(1, 12))
def test_a_page_shows_each_listing_once_and_is_full(
    market: list[Candidate], seed: int, size: int
) -> None:
    """Same seed, same page."""
    page = page_of(market, size=size, rng=Random(seed))
    assert len({candidate.name for candidate in page}) == len(page) == min(size, len(market))
    assert page == page_of(market, size=size, rng=Random(seed))


def test_one_owner_holds_at_most_three_of_ten_slots() -> None:
    """Though the twenty best listings are all its own."""
    giant = [Candidate(f"giant-{n}", "giant", Evidence(50.0, 0.0)) for n in range(20)]
    small = [Candidate(f"small-{n}", f"owner-{n}", Evidence(5.0, 5.0)) for n in range(20)]
    for seed in range(50):
        page = page_of(giant + small, size=SIZE, rng=Random(seed))
        assert sum(candidate.owner == "giant" for candidate in page) == 3


def test_the_cap_leaves_no_slot_empty() -> None:
    """When one owner is all there is, its listings fill the page."""
    giant = [Candidate(f"giant-{n}", "giant", Evidence(float(n), 1.0)) for n in range(20)]
    assert len(page_of(giant, size=SIZE, rng=Random(0))) == SIZE


def test_newcomers_are_shown_on_about_a_tenth_of_the_slots() -> None:
    """40 proven listings fill every page without exploration; with it, 10 % of the draws are luck.

    A newcomer draws from Beta(1, 1), a proven layer from around 0.9: the best of 40 newcomers
    nearly always wins a draw, so newcomers hold about 1 of 10 slots (measured 1.03 over 400).
    """
    proven = [Candidate(f"proven-{n}", f"a-{n}", Evidence(45.0, 5.0)) for n in range(40)]
    fresh = [Candidate(f"fresh-{n}", f"b-{n}", Evidence()) for n in range(40)]

    def shown(explored: float) -> float:
        pages = [
            page_of(proven + fresh, size=SIZE, rng=Random(seed), explored=explored)
            for seed in range(400)
        ]
        return sum(c.name.startswith("fresh") for page in pages for c in page) / len(pages)

    assert shown(0.0) == 0.0
    assert 0.7 < shown(0.1) < 1.3


def test_a_ring_of_clones_does_not_hang() -> None:
    """Publishing refuses one; a page still comes out of it."""
    ring = [
        Candidate("a", "ada", Evidence(9.0, 1.0), clone_of="b"),
        Candidate("b", "bob", Evidence(8.0, 1.0), clone_of="a"),
    ]
    assert len(page_of(ring, size=2, rng=Random(0))) == 2
