"""What the service finds out from a layer's files before it is listed.

The seller's word is not taken for it: near-duplicates are found from the uploaded weights, and
the manifest, if there is one, is the uploaded file, beside hashes that were computed here.
"""

from dataclasses import dataclass, field

from genome.adapter.layer_files import MANIFEST_FILE
from marketplace.listing.duplicates import Others
from marketplace.listing.provenance import Evidence
from marketplace.listing.similarity import Weights, factors_of
from marketplace.service.layer_store import LayerStore
from marketplace.service.problems import ProblemError


@dataclass(frozen=True, slots=True)
class Prepared:
    """What follows from the files."""

    weights: Weights | None = None
    others: Others | None = None
    evidence: Evidence = field(default_factory=Evidence)


def prepare(store: LayerStore, digest: str, base_model: str) -> Prepared:
    """Read a stored layer, validated once more.

    Raises:
        ProblemError: layer-rejected, when it was made for another base model than stated.
    """
    layer = store.layer(digest)
    if layer.base_model not in ("", base_model):
        raise ProblemError(
            "layer-rejected",
            f"the files say base model {layer.base_model}, the request {base_model}: correct it",
            extra={"code": "base_mismatch"},
        )
    factors = factors_of(store.folder(digest))
    names = {file.name for file in layer.files}
    manifest = store.text(digest, MANIFEST_FILE) if MANIFEST_FILE in names else b""

    def others(other: str) -> Weights | None:
        """The weights of another layer that is kept here."""
        return factors_of(store.folder(other)) if store.has(other) else None

    hashes = {file.name: file.sha256 for file in layer.files}
    return Prepared(factors, others, Evidence(manifest, hashes))
