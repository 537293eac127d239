"""Making a library searchable: examine layers that have no vector yet, calibrate the advice."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from academy.evaluator import LocalEvaluator
from academy.routing import ability_vectors, calibrate_advice
from academy.skills.curriculum import Curriculum, curriculum
from genome.base_model import BaseModel
from genome.bases import Bases
from genome.embedding import Encoder, layer_vector, searchable_text
from genome.errors import GenomeError, LibraryError
from genome.genome import Genome
from genome.library import Library
from genome.search.finder import Calibration
from genome.search.question_encoder import SentenceEncoder
from genome.shelf.layer_rows import LayerRow
from seeds.bases import load_base, load_base_of
from tui.jobs.importing import base_needed
from tui.jobs.specialists import fit_encoder

AT_ONCE = 16
"""Layers examined in one go."""


@dataclass(frozen=True)
class Reindexed:
    """What was done."""

    examined: int
    described: int
    """Layers that no base known here can run: found by their description only."""
    calibration: Calibration | None
    unbound: tuple[str, ...] = ()
    """A line for each of those, with the command that binds it."""


def reindex(
    home: Path,
    *,
    everything: bool = False,
    sentences: Path | None = None,
    progress: Callable[[int, int], None] = lambda done, of: None,
) -> Reindexed:
    """Give every layer a search vector; unbound ones are bound if they fit a known base.

    Args:
        everything: Also those that have one.
        sentences: Folder of a sentence-transformers model to use from now on, instead of the
            base model's own encoder.

    Raises:
        LibraryError: The encoder cannot be loaded.
    """
    library = Library.open(home)
    notes = _bind(home, library)
    default = load_base(home)
    rows = [
        r
        for r in library.find()
        if everything
        or (library.vector(r.digest) or library.vector(r.digest, default.fingerprint)) is None
    ]
    examined, calibration = 0, None
    bases = {default.fingerprint: default}
    encoders: dict[str, Encoder] = {}
    taught: dict[str, Curriculum] = {}
    for start, (fingerprint, some) in _groups(rows):
        progress(start, len(rows))
        if fingerprint not in bases:  # one beside the default is held at a time
            bases = {default.fingerprint: default}
            bases[fingerprint] = _base_of(home, fingerprint, default, notes)
        base = bases[fingerprint]
        if base.fingerprint not in encoders:
            encoders[base.fingerprint] = _encoder(library, base, sentences)
            taught[base.fingerprint] = curriculum(base)
        n = taught[base.fingerprint].ability_questions
        evaluator, encoder = LocalEvaluator(base), encoders[base.fingerprint]
        fitting = _genomes(library, evaluator, some)
        vectors = _vectors(evaluator, encoder, some, fitting, n)
        for row, vector in zip(some, vectors, strict=True):
            n_results = n if row.digest in fitting else 0
            library.set_vector(row.digest, vector, n_results=n_results, base_model=base.fingerprint)
        examined += len(fitting)
    progress(len(rows), len(rows))
    if default.fingerprint not in encoders:
        encoders[default.fingerprint] = _encoder(library, default, sentences)
        taught[default.fingerprint] = curriculum(default)
    for fingerprint, encoder in encoders.items():
        found = _calibrate(library, fingerprint, encoder, taught[fingerprint])
        calibration = found if fingerprint == default.fingerprint else calibration or found
    return Reindexed(examined, len(rows) - examined, calibration, tuple(notes))


def _bind(home: Path, library: Library) -> list[str]:
    """Bind what fits a base that is known by now; a line for each layer that fits none."""
    known = {base.fingerprint for base in library.bases.all()}
    notes = []
    for row in library.find():
        if row.base_model not in known:
            try:
                base_needed(home, library, row.digest)
            except GenomeError as error:
                notes.append(str(error))
    return notes


def _groups(rows: Sequence[LayerRow]) -> Iterator[tuple[int, tuple[str, list[LayerRow]]]]:
    """Number of rows before, base, and rows of that base, at most so many at once."""
    start = 0
    by_base = sorted(rows, key=lambda row: row.base_model)
    for fingerprint, group in itertools.groupby(by_base, key=lambda row: row.base_model):
        held = list(group)
        for first in range(0, len(held), AT_ONCE):
            some = held[first : first + AT_ONCE]
            yield start, (fingerprint, some)
            start += len(some)


def _base_of(home: Path, fingerprint: str, default: BaseModel, notes: list[str]) -> BaseModel:
    """The base to examine layers on; the default one for those that none here can run."""
    if fingerprint not in {b.fingerprint for b in Bases(home).all()}:
        return default
    try:
        return load_base_of(home, fingerprint)
    except GenomeError as error:
        notes.append(str(error))
        return default


def _encoder(library: Library, base: BaseModel, sentences: Path | None) -> Encoder:
    if sentences is not None:
        library.save_encoder(SentenceEncoder(sentences))
    elif not library.encoder_id(base.fingerprint):
        library.save_encoder(fit_encoder(base, seed=0))
    try:
        return library.encoder(base)
    except LibraryError:
        if library.has_sentences:  # another model has to be named
            raise
        library.save_encoder(fit_encoder(base, seed=0))  # in place of a damaged one
        return library.encoder(base)


def _genomes(
    library: Library, evaluator: LocalEvaluator, rows: Sequence[LayerRow]
) -> dict[str, Genome]:
    """The layers that this base can run, by digest."""
    genomes = {}
    for row in rows:
        try:
            genome = Genome.of(library.get(row.digest)).on(evaluator.base.fingerprint)
            evaluator.check(genome)
        except GenomeError:
            continue
        genomes[row.digest] = genome
    return genomes


def _vectors(
    evaluator: LocalEvaluator,
    encoder: Encoder,
    rows: Sequence[LayerRow],
    fitting: dict[str, Genome],
    n_per_skill: int,
) -> list[np.ndarray]:
    texts = {r.digest: searchable_text(r.name, r.skill, r.description) for r in rows}
    known: dict[str, np.ndarray] = {}
    if fitting:
        asked = [texts[digest] for digest in fitting]
        found = ability_vectors(evaluator, encoder, list(fitting.values()), asked, n_per_skill)
        known = dict(zip(fitting, found, strict=True))
    nothing = np.zeros(encoder.describe([""]).shape[1], np.float32)
    return [
        known[r.digest]
        if r.digest in known
        else layer_vector(nothing, encoder.describe([texts[r.digest]])[0], 0)
        for r in rows
    ]


def _calibrate(
    library: Library, base_model: str, encoder: Encoder, taught: Curriculum
) -> Calibration | None:
    rows = [r for r in library.find(base_model=base_model) if r.skill]
    stored = [library.vector(r.digest) for r in rows]
    vectors = np.stack([v[0] for v in stored if v]) if any(stored) else np.zeros((0, 1))
    niches = [r.skill for r, v in zip(rows, stored, strict=True) if v]
    n_seen = taught.ability_questions
    encoder_id = library.encoder_id(base_model)
    found = calibrate_advice(encoder, encoder_id, vectors, niches, taught.names, n_seen)
    if found:
        library.save_calibration(found)
    return found
