"""A million keys that open in no time: a fixed-width table and its sorted order, both mappable.

A dictionary of a million digests takes about a second to build and 150 MB; a binary search in a
memory-mapped table takes 2 us and touches twenty entries. Keys that are all sha256 digests are
stored as their 32 bytes, not as 64 letters.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np

from genome.errors import IndexInputError

DIGEST_LETTERS = 64


class KeyTable:
    """Key of every row, and row of every key. Immutable."""

    def __init__(self, table: np.ndarray, order: np.ndarray, *, hexadecimal: bool) -> None:
        self.table = table
        """(n,) fixed-width bytes."""
        self.order = order
        """(n,) int64, as numpy would copy any other type on every look-up; sorts the table."""
        self.hexadecimal = hexadecimal

    @classmethod
    def of(cls, keys: Sequence[str]) -> KeyTable:
        """The table of some keys, row i = `keys[i]`.

        Raises:
            IndexInputError: A key comes twice, is empty, or cannot be printed.
        """
        packed = _packed_digests(keys)
        table = packed if packed is not None else _encoded(keys)
        order = _order(table)
        ordered = table[order]
        twice = np.flatnonzero(ordered[1:] == ordered[:-1])
        if len(twice):
            raise duplicate_key(keys[int(order[int(twice[0])])])
        return cls(table, order, hexadecimal=packed is not None)

    def __len__(self) -> int:
        return len(self.table)

    def row(self, key: str) -> int:
        """The row of a key; -1 if it is not there."""
        found = self.rows([key])
        return int(found[0]) if len(found) else -1

    def rows(self, keys: Iterable[str]) -> np.ndarray:
        """The rows of those keys that are there, (at most n,) int64."""
        encoded = [raw for raw in map(self._encode, keys) if raw is not None]
        if not encoded or not len(self):
            return np.empty(0, np.int64)
        wanted = np.array(encoded, self.table.dtype)
        place = np.searchsorted(self.table, wanted, sorter=self.order)
        rows = self.order[np.minimum(place, len(self) - 1)]
        return np.asarray(rows[self.table[rows] == wanted])

    def key(self, row: int) -> str:
        """The key of a row."""
        raw = bytes(self.table[row])
        if self.hexadecimal:
            return raw.ljust(DIGEST_LETTERS // 2, b"\0").hex()
        return raw.decode("utf-8", "replace")

    def keys(self, rows: np.ndarray) -> list[str]:
        """The keys of some rows."""
        return [self.key(int(row)) for row in rows]

    @classmethod
    def joined(cls, tables: Sequence[KeyTable], rows: Sequence[np.ndarray]) -> KeyTable:
        """Some rows of each table, one below the other; they are known to share no key."""
        parts = [
            (table.table[some], table.hexadecimal)
            for table, some in zip(tables, rows, strict=True)
            if len(some)
        ]
        hexadecimal = bool(parts) and all(packed for _, packed in parts)
        table = np.concatenate(
            [_letters(part) if packed and not hexadecimal else part for part, packed in parts]
            or [np.empty(0, "S1")]
        )
        return cls(table, _order(table), hexadecimal=hexadecimal)

    def permuted(self, rows: np.ndarray) -> KeyTable:
        """The same keys, row i being row `rows[i]` of now."""
        new_row = np.empty(len(self), np.int64)
        new_row[rows] = np.arange(len(self))
        return KeyTable(self.table[rows], new_row[self.order], hexadecimal=self.hexadecimal)

    def _encode(self, key: str) -> bytes | None:
        """How the key would be stored; None if it cannot be in this table."""
        if not self.hexadecimal:
            raw = key.encode("utf-8", "replace")
            return raw if len(raw) <= self.table.dtype.itemsize and "\0" not in key else None
        try:
            raw = bytes.fromhex(key)
        except ValueError:
            return None
        return raw if raw.hex() == key and len(key) == DIGEST_LETTERS else None


def check_key(key: str) -> str:
    """The key, if it can be one.

    Raises:
        IndexInputError: It is empty or has a character that cannot be printed.
    """
    if not key or "\0" in key or not key.isprintable():
        raise IndexInputError(
            f"a key is at least one character, all printable, not {key!r}: use the layer's digest"
        )
    return key


def duplicate_key(key: str) -> IndexInputError:
    """The error for a key that is there already."""
    return IndexInputError(
        f"every key is indexed once, {key!r} is there already: use update() to change it"
    )


def _packed_digests(keys: Sequence[str]) -> np.ndarray | None:
    """(n,) 32 raw bytes each, if every key is 64 lower-case hexadecimal digits."""
    if not keys or any(len(key) != DIGEST_LETTERS for key in keys):
        return None
    joined = "".join(keys)
    try:
        raw = bytes.fromhex(joined)
    except ValueError:
        return None
    if raw.hex() != joined:  # upper case or spaces
        return None
    return np.frombuffer(raw, f"S{DIGEST_LETTERS // 2}")


def _encoded(keys: Sequence[str]) -> np.ndarray:
    encoded = [check_key(key).encode() for key in keys]
    width = max((len(key) for key in encoded), default=1)
    return np.array(encoded, f"S{width}")


def _order(table: np.ndarray) -> np.ndarray:
    return np.argsort(table, kind="stable")


def _letters(digests: np.ndarray) -> np.ndarray:
    """Packed digests as text."""
    return np.frombuffer(digests.tobytes().hex().encode(), f"S{DIGEST_LETTERS}")
