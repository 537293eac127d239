"""Layers of the home's library that a run may stack: found by ability, once, when it begins.

The choice is written beside the run, so that a resumed run proposes the same layers whatever
has been added to the library since.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from academy.evolution.config import RunConfig, listed
from academy.run_folder import RunFolder
from academy.sources.source import ChallengeSource
from genome.base_model import BaseModel
from genome.files import write_json
from genome.layer import Layer
from genome.library import Library

NEEDED_BY = ("add", "swap")
EACH = 8
"""Layers proposed for a skill."""
QUESTION_SEED = 41_000


def proposed_layers(
    config: RunConfig, base: BaseModel, source: ChallengeSource, home: Path
) -> Mapping[str, Sequence[Layer]]:
    """For each skill the layers that search ranks first for one of its train questions.

    Empty where no operator wants any, or the library has nothing to be found by ability.

    Raises:
        LibraryError, LayerRejectedError: A layer that was proposed is gone or damaged.
    """
    wanted = {*config.operators.names, *config.operators.rates}
    wanted |= {name for one in config.islands.operators for name in listed(one)}
    if not wanted & set(NEEDED_BY) or not (home / "library").is_dir():
        return {}
    library = Library.open(home)
    path = RunFolder(home).path / "found.json"
    digests = RunFolder(home).read(path) if path.exists() else _searched(library, base, source)
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        write_json(path, digests)
    return {skill: [library.get(digest) for digest in some] for skill, some in digests.items()}


def _searched(library: Library, base: BaseModel, source: ChallengeSource) -> dict[str, list[str]]:
    if not library.encoder_id:
        return {}
    encoder = library.encoder(base)
    found: dict[str, list[str]] = {}
    for number, skill in enumerate(source.skills):
        rng = np.random.default_rng([QUESTION_SEED, number])
        asked = source.draw(skill, "train", 1, rng)
        hits = [
            hit
            for question in asked
            for hit in library.search(
                question.prompt, encoder=encoder, base_model=base.fingerprint, k=EACH
            )
        ]
        found[skill] = [hit.digest for hit in hits]
    return found
