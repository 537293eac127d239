"""Making a library searchable: examine layers that have no vector yet, calibrate the advice."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from academy.evaluator import LocalEvaluator
from academy.routing import ability_vectors, calibrate_advice
from genome.base_model import BaseModel
from genome.embedding import Encoder, layer_vector, searchable_text
from genome.errors import GenomeError
from genome.genome import Genome
from genome.library import Library
from genome.search.advice import Calibration
from genome.search.sentence_encoder import SentenceEncoder
from genome.shelf.layer_rows import LayerRow
from seeds.load import embedded_base_path
from tui.jobs.specialists import fit_encoder

QUESTIONS = 40
"""Select questions per skill that a layer is examined on."""
AT_ONCE = 16
"""Layers examined in one go."""


@dataclass(frozen=True)
class Reindexed:
    """What was done."""

    examined: int
    described: int
    """Layers of other bases, or that do not fit this one: found by their description only."""
    calibration: Calibration | None


def reindex(
    home: Path,
    *,
    everything: bool = False,
    sentences: Path | None = None,
    progress: Callable[[int, int], None] = lambda done, of: None,
) -> Reindexed:
    """Give every layer a search vector.

    Args:
        everything: Also those that have one.
        sentences: Folder of a sentence-transformers model to use from now on, instead of the
            base model's own encoder.

    Raises:
        LibraryError: The encoder cannot be loaded.
    """
    library = Library.open(home)
    base = BaseModel.load(embedded_base_path())
    encoder = _encoder(library, base, sentences)
    rows = [r for r in library.find() if everything or library.vector(r.digest) is None]
    evaluator, examined = LocalEvaluator(base), 0
    for start in range(0, len(rows), AT_ONCE):
        progress(start, len(rows))
        some = rows[start : start + AT_ONCE]
        fitting = _genomes(library, evaluator, some)
        vectors = _vectors(evaluator, encoder, some, fitting)
        for row, vector in zip(some, vectors, strict=True):
            n_results = QUESTIONS if row.digest in fitting else 0
            library.set_vector(row.digest, vector, n_results=n_results)
        examined += len(fitting)
    progress(len(rows), len(rows))
    return Reindexed(examined, len(rows) - examined, _calibrate(library, base, encoder))


def _encoder(library: Library, base: BaseModel, sentences: Path | None) -> Encoder:
    if sentences is not None:
        library.save_encoder(SentenceEncoder(sentences))
    elif not library.encoder_id:
        library.save_encoder(fit_encoder(base, seed=0))
    return library.encoder(base)


def _genomes(
    library: Library, evaluator: LocalEvaluator, rows: Sequence[LayerRow]
) -> dict[str, Genome]:
    """The layers that this base can run, by digest."""
    genomes = {}
    for row in rows:
        try:
            layer = library.get(row.digest).bound_to(evaluator.base.fingerprint)
            evaluator.check(Genome.of(layer))
        except GenomeError:
            continue
        genomes[row.digest] = Genome.of(layer)
    return genomes


def _vectors(
    evaluator: LocalEvaluator,
    encoder: Encoder,
    rows: Sequence[LayerRow],
    fitting: dict[str, Genome],
) -> list[np.ndarray]:
    texts = {r.digest: searchable_text(r.name, r.skill, r.description) for r in rows}
    known: dict[str, np.ndarray] = {}
    if fitting:
        asked = [texts[digest] for digest in fitting]
        found = ability_vectors(evaluator, encoder, list(fitting.values()), asked, QUESTIONS)
        known = dict(zip(fitting, found, strict=True))
    nothing = np.zeros(encoder.describe([""]).shape[1], np.float32)
    return [
        known[r.digest] if r.digest in known
        else layer_vector(nothing, encoder.describe([texts[r.digest]])[0], 0)
        for r in rows
    ]  # fmt: skip


def _calibrate(library: Library, base: BaseModel, encoder: Encoder) -> Calibration | None:
    rows = [r for r in library.find(base_model=base.fingerprint) if r.skill]
    stored = [library.vector(r.digest) for r in rows]
    vectors = np.stack([v[0] for v in stored if v]) if rows else np.zeros((0, 1))
    niches = [r.skill for r, v in zip(rows, stored, strict=True) if v]
    found = calibrate_advice(encoder, library.encoder_id, vectors, niches, QUESTIONS)
    if found:
        library.save_calibration(found)
    return found
