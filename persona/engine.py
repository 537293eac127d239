"""Answers of many genomes on one base at once: requests join and leave between two tokens.

One thread runs the model while there is anything to answer. Every pass reads one token of each
answer under way and a piece of the prompts, rows end to end, every row with its own genome and
its own cache; a prompt goes in pieces, so that a long one does not hold the others up. A layer
never changes under a running answer.
"""

from __future__ import annotations

import asyncio
import queue
import threading
from collections import deque
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import ExitStack, closing
from functools import cached_property
from itertools import accumulate
from typing import Any, NamedTuple

import torch
from transformers import DynamicCache

from genome.base_model import BaseModel
from genome.errors import PagerFull
from genome.genome import Genome
from genome.layer import Layer
from genome.memory import allowed
from genome.pager import Lease, Pager, PagerLimits
from genome.population import PopulationModel
from genome.running.halves import run_head
from genome.running.packed import PackedRows, RowCache, packed_attention, run_packed
from genome.running.product import Prepacked, multiplying, prepacked
from genome.running.stack import check_fit, rank_of
from persona.errors import NotTextError
from persona.prefix import PrefixCache
from persona.sampling import GREEDY, Ended, Said, Sampling
from persona.stream import Answer, Stream, Tell

ROWS = 16
"""Answers under way at once; who comes later waits."""
PIECE = 48
"""Prompt tokens that a pass reads beside a token of each answer under way."""
QUIET = 16
"""Times as many while nobody is being answered."""
LEAST_RANK = 8
"""Room of a slot at first."""
HOT = 4
"""Slots for each row: genomes that stay in place for their next question, if memory allows."""


class Share(NamedTuple):
    """What a pass reads of one stream: its next n tokens."""

    stream: Stream
    n: int


