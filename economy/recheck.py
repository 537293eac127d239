"""Re-running a receipt: same layer, same exam and number of questions, for anyone.

    continuum market recheck sorter             the very questions of the receipt
    continuum market recheck sorter --fresh     others, which the maker cannot have trained on

The layer comes from the home's library, from the service, or, where the home is the service's own,
from what the service keeps; its files are validated and must have the listing's digest, so that
what is examined is what is sold. Whoever may use the layer can re-run it, and evaluators any that
is not revoked; what they judge does not stay in their library.

Claiming a bounty: who may judge sits the exam first, the maker shows what judges found.

continuum market bounty claim 7 sorter
"""

from __future__ import annotations

import secrets
import tempfile
from hashlib import sha256
from pathlib import Path

from academy.evaluator import LocalEvaluator
from academy.exam import sheet_digest, sit_exam
from economy.delivery import SERVED_LAYERS, served_layer
from economy.examined import sheet_of
from genome.errors import BaseModelMismatchError
from genome.genome import Genome
from genome.layer import Layer
from genome.library import Library
from marketplace.client import is_remote
from marketplace.errors import ReceiptError, ReceiptNotFoundError, TradeNotFoundError
from marketplace.front import MarketLike
from marketplace.ledger.account import principal_of
from marketplace.names import HOUSE
from marketplace.receipt import ReceiptView, RecheckView
from marketplace.trade.bounty import BountyView
from marketplace.wire import WHOLE_IN_JSON
from seeds.bases import load_base_of


def recheck_listing(
    market: MarketLike,
    home: Path,
    name: str,
    *,
    by: str,
    key: str,
    receipt: int | None = None,
    fresh: bool = False,
    base: str | Path | None = None,
    layers: Path | None = None,
) -> RecheckView:
    """Sit a listing's stated exam again and file what came out.

    Args:
        by: Who vouches for the re-run; only an evaluator's binds.
        key: Once per key; of a fresh one it also draws the questions, so let nobody guess it.
        receipt: Its number; None = the headline of the newest version.
        fresh: Ask other questions of the same exam.
        base: Name, fingerprint or folder of the base model; None = the listing's.
        layers: Where a service keeps its layers; None = the home's own service.

    Raises:
        ReceiptNotFoundError: The listing has no such receipt.
        ReceiptError: The exam is none that this program has.
        BaseModelMismatchError, UnknownBaseError: The layer is for another base model.
        MarketError: The market refuses the re-run.
    """
    claimed = _receipt(market, name, receipt)
    seed = _seed(key) if fresh else None
    sheet = sheet_of(claimed, seed)
    listing = market.listing(name)
    model = load_base_of(home, listing.base_model, base)
    if listing.base_model != model.fingerprint:
        raise BaseModelMismatchError(name, listing.base_model, model.fingerprint)
    if claimed.prompt not in ("", model.prompt_digest):
        raise ReceiptError(
            f"receipt {claimed.id} was sat with prompts of form {claimed.prompt}, this base model's"
            f" are {model.prompt_digest}: use the tokenizer that the exam was sat with (--base)"
        )
    if not is_remote(market) and by not in HOUSE:
        market.open_account(by)
    found = _layer(market, home, layers or home / SERVED_LAYERS, claimed.digest)
    layer = found.bound_to(model.fingerprint)
    evaluator = LocalEvaluator(model)
    genome = Genome.of(layer)
    evaluator.check(genome)
    result, alone = sit_exam(evaluator, [genome, Genome(model.fingerprint)], sheet)
    return market.recheck(
        receipt=claimed.id,
        by=by,
        n_correct=result.n_correct,
        n_base_correct=alone.n_correct,
        questions_digest=sheet_digest(sheet),
        seed=seed,
        key=key,
    )


def _seed(key: str) -> int:
    """The same for a repeated request, and nothing its maker could have known."""
    return int.from_bytes(sha256(f"fresh questions\n{key}".encode()).digest()) % WHOLE_IN_JSON


def _receipt(market: MarketLike, name: str, number: int | None) -> ReceiptView:
    found = market.receipts(name)
    for receipt in found:
        if number in (None, receipt.id):
            return receipt
    known = ", ".join(str(receipt.id) for receipt in found)
    raise ReceiptNotFoundError(f"listing {name!r} has no receipt {number}: it has {known}")


def _layer(market: MarketLike, home: Path, layers: Path, digest: str) -> Layer:
    """The layer that is sold, whatever else lies under its name.

    Raises:
        LayerNotFoundError: Neither the library nor the home's service has it.
        LayerRejected: What came is not acceptable, or another layer.
    """
    library = Library.open(home)
    if digest in library:
        return library.get(digest)
    if not is_remote(market):
        served = served_layer(layers, digest)
        return library.get(digest) if served is None else Layer.from_store(served, digest)
    with tempfile.TemporaryDirectory(prefix="continuum-") as folder:
        return Layer.from_store(market.download_layer(digest, Path(folder) / "layer"), digest)


def claim_bounty(
    market: MarketLike,
    home: Path,
    *,
    bounty: int,
    listing: str,
    by: str,
    key: str,
    base: str | Path | None = None,
    layers: Path | None = None,
) -> BountyView:
    """Sit the exam that the bounty names, unless `by` sells the layer, and ask for the reward.

    The questions are fresh; where `by` has sat such an exam before, that one counts.

    Args:
        base: Name, fingerprint or folder of the base model; None = the listing's.
        layers: Where a service keeps its layers; None = the home's own service.

    Raises:
        MarketError: The market refuses the re-run or the claim.
    """
    wanted = next((x for x in market.bounties(open_only=False) if x.bounty == bounty), None)
    if wanted is None:
        raise TradeNotFoundError(f"bounty {bounty} does not exist: see the list of bounties")
    view = market.listing(listing)
    stated = [
        receipt.id
        for receipt in market.receipts(listing)
        if (receipt.version, receipt.skill, receipt.exam)
        == (view.version, wanted.skill, wanted.exam)
    ]
    if stated and wanted.state == "open" and principal_of(view.owner) != principal_of(by):
        sat = market.rechecks(stated[0])
        if not any(again.by == by and again.seed is not None for again in sat):
            recheck_listing(
                market,
                home,
                listing,
                by=by,
                receipt=stated[0],
                fresh=True,
                base=base,
                layers=layers,
                key=f"bounty-exam-{secrets.token_hex(16)}",
            )
    return market.bounty_claim(bounty=bounty, listing=listing, by=by, key=key)
