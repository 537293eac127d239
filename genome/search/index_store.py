"""A saved index: immutable files, and one small file that says which of them are valid.

FOLDER/CURRENT            JSON with its own checksum; replacing it is the save
FOLDER/main-7/            keys, vectors, attributes, lists of the large segment; written once
FOLDER/changes-12.npz     fresh rows, and rows of the segment deleted since

Nothing is ever changed in place, so a process killed at any instant leaves files that no CURRENT
names; the next save removes them. On open the vectors and lists are mapped, not read, and only
checked for their size; everything else is checked byte by byte (60 MB at one million layers).
"""

from __future__ import annotations

import json
import os
import shutil
import zlib
from pathlib import Path
from typing import Any

import faiss
import numpy as np

from genome.errors import IndexDamagedError
from genome.files import locked, remove_leftovers, write_atomically
from genome.search.index_filter import COLUMNS, Columns, Words
from genome.search.index_keys import KeyTable
from genome.search.index_lists import IndexLimits, InvertedLists, ProbeCurve
from genome.search.index_segment import FreshRows, IndexState, Segment

FORMAT = 1
MAPPED_FILES = ("vectors.npy", "lists.faiss")
"""Too large to read on open; the head of the lists, where their structure is, is read."""
READ_ATTEMPTS = 5
"""A save may remove the files between our reading CURRENT and opening them; then we start over."""


def write(folder: Path, state: IndexState) -> Segment:
    """Save a state.

    Returns:
        Its segment, mapped from disk.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with locked(folder / ".lock"):  # two saves do not remove each other's files
        number = 1 + max((_number(path) for path in folder.iterdir()), default=0)
        saved = _read_current(folder, missing_ok=True)
        main = None if saved is None else saved["main"]
        is_saved = main is not None and state.main.saved_as == (folder.resolve(), main["name"])
        if main is None or not is_saved:
            main = _write_main(folder / f"main-{number}", state.main)
        changes = _write_changes(folder / f"changes-{number}.npz", state)
        body = {"format": FORMAT, "words": state.main.words.words, "main": main, "changes": changes}
        text = json.dumps(body)
        current = json.dumps({"crc32": zlib.crc32(text.encode()), "body": text})
        _sync_folder(folder)
        write_atomically(folder / "CURRENT", lambda path: _discard(path.write_text(current)))
        _sync_folder(folder)
        remove_leftovers(folder)
        for path in folder.iterdir():
            if _number(path) and path.name not in (main["name"], changes["name"]):
                shutil.rmtree(path) if path.is_dir() else path.unlink()
        if is_saved:
            return state.main
        return _read_main(folder, main, state.main.words, state.main.limits)


def read(folder: Path, limits: IndexLimits) -> tuple[Segment, np.ndarray | None, FreshRows]:
    """The segment, the bitmap of its valid rows (None = all) and the fresh rows of a folder.

    Raises:
        IndexDamagedError: There is no index, or its files do not belong together.
    """
    for attempt in range(1, READ_ATTEMPTS + 1):
        body = _read_current(folder)
        assert body is not None
        try:
            words = Words(body["words"])
            main = _read_main(folder, body["main"], words, limits)
            return main, *_read_changes(folder, body["changes"], main)
        except FileNotFoundError as error:
            if attempt == READ_ATTEMPTS or body == _read_current(folder):
                raise IndexDamagedError(folder, f"{error.filename} is missing") from None
        except (OSError, ValueError, KeyError, TypeError, RuntimeError) as error:
            raise IndexDamagedError(folder, str(error) or type(error).__name__) from None
    raise AssertionError("unreachable")


def verify(folder: Path) -> None:
    """Compare every file of a saved index with its checksum.

    Raises:
        IndexDamagedError: One differs, or is missing.
    """
    body = _read_current(folder)
    assert body is not None
    expected = {body["changes"]["name"]: body["changes"]["file"]} | {
        f"{body['main']['name']}/{name}": facts for name, facts in body["main"]["files"].items()
    }
    for name, facts in expected.items():
        path = folder / name
        if not path.exists():
            raise IndexDamagedError(folder, f"{path} is missing")
        _check(path, facts, whole=True)


# -- parts ---------------------------------------------------------------------------------


def _write_main(folder: Path, main: Segment) -> dict[str, Any]:
    """Write a segment's files; what CURRENT says about them."""
    folder.mkdir()
    arrays = {"keys": main.keys.table, "key_order": main.keys.order, "vectors": main.vectors}
    for name, array in (arrays | main.columns.arrays()).items():
        np.save(folder / f"{name}.npy", array, allow_pickle=False)
    curve, heads = None, {"vectors.npy": 128}
    if main.lists is not None:
        faiss.write_index(main.lists.index, str(folder / "lists.faiss"))
        curve = {"ranks": main.lists.curve.ranks, "lists": main.lists.curve.lists}
        n_rows_bytes = len(main) * (main.lists.index.code_size + 8)
        np.save(folder / "sizes.npy", main.lists.sizes)
        heads["lists.faiss"] = (folder / "lists.faiss").stat().st_size - n_rows_bytes
    files = {path.name: _facts(path, heads.get(path.name)) for path in sorted(folder.iterdir())}
    _sync_folder(folder)
    return {
        "name": folder.name,
        "rows": len(main),
        "width": int(main.vectors.shape[1]),
        "hexadecimal": main.keys.hexadecimal,
        "trained_rows": main.trained_rows,
        "curve": curve,
        "files": files,
    }


