"""What all requests of one server share, and what one request is from being asked to its end."""

from __future__ import annotations

import asyncio
import json
import sys
import time
from collections.abc import AsyncIterator, Callable, Coroutine, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, TextIO, TypeVar

from fastapi import Request
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from economy.serving.documents import Choice
from economy.serving.keys import ApiKey, ApiKeys
from economy.serving.names import AUTO, Meant, Names
from economy.serving.problems import ApiError
from genome.search.question_encoder import QuestionEncoder
from marketplace.front import MarketLike
from marketplace.service.rates import Allowance, Connections, Rates
from marketplace.service.settings import ConnectionLimits, RateLimit
from persona.engine import Engine, Prompt
from persona.errors import PromptError
from persona.sampling import Sampling
from persona.stream import Told

T = TypeVar("T")
MAX_BODY_BYTES = 4 << 20
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
        self.metrics = Metrics(self.engine)
        self._rates: dict[int, Rates] = {}

    def log(self, **facts: Any) -> None:
        """Write a line; a full disk must not fail the request that it is about."""
        with suppress(OSError):
            print(json.dumps(facts, default=repr), file=self.log_to, flush=True)

    def caller(self, request: Request) -> ApiKey | None:
        """Whose key a request shows; None where none is needed.

        Raises:
            ApiError: It needs one, asks too often, or has used up its tokens.
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
        if found.is_spent:
            raise ApiError(
                429,
                "insufficient_quota",
                f"key {found.name} has used {found.used} of {found.budget} tokens: ask for another",
            )
        return found

    async def encoding(self, work: Callable[[Any], T]) -> T:
        """Something done with the library's encoder; the engine's thread does what needs its base.

        Raises:
            LibraryError: Nothing was indexed yet.
        """
        encoder = await asyncio.to_thread(self.names.encoder)
        if isinstance(encoder, QuestionEncoder):
            return await asyncio.wrap_future(self.engine.between_tokens(lambda: work(encoder)))
        return await asyncio.to_thread(work, encoder)

    async def meant(self, model: str, message: str) -> Meant:
        """Who is to answer (see `Names.meant`)."""
        if model == AUTO:
            return await self.encoding(lambda _: self.names.meant(model, message))
        return await asyncio.to_thread(self.names.meant, model, message)

    def prompt(
        self, turns: Sequence[dict[str, Any]], tools: Sequence[dict[str, Any]], *, trim: bool
    ) -> list[int]:
        """Tokens of a conversation; of one that is too long, without the oldest turns if allowed.

        Raises:
            PromptError: The template has no tools, or does not take such turns.
        """
        base, left = self.engine.base, list(turns)
        if tools and "tools" not in str(base.tokenizer.chat_template):
            raise PromptError(
                f"tools: the chat template of base {self.names.base_name} has none, so they would"
                " never be seen: leave them out, or serve a base whose template has them"
            )
        while True:
            ids = self.engine.ids_of(left, tools)
            first = int(left[0]["role"] == "system")
            if len(ids) < base.positions or not trim or len(left) <= first + 1:
                return ids
            del left[first]
            while len(left) > first + 1 and left[first]["role"] != "user":
                del left[first]


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
        self.n_prompt = sum(map(len, prompts))
        self._begun = time.perf_counter()
        self._paid: int | None = None
        self._told = service.engine.generate(meant.genome, prompts, sampling, n)
        self._iterator = self._pieces()
        self._first: tuple[int, Told, str] | None = None

    @property
    def n_said(self) -> int:
        """Tokens of all answers so far."""
        return sum(len(choice.said) for choice in self.choices)

    async def begin(self) -> None:
        """Pay, and wait for the first token: until then a refusal has a status of its own.

        Raises:
            ApiError: The message has a price, and the key has no account.
            MarketError: The account cannot pay.
            PersonaError, GenomeError: As `Engine.submit`.
        """
        try:
            if self.meant.listing:
                self._paid = await asyncio.to_thread(self._pay)
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
        except Exception:
            if self._paid is not None:
                await asyncio.to_thread(self._pay_back, self._paid)
            raise

    async def end(self) -> None:
        """Stop what is still being answered, and count."""
        await self._told.aclose()
        n_said = self.n_said
        metrics = self.service.metrics
        metrics.tokens.labels("prompt").inc(self.n_prompt)
        metrics.tokens.labels("answer").inc(n_said)
        if self.key is not None:
            keys, name = self.service.keys, self.key.name
            await asyncio.to_thread(keys.use, name, self.n_prompt + n_said)

    def _pay(self) -> int | None:
        market, account = self.service.market, self.key.account if self.key else ""
        if market is None or not account:
            raise ApiError(
                402,
                "insufficient_quota",
                f"a message to {self.meant.name} is a use of listing {self.meant.listing}: send a"
                " key that has an account, `continuum key create NAME --account ACCOUNT`",
            )
        used = market.charge(
            account=account,
            listing=self.meant.listing,
            units=MESSAGE_UNITS,
            key=f"message-{self.number}",
        )
        return used.transfer if used.amount_nanos else None

    def _pay_back(self, transfer: int) -> None:
        assert self.service.market is not None
        self.service.market.refund(transfer, key=f"failed-{self.number}")


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
