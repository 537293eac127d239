"""Adding every row's own low-rank update to a linear map: two ways, one result.

Factored: `y = W x + B (A x)`, two slim batched products beside the base's own. Their cost is
`n (in + out) r` for n tokens, but they are bound by memory: x is read and y rewritten.
Merged: `y = (W + B A) x`, the sum formed for a few genomes at a time in a buffer that stays in
the processor's cache, which costs `in out r` a genome, whatever n. With many tokens a genome
that is less work and much less traffic; W itself is never touched.

Measured on two cores, float32, rank 8, 192 tokens each of 100 genomes, over the base product
alone: 128 x 128 factored 1.53, merged 1.09; 320 x 128 1.42 and 1.04.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import nn

from genome.errors import GenomeError
from genome.running.arrangement import Arrangement
from genome.running.product import Prepacked
from genome.running.quantised import Int8Linear
from genome.running.stack import LinearSite, Stack

READING, WRITING = 2.9, 1.1
"""What a factored update costs per number of x and of y, in numbers of a merged matrix formed.

Fitted to the measurements above and to 512- and 1,408-wide maps; siblings share the reading.
"""
BUFFER_NUMBERS = 524_288
"""Numbers in the buffer of merged matrices, two megabytes: small beside the outputs.

Half a megabyte is as good with one thread (1.08 times the base, whole model of 128) and much worse
with two (1.30 against 1.09), whose share of so small a batch is not worth dividing.
"""

FEW_TOKENS = 8
"""Tokens a genome up to which an update in less than float32 is computed in float32."""


class Family:
    """Sibling maps while a population is running: they share their input and its A product."""

    def __init__(self, stack: Stack, rows: Arrangement) -> None:
        self.stack = stack
        self.rows = rows
        self.trains = any(t.requires_grad for t in (stack.a, *stack.b.values()))
        self.ranks = [b.shape[1] for b in stack.b.values()]
        self._input: torch.Tensor | None = None
        self._down: list[Sequence[torch.Tensor]] = []
        self._waiting = 0
        self._kept: dict[tuple[str, Arrangement, torch.dtype], list[torch.Tensor]] = {}

    def arrange(self, rows: Arrangement) -> None:
        """From now on the rows stand like this."""
        self.rows = rows
        self._input, self._down = None, []

    def down(self, x: torch.Tensor) -> list[Sequence[torch.Tensor]]:
        """A x by block and sibling, (n_groups, tokens each, rank); computed once for one input.

        The input is told by identity and let go when every sibling has had its share.
        """
        if x is self._input:
            down = self._down
            self._waiting -= 1
            if not self._waiting:
                self._input, self._down = None, []
            return down
        factors = self.select("", self.stack.a, self.precision(x))
        read = x.to(factors[0].dtype)
        if len(self.ranks) == 1:
            parts = self.rows.tokens(read)
            return [(torch.bmm(p, a),) for p, a in zip(parts, factors, strict=True)]
        down = [
            torch.bmm(part, a).split_with_sizes(self.ranks, -1)
            for part, a in zip(self.rows.tokens(read), factors, strict=True)
        ]
        self._input, self._down, self._waiting = x, down, len(self.ranks) - 1
        return down

    def precision(self, x: torch.Tensor) -> torch.dtype:
        """In what an update is computed: the input's, but for few tokens float32.

        Batched products of a token or two take several times as long in bfloat16.
        """
        few = x.numel() <= FEW_TOKENS * self.rows.n_groups * x.shape[-1]
        return torch.float32 if few and not torch.is_grad_enabled() else x.dtype

    def select(self, name: str, stacked: torch.Tensor, dtype: torch.dtype) -> list[torch.Tensor]:
        """Each block's factors in the input's precision; kept unless they are being trained."""
        key = (name, self.rows, dtype)
        chosen = self._kept.get(key)
        if chosen is None:
            chosen = [block.of(stacked).to(dtype) for block in self.rows.blocks]
            if not self.trains:
                self._kept[key] = chosen
        return chosen


class Update:
    """One map's forward pass while a population is running.

    In decoding a whole map takes some ten microseconds, so every Python line here counts.
    """

    def __init__(self, site: LinearSite, family: Family) -> None:
        self.site = site
        self.family = family
        self._weight, self._bias = site.weight, site.bias
        own = site.module.__dict__.get("forward")
        self._product: Callable[[torch.Tensor], torch.Tensor] | None
        self._product = own if isinstance(own, Prepacked) else None
        if isinstance(site.module, Int8Linear):
            self._product = site.module.multiply
        self._device = site.weight.device.type
        self._place = list(family.stack.columns).index(site.name)
        self._columns = family.stack.columns[site.name]
        self._up = family.stack.b[site.name]
        self._trains = family.trains or site.weight.requires_grad
        self._merge_cost = site.n_in * site.n_out
        self._ready: list[torch.Tensor] = []
        self._ready_for: Arrangement | None = None
        reading = READING / len(family.ranks)
        self._factored_cost = reading + WRITING * site.n_out / site.n_in  # per number of x

    def __call__(self, x: torch.Tensor) -> torch.Tensor:
        """The changed map's output, (..., in) -> (..., out)."""
        rows = self.family.rows
        if x.shape[0] % rows.n_rows:
            raise GenomeError(
                f"`rows` was opened for {rows.n_rows} rows, the model was given {x.shape[0]}: "
                "give one slot for every row of the batch"
            )
        if torch.is_grad_enabled() and (self._trains or x.requires_grad):
            return self._tracked(x)
        if torch.is_autocast_enabled(self._device):
            return self._tracked(x)
        # A rule of shapes alone, so that equal batches are always computed alike.
        worth_merging = x.numel() * self._factored_cost >= rows.n_groups * self._merge_cost
        if worth_merging and x.dtype is self._weight.dtype is torch.float32:
            return self._merged(x)
        return self._factored(x)

    def _factored(self, x: torch.Tensor) -> torch.Tensor:
        # fresh either way: may be changed in place
        if self._product is None:
            y = nn.functional.linear(x, self._weight, self._bias)
        else:
            y = self._product(x)
        down = self.family.down(x)
        rows = self.family.rows
        dtype = down[0][0].dtype
        if self._trains or self._ready_for is not rows or self._ready[0].dtype is not dtype:
            self._ready = self.family.select(self.site.name, self._up, dtype)
            self._ready_for = rows
        place = self._place
        if dtype is not y.dtype:
            for part, shares, b in zip(rows.tokens(y), down, self._ready, strict=True):
                part.add_(torch.bmm(shares[place], b))
            return y
        if len(down) == 1:
            rows.tokens(y)[0].baddbmm_(down[0][place], self._ready[0])
            return y
        for part, shares, b in zip(rows.tokens(y), down, self._ready, strict=True):
            part.baddbmm_(shares[place], b)
        return y

    def _tracked(self, x: torch.Tensor) -> torch.Tensor:
        """With gradients, or in autocast's precision: nothing in place, nothing kept."""
        y = nn.functional.linear(x, self._weight, self._bias)
        down = self.family.down(x)
        up = self.family.select(self.site.name, self._up, x.dtype)
        parts = self.family.rows.tokens(y)
        done = [
            torch.baddbmm(part, shares[self._place], b).flatten(0, 1)
            for part, shares, b in zip(parts, down, up, strict=True)
        ]
        return (done[0] if len(done) == 1 else torch.cat(done)).view(y.shape)

    def _merged(self, x: torch.Tensor) -> torch.Tensor:
        rows, site = self.family.rows, self.site
        y = x.new_empty(*x.shape[:-1], site.n_out)
        at_once = max(2, BUFFER_NUMBERS // (site.n_in * site.n_out))
        buffer = x.new_empty(min(at_once, rows.n_groups), site.n_out, site.n_in)
        blocks = zip(rows.blocks, rows.tokens(x), rows.tokens(y), strict=True)
        for block, inputs, outputs in blocks:
            for start in range(0, len(block.slots), at_once):
                part = slice(start, start + at_once)
                a = block.of(self.family.stack.a, part)[..., self._columns]  # (n, in, rank)
                b = block.of(self._up, part)  # (n, rank, out)
                merged = buffer[: b.shape[0]]
                torch.baddbmm(self._weight, b.mT, a.mT, out=merged)
                if self._bias is None:
                    torch.bmm(inputs[part], merged.mT, out=outputs[part])
                else:
                    torch.baddbmm(self._bias, inputs[part], merged.mT, out=outputs[part])
        return y
