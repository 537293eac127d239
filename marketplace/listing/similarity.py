"""Whether one layer was made from another, told from their weights without torch.

Two updates of a module, W = BA and W' = B'A', have the inner product

    <W, W'> = sum((B^T B') * (A A'^T)),

two r x r Gram products: the *cosine* depends on the updates alone, however they are factored. But
noise of random directions costs a layer few answers and brings its cosine down as far as one likes.
What noise cannot do is to take the original out of the copy: W + N still contains W's column and
row spaces. So the *share* of an elder layer that lies within a younger one is

    share = mean min(|P W|^2, |W P'|^2) / |W|^2

over the modules that both change, P onto the columns of the younger one's B and P' onto the rows of
its A, each side corrected for chance: a subspace of rank r in d dimensions contains r/d of
anything. The smaller side counts, because layers that were trained from the same random A, as tools
make it from their usual seed, have one side in common. Random ranks, scaling, rotation, padding,
dropping modules and moving weight between them leave the share at 1; pruned ranks lower it, so it
is asked in both directions. Layers trained apart have little of each other.
(The projection is that of Hu et al. 2022, section 7.2, weighted by energy.)

To find whom to compare with, every layer gets a sketch: the leading singular pair of each of its
strongest modules, with the energy it stands for, pressed to 256 small numbers by a projection that
is the same on every machine. A pair is in a younger layer's spaces whatever else is there, so the
sketch survives what the share survives. It names candidates for the exact comparison.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterable, Mapping
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

import numpy as np

CLONE_COSINE = 0.98
"""From here on a layer counts as the same update, whatever it was made for."""
KIN_SHARE = 0.45
"""From here on a layer counts as made from another."""
SCREEN_SHARE = 0.25
"""Candidates for the exact comparison: by their sketches, which see the leading pairs only."""
MAX_CHANCE = 0.5
"""A module that contains so much of anything by its rank alone cannot be told from a copy."""
FEWEST_MODULES = 2
"""Fewer modules in common count as this many, so that no single direction makes a relative."""
SMALL_RANK = 64
SKETCH_MODULES = 16
SKETCH_NUMBERS = 256
_ZERO = 1e-9
"""Singular values below this part of the largest are rounding."""
_RECORD = np.dtype(
    [("module", "<u8"), ("left", "i1", (SKETCH_NUMBERS,)), ("right", "i1", (SKETCH_NUMBERS,))]
)

Pair = tuple[np.ndarray, np.ndarray]
"""A (rank, in) and B (out, rank) of one module, scaling included."""
Weights = Mapping[str, Pair]
"""A layer's factors by module."""


class Spaces(NamedTuple):
    """One module's update by its singular value decomposition, left diag(values) right^T."""

    left: np.ndarray
    """(out, rank), orthonormal columns."""
    values: np.ndarray
    """(rank,), descending, positive."""
    right: np.ndarray
    """(in, rank), orthonormal columns."""

    @property
    def chances(self) -> tuple[float, float]:
        """Share of anything that is by chance in the columns, and in the rows."""
        rank = self.values.size
        return rank / self.left.shape[0], rank / self.right.shape[0]

    @property
    def pressed_chances(self) -> tuple[float, float]:
        """The same in the 256 numbers of a sketch."""
        left, right = (
            min(1.0, self.values.size / min(SKETCH_NUMBERS, side.shape[0]))
            for side in (self.left, self.right)
        )
        return left, right

    def fit(self, a: np.ndarray, b: np.ndarray) -> bool:
        """Whether other factors are of the same map."""
        return bool(self.left.shape[0] == b.shape[0] and self.right.shape[0] == a.shape[1])

    @property
    def is_too_wide(self) -> bool:
        """Whether they contain so much of anything that a sketch tells nothing.

        Not asked of small ranks: the maps of toy models are that small.
        """
        return self.values.size > SMALL_RANK and math.prod(self.pressed_chances) >= MAX_CHANCE


