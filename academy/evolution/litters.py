"""Litters trained by an evaluator that may raise: the child to blame is lost, nobody else.

What raises is trained again in halves until one child stands alone. It is charged what its study
would have cost; what failed in company is not charged.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from academy.distributed.tasks import Litter, train_litters
from academy.errors import cause_of, ends_run
from academy.evaluator import Evaluator
from academy.operators.memetic import Raised, checked
from academy.training import trained_positions
from genome.base_model import BaseModel


def raise_litters(
    base: BaseModel, evaluator: Evaluator, litters: Sequence[Litter]
) -> list[list[Raised]]:
    """What became of every child of every litter, in the order given."""
    meter = evaluator.tokens
    spent = meter.forward, meter.backward
    try:
        trained = train_litters(evaluator, litters)
        return [[checked(layer) for layer in layers] for layers in trained]
    except Exception as error:
        if ends_run(error):
            raise
        cause = cause_of(error)
    meter.forward, meter.backward = spent
    if len(litters) > 1:
        return [raise_litters(base, evaluator, [litter])[0] for litter in litters]
    litter = litters[0]
    half = len(litter.layers) // 2
    if half:
        parts = [_part(litter, slice(None, half)), _part(litter, slice(half, None))]
        return [[one for part in parts for one in raise_litters(base, evaluator, [part])[0]]]
    meter.backward += trained_positions(base, litter.studies, litter.plan)
    return [[Raised(None, f"its study failed ({cause})")]]


def _part(litter: Litter, part: slice) -> Litter:
    return replace(
        litter,
        layers=litter.layers[part],
        studies=litter.studies[part],
        rates=None if litter.rates is None else litter.rates[part],
        below=None if litter.below is None else litter.below[part],
    )
