"""One file that holds a whole evolution between two generations.

A safetensors file: the population's factors stacked by module, and everything else as JSON in
its header. It replaces the previous one by rename, so there is always one that is complete.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors import SafetensorError, safe_open

from academy.apprenticeship.apprentice import Apprentice
from academy.apprenticeship.apprenticeship import Apprenticeship
from academy.apprenticeship.config import ApprenticeshipConfig
from academy.apprenticeship.species import Extinction, Species, Taxonomy
from academy.challenge import Challenge
from academy.errors import RunCorruptError
from academy.training import TokenMeter
from genome.files import write_atomically
from genome.layer import Factors, Layer
from genome.tensors import save_tensors


def save_checkpoint(path: Path, run: Apprenticeship, tokens: TokenMeter) -> None:
    """Write the run's state atomically; raises OSError if the disk will not take it."""
    tensors = {}
    for module in run.population[0].layer.factors:
        tensors[f"{module}.A"] = torch.stack([c.layer.factors[module].a for c in run.population])
        tensors[f"{module}.B"] = torch.stack([c.layer.factors[module].b for c in run.population])
    state = {"state": json.dumps(_state(run, tokens))}
    write_atomically(path, lambda temporary: save_tensors(tensors, temporary, state))


def load_checkpoint(path: Path, base_model: str) -> tuple[Apprenticeship, TokenMeter]:
    """Read what `save_checkpoint` wrote.

    Raises:
        RunCorruptError: The file is damaged.
    """
    try:
        with safe_open(path, framework="pt") as file:
            state = json.loads((file.metadata() or {})["state"])
            tensors = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118
        return _restore(state, tensors, base_model)
    except (OSError, SafetensorError, ValueError, KeyError, TypeError, IndexError) as error:
        raise RunCorruptError(
            f"the checkpoint {path} cannot be read ({error}): delete it to start this run again, "
            "or copy it back from a backup"
        ) from None


def _state(run: Apprenticeship, tokens: TokenMeter) -> dict[str, Any]:
    table: dict[str, int] = {}
    challenges: list[list[str]] = []

    def number(challenge: Challenge) -> int:
        if challenge.id not in table:
            table[challenge.id] = len(challenges)
            challenges.append(_challenge_fields(challenge))
        return table[challenge.id]

    layers = [candidate.layer for candidate in run.population]
    return {
        "config": asdict(run.config),
        "seed": run.seed,
        "generation": run.generation,
        "interactions": run.interactions,
        "n_born": run.n_born,
        "base_accuracy": run.base_accuracy.tolist(),
        "tokens": asdict(tokens),
        "candidates": [
            {
                "id": c.id, "line": c.line, "parents": c.parents, "born": c.born,
                "operator": c.operator, "species": c.species, "customer": c.customer,
                "prior": c.prior.tolist(),
                "hits": c.hits.tolist(), "asked": c.asked.tolist(),
                "notebook": [number(challenge) for challenge in c.notebook],
            }
            for c in run.population
        ],
        "living": [_species_fields(species, layers) for species in run.taxonomy.living],
        "named": run.taxonomy.named,
        "n_species": run.taxonomy.n_born,
        "extinctions": [
            {"species": _species_fields(e.species, None), "generation": e.generation,
             "cause": e.cause}
            for e in run.extinctions
        ],
        "challenges": challenges,
    }  # fmt: skip


def _challenge_fields(challenge: Challenge) -> list[str]:
    return [
        challenge.prompt, challenge.answer, challenge.skill, challenge.domain, challenge.argument
    ]  # fmt: skip


def _species_fields(species: Species, layers: Sequence[Layer] | None) -> dict[str, Any]:
    """A species as JSON; its representative is a living candidate, noted by position."""
    at = next((i for i, x in enumerate(layers or ()) if x is species.representative), 0)
    return {
        "id": species.id, "name": species.name, "niche": species.niche, "born": species.born,
        "parent": species.parent, "representative": at, "shares": species.niche_shares.tolist(),
    }  # fmt: skip


def _restore(
    state: dict[str, Any], tensors: dict[str, torch.Tensor], base_model: str
) -> tuple[Apprenticeship, TokenMeter]:
    modules = sorted(key.removesuffix(".A") for key in tensors if key.endswith(".A"))
    challenges = [Challenge(*fields) for fields in state["challenges"]]
    layers = [
        Layer(
            base_model,
            {m: Factors(tensors[f"{m}.A"][i].clone(), tensors[f"{m}.B"][i].clone())
             for m in modules},
        )
        for i in range(len(state["candidates"]))
    ]  # fmt: skip
    population = [
        _candidate(data, layer, challenges)
        for data, layer in zip(state["candidates"], layers, strict=True)
    ]
    taxonomy = Taxonomy(
        [_species(data, layers) for data in state["living"]], state["named"], state["n_species"]
    )
    run = Apprenticeship(
        config=ApprenticeshipConfig(**state["config"]),
        seed=state["seed"],
        base_accuracy=np.array(state["base_accuracy"]),
        population=population,
        taxonomy=taxonomy,
        generation=state["generation"],
        interactions=state["interactions"],
        n_born=state["n_born"],
        extinctions=[
            Extinction(_species(e["species"], layers), e["generation"], e["cause"])
            for e in state["extinctions"]
        ],
    )
    return run, TokenMeter(**state["tokens"])


def _candidate(data: dict[str, Any], layer: Layer, challenges: Sequence[Challenge]) -> Apprentice:
    candidate = Apprentice(
        id=data["id"], line=data["line"], parents=tuple(data["parents"]), born=data["born"],
        operator=data["operator"], layer=layer, prior=np.array(data["prior"]),
        notebook=tuple(challenges[i] for i in data["notebook"]), hits=np.array(data["hits"]),
        asked=np.array(data["asked"]), species=data["species"],
        customer=data["customer"],
    )  # fmt: skip
    candidate.fitness.values = tuple(candidate.profile.tolist())
    return candidate


def _species(data: dict[str, Any], layers: Sequence[Layer]) -> Species:
    return Species(
        data["id"], data["name"], data["niche"], data["born"], data["parent"],
        layers[data["representative"]], np.array(data["shares"]),
    )  # fmt: skip
