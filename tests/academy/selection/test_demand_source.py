"""Whatever names demand, what comes is skill -> weight; what names none is refused in one line."""

from __future__ import annotations

from pathlib import Path

import pytest

from academy.errors import DemandError
from academy.selection.demand import demand_file, located, open_demand

SKILLS = ("reverse", "sort", "add")
WEIGHTS = '{"sort": 3, "add": 1}'
TRACE = (
    '{"skill": "sort", "n": 12, "at": "2025-03-01T00:00:00Z"}\n'
    '{"skill": "add", "n": 1, "at": "2025-03-03T00:00:00Z"}\n'
)


@pytest.fixture
def files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("d.json").write_text(WEIGHTS)
    Path("usage.log").write_text(TRACE)


@pytest.mark.parametrize(
    ("spec", "sort"),
    [
        ("even", 1 / 3),
        ("d.json", 0.75),
        ("file:d.json", 0.75),
        ("trace:usage.log", 12 / 13),
        ("trace:usage.log?half-life=1d", 0.75),
        ("trace:usage.log?half-life=24h", 0.75),
        ("trace:usage.log?half-life=172800", 6 / 7),
        ("market", 0.75),
        ("market:elsewhere", 0.75),
    ],
)
def test_every_kind_is_one_mapping(files: None, spec: str, sort: float) -> None:
    """Two days at a half-life of one: 12 questions count 3."""
    asked: list[str] = []

    def market(place: str) -> dict[str, object]:
        asked.append(place)
        return {"sort": 6, "add": 2}

    demand = open_demand(spec, SKILLS, {"market": market})
    assert demand["sort"] == pytest.approx(sort) and tuple(demand) == SKILLS
    assert asked == ([spec[7:]] if spec.startswith("market") else [])


@pytest.mark.parametrize(
    ("spec", "text"),
    [
        ("evn", "there is no demand 'evn' here: did you mean 'even'"),
        ("market", "there is no demand 'market' here"),
        ("trcae:usage.log", "there is no demand 'trcae:' here: did you mean 'trace'"),
        ("file:d.yaml", "ends in none of"),
        ("trace:none.log", "cannot be read"),
        ("trace:usage.log?half-life=soon", "half-life 'soon' is no time above 0"),
        ("trace:usage.log?half-life=0d", "no time above 0"),
        ("trace:usage.log?half-life=", "no time above 0"),
    ],
)
def test_what_names_no_demand_is_refused(files: None, spec: str, text: str) -> None:
    with pytest.raises(DemandError, match=text.replace("?", r"\?")) as caught:
        open_demand(spec, SKILLS)
    assert "\n" not in str(caught.value)


def test_a_located_demand_is_the_same_from_any_folder(
    files: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    specs = ("d.json", "file:d.json", "trace:usage.log", "trace:usage.log?half-life=1d", "even")
    before = [open_demand(spec, SKILLS) for spec in specs]
    far = [located(spec) for spec in specs]
    (tmp_path / "deep").mkdir()
    monkeypatch.chdir(tmp_path / "deep")
    assert [open_demand(spec, SKILLS) for spec in far] == before
    assert far[3].endswith("/usage.log?half-life=1d") and located("market:x") == "market:x"
    assert demand_file(far[3]) == tmp_path / "usage.log" and demand_file("even") is None
