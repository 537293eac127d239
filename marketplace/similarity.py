"""Whether two layers are nearly the same update, told without torch (P4).

Two updates of a module, W = BA and W' = B'A', have the inner product

    <W, W'> = sum((B^T B') * (A A'^T)),

two r x r Gram products. It depends on the update alone: rotating, rescaling or padding the
factors changes nothing, while comparing A with A' gives a rotated copy a cosine of about 0.07.

To find whom to compare with, every layer gets a sketch: 64 numbers u^T W v, with u and v drawn
anew for each number and fixed by the module's name. A sketch is linear in W, so that the sketches
of near-duplicates differ by as little as the layers do; unrelated ones only look alike by chance
(standard error 1/8). A sketch decides nothing: it names candidates for the exact comparison.
"""

import hashlib
from collections.abc import Iterable, Mapping
from pathlib import Path

import numpy as np

CLONE_COSINE = 0.98
"""From here on a layer counts as a near-duplicate."""
SKETCH_COSINE = 0.90
"""Candidates for the exact comparison: far below the sketch of any near-duplicate."""
SKETCH_NUMBERS = 64

Pair = tuple[np.ndarray, np.ndarray]
"""A (rank, in) and B (out, rank) of one module, scaling included."""


def update_cosine(left: Mapping[str, Pair], right: Mapping[str, Pair]) -> float:
    """Cosine of two layers' whole updates, in [-1, 1]; 0 if either is zero.

    A module that a layer does not change counts as a zero update.
    """
    squares = _inner(left, left) * _inner(right, right)
    if not squares > 0.0:
        return 0.0
    return float(np.clip(_inner(left, right) / np.sqrt(squares), -1.0, 1.0))


def sketch(factors: Mapping[str, Pair]) -> bytes:
    """64 float32 of unit length that near-duplicates nearly share; zeros for a zero update."""
    total = np.zeros(SKETCH_NUMBERS)
    for module, (a, b) in factors.items():
        u, v = _directions(module, b.shape[0], a.shape[1])
        total += ((u @ b.astype(np.float64)) * (v @ a.astype(np.float64).T)).sum(1)
    length = float(np.linalg.norm(total))
    unit = total / length if length > 0.0 and np.isfinite(length) else np.zeros(SKETCH_NUMBERS)
    return unit.astype("<f4").tobytes()


def sketch_cosines(one: bytes, many: np.ndarray) -> np.ndarray:
    """Cosine of one sketch with each row of (n, 64), (n,)."""
    return np.asarray(many @ np.frombuffer(one, "<f4"))


def stacked(sketches: Iterable[bytes]) -> np.ndarray:
    """Sketches as rows, (n, 64); an unknown one is a row of zeros, near nobody."""
    empty = bytes(4 * SKETCH_NUMBERS)
    joined = b"".join(one if len(one) == len(empty) else empty for one in sketches)
    return np.frombuffer(joined, "<f4").reshape(-1, SKETCH_NUMBERS)


def factors_of(folder: str | Path) -> dict[str, Pair]:
    """A PEFT folder's factors by module, after the validator has passed it.

    Raises:
        LayerRejected: It is not acceptable; the code says why.
    """
    from genome.validate import check_folder

    with check_folder(folder) as checked:
        return {module: (a, b) for module, a, b in checked.factors()}


def _inner(left: Mapping[str, Pair], right: Mapping[str, Pair]) -> float:
    total = 0.0
    for module in left.keys() & right.keys():
        (a1, b1), (a2, b2) = left[module], right[module]
        if a1.shape[1] == a2.shape[1] and b1.shape[0] == b2.shape[0]:
            total += float(((b1.T @ b2) * (a1 @ a2.T)).sum(dtype=np.float64))
    return total


def _directions(module: str, n_out: int, n_in: int) -> Pair:
    """u (64, out) and v (64, in); the same for a module's name on every machine."""
    seed = int.from_bytes(hashlib.sha256(module.encode()).digest()[:16], "big")
    rng = np.random.Generator(np.random.PCG64(seed))
    return rng.standard_normal((SKETCH_NUMBERS, n_out)), rng.standard_normal((SKETCH_NUMBERS, n_in))
