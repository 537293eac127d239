"""What a demo run is asked for, and how large each of its parts is."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from academy.controls import JOINT_RATES
from academy.errors import RunSettingsError
from academy.evolution.config import RunConfig, load_config
from academy.skills.curriculum import curriculum
from academy.sources.opening import open_source
from genome.base_model import BaseModel


@dataclass(frozen=True, slots=True)
class Sizes:
    """What is asked of a demo's parts, apart from its evolution."""

    audition: int
    """Interactions kept for the cast's last re-test."""
    niche_exam: int
    """Test questions per published layer."""
    general_exam: int
    """Test questions per skill when methods are compared."""
    buyer_exam: int
    """Test questions, other than the receipt's, that the buyer asks before and after."""
    vector_questions: int
    """Select questions per skill that a layer's search vector is made from."""
    throughput_layers: int
    """Members scored on one question per skill beside PEFT, as a generation's exam does."""
    joint_rates: tuple[float, ...]
    """Learning rates that the joint LoRA may choose from."""
    joint_rows: int
    """Rows of one step of it."""
    joint_narrow: bool
    """Whether a joint LoRA as wide as one member's stands beside that as wide as all of them."""
    few_shot: int = 0
    """Examples for the few-shot base beside every exam; 0 = none, it does worse with them."""


FULL, TINY = (
    Sizes(400, 400, 100, 200, 40, 24, JOINT_RATES, 64, True),
    Sizes(100, 100, 20, 50, 6, 6, JOINT_RATES[1:2], 64, True),
)
ENGLISH, TINY_ENGLISH = (
    Sizes(80, 400, 25, 50, 6, 4, (0.002,), 16, False, few_shot=4),
    Sizes(16, 20, 5, 10, 2, 2, (0.002,), 16, False, few_shot=2),
)
"""On a base that people use a question costs a hundred times as much."""
PRESETS = {
    ("builtin", False): ("demo", FULL),
    ("builtin", True): ("demo-tiny", TINY),
    ("english", False): ("demo-english", ENGLISH),
    ("english", True): ("demo-english-tiny", TINY_ENGLISH),
}
"""By the base's curriculum, and whether it is to be quick."""


@dataclass(frozen=True)
class DemoSettings:
    """The demo's options, and what follows from them and from the base."""

    out: Path
    """The home the run is written to."""
    seed: int = 1
    personas: int | None = None
    """Helpers at the beginning; None = as many as the preset has."""
    interactions: int | None = None
    """Scored answers to spend; None = as many as the preset has."""
    tiny: bool = False
    base: str = ""
    """Base model by name, folder or hub id; empty = the home's default."""

    def plan(self, base: BaseModel) -> DemoPlan:
        """The preset for this base at these sizes.

        Raises:
            RunSettingsError: They cannot give a run; with the rule, the value and what to use.
        """
        source = curriculum(base).source
        name, sizes = PRESETS[source, self.tiny]
        preset = load_config(name)
        source = preset.run.source or source
        skills = open_source(source).skills
        personas = preset.population.size if self.personas is None else self.personas
        interactions = preset.run.interactions if self.interactions is None else self.interactions
        least = personas * len(skills) + sizes.audition + preset.population.items * len(skills)
        if personas < 2:
            raise RunSettingsError(
                f"a population needs at least 2 personas to select among, not {personas}: "
                f"use --personas 2 or more ({preset.population.size} is the default)"
            )
        if interactions < least:
            raise RunSettingsError(
                f"{personas} personas need at least {least} interactions (one exam of "
                f"{len(skills)} questions each, one birth, the final auditions), not "
                f"{interactions}: use --interactions {least} or more, or fewer --personas"
            )
        evolution = preset.with_(
            run={"seed": self.seed, "interactions": interactions, "source": source},
            population={"size": personas, "audition": min(0.5, sizes.audition / interactions)},
        )
        return DemoPlan(self.out, self.seed, self.tiny, self.base, evolution, sizes, skills)


@dataclass(frozen=True)
class DemoPlan:
    """One demo on one base, in numbers."""

    out: Path
    seed: int
    tiny: bool
    base: str
    evolution: RunConfig
    sizes: Sizes
    skills: tuple[str, ...]
    """What is asked, in the order of every table."""

    @property
    def personas(self) -> int:
        return self.evolution.population.size

    @property
    def interactions(self) -> int:
        return self.evolution.run.interactions

    def identity(self) -> dict[str, Any]:
        """What must be the same for a run to be resumed."""
        return {
            "seed": self.seed,
            "personas": self.personas,
            "interactions": self.interactions,
            "tiny": self.tiny,
            **({"base": self.base} if self.base else {}),
            "skills": list(self.skills),
        }
