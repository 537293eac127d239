"""What all requests of one server share, and what one request is from being asked to its end."""

from __future__ import annotations

import asyncio
import bisect
import json
import sys
import threading
import time
from collections.abc import AsyncIterator, Callable, Collection, Coroutine, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, TextIO, TypeVar

import numpy as np
from fastapi import Request
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from economy.serving.documents import Choice
from economy.serving.keys import ApiKey, ApiKeys
from economy.serving.names import AUTO, Meant, Names
from economy.serving.problems import ApiError
from genome.base_model import BaseModel
from genome.errors import GenomeError
from genome.search.question_encoder import QuestionEncoder
from marketplace.front import MarketLike
from marketplace.service.rates import Allowance, Connections, Rates
from marketplace.service.settings import ConnectionLimits, RateLimit
from persona.backend import Backend, Prompt
from persona.backends import Backends
from persona.engine import ROWS, Engine
from persona.errors import PersonaError, PromptError
from persona.prompt import message_ids
from persona.sampling import Sampling
from persona.stream import Told

T = TypeVar("T")
MAX_BODY_BYTES = 1 << 20
ENCODED_AT_ONCE = 8
"""Texts whose vectors are made between two tokens."""
MESSAGE_UNITS = 1000
"""Of a listing's use that a message is: its rate, which is per 1,000, is the price of a message."""
FIRST_TOKEN_S = (0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 30, 60)


class Metrics:
    """What Prometheus may know: numbers by route and status, never by key or persona."""

    def __init__(self, engine: Engine) -> None:
        self.registry = CollectorRegistry()
        more: dict[str, Any] = {"registry": self.registry, "namespace": "continuum"}
        self.requests = Counter("requests", "Requests answered.", ["route", "status"], **more)
        self.tokens = Counter("tokens", "Tokens of finished requests.", ["kind"], **more)
        self.first_token = Histogram(
            "first_token_seconds", "To the first token.", buckets=FIRST_TOKEN_S, **more
        )
        shown: dict[str, Callable[[], float]] = {
            "running": lambda: engine.stats().running,
            "waiting": lambda: engine.stats().waiting,
            "tokens_not_read_again": lambda: engine.stats().n_saved,
            "slots_hot": lambda: ((s := engine.stats().pager) and s.hot) or 0,
            "slot_hits": lambda: ((s := engine.stats().pager) and s.hot_hits) or 0,
            "slot_loads": lambda: ((s := engine.stats().pager) and s.loads) or 0,
        }
        for name, read in shown.items():
            Gauge(name, "Of the engine, now.", **more).set_function(read)


