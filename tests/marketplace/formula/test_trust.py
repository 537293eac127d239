"""Promises of marketplace.formula.trust."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from marketplace.formula.trust import DUST, RESTART, Edge, personalised_pagerank, trust_of

names = st.sampled_from(["seed", "ada", "bob", "cleo", "dan"])
edges = st.lists(st.builds(Edge, names, names, st.floats(1.0, 1e6)), max_size=20)


def ring(size: int, *, nanos: float = 1e9) -> list[Edge]:
    """Sybils that pay each other in a circle, and each of them everybody's leader."""
    circle = [Edge(f"sybil-{n}", f"sybil-{(n + 1) % size}", nanos) for n in range(size)]
    return circle + [Edge(f"sybil-{n}", "leader", nanos) for n in range(size)]


@given(edges)
def test_trust_is_a_share_and_starts_at_the_seeds(given: list[Edge]) -> None:
    """Values in (0, 1], the largest is 1, and somebody unpaid by anyone trusted is absent."""
    trust = trust_of(given, ["seed"])
    assert max(trust.values()) == 1.0
    assert all(DUST <= value <= 1.0 for value in trust.values())
    reached, grew = {"seed"}, True
    while grew:
        more = {edge.payee for edge in given if edge.payer in reached} - reached
        reached, grew = reached | more, bool(more)
    assert set(trust) <= reached


@given(edges, st.integers(2, 40))
def test_sybils_without_an_inbound_payment_have_exactly_nothing(
    honest: list[Edge], size: int
) -> None:
    """However much they pay each other and everybody else; nobody else's trust changes."""
    sybils = [*ring(size), Edge("sybil-0", "ada", 1e12)]
    before, after = trust_of(honest, ["seed"]), trust_of(honest + sybils, ["seed"])
    assert after == before
    assert not any(name.startswith(("sybil", "leader")) for name in after)


@given(st.integers(2, 30), st.floats(0.001, 1e3))
def test_a_paid_ring_holds_at_most_its_bound(size: int, paid: float) -> None:
    """t(S) <= (1 - a)/a times the trust that flows in (Cheng and Friedman's setting)."""
    market = [Edge("seed", "ada", 100.0), Edge("ada", "sybil-0", paid), Edge("ada", "bob", 100.0)]
    mass = personalised_pagerank(market + ring(size), ["seed"])
    inside = sum(value for name, value in mass.items() if name.startswith(("sybil", "leader")))
    inflow = mass["ada"] * paid / (paid + 100.0)
    assert 0.0 < inside <= (1 - RESTART) / RESTART * inflow + 1e-9


def test_agrees_with_the_closed_form_on_a_chain() -> None:
    """seed -> ada -> bob: a, a(1-a), a(1-a)^2, scaled by the first."""
    trust = trust_of([Edge("seed", "ada", 5.0), Edge("ada", "bob", 9.0)], ["seed"])
    assert trust == {
        "seed": 1.0,
        "ada": pytest.approx(1 - RESTART),
        "bob": pytest.approx((1 - RESTART) ** 2),
    }


def test_agrees_with_numbers_worked_out_by_hand() -> None:
    """a = 0.15, and a circle, so that no scaling hides it.

    seed pays ada 3 and bob 1; ada pays bob; bob pays ada.
        A = .85 (3/4 s + B),  B = .85 (1/4 s + A),  s = .15
        A = .095625 + .85 B,  B = .031875 + .85 A
        A = (.095625 + .85 * .031875) / (1 - .7225) = .12271875 / .2775 = .442230
        B = .031875 + .85 * .442230 = .407770
    Together with the seed's .15 that is 1, as nobody keeps what it gets.
    """
    market = [Edge("seed", "ada", 3.0), Edge("seed", "bob", 1.0)]
    circle = [Edge("ada", "bob", 5.0), Edge("bob", "ada", 7.0)]
    mass = personalised_pagerank(market + circle, ["seed"])
    assert mass == {
        "seed": pytest.approx(0.15),
        "ada": pytest.approx(0.4422297, abs=1e-6),
        "bob": pytest.approx(0.4077703, abs=1e-6),
    }
    assert trust_of(market + circle, ["seed"])["seed"] == pytest.approx(0.3391902, abs=1e-6)
    paid = trust_of([Edge("seed", "ada", 5.0)], ["seed"])
    assert paid["ada"] == pytest.approx(0.85)  # what the restart leaves


def test_buying_makes_nobody_trusted() -> None:
    """A thousand dollars spent at a trusted shop buy a layer, not a reputation."""
    trust = trust_of([Edge("seed", "shop", 1.0), Edge("buyer", "shop", 1e12)], ["seed"])
    assert "buyer" not in trust


def test_without_seeds_nobody_is_trusted() -> None:
    """The caller decides what that means."""
    assert trust_of([Edge("ada", "bob", 1.0)], []) == {}


def test_the_order_of_payments_does_not_matter() -> None:
    """Added up per pair; same trust from the same books."""
    market = [Edge("seed", name, 3.0) for name in "abc"] + [
        Edge("a", "b", 0.1),
        Edge("c", "a", 7.0),
    ]
    assert trust_of(reversed(market), ["seed"]) == pytest.approx(trust_of(market, ["seed"]))
