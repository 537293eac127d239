"""What a base is taught and examined on, and every skill by its name."""

from __future__ import annotations

import functools
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from academy.errors import UnknownSkillError
from academy.skills.english import english_skills
from academy.skills.letters import SKILL_NAMES, SKILLS
from academy.skills.skill import Skill

if TYPE_CHECKING:  # names are looked up without torch
    from genome.base_model import BaseModel


@dataclass(frozen=True, slots=True)
class Curriculum:
    """What a kind of base is taught and examined on, unless somebody names other questions."""

    source: str
    """As `academy.sources.opening.open_source` reads it."""
    skills: tuple[Skill, ...]
    ability_questions: int
    """Select questions per skill that say what a layer can do: as many as take seconds."""
    sample_prompts: int
    """Train questions per skill that a search encoder is whitened over."""

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(skill.name for skill in self.skills)


def curriculum(base: BaseModel) -> Curriculum:
    """The skills made for a base: those of letters if it reads bytes, else those in English.

    On words cut into tokens the skills of letters would measure the cutting.
    """
    if base.spelling.bytewise:
        return Curriculum("builtin", SKILLS, 40, 50)
    return Curriculum("english", english_skills(), 6, 12)


def skill_named(name: str) -> Skill:
    """The skill of that name, of letters or in English.

    Raises:
        UnknownSkillError: There is none; the message lists those there are.
    """
    try:
        return _by_name()[name]
    except KeyError:
        raise UnknownSkillError(name, tuple(_by_name())) from None


def is_skill(name: str) -> bool:
    """Whether a skill of ours has this name."""
    return name in _by_name()


def skill_number(name: str) -> int:
    """What the questions of a skill, or of any other kind, are seeded with."""
    return SKILL_NAMES.index(name) if name in SKILL_NAMES else name_number(name)


def name_number(name: str) -> int:
    """64 bits that depend on a name alone."""
    return int.from_bytes(hashlib.sha256(name.encode()).digest()[:8], "big")


@functools.cache
def _by_name() -> Mapping[str, Skill]:
    return {skill.name: skill for skill in (*SKILLS, *english_skills())}
