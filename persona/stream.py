"""One answer: what the engine's thread has of it, and what who asked reads."""

from __future__ import annotations

import queue
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import torch

from genome.base_model import BaseModel
from genome.genome import Genome
from genome.pager import GenomeRef
from persona.sampling import Ended, Said, Sampler, Sampling, Spoken

Tell = Callable[[Said | Ended | BaseException], Any]
"""Hears each token, and at last how it ended: `Ended`, or what went wrong."""


class Stream:
    """One answer as it is made."""

    def __init__(
        self, genome: Genome, ids: Sequence[int], sampling: Sampling, tell: Tell, base: BaseModel
    ) -> None:
        """
        Args:
            ids: The prompt.
        """
        self.genome = genome
        self.ref = GenomeRef(tuple(layer.digest for layer in genome.layers), genome.weights)
        self.left = list(ids)
        """Tokens to be read: of the prompt, later the one said last."""
        self.cache: Any = None
        self.lease: Any = None
        """On the slot of its genome, while it has a row."""
        self.ended = False
        self.sampler = Sampler(sampling, ids)
        self._spoken = Spoken(base.tokenizer, sampling.stop)
        self._ends = sampling.stop_ids.union(base.spelling.ends)
        self._n_left = min(sampling.max_tokens, base.positions - len(ids))
        self._tell = tell

    def cancel(self) -> None:
        """Stop within a token; nothing more is told."""
        self.ended = True

    def next(self, logits: torch.Tensor) -> list[Said | Ended | BaseException]:
        """What is to be told after these logits: a token to be read next, the end, or both.

        Args:
            logits: (vocabulary,)
        """
        try:
            said = self.sampler.choose(logits)
            if said.token in self._ends:
                return [Ended("stop", self._spoken.rest())]
            said = said._replace(text=self._spoken.add(said.token))
        except Exception as failure:  # such as logits that are no numbers: its own
            return [failure]
        self.left.append(said.token)
        self._n_left -= 1
        if self._spoken.stopped:
            return [said, Ended("stop")]
        return [said] if self._n_left else [said, Ended("length", self._spoken.rest())]

    def tell(self, what: Said | Ended | BaseException) -> None:
        """Tell it, unless the answer is over."""
        if not self.ended:
            try:
                self._tell(what)
            except Exception:  # whoever asked is gone
                self.ended = True
        self.ended = self.ended or not isinstance(what, Said)
        if isinstance(what, BaseException):
            self.cache = None  # nobody goes on from what failed


class Answer(Iterator[Said | Ended]):
    """An answer as it comes; its end is the last. Who stops reading closes it."""

    def __init__(self, stream: Stream, told: queue.SimpleQueue[Any]) -> None:
        self._stream = stream
        self._told = told
        self._over = False

    def __next__(self) -> Said | Ended:
        if self._over:
            raise StopIteration
        what: Said | Ended | BaseException = self._told.get()
        self._over = not isinstance(what, Said)
        if isinstance(what, BaseException):
            raise what
        return what

    def close(self) -> None:
        """Stop within a token."""
        self._over = True
        self._stream.cancel()
