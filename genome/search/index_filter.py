"""Which layers a search may return, decided before the nearest are chosen.

Filtering the ten nearest afterwards returns too few or none when the filter is narrow, so the
index keeps what can be filtered in columns of its own, row beside vector. A filter over a
million rows is four comparisons of whole columns (well below a millisecond).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from genome.errors import IndexInputError

COLUMNS = np.dtype(
    [("base_model", "<i4"), ("licence", "<i4"), ("size_bytes", "<i8"), ("price_nanos", "<i8")]
)
"""Names and types of the columns; the first two are codes of `Words`."""


@dataclass(frozen=True, slots=True)
class Attributes:
    """What a search can filter one layer by."""

    base_model: str = ""
    licence: str = ""
    size_bytes: int = 0
    price_nanos: int = 0
    """Price in nano-credits; 0 = free or not for sale."""


@dataclass(frozen=True, slots=True)
class AttributeTable:
    """The attributes of many layers at once, row i belonging to key i."""

    base_model: Sequence[str]
    licence: Sequence[str]
    size_bytes: Sequence[int] | np.ndarray
    price_nanos: Sequence[int] | np.ndarray

    @classmethod
    def of(cls, rows: Sequence[Attributes]) -> AttributeTable:
        """The same facts, turned from rows to columns."""
        return cls(
            [row.base_model for row in rows],
            [row.licence for row in rows],
            [row.size_bytes for row in rows],
            [row.price_nanos for row in rows],
        )


@dataclass(frozen=True, slots=True)
class Filter:
    """Conditions a layer must all meet; None = no condition."""

    base_model: str | None = None
    licences: frozenset[str] | None = None
    """Any of these."""
    max_size_bytes: int | None = None
    max_price_nanos: int | None = None
    keys: frozenset[str] | None = None
    """Only these keys, for conditions that the index does not know; keys it lacks are ignored."""


class Words:
    """Numbers for the few distinct words of a column. Only ever grows, so readers need no lock."""

    def __init__(self, words: Sequence[str] = ()) -> None:
        self.words: list[str] = []
        self._codes: dict[str, int] = {}
        self.codes(words)

    def codes(self, words: Sequence[str]) -> np.ndarray:
        """The number of each word, (n,) int32; new words get the next ones. Writers only."""
        for word in dict.fromkeys(words):
            if word not in self._codes:
                self.words.append(word)
                self._codes[word] = len(self.words) - 1
        return np.array([self._codes[word] for word in words], np.int32)

    def find(self, word: str) -> int:
        """The number of a word; -1, which no row has, if it was never seen."""
        return self._codes.get(word, -1)


@dataclass(frozen=True)
class Columns:
    """The attributes of n rows, one array per attribute."""

    base_model: np.ndarray
    licence: np.ndarray
    size_bytes: np.ndarray
    price_nanos: np.ndarray

    @classmethod
    def empty(cls, n: int) -> Columns:
        """Room for n rows, not yet filled."""
        return cls(*(np.zeros(n, COLUMNS[name]) for name in COLUMNS.names or ()))

    @classmethod
    def encode(cls, table: AttributeTable, words: Words, n: int) -> Columns:
        """The columns of a table of n rows.

        Raises:
            IndexInputError: A column has another length, or a number does not fit in 64 bits.
        """
        numbers = {"size_bytes": table.size_bytes, "price_nanos": table.price_nanos}
        for name, length in (
            ("base_model", len(table.base_model)),
            ("licence", len(table.licence)),
            *((name, len(column)) for name, column in numbers.items()),
        ):
            if length != n:
                raise IndexInputError(
                    f"every column needs one entry per key: {name} has {length} for {n} keys"
                )
        checked = [_whole_numbers(name, np.asarray(column)) for name, column in numbers.items()]
        return cls(words.codes(table.base_model), words.codes(table.licence), *checked)

    def arrays(self) -> dict[str, np.ndarray]:
        """The columns by name."""
        return {name: getattr(self, name) for name in COLUMNS.names or ()}

    def take(self, rows: np.ndarray | slice) -> Columns:
        """Some of the rows."""
        return Columns(*(column[rows] for column in self.arrays().values()))

    def put(self, start: int, rows: Columns) -> None:
        """Overwrite the rows from `start` on."""
        for column, new in zip(self.arrays().values(), rows.arrays().values(), strict=True):
            column[start : start + len(new)] = new

    @classmethod
    def joined(cls, parts: Sequence[Columns]) -> Columns:
        """One set of columns below the other."""
        stacked = zip(*(part.arrays().values() for part in parts), strict=True)
        return cls(*(np.concatenate(columns) for columns in stacked))

    def attributes(self, row: int, words: Words) -> Attributes:
        """One row, decoded."""
        return Attributes(
            words.words[int(self.base_model[row])],
            words.words[int(self.licence[row])],
            int(self.size_bytes[row]),
            int(self.price_nanos[row]),
        )

    def allowed(self, where: Filter, words: Words) -> np.ndarray:
        """The rows that meet every condition but `keys`, (n,) bool."""
        mask = np.ones(len(self.base_model), bool)
        if where.base_model is not None:
            mask &= self.base_model == words.find(where.base_model)
        if where.licences is not None:
            codes = [words.find(word) for word in where.licences]
            mask &= np.logical_or.reduce([self.licence == code for code in codes], initial=False)
        if where.max_size_bytes is not None:
            mask &= self.size_bytes <= where.max_size_bytes
        if where.max_price_nanos is not None:
            mask &= self.price_nanos <= where.max_price_nanos
        return mask


def _whole_numbers(name: str, column: np.ndarray) -> np.ndarray:
    if len(column) and (column.dtype.kind not in "iu" or column.max() >= 2**63):
        raise IndexInputError(
            f"{name} must be whole numbers below 2**63, not {column.dtype} up to {max(column)}: "
            "give bytes and nano-credits"
        )
    return column.astype(np.int64)
