"""Promises of marketplace.listing.submission, on SQLite and PostgreSQL."""

from typing import Any

import numpy as np
import pytest

from genome.base_model import BaseModel
from marketplace.errors import UnfitLayerError
from marketplace.listing.similarity import Pair
from marketplace.listing.submission import shipped_bases
from marketplace.market import Market
from marketplace.receipt import ReceiptFacts
from seeds.bases import embedded_base_path
from seeds.pretrain import linear_maps
from tests.support.market import example_weights


def one(module: str, n_out: int, n_in: int) -> dict[str, Pair]:
    """A layer of one module."""
    return {module: (np.ones((2, n_in), np.float32), np.ones((n_out, 2), np.float32))}


def test_what_ships_beside_the_embedded_base_is_true_of_it(embedded: BaseModel) -> None:
    """A new base has its table written anew, or nobody could publish for it."""
    (known,) = shipped_bases().items()
    assert known[0] == embedded.fingerprint
    assert embedded.linear_shapes.items() <= known[1].items()
    assert (embedded_base_path() / "linear_maps.json").read_text() == linear_maps(embedded)


def test_a_layer_that_cannot_run_is_not_listed(market: Market, publish: Any) -> None:
    """For a module that its base lacks, of another size, or that nobody can look at."""
    (base, maps) = next(iter(shipped_bases().items()))
    module, (n_out, n_in) = next(iter(maps.items()))
    for weights, words in (
        (one("model.layers.9.self_attn.q_proj", n_out, n_in), "no module 'model.layers.9"),
        (one(module, n_out, n_in) | one("encoder.block.0", 4, 4), "no module 'encoder.block.0'"),
        (one(module, n_out + 1, n_in), "in the base model and"),
        (one(module, n_out, n_in - 1), "in the base model and"),
        (None, "files are not here: upload them"),
    ):
        with pytest.raises(UnfitLayerError, match=words):
            publish("bob", "sort", base_model=base, weights=weights)
    assert market.listings() == []
    publish("bob", "sort", base_model=base, weights=one(module, n_out, n_in))


def test_who_opens_the_market_may_say_what_other_bases_have(market_url: str) -> None:
    """Of an unknown base nothing can be said, so everything passes."""
    maps = {name: (b.shape[0], a.shape[1]) for name, (a, b) in example_weights().items()}
    terms: dict[str, Any] = {
        "owner": "ada",
        "name": "sort",
        "digest": "d",
        "niche": "sorting",
        "ask_nanos": 10**8,
        "base_model": "big",
        "receipt": ReceiptFacts("sorting", 4, 3, 1),
        "key": "k",
    }
    with Market.open(market_url, bases={"big": maps}.get) as market:
        market.open_account("ada")
        with pytest.raises(UnfitLayerError):
            market.publish(**terms)
        with pytest.raises(UnfitLayerError, match="no module 'other'"):
            market.publish(**terms, weights=one("other", 4, 4))
        market.publish(**terms, weights=example_weights())
        market.publish(**terms | {"name": "x", "digest": "x", "base_model": "huge", "key": "x"})
