"""What a demo run is asked for, and how large each of its parts is."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from academy.controls import JOINT_RATES
from academy.errors import RunSettingsError
from academy.evolution.config import RunConfig, load_config
from academy.skills import SKILLS


@dataclass(frozen=True)
class DemoSettings:
    """The demo's options and the sizes that follow from them."""

    out: Path
    """The home the run is written to."""
    seed: int = 1
    personas: int = 100
    interactions: int = 10_000
    tiny: bool = False
    base: str = ""
    """Base model by name, folder or hub id; empty = the home's default."""

    def evolution(self) -> RunConfig:
        """The preset `demo` at these sizes.

        Raises:
            RunSettingsError: They cannot give a run; with the rule, the value and what to use.
        """
        preset = load_config("demo")
        if self.tiny:
            preset = preset.with_(
                population={"births": 6, "items": 3, "own": 0.75, "base_items": 20},
                species={"target": 4},
            )
        audition = 100 if self.tiny else 400
        self._check(audition + preset.population.items * len(SKILLS))
        share = min(0.5, audition / self.interactions)
        return preset.with_(
            run={"seed": self.seed, "interactions": self.interactions},
            population={"size": self.personas, "audition": share},
        )

    def _check(self, beside_founders: int) -> None:
        if self.personas < 2:
            raise RunSettingsError(
                f"a population needs at least 2 personas to select among, not {self.personas}: "
                "use --personas 2 or more (100 is the default)"
            )
        least = self.personas * len(SKILLS) + beside_founders
        if self.interactions < least:
            raise RunSettingsError(
                f"{self.personas} personas need at least {least} interactions (one exam of "
                f"{len(SKILLS)} questions each, one birth, the final auditions), not "
                f"{self.interactions}: raise --interactions or lower --personas"
            )

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
            **({"base": self.base} if self.base else {}),
        }