def update_cosine(left: Weights, right: Weights) -> float:
    """Cosine of two layers' whole updates, in [-1, 1]; 0 if either is zero.

    A module that a layer does not change counts as a zero update.
    """
    squares = _inner(left, left) * _inner(right, right)
    if not squares > 0.0:
        return 0.0
    return float(np.clip(_inner(left, right) / np.sqrt(squares), -1.0, 1.0))


def spaces_of(weights: Weights) -> dict[str, Spaces]:
    """Every module's spaces; modules that are not changed are left out."""
    found = {}
    for module, (a, b) in weights.items():
        q_out, r_out = np.linalg.qr(b.astype(np.float64))  # (out, k), (k, rank)
        q_in, r_in = np.linalg.qr(a.astype(np.float64).T)  # (in, k'), (k', rank)
        u, s, vt = np.linalg.svd(r_out @ r_in.T, full_matrices=False)
        kept = int((s > _ZERO * s[0]).sum()) if s.size and np.isfinite(s[0]) else 0
        if kept:
            found[module] = Spaces(q_out @ u[:, :kept], s[:kept], q_in @ vt[:kept].T)
    return found


def share_within(elder: Weights, young: Mapping[str, Spaces]) -> float:
    """How much of an elder layer a younger one contains, beyond chance: 1.0 = all of it.

    Below 0 where it contains less than subspaces of its ranks do by chance.
    """
    shares = []
    for module, (a, b) in elder.items():
        spaces = young.get(module)
        energy = _energy((a, b))
        if spaces is None or not spaces.fit(a, b) or not energy > 0.0:
            continue
        sides = _energy((a, spaces.left.T @ b)), _energy((a @ spaces.right, b))
        share = _smaller(np.array(sides)[:, None] / energy, spaces.chances)
        if share is not None:
            shares.append(float(share[0]))
    return sum(shares) / max(len(shares), FEWEST_MODULES)


def too_wide(spaces: Mapping[str, Spaces]) -> str | None:
    """The widest module of a layer of which hardly a module tells anything; None for others."""
    wide = [module for module, one in spaces.items() if one.is_too_wide]
    if not wide or 2 * len(wide) < len(spaces):
        return None
    return max(wide, key=lambda module: spaces[module].values.size)


def sketch(spaces: Mapping[str, Spaces]) -> bytes:
    """The leading pair of each of the strongest modules; empty for a zero update."""
    strongest = sorted(spaces, key=lambda m: (-float((spaces[m].values ** 2).sum()), m))
    records = np.zeros(min(len(strongest), SKETCH_MODULES), _RECORD)
    for record, module in zip(records, strongest, strict=False):
        left, _, right = spaces[module]
        record["module"] = _number(module)
        record["left"], record["right"] = _small(left[:, :1]), _small(right[:, :1])
    return records.tobytes()


def is_sketch(data: bytes) -> bool:
    """Whether these bytes are a sketch of this kind, and not empty."""
    return len(data) > 0 and len(data) % _RECORD.itemsize == 0


class Sketches:
    """Sketches of many layers, all asked at once."""

    def __init__(
        self, n_layers: int = 0, layer: np.ndarray | None = None, records: np.ndarray | None = None
    ) -> None:
        self.n_layers = n_layers
        self._layer = np.zeros(0, np.int64) if layer is None else layer
        self._records = np.zeros(0, _RECORD) if records is None else records
        self._modules = np.ascontiguousarray(self._records["module"])

    def grown(self, sketches: Iterable[bytes]) -> Sketches:
        """With more layers at the end; what is no sketch is near nobody."""
        parts = [
            np.frombuffer(one, _RECORD) if is_sketch(one) else np.zeros(0, _RECORD)
            for one in sketches
        ]
        numbers = np.repeat(self.n_layers + np.arange(len(parts)), [len(part) for part in parts])
        return Sketches(
            self.n_layers + len(parts),
            np.concatenate([self._layer, numbers]).astype(np.int64),
            np.concatenate([self._records, *parts]),
        )

    def with_one(self, number: int, one: bytes) -> Sketches:
        """With the sketch of a layer whose sketch was not known."""
        records = np.frombuffer(one, _RECORD)
        return Sketches(
            self.n_layers,
            np.concatenate([self._layer, np.full(len(records), number)]),
            np.concatenate([self._records, records]),
        )

    def shares(self, young: Mapping[str, Spaces]) -> np.ndarray:
        """What a younger layer contains of each one's leading pairs, beyond chance, (n_layers,)."""
        total, n_shared = np.zeros((2, self.n_layers))
        for module, one in young.items():
            at = np.flatnonzero(self._modules == _number(module))
            sides = [
                _inside(self._records[name][at].astype(np.float32), _basis(_pressed(space)))
                for name, space in (("left", one.left), ("right", one.right))
            ]
            share = _smaller(np.stack(sides), one.pressed_chances)
            if share is not None:
                np.add.at(total, self._layer[at], share)
                np.add.at(n_shared, self._layer[at], 1.0)
        return np.asarray(total / np.maximum(n_shared, FEWEST_MODULES))


