"""Mixing weights: how much of each layer a genome takes.

`WeightSearch` is CMA-ES (Hansen and Ostermeier 2001; pycma), the search that LoraHub's weights
(Huang et al. 2023, arXiv 2307.13269, w in [-1.5, 1.5]) and ESSA are found with. pycma draws from
numpy's global generator by default; here it gets one of its own.

A search is saved as its settings and the fitness it was told, and restored by going the same
way again: plain JSON, no pickles from disk, independent of pycma's insides, under a
millisecond a generation.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from typing import Any

import numpy as np

from academy.errors import OperatorError, SearchStateError, check_between

LOW, HIGH = -1.5, 1.5


class WeightSearch:
    """Ask for weights, tell how fit they were (higher is better); everything else is seeded.

    Raises:
        OperatorError: n, sigma or the bounds make no sense.
    """

    def __init__(
        self,
        n: int,
        sigma: float,
        seed: int,
        *,
        start: Sequence[float] | None = None,
        low: float = LOW,
        high: float = HIGH,
        population: int | None = None,
    ) -> None:
        """
        Args:
            n: Number of weights.
            sigma: First standard deviation of the weights asked.
            start: Where to begin, (n,); default all 1/n.
            population: Candidates per `ask`, 4 or more; default 4 + 3 ln n.
        """
        check_between("n", n, 1, 10_000)
        check_between("low", low, -1e6, high - 1e-9)
        check_between("sigma", sigma, 1e-9, high - low)
        if population is not None:
            check_between("population", population, 4, 100_000)
        x0 = np.full(n, 1 / n) if start is None else np.asarray(start, dtype=np.float64)
        if x0.shape != (n,) or not ((x0 >= low) & (x0 <= high)).all():
            raise OperatorError(f"a start needs {n} weights from {low} to {high}: change it")
        self._settings: dict[str, Any] = {
            "n": n,
            "sigma": sigma,
            "seed": seed,
            "start": x0.tolist(),
            "low": low,
            "high": high,
            "population": population,
        }
        self._told: list[list[float]] = []
        self._asked: list[np.ndarray] | None = None
        self._es = _strategy(self._settings)

    @property
    def best(self) -> np.ndarray:
        """The centre of the search: its best guess under noise, (n,) within the bounds."""
        return np.array(self._es.result.xfavorite)[: self._settings["n"]]

    def ask(self) -> np.ndarray:
        """Weights to try, (n_candidates, n) within the bounds; the same until they are told."""
        if self._asked is None:
            self._asked = self._es.ask()
        return np.array(self._asked)[:, : self._settings["n"]]

    def tell(self, fitness: Sequence[float] | np.ndarray) -> None:
        """How fit the weights last asked were, (n_candidates,); NaN counts as the worst.

        Raises:
            OperatorError: Nothing was asked, or there is not one fitness for each.
        """
        n_asked = 0 if self._asked is None else len(self._asked)
        values = np.asarray(fitness, dtype=np.float64)
        if values.shape != (n_asked,) or not n_asked:
            raise OperatorError(
                f"{values.size} fitness values for {n_asked} candidates: ask first, then tell "
                "one for each"
            )
        cost = _costs(values)
        self._es.tell(self._asked, cost)
        self._told.append(cost)
        self._asked = None

    def state(self) -> bytes:
        """All that `restore` needs, as JSON."""
        return json.dumps(
            {
                "settings": self._settings,
                "told": self._told,
                "asked": self._asked is not None,
                "check": self._check(),
            }
        ).encode()

    @classmethod
    def restore(cls, state: bytes) -> WeightSearch:
        """The search as it was saved, by repeating it.

        Raises:
            SearchStateError: The state is damaged, or this machine's arithmetic leads elsewhere.
        """
        try:
            data = json.loads(state)
            search = cls(**data["settings"])
            for cost in data["told"]:
                search.ask()
                search.tell([-value for value in cost])
            if data["asked"]:
                search.ask()
            check = data["check"]
        except (ValueError, KeyError, TypeError, OperatorError) as error:
            raise SearchStateError(
                f"the weight search's state cannot be read ({error}): begin it anew"
            ) from error
        if search._check() != check:
            raise SearchStateError(
                "the weight search comes out differently here than where it was saved: resume on "
                "the same kind of machine with the same version of cma, or begin it anew"
            )
        return search

    def __reduce__(self) -> tuple[Any, tuple[bytes]]:
        return WeightSearch.restore, (self.state(),)

    def _check(self) -> str:
        """Hash of where the search stands."""
        whole = np.concatenate([np.asarray(self._es.mean), [self._es.sigma]])
        return hashlib.sha256(whole.tobytes()).hexdigest()[:16]


def mutate_weights(
    weights: Sequence[float],
    *,
    sigma: float,
    low: float = LOW,
    high: float = HIGH,
    rng: np.random.Generator,
) -> tuple[float, ...]:
    """Gaussian noise on every weight, kept within the bounds, (n_layers,).

    Args:
        sigma: Standard deviation in layer-weight units (1.0 = as trained).
    """
    check_between("sigma", sigma, 0.0, high - low)
    noisy = np.asarray(weights, dtype=np.float64) + rng.normal(0.0, sigma, len(weights))
    return tuple(np.clip(noisy, low, high).tolist())


def _costs(fitness: np.ndarray) -> list[float]:
    """Minus the fitness, infinities and NaN replaced by something just worse than the worst."""
    finite = fitness[np.isfinite(fitness)]
    worst = finite.min() - 1.0 if len(finite) else 0.0
    best = finite.max() + 1.0 if len(finite) else 0.0
    known = np.nan_to_num(fitness, nan=worst, posinf=best, neginf=worst)
    return [float(value) for value in -known]


class _Normal:
    """What pycma draws from instead of numpy's global generator."""

    def __init__(self, seed: int) -> None:
        self._rng = np.random.default_rng(seed)

    def __call__(self, *shape: int) -> np.ndarray:
        return np.asarray(self._rng.standard_normal(shape))


def _strategy(settings: dict[str, Any]) -> Any:
    try:
        import cma
    except ImportError:
        raise OperatorError("the search for weights needs pycma: `pip install cma`") from None

    options = {
        "bounds": [settings["low"], settings["high"]],
        "randn": _Normal(settings["seed"]),
        "seed": np.nan,
        "verbose": -9,
        "verb_log": 0,
    }
    if settings["population"] is not None:
        options["popsize"] = settings["population"]
    start = settings["start"]
    if len(start) == 1:  # pycma wants two dimensions or more: the second one means nothing
        start = [*start, (settings["low"] + settings["high"]) / 2]
    return cma.CMAEvolutionStrategy(start, settings["sigma"], options)