class Engine:
    """Generates text with any genomes on one loaded base model; may be asked from any thread.

    The model is the engine's alone while it answers; with the last token it is what it was.
    """

    def __init__(
        self,
        base: BaseModel,
        *,
        rows: int = ROWS,
        piece: int = PIECE,
        prefix_bytes: int | None = None,
    ) -> None:
        """
        Args:
            prefix_bytes: For what was read and may be gone on from; None = an eighth of what is
                allowed.
        """
        self.base = base
        self.rows = rows
        self.piece = piece
        self._population = PopulationModel(base.model)
        self._pager: Pager | None = None
        self._modules = {n for n in self._population.sites if not n.endswith("lm_head")}
        self._coming: dict[str, Layer] = {}
        self.prefixes = PrefixCache(allowed() // 8 if prefix_bytes is None else prefix_bytes)
        self._opened: list[int] = []
        self._model_is_ours = ExitStack()
        self._changed = threading.Lock()
        self._waiting: deque[Stream] = deque()
        self._running: list[Stream] = []
        self._works = False
        self._thread = threading.Thread()

    def submit(
        self,
        genome: Genome,
        messages: Sequence[Mapping[str, str]],
        tell: Tell,
        sampling: Sampling = GREEDY,
    ) -> Stream:
        """Ask for an answer; it begins when there is a row for it, first come, first served.

        Args:
            tell: Is called by the engine's thread with each token, and at last with how it ended.

        Raises:
            TooLongError: The messages leave no position for an answer.
            NotTextError: A message has half a character in it.
        """
        for message in messages:
            if message["content"] != message["content"].encode(errors="replace").decode():
                raise NotTextError(message["content"])
        ids = self.base.tokenizer.apply_chat_template(
            list(messages), add_generation_prompt=True, return_dict=True
        )["input_ids"]
        if refused := self.base.refusal(str(messages[-1]["content"]), len(ids) + 1, 1):
            raise refused
        stream = Stream(genome, ids, sampling, tell, self.base)
        with self._changed:
            self._waiting.append(stream)
            if not self._works:
                self._works = True
                self._thread = threading.Thread(target=self._work, name="engine")
                self._thread.start()
        return stream

    def stream(
        self,
        genome: Genome,
        messages: Sequence[Mapping[str, str]],
        sampling: Sampling = GREEDY,
    ) -> Answer:
        """Ask for an answer, to be read as it comes."""
        told: queue.SimpleQueue[Any] = queue.SimpleQueue()
        return Answer(self.submit(genome, messages, told.put, sampling), told)

    def answer(self, genome: Genome, question: str, sampling: Sampling = GREEDY) -> str:
        """The whole answer to one question."""
        messages = [{"role": "user", "content": question}]
        with closing(self.stream(genome, messages, sampling)) as answer:
            return "".join(what.text for what in answer)

    async def generate(
        self,
        genome: Genome,
        messages: Sequence[Mapping[str, str]],
        sampling: Sampling = GREEDY,
    ) -> AsyncIterator[Said | Ended]:
        """The answer as it comes; the end is the last."""
        loop, told = asyncio.get_running_loop(), asyncio.Queue[Any]()

        def tell(what: Said | Ended | BaseException) -> None:
            loop.call_soon_threadsafe(told.put_nowait, what)

        stream = self.submit(genome, messages, tell, sampling)
        try:
            while not isinstance(what := await told.get(), Ended):
                if isinstance(what, BaseException):
                    raise what
                yield what
            yield what
        finally:
            stream.cancel()

    def close(self) -> None:
        """Stop all answers, and come back when the model is what it was."""
        with self._changed:
            for stream in (*self._running, *self._waiting):
                stream.cancel()
        if self._thread.ident:
            self._thread.join()

    # -- the engine's thread ---------------------------------------------------------------

    def _work(self) -> None:
        try:
            with torch.no_grad():
                while self._seated():
                    self._pass(self._shares())
        except BaseException as failure:  # nobody may wait for a thread that is gone
            with self._changed:
                self._close()
                left, self._running, self._works = [*self._running, *self._waiting], [], False
                self._waiting.clear()
            for stream in left:
                stream.tell(failure)
                if stream.lease:
                    stream.lease.release()
            raise

    def _seated(self) -> bool:
        """Give free rows to who waits; False when nobody is left, and the thread ends."""
        for stream in self._running:
            if stream.ended:
                stream.lease.release()
                if isinstance(stream.cache, RowCache):
                    self.prefixes.keep(stream.ref, stream.sampler.ids, stream.cache)
        self._running = [s for s in self._running if not s.ended]
        while len(self._running) < self.rows and (first := self._next()):
            try:
                first.lease = self._lease(first)
            except PagerFull:  # until one of those under way ends
                with self._changed:
                    self._waiting.appendleft(first)
                break
            except Exception as failure:  # such as a genome that does not fit: its own
                first.tell(failure)
            else:
                self._running.append(first)
                if self.base.packs:
                    first.cache = self.prefixes.take(first.ref, first.left)
                    del first.left[: first.cache.n_read]
        with self._changed:
            self._works = bool(self._running or self._waiting)
            if not self._works:
                self._close()
            return self._works

    def _next(self) -> Stream | None:
        with self._changed:
            while self._waiting:
                if not (stream := self._waiting.popleft()).ended:
                    return stream
        return None

    def _lease(self, stream: Stream) -> Lease:
        """The stream's genome in a slot, kept there.

        Raises:
            PagerFull: Others have all slots, or slots have to become larger first.
            GenomeError: It does not fit the model.
        """
        genome = stream.genome
        check_fit(genome, self._population.sites)
        modules = {module for layer in genome.layers for module in layer.factors}
        rank = max((rank_of(genome, module) for module in modules), default=0)
        if not self._pager or rank > self._pager.limits.rank or modules - self._modules:
            if self._running:
                raise PagerFull(1, len(self._running), len(self._running), 0)
            self._pager = self._new_pager(rank, modules)
        self._close()  # what is open has its own idea of the slots
        self._coming = {layer.digest: layer for layer in genome.layers}
        try:
            return self._pager.lease([stream.ref])
        finally:
            self._coming = {}

    def _new_pager(self, rank: int, modules: set[str]) -> Pager:
        """Slots with room for such a genome, and for all that there was room for before."""
        self._close()
        self._modules |= modules
        rank = max(rank, self._pager.limits.rank if self._pager else LEAST_RANK)
        self._pager = None  # its slots are gone from here on
        slot_bytes = self._population.reserve(1, rank, sorted(self._modules))
        hot_bytes = min(HOT * self.rows * slot_bytes, max(slot_bytes, allowed() // 4))
        return Pager(
            self._population,
            lambda digest: self._coming[digest],
            self.base.fingerprint,
            PagerLimits(hot_bytes, warm_bytes=0, rank=rank, modules=sorted(self._modules)),
        )

    def _shares(self) -> list[Share]:
        """What the next pass reads: of every answer a token, of the prompts a piece together."""
        shares = [Share(stream, 1) for stream in self._running if len(stream.left) == 1]
        room = self.piece if shares else QUIET * self.piece
        for stream in self._running:
            if len(stream.left) > 1 and room:
                shares.append(Share(stream, min(room, len(stream.left))))
                room -= shares[-1].n
        return shares

    def _pass(self, shares: Sequence[Share]) -> None:
        """Read on in these rows; where that fails, in each alone, so that one fails alone."""
        if len(shares) > 1 and not self.base.packs:
            for share in shares:
                self._pass([share])
            return
        try:
            answering, logits = self._read(shares)
        except Exception as failure:
            self._close()
            if len(shares) == 1:
                shares[0].stream.tell(failure)
            for share in shares if len(shares) > 1 else ():
                self._pass([share])
            return
        told = [stream.next(row) for stream, row in zip(answering, logits, strict=True)]
        n_over = sum(not isinstance(what[-1], Said) for what in told)
        if n_over == len(self._running):
            self._close()  # with its last token the model is what it was
        for stream, every in zip(answering, told, strict=True):
            for what in every:
                stream.tell(what)

    def _read(self, shares: Sequence[Share]) -> tuple[list[Stream], torch.Tensor]:
        """Read every share; who has read all that is left to it, and logits, (n, vocabulary)."""
        slots = [share.stream.lease.slots[0] for share in shares]
        in_order = sorted(zip(shares, slots, strict=True), key=lambda pair: (pair[0].n, pair[1]))
        shares, slots = [pair[0] for pair in in_order], [pair[1] for pair in in_order]
        ending = [i for i, (stream, n) in enumerate(shares) if n == len(stream.left)]
        read = self._packed if self.base.packs else self._alone
        logits = read(shares, slots, ending)
        for stream, n in shares:
            del stream.left[:n]
        return [shares[i].stream for i in ending], logits

    def _packed(
        self, shares: Sequence[Share], slots: Sequence[int], ending: Sequence[int]
    ) -> torch.Tensor:
        """All shares in one pass; logits behind those at `ending`, (n_ending, vocabulary)."""
        model, lengths = self.base.model, [share.n for share in shares]
        caches: list[RowCache] = [stream.cache for stream, _ in shares]
        ids = torch.tensor([token for stream, n in shares for token in stream.left[:n]])
        self._open([slot for slot, n in zip(slots, lengths, strict=True) for _ in range(n)])
        output = run_packed(model, ids, PackedRows(caches, lengths))
        stops = list(accumulate(lengths))
        logits: torch.Tensor = output.last_hidden_state[[stops[i] - 1 for i in ending]]
        if ending:
            self._open([slots[i] for i in ending])
            logits = run_head(model, output, logits)
        for cache, n in zip(caches, lengths, strict=True):  # now that nothing can fail
            cache.n_read += n
        return logits[:, -1]

    def _open(self, slots: list[int]) -> None:
        """Let token i run the genome in `slots[i]`; from one pass to the next where it stays so."""
        if slots != self._opened:
            self._close()
            sites = self._population.sites
            self._model_is_ours.enter_context(packed_attention(self.base.model))
            self._model_is_ours.enter_context(multiplying(sites, self._products))
            self._model_is_ours.enter_context(self._population.rows(slots))
            self._opened = slots

    @cached_property
    def _products(self) -> dict[str, Prepacked]:
        return prepacked(self._population.sites, allowed() // 2)

    def _close(self) -> None:
        self._opened = []
        self._model_is_ours.close()

    def _alone(
        self, shares: Sequence[Share], slots: Sequence[int], ending: Sequence[int]
    ) -> torch.Tensor:
        """One share, as any causal LM reads."""
        (stream, n), *_ = shares
        if stream.cache is None:
            stream.cache = DynamicCache(config=self.base.model.config)
        with self._population.rows(slots):
            output = self.base.model(
                input_ids=torch.tensor([stream.left[:n]]),
                past_key_values=stream.cache,
                use_cache=True,
                logits_to_keep=1,
            )
        logits: torch.Tensor = output.logits[:, -1]
        return logits[: len(ending)]
