"""Rows in any order become few blocks of equal groups."""

from __future__ import annotations

import torch
from hypothesis import given
from hypothesis import strategies as st

from genome.running.arrangement import as_they_stand, in_order


def test_rows_are_sorted_into_as_many_blocks_as_there_are_counts() -> None:
    slots = [5, 1, 5, 2, 7, 1, 5]
    order, rows = in_order(slots)
    assert [slots[row] for row in order] == [2, 7, 1, 1, 5, 5, 5]
    assert [(b.slots, b.rows_each, b.start) for b in rows.blocks] == [
        ((2, 7), 1, 0),
        ((1,), 2, 2),
        ((5,), 3, 4),
    ]


def test_runs_are_used_as_they_stand() -> None:
    """Equally long ones beside each other are one block; short ones are taken apart."""
    assert as_they_stand([3, 3, 1, 1]).n_groups == 2
    assert as_they_stand([3, 3, 1]).one_row_a_group
    blocks = as_they_stand([3, 3, 1, 1, 0, 0, 0, 0, 3]).blocks
    assert [(b.slots, b.rows_each, b.start) for b in blocks] == [
        ((3, 1), 2, 0),
        ((0,), 4, 4),
        ((3,), 1, 8),
    ]


@given(st.lists(st.integers(0, 5), min_size=1, max_size=40))
def test_every_row_is_in_the_group_of_its_slot(slots: list[int]) -> None:
    """Each row of a (rows, 2, 1) tensor that holds its slot is found where its slot is named."""
    order, rows = in_order(slots)
    assert sorted(order) == list(range(len(slots)))
    x = torch.tensor([slots[row] for row in order]).float()[:, None, None].expand(-1, 2, 1)
    for block, part in zip(rows.blocks, rows.tokens(x.contiguous()), strict=True):
        assert part.shape == (len(block.slots), 2 * block.rows_each, 1)
        assert torch.equal(part.amin((1, 2)), torch.tensor(block.slots).float())
        assert torch.equal(part.amax((1, 2)), torch.tensor(block.slots).float())
