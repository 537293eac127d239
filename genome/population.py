"""A whole population in one forward pass: every row of a batch runs its own genome.

The base model's matrices are multiplied for all rows at once; each row adds its own low-rank
update, `y = W x + B_s (A_s x)` with s the row's slot. While `rows` is open, the linear maps
that some genome changes compute that instead of the base's product; the base weights are never
copied or changed, and afterwards the model is what it was. How the product is done is in
`genome.running.update`, how rows are grouped in `genome.running.arrangement`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cached_property
from typing import Any

import torch
from torch import nn

from genome.errors import GenomeError
from genome.genome import Genome
from genome.layer import Factors
from genome.running.arrangement import Arrangement, as_they_stand, in_order
from genome.running.stack import (
    LinearSite,
    Stack,
    check_fit,
    linear_sites,
    rank_of,
    reserve,
    stack_genomes,
)
from genome.running.update import Family, Update

ROW_INPUTS = (
    "input_ids",
    "inputs_embeds",
    "attention_mask",
    "position_ids",
    "labels",
    "logits_to_keep",  # as positions; a mask would make logits without rows
)
"""What a causal LM takes by row; with anything else by row in the call, rows stay in place."""
ROW_OUTPUTS = ("logits", "hidden_states", "attentions", "last_hidden_state")


class PopulationModel:
    """Any Hugging Face causal LM, with the layers of many genomes at hand."""

    def __init__(self, model: Any) -> None:
        self.model = model
        self.n_slots = 0
        self.sites: dict[str, LinearSite] = linear_sites(model)
        self._stacks: list[Stack] = []

    def load(self, genomes: Sequence[Genome]) -> list[int]:
        """Stack the layers of these genomes, replacing what was loaded; returns their slots.

        Layers of one genome are stacked exactly (ranks side by side), shorter ranks are padded
        with zeros.

        Raises:
            GenomeError: A layer changes a module that the model does not have.
        """
        self._stacks = stack_genomes(genomes, self.sites)
        self.n_slots = len(genomes)
        return list(range(self.n_slots))

    def reserve(self, n_slots: int, rank: int, modules: Sequence[str] | None = None) -> int:
        """Make room for genomes that come and go (`put`), replacing what was loaded.

        Args:
            rank: Of a genome's layers together, at any module.
            modules: Paths of the maps they may change; without them all but the output head.

        Returns:
            Bytes of one slot.
        """
        if modules is None:
            modules = [name for name in self.sites if not name.endswith("lm_head")]
        self._stacks = reserve(self.sites, dict.fromkeys(sorted(modules), rank), n_slots)
        self.n_slots = n_slots
        return sum(stack.n_bytes for stack in self._stacks) // n_slots

    def put(self, slot: int, genome: Genome) -> None:
        """Give a reserved slot to a genome; other slots may be running meanwhile.

        Raises:
            GenomeError: The genome does not fit the model or the room reserved; the slot is
                as it was.
        """
        check_fit(genome, self.sites)
        room = {m: b.shape[1] for stack in self._stacks for m, b in stack.b.items()}
        for module in {module for layer in genome.layers for module in layer.factors}:
            if (rank := rank_of(genome, module)) > room.get(module, 0):
                raise GenomeError(
                    f"the genome has rank {rank} at {module!r}, the slots have room for "
                    f"{room.get(module, 0)}: reserve more, or merge its layers to a lower rank"
                )
        for stack in self._stacks:
            stack.put(slot, genome)

    def parameters(self) -> list[torch.Tensor]:
        """All stacked factors, (n_slots, ...) float32 each; leaves for one's own optimiser."""
        return [t for stack in self._stacks for t in (stack.a, *stack.b.values())]

    def train(self, on: bool = True) -> None:
        """Let the stacked factors collect gradients, or stop it.

        The backward pass has to run within `rows` too where gradient checkpointing computes
        activations again.
        """
        for tensor in self.parameters():
            tensor.requires_grad_(on)

    def siblings(self) -> list[list[slice]]:
        """For each stack of `parameters()` (one A, then its Bs): each B's columns of A."""
        return [list(stack.columns.values()) for stack in self._stacks]

    def own_parts(self, ranks: Sequence[Mapping[str, int]]) -> list[torch.Tensor]:
        """1 where a parameter belongs to a slot's first ranks, else 0; as `parameters()`.

        Args:
            ranks: For each slot, the ranks counted by module; 0 for modules not named.
        """
        return [mask for stack in self._stacks for mask in stack.own_parts(ranks)]

    def factors(self, module: str, slot: int, rank: int) -> Factors:
        """One slot's factors of a module as they are now, padding beyond `rank` dropped."""
        stack = next(stack for stack in self._stacks if module in stack.columns)
        return stack.factors(module, slot, rank)

    @contextmanager
    def rows(self, slots: Sequence[int]) -> Iterator[None]:
        """Within: row i of every batch given to the model runs the genome in `slots[i]`.

        A batch of k times as many rows (`num_return_sequences`, beams) is taken as k
        neighbours for each row, as `generate` makes it.

        Raises:
            GenomeError: A slot is not loaded, or a batch has another number of rows.
        """
        if not slots or min(slots) < 0 or max(slots) >= self.n_slots:
            raise GenomeError(
                f"a row's slot must be 0 to {self.n_slots - 1}, not one of {sorted(set(slots))}: "
                "load the genomes first"
            )
        running = _Running(list(slots), self._stacks)
        before = self.model.register_forward_pre_hook(running.enter, with_kwargs=True)
        after = self.model.register_forward_hook(running.leave, always_call=True, with_kwargs=True)
        replaced = []
        try:
            for family in running.families:
                for name in family.stack.columns:
                    module = self.sites[name].module
                    replaced.append((module, module.__dict__.get("forward")))
                    module.__dict__["forward"] = Update(self.sites[name], family)
            yield
        finally:
            before.remove()
            after.remove()
            for changed, own in replaced:
                del changed.__dict__["forward"]
                if own is not None:
                    changed.__dict__["forward"] = own


