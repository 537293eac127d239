"""Who computes a persona's answers: the engine here, or another program that stands for it."""

from __future__ import annotations

import asyncio
import queue
from abc import ABC, abstractmethod
from collections.abc import AsyncGenerator, Collection, Mapping, Sequence
from concurrent.futures import Future
from contextlib import closing
from typing import Any

from genome.genome import Genome
from persona.sampling import GREEDY, Ended, Sampling
from persona.stream import Answer, Cancels, Tell, Told

Prompt = Sequence[Mapping[str, Any]] | Sequence[int]
"""Messages, or tokens."""


class Backend(ABC):
    """Answers of any genomes on one base; may be asked from any thread.

    All that is asked of another kind is `submit` and `close`: the rest follows.
    """

    @abstractmethod
    def submit(
        self, genome: Genome, prompt: Prompt, tell: Tell, sampling: Sampling = GREEDY
    ) -> Cancels:
        """Ask for an answer; returns at once, and what becomes of it is told.

        Args:
            prompt: Messages, which the chat template puts, or tokens, which are read as they are.
            tell: Is called by another thread with each token, and at last with how it ended.

        Raises:
            PersonaError: It cannot be answered here; says why.
        """

    @abstractmethod
    def close(self) -> None:
        """Stop all answers, and come back when nothing is left of them."""

    def prepare(self, sampling: Sampling) -> Sampling:
        """What of these choices is followed here, and what would hold up `submit` done beforehand.

        Raises:
            PersonaError: They cannot be followed; says which.
        """
        return sampling

    def forget(self, digests: Collection[str]) -> Future[None]:
        """Let go of all that holds one of these layers, once no answer runs on it."""
        done: Future[None] = Future()
        done.set_result(None)
        return done

    def report(self) -> str:
        """What came of its answers so far, in a line for people; empty = nothing to say."""
        return ""

    def stream(self, genome: Genome, prompt: Prompt, sampling: Sampling = GREEDY) -> Answer:
        """Ask for an answer, to be read as it comes."""
        told: queue.SimpleQueue[Any] = queue.SimpleQueue()
        return Answer(self.submit(genome, prompt, told.put, sampling), told)

    def answer(self, genome: Genome, question: str, sampling: Sampling = GREEDY) -> str:
        """The whole answer to one question."""
        messages = [{"role": "user", "content": question}]
        with closing(self.stream(genome, messages, sampling)) as answer:
            return "".join(what.text for what in answer)

    async def generate(
        self,
        genome: Genome,
        prompts: Sequence[Prompt],
        sampling: Sampling = GREEDY,
        n: int = 1,
    ) -> AsyncGenerator[tuple[int, Told]]:
        """n answers to each prompt as they come, each token with the number of its answer.

        An answer's end is its last. Those to one prompt have a seed each, one after the other.
        Who stops reading ends them all.
        """
        loop, told = asyncio.get_running_loop(), asyncio.Queue[tuple[int, Told | BaseException]]()

        def teller(i: int) -> Tell:
            return lambda what: loop.call_soon_threadsafe(told.put_nowait, (i, what))

        sampling = await asyncio.to_thread(self.prepare, sampling)
        seeds = [None if sampling.seed is None else sampling.seed + j for j in range(n)]
        own = [sampling.model_copy(update={"seed": seed}) for seed in seeds]
        streams: list[Cancels] = []
        try:
            for prompt in prompts:
                for each in own:
                    streams.append(self.submit(genome, prompt, teller(len(streams)), each))
            left = len(streams)
            while left:
                i, what = await told.get()
                if isinstance(what, BaseException):
                    raise what
                left -= isinstance(what, Ended)
                yield i, what
        finally:
            for stream in streams:
                stream.cancel()
