"""The index finds what comparing every vector finds, whatever was written, filtered or saved."""

from __future__ import annotations

import hashlib
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from genome.errors import IndexDamagedError, IndexInputError
from genome.search import index_store
from genome.search.index import Attributes, AttributeTable, Filter, Index, IndexLimits

WIDTH = 8
EXACT = IndexLimits()
LISTS = IndexLimits(exact_below=40, exact_allowed=8, fresh_rows=12, rounds=2)
"""Lists from 40 layers on, a merge every 12 writes."""
BOTH = pytest.mark.parametrize("limits", [EXACT, LISTS], ids=["exact", "lists"])


def unit_rows(n: int, rng: np.random.Generator, width: int = WIDTH) -> np.ndarray:
    vectors = rng.standard_normal((n, width)).astype(np.float32)
    return np.asarray(vectors / np.linalg.norm(vectors, axis=1, keepdims=True))


def clustered(n: int, rng: np.random.Generator, width: int = 32) -> np.ndarray:
    """Points around 50 centres, as layers lie around skills."""
    centres = np.random.default_rng(99).standard_normal((50, width))
    vectors = centres[rng.integers(50, size=n)] + 0.7 * rng.standard_normal((n, width))
    return np.asarray(vectors / np.linalg.norm(vectors, axis=1, keepdims=True), np.float32)


def digests(n: int, start: int = 0) -> list[str]:
    return [hashlib.sha256(b"%d" % i).hexdigest() for i in range(start, start + n)]


class Reference:
    """The same promises kept by comparing everything."""

    def __init__(self) -> None:
        self.rows: dict[str, tuple[np.ndarray, Attributes]] = {}

    def nearest(self, query: np.ndarray, k: int, where: Filter | None) -> list[float]:
        """The k largest cosines among the allowed."""
        scores = [
            float(vector @ query)
            for key, (vector, facts) in self.rows.items()
            if where is None or allows(where, key, facts)
        ]
        return sorted(scores, reverse=True)[:k]


def allows(where: Filter, key: str, facts: Attributes) -> bool:
    return (
        where.base_model in (None, facts.base_model)
        and (where.licences is None or facts.licence in where.licences)
        and (where.max_size_bytes is None or facts.size_bytes <= where.max_size_bytes)
        and (where.max_price_nanos is None or facts.price_nanos <= where.max_price_nanos)
        and (where.keys is None or key in where.keys)
    )


def some_attributes(rng: np.random.Generator) -> Attributes:
    base, licence = rng.choice(["tiny", "llama"]), rng.choice(["mit", "apache-2.0", "none"])
    return Attributes(str(base), str(licence), int(rng.integers(10)), int(rng.integers(10)))


WHERE = st.one_of(
    st.none(),
    st.builds(
        Filter,
        base_model=st.sampled_from([None, "tiny", "llama", "unseen"]),
        licences=st.sampled_from([None, frozenset({"mit", "none"}), frozenset(), frozenset({"x"})]),
        max_size_bytes=st.sampled_from([None, 0, 5]),
        max_price_nanos=st.sampled_from([None, 0, 5]),
        keys=st.sampled_from([None, frozenset(digests(30)), frozenset({"nobody"})]),
    ),
)
STEPS = st.lists(
    st.tuples(
        st.sampled_from(["add", "add", "add", "update", "reprice", "delete", "search", "reopen"]),
        st.integers(0, 2**32 - 1),
        WHERE,
    ),
    max_size=60,
)


