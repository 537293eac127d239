"""One exam of a layer, as its manifest keeps it: what was examined, how, and what came out.

A receipt names exactly what sat the exam. An Academy run examines stacks, and what a stack scores
is none of its top layer: only a receipt of the layer alone is a layer's headline.
"""

from __future__ import annotations

import re
import sys
from dataclasses import asdict, dataclass
from typing import Any

from genome.refusals import refused, shown

MAX_PARENTS = 64
MAX_QUESTIONS = 10**9
NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,63}")
SHA256 = re.compile(r"[0-9a-f]{64}")
_ALWAYS_STATED = ("skill", "n_questions", "n_correct", "n_base_correct", "split", "exam")


@dataclass(frozen=True, slots=True)
class Receipt:
    """What a layer, or a stack with it, and the base model alone scored on the same questions.

    What is not stated is empty; receipts of older versions state neither layers nor prompt.

    Raises:
        LayerRejected: manifest_receipt, manifest_text.
    """

    skill: str
    n_questions: int
    n_correct: int
    n_base_correct: int
    split: str = "test"
    exam: str = ""
    """Which questions, for who wants to ask them again; empty = the skill's standard exam."""
    layers: tuple[str, ...] = ()
    """Digests of all that was examined together, first applied first; empty = this layer alone."""
    weights: tuple[float, ...] = ()
    """Scale of each layer's update; empty = all 1.0, as trained."""
    base_model: str = ""
    """Fingerprint of the base model they ran on."""
    prompt: str = ""
    """`BaseModel.prompt_digest`: how the questions were put."""
    rule: str = ""
    """How answers were scored, such as "exact"."""
    n_ancestor_correct: int | None = None
    """Right answers without the last layer: of what it was stacked on, or was made from."""

    @property
    def is_alone(self) -> bool:
        """Whether one layer, as it was trained, was examined: what is kept and sold here."""
        return len(self.layers) <= 1 and set(self.weights) <= {1.0}

    def facts(self) -> dict[str, Any]:
        """As plain JSON values; what is not stated is left out, so that old signatures hold."""
        stated = asdict(self)
        return {
            key: value
            for key, value in stated.items()
            if key in _ALWAYS_STATED or value not in ((), "", None)
        }

    def __post_init__(self) -> None:
        for what in ("layers", "weights"):
            value = getattr(self, what)
            object.__setattr__(self, what, tuple(value) if isinstance(value, list) else value)
        self._check_subject()
        for what in ("skill", "split"):
            if not matches(NAME, getattr(self, what)):
                raise refused(
                    "manifest_receipt",
                    f"a receipt's {what} must be 1-64 characters of a-z 0-9 "
                    f". _ -, not {shown(getattr(self, what))}: name it so",
                )
        check_text("a receipt's exam", self.exam, 200)
        bounds = (
            ("n_questions", 1, MAX_QUESTIONS),
            ("n_correct", 0, self.n_questions),
            ("n_base_correct", 0, self.n_questions),
            *(
                [("n_ancestor_correct", 0, self.n_questions)]
                if self.n_ancestor_correct is not None
                else []
            ),
        )
        for what, low, high in bounds:
            value = getattr(self, what)
            if type(value) is not int or not low <= value <= high:
                raise refused(
                    "manifest_receipt",
                    f"a receipt's {what} must be a whole number from {low} to "
                    f"{shown(high)}, not {shown(value)}: sit the exam again",
                )

    def _check_subject(self) -> None:
        """Layers, weights, base model, prompt and rule."""
        for what in ("base_model", "prompt", "rule"):
            check_text(f"a receipt's {what}", getattr(self, what), 128)
        layers, weights = self.layers, self.weights
        if not (
            isinstance(layers, tuple)
            and isinstance(weights, tuple)
            and len(layers) <= MAX_PARENTS
            and len(weights) in (0, len(layers))
            and all(matches(SHA256, digest) for digest in layers)
            and all(type(w) in (int, float) and abs(w) <= sys.float_info.max for w in weights)
        ):
            raise refused(
                "manifest_receipt",
                f"a receipt's layers are at most {MAX_PARENTS} digests of 64 "
                f"hex digits, with one finite weight each or none, not {shown(layers)} and "
                f"{shown(weights)}: sit the exam again",
            )
        object.__setattr__(self, "weights", tuple(float(weight) for weight in weights))

    @property
    def accuracy(self) -> float:
        """Share of the questions the layer answered exactly, in [0, 1]."""
        return self.n_correct / self.n_questions

    @property
    def base_accuracy(self) -> float:
        """Share of the same questions the base model alone answered exactly, in [0, 1]."""
        return self.n_base_correct / self.n_questions

    @property
    def ancestor_accuracy(self) -> float | None:
        """Share of the same questions answered without the last layer; None = not measured."""
        right = self.n_ancestor_correct
        return None if right is None else right / self.n_questions


def check_text(what: str, value: object, max_chars: int) -> None:
    """Refuse what is no printable text on one line.

    Raises:
        LayerRejected: manifest_text.
    """
    if not isinstance(value, str) or len(value) > max_chars or not (value + " ").isprintable():
        raise refused(
            "manifest_text",
            f"{what} must be at most {max_chars} printable characters on one "
            f"line, not {shown(value)}: shorten or clean it",
        )


def matches(pattern: re.Pattern[str], value: object) -> bool:
    """Whether a value is a text that the whole pattern fits."""
    return isinstance(value, str) and pattern.fullmatch(value) is not None
