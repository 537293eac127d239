"""How far two backends give the same answers, and where they part."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from genome.genome import Genome
from persona.backend import Backend
from persona.sampling import Ended, Said, Sampling
from persona.stream import Told

QUESTIONS = (
    "What is the capital of France?",
    "Name three colours.",
    "sort: 5 3 9 1",
    "Write one sentence about the sea.",
    "What comes after Tuesday?",
    "Translate to French: good morning",
    "reverse: stream",
    "Is a whale a fish?",
    "Give a synonym of happy.",
    "Count from one to five.",
    "What is 7 times 6?",
    "Write a line of Python that prints hello.",
    "Who wrote Hamlet?",
    "upper: continuum",
    "Name an animal that can fly.",
    "Finish: once upon a time",
)
"""For a first look at any base; short, for the smallest have few positions."""


class Agreement(NamedTuple):
    """Of greedy answers to some questions."""

    n: int
    n_same: int
    """Answers that are the same to the last token."""
    gap: float
    """Where one first differs, by how much the likeliest token was ahead of the next one there, in
    nats; the widest of all, 0 where none differs."""

    def __str__(self) -> str:
        if self.n_same == self.n:
            return f"all {self.n} answers are the same"
        return (
            f"{self.n_same} of {self.n} answers are the same; the others part where the likeliest "
            f"token was ahead of the next by at most {self.gap:.3f}"
        )


def agreement(
    exact: Backend,
    other: Backend,
    genomes: Sequence[Genome],
    questions: Sequence[str] = QUESTIONS,
    *,
    max_tokens: int = 32,
) -> Agreement:
    """Ask both the same, all questions at once, each of the genomes in turn.

    Args:
        exact: Tells log-probabilities.
    """
    asked = [
        (genomes[i % len(genomes)], [{"role": "user", "content": question}])
        for i, question in enumerate(questions)
    ]
    greedy = Sampling(max_tokens=max_tokens)
    n_same, gap = 0, 0.0
    wanted = [exact.stream(*one, greedy.model_copy(update={"logprobs": 2})) for one in asked]
    for stream, answer in zip(wanted, [other.stream(*one, greedy) for one in asked], strict=True):
        steps, found = list(stream), "".join(what.text for what in answer)
        parted = _parted(steps, found)
        n_same += parted is None
        if parted is not None:
            gap = max(gap, parted.likeliest[0][1] - parted.likeliest[1][1])
    return Agreement(len(asked), n_same, gap)


def _parted(steps: Sequence[Told], found: str) -> Said | None:
    """The token of an answer at which another first differs; None where it does not."""
    text, last = "", None
    for what in steps:
        token = what if isinstance(what, Said) else getattr(what, "token", None)
        text, last = text + what.text, token or last
        same = found == text if isinstance(what, Ended) else found.startswith(text)
        if not same:
            return last
    return None
