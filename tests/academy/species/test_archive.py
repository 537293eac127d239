"""The archive keeps what nobody better does, and is not fooled by luck."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst

from academy.errors import ArchiveError
from academy.species.archive import Archive, Entry, novelty

MATRICES = npst.arrays(
    float, st.tuples(st.integers(1, 8), st.integers(1, 10)), elements=st.sampled_from([0.0, 1.0])
)


def entry(key: str, row: list[float] | np.ndarray, asked: int | None = None) -> Entry:
    """Hits in proportion to the row, over `asked` questions."""
    n = asked or len(row)
    return Entry(key, round(float(np.mean(row)) * n), n, tuple(float(r) for r in row))


def specialist(key: str, part: int, n_parts: int = 4, each: int = 10) -> Entry:
    row = np.zeros(n_parts * each)
    row[part * each : (part + 1) * each] = 1
    return entry(key, row, 400)


@given(MATRICES)
def test_novelty_is_the_formula(scores: np.ndarray) -> None:
    """Against four plain loops; equal fitness goes to the earlier."""
    n, m = scores.shape
    fitness = scores.mean(1)
    hard = [1 - scores[:, t].mean() for t in range(m)]
    for i, value in enumerate(novelty(scores, fitness)):
        fitter = [j for j in range(n) if (fitness[j], -j) > (fitness[i], -i)]
        apart = []
        for j in fitter:
            mine = sum(hard[t] for t in range(m) if scores[i, t] and not scores[j, t])
            apart.append(mine / sum(hard) if sum(hard) else 0.0)
        expected = sum(sorted(apart)[:3]) / len(apart[:3]) if apart else math.inf
        assert value == pytest.approx(expected)


def test_a_specialist_stays_where_a_ranking_would_lose_it() -> None:
    """Three near-copies solve 30 of 40 items, the specialist only the 10 they all miss."""
    good = np.r_[np.ones(30), np.zeros(10)]
    rivals = []
    for i in range(3):
        row = good.copy()
        row[i] = 0
        rivals.append(entry(f"good-{i}", row, 400))
    archive, change = Archive(2).update([*rivals, specialist("rare", 3)], "batch")
    assert "rare" in change.accepted and len(archive.entries) == 2


def test_a_lucky_newcomer_does_not_displace_a_proven_entry() -> None:
    """3 of 3 has the lower bound 0.44: no match for 90 of 100; 99 of 100 (0.946) is."""
    row = [1.0] * 9 + [0.0]
    archive, _ = Archive(1).update([entry("old", row, 100)], "b")
    lucky, change = archive.update([Entry("lucky", 3, 3, (1.0,) * 10)], "b")
    assert change.accepted == () and change.gain == 0 and lucky == archive
    for hits, wins in ((94, False), (99, True)):
        newcomer = Entry("new", hits, 100, (1.0,) * 10)
        assert (archive.update([newcomer], "b")[1].accepted == ("new",)) is wins


def test_gain_is_higher_for_what_nobody_could_do() -> None:
    archive, _ = Archive(8).update([specialist("a", 0)], "b")
    _, change = archive.update([specialist("copy", 0), specialist("new", 1)], "b")
    assert change.gains["new"] > change.gains["copy"] > 0
    assert change.gain == pytest.approx(sum(change.gains.values()))


def test_gain_is_the_worth_added_while_there_is_room() -> None:
    archive, first = Archive(8).update([specialist("a", 0)], "b")
    after, change = archive.update([specialist("b", 1)], "b")
    assert first.gain == pytest.approx(archive.worth())
    assert change.gain == pytest.approx(after.worth() - archive.worth())


def test_replacing_like_by_like_gains_next_to_nothing() -> None:
    """The bandit must not be paid for churn."""
    archive, _ = Archive(2).update([specialist("a", 0), specialist("b", 1)], "b")
    twin = Entry("twin", 140, 400, archive.entries[0].results)
    after, change = archive.update([twin], "b")
    assert len(after.entries) == 2
    assert change.gain <= 1e-9


@given(st.lists(MATRICES.map(lambda m: m[0, :1]), min_size=1, max_size=12), st.integers(1, 5))
def test_the_archive_never_overflows_and_the_best_stays(
    rows: list[np.ndarray], capacity: int
) -> None:
    newcomers = [entry(str(i), row, 50 + i) for i, row in enumerate(rows)]
    archive, change = Archive(capacity).update(newcomers, "b")
    assert len(archive.entries) == min(capacity, len(newcomers))
    best = max(newcomers, key=lambda e: (e.proven_rate(), -int(e.key)))
    assert best in archive.entries
    assert all(gain >= 0 for gain in change.gains.values())


def test_a_known_key_is_measured_again_and_not_added_twice() -> None:
    archive, _ = Archive(3).update([specialist("a", 0), specialist("b", 1)], "b")
    after, change = archive.update([specialist("a", 2)], "b")
    assert [e.key for e in after.entries] == ["a", "b"] and change.accepted == ()
    assert after.entries[0] == specialist("a", 2) and change.gains == {"a": 0.0}


def test_results_on_other_items_are_never_compared() -> None:
    archive, _ = Archive(3).update([specialist("a", 0)], "monday")
    with pytest.raises(ArchiveError, match="`rescore` it first"):
        archive.update([specialist("b", 1)], "tuesday")
    with pytest.raises(ArchiveError, match="10 and 40 items"):
        archive.update([entry("b", [1.0] * 10)], "monday")
    with pytest.raises(ArchiveError, match="ask every entry"):
        archive.rescore({}, "tuesday")
    fresh = archive.rescore({"a": [1.0, 0.4, 0.5]}, "tuesday")
    assert (fresh.entries[0].n_hits, fresh.entries[0].n_asked) == (102, 403)
    assert fresh.update([entry("b", [1.0] * 3)], "tuesday")[1].accepted == ("b",)


def test_saved_and_restored_archives_are_equal_and_bad_states_are_refused() -> None:
    archive, _ = Archive(3).update([specialist("a", 0), specialist("b", 1)], "b")
    assert Archive.restore(json.loads(json.dumps(archive.state()))) == archive
    assert Archive.restore(Archive(3).state()) == Archive(3)
    for bad in ({}, {"entries": 3}, archive.state() | {"entries": [["a", "x", 1, [1]]]}):
        with pytest.raises(ArchiveError) as caught:
            Archive.restore(bad)
        assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "make",
    [
        lambda: Entry("a", 2, 1, (1.0,)),
        lambda: Entry("a", 0, 0, (1.0,)),
        lambda: Entry("a", 1, 1, ()),
        lambda: Entry("a", 1, 1, (math.nan,)),
        lambda: Entry("a", 1, 1, (1.5,)),
        lambda: Archive(0),
        lambda: Archive(1, entries=(specialist("a", 0), specialist("b", 0))),
        lambda: Archive(2).update([specialist("a", 0), specialist("a", 0)], "b"),
    ],
)
def test_bad_entries_are_refused(make: object) -> None:
    with pytest.raises(ArchiveError):
        make()  # type: ignore[operator]


def test_nothing_in_nothing_out() -> None:
    archive, change = Archive(2).update([], "b")
    assert archive == Archive(2) and change.gain == 0 and archive.worth() == 0
