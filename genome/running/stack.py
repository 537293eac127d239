"""The factors of many genomes side by side, ready for batched products.

Maps that read the same input (query, key and value; gate and up) keep their A factors in one
tensor, so that one product serves them all.

The linear maps of a base model that a layer may change, whichever class holds them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn

from genome.errors import GenomeError
from genome.genome import Genome
from genome.layer import Factors


@dataclass(frozen=True, slots=True, eq=False)
class LinearSite:
    """One linear map `y = W x + bias` inside a model."""

    name: str
    module: nn.Module
    weight: torch.Tensor
    """(out, in); a view for GPT-2's Conv1D, which stores (in, out)."""
    bias: torch.Tensor | None
    """(out,)"""

    @property
    def n_in(self) -> int:
        """Width of the input."""
        return int(self.weight.shape[1])

    @property
    def n_out(self) -> int:
        """Width of the output."""
        return int(self.weight.shape[0])


SIBLINGS = (
    ("q_proj", "k_proj", "v_proj"),
    ("query", "key", "value"),
    ("gate_proj", "up_proj"),
    ("w1", "w3"),
)
"""Names of maps that read the same input in the usual architectures."""


class Stack:
    """Factors of sibling maps for every slot, zero where a genome does not change a map."""

    def __init__(self, sites: Sequence[LinearSite], ranks: Sequence[int], n_slots: int) -> None:
        device = sites[0].weight.device
        self.a = torch.zeros(n_slots, sites[0].n_in, sum(ranks), device=device)
        """(n_slots, in, sum of the siblings' ranks)"""
        self.b = {
            site.name: torch.zeros(n_slots, rank, site.n_out, device=device)
            for site, rank in zip(sites, ranks, strict=True)
        }
        """By module path: (n_slots, rank, out)"""
        self.columns: dict[str, slice] = {}
        """By module path: its columns of `a`."""
        start = 0
        for site, rank in zip(sites, ranks, strict=True):
            self.columns[site.name] = slice(start, start + rank)
            start += rank
        self.used: set[int] = set()
        """Slots whose genome changes one of the maps."""

    @property
    def n_bytes(self) -> int:
        """Size of all slots together."""
        return self.a.nbytes + sum(b.nbytes for b in self.b.values())

    def put(self, slot: int, genome: Genome) -> None:
        """Write a genome's layers into a slot, ranks side by side, whatever stood there."""
        if slot in self.used:
            self.a[slot] = 0
            self.used.discard(slot)
        for module, columns in self.columns.items():
            start = 0
            for layer, weight in zip(genome.layers, genome.weights, strict=True):
                if module not in layer.factors:
                    continue
                a, b = layer.factors[module]
                stop = start + a.shape[0]
                self.a[slot, :, columns.start + start : columns.start + stop] = a.T
                room = self.b[module][slot, start:stop]
                room.copy_(b.T) if weight == 1 else torch.mul(b.T, weight, out=room)
                self.used.add(slot)
                start = stop
            if start < self.b[module].shape[1]:
                self.b[module][slot, start:] = 0

    def own_parts(self, ranks: Sequence[Mapping[str, int]]) -> list[torch.Tensor]:
        """Masks of A and of every B: 1 for a slot's first `ranks[slot][module]` ranks."""
        of_a = torch.zeros(len(ranks), 1, self.a.shape[2], device=self.a.device)
        of_b = []
        for module, columns in self.columns.items():
            mask = torch.zeros(len(ranks), self.b[module].shape[1], 1, device=self.a.device)
            for slot, named in enumerate(ranks):
                mask[slot, : named.get(module, 0)] = 1
            of_a[:, 0, columns] = mask[:, :, 0]
            of_b.append(mask)
        return [of_a, *of_b]

    def factors(self, module: str, slot: int, rank: int) -> Factors:
        """One slot's own copy of a module's factors, padding beyond `rank` dropped."""
        a = self.a.detach()[slot, :, self.columns[module]]
        b = self.b[module].detach()[slot]
        return Factors(a[:, :rank].T.contiguous(), b[:rank].T.contiguous())


def stack_genomes(genomes: Sequence[Genome], sites: Mapping[str, LinearSite]) -> list[Stack]:
    """Stacks just large enough for these genomes, genome i in slot i.

    Raises:
        GenomeError: A layer changes a module that the model does not have, or of another size.
    """
    for genome in genomes:
        check_fit(genome, sites)
    modules = sorted({m for g in genomes for layer in g.layers for m in layer.factors})
    ranks = {module: max(rank_of(genome, module) for genome in genomes) for module in modules}
    stacks = reserve(sites, ranks, len(genomes))
    for stack in stacks:
        for slot, genome in enumerate(genomes):
            stack.put(slot, genome)
    return stacks


def reserve(sites: Mapping[str, LinearSite], ranks: Mapping[str, int], n_slots: int) -> list[Stack]:
    """Empty slots for genomes of up to these ranks by module."""
    return [
        Stack([sites[module] for module in family], [ranks[module] for module in family], n_slots)
        for family in _families(list(ranks))
    ]


def check_fit(genome: Genome, sites: Mapping[str, LinearSite]) -> None:
    """Refuse a genome that changes what the model does not have, or of another size.

    Raises:
        GenomeError: It does.
    """
    for layer in genome.layers:
        for module, (a, b) in layer.factors.items():
            site = sites.get(module)
            if site is None:
                raise GenomeError(
                    f"the base model has no linear module {module!r}: "
                    "the layer was made for another architecture"
                )
            if (a.shape[1], b.shape[0]) != (site.n_in, site.n_out):
                raise GenomeError(
                    f"module {module!r} maps {site.n_in} to {site.n_out} numbers, the update "
                    f"{a.shape[1]} to {b.shape[0]}: it was made for another architecture"
                )


def rank_of(genome: Genome, module: str) -> int:
    """Ranks of all the genome's layers together, at one module."""
    return sum(
        layer.factors[module].a.shape[0] for layer in genome.layers if module in layer.factors
    )


def _families(modules: Sequence[str]) -> list[list[str]]:
    """Module paths grouped by shared input."""
    role = {name: names[0] for names in SIBLINGS for name in names}
    families: dict[tuple[str, str], list[str]] = {}
    for module in modules:
        parent, _, name = module.rpartition(".")
        families.setdefault((parent, role.get(name, name)), []).append(module)
    return list(families.values())


def linear_sites(model: Any) -> dict[str, LinearSite]:
    """Every linear map of a model by module path."""
    from transformers.pytorch_utils import Conv1D

    sites = {}
    for name, module in model.named_modules():
        if isinstance(module, nn.Linear):
            sites[name] = LinearSite(name, module, module.weight, module.bias)
        elif isinstance(module, Conv1D):
            sites[name] = LinearSite(name, module, module.weight.t(), module.bias)
    return sites
