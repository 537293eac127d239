"""Answers of many genomes on one base at once: requests join and leave between two tokens.

One thread runs the model while there is anything to answer. Every pass reads one token of each
answer under way, every row with its own genome and its own cache; a prompt is read in pieces
between these passes, so that a long one does not hold the others up. A layer never changes under
a running answer.
"""

from __future__ import annotations

import asyncio
import queue
import threading
from collections import deque
from collections.abc import AsyncIterator, Callable, Collection, Generator, Mapping, Sequence
from contextlib import nullcontext
from functools import cached_property
from typing import Any

import torch
from transformers import Cache, DynamicCache

from genome.base_model import BaseModel
from genome.errors import GenomeError
from genome.genome import Genome
from genome.population import PopulationModel
from genome.running.row_cache import RowCache, Rows, rows_attend

ROWS = 16
"""Answers under way at once; who comes later waits."""
PIECE = 128
"""Prompt tokens read between two passes."""


class Stream:
    """One answer as it is made: greedy tokens, without the one that ends it."""

    def __init__(
        self, genome: Genome, ids: Sequence[int], n_most: int, tell: Callable[[Any], Any]
    ) -> None:
        """
        Args:
            ids: The prompt.
            n_most: Tokens, at most.
            tell: Is called by the engine's thread with each token, and at the end with None or
                with what went wrong.
        """
        self.genome = genome
        self.left = list(ids)
        """Tokens to be read: of the prompt, later the one said last."""
        self.n_read = 0
        self.cache: Any = None
        self.ended = False
        self._n_most = n_most
        self._tell = tell

    def cancel(self) -> None:
        """Stop within a token; nothing more is told."""
        self.ended = True

    def say(self, token: int, ends: Collection[int]) -> None:
        """Tell a token and read it next, unless the answer ends here."""
        if token in ends:
            self.end(None)
            return
        self._told(token)
        self.left.append(token)
        self._n_most -= 1
        if not self._n_most:
            self.end(None)

    def end(self, outcome: BaseException | None) -> None:
        """Tell how it ended, and let its cache go."""
        self._told(outcome)
        self.ended, self.cache = True, None

    def _told(self, what: Any) -> None:
        if not self.ended:
            try:
                self._tell(what)
            except Exception:  # whoever asked is gone
                self.ended = True


