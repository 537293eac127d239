"""The numbers of a checked safetensors file: streamed for the check, read once for use.

numpy only, so that the marketplace can check and hash a layer without loading torch. Memory
stays at a few chunks whatever the file's size.
"""

from __future__ import annotations

import hashlib
import math
import os
from collections.abc import Callable, Iterator, Mapping

import numpy as np

from genome.adapter.header_scanner import ITEM_BYTES, TensorEntry
from genome.adapter.safetensors_header import Header
from genome.refusals import refused, shown

CHUNK_VALUES = 1 << 18
"""Numbers read at a time: the same in every format, so that sums come out the same."""
MAX_VALUE = 65504.0
"""Largest number of float16: a factor beyond it, B with its scaling, turns infinite when served in
half precision."""
MAX_UPDATE_NORM = 1e4
"""Frobenius norm allowed to scaling * |A| * |B|, which is never below that of the update.

The largest weight matrix of a 70 B Llama (28672 x 8192, standard deviation 0.02) has norm 306;
trained updates stay well below their weights. Thirty times the largest weights is no training
result, but drowns any base model and overflows half precision a few blocks later.
"""


def read_exactly(descriptor: int, start: int, n_bytes: int) -> bytes:
    """Bytes of an open file, from a position.

    Raises:
        LayerRejected: file_changed, if the file has become shorter; file_unreadable.
    """
    parts = []
    while n_bytes:
        try:
            part = os.pread(descriptor, n_bytes, start)
        except OSError as error:
            raise refused(
                "file_unreadable", f"a file cannot be read ({error.strerror}): check the disk"
            ) from None
        if not part:
            raise refused(
                "file_changed",
                "a file became shorter while it was checked: offer it again once "
                "nothing writes to it",
            )
        parts.append(part)
        start += len(part)
        n_bytes -= len(part)
    return parts[0] if len(parts) == 1 else b"".join(parts)


def check_values(
    descriptor: int, header: Header, scaling: Mapping[str, float]
) -> tuple[str, dict[str, float]]:
    """Read the whole file once, in order.

    The limits hold for the numbers as they will be used, so that a layer once accepted is
    accepted again after it was written with its scaling folded in.

    Args:
        scaling: By tensor name, what its numbers will be multiplied by; 1 where none is given.

    Returns:
        sha256 of the file in hex, and the Frobenius norm of every tensor, scaling included.

    Raises:
        LayerRejected: not_finite, norm, file_changed, file_unreadable.
    """
    digest = hashlib.sha256(read_exactly(descriptor, 0, header.data_start))
    norms = {}
    for entry in header.entries:
        total, factor = 0.0, np.float32(scaling.get(entry.name, 1.0))
        for raw in _chunks(descriptor, entry):
            digest.update(raw)
            with np.errstate(all="ignore"):  # what is not finite is found by what comes out
                values = _float32(raw, entry.dtype)
                finite = bool(np.isfinite(values).all())
                values = values * factor
                largest = float(np.abs(values).max())
            if not finite:
                raise refused(
                    "not_finite",
                    f"tensor {shown(entry.name)} holds NaN or infinity: the training "
                    "diverged, take an earlier checkpoint",
                )
            if largest > MAX_VALUE:
                raise refused(
                    "norm",
                    f"tensor {shown(entry.name)} holds {largest:.3g}, the limit is "
                    f"{MAX_VALUE:g}, float16's largest: rescale A and B against each other",
                )
            total += float(np.einsum("i,i->", values, values, dtype=np.float64))
        norms[entry.name] = math.sqrt(total)
    return digest.hexdigest(), norms


def check_update_norm(module: str, norm_a: float, norm_b: float) -> None:
    """Refuse an update that no training produces; `norm_b` includes the scaling.

    Raises:
        LayerRejected: norm.
    """
    bound = norm_a * norm_b
    if bound > MAX_UPDATE_NORM:
        raise refused(
            "norm",
            f"module {shown(module)} is changed by up to {bound:.3g} (scaling * |A| * |B|),"
            f" the limit is {MAX_UPDATE_NORM:g}: lower lora_alpha or take an earlier checkpoint",
        )


def read_values(
    descriptor: int, header: Header, sha256: str
) -> Iterator[tuple[TensorEntry, np.ndarray]]:
    """Every tensor as float32, in file order; the end proves that all were the checked bytes.

    Raises:
        LayerRejected: file_changed, file_unreadable.
    """
    digest = hashlib.sha256(read_exactly(descriptor, 0, header.data_start))
    for entry in header.entries:
        yield entry, read_tensor(descriptor, entry, digest.update)
    if digest.hexdigest() != sha256:
        raise refused(
            "file_changed",
            "the weights are no longer the bytes that were checked: offer them "
            "again once nothing writes to them",
        )


def read_tensor(
    descriptor: int, entry: TensorEntry, seen: Callable[[bytes], object] = lambda _: None
) -> np.ndarray:
    """One tensor as float32 in its shape; `seen` is given the raw bytes."""
    values = np.empty(math.prod(entry.shape), np.float32)
    at = 0
    for raw in _chunks(descriptor, entry):
        seen(raw)
        part = _float32(raw, entry.dtype)
        values[at : at + len(part)] = part
        at += len(part)
    return values.reshape(entry.shape)


def unpadded(a: np.ndarray, b: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """A module's factors without the last ranks that are zero in both, of which one may stay.

    A layer is written with one rank for all its modules; this takes away what was added.
    """
    rank = a.shape[0]
    while rank > 1 and not a[rank - 1].any() and not b[:, rank - 1].any():
        rank -= 1
    if rank == a.shape[0]:
        return a, b
    return np.ascontiguousarray(a[:rank]), np.ascontiguousarray(b[:, :rank])


class CanonicalDigest:
    """The digest that names a layer, fed module by module in sorted order."""

    def __init__(self) -> None:
        self._digest = hashlib.sha256()

    def update(self, module: str, a: np.ndarray, b: np.ndarray) -> None:
        """Add a module's factors, float32, scaling folded into B; zeros behind them are no part."""
        for factor, values in zip("AB", unpadded(a, b), strict=True):
            head = f"{module}\n{factor}\ntorch.float32\n{values.shape}\n"
            self._digest.update(head.encode())
            self._digest.update(np.ascontiguousarray(values, "<f4").data)

    def hexdigest(self) -> str:
        """The digest of all modules so far."""
        return self._digest.hexdigest()


def _chunks(descriptor: int, entry: TensorEntry) -> Iterator[bytes]:
    chunk_bytes = CHUNK_VALUES * ITEM_BYTES[entry.dtype]
    for at in range(0, entry.n_bytes, chunk_bytes):
        n_bytes = min(chunk_bytes, entry.n_bytes - at)
        yield read_exactly(descriptor, entry.start + at, n_bytes)


def _float32(raw: bytes, dtype: str) -> np.ndarray:
    if dtype == "F32":
        return np.frombuffer(raw, "<f4")
    if dtype == "F16":
        return np.frombuffer(raw, "<f2").astype(np.float32)
    return (np.frombuffer(raw, "<u2").astype(np.uint32) << 16).view(np.float32)
