"""Promises of economy.simulator: a seeded economy, and attacks that do not pay in it."""

import csv
import json
from dataclasses import replace
from functools import cache
from pathlib import Path

import pytest

from economy.simulator.attacks import draw
from economy.simulator.economy import simulate
from economy.simulator.history import History
from economy.simulator.settings import ATTACKS, Economy, Shock
from marketplace.errors import InvalidInputError
from marketplace.formula.ranking import CLONE_FACTOR

SMALL = Economy(
    months=2,
    skills=("sql", "writing"),
    n_buyers=60,
    n_creators=5,
    shocks=(Shock(day=20, skill="sql", factor=4.0, days=5),),
    attack_day=10,
)
FIRST_INVESTMENT = 29
"""The first day on which what creators earned changes what is on sale."""


@cache
def played(*attacks: str, seed: int = 0) -> History:
    """The small economy with these attacks; the same object for the same question."""
    return simulate(replace(SMALL, attacks=attacks, seed=seed))


def net(history: History, attack: str) -> float:
    """Credits the attacker and its helpers end with."""
    return float(history.summary["attackers"][attack]["net_credits"])


def test_the_same_seed_gives_the_same_history() -> None:
    """Every row of both tables; another seed gives another."""
    again = simulate(replace(SMALL, attacks=()))
    assert again.days == played().days
    assert again.layers == played().layers
    assert played(seed=1).days != played().days


def test_no_credit_is_lost_or_made() -> None:
    """With all attacks under way: all balances sum to 0, the platform has a tenth, rounded up."""
    history = played(*ATTACKS)
    revenue = sum(day.revenue_nanos for day in history.days)
    fees = sum(day.fees_nanos for day in history.days)
    payments = sum(day.uses for day in history.days) + 60 * 1100
    assert history.summary["books_balance"]
    assert 0 <= 10 * fees - revenue < 10 * payments


def test_washing_moves_no_price_and_costs_its_fee() -> None:
    """Gain at most 1 % of honest revenue; here exactly minus the fees, every price unchanged."""
    washed, honest = played("wash"), played()
    assert [row.price_nanos for row in washed.layers] == [row.price_nanos for row in honest.layers]
    assert [day.uses for day in washed.days] == [day.uses for day in honest.days]
    fees = sum(day.fees_nanos for day in washed.days) - sum(day.fees_nanos for day in honest.days)
    assert fees > 0
    assert net(washed, "wash") - net(honest, "wash") == pytest.approx(-fees / 10**9)


def test_a_thousand_sybil_reviewers_move_no_ranking() -> None:
    """Five praises and five complaints each, week after week: every reputation stays to the bit.

    Later than the first investment the payments to the slandered rival make it richer, which is
    the only effect the attack has.
    """
    flooded, quiet = played("sybil"), played()
    before = [row.reputation for row in quiet.layers if row.day <= FIRST_INVESTMENT]
    assert [row.reputation for row in flooded.layers if row.day <= FIRST_INVESTMENT] == before
    assert net(flooded, "sybil") < net(quiet, "sybil")


def test_a_clone_stays_below_its_original_every_day() -> None:
    """By at least 5 % of reputation, also while the original's changes."""
    history = played("clone")
    reputations = {(row.day, row.layer): row.reputation for row in history.layers}
    clones = [row for row in history.layers if row.clone_of]
    assert len(clones) > 30
    for row in clones[1:]:  # from the first close on
        assert row.reputation <= CLONE_FACTOR * reputations[row.day, row.clone_of]


def test_whitewashing_gains_nothing() -> None:
    """A worn layer republished under new names and accounts earns what it would have earned."""
    gain = net(played("whitewash"), "whitewash") - net(played(), "whitewash")
    assert gain <= 0.0


def test_a_shock_shows_in_the_uses() -> None:
    """Four times the demand for one of two skills: about 2.5 times the uses while it lasts."""
    uses = [day.uses for day in played().days]
    ordinary, shocked = sum(uses[10:20]) / 10, sum(uses[20:25]) / 5
    assert 1.8 < shocked / ordinary < 3.2


def test_the_visions_layer_does_not_pay_for_itself() -> None:
    """$50 at $0.0009 a use takes 55,556 uses, not 10,000."""
    assert played().summary["creators"]["uses_to_break_even"] == 55_556


def test_tables_and_pictures_are_written(tmp_path: Path) -> None:
    """Two CSV tables with a row per day and per layer and day, a summary, an SVG and a PNG."""
    history = played(*ATTACKS)
    days, layers, summary = history.write(tmp_path)
    with days.open() as file:
        assert [int(row["day"]) for row in csv.DictReader(file)] == list(range(60))
    with layers.open() as file:
        assert sum(1 for _ in csv.DictReader(file)) == len(history.layers)
    assert json.loads(summary.read_text()) == history.summary
    picture, bitmap = draw(history, tmp_path)
    assert picture.read_text().startswith("<?xml")
    assert bitmap.read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize(
    "change",
    [{"months": 0}, {"attacks": ("bribe",)}, {"shocks": (Shock(0, "cooking", 2.0, 1),)}],
)
def test_impossible_economies_are_refused_on_one_line(change: dict[str, object]) -> None:
    """With rule, value and remedy."""
    with pytest.raises(InvalidInputError, match=r"\A[^\n]*(simulate|choose|rename)[^\n]*\Z"):
        replace(SMALL, **change)  # type: ignore[arg-type]  # the mistake under test
