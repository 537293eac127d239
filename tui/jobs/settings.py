"""What a demo run is asked for, and how large each of its parts is."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from academy.apprenticeship.config import ApprenticeshipConfig
from academy.controls import JOINT_RATES


@dataclass(frozen=True)
class DemoSettings:
    """The demo's options and the sizes that follow from them."""

    out: Path
    """The home the run is written to."""
    seed: int = 1
    personas: int = 100
    interactions: int = 10_000
    tiny: bool = False
    base_path: Path | None = None
    """Base model folder; None = the embedded one."""

    @property
    def evolution(self) -> ApprenticeshipConfig:
        if not self.tiny:
            return ApprenticeshipConfig(personas=self.personas, interactions=self.interactions)
        return ApprenticeshipConfig(
            personas=self.personas, interactions=self.interactions, births=10, attempts=16,
            niche_questions=4, audition=100, steps=10, rows_per_step=8, base_questions=20,
        )  # fmt: skip

    @property
    def joint_rates(self) -> tuple[float, ...]:
        return JOINT_RATES[1:2] if self.tiny else JOINT_RATES

    @property
    def niche_exam(self) -> int:
        """Test questions per published layer."""
        return 100 if self.tiny else 400

    @property
    def general_exam(self) -> int:
        """Test questions per skill when methods are compared."""
        return 20 if self.tiny else 100

    @property
    def buyer_exam(self) -> int:
        """Test questions, other than the receipt's, that the buyer asks before and after."""
        return 50 if self.tiny else 200

    @property
    def vector_questions(self) -> int:
        """Select questions per skill that a layer's search vector is made from."""
        return 6 if self.tiny else 40

    @property
    def throughput_layers(self) -> int:
        """Members scored on one question per skill beside PEFT, as a generation's exam does."""
        return 6 if self.tiny else 24

    def identity(self) -> dict[str, Any]:
        """What must be the same for a run to be resumed."""
        return {
            "seed": self.seed,
            "personas": self.personas,
            "interactions": self.interactions,
            "tiny": self.tiny,
        }
