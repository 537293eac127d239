"""Keys and values of rows that are each at their own length, and attention over them row by row.

Rows that join and leave between two tokens have read unequal much. Where each attends to its own
keys alone they need neither padding nor a mask, and one row's length costs no other row anything.
Any model works whose attention is the library's own interface (`AttentionInterface`).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch.nn.functional import scaled_dot_product_attention
from transformers import AttentionInterface, Cache

ATTENTION = "continuum_rows"
"""What this attention is called in the library's registry."""
LEAST_ROOM = 64
"""Positions that a row has room for at least; doubled when they are full."""


class RowCache:
    """What one row has read: keys and values of every block, written in place."""

    def __init__(self) -> None:
        self._blocks: list[tuple[torch.Tensor, torch.Tensor]] = []
        """Keys and values of each block, (n_heads, room, width) each."""

    def write(
        self, block: int, start: int, keys: torch.Tensor, values: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Put new positions behind the first `start`; what stood there is replaced.

        Args:
            keys: And `values`, (n_heads, n_new, width) each.

        Returns:
            Views of all keys and values, (n_heads, start + n_new, width) each.
        """
        stop = start + keys.shape[1]
        if block == len(self._blocks):
            self._blocks.append((keys[:, :0], values[:, :0]))
        held = self._blocks[block]
        if held[0].shape[1] < stop:
            room = max(LEAST_ROOM, 1 << (stop - 1).bit_length())
            held = _grown(held[0], start, room), _grown(held[1], start, room)
            self._blocks[block] = held
        for kept, new in zip(held, (keys, values), strict=True):
            kept[:, start:stop] = new
        return held[0][:, :stop], held[1][:, :stop]


def _grown(kept: torch.Tensor, n: int, room: int) -> torch.Tensor:
    larger = kept.new_empty(kept.shape[0], room, kept.shape[2])
    larger[:, :n] = kept[:, :n]
    return larger


class Rows(Cache):
    """The caches of a batch's rows, as a model asks for them."""

    def __init__(self, rows: Sequence[RowCache], starts: Sequence[int]) -> None:
        """
        Args:
            starts: Positions that each row has read; a pass that failed left no trace beyond.
        """
        super().__init__(layers=[])
        self.rows = rows
        self.starts = starts

    def update(
        self,
        key_states: torch.Tensor,
        value_states: torch.Tensor,
        layer_idx: int,
        *_: Any,
        **__: Any,
    ) -> Any:
        """Write (n_rows, n_heads, n_new, width); returns lists of every row's, for `attend`."""
        held = [
            row.write(layer_idx, start, keys, values)
            for row, start, keys, values in zip(
                self.rows, self.starts, key_states, value_states, strict=True
            )
        ]
        return [keys for keys, _ in held], [values for _, values in held]

    def get_seq_length(self, layer_idx: int = 0) -> int:
        """Of the first row; who runs rows gives every row's positions."""
        return self.starts[0]


def attend(
    module: Any,
    query: torch.Tensor,
    keys: Sequence[torch.Tensor],
    values: Sequence[torch.Tensor],
    _mask: torch.Tensor | None,
    *,
    scaling: float | None = None,
    sliding_window: int | None = None,
    softcap: float | None = None,
    **_: Any,
) -> tuple[torch.Tensor, None]:
    """Causal attention of every row over its own positions, in the library's interface.

    Args:
        query: (n_rows, n_heads, n_new, width); the new positions are each row's last.
        keys: And `values`, one (n_key_heads, n_positions, width) a row.

    Returns:
        (n_rows, n_new, n_heads, width), and no weights.
    """
    outputs = []
    for asked, key, value in zip(query, keys, values, strict=True):
        n_new, n = asked.shape[1], key.shape[1]
        if n_new == 1 and sliding_window is not None:
            key, value = key[:, -sliding_window:], value[:, -sliding_window:]
        mask = None if n_new == 1 else _seen(n_new, n, sliding_window, query.device)
        if softcap is None:
            out = scaled_dot_product_attention(
                asked[None], key[None], value[None], mask, scale=scaling, enable_gqa=True
            )
        else:
            out = _capped(asked, key, value, mask, scaling or asked.shape[-1] ** -0.5, softcap)
        outputs.append(out)
    return torch.cat(outputs).transpose(1, 2).contiguous(), None


def _seen(n_new: int, n: int, window: int | None, device: torch.device) -> torch.Tensor:
    """Which of n positions each of the last n_new may look at, (n_new, n) bool."""
    mask = torch.ones(n_new, n, dtype=torch.bool, device=device).tril(n - n_new)
    return mask if window is None else mask.triu(n - n_new - window + 1)


def _capped(
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    mask: torch.Tensor | None,
    scaling: float,
    softcap: float,
) -> torch.Tensor:
    """Attention whose scores saturate at `softcap` (Gemma 2), (1, n_heads, n_new, width)."""
    each = query.shape[0] // key.shape[0]
    key, value = key.repeat_interleave(each, 0), value.repeat_interleave(each, 0)
    scores = softcap * torch.tanh(query @ key.mT * scaling / softcap)
    if mask is not None:
        scores = scores.masked_fill(~mask, float("-inf"))
    return (scores.softmax(-1, dtype=torch.float32).to(value.dtype) @ value)[None]


@contextmanager
def rows_attend(model: Any) -> Iterator[None]:
    """Within: the model attends row by row, and takes `Rows` as its cache."""
    before = model.config._attn_implementation
    AttentionInterface.register(ATTENTION, attend)
    model.set_attn_implementation(ATTENTION)
    try:
        yield
    finally:
        model.set_attn_implementation(before)
