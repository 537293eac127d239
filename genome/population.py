"""A whole population in one forward pass: every row of a batch runs its own genome.

The base model's matrices are multiplied once for all rows; each row adds its own low-rank
update, `y = W x + B_s (A_s x)` with s the row's slot. Rows of one genome that stand together
in equal groups share one batched product; any other order gathers factors row by row.
The base weights are never copied or changed, and outside `rows` the model is what it was.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch import nn

from genome.errors import GenomeError
from genome.genome import Genome
from genome.layer import Layer


class PopulationModel:
    """Any Hugging Face causal LM, with the layers of many genomes at hand.

    `a[module]` is (n_slots, in, rank) and `b[module]` (n_slots, rank, out), both float32;
    give them gradients (`train(True)`) and one backward pass serves every slot.
    """

    def __init__(self, model: Any) -> None:
        self.model = model
        self.n_slots = 0
        self.a: dict[str, torch.Tensor] = {}
        self.b: dict[str, torch.Tensor] = {}
        self._linears: dict[str, nn.Linear] = {
            name: module for name, module in model.named_modules() if isinstance(module, nn.Linear)
        }

    def load(self, genomes: Sequence[Genome]) -> list[int]:
        """Stack the layers of these genomes, replacing what was loaded; returns their slots.

        Layers of one genome are stacked exactly (ranks side by side), shorter ranks are padded
        with zeros.

        Raises:
            GenomeError: A layer changes a module that the model does not have.
        """
        modules = sorted({m for g in genomes for layer in g.layers for m in layer.factors})
        for module in modules:
            self._check(module, [g.layers for g in genomes])
        self.n_slots = len(genomes)
        stacked = {module: self._stack(genomes, module) for module in modules}
        self.a = {module: a for module, (a, _) in stacked.items()}
        self.b = {module: b for module, (_, b) in stacked.items()}
        return list(range(self.n_slots))

    def _check(self, module: str, stacks: Sequence[Sequence[Layer]]) -> None:
        """Refuse a module that the model lacks, or factors of another size."""
        linear = self._linears.get(module)
        if linear is None:
            raise GenomeError(
                f"the base model has no linear module {module!r}: "
                "the layer was made for another architecture"
            )
        wanted = (linear.in_features, linear.out_features)
        for layer in (layer for stack in stacks for layer in stack if module in layer.factors):
            a, b = layer.factors[module]
            if (a.shape[1], b.shape[0]) != wanted:
                raise GenomeError(
                    f"module {module!r} maps {wanted[0]} to {wanted[1]} numbers, the update "
                    f"{a.shape[1]} to {b.shape[0]}: it was made for another architecture"
                )

    def _stack(self, genomes: Sequence[Genome], module: str) -> tuple[torch.Tensor, torch.Tensor]:
        linear = self._linears[module]
        ranks = [
            sum(layer.factors[module].a.shape[0] for layer in g.layers if module in layer.factors)
            for g in genomes
        ]
        a = torch.zeros(len(genomes), linear.in_features, max(ranks))
        b = torch.zeros(len(genomes), max(ranks), linear.out_features)
        for slot, genome in enumerate(genomes):
            start = 0
            for layer, weight in zip(genome.layers, genome.weights, strict=True):
                if module not in layer.factors:
                    continue
                factors = layer.factors[module]
                stop = start + factors.a.shape[0]
                a[slot, :, start:stop] = factors.a.T
                b[slot, start:stop] = factors.b.T * weight
                start = stop
        return a, b

    def parameters(self) -> list[torch.Tensor]:
        """All stacked factors, module by module, A before B."""
        return [tensor for module in self.a for tensor in (self.a[module], self.b[module])]

    def train(self, on: bool = True) -> None:
        """Let the stacked factors collect gradients, or stop it."""
        for tensor in self.parameters():
            tensor.requires_grad_(on)

    @contextmanager
    def rows(self, slots: Sequence[int]) -> Iterator[None]:
        """Within: row i of every batch given to the model runs the genome in `slots[i]`.

        Raises:
            GenomeError: A slot is not loaded.
        """
        if not slots or min(slots) < 0 or max(slots) >= self.n_slots:
            raise GenomeError(
                f"a row's slot must be 0 to {self.n_slots - 1}, not one of {sorted(set(slots))}: "
                "load the genomes first"
            )
        plan = _plan(slots)
        hooks = [
            self._linears[module].register_forward_hook(self._hook(module, plan))
            for module in self.a
        ]
        try:
            yield
        finally:
            for hook in hooks:
                hook.remove()

    def _hook(self, module: str, plan: _Plan) -> Any:
        a, b = plan.select(self.a[module]), plan.select(self.b[module])

        def add_update(
            _: nn.Module, inputs: tuple[torch.Tensor, ...], output: torch.Tensor
        ) -> torch.Tensor:
            x = inputs[0].reshape(plan.n_groups, -1, inputs[0].shape[-1])
            y = output.reshape(plan.n_groups, -1, output.shape[-1])
            if torch.is_grad_enabled():
                return torch.baddbmm(y, torch.bmm(x, a), b).reshape(output.shape)
            return y.baddbmm_(torch.bmm(x, a), b).reshape(output.shape)  # y is ours alone

        return add_update


class _Plan:
    """How rows map to groups of one genome each: (n_groups, equal rows) or one row a group."""

    def __init__(self, slots: list[int], n_groups: int) -> None:
        self.slots = slots
        self.n_groups = n_groups

    def select(self, stacked: torch.Tensor) -> torch.Tensor:
        if self.slots == list(range(stacked.shape[0])):
            return stacked
        return stacked[torch.tensor(self.slots)]


def _plan(slots: Sequence[int]) -> _Plan:
    """Equal consecutive groups if the rows stand so, else every row a group of its own."""
    heads = [slot for i, slot in enumerate(slots) if i == 0 or slot != slots[i - 1]]
    size = len(slots) // len(heads)
    if size * len(heads) == len(slots) and list(slots) == [s for s in heads for _ in range(size)]:
        return _Plan(heads, len(heads))
    return _Plan(list(slots), len(slots))
