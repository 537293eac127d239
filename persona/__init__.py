"""Who acts: a persona is a base model with a stack of layers and a name."""

from typing import TYPE_CHECKING

from genome.exports import lazily

if TYPE_CHECKING:
    from persona.engine import Engine
    from persona.errors import PersonaError
    from persona.persona import Persona, PersonaStore

__all__ = [
    "Engine",
    "Persona",
    "PersonaError",
    "PersonaStore",
]

__getattr__ = lazily(
    __name__,
    {
        "persona.engine": ("Engine",),
        "persona.errors": ("PersonaError",),
        "persona.persona": ("Persona", "PersonaStore"),
    },
)
