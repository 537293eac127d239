"""A buyer's trial: pay a day's rent, hold the price, sit the buyer's questions, settle.

The questions are fixed by their digest before the layer is seen, and drawn with a seed made of the
idempotency key: the same command, repeated after a crash, asks the same ones and settles the same
trial.
"""

from __future__ import annotations

import hashlib
import tempfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np

from academy.challenge import Challenge
from academy.evaluator import LocalEvaluator
from academy.evolution.fitting import check_fit
from academy.exam import sheet_digest, sit_exam
from academy.skills.curriculum import skill_named
from academy.skills.skill import unique_questions
from academy.sources.jsonl import JsonlSource
from economy.delivery import shelve
from economy.revocations import note_origin
from genome.errors import BaseModelMismatchError
from genome.genome import Genome
from genome.layer import Layer
from genome.library import Library
from marketplace.client import is_remote
from marketplace.errors import TrialError
from marketplace.front import MarketLike
from marketplace.trade.trial import TrialView
from seeds.bases import load_base_of


def run_trial(
    market: MarketLike,
    home: Path,
    *,
    name: str,
    buyer: str,
    questions: str,
    n_questions: int,
    min_gain: int,
    base: str | Path | None,
    key: str,
    agree: Callable[[TrialView], bool] = lambda measured: True,
) -> TrialView:
    """Open a trial, measure, and settle it.

    Args:
        questions: A built-in skill, or the path of a JSONL challenge set.
        base: Name, fingerprint or folder of the base model; None = the listing's.
        key: Repeating it continues the same trial.
        agree: Asked before a layer that helps enough is paid for; on no the trial stays open,
            as measured, and the same call may buy until it ends.

    Raises:
        BaseModelMismatchError, UnknownBaseError: The layer is for another base model than that
            given, or for one that is not known here; nothing was held.
        ChallengeSetError: The questions cannot be read.
        TooLongError: The base has no positions for one of them; nothing was held.
        TrialError: The buyer tried the layer before, on other questions.
        MarketError: The market refuses the trial.
    """
    listing = market.listing(name)
    sheet = own_sheet(questions, n_questions, key)
    model = load_base_of(home, listing.base_model, base)
    if listing.base_model != model.fingerprint:
        raise BaseModelMismatchError(name, listing.base_model, model.fingerprint)
    check_fit(model, sheet)
    digest, gain = sheet_digest(sheet), min(min_gain, len(sheet))
    trial = _before(market, buyer, name, (digest, gain)) or market.trial_open(
        buyer=buyer,
        listing=name,
        challenge_digest=digest,
        n_questions=len(sheet),
        min_gain=gain,
        key=key,
    )
    if trial.state != "open":
        return trial
    with tempfile.TemporaryDirectory(prefix="continuum-") as folder:
        path = _layer_folder(market, home, listing.digest, Path(folder))
        genome = Genome.of(Layer.from_peft(path).bound_to(model.fingerprint))
        evaluator = LocalEvaluator(model)
        evaluator.check(genome)
        result, alone = sit_exam(evaluator, [genome, Genome(model.fingerprint)], sheet)
        measured = replace(trial, n_correct=result.n_correct, n_base_correct=alone.n_correct)
        if result.n_correct - alone.n_correct >= gain and not agree(measured):
            return measured
        settled = market.trial_settle(
            trial=trial.trial,
            n_correct=result.n_correct,
            n_base_correct=alone.n_correct,
            key=f"{key}-result",
        )
        if settled.state == "passed" and is_remote(market):
            note_origin(home, listing.digest, market)
            shelve(Library.open(home), path, listing, market.receipts(name))
    return settled


def _before(
    market: MarketLike, buyer: str, name: str, yardstick: tuple[str, int]
) -> TrialView | None:
    """The buyer's earlier trial of a listing, if it was on these questions; None = there is none.

    Raises:
        TrialError: It was on others: a listing is tried once.
    """
    before = next((x for x in market.trials(buyer) if x.listing == name), None)
    if before is None or (before.challenge_digest, before.min_gain) == yardstick:
        return before
    if before.state == "open":
        raise TrialError(
            f"{buyer}'s trial of {name} on {before.n_questions} other questions, with a gain of "
            f"{before.min_gain} wanted, is still open: go on with the same --questions, --items "
            "and --gain"
        )
    raise TrialError(
        f"{buyer} tried {name} before, and a listing can be tried once; {told(before)}: "
        f"`continuum market buy {name}` or `continuum market rent {name}`"
    )


def told(trial: TrialView) -> str:
    """What came of a trial, in words."""
    if trial.n_correct is None:
        return "no result was given in time"
    return (
        f"it answered {trial.n_correct} of {trial.n_questions} questions, the base model "
        f"{trial.n_base_correct}"
    )


def own_sheet(questions: str, n: int, key: str) -> list[Challenge]:
    """Up to `n` questions of a skill or of a file, chosen by the key."""
    seed = int.from_bytes(hashlib.sha256(key.encode()).digest()[:8])
    rng = np.random.default_rng(seed)
    if not Path(questions).suffix:
        return unique_questions(skill_named(questions), "test", n, rng)
    source = JsonlSource.read(Path(questions).expanduser())
    found = [
        challenge
        for (skill, split), held in source.counts.items()
        if held  # whoever owns the questions decides what they are for: splits do not matter
        for challenge in source.draw(skill, split, held, rng)
    ]
    return [found[i] for i in rng.permutation(len(found))[:n]]


def _layer_folder(market: MarketLike, home: Path, digest: str, folder: Path) -> Path:
    """The layer's files: of the home's library, or lent by the service for the trial."""
    library = Library.open(home)
    if digest in library or not is_remote(market):
        return library.path(digest)
    return market.download_layer(digest, folder / "layer")
