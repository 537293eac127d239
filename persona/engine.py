"""Answers of many genomes on one base at once: requests join and leave between two tokens.

One thread runs the model while there is anything to answer. Every pass reads one token of each
answer under way and a piece of the prompts, rows end to end, every row with its own genome and
its own cache; a prompt goes in pieces, so that a long one does not hold the others up, and a
beginning that several have in common is read by one of them. A layer never changes under a
running answer.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Collection, Sequence
from concurrent.futures import Future
from contextlib import ExitStack
from functools import cached_property
from itertools import accumulate
from typing import NamedTuple, TypeVar

import torch
from transformers import DynamicCache

from genome.base_model import BaseModel
from genome.errors import PagerFull
from genome.genome import Genome
from genome.layer import Layer
from genome.memory import allowed
from genome.pager import Lease, Pager, PagerLimits, PagerStats
from genome.population import PopulationModel
from genome.running.halves import run_head
from genome.running.packed import PackedRows, RowCache, packed_attention, run_packed
from genome.running.product import Prepacked, multiplying, prepacked
from genome.running.stack import check_fit, rank_of
from persona.backend import Backend, Prompt
from persona.errors import QueueFullError
from persona.grammar import Grammars
from persona.prefix import LEAST, PrefixCache, common
from persona.prompt import prompt_ids
from persona.sampling import GREEDY, Said, Sampling
from persona.stream import Stream, Tell

T = TypeVar("T")
ROWS = 16
"""Answers under way at once; who comes later waits."""
WAITING = 256
"""Who may wait."""
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


class EngineStats(NamedTuple):
    """An engine at one moment; counters run from its start."""

    running: int
    waiting: int
    n_read: int
    """Tokens that went through the model."""
    n_said: int
    """Tokens of answers."""
    n_saved: int
    """Tokens of prompts that did not have to be read again."""
    pager: PagerStats | None
    """None before the first genome."""


class Engine(Backend):
    """Generates text with any genomes on one loaded base model; may be asked from any thread.

    The model is the engine's alone while it answers; with the last token it is what it was.
    """

    def __init__(
        self,
        base: BaseModel,
        *,
        rows: int = ROWS,
        piece: int = PIECE,
        waiting: int = WAITING,
        cache_bytes: int | None = None,
        prefix_bytes: int | None = None,
    ) -> None:
        """
        Args:
            waiting: Requests that may wait for a row; more are refused.
            cache_bytes: For what the answers under way have read, counted as long as they may
                become; who does not fit in waits. None = half of what is allowed.
            prefix_bytes: For what was read and may be gone on from; None = an eighth of it.
        """
        self.base = base
        self.rows = rows
        self.piece = piece
        self.waiting = waiting
        self.cache_bytes = allowed() // 2 if cache_bytes is None else cache_bytes
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
        self._calls: list[Callable[[], object]] = []
        self._works = False
        self._thread = threading.Thread()
        self._n_seconds = 1.0
        self.n_read = self.n_said = 0
        self.grammars = Grammars(base)

    def submit(
        self,
        genome: Genome,
        prompt: Prompt,
        tell: Tell,
        sampling: Sampling = GREEDY,
    ) -> Stream:
        """Ask for an answer; it begins when there is a row for it, first come, first served.

        Args:
            prompt: Messages, which the chat template puts, or tokens, which are read as they are.
            tell: Is called by the engine's thread with each token, and at last with how it ended.

        Raises:
            TooLongError: The prompt leaves no position for an answer.
            NotTextError, PromptError: It cannot be read.
            GrammarError: The sampling's grammar is none.
            QueueFullError: As many wait as may wait.
        """
        ids = prompt_ids(self.base, prompt)
        scored = len(ids) if sampling.of_prompt else 1
        if refused := self.base.refusal("the prompt", len(ids) + 1, scored):
            raise refused
        matcher = self.grammars.matcher(sampling.grammar)
        stream = Stream(genome, ids, sampling, tell, self.base, matcher)
        with self._changed:
            if len(self._waiting) >= self.waiting:  # but nobody waits for those who have left
                self._waiting = deque(s for s in self._waiting if not s.ended)
            if len(self._waiting) >= self.waiting:
                turns = 1 + len(self._waiting) / self.rows
                raise QueueFullError(len(self._waiting), turns * self._n_seconds)
            self._waiting.append(stream)
            self._wake()
        return stream

    def between_tokens(self, work: Callable[[], T]) -> Future[T]:
        """Let the engine's thread do what needs the model, between two tokens of the others."""
        future: Future[T] = Future()

        def call() -> None:
            if not future.set_running_or_notify_cancel():
                return
            try:
                future.set_result(work())
            except BaseException as failure:
                future.set_exception(failure)

        with self._changed:
            self._calls.append(call)
            self._wake()
        return future

    def _wake(self) -> None:
        """Have a thread that works; within the lock."""
        if not self._works:
            self._works = True
            self._thread = threading.Thread(target=self._work, name="engine")
            self._thread.start()

    def prepare(self, sampling: Sampling) -> Sampling:
        """Compile the sampling's grammar, which may take a second.

        Raises:
            GrammarError: It is none.
        """
        self.grammars.matcher(sampling.grammar)
        return sampling

    def stats(self) -> EngineStats:
        """What a screen or a monitor shows."""
        with self._changed:
            return EngineStats(
                running=len(self._running),
                waiting=sum(not stream.ended for stream in self._waiting),
                n_read=self.n_read,
                n_said=self.n_said,
                n_saved=self.prefixes.n_saved,
                pager=self._pager.stats() if self._pager else None,
            )

    def report(self) -> str:
        """How much did not have to be read again."""
        return f"{self.prefixes.n_saved} tokens did not have to be read again so far"

    def forget(self, digests: Collection[str]) -> Future[None]:
        """Let go of all that holds one of these layers, once no answer runs on it."""

        def drop() -> None:
            self.prefixes.forget(digests)
            if self._pager:
                for ref in self._pager.refs():
                    if {*ref.layers} & {*digests}:
                        self._pager.evict(ref)

        return self.between_tokens(drop)

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
                self._n_seconds += (time.monotonic() - stream.begun - self._n_seconds) / 8
        self._running = [s for s in self._running if not s.ended]
        with self._changed:
            calls, self._calls = self._calls, []
        for call in calls:
            self._close()
            call()
        while len(self._running) < self.rows and (first := self._next()):
            try:
                first.lease = self._lease(first)
                first.begun = time.monotonic()
            except PagerFull:  # until one of those under way ends
                with self._changed:
                    self._waiting.appendleft(first)
                break
            except Exception as failure:  # such as a genome that does not fit: its own
                first.tell(failure)
            else:
                if self.base.packs:
                    every = first.sampler.sampling.of_prompt
                    first.cache = self.prefixes.take(first.ref, () if every else first.left)
                    del first.left[: first.cache.n_read]
                    first.ahead = None if every else self._ahead(first, self._running)
                self._running.append(first)
        with self._changed:
            self._works = bool(self._running or self._waiting or self._calls)
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
            PagerFull: Others have all slots or the room for what was read, or slots have to become
                larger first.
            GenomeError: It does not fit the model.
        """
        genome, n_positions = stream.genome, sum(s.n_most for s in (stream, *self._running))
        if self._running and n_positions * self._position_bytes > self.cache_bytes:
            raise PagerFull(1, len(self._running), len(self._running), 0)
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

    @staticmethod
    def _ahead(stream: Stream, earlier: Sequence[Stream]) -> tuple[Stream, int] | None:
        """Who of them reads most of what a stream begins with, if that saves it enough."""
        ids, n_read = stream.sampler.ids, stream.cache.n_read
        found = [(common(s.sampler.ids, ids), s) for s in earlier if s.ref == stream.ref]
        n, other = max(found, key=lambda one: one[0], default=(0, stream))
        return (other, n) if n - n_read >= LEAST else None

    def _catch_up(self) -> None:
        """Who waited goes on from a copy, once as much is read as was waited for, or never will be.

        Nobody waits for who came later, so the first of them always reads.
        """
        for i, stream in enumerate(self._running):
            other, n = stream.ahead or (stream, 0)
            if other is stream or not (other.ended or other.cache.n_read >= n):
                continue
            n = min(n, other.cache.n_read) if other.cache else 0  # no cache is left of a failure
            if (n_saved := n - stream.cache.n_read) > 0:
                stream.cache = other.cache.copy(n)
                del stream.left[:n_saved]
                self.prefixes.n_saved += n_saved
            stream.ahead = self._ahead(stream, self._running[:i]) if other.ended else None

    def _shares(self) -> list[Share]:
        """What the next pass reads: of every answer a token, of the prompts a piece together."""
        self._catch_up()
        shares = [Share(stream, 1) for stream in self._running if len(stream.left) == 1]
        room = self.piece if shares else QUIET * self.piece
        for stream in self._running:
            if len(stream.left) > 1 and room and not stream.ahead:
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
        self.n_said += len(answering)
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
            self.n_read += n
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
        asked = [i for i, (stream, _) in enumerate(shares) if stream.reads_all]
        places = [range(stops[i] - lengths[i], stops[i]) for i in asked]
        places += [range(stops[i] - 1, stops[i]) for i in ending]
        logits: torch.Tensor = output.last_hidden_state[[at for part in places for at in part]]
        if places:
            owners = zip((*asked, *ending), places, strict=True)
            self._open([slots[i] for i, part in owners for _ in part])
            logits = run_head(model, output, logits)
        for i in asked:
            shares[i].stream.read(logits[: lengths[i], -1])
            logits = logits[lengths[i] :]
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
    def _position_bytes(self) -> int:
        """What a position takes in a row's cache at most: it may have room for twice as many."""
        shape = self.base.footprint
        return 2 * shape.blocks * shape.cached * shape.size

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
                logits_to_keep=n if stream.reads_all else 1,
            )
        if stream.reads_all:
            stream.read(output.logits[0])
        logits: torch.Tensor = output.logits[:, -1]
        return logits[: len(ending)]
