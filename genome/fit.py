"""Whether a layer can run on a base, by what both say of themselves; light, for whoever loads no
model."""

from __future__ import annotations

from collections.abc import Mapping

from genome.refusals import refused, shown

Shapes = Mapping[str, tuple[int, int]]
"""Module path -> (out, in)."""


def check_base(stated: str, wanted: str) -> None:
    """Refuse a base other than the one that a layer names; either may be empty.

    Raises:
        LayerRejected: base_mismatch.
    """
    if wanted and stated not in ("", wanted):
        raise refused(
            "base_mismatch",
            f"the layer was trained for base model {shown(stated)}, not for "
            f"{shown(wanted)}: retrain it or use that base",
        )


def check_modules(layer: Shapes, base: Shapes) -> None:
    """Refuse a layer that changes what a base does not have, or of another size.

    Raises:
        LayerRejected: module_unknown, module_shape.
    """
    for module, shape in layer.items():
        if module not in base:
            raise refused(
                "module_unknown",
                f"the base model has no module {shown(module)}: the layer "
                "was trained for another architecture, change the base",
            )
        if tuple(base[module]) != tuple(shape):
            raise refused(
                "module_shape",
                f"module {shown(module)} is {tuple(base[module])} (out, in) "
                f"in the base model and {tuple(shape)} in the layer: change the base",
            )
