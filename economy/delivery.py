"""Layers on their way between a home's library and a market's service.

A local market shares the library of its home, so there is nothing to carry. An unsigned manifest
stays at home: it vouches for nothing, and what it says is the seller's own bookkeeping. The buyer's
library then takes name, version and licence from the listing.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

from economy.revocations import note_origin, refresh, refuse_revoked
from genome.errors import LayerRejected
from genome.library import MANIFEST_FILE, Library, Receipt, TrustPolicy
from marketplace.client import is_remote
from marketplace.errors import StatusError
from marketplace.front import MarketLike
from marketplace.listing.listing import QUARANTINED, ListingView
from marketplace.listing.similarity import Weights, factors_of
from marketplace.receipt import STANDARD_EXAM, ReceiptView

ANY_PARENTS = TrustPolicy(allow_missing_parents=True)
SERVED_LAYERS = "served-layers"
"""Folder of a home in which its service keeps layers."""


def market_url(home: Path) -> str:
    """The address of a home's market."""
    return f"sqlite:///{home}/market.db"


def weights_at(home: Path) -> Callable[[str], Weights | None]:
    """The weights of any layer whose files this home keeps, in its library or for its service."""
    library = Library.open(home)

    def weights(digest: str) -> Weights | None:
        served = served_layer(home / SERVED_LAYERS, digest)
        try:
            return factors_of(library.path(digest) if digest in library else served or Path())
        except LayerRejected:
            return None

    return weights


def served_layer(layers: Path, digest: str) -> Path | None:
    """Where a service on this machine keeps a layer's files; None = it has none of this digest."""
    path = layers / "layers" / digest  # as `marketplace.service.layer_store` lays them down
    return path if path.is_dir() else None


def deliver(market: MarketLike, library: Library, digest: str) -> None:
    """Hand a layer's files to the service, which wants them before it lists the layer."""
    if is_remote(market):
        is_signed = bool(library.manifest(digest).signature)
        left_out = () if is_signed else (MANIFEST_FILE,)
        market.upload_layer(digest, library.path(digest), leave_out=left_out)


def fetch(market: MarketLike, home: Path, name: str, digest: str) -> bool:
    """Put a layer that may be used into the home's library; False if it is there already.

    Args:
        name: The listing it belongs to.

    Raises:
        ProvenanceError: The market revoked the layer.
        StatusError: It is quarantined, so that nobody may use it, whoever may judge it.
        MarketError: The service refuses, or sends something else.
        LayerRejected: The library does not accept the layer.
    """
    refresh(market, home)
    refuse_revoked(home, [digest], market=market)
    listing = market.listing(name)
    if listing.digest == digest and listing.status == QUARANTINED:
        raise StatusError(
            f"{name} is quarantined and must not be used until it is judged: an evaluator does that"
            f" with `continuum market recheck {name}`, which keeps no copy"
        )
    library = Library.open(home)
    if digest in library or not is_remote(market):
        return False
    with tempfile.TemporaryDirectory(prefix="continuum-") as folder:
        layer = market.download_layer(digest, Path(folder) / "layer")
        note_origin(home, digest, market)
        shelve(library, layer, listing, market.receipts(name))
    return True


def shelve(
    library: Library, folder: Path, listing: ListingView, receipts: Sequence[ReceiptView]
) -> str:
    """Store a downloaded layer under its listing's name, with the exams it was sold on; the digest.

    A receipt that evaluators refuted is left behind.

    Raises:
        LayerRejected: The library does not accept the layer.
    """
    if (folder / MANIFEST_FILE).exists():
        return library.import_folder(folder, policy=ANY_PARENTS)
    sold_on = [one for one in receipts if one.digest == listing.digest and not one.refuted]
    return library.import_folder(
        folder,
        policy=ANY_PARENTS,
        name=listing.name,
        version=f"{listing.version}.0.0",
        base_model=listing.base_model,
        description=listing.description,
        licence=listing.licence,
        tags=listing.tags,
        receipts=tuple(as_bought(one) for one in sold_on),
    )


def as_bought(receipt: ReceiptView) -> Receipt:
    """What the seller stated, as the library keeps it."""
    return Receipt(
        receipt.skill,
        receipt.n_questions,
        n_correct=receipt.n_correct,
        n_base_correct=receipt.n_base_correct,
        split=receipt.split,
        exam="" if receipt.exam == STANDARD_EXAM else receipt.exam,
        layers=(receipt.layer,) if receipt.layer else (),
        weights=(1.0,) if receipt.layer else (),
        base_model=receipt.base_model,
        prompt=receipt.prompt,
        rule=receipt.rule,
        n_ancestor_correct=receipt.n_ancestor_correct,
    )
