"""A layer is sold for a base model on which it can run.

The market loads no model. What it knows of a base is a table of its linear maps, (out, in) by
module path: the one beside the embedded base, and those that whoever opens the market hands over.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING

from marketplace.errors import UnfitLayerError

if TYPE_CHECKING:
    from marketplace.similarity import Weights

Shapes = Mapping[str, tuple[int, int]]
"""Module path -> (out, in)."""


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
    for module, (a, b) in weights.items():
        shape = (b.shape[0], a.shape[1])
        if module not in base:
            raise UnfitLayerError(
                f"the base model has no module {module[:80]!r}: the layer was trained for another"
                " architecture, name its own base"
            )
        if shape != tuple(base[module]):
            raise UnfitLayerError(
                f"module {module[:80]!r} is {tuple(base[module])} (out, in) in the base model and"
                f" {shape} in the layer: name the base it was trained for"
            )
