"""Numbers that statistics can be made of, or a refusal in one line."""

from __future__ import annotations

from typing import Any

import numpy as np

from academy.errors import StatisticsError


def finite_array(name: str, values: Any, n_dims: int) -> np.ndarray:
    """The values as float64, after checking that there are some and that all are numbers.

    Raises:
        StatisticsError: They are empty, of another dimension, or one is NaN or infinite.
    """
    array = np.asarray(values, dtype=np.float64)
    if array.ndim != n_dims or array.size == 0:
        raise StatisticsError(
            f"{name} has shape {array.shape}: give {n_dims} dimensions, none of them empty"
        )
    if not np.isfinite(array).all():
        n = int((~np.isfinite(array)).sum())
        raise StatisticsError(f"{name} holds {n} values that are no numbers: leave those runs out")
    return array


def check_share(name: str, value: float) -> None:
    """Refuse what is not strictly between 0 and 1.

    Raises:
        StatisticsError: It is not.
    """
    if not 0 < value < 1:
        raise StatisticsError(f"{name} is {value}: choose a number between 0 and 1")
