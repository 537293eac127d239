"""How the rows of a batch are grouped by the genome they run.

Batched products want blocks of equal groups: `n_groups` genomes with as many rows each. Rows
that stand so already are used as they are. Others are put in order once per forward pass, not
once per linear map: genomes with equally many rows side by side, so that a random order needs
only as many products as there are different counts.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import groupby

import torch


@dataclass(frozen=True)
class Block:
    """Consecutive rows that belong to genomes with equally many rows each."""

    start: int
    slots: tuple[int, ...]
    """Slot of every group, (n_groups,)."""
    rows_each: int

    @property
    def stop(self) -> int:
        """Row after the last."""
        return self.start + len(self.slots) * self.rows_each

    @cached_property
    def span(self) -> slice | None:
        """The slots as a slice, if they are consecutive."""
        first = self.slots[0]
        whole = slice(first, first + len(self.slots))
        return whole if self.slots == tuple(range(whole.start, whole.stop)) else None

    def of(self, stacked: torch.Tensor, part: slice = slice(None)) -> torch.Tensor:
        """A part of this block's groups out of (n_slots, ...); a view where possible."""
        if self.span is not None:
            return stacked[self.span][part]
        return stacked[torch.tensor(self.slots[part], device=stacked.device)]


class Arrangement:
    """Rows of a batch in blocks of equal groups."""

    def __init__(self, blocks: Sequence[Block]) -> None:
        self.blocks = tuple(blocks)
        self.n_rows = self.blocks[-1].stop
        self.n_groups = sum(len(block.slots) for block in self.blocks)

    @property
    def one_row_a_group(self) -> bool:
        """No row shares its factors with a neighbour."""
        return self.n_groups == self.n_rows

    def tokens(self, x: torch.Tensor) -> list[torch.Tensor]:
        """x, (rows, ..., width), by block and group: (n_groups, tokens each, width).

        Views where x is contiguous, so that they can be written to.
        """
        if len(self.blocks) == 1:
            if x.ndim == 3 and x.shape[0] == self.n_groups:
                return [x]
            return [x.reshape(self.n_groups, -1, x.shape[-1])]
        flat = x.reshape(self.n_rows, -1, x.shape[-1])
        return [
            flat[block.start : block.stop].reshape(len(block.slots), -1, flat.shape[-1])
            for block in self.blocks
        ]


def as_they_stand(slots: Sequence[int]) -> Arrangement:
    """Runs of one slot as they stand, if they are long; else every row a group of its own."""
    runs = [(slot, len(list(run))) for slot, run in groupby(slots)]
    if len(runs) > len(slots) / 2:
        return Arrangement([Block(0, tuple(slots), 1)])
    blocks: list[Block] = []
    for each, some in groupby(runs, key=lambda run: run[1]):
        start = blocks[-1].stop if blocks else 0
        blocks.append(Block(start, tuple(slot for slot, _ in some), each))
    return Arrangement(blocks)


def in_order(slots: Sequence[int]) -> tuple[list[int], Arrangement]:
    """An order of the rows in few blocks, and the blocks in that order.

    Returns:
        `order`, so that new row i is old row `order[i]`, and the arrangement of the new rows.
    """
    counts = Counter(slots)
    order = sorted(range(len(slots)), key=lambda row: (counts[slots[row]], slots[row]))
    by_count: dict[int, list[int]] = {}
    for slot in sorted(counts, key=lambda slot: (counts[slot], slot)):
        by_count.setdefault(counts[slot], []).append(slot)
    blocks: list[Block] = []
    for each, members in by_count.items():
        blocks.append(Block(blocks[-1].stop if blocks else 0, tuple(members), each))
    return order, Arrangement(blocks)
