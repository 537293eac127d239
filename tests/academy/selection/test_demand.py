"""Demand enters through one mapping, and what is wrong with it is said in one line."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from academy.errors import DemandError
from academy.selection import demand as dm
from academy.selection.demand import Demand, from_trace, load

SKILLS = ("reverse", "sort", "add")


@pytest.fixture
def write(tmp_path: Path) -> Callable[[str, str], Path]:
    def to_file(name: str, text: str) -> Path:
        path = tmp_path / name
        path.write_text(text, encoding="utf-8")
        return path

    return to_file


@given(st.lists(st.floats(0, 1e300), min_size=1, max_size=8).filter(any))
def test_shares_sum_to_one_whatever_the_unit(weights: list[float]) -> None:
    skills = tuple(f"s{i}" for i in range(len(weights)))
    demand = Demand(skills, tuple(weights))
    assert sum(demand.values()) == pytest.approx(1)
    assert np.allclose(
        demand.shares, np.array(weights) / max(weights) / sum(w / max(weights) for w in weights)
    )


def test_demand_is_a_mapping() -> None:
    demand = dm.from_mapping({"sort": 3, "add": 1.0}, SKILLS)
    assert dict(demand) == {"reverse": 0.0, "sort": 0.75, "add": 0.25}
    assert dict(dm.from_mapping(demand, SKILLS)) == dict(demand)  # feeds itself
    with pytest.raises(KeyError):
        demand["juggle"]
    assert dict(dm.even(SKILLS)) == pytest.approx(dict.fromkeys(SKILLS, 1 / 3))


def test_items_share_their_skills_demand() -> None:
    demand = dm.from_mapping({"sort": 3, "add": 1}, SKILLS)
    weights = dm.item_weights(["sort", "sort", "add", "sort"], demand)
    assert weights == pytest.approx([0.25, 0.25, 0.25, 0.25])
    with pytest.raises(DemandError, match="'sorts': did you mean 'sort'"):
        dm.item_weights(["sorts"], demand)


@pytest.mark.parametrize(
    ("weights", "text"),
    [
        ({"srot": 1}, "unknown skill 'srot': did you mean 'sort'"),
        ({"sort": -1}, "'sort' is -1: give a finite number"),
        ({"sort": float("nan")}, "'sort' is nan"),
        ({"sort": float("inf")}, "'sort' is inf"),
        ({"sort": "much"}, "'sort' is 'much'"),
        ({"sort": True}, "'sort' is True"),
        ({"sort": None}, "'sort' is None"),
        ({"sort": 0}, "every skill's weight is 0"),
        ({}, "every skill's weight is 0"),
        ({3: 1}, "unknown skill 3"),
        ([1, 2], "give a mapping"),
    ],
)
def test_bad_weights_are_refused_in_one_line(weights: object, text: str) -> None:
    with pytest.raises(DemandError, match=text) as caught:
        dm.from_mapping(weights, SKILLS)  # type: ignore[arg-type]
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(("skills", "weights"), [((), ()), (("a", "a"), (1, 1)), (("a",), (1, 2))])
def test_skills_are_named_once_with_one_weight(skills: object, weights: object) -> None:
    with pytest.raises(DemandError):
        Demand(skills, weights)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("d.json", '{"sort": 3, "add": 1}'),
        ("d.json", '{"demand": {"sort": 3, "add": 1}}'),
        ("d.toml", "sort = 3\nadd = 1.0\n"),
        ("d.toml", "[demand]\nsort = 3\nadd = 1\n"),
        ("d.jsonl", '{"skill": "sort", "n": 3}\n\n{"skill": "add", "tokens": 9}\n'),
    ],
)
def test_every_kind_of_file_says_the_same(
    write: Callable[[str, str], Path], name: str, text: str
) -> None:
    assert dict(load(write(name, text), SKILLS)) == {"reverse": 0, "sort": 0.75, "add": 0.25}


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("d.json", "{", "d.json is no JSON"),
        ("d.json", "[1]", "no mapping"),
        ("d.json", '{"sort": NaN}', "d.json: the demand for 'sort' is nan"),
        ("d.json", '{"demand": 3}', "unknown skill 'demand'"),
        ("d.toml", "sort = ", "d.toml is no TOML"),
        ("d.toml", "revers = 1", "did you mean 'reverse'"),
        ("d.yaml", "sort: 1", "ends in none of"),
        ("d.jsonl", "nonsense", "line 1: not a JSON object"),
        ("d.jsonl", '{"skill": "sort"}\n{"skill": "sotr"}', "line 2: .*did you mean 'sort'"),
        ("d.jsonl", '{"n": 1}', "line 1: demand names an unknown skill None"),
        ("d.jsonl", '{"skill": "sort", "n": -1}', "line 1: n is -1"),
        ("d.jsonl", '{"skill": "sort", "n": NaN}', "line 1: n is nan"),
        ("d.jsonl", '{"skill": "sort", "at": "noon"}', "line 1: at is 'noon'"),
        ("d.jsonl", "", "every skill's weight is 0"),
    ],
)
def test_bad_files_are_refused_in_one_line(
    write: Callable[[str, str], Path], name: str, text: str, message: str
) -> None:
    with pytest.raises(DemandError, match=message) as caught:
        load(write(name, text), SKILLS)
    assert "\n" not in str(caught.value)


def test_missing_and_binary_files_are_refused(tmp_path: Path) -> None:
    with pytest.raises(DemandError, match="cannot be read"):
        load(tmp_path / "none.json", SKILLS)
    (tmp_path / "b.json").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(DemandError, match="not UTF-8"):
        load(tmp_path / "b.json", SKILLS)


def test_old_questions_fade_with_their_half_life(write: Callable[[str, str], Path]) -> None:
    """Two half-lives ago: 8 questions count 2, as many as 2 asked now."""
    rows = [
        {"skill": "sort", "n": 8, "at": "2025-03-01T00:00:00Z"},
        {"skill": "add", "n": 2, "timestamp": 1740787200 + 7200},
    ]
    trace = write("t.jsonl", "\n".join(map(json.dumps, rows)))
    demand = from_trace(trace, SKILLS, half_life_s=3600)
    assert demand["sort"] == pytest.approx(0.5) and demand["add"] == pytest.approx(0.5)
    later = from_trace(trace, SKILLS, half_life_s=3600, now_s=1740787200 + 9e4)
    assert dict(later) == pytest.approx(dict(demand))  # shares do not depend on when one looks
    assert from_trace(trace, SKILLS)["sort"] == pytest.approx(0.8)


def test_a_half_life_needs_times_and_sense(write: Callable[[str, str], Path]) -> None:
    trace = write("t.jsonl", '{"skill": "sort"}')
    with pytest.raises(DemandError, match="needs `at`"):
        from_trace(trace, SKILLS, half_life_s=60)
    with pytest.raises(DemandError, match="half_life_s is 0"):
        from_trace(trace, SKILLS, half_life_s=0)


def test_a_plugged_in_source_is_asked_anew_and_its_failures_are_one_line() -> None:
    sold = {"sort": 1}
    assert dm.from_callable(lambda: sold, SKILLS)["sort"] == 1.0
    sold["add"] = 1
    assert dm.from_callable(lambda: sold, SKILLS)["sort"] == 0.5
    with pytest.raises(DemandError, match=r"failed \(division by zero\)"):
        dm.from_callable(lambda: {"sort": 1 / 0}, SKILLS)
    with pytest.raises(DemandError, match="give a mapping"):
        dm.from_callable(lambda: None, SKILLS)  # type: ignore[arg-type, return-value]