@dataclass
class Service:
    """One server: who answers, who may ask, and what is counted."""

    engine: Engine
    names: Names
    keys: ApiKeys
    market: MarketLike | None = None
    """Where messages of personas with a listing are paid."""
    must_have_key: bool = False
    hosts: frozenset[str] = frozenset()
    """Names under which it may be asked; empty = any. Keeps web pages off a loopback server."""
    log_to: TextIO = field(default_factory=lambda: sys.stderr)
    stopping: bool = False
    connections: Connections = field(default_factory=lambda: Connections(ConnectionLimits()))

    def __post_init__(self) -> None:
        self._opened: dict[str, Backend] = {}
        self._opening = threading.Lock()
        self.metrics = Metrics(self.engine)
        self._rates: dict[int, Rates] = {}
        self.books = ThreadPoolExecutor(max_workers=1, thread_name_prefix="books")

    @classmethod
    def of(
        cls, home: Path, base: BaseModel, base_name: str, *, rows: int = ROWS, **more: Any
    ) -> Service:
        """The one over a home, with an engine of its own.

        Args:
            base_name: What the base is called here.
            rows: Answers at once.
            more: Further fields.
        """
        names = Names(home, base, base_name, lambda digests: service.forget(digests))
        service = cls(Engine(base, rows=rows), names, ApiKeys(home), **more)
        return service

    def close(self) -> None:
        """End what is being answered, and the books."""
        for backend in (self.engine, *self._opened.values()):
            backend.close()
        self.books.shutdown(wait=True)

    def forget(self, digests: Collection[str]) -> None:
        """Let go of all that holds one of these layers, as soon as no answer runs on it."""
        for backend in (self.engine, *self._opened.values()):
            backend.forget(digests)

    def backend(self, name: str) -> Backend:
        """What computes answers of personas that stand on this; opened once.

        Raises:
            PersonaError, GenomeError: It cannot be had.
        """
        if not name:
            return self.engine
        with self._opening:
            if name not in self._opened:
                others, base = Backends(self.names.home), self.engine.base

                def load(fingerprint: str) -> BaseModel:
                    if fingerprint != base.fingerprint:
                        raise self.names.elsewhere(f"backend {name}", fingerprint)
                    return base

                # the base is whole only between two tokens
                opening = self.engine.between_tokens(partial(others.open, name, load))
                self._opened[name] = opening.result()
            return self._opened[name]

    def log(self, **facts: Any) -> None:
        """Write a line; a full disk must not fail the request that it is about."""
        with suppress(OSError):
            print(json.dumps(facts, default=repr), file=self.log_to, flush=True)

    def caller(self, request: Request) -> ApiKey | None:
        """Whose key a request shows; None where none is needed.

        Raises:
            ApiError: It needs one, or asks too often.
        """
        scheme, _, secret = request.headers.get("authorization", "").partition(" ")
        found = self.keys.of(secret.strip()) if scheme.lower() == "bearer" else None
        if found is None:
            if self.must_have_key:
                raise ApiError(
                    401,
                    "invalid_api_key",
                    "this server needs a key: `continuum key create NAME` on its machine makes one,"
                    " send it as Authorization: Bearer KEY",
                    headers={"WWW-Authenticate": "Bearer"},
                )
            return None
        rates = self._rates.setdefault(found.per_minute, Rates("key", RateLimit(found.per_minute)))
        allowance: Allowance = rates.take(found.name, time.time())
        request.state.allowance = allowance
        request.state.key = found.name
        if not allowance.allowed:
            raise ApiError(
                429,
                "rate_limit_exceeded",
                f"{found.per_minute} requests a minute are allowed to key {found.name}: ask again"
                f" in {allowance.wait_s:.1f} s",
            )
        return found

    async def encoded(self, texts: Sequence[str]) -> np.ndarray:
        """Vectors by which the library searches, (n, width); of a long text, of its beginning.

        A few at a time where the encoder needs the base: answers go on in between.

        Raises:
            LibraryError: Nothing was indexed yet.
        """
        encoder = await asyncio.to_thread(self.names.encoder)
        base = self.engine.base
        room = base.positions - base.frame
        cut = [text.encode()[:room].decode(errors="ignore") for text in texts]
        rows = []
        for start in range(0, len(cut), ENCODED_AT_ONCE):
            work = partial(encoder.encode, cut[start : start + ENCODED_AT_ONCE])
            needs_base = isinstance(encoder, QuestionEncoder)
            rows.append(
                await asyncio.wrap_future(self.engine.between_tokens(work))
                if needs_base
                else await asyncio.to_thread(work)
            )
        return np.concatenate(rows)

    async def meant(self, model: str, message: str) -> Meant:
        """Who is to answer (see `Names.meant`); of `auto`, who knows most of the message."""
        if model == AUTO:
            vectors = await self.encoded([message])
            return await asyncio.to_thread(self.names.found, vectors)
        meant = await asyncio.to_thread(self.names.meant, model)
        await asyncio.to_thread(self.backend, meant.backend)
        if self.names.retrieves(meant):
            vectors = await self.encoded([message])
            found = await asyncio.to_thread(self.names.found, vectors)
            meant = meant.taking_up(found)
        return meant

    def prompt(
        self,
        turns: Sequence[dict[str, Any]],
        tools: Sequence[dict[str, Any]],
        *,
        trim: bool,
        backend: str = "",
    ) -> Prompt:
        """A conversation as what answers takes it: another program the turns, the engine tokens.

        Of one that is too long for the base, without the oldest turns if allowed; what is left
        begins with a user's turn.

        Raises:
            PromptError: The template has no tools, or does not take such turns.
        """
        if not isinstance(self.backend(backend), Engine):
            if tools:
                raise PromptError(f"tools: backend {backend} is not given any: leave them out")
            return turns
        base = self.engine.base
        if tools and "tools" not in str(base.tokenizer.chat_template):
            raise PromptError(
                f"tools: the chat template of base {self.names.base_name} has none, so they would"
                " never be seen: leave them out, or serve a base whose template has them"
            )
        ids = message_ids(base, turns, tools)
        if len(ids) < base.positions or not trim:
            return ids
        before = [*turns[: int(turns[0]["role"] == "system")]]
        starts = [i for i in range(len(before), len(turns)) if turns[i]["role"] == "user"]

        def from_here(start: int) -> list[int]:
            return message_ids(base, [*before, *turns[start:]], tools)

        place = bisect.bisect_left(
            starts[:-1], True, key=lambda start: len(from_here(start)) < base.positions
        )
        return from_here(starts[place]) if starts else ids


