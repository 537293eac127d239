"""Settings of one evolution run, and the checks that they make sense together."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from academy.errors import RunSettingsError
from academy.skills import SKILLS


@dataclass(frozen=True)
class ApprenticeshipConfig:
    """How large the population is, what a child costs, and what may be spent in all."""

    personas: int = 100
    interactions: int = 10_000
    births: int = 12
    """Children per generation."""
    attempts: int = 48
    """Train questions a child attempts before it studies them."""
    niche_questions: int = 6
    """Exam questions after study of the kind the child grew up with."""
    other_questions: int = 6
    """Exam questions after study on as many other skills."""
    audition: int = 400
    """Interactions kept for the final re-test of the best of every species."""
    notebook: int = 512
    """How many attempted questions a line remembers."""
    steps: int = 8
    """Gradient steps of one mutation."""
    rows_per_step: int = 16
    learning_rate: float = 0.004
    rank: int = 8
    sigma: float = 0.02
    """Size of the founders' random updates."""
    crossover_rate: float = 0.1
    base_questions: int = 60
    """Select questions per skill that the base is measured on."""
    selection: Literal["demand", "random"] = "demand"

    @property
    def birth_cost(self) -> int:
        """Scored interactions one child uses: its attempts and its exam."""
        return self.attempts + self.niche_questions + self.other_questions

    def check(self) -> None:
        """Refuse settings that cannot give a run.

        Raises:
            RunSettingsError: With the rule, the value and what to use instead.
        """
        if self.personas < 2:
            raise RunSettingsError(
                f"a population needs at least 2 personas to select among, not {self.personas}: "
                "use --personas 2 or more (100 is the default)"
            )
        least = self.personas * len(SKILLS) + self.audition + self.birth_cost
        if self.interactions < least:
            raise RunSettingsError(
                f"{self.personas} personas need at least {least} interactions (one exam of "
                f"{len(SKILLS)} questions each, one birth, the final auditions), not "
                f"{self.interactions}: raise --interactions or lower --personas"
            )
