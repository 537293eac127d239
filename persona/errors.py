"""What can go wrong with personas.

PersonaError
├── PersonaNameError
├── PersonaWeightError
├── PersonaFieldError
├── PersonaExistsError
├── PersonaNotFoundError
├── PersonaFileError
├── NoLayersError
├── BackendNameError
├── BackendNotFoundError
├── BackendFileError
├── NotTextError
├── PromptError
├── ExportError
├── GrammarError
├── LlamaCppError
├── NoNumbersError
├── QueueFullError
├── RoomError
├── NotOfferedError
├── BackendSettingsError
└── BackendError
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path


class PersonaError(Exception):
    """Base of every error the persona package raises on purpose; its text is one line."""


class PersonaNameError(PersonaError):
    """A name that cannot be used."""

    def __init__(self, name: str) -> None:
        super().__init__(
            f"a persona's name is 1 to 64 of a-z 0-9 . _ - and starts with a letter or digit, "
            f"not {name!r}: choose another"
        )


class PersonaWeightError(PersonaError):
    """A weight that scales nothing."""

    def __init__(self, name: str, weights: Sequence[float]) -> None:
        super().__init__(
            f"persona {name!r} has weights {', '.join(f'{w:g}' for w in weights)}: give finite ones"
        )


class PersonaFieldError(PersonaError):
    """A field of a persona that is out of its bounds."""

    def __init__(self, name: str, field: str, said: str) -> None:
        super().__init__(
            f"persona {name!r}: {field} {said}: `continuum persona edit {name}` corrects it"
        )


class PersonaExistsError(PersonaError):
    """The name is taken."""

    def __init__(self, name: str) -> None:
        super().__init__(f"there is a persona {name!r} already: choose another name")


class PersonaNotFoundError(PersonaError):
    """There is no persona of that name."""

    def __init__(self, name: str, suggestions: Sequence[str]) -> None:
        hint = f"did you mean {', '.join(suggestions)}?" if suggestions else "there are none yet"
        super().__init__(f"there is no persona {name!r}: {hint}")
        self.suggestions = tuple(suggestions)


class PersonaFileError(PersonaError):
    """A persona's file cannot be read."""

    def __init__(self, path: Path, cause: Exception) -> None:
        super().__init__(f"the persona file {path} cannot be read ({cause}): delete or repair it")


class NoLayersError(PersonaError):
    """A persona of which there is nothing to examine, export or sell."""

    def __init__(self, name: str, backend: str) -> None:
        super().__init__(
            f"persona {name} is what backend {backend} says and has no layers: name one that has"
        )


class BackendNameError(PersonaError):
    """A name that a backend has, or that none can have."""


class BackendNotFoundError(PersonaError):
    """There is no backend of that name."""

    def __init__(self, name: str, suggestions: Sequence[str]) -> None:
        hint = (
            f"did you mean {', '.join(suggestions)}?"
            if suggestions
            else "make one known with `continuum backend add NAME SOURCE`"
        )
        super().__init__(f"there is no backend {name!r:.80}: {hint}")


class BackendFileError(PersonaError):
    """The list of backends cannot be read."""

    def __init__(self, path: Path, cause: Exception) -> None:
        super().__init__(f"{path} cannot be read ({cause}): correct it")


class NotTextError(PersonaError):
    """A message that no tokenizer can read."""

    def __init__(self, text: str) -> None:
        super().__init__(f"a message is UTF-8 text, {text!r} has other bytes in it: type it again")


class PromptError(PersonaError):
    """Messages that the base's chat template does not take, or tokens that it does not have."""


class ExportError(PersonaError):
    """A persona that cannot be written for other programs, or not there."""


class GrammarError(PersonaError):
    """A schema or grammar that cannot be followed."""

    def __init__(self, why: str) -> None:
        super().__init__(f"the answer's schema cannot be followed: {why}")


class LlamaCppError(PersonaError):
    """What llama.cpp does not do, or did not do this time."""


class NoNumbersError(PersonaError):
    """A genome under which the model computes no numbers."""

    def __init__(self) -> None:
        super().__init__(
            "with these layers and weights the model computes no numbers: give smaller weights"
        )


class QueueFullError(PersonaError):
    """As many requests wait as may wait."""

    def __init__(self, n_waiting: int, wait_s: float) -> None:
        super().__init__(
            f"{n_waiting} requests wait already, more are not taken: ask again in {wait_s:.0f} s"
        )
        self.wait_s = wait_s


class RoomError(PersonaError):
    """What cannot be done in a room, or with it."""


class NotOfferedError(PersonaError):
    """What a backend does not do."""

    def __init__(self, what: str, name: str, why: str, remedy: str) -> None:
        super().__init__(f"{what}: backend {name} {why}: {remedy}")


class BackendSettingsError(PersonaError):
    """Settings of a backend that are out of their bounds."""


class BackendError(PersonaError):
    """Another program that computes answers failed or refused; neither key nor prompt is in it."""

    def __init__(
        self,
        name: str,
        what: str,
        remedy: str,
        *,
        status: int | None = None,
        may_pass: bool = False,
        wait_s: float | None = None,
    ) -> None:
        """
        Args:
            status: Of its HTTP answer, if there was one.
            may_pass: Whether the same request may succeed a moment later.
            wait_s: The pause that it asks for.
        """
        super().__init__(f"backend {name} {what}: {remedy}")
        self.status, self.what, self.may_pass = status, what, may_pass
        if wait_s is not None:
            self.wait_s = wait_s