class _Running:
    """What the replaced maps share while `rows` is open."""

    def __init__(self, slots: list[int], stacks: Sequence[Stack]) -> None:
        self.slots = slots
        self._standing = as_they_stand(slots)
        chosen = set(slots)
        self.families = [Family(stack, self._standing) for stack in stacks if stack.used & chosen]
        self._inverse: torch.Tensor | None = None

    @cached_property
    def _sorted(self) -> tuple[torch.Tensor, Arrangement]:
        order, rows = in_order(self.slots)
        return torch.tensor(order), rows

    def _arrange(self, rows: Arrangement) -> None:
        for family in self.families:
            family.arrange(rows)

    def enter(
        self, model: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> tuple[tuple[Any, ...], dict[str, Any]] | None:
        """Before the model's forward pass: put the rows in order where that pays."""
        if len(args) == 1:
            kwargs, args = {"input_ids": args[0], **kwargs}, ()
        ids = kwargs.get("input_ids", kwargs.get("inputs_embeds"))
        if args or ids is None:
            return None
        recomputes = torch.is_grad_enabled() and getattr(
            model, "is_activation_checkpointing", False
        )
        if recomputes or not self._may_reorder(ids, kwargs):
            return args, kwargs  # (activations computed again find the rows as they stand)
        order, rows = self._sorted
        self._arrange(rows)
        order = order.to(ids.device)
        self._inverse = order.argsort()
        return args, {
            name: value[order] if _is_by_row(value, len(order)) else value
            for name, value in kwargs.items()
        }

    def _may_reorder(self, ids: torch.Tensor, kwargs: dict[str, Any]) -> bool:
        """Worth it, and every input and output is known to be put back in place."""
        if not self._standing.one_row_a_group or len(set(self.slots)) == len(self.slots):
            return False
        if ids.shape[0] != len(self.slots) or ids.shape[1] == 1:
            return False
        cache = kwargs.get("past_key_values")
        if cache is not None and not (
            hasattr(cache, "reorder_cache") and not cache.get_seq_length()
        ):
            return False
        if kwargs.get("return_dict") is False:
            return False
        kept = kwargs.get("logits_to_keep")
        if isinstance(kept, torch.Tensor) and kept.dtype == torch.bool:
            return False
        others = (value for name, value in kwargs.items() if name not in ROW_INPUTS)
        return not any(_is_by_row(value, len(self.slots)) for value in others)

    def leave(self, _: nn.Module, __: tuple[Any, ...], ___: dict[str, Any], output: Any) -> Any:
        """After the pass, also a failed one: every row back in its place."""
        inverse, self._inverse = self._inverse, None
        if inverse is None:
            return output
        self._arrange(self._standing)
        if output is None:  # the pass failed
            return output
        for name in ROW_OUTPUTS:
            value = output.get(name)
            if isinstance(value, torch.Tensor):
                output[name] = value[inverse]
            elif value is not None:
                output[name] = tuple(None if v is None else v[inverse] for v in value)
        if output.get("past_key_values") is not None:
            output.past_key_values.reorder_cache(inverse)
        return output


def _is_by_row(value: Any, n_rows: int) -> bool:
    return isinstance(value, torch.Tensor) and value.ndim > 1 and value.shape[0] == n_rows
