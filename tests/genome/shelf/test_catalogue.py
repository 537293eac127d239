"""The catalogue finds among ten thousand layers at once, and two writers wait for each other."""

from __future__ import annotations

import hashlib
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy.dialects import sqlite

from genome.errors import LibraryBusyError, LibraryError
from genome.shelf import layer_rows
from genome.shelf.catalogue import Catalogue
from genome.shelf.layer_rows import Entry, find_query, put_layers
from genome.shelf.manifest import Manifest, Parent
from genome.shelf.receipt import Receipt

ANYTHING: dict[str, Any] = {
    "equal": {},
    "skill": None,
    "tag": None,
    "max_bytes": None,
    "order": "name",
    "limit": None,
    "offset": 0,
}


def digest(i: int) -> str:
    return hashlib.sha256(str(i).encode()).hexdigest()


def entry(i: int) -> Entry:
    """One of many layers: three versions of each name, five bases, twenty skills."""
    manifest = Manifest(
        f"layer-{i // 3}",
        f"base-{i % 5}",
        f"what layer {i} can do",
        version=f"1.0.{i % 3}",
        kind=("domain", "project")[i % 2],
        licence=("Apache-2.0", "MIT", "CC-BY-4.0")[i % 3],
        parents=tuple(Parent(digest(p)) for p in {i // 2, i // 3} if p != i),
        receipts=(Receipt(f"skill-{i % 20}", 400, i % 400, 100), Receipt("reading", 50, 9, 9)),
        tags=(f"tag-{i % 50}", "all"),
        digest=digest(i),
        files={"adapter_config.json": "0" * 64},
    )
    return Entry(manifest, 1000 + i, i, "0" * 64)


def filled(path: Path, n: int) -> Catalogue:
    catalogue = Catalogue(path)
    with catalogue.write() as connection:
        put_layers(connection, [entry(i) for i in range(n)])
    return catalogue


def test_every_filter_agrees_with_a_plain_loop(tmp_path: Path) -> None:
    rows = [entry(i) for i in range(60)]
    with filled(tmp_path / "c.db", 60).read() as connection:

        def found(**conditions: Any) -> set[str]:
            return {r.digest for r in layer_rows.find(connection, **{"equal": {}, **conditions})}

        def expected(keep: Callable[[Entry], bool]) -> set[str]:
            return {e.manifest.digest for e in rows if keep(e)}

        assert found() == expected(lambda e: True)
        for key, value in (
            ("base_model", "base-1"),
            ("licence", "MIT"),
            ("kind", "project"),
            ("creator", ""),
            ("name", "layer-7"),
            ("creator", "x"),
        ):
            assert found(equal={key: value}) == expected(
                lambda e, key=key, value=value: getattr(e.manifest, key) == value
            )
        for skill in ("skill-3", "reading", "writing"):
            assert found(skill=skill) == expected(
                lambda e, skill=skill: skill in {r.skill for r in e.manifest.receipts}
            )
        assert found(tag="tag-4") == expected(lambda e: "tag-4" in e.manifest.tags)
        assert found(max_bytes=1010) == expected(lambda e: e.n_bytes <= 1010)
        both = {"equal": {"base_model": "base-2", "licence": "MIT"}, "skill": "skill-2"}
        assert found(**both) == expected(
            lambda e: (
                (e.manifest.base_model, e.manifest.licence, e.manifest.niche)
                == ("base-2", "MIT", "skill-2")
            )
        )


def test_lists_are_ordered_and_paged(tmp_path: Path) -> None:
    with filled(tmp_path / "c.db", 60).read() as connection:

        def listed(**conditions: Any) -> list[layer_rows.LayerRow]:
            return layer_rows.find(connection, **{"equal": {}, **conditions})

        names = [(row.name, row.version) for row in listed()]
        assert names[:3] == [("layer-0", "1.0.2"), ("layer-0", "1.0.1"), ("layer-0", "1.0.0")]
        assert [name for name, _ in names] == sorted(name for name, _ in names)
        assert listed(limit=7, offset=5) == listed()[5:12]
        assert listed(offset=55) == listed()[55:]
        accuracies = [row.accuracy for row in listed(order="accuracy")]
        assert accuracies == sorted(accuracies, reverse=True)
        assert [row.n_bytes for row in listed(order="size")] == list(range(1000, 1060))
        assert listed(order="newest", limit=1)[0].digest == digest(59)


@pytest.mark.parametrize(
    ("conditions", "index"),
    [
        ({"equal": {"name": "x"}}, "layer_by_name (name=?)"),
        ({"equal": {"base_model": "x"}}, "layer_by_base_model (base_model=?)"),
        ({"equal": {"licence": "x"}}, "layer_by_licence (licence=?)"),
        ({"equal": {"creator": "x"}}, "layer_by_creator (creator=?)"),
        ({"equal": {"kind": "x"}}, "layer_by_kind (kind=?)"),
        ({"skill": "x"}, "skill USING PRIMARY KEY (skill=? AND digest=?)"),
        ({"tag": "x"}, "tag USING PRIMARY KEY (tag=? AND digest=?)"),
        ({"order": "newest"}, "layer_by_time"),
        ({"order": "accuracy"}, "layer_by_accuracy"),
    ],
)
def test_every_filter_has_an_index_and_nothing_is_sorted_afterwards(
    tmp_path: Path, conditions: dict[str, Any], index: str
) -> None:
    statement = find_query(**ANYTHING | conditions).compile(
        dialect=sqlite.dialect(), compile_kwargs={"literal_binds": True}
    )
    with filled(tmp_path / "c.db", 60).read() as connection:
        plan = connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}").all()
    steps = "; ".join(row[3] for row in plan)
    assert index in steps
    assert "TEMP B-TREE" not in steps


def test_a_writer_waits_for_another_and_says_so_when_it_gives_up(tmp_path: Path) -> None:
    path = tmp_path / "c.db"
    Catalogue(path)
    impatient = Catalogue(path, busy_timeout_s=0.05)
    with Catalogue(path).write() as first:
        with pytest.raises(LibraryBusyError, match="try again"), impatient.write():
            pass
        with impatient.read() as reader:
            assert layer_rows.digests(reader) == set()
        put_layers(first, [entry(1)])
    with impatient.write() as second:
        assert layer_rows.digests(second) == {digest(1)}


def test_a_failed_write_changes_nothing(tmp_path: Path) -> None:
    catalogue = filled(tmp_path / "c.db", 3)

    def half(connection: Any) -> None:
        layer_rows.drop_layer(connection, digest(0))
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt), catalogue.write() as connection:
        half(connection)
    with catalogue.read() as connection:
        assert len(layer_rows.digests(connection)) == 3


def test_another_programs_database_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "c.db"
    connection = sqlite3.connect(path)
    connection.execute("CREATE TABLE mine (x)")
    connection.commit()
    connection.close()
    before = path.read_bytes()
    with pytest.raises(LibraryError, match="application id 0"):
        Catalogue(path)
    assert path.read_bytes() == before
