"""The searching side of a library: encoder, vectors, nearest layers, advice.

Nothing here loads torch, numpy or FAISS before something is searched.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Collection
from contextlib import suppress
from dataclasses import asdict, dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

from genome.errors import LibraryError
from genome.files import write_atomically, write_json
from genome.shelf.manifest import Manifest
from genome.shelf.shelf import Shelf

if TYPE_CHECKING:
    from pathlib import Path

    import numpy as np

    from genome.embedding import Encoder
    from genome.search.finder import Advice, Calibration, Finder
    from genome.search.index_filter import Filter
    from genome.search.question_encoder import QuestionEncoder, SentenceEncoder

CALIBRATION_FILE = "advice.json"
ENCODER_FILE = "encoder.safetensors"
SENTENCES_FILE = "encoder.json"
CLEAR_MATCH = 0.1
"""Similarity from which a layer counts as able, if nothing has been calibrated."""
NOTHING_CAN = "nothing here can do this"
"""What is said first when no layer is known to be good at a question."""


@dataclass(frozen=True)
class Found:
    """One search result."""

    digest: str
    manifest: Manifest
    similarity: float
    """Cosine of question and layer vector."""


class SearchShelf(Shelf):
    """Finds layers by what they can do; `Library` adds what changes them."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self._encoder_id: tuple[int, str] | None = None

    def save_encoder(self, encoder: QuestionEncoder | SentenceEncoder) -> None:
        """Search with this encoder from now on; vectors made with others are hidden."""
        chosen = self.folder / SENTENCES_FILE
        if hasattr(encoder, "save"):
            write_atomically(self.folder / ENCODER_FILE, encoder.save)
            chosen.unlink(missing_ok=True)
        else:
            write_json(chosen, {"path": encoder.path, "identity": encoder.identity})

    def encoder(self, base: Any) -> Encoder:
        """The library's encoder; the default one runs on a loaded base model.

        Raises:
            LibraryError: Its file or its model cannot be read.
        """
        from genome.search.question_encoder import QuestionEncoder, SentenceEncoder

        chosen = self._sentences()
        if not chosen:
            return QuestionEncoder.load(base, self.folder / ENCODER_FILE)
        encoder = SentenceEncoder(chosen["path"])
        if encoder.identity != chosen["identity"]:
            raise LibraryError(
                f"{chosen['path']} is another sentence model than the one the library was indexed "
                "with: run `continuum layer reindex --sentences FOLDER` with its folder"
            )
        return encoder

    def _sentences(self) -> dict[str, str]:
        """Path and identity of the sentence model in use; empty for the default encoder."""
        path = self.folder / SENTENCES_FILE
        try:
            data = json.loads(path.read_text())
            return {"path": str(data["path"]), "identity": str(data["identity"])}
        except FileNotFoundError:
            return {}
        except (OSError, ValueError, KeyError, TypeError):
            raise LibraryError(
                f"{path} cannot be read: delete it, or run `continuum layer reindex --sentences "
                "FOLDER`"
            ) from None

    @property
    def has_sentences(self) -> bool:
        """Whether a sentence model encodes questions, instead of the base model itself."""
        return (self.folder / SENTENCES_FILE).exists()

    @property
    def encoder_id(self) -> str:
        """16 hex digits that change with the encoder; empty if there is none."""
        chosen = self._sentences()
        if chosen:
            return chosen["identity"]
        path = self.folder / ENCODER_FILE
        with suppress(FileNotFoundError):
            changed_ns = path.stat().st_mtime_ns
            if self._encoder_id is None or self._encoder_id[0] != changed_ns:
                digest = hashlib.sha256(path.read_bytes()).hexdigest()
                self._encoder_id = (changed_ns, digest[:16])
            return self._encoder_id[1]
        return ""

    def set_vector(self, digest: str, vector: np.ndarray, *, n_results: int) -> None:
        """Keep what a layer can do, as measured with the library's present encoder.

        Args:
            vector: (width,) of unit length, from `genome.embedding.ability_vector`.
            n_results: How many exam results it rests on.

        Raises:
            LayerNotFoundError: There is no such layer.
            LibraryError: It is no vector, or not as wide as this encoder's others.
        """
        from genome.shelf.layer_vectors import put_vector

        self._check_there(digest)
        with self._catalogue.write() as connection:
            put_vector(connection, digest, self.encoder_id, vector, n_results)

    def vector(self, digest: str) -> tuple[np.ndarray, int] | None:
        """A layer's vector (width,) float32 and the results behind it; None if it has none."""
        from genome.shelf.layer_vectors import vector_of

        with self._catalogue.read() as connection:
            return vector_of(connection, digest, self.encoder_id)

    @cached_property
    def _finder(self) -> Finder:
        from genome.search.finder import Finder  # loads FAISS

        return Finder(self._catalogue.read, self.folder / "index")

    def search_vectors(
        self, vectors: np.ndarray, *, where: Filter | None = None, k: int = 10
    ) -> list[list[Found]]:
        """The k layers nearest to each question vector among those a filter allows, best first."""
        found = self._finder.nearest(self.encoder_id, vectors, k, where)
        return [
            [Found(digest, self.manifest(digest), similarity) for digest, similarity in hits]
            for hits in found
        ]

    def search(
        self,
        query: str,
        *,
        encoder: Encoder,
        base_model: str | None = None,
        licences: Collection[str] | None = None,
        max_bytes: int | None = None,
        among: Collection[str] | None = None,
        k: int = 10,
    ) -> list[Found]:
        """The k layers most able to answer a question like this, best first.

        Conditions hold before the nearest are chosen, so that k are found if there are k.

        Args:
            among: Digests allowed, for what the library does not know, such as the price.
        """
        from genome.search.index_filter import Filter

        where = Filter(
            base_model=base_model,
            licences=None if licences is None else frozenset(licences),
            max_size_bytes=max_bytes,
            keys=None if among is None else frozenset(among),
        )
        return self.search_vectors(encoder.encode([query]), where=where, k=k)[0]

    # -- advice ----------------------------------------------------------------------------

    def save_calibration(self, calibration: Calibration) -> None:
        """Keep what `genome.search.finder.calibrate` found for the present encoder."""
        write_json(self.folder / CALIBRATION_FILE, asdict(calibration))

    def calibration(self) -> Calibration:
        """The thresholds that `advise` goes by.

        Raises:
            LibraryError: There are none, or they were made with another encoder.
        """
        from genome.search.finder import Calibration

        path = self.folder / CALIBRATION_FILE
        try:
            data = json.loads(path.read_text())
            found = Calibration(**{**data, "exams": tuple(data["exams"])})
        except (OSError, ValueError, KeyError, TypeError):
            raise LibraryError(
                f"{path} holds no thresholds for advice: run `continuum layer reindex`"
            ) from None
        if found.encoder != self.encoder_id:
            raise LibraryError(
                f"{path} was made with another encoder: run `continuum layer reindex`"
            )
        return found

    def clear_match(self) -> float:
        """Similarity from which a layer is known to be good at a question.

        Search, advice and whoever buys or asks by search go by this one number: where advice says
        `reuse`.
        """
        try:
            return self.calibration().reuse
        except LibraryError:
            return CLEAR_MATCH

    def advise(self, question: str, *, encoder: Encoder, base_model: str | None = None) -> Advice:
        """Reuse the nearest layer, fork it, or mint a new one.

        Raises:
            LibraryError: No thresholds have been calibrated.
        """
        from genome.search.finder import Advice

        calibration = self.calibration()
        found = self.search(question, encoder=encoder, base_model=base_model, k=1)
        if not found:
            return Advice("mint", None, 0.0, "the library has no layer that could be searched")
        near = found[0]
        action = calibration.action(near.similarity)
        return Advice(
            action,
            None if action == "mint" else near.digest,
            near.similarity,
            f"{near.manifest.name} is nearest at {near.similarity:.2f}; reuse from "
            f"{calibration.reuse:.2f}, mint below {calibration.mint:.2f}",
        )
