"""Rows of unequal length laid end to end: no padding, and no row sees another.

A model is given every token as a row of one position, (n_tokens, 1). All that works token by
token then has one dense batch of just the tokens that are there, and `PopulationModel.rows` a slot
for each of them; attention alone is told where rows begin, and runs each over its own keys. So a
prompt of forty tokens, a piece of a long one and the next token of ten answers make one pass.
Any model works whose attention is the library's own interface (`AttentionInterface`), and whose
positions are given; whether one does is tried out (`can_pack`).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch.nn.functional import scaled_dot_product_attention
from transformers import AttentionInterface, Cache

from genome.running.halves import run_body, run_head

ATTENTION = "continuum_packed"
"""What this attention is called in the library's registry."""
KNOWN = {"full_attention", "sliding_attention"}
"""Kinds of blocks, as configurations name them, that `attend` is right for at any length."""
LEAST_ROOM = 64
"""Positions that a row has room for at least; doubled when they are full."""


class RowCache:
    """What one row has read: keys and values of every block, written in place."""

    def __init__(self) -> None:
        self.n_read = 0
        """Positions that count; what a failed pass wrote beyond is written over."""
        self._blocks: list[tuple[torch.Tensor, torch.Tensor]] = []
        """Keys and values of each block, (n_heads, room, width) each."""

    @property
    def n_bytes(self) -> int:
        """Memory of all blocks, with the room to grow."""
        return sum(kept.nbytes for block in self._blocks for kept in block)

    def copy(self, n: int) -> RowCache:
        """One that has read the first n positions, and goes on by itself."""
        new = RowCache()
        new.n_read = n
        new._blocks = [
            (keys[:, :n].clone(), values[:, :n].clone()) for keys, values in self._blocks
        ]
        return new

    def then(
        self, block: int, keys: torch.Tensor, values: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """All keys and values of a block up to the new ones, which are (n_heads, n_new, width)."""
        stop = self.n_read + keys.shape[1]
        if block == len(self._blocks):
            self._blocks.append((keys[:, :0], values[:, :0]))
        held = self._blocks[block]
        if held[0].shape[1] < stop:
            room = max(LEAST_ROOM, 1 << (stop - 1).bit_length())
            held = _grown(held[0], self.n_read, room), _grown(held[1], self.n_read, room)
            self._blocks[block] = held
        for kept, new in zip(held, (keys, values), strict=True):
            kept[:, self.n_read : stop] = new
        return held[0][:, :stop], held[1][:, :stop]


def _grown(kept: torch.Tensor, n: int, room: int) -> torch.Tensor:
    larger = kept.new_empty(kept.shape[0], room, kept.shape[2])
    larger[:, :n] = kept[:, :n]
    return larger


class PackedRows(Cache):
    """The caches of a pass's rows, as a model asks for them."""

    def __init__(self, rows: Sequence[RowCache], lengths: Sequence[int]) -> None:
        """
        Args:
            lengths: New positions of each row in this pass.
        """
        super().__init__(layers=[])
        self.rows = rows
        self.lengths = list(lengths)

    def update(
        self,
        key_states: torch.Tensor,
        value_states: torch.Tensor,
        layer_idx: int,
        *_: Any,
        **__: Any,
    ) -> Any:
        """From (n_tokens, n_heads, 1, width), lists of every row's own, for `attend`."""
        held = [
            row.then(layer_idx, keys.transpose(0, 1), values.transpose(0, 1))
            for row, keys, values in zip(
                self.rows,
                key_states[:, :, 0].split_with_sizes(self.lengths),
                value_states[:, :, 0].split_with_sizes(self.lengths),
                strict=True,
            )
        ]
        return (self.lengths, [keys for keys, _ in held]), [values for _, values in held]

    def get_seq_length(self, layer_idx: int = 0) -> int:
        """Nobody's: who packs rows gives every token's position."""
        return 0


def attend(
    module: Any,
    query: torch.Tensor,
    keys: tuple[list[int], Sequence[torch.Tensor]],
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
        query: (n_tokens, n_heads, 1, width); a row's are its last positions.
        keys: Each row's length, and its (n_key_heads, n_positions, width); so `values`.

    Returns:
        (n_tokens, 1, n_heads, width), and no weights.
    """
    lengths, all_keys = keys
    outputs = []
    for asked, key, value in zip(
        query[:, :, 0].split_with_sizes(lengths), all_keys, values, strict=True
    ):
        n_new, n = asked.shape[0], key.shape[1]
        asked = asked.transpose(0, 1)
        if n_new == 1 and sliding_window is not None:
            key, value = key[:, -sliding_window:], value[:, -sliding_window:]
        mask = None if n_new == 1 else _seen(n_new, n, sliding_window, query.device)
        if softcap is None:
            out = scaled_dot_product_attention(
                asked[None], key[None], value[None], mask, scale=scaling, enable_gqa=True
            )[0]
        else:
            out = _capped(asked, key, value, mask, scaling or asked.shape[-1] ** -0.5, softcap)
        outputs.append(out.transpose(0, 1))
    return torch.cat(outputs)[:, None], None


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
    """Attention whose scores saturate at `softcap` (Gemma 2), (n_heads, n_new, width)."""
    each = query.shape[0] // key.shape[0]
    key, value = key.repeat_interleave(each, 0), value.repeat_interleave(each, 0)
    scores = softcap * torch.tanh(query @ key.mT * scaling / softcap)
    if mask is not None:
        scores = scores.masked_fill(~mask, float("-inf"))
    return scores.softmax(-1, dtype=torch.float32).to(value.dtype) @ value


@contextmanager
def packed_attention(model: Any) -> Iterator[None]:
    """Within: the model takes tokens with `PackedRows` as their cache."""
    before = model.config._attn_implementation
    AttentionInterface.register(ATTENTION, attend)
    model.set_attn_implementation(ATTENTION)
    try:
        yield
    finally:
        model.set_attn_implementation(before)


def run_packed(model: Any, ids: torch.Tensor, packed: PackedRows) -> Any:
    """What the model's body gives for tokens of rows laid end to end, within `packed_attention`.

    Args:
        ids: (n_tokens,); each row's go on from what it has read.

    Returns:
        The body's output, `last_hidden_state` (n_tokens, 1, width).
    """
    positions = [
        torch.arange(row.n_read, row.n_read + n)
        for row, n in zip(packed.rows, packed.lengths, strict=True)
    ]
    return run_body(model, ids[:, None], packed, torch.cat(positions)[:, None])


@torch.no_grad()
def can_pack(model: Any) -> bool:
    """Whether this model gives the same of packed rows; tried out on a few tokens.

    Only what shows on longer texts is looked up: blocks that attend in another way than `attend`.
    """
    if not {*(getattr(model.config.get_text_config(), "layer_types", None) or ())} <= KNOWN:
        return False
    try:
        n_tokens = model.get_input_embeddings().num_embeddings
        whole = torch.arange(8)[None] * 7 % (n_tokens // 3) + n_tokens // 3  # no special ones
        wanted = model(input_ids=whole, use_cache=False, logits_to_keep=1).logits[0, -1]
        rows = [RowCache(), RowCache()]
        other = whole[0, :1]
        with packed_attention(model):
            for start, stop in ((0, 5), (5, 7), (7, 8)):
                n = stop - start
                ids = torch.cat([other, whole[0, start:stop]])
                packed = PackedRows(rows, [1, n])
                output = run_packed(model, ids, packed)
                rows[0].n_read, rows[1].n_read = rows[0].n_read + 1, stop
            found = run_head(model, output, output.last_hidden_state[-1:])[0, -1]
    except Exception:  # of architectures that attend otherwise, each in words of its own
        return False
    in_bytes = any(p.dtype is torch.int8 for p in model.parameters())  # read in bfloat16
    computed = torch.bfloat16 if in_bytes else wanted.dtype
    rounding = 4 * torch.finfo(computed).eps ** 0.5  # in bfloat16 .35, in float32 .001
    return bool((found - wanted).norm() <= rounding * wanted.norm())