@BOTH
@given(start=st.integers(0, 80), steps=STEPS)
@settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))
def test_any_sequence_of_writes_is_answered_as_by_comparing_everything(
    limits: IndexLimits,
    start: int,
    steps: list[tuple[str, int, Filter | None]],
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    """With lists all of them are read here (eight are the least), so results must be equal."""
    limits = replace(limits, lists_per_root=0.6)
    rng = np.random.default_rng(start)
    vectors, facts = unit_rows(start, rng), [some_attributes(rng) for _ in range(start)]
    index = Index(digests(start), vectors.reshape(start, WIDTH), facts, limits=limits)
    reference = Reference()
    reference.rows = dict(zip(digests(start), zip(vectors, facts, strict=True), strict=True))
    for number, (step, seed, where) in enumerate(steps):
        rng = np.random.default_rng(seed)
        known = sorted(reference.rows)
        key = known[seed % len(known)] if known else ""
        vector, new = unit_rows(1, rng)[0], some_attributes(rng)
        if step == "add":
            key = digests(1, 1000 + number)[0]
            index.add(key, vector, new)
            reference.rows[key] = (vector, new)
        elif step == "update" and key:
            index.update(key, vector)
            reference.rows[key] = (vector, reference.rows[key][1])
        elif step == "reprice" and key:
            index.update(key, attributes=new)
            reference.rows[key] = (reference.rows[key][0], new)
        elif step == "delete" and key:
            index.delete(key)
            del reference.rows[key]
        elif step == "reopen":
            folder = tmp_path_factory.mktemp("index")
            index.save(folder)
            index = Index.open(folder, limits=limits)
            shutil.rmtree(folder)
        for k in (1, 3, 100):
            found = index.nearest(vector[None], k, where=where)[0]
            assert len({key for key, _ in found}) == len(found)
            for key, score in found:
                kept, facts_of = reference.rows[key]
                assert score == pytest.approx(float(kept @ vector), abs=1e-5)
                assert where is None or allows(where, key, facts_of)
            expected = reference.nearest(vector, k, where)
            assert [score for _, score in found] == pytest.approx(expected, abs=1e-5)
    index.settle()
    assert len(index) == len(reference.rows)
    for key, (_, kept_facts) in reference.rows.items():
        assert index.attributes(key) == kept_facts


# -- recall ------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def large() -> tuple[Index, np.ndarray, AttributeTable]:
    """20,000 layers in lists, and what they were made of."""
    rng = np.random.default_rng(5)
    vectors = clustered(20_000, rng)
    region = vectors @ unit_rows(1, rng, 32)[0]
    price = rng.integers(1, 1_000, size=len(vectors))
    price[rng.choice(len(vectors), 20, replace=False)] = 0
    table = AttributeTable(
        [f"base-{code}" for code in rng.integers(10, size=len(vectors))],
        ["region" if value > np.quantile(region, 0.9) else "mit" for value in region],
        rng.integers(10, size=len(vectors)),
        price,
    )
    limits = IndexLimits(exact_below=10_000, exact_allowed=100)
    return Index(digests(20_000), vectors, table, limits=limits), vectors, table


@pytest.mark.parametrize(
    "where",
    [
        None,
        Filter(base_model="base-3"),
        Filter(licences=frozenset({"region"})),
        Filter(base_model="base-3", licences=frozenset({"region"})),
        Filter(max_price_nanos=0),
        Filter(max_price_nanos=10),
        Filter(keys=frozenset(digests(2_000))),
    ],
    ids=["none", "tenth", "region", "both", "rare", "hundredth", "keys"],
)
def test_lists_find_nineteen_of_twenty_whatever_the_filter(
    large: tuple[Index, np.ndarray, AttributeTable], where: Filter | None
) -> None:
    """Also when all allowed layers lie far from the query, or are one in a thousand."""
    index, vectors, table = large
    assert not index.is_exact
    queries = clustered(100, np.random.default_rng(6))
    keys = digests(20_000)
    rows = zip(
        keys, table.base_model, table.licence, table.size_bytes, table.price_nanos, strict=True
    )
    mask = np.array([where is None or allows(where, key, Attributes(*row)) for key, *row in rows])
    scores = np.where(mask, queries @ vectors.T, -2.0)
    expected = np.argsort(-scores, axis=1)[:, :10]
    found = index.nearest(queries, 10, where=where)
    hits = sum(
        len({keys[row] for row in best} & {key for key, _ in hit})
        for best, hit in zip(expected, found, strict=True)
    )
    assert [len(hit) for hit in found] == [10] * 100
    assert hits / 1_000 >= 0.95


def test_a_similarity_is_the_same_number_on_every_path(
    large: tuple[Index, np.ndarray, AttributeTable], tmp_path: Path
) -> None:
    """Bit for bit: alone or in a batch, filtered, by lists or exact, saved, added late."""
    index, vectors, table = large
    query = clustered(7, np.random.default_rng(7))
    (key, score), *_ = index.nearest(query[:1], 10)[0]
    row = digests(20_000).index(key)
    index.save(tmp_path)
    others = [
        index.nearest(query, 3)[0],
        index.nearest(query[:1], 1, where=Filter(base_model=table.base_model[row]))[0],
        index.nearest(query[:1], 5_000)[0],
        Index.open(tmp_path).nearest(query[:1], 2)[0],
        Index([key], vectors[row : row + 1]).nearest(query[:1], 2)[0],
    ]
    late = Index(["other"], vectors[:1])
    late.add(key, vectors[row])
    assert [hits[0] for hits in [*others, late.nearest(query[:1], 1)[0]]] == [(key, score)] * 6


def test_equal_similarities_come_in_the_order_of_their_keys() -> None:
    vectors = np.ones((5, WIDTH))
    found = Index(["d", "b", "e", "a", "c"], vectors).nearest(vectors[:1], 3)[0]
    assert [key for key, _ in found] == ["a", "b", "c"]


def test_same_seed_gives_the_same_answers() -> None:
    rng = np.random.default_rng(8)
    vectors, queries = clustered(2_000, rng), clustered(50, rng)
    limits = replace(LISTS, exact_below=1_000, recall=0.5)
    one, two = (Index(digests(2_000), vectors, limits=limits, seed=3) for _ in range(2))
    assert one.nearest(queries, 10) == two.nearest(queries, 10)


def test_an_empty_index_finds_nothing_and_can_be_filled() -> None:
    index = Index([], np.empty((0, WIDTH)))
    assert index.nearest(np.ones((2, WIDTH)), 3) == [[], []]
    index.add("first", np.ones(WIDTH))
    index.add_many([], np.empty((0, WIDTH)))
    assert [key for key, _ in index.nearest(np.ones((1, WIDTH)), 3)[0]] == ["first"]
    assert index.nearest(np.empty((0, WIDTH)), 3) == []


# -- threads -----------------------------------------------------------------------------------


def test_training_does_not_lose_writes_or_stop_readers() -> None:
    """A writer adds, moves and deletes while the index trains; readers find what must be there."""
    rng = np.random.default_rng(9)
    n, width = 6_000, 32
    vectors = clustered(n, rng)
    keys = digests(n)
    limits = IndexLimits(exact_below=n + 100, fresh_rows=150, rounds=10, points_per_list=200)
    index = Index(keys, vectors, limits=limits)
    assert index.is_exact
    problems: list[str] = []
    stop = threading.Event()

    def read(seed: int) -> None:
        reader = np.random.default_rng(seed)
        while not stop.is_set():
            row = int(reader.integers(1_000, n))  # rows below are being changed
            found = index.nearest(vectors[row : row + 1], 5)[0]
            if found[0][0] != keys[row] or len(found) != 5:
                problems.append(f"{row}: {found}")

    readers = [threading.Thread(target=read, args=(seed,)) for seed in range(3)]
    for reader in readers:
        reader.start()
    extra = unit_rows(1_000, rng, width)
    for i in range(1_000):
        index.add(f"extra-{i}", extra[i])
        if i < 500:
            index.update(keys[i], extra[i])
            index.delete(keys[500 + i])
        if i % 3 == 0:
            index.delete(f"extra-{i}")
        if i % 50 == 0:
            time.sleep(0.01)
    index.settle()
    stop.set()
    for reader in readers:
        reader.join()
    assert not problems
    assert not index.is_exact
    assert len(index) == n - 500 + 1_000 - 334
    found = {key for hits in index.nearest(extra, 3) for key, score in hits if score > 0.9999}
    assert found == set(keys[:500]) | {f"extra-{i}" for i in range(1_000) if i % 3}


def test_a_failed_merge_leaves_a_working_index_and_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    index = Index(digests(50), unit_rows(50, np.random.default_rng(0)), limits=LISTS)
    monkeypatch.setattr("genome.search.index.merged", lambda *_: 1 / 0)
    for i, vector in enumerate(unit_rows(30, np.random.default_rng(1))):
        index.add(f"new-{i}", vector)
    with pytest.raises(ZeroDivisionError):
        index.settle()
    assert len(index) == 80
    monkeypatch.undo()
    index.delete("new-0")  # the next write tries again
    index.settle()
    assert len(index) == 79


# -- saving ------------------------------------------------------------------------------------


@pytest.fixture
def saved(tmp_path: Path) -> Path:
    """60 layers in lists, one of them changed and one deleted after the first save."""
    folder = tmp_path / "index"
    rng = np.random.default_rng(10)
    index = Index(digests(60), unit_rows(60, rng), limits=LISTS)
    index.save(folder)
    index.update(digests(60)[3], unit_rows(1, rng)[0])
    index.delete(digests(60)[4])
    index.save(folder)
    return folder


def test_a_save_after_few_writes_does_not_write_the_rest_again(saved: Path) -> None:
    main = next(saved.glob("main-*/vectors.npy"))
    before = main.stat().st_mtime_ns
    index = Index.open(saved, limits=LISTS)
    index.add("new", np.ones(WIDTH))
    index.save(saved)
    assert main.stat().st_mtime_ns == before
    assert len(list(saved.glob("main-*"))) == len(list(saved.glob("changes-*"))) == 1
    again = Index.open(saved, limits=LISTS)
    assert "new" in again and digests(60)[4] not in again and len(again) == 60


def test_an_index_opened_before_a_save_goes_on_working(saved: Path) -> None:
    """Its files are removed by name only; the pages it mapped stay."""
    early = Index.open(saved, limits=LISTS)
    Index(["other"], np.ones((1, WIDTH))).save(saved)
    assert len(early.nearest(np.ones((1, WIDTH)), 100)[0]) == 59
    assert len(Index.open(saved)) == 1


def test_a_save_killed_at_any_step_leaves_the_old_or_the_new(tmp_path: Path) -> None:
    """Every file operation of a save is made the last one of its process, in turn."""
    folder = tmp_path / "index"
    index = Index(digests(45), unit_rows(45, np.random.default_rng(0)), limits=LISTS)
    index.save(folder)
    old, sizes, step = len(index), set(), 0
    while True:
        pid = os.fork()
        if pid == 0:
            _die_at(step, lambda: _save_bigger(folder))
            os._exit(0)
        _, status = os.waitpid(pid, 0)
        reopened = Index.open(folder, limits=LISTS)
        Index.verify(folder)
        sizes.add(len(reopened))
        assert len(reopened.nearest(np.ones((1, WIDTH)), 100)[0]) == len(reopened)
        if status == 0:
            break
        assert os.WTERMSIG(status) == signal.SIGKILL
        index.save(folder)  # back to the old one, over whatever was left behind
        step += 1
    assert step > 15
    assert sizes == {old, 39}
    assert sorted(path.name.split("-")[0] for path in folder.iterdir()) == [
        ".lock",
        "CURRENT",
        "changes",
        "main",
    ]


def _save_bigger(folder: Path) -> None:
    """Save an exact index of 39; forked processes must not start FAISS's threads."""
    Index(digests(39), unit_rows(39, np.random.default_rng(1)), limits=LISTS).save(folder)


def _die_at(step: int, action: Callable[[], None]) -> None:
    """Run an action, but kill this process at its step-th file operation."""
    count = 0

    def audit(event: str, arguments: tuple[object, ...]) -> None:
        nonlocal count
        if event in ("open", "os.rename", "os.remove", "os.mkdir", "os.rmdir", "shutil.rmtree"):
            if count == step:
                os.kill(os.getpid(), signal.SIGKILL)
            count += 1

    sys.addaudithook(audit)
    action()


def test_every_damaged_file_is_one_clear_error(saved: Path, tmp_path: Path) -> None:
    """Missing, cut or with a byte turned: refused on open, or by `verify` where data is mapped."""
    names = [
        path.relative_to(saved)
        for path in saved.rglob("*")
        if path.is_file() and path.name != ".lock"
    ]
    assert len(names) == 11
    for name in names:
        size = (saved / name).stat().st_size
        for damage in (
            "gone",
            "cut",
            "longer",
            *(f"turned {at}" for at in (0, size // 2, size - 1)),
        ):
            folder = tmp_path / "copy"
            shutil.copytree(saved, folder)
            _damage(folder / name, damage)
            with pytest.raises(IndexDamagedError, match=r"damaged \(.*build the index again"):
                _open_and_verify(folder)
            shutil.rmtree(folder)


def _open_and_verify(folder: Path) -> None:
    Index.open(folder, limits=LISTS)
    Index.verify(folder)


def _damage(path: Path, damage: str) -> None:
    data = bytearray(path.read_bytes())
    if damage == "gone":
        path.unlink()
        return
    if damage == "cut":
        del data[-1:]
    elif damage == "longer":
        data.append(0)
    else:
        data[int(damage.split()[1])] ^= 0x10
    path.write_bytes(data)


def test_a_folder_without_an_index_is_a_clear_error(tmp_path: Path) -> None:
    with pytest.raises(IndexDamagedError, match="no file CURRENT"):
        Index.open(tmp_path / "nothing")


def test_a_reader_that_meets_a_save_opens_the_newer_index(
    saved: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The files it was told of are gone by the time it opens them."""
    read_main = index_store._read_main
    calls = []

    def late(*arguments: object) -> object:
        if not calls:
            calls.append(1)
            Index(["newer"], np.ones((1, WIDTH))).save(saved)
            calls.append(2)
        return read_main(*arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(index_store, "_read_main", late)
    assert "newer" in Index.open(saved)


def test_the_index_loads_no_torch() -> None:
    """The marketplace searches too, and must start in a moment."""
    code = "import sys, genome.search.index; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


# -- mistakes ----------------------------------------------------------------------------------

ONES = np.ones((2, WIDTH))


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Index(["a"], ONES), "1 keys came with 2 vectors"),
        (lambda: Index(["a", "a"], ONES), "'a' is there already: use update"),
        (lambda: Index(["a", ""], ONES), "at least one character"),
        (lambda: Index(["a", "b\0"], ONES), "all printable"),
        (lambda: Index(["a", "b"], ONES * [[1], [0]]), "row 1 has length 0.0"),
        (lambda: Index(["a", "b"], ONES * [[1], [np.nan]]), "row 1 has length nan"),
        (lambda: Index(["a", "b"], ONES * [[np.inf], [1]]), "row 0 has length inf"),
        (lambda: Index(["a", "b"], np.ones(WIDTH)), r"shape \(n, width\), not \(8,\)"),
        (lambda: Index(["a", "b"], np.ones((2, 0))), r"not \(2, 0\)"),
        (lambda: Index(["a", "b"], ONES, [Attributes()]), "base_model has 1 for 2 keys"),
        (lambda: Index(["a", "b"], ONES, [Attributes(size_bytes=2**63)] * 2), "below 2\\*\\*63"),
    ],
)
def test_what_cannot_be_indexed_is_refused(make: Callable[[], Index], message: str) -> None:
    with pytest.raises(IndexInputError, match=message):
        make()


@BOTH
@pytest.mark.parametrize(
    ("act", "message"),
    [
        (lambda index: index.nearest(ONES, 0), "k must be at least 1, not 0"),
        (lambda index: index.nearest(ONES[:, :3], 1), r"shape \(n, 8\), not \(2, 3\)"),
        (lambda index: index.nearest(0 * ONES, 1), "row 0 has length 0.0"),
        (lambda index: index.add(digests(1)[0], ONES[0]), "there already: use update"),
        (lambda index: index.add("new", ONES[0, :3]), r"shape \(n, 8\)"),
        (lambda index: index.add_many(["x", "x"], ONES), "'x' is there already"),
        (lambda index: index.update("nobody", ONES[0]), "has no key 'nobody': add"),
        (lambda index: index.update(digests(1)[0], ONES[0] * np.nan), "row 0 has length nan"),
        (lambda index: index.delete("nobody"), "has no key 'nobody'"),
        (lambda index: index.delete(digests(1)[0].upper()), "has no key"),
        (lambda index: index.attributes("nobody"), "has no key 'nobody'"),
    ],
)
def test_a_refused_call_changes_nothing(
    limits: IndexLimits, act: Callable[[Index], object], message: str
) -> None:
    index = Index(digests(50), unit_rows(50, np.random.default_rng(0)), limits=limits)
    before = index.nearest(ONES[:1], 100)
    with pytest.raises(IndexInputError, match=message):
        act(index)
    assert index.nearest(ONES[:1], 100) == before
