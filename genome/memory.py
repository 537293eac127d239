"""How much memory computing may take, and what a batch of a causal LM takes of it.

The budget is for what comes on top of the loaded base: activations, logits and caches of one
batch. Like the number of threads it belongs to the process, not to a model.
"""

from __future__ import annotations

import ctypes
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from genome.errors import MemoryTextError

SHARE = 0.6
"""Of what is free, where nobody says how much."""
UNITS = {"": 1, "K": 10**3, "M": 10**6, "G": 10**9, "T": 10**12}
LEAST = 10**7
"""Bytes; less than this is a slip of the pen."""
M_MMAP_THRESHOLD = -3
"""Of glibc's `mallopt`."""

_stated: list[int] = []
"""The budget of this process, once it was stated or first asked for."""


def parse_bytes(text: str) -> int:
    """`4GB`, `500 MB`, `1.5GiB` in bytes.

    Raises:
        MemoryTextError: It is none of these, or less than a model can be computed in.
    """
    found = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*([KMGT]?)(i?)B?\s*", text, re.IGNORECASE)
    if found is None:
        raise MemoryTextError(text)
    number, unit, binary = found.groups()
    scale = UNITS[unit.upper()]
    n_bytes = int(
        float(number) * (2 ** (10 * list(UNITS).index(unit.upper())) if binary else scale)
    )
    if n_bytes < LEAST:
        raise MemoryTextError(text)
    return n_bytes


def allow(n_bytes: int) -> None:
    """State what batches of this process may take beside the bases it has loaded."""
    _stated[:] = [n_bytes]


def allowed() -> int:
    """Bytes that one batch may take; without `allow`, 60 % of what is free when first asked."""
    if not _stated:
        allow(int(SHARE * free_bytes()))
    return _stated[0]


def free_bytes() -> int:
    """What the machine, or the control group the process is in, has left."""
    import psutil

    free = int(psutil.virtual_memory().available)
    group = Path("/sys/fs/cgroup")
    try:
        limit, used = ((group / f"memory.{name}").read_text() for name in ("max", "current"))
        return min(free, max(0, int(limit) - int(used)))
    except (OSError, ValueError):  # no group, or no limit ("max")
        return free


@contextmanager
def returned_at_once() -> Iterator[None]:
    """Within: memory of a megabyte or more goes back to the system as soon as it is let go.

    Else glibc keeps it on the heap, where what stays lies scattered among what went: a step whose
    activations are computed again took 1,100 MB instead of 200. It costs a page fault for every
    four kilobytes, half as much time again, so it is for who has no room. Other C libraries are
    left as they are.
    """
    library = ctypes.CDLL(None)
    if not hasattr(library, "mallopt"):
        yield
        return
    library.mallopt(M_MMAP_THRESHOLD, 1 << 20)
    try:
        yield
    finally:
        library.mallopt(M_MMAP_THRESHOLD, 1 << 25)  # as far as glibc itself would have gone


@dataclass(frozen=True, slots=True)
class Footprint:
    """What one row takes at its widest moment, from the model's shape.

    Checked against the peak of a real process (`tests/genome/test_memory.py`): never less, and
    less than twice as much.
    """

    width: int
    """Of the hidden states."""
    inner: int
    """Of the feed-forward part."""
    heads: int
    cached: int
    """Numbers that one position leaves in the cache of keys and values of a block."""
    blocks: int
    vocabulary: int
    size: int
    """Bytes of a number."""

    @classmethod
    def of(cls, model: Any) -> Footprint:
        """Read from configuration and weights."""
        config = model.config.get_text_config()
        width = config.hidden_size
        heads = getattr(config, "num_attention_heads", None) or 1
        head = getattr(config, "head_dim", None) or width // heads
        inner = next(
            (
                found
                for name in ("intermediate_size", "n_inner", "ffn_dim")
                if isinstance(found := getattr(config, name, None), int)
            ),
            4 * width,
        )
        keys = getattr(config, "num_key_value_heads", None) or heads
        return cls(
            width=max(width, heads * head),
            inner=inner,
            heads=heads,
            cached=2 * keys * head,
            blocks=getattr(config, "num_hidden_layers", None) or 1,
            vocabulary=model.get_input_embeddings().weight.shape[0],
            size=model.dtype.itemsize,
        )

    def reading(self, positions: int, scored: int, *, kept: int = 0) -> int:
        """Bytes of a row in a forward pass without gradients.

        Args:
            scored: Positions whose logits are wanted.
            kept: Positions whose keys and values are kept for going on.
        """
        attention = 9 * self.width + 4 * self.heads * positions
        numbers = max(attention, 3 * self.width + 5 * self.inner) * positions
        cache = self.blocks * self.cached * kept
        return self.size * (numbers + cache) + (self.size + 5) * scored * self.vocabulary

    def training(self, positions: int, scored: int, *, recomputed: bool = False) -> int:
        """Bytes of a row in a training step.

        Args:
            scored: Positions whose logits there are at the same time.
            recomputed: Blocks keep their inputs only, and are computed again going back.
        """
        block = 12 * self.width + 5 * self.inner + 2 * self.heads * positions
        going_back = 5 * self.width + 5 * self.inner + 2 * self.heads * positions
        kept = self.blocks * self.width + block if recomputed else self.blocks * block
        return self.size * (kept + going_back) * positions + 12 * scored * self.vocabulary
