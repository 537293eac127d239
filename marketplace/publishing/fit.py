"""A layer is sold for a base model on which it can run.

The market loads no model. What it knows of a base is a table of its linear maps, (out, in) by
module path: the one beside the embedded base, and those that whoever opens the market hands over.
"""

from __future__ import annotations

import json
from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING

from genome.errors import LayerRejected
from genome.fit import Shapes, check_modules
from marketplace.errors import UnfitLayerError

if TYPE_CHECKING:
    from marketplace.similarity import Weights


@cache
def shipped_bases() -> dict[str, Shapes]:
    """The maps of the base model that comes with Continuum, by its fingerprint."""
    text = files("seeds").joinpath("base", "linear_maps.json").read_text("utf-8")
    facts = json.loads(text)
    return {facts["fingerprint"]: {name: (out, n) for name, (out, n) in facts["maps"].items()}}


def check_fit(base: Shapes | None, weights: Weights | None) -> None:
    """Refuse a layer that changes what its base does not have.

    Args:
        base: None = nothing is known of it, so that everything passes.

    Raises:
        UnfitLayerError: A module or a size that the base has not, or weights that nobody can see.
    """
    if base is None:
        return
    if weights is None:
        raise UnfitLayerError(
            "a layer for a base model that this market knows is compared and checked before it is"
            " listed, and its files are not here: upload them, to a market that keeps layers"
        )
    try:
        check_modules({m: (b.shape[0], a.shape[1]) for m, (a, b) in weights.items()}, base)
    except LayerRejected as error:
        raise UnfitLayerError(str(error)) from None