def _read_main(folder: Path, facts: dict[str, Any], words: Words, limits: IndexLimits) -> Segment:
    home = folder / facts["name"]
    for name, file in facts["files"].items():
        _check(home / name, file, whole=name not in MAPPED_FILES)

    def mapped(name: str) -> np.ndarray:
        array = np.load(home / f"{name}.npy", mmap_mode="r", allow_pickle=False)
        return np.asarray(array) if len(array) else np.array(array)  # a plain array is faster

    vectors = mapped("vectors")
    if vectors.shape != (facts["rows"], facts["width"]) or vectors.dtype != np.float32:
        raise ValueError(f"vectors are {vectors.dtype} {vectors.shape}, not as saved")
    keys = KeyTable(mapped("keys"), mapped("key_order"), hexadecimal=facts["hexadecimal"])
    columns = Columns(*(mapped(name) for name in COLUMNS.names or ()))
    lists = None
    if facts["curve"] is not None:
        index: Any = faiss.read_index(str(home / "lists.faiss"), faiss.IO_FLAG_MMAP_IFC)
        curve = ProbeCurve(tuple(facts["curve"]["ranks"]), tuple(facts["curve"]["lists"]))
        lists = InvertedLists(index, np.array(mapped("sizes")), curve)
    segment = Segment(keys, vectors, columns, words, limits, lists, facts["trained_rows"])
    segment.saved_as = (folder.resolve(), facts["name"])
    return segment


def _write_changes(path: Path, state: IndexState) -> dict[str, Any]:
    rows = np.flatnonzero(state.fresh.alive)
    keys = [state.fresh.keys[row].encode() for row in rows]
    dead = np.setdiff1d(np.arange(len(state.main)), state.alive_rows(), assume_unique=True)
    arrays: dict[str, Any] = state.fresh.columns.take(rows).arrays() | {
        "keys": np.array(keys, f"S{max(map(len, keys), default=1)}"),
        "vectors": state.fresh.vectors[rows],
        "dead": dead.astype(np.int64),
    }
    np.savez(path, **arrays)
    return {"name": path.name, "file": _facts(path)}


def _read_changes(
    folder: Path, facts: dict[str, Any], main: Segment
) -> tuple[np.ndarray | None, FreshRows]:
    path = folder / facts["name"]
    _check(path, facts["file"], whole=True)
    fresh = FreshRows(main.vectors.shape[1])
    with np.load(path, allow_pickle=False) as file:
        saved = {name: file[name] for name in file.files}
    columns = Columns(*(saved[name] for name in COLUMNS.names or ()))
    for row, key in enumerate(saved["keys"]):
        fresh.append(bytes(key).decode(), saved["vectors"][row], columns.take(slice(row, row + 1)))
    if not len(saved["dead"]):
        return None, fresh
    alive = np.ones(len(main), bool)
    alive[saved["dead"]] = False
    return np.packbits(alive, bitorder="little"), fresh


# -- files ---------------------------------------------------------------------------------


def _read_current(folder: Path, *, missing_ok: bool = False) -> dict[str, Any] | None:
    try:
        outer = json.loads((folder / "CURRENT").read_text())
        text = outer["body"]
        if zlib.crc32(text.encode()) != outer["crc32"]:
            raise ValueError("the checksum of CURRENT does not match")
        body: dict[str, Any] = json.loads(text)
        if body["format"] != FORMAT:
            raise ValueError(f"format {body['format']}, this version reads {FORMAT}")
        return body
    except FileNotFoundError:
        if missing_ok:
            return None
        raise IndexDamagedError(folder, "it has no file CURRENT") from None
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        if missing_ok:
            return None  # a save replaces a damaged index by a whole one
        raise IndexDamagedError(folder, f"CURRENT cannot be read: {error}") from None


def _facts(path: Path, head: int | None = None) -> dict[str, int]:
    """Size and checksums of a file just written, which is flushed to disk first.

    Args:
        head: Bytes that tell how to read the rest; None = all.
    """
    with path.open("rb") as file:
        os.fsync(file.fileno())
    n_bytes = path.stat().st_size
    n_head = n_bytes if head is None else min(head, n_bytes)
    return {
        "bytes": n_bytes,
        "crc32": _crc32(path, n_bytes),
        "head": n_head,
        "head_crc32": _crc32(path, n_head),
    }


def _check(path: Path, facts: dict[str, int], *, whole: bool) -> None:
    """Raises: IndexDamagedError: The file is not the one that was written."""
    n_bytes = path.stat().st_size
    if n_bytes != facts["bytes"]:
        raise IndexDamagedError(path.parent, f"{path} has {n_bytes} bytes, not {facts['bytes']}")
    length, crc32 = ("bytes", "crc32") if whole else ("head", "head_crc32")
    if _crc32(path, facts[length]) != facts[crc32]:
        raise IndexDamagedError(path.parent, f"the checksum of {path} does not match")


def _crc32(path: Path, n_bytes: int) -> int:
    value, left = 0, n_bytes
    with path.open("rb") as file:
        while left > 0 and (block := file.read(min(left, 2**20))):
            value, left = zlib.crc32(block, value), left - len(block)
    return value


def _number(path: Path) -> int:
    """7 of main-7 and changes-7.npz; 0 of anything else."""
    kind, _, rest = path.name.partition("-")
    digits = rest.removesuffix(".npz")
    return int(digits) if kind in ("main", "changes") and digits.isdigit() else 0


def _sync_folder(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _discard(_: object) -> None:
    pass