class Turn:
    """One request for text, paid and counted; iterates over what is told of its answers."""

    def __init__(
        self,
        service: Service,
        request: Request,
        key: ApiKey | None,
        meant: Meant,
        prompts: Sequence[Prompt],
        sampling: Sampling,
        n: int = 1,
    ) -> None:
        self.service, self.key, self.meant = service, key, meant
        self.number: str = request.state.request
        self.choices = [Choice() for _ in range(n * len(prompts))]
        self._n_prompt = sum(map(_most_tokens, prompts))
        self.is_streamed = False
        self._n_most = self._n_prompt + len(self.choices) * sampling.max_tokens
        self._begun = time.perf_counter()
        backend = service.backend(meant.backend)
        self._told = backend.generate(meant.genome, prompts, sampling, n)
        self._iterator = self._pieces()
        self._first: tuple[int, Told, str] | None = None
        self._booked: Future[bool] | None = None
        self._paid: list[Future[int | None]] = []
        self._failure: Exception | None = None
        self._is_whole = self._is_over = False

    @property
    def n_prompt(self) -> int:
        """Tokens of all prompts; of another program's, once it has counted them, else at most."""
        return sum(choice.n_prompt for choice in self.choices) or self._n_prompt

    @property
    def n_said(self) -> int:
        """Tokens of all answers so far."""
        return sum(choice.n_said for choice in self.choices)

    async def begin(self) -> None:
        """Pay, and wait for the first token: until then a refusal has a status of its own.

        Raises:
            ApiError: The message has a price, and the key has no account; or too few tokens are
                left to it.
            MarketError: The account cannot pay.
            PersonaError, GenomeError: As `Engine.submit`.
        """
        try:
            await self._book()
            self._first = await anext(self._iterator)
        except BaseException:
            await self.end()
            raise
        self.service.metrics.first_token.observe(time.perf_counter() - self._begun)

    async def __aiter__(self) -> AsyncIterator[tuple[int, Told, str]]:
        """Number of the answer, what is told of it, and its text."""
        assert self._first is not None, "begin first"
        yield self._first
        async for told in self._iterator:
            yield told

    async def whole(self) -> None:
        """From the first token until all answers are over."""
        await self.begin()
        try:
            async for _ in self:
                pass
        finally:
            await self.end()

    async def _pieces(self) -> AsyncIterator[tuple[int, Told, str]]:
        try:
            async for i, what in self._told:
                yield i, what, self.choices[i].take(what)
            self._is_whole = True
        except Exception as failure:
            self._failure = failure
            raise

    async def end(self) -> None:
        """Stop what is still being answered, and settle; again, nothing happens."""
        if not self._is_over:
            self._is_over = True
            await self._told.aclose()
            self.service.metrics.tokens.labels("prompt").inc(self.n_prompt)
            self.service.metrics.tokens.labels("answer").inc(self.n_said)
            self.service.books.submit(self._settle)

    # -- books: kept by one thread, in order, whether anybody still waits for them or not ---------

    async def _book(self) -> None:
        """Reserve what it may take of the key's tokens, and pay what a message costs."""
        keys, key, books = self.service.keys, self.key, self.service.books
        if key is not None:
            self._booked = books.submit(keys.use, key.name, self._n_most)
            if not await asyncio.shield(asyncio.wrap_future(self._booked)):
                raise no_tokens_left(key, self._n_most)
        for listing in self.meant.listings:
            self._paid.append(books.submit(self._pay, listing))
        for paid in self._paid:
            await asyncio.shield(asyncio.wrap_future(paid))

    def _pay(self, listing: str) -> int | None:
        market, account = self.service.market, self.key.account if self.key else ""
        if market is None:
            raise ApiError(
                503,
                "no_market",
                f"a message to {self.meant.name} is a use of listing {listing}, and this server has"
                " no market: tell who runs it",
            )
        if not account:
            raise ApiError(
                402,
                "insufficient_quota",
                f"a message to {self.meant.name} is a use of listing {listing}: send a key that has"
                " an account, `continuum key create NAME --account ACCOUNT`",
            )
        units, key = MESSAGE_UNITS * len(self.choices), f"message-{self.number}-{listing}"
        used = market.charge(account=account, listing=listing, units=units, key=key)
        return used.transfer if used.amount_nanos else None

    @property
    def _gets_back(self) -> bool:
        """Whether nothing was given for what was paid, by no doing of the client's own."""
        if self._is_whole or (self._failure is None and self._first is not None):
            return False  # who leaves in the middle has paid
        own = isinstance(self._failure, PersonaError | GenomeError)
        return self._first is None or not (own and self.is_streamed)

    def _settle(self) -> None:
        try:
            if self.key is not None and _outcome(self._booked):
                spent = 0 if self._gets_back else self.n_prompt + self.n_said
                self.service.keys.use(self.key.name, spent - self._n_most)
            for i, paid in enumerate(self._paid if self._gets_back else ()):
                transfer, market = _outcome(paid), self.service.market
                if transfer is not None and market is not None:
                    market.refund(transfer, key=f"failed-{self.number}-{i}")
        except Exception as failure:  # the answer stands, whatever becomes of the books
            self.service.log(event="unsettled", request=self.number, error=type(failure).__name__)


