"""Where genomes compete: challenges, scoring, selection, species, and the evolution of them."""

from typing import TYPE_CHECKING

from genome.exports import lazily

if TYPE_CHECKING:
    from academy.challenge import Challenge
    from academy.errors import AcademyError
    from academy.evaluator import Evaluator, LocalEvaluator
    from academy.evolution.config import RunConfig, load_config
    from academy.evolution.run import RunResult, evolve
    from academy.evolution.toolbox import toolbox_of
    from academy.run_folder import RunFolder
    from academy.selection.demand import Demand
    from academy.skills.letters import SKILLS
    from academy.skills.skill import Skill
    from academy.sources.opening import open_source
    from academy.sources.source import ChallengeSource

__all__ = [
    "SKILLS",
    "AcademyError",
    "Challenge",
    "ChallengeSource",
    "Demand",
    "Evaluator",
    "LocalEvaluator",
    "RunConfig",
    "RunFolder",
    "RunResult",
    "Skill",
    "evolve",
    "load_config",
    "open_source",
    "toolbox_of",
]

__getattr__ = lazily(
    __name__,
    {
        "academy.challenge": ("Challenge",),
        "academy.errors": ("AcademyError",),
        "academy.evaluator": ("Evaluator", "LocalEvaluator"),
        "academy.evolution.config": ("RunConfig", "load_config"),
        "academy.evolution.run": ("RunResult", "evolve"),
        "academy.evolution.toolbox": ("toolbox_of",),
        "academy.run_folder": ("RunFolder",),
        "academy.selection.demand": ("Demand",),
        "academy.skills.letters": ("SKILLS",),
        "academy.skills.skill": ("Skill",),
        "academy.sources.opening": ("open_source",),
        "academy.sources.source": ("ChallengeSource",),
    },
)
