"""One answer: what the engine's thread has of it, and what who asked reads."""

from __future__ import annotations

import queue
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Protocol

import torch

from genome.base_model import BaseModel
from genome.genome import Genome
from genome.pager import GenomeRef
from persona.grammar import Matcher
from persona.sampling import Ended, Read, Said, Sampler, Sampling, Spoken

Told = Read | Said | Ended
Tell = Callable[[Told | BaseException], Any]
"""Hears the prompt if that was asked for, each token, and at last how it ended: `Ended`, or what
went wrong."""


class Cancels(Protocol):
    """What has begun, and can be stopped."""

    def cancel(self) -> object:
        """Stop within a token; nothing more is told."""


class Telling:
    """Somebody who is told an answer, until it is over."""

    def __init__(self, tell: Tell) -> None:
        self.ended = False
        self._tell = tell

    def tell(self, what: Told | BaseException) -> None:
        """Tell it, unless the answer is over."""
        if not self.ended:
            try:
                self._tell(what)
            except Exception:  # whoever asked is gone
                self.ended = True
        self.ended = self.ended or not isinstance(what, Said | Read)


class Stream(Telling):
    """One answer as it is made."""

    def __init__(
        self,
        genome: Genome,
        ids: Sequence[int],
        sampling: Sampling,
        tell: Tell,
        base: BaseModel,
        matcher: Matcher | None = None,
    ) -> None:
        """
        Args:
            ids: The prompt.
        """
        super().__init__(tell)
        self.genome = genome
        self.ref = GenomeRef(tuple(layer.digest for layer in genome.layers), genome.weights)
        self.left = list(ids)
        """Tokens to be read: of the prompt, later the one said last."""
        self.cache: Any = None
        self.lease: Any = None
        """On the slot of its genome, while it has a row."""
        self.ahead: tuple[Stream, int] | None = None
        """Who reads the same beginning first, and how many tokens of it: those are waited for."""
        self.sampler = Sampler(sampling, ids, matcher)
        self.prompt: list[Said] = []
        """What the prompt's tokens are to the model, as far as they are read and it was asked."""
        self._spoken = Spoken(base.tokenizer, sampling.stop)
        self._ends = sampling.stop_ids.union(base.spelling.ends)
        self._n_said = 0
        self._n_left = min(sampling.max_tokens, base.positions - len(ids))
        self.begun = 0.0
        """When it was given a row, in monotonic seconds."""
        self.n_most = len(ids) + self._n_left
        """Positions it may come to."""

    def cancel(self) -> None:
        """Stop within a token; nothing more is told."""
        self.ended = True

    @property
    def reads_all(self) -> bool:
        """Whether all that it reads next is of a prompt whose log-probabilities are wanted."""
        return self.sampler.sampling.of_prompt and self._n_said == 0

    def read(self, logits: torch.Tensor) -> None:
        """Note what the prompt's tokens of this pass, those but the first, are to the model.

        Args:
            logits: (n, vocabulary), behind the next n tokens of what is left.
        """
        if not self.prompt:
            self.prompt.append(Said(self.left[0]))
        tokens = self.left[1 : len(logits) + 1]
        self.prompt += self.sampler.read(tokens, logits[: len(tokens)])

    def next(self, logits: torch.Tensor) -> list[Told | BaseException]:
        """What is to be told after these logits: a token to be read next, the end, or both.

        Args:
            logits: (vocabulary,)
        """
        try:
            said = self.sampler.choose(logits)
            if said.token in self._ends:
                return [*self._prompt(), Ended("stop", self._spoken.rest(), said)]
            said = said._replace(text=self._spoken.add(said.token))
        except Exception as failure:  # such as logits that are no numbers: its own
            return [failure]
        self.left.append(said.token)
        self._n_said += 1
        self._n_left -= 1
        if self._spoken.stopped:
            return [*self._prompt(), said, Ended("stop")]
        told: list[Told | BaseException] = [*self._prompt(), said]
        if self.sampler.matcher and self.sampler.matcher.is_over:
            return [*told, Ended("stop", self._spoken.rest())]
        return told if self._n_left else [*told, Ended("length", self._spoken.rest())]

    def _prompt(self) -> list[Told]:
        """The prompt, once."""
        read, self.prompt = self.prompt, []
        return [Read(tuple(read))] if read else []

    def tell(self, what: Told | BaseException) -> None:
        """Tell it, unless the answer is over."""
        super().tell(what)
        if isinstance(what, BaseException):
            self.cache = None  # nobody goes on from what failed


class Answer(Iterator[Told]):
    """An answer as it comes; its end is the last. Who stops reading closes it."""

    def __init__(self, stream: Cancels, told: queue.SimpleQueue[Any]) -> None:
        self._stream = stream
        self._told = told
        self._over = False

    def __next__(self) -> Told:
        if self._over:
            raise StopIteration
        what: Told | BaseException = self._told.get()
        self._over = not isinstance(what, Said | Read)
        if isinstance(what, BaseException):
            raise what
        return what

    def close(self) -> None:
        """Stop within a token."""
        self._over = True
        self._stream.cancel()