def _most_tokens(prompt: Prompt) -> int:
    """Tokens of a prompt; of turns that another program will read, at most: a byte has one."""
    if all(isinstance(token, int) for token in prompt):
        return len(prompt)
    return sum(len(json.dumps(turn, ensure_ascii=False).encode()) for turn in prompt)


def _outcome(booked: Future[T] | None) -> T | None:
    """What came of an entry; None where nothing did. Whoever asks comes after it in the books."""
    done = booked is not None and booked.done() and booked.exception() is None
    return booked.result() if booked is not None and done else None


def no_tokens_left(key: ApiKey, n_most: int) -> ApiError:
    """The refusal of a request that may take more tokens than are left to its key."""
    left = (key.budget or 0) - key.used
    return ApiError(
        429,
        "insufficient_quota",
        f"key {key.name} has {max(0, left)} of {key.budget} tokens left and this may take {n_most}:"
        " ask for fewer with max_tokens and n, or with another key",
    )


async def unless_gone(request: Request, work: Coroutine[Any, Any, T]) -> T:
    """What the work gives; it is stopped when the client leaves.

    Raises:
        asyncio.CancelledError: The client left.
    """

    async def gone() -> None:
        while (await request.receive())["type"] != "http.disconnect":
            pass

    task, leaving = asyncio.ensure_future(work), asyncio.ensure_future(gone())
    await asyncio.wait({task, leaving}, return_when=asyncio.FIRST_COMPLETED)
    leaving.cancel()
    if not task.done():
        task.cancel()
    return await task