def factors_of(folder: str | Path) -> dict[str, Pair]:
    """A PEFT folder's factors by module, after the validator has passed it.

    Raises:
        LayerRejected: It is not acceptable; the code says why.
    """
    from genome.validate import check_folder

    with check_folder(folder) as checked:
        return {module: (a, b) for module, a, b in checked.factors()}


def _smaller(sides: np.ndarray, chances: tuple[float, float]) -> np.ndarray | None:
    """The smaller of what is in the columns and in the rows, beyond chance, (n,).

    Args:
        sides: (2, n).
        chances: Where one is 1, its side says nothing; None if neither does.
    """
    told = [
        (side - chance) / (1.0 - chance)
        for side, chance in zip(sides, chances, strict=True)
        if chance < 1.0
    ]
    return np.asarray(np.minimum.reduce(told)) if told else None


def _energy(pair: Pair) -> float:
    a, b = pair
    return float(((b.T @ b) * (a @ a.T)).sum(dtype=np.float64))


def _inner(left: Weights, right: Weights) -> float:
    total = 0.0
    for module in left.keys() & right.keys():
        (a1, b1), (a2, b2) = left[module], right[module]
        if a1.shape[1] == a2.shape[1] and b1.shape[0] == b2.shape[0]:
            total += float(((b1.T @ b2) * (a1 @ a2.T)).sum(dtype=np.float64))
    return total


def _small(column: np.ndarray) -> np.ndarray:
    """A pressed column's direction in whole numbers of one byte, (256,)."""
    pressed = _pressed(column)[:, 0]
    return np.asarray(np.rint(pressed * (127 / np.abs(pressed).max())), dtype=np.int8)


def _inside(directions: np.ndarray, basis: np.ndarray) -> np.ndarray:
    """Share of each row's energy in the span of a basis' columns, (n_rows,)."""
    return np.asarray(((directions @ basis) ** 2).sum(1) / (directions**2).sum(1))


def _number(module: str) -> np.uint64:
    return np.uint64(int.from_bytes(hashlib.sha256(module.encode()).digest()[:8], "big"))


def _pressed(columns: np.ndarray) -> np.ndarray:
    """Columns of any length as columns of 256 numbers, unit length kept, (256, n)."""
    pressed = _press(columns.shape[0]) @ columns
    return np.asarray(pressed / np.maximum(np.linalg.norm(pressed, axis=0), 1e-12))


@lru_cache(maxsize=64)
def _press(n: int) -> np.ndarray:
    """(256, n); the same on every machine, and for short vectors nothing is lost."""
    if n <= SKETCH_NUMBERS:
        return np.eye(SKETCH_NUMBERS, n)
    rng = np.random.Generator(np.random.PCG64(n))
    return np.asarray(rng.standard_normal((SKETCH_NUMBERS, n)) / np.sqrt(SKETCH_NUMBERS))


def _basis(columns: np.ndarray) -> np.ndarray:
    """Orthonormal columns of the same span, (256, at most n) float32."""
    return np.asarray(np.linalg.qr(columns)[0], dtype=np.float32)
