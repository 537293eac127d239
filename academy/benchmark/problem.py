"""What a method of the benchmark sees of it, and nothing more.

Every method gets the same identical experts, whose training is already charged, the same
selection items and the same number of token-equivalents; test items cannot be reached from here.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, Protocol

import numpy as np

from academy.errors import AcademyError
from genome.genome import Genome
from genome.layer import Layer

Routing = Literal["single", "router"]


class BudgetSpent(AcademyError):  # noqa: N818 - it ends a search, it is no mistake
    """The next call would cost more than is left. Nothing was computed and nothing charged."""

    def __init__(self, needed: int, left: int) -> None:
        super().__init__(
            f"the call costs {needed} token-equivalents and {left} are left: ask for less, or "
            "return the best so far"
        )
        self.needed = needed
        self.left = left


class Problem(Protocol):
    """The experts, the selection items and a purse."""

    @property
    def base_model(self) -> str:
        """Fingerprint of the base model."""

    @property
    def experts(self) -> tuple[Layer, ...]:
        """The layers to start from; the same for every method, and not to be changed."""

    @property
    def skills(self) -> tuple[str, ...]:
        """Names of the skills that the selection items belong to."""

    @property
    def item_skill(self) -> np.ndarray:
        """For each selection item the index of its skill, (n_items,) int."""

    @property
    def left(self) -> int:
        """Token-equivalents that remain."""

    def scores(self, genomes: Sequence[Genome], items: np.ndarray | None = None) -> np.ndarray:
        """1 where a genome answers an item exactly, (n_genomes, n_items or len(items)) float.

        Charged before it is computed; ask for many genomes at once.

        Raises:
            BudgetSpent: The call would exceed the budget.
        """

    def losses(self, genomes: Sequence[Genome], items: np.ndarray | None = None) -> np.ndarray:
        """Mean negative log-likelihood per answer token, in nats; shape, cost as for `scores`."""

    def report(self, genomes: Sequence[Genome], score: float) -> None:
        """Say what the method would answer if it were stopped now; costs nothing.

        Args:
            score: The method's own figure, higher is better: a mean score, or minus a loss.
        """


@dataclass(frozen=True)
class Answer:
    """What a method found."""

    genomes: tuple[Genome, ...]
    routing: Routing = "single"
    """'router': the benchmark sends each question to one of the genomes, by ability."""

    def __post_init__(self) -> None:
        if not self.genomes or (self.routing == "single" and len(self.genomes) != 1):
            raise AcademyError(
                f"a {self.routing!r} answer of {len(self.genomes)} genomes: give exactly one, or "
                "one and more with routing='router'"
            )


class Method(Protocol):
    """One competitor; its hyper-parameters are its fields."""

    @property
    def name(self) -> str:
        """Short, and different for every variant that is compared."""

    @property
    def gradient_free(self) -> bool:
        """False if it needs a `TrainableProblem`."""

    def run(self, problem: Problem, rng: np.random.Generator) -> Answer:
        """Search until the budget is spent, and return the best so far; inputs stay as they are."""
