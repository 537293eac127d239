"""Who acts: a persona is a base model with a stack of layers and a name."""

from typing import TYPE_CHECKING

from genome.exports import lazily

if TYPE_CHECKING:
    from persona.engine import Engine
    from persona.errors import PersonaError
    from persona.persona import Persona, PersonaStore
    from persona.sampling import Ended, Said, Sampling

__all__ = [
    "Ended",
    "Engine",
    "Persona",
    "PersonaError",
    "PersonaStore",
    "Said",
    "Sampling",
]

__getattr__ = lazily(
    __name__,
    {
        "persona.engine": ("Engine",),
        "persona.errors": ("PersonaError",),
        "persona.persona": ("Persona", "PersonaStore"),
        "persona.sampling": ("Ended", "Said", "Sampling"),
    },
)