class Engine:
    """Generates text with any genomes on one loaded base model; may be asked from any thread.

    The model is the engine's alone while it answers; with the last token it is what it was.
    """

    def __init__(self, base: BaseModel, *, rows: int = ROWS, piece: int = PIECE) -> None:
        self.base = base
        self.rows = rows
        self.piece = piece
        self._population = PopulationModel(base.model)
        self._slots: dict[str, int] = {}
        self._changed = threading.Lock()
        self._waiting: deque[Stream] = deque()
        self._running: list[Stream] = []
        self._works = False

    def submit(
        self,
        genome: Genome,
        messages: Sequence[Mapping[str, str]],
        tell: Callable[[Any], Any],
        *,
        max_new_tokens: int = 64,
    ) -> Stream:
        """Ask for an answer; it begins when there is a row for it, first come, first served.

        Raises:
            TooLongError: The messages leave no position for an answer.
        """
        ids = self.base.tokenizer.apply_chat_template(
            list(messages), add_generation_prompt=True, return_dict=True
        )["input_ids"]
        if refused := self.base.refusal(str(messages[-1]["content"]), len(ids) + 1, 1):
            raise refused
        stream = Stream(genome, ids, min(max_new_tokens, self.base.positions - len(ids)), tell)
        with self._changed:
            self._waiting.append(stream)
            if not self._works:
                self._works = True
                threading.Thread(target=self._work, name="engine").start()
        return stream

    def tokens(
        self, genome: Genome, messages: Sequence[Mapping[str, str]], *, max_new_tokens: int = 64
    ) -> Generator[int, None, None]:
        """Token ids of the answer, one by one."""
        said: queue.SimpleQueue[Any] = queue.SimpleQueue()
        stream = self.submit(genome, messages, said.put, max_new_tokens=max_new_tokens)
        try:
            while (token := said.get()) is not None:
                if isinstance(token, BaseException):
                    raise token
                yield token
        finally:
            stream.cancel()

    def answer(self, genome: Genome, question: str, *, max_new_tokens: int = 64) -> str:
        """The whole answer to one question."""
        messages = [{"role": "user", "content": question}]
        ids = list(self.tokens(genome, messages, max_new_tokens=max_new_tokens))
        return str(self.base.tokenizer.decode(ids))

    async def generate(
        self, genome: Genome, messages: Sequence[Mapping[str, str]], *, max_new_tokens: int = 64
    ) -> AsyncIterator[str]:
        """The answer as it comes, piece by piece."""
        loop, said = asyncio.get_running_loop(), asyncio.Queue[Any]()

        def tell(token: Any) -> None:
            loop.call_soon_threadsafe(said.put_nowait, token)

        stream = self.submit(genome, messages, tell, max_new_tokens=max_new_tokens)
        shown, ids = "", []
        try:
            while (token := await said.get()) is not None:
                if isinstance(token, BaseException):
                    raise token
                ids.append(token)
                text = str(self.base.tokenizer.decode(ids))
                if not text.endswith("\N{REPLACEMENT CHARACTER}"):  # a character is incomplete
                    yield text[len(shown) :]
                    shown = text
        finally:
            stream.cancel()

    # -- the engine's thread ---------------------------------------------------------------

    def _work(self) -> None:
        try:
            with torch.no_grad():
                while self._seated():
                    reading = next((s for s in self._running if len(s.left) > 1), None)
                    if reading:
                        self._pass([reading])
                    self._pass([s for s in self._running if len(s.left) == 1 and not s.ended])
        except BaseException as failure:  # nobody may wait for a thread that is gone
            with self._changed:
                left, self._running, self._works = [*self._running, *self._waiting], [], False
                self._waiting.clear()
            for stream in left:
                stream.end(failure)
            raise

    def _seated(self) -> bool:
        """Give free rows to who waits; False when nobody is left, and the thread ends."""
        with self._changed:
            self._running = [s for s in self._running if not s.ended]
            while self._waiting and len(self._running) < self.rows:
                self._running.append(self._waiting.popleft())
            self._works = bool(self._running)
            return self._works

    def _pass(self, streams: Sequence[Stream]) -> None:
        """Read on in these rows; where that fails, in each alone, so that one fails alone."""
        if len(streams) > 1 and not self._in_rows:
            for stream in streams:
                self._pass([stream])
        elif streams:
            try:
                tokens = self._read(streams).argmax(-1).tolist()
            except Exception as failure:
                if len(streams) == 1:
                    streams[0].end(failure)
                for stream in streams if len(streams) > 1 else ():
                    self._pass([stream])
                return
            for stream, token in zip(streams, tokens, strict=True):
                if not stream.left:
                    stream.say(token, self.base.spelling.ends)

    def _read(self, streams: Sequence[Stream]) -> torch.Tensor:
        """Read the next tokens of every row; logits behind them, (n_rows, vocabulary)."""
        n = min(self.piece, *(len(stream.left) for stream in streams))
        ids = torch.tensor([stream.left[:n] for stream in streams])
        at = torch.tensor([[stream.n_read] for stream in streams]) + torch.arange(n)
        cache = self._cache_of(streams)
        attending = rows_attend(self.base.model) if self._in_rows else nullcontext()
        with attending, self._population.rows(self._slots_of(streams)):
            output = self.base.model(
                input_ids=ids,
                position_ids=at,
                past_key_values=cache,
                use_cache=True,
                logits_to_keep=1,
            )
        for stream in streams:
            stream.n_read += n
            del stream.left[:n]
        logits: torch.Tensor = output.logits[:, -1]
        return logits

    def _cache_of(self, streams: Sequence[Stream]) -> Cache:
        for stream in streams:
            if stream.cache is None and self._in_rows:
                stream.cache = RowCache()
            elif stream.cache is None:
                stream.cache = DynamicCache(config=self.base.model.config)
        if not self._in_rows:
            own: Cache = streams[0].cache
            return own
        return Rows([stream.cache for stream in streams], [stream.n_read for stream in streams])

    def _slots_of(self, streams: Sequence[Stream]) -> list[int]:
        """Where the rows' genomes are, once these are loaded beside those under way."""
        wanted = {stream.genome.digest: stream.genome for stream in streams}
        if not wanted.keys() <= self._slots.keys():
            seated = {stream.genome.digest: stream.genome for stream in self._running}
            under_way = {d: genome for d, genome in seated.items() if d in self._slots}
            try:
                self._load(seated | wanted)  # at once, for who joins together
            except GenomeError:  # of one that fits nothing, and that is told when it is read
                self._load(under_way | wanted)
        return [self._slots[stream.genome.digest] for stream in streams]

    def _load(self, genomes: Mapping[str, Genome]) -> None:
        self._population.load(list(genomes.values()))
        self._slots = {digest: slot for slot, digest in enumerate(genomes)}

    @cached_property
    def _in_rows(self) -> bool:
        """Whether this base can be run row by row; tried out on a few tokens, not looked up."""
        model, ids = self.base.model, torch.arange(8)[None] + 2
        try:
            wanted = model(input_ids=ids, use_cache=False, logits_to_keep=1).logits[0]
            row = RowCache()
            with rows_attend(model):
                for start, stop in ((0, 5), (5, 7), (7, 8)):
                    found = model(
                        input_ids=ids[:, start:stop],
                        position_ids=torch.arange(start, stop)[None],
                        past_key_values=Rows([row], [start]),
                        use_cache=True,
                        logits_to_keep=1,
                    ).logits[0]
        except Exception:  # of architectures that attend otherwise, each in words of its own
            return False
        return bool(torch.allclose(found, wanted, rtol=1e-3, atol=1e-3))
