"""Any OpenAI-compatible HTTP API as what computes a persona's answers.

vLLM, Ollama, a cloud's API or `continuum serve` elsewhere. What an ordinary API has no field for is
sent only where it is asked for. After the first byte of an answer nothing is asked again: what was
told stays told, and the failure comes after it.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Collection, Iterator, Mapping
from concurrent.futures import Future
from contextlib import contextmanager
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, NamedTuple
from urllib.parse import urlsplit

from pydantic import BaseModel as Checked
from pydantic import ConfigDict, Field, ValidationError, field_validator

from genome.genome import Genome
from persona.backend import Backend, Prompt
from persona.errors import (
    BackendError,
    GrammarError,
    NotOfferedError,
    PromptError,
    QueueFullError,
)
from persona.grammar import schema_of
from persona.remote.breaker import Breaker
from persona.remote.completion import Chunk, Usage, request
from persona.sampling import GREEDY, Ended, Said, Sampling
from persona.stream import Tell, Told

if TYPE_CHECKING:
    from persona.remote.adapters import Adapter
    from persona.remote.connection import Connection

AT_ONCE = 32
"""Answers under way at once; who comes later waits."""
WAITING = 256
"""Who may wait."""
Price = Annotated[Decimal, Field(ge=0, le=1_000_000, allow_inf_nan=False)]


class EndpointSettings(Checked):
    """How one backend is reached.

    Raises:
        pydantic.ValidationError: A value is out of its bounds; it names which.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    url: str
    """Of the API, http or https; one without a path gets /v1."""
    model: Annotated[str, Field(min_length=1, max_length=200)]
    """What the base is called there."""
    key_env: Annotated[str, Field(pattern=r"^[A-Za-z_][A-Za-z0-9_]{0,63}$")] | None = None
    """Environment variable that holds the API key; None = it needs none."""
    timeout_s: Annotated[float, Field(ge=0.1, le=3600)] = 120.0
    """Without a byte for so long, an answer has failed."""
    connect_s: Annotated[float, Field(ge=0.1, le=60)] = 5.0
    retries: Annotated[int, Field(ge=0, le=10)] = 2
    """How often more a request is made while nothing has come."""
    prompt_price: Price = Decimal(0)
    """Per million tokens of prompts, in `currency`."""
    answer_price: Price = Decimal(0)
    """Per million tokens of answers."""
    currency: Annotated[str, Field(pattern=r"^[A-Za-z]{3,16}$")] = "USD"
    loads_layers: bool = False
    """Whether it loads LoRA adapters at run time, as vLLM does."""
    layers_folder: Path | None = None
    """Where adapters are written for it to read under the same path; None = a temporary folder."""
    max_loaded: Annotated[int, Field(ge=1, le=10_000)] = 16
    """Adapters that it has at once."""

    @field_validator("url")
    @classmethod
    def _is_api(cls, url: str) -> str:
        try:
            parts = urlsplit(url)
            fits = parts.scheme in ("http", "https") and parts.hostname and parts.port != 0
        except ValueError:
            fits = False
        if not fits or not url.isprintable() or " " in url:
            raise ValueError("is http:// or https:// with a host, such as http://127.0.0.1:8000/v1")
        if parts.username is not None or parts.password is not None:
            raise ValueError("holds no user or password: name the key's variable in key_env")
        if parts.query or parts.fragment:
            raise ValueError("ends with its path: leave out what stands behind ? or #")
        return url

    @field_validator("layers_folder")
    @classmethod
    def _is_whole(cls, folder: Path | None) -> Path | None:
        if folder is not None and not folder.is_absolute():
            raise ValueError("is a whole path, as the server sees it: begin it with /")
        return folder

    @property
    def api(self) -> str:
        """What the paths of the API follow."""
        url = self.url.rstrip("/")
        return url if urlsplit(url).path else f"{url}/v1"


class EndpointStats(NamedTuple):
    """A backend at one moment; counters run from its start."""

    running: int
    waiting: int
    requests: int
    """Answers that were asked for and begun."""
    failures: int
    """Of them, those that failed."""
    retries: int
    """Requests that were made again."""
    n_prompt: int
    """Tokens of prompts, as the server counted them."""
    n_said: int
    """Tokens of answers; pieces, of those that the server did not count."""
    cost: Decimal
    """Of these tokens, in the settings' currency."""


class _Asked:
    """One answer as another program makes it."""

    def __init__(
        self, genome: Genome, prompt: Prompt, sampling: Sampling, tell: Tell, backend: Endpoint
    ) -> None:
        self.genome, self.prompt, self.sampling = genome, prompt, sampling
        self.connection: Connection | None = None
        self.is_over = False
        self.n_pieces = 0
        self.is_counted = False
        self._tell, self._backend = tell, backend

    def cancel(self) -> None:
        """Close the connection, so that work stops there; nothing more is told."""
        self._backend.cut(self)

    def tell(self, what: Told | BaseException) -> None:
        """Tell it, unless the answer is over."""
        if not self.is_over:
            self.is_over = not isinstance(what, Said)
            try:
                self._tell(what)
            except Exception:  # whoever asked is gone
                self.cancel()


class Endpoint(Backend):
    """Answers of one server; may be asked from any thread.

    Raises:
        ModuleNotFoundError: The extra that brings httpx is not installed.
    """

    def __init__(self, settings: EndpointSettings, *, name: str, base: str = "") -> None:
        """
        Args:
            name: For messages.
            base: Fingerprint of the base that stands there; empty = whatever is asked of it.
        """
        from persona.remote.adapters import Adapters
        from persona.remote.connection import (
            Connections,  # here, because an extra brings what it needs
        )

        self.settings, self.name, self.base = settings, name, base
        self.breaker = Breaker(name)
        self._changed = threading.Condition()
        self._connections = Connections(name, settings)
        self._adapters = Adapters(self._connections, self._changed)
        self._waiting: deque[_Asked] = deque()
        self._running: set[_Asked] = set()
        self._threads: set[threading.Thread] = set()
        self._is_closed = False
        self._n_requests = self._n_failures = self._n_prompt = self._n_said = 0

    def submit(
        self, genome: Genome, prompt: Prompt, tell: Tell, sampling: Sampling = GREEDY
    ) -> _Asked:
        """Ask for an answer; it is told in pieces of text, without their tokens.

        Args:
            prompt: Messages, which the server's chat template puts, or tokens of its model.

        Raises:
            NotOfferedError: This server does not follow the sampling, or loads no layers.
            GrammarError: The sampling's grammar is no JSON schema.
            BaseModelMismatchError: The genome is of another base.
            PromptError: There is no prompt.
            QueueFullError: As many wait as may wait.
            BackendError: It failed so often that it is not asked for a while, or was closed.
        """
        self.prepare(sampling)
        if self.base:
            genome.on(self.base)
        if not prompt:
            raise PromptError("there are no messages: give at least one")
        if genome.layers and not self.settings.loads_layers:
            raise NotOfferedError(
                "layers",
                self.name,
                f"computes {self.settings.model} alone, and this persona has layers",
                "set loads_layers if its server loads LoRA at run time, or ask another backend",
            )
        if refused := self.breaker.refusal():
            raise refused
        asked = _Asked(genome, prompt, sampling, tell, self)
        with self._changed:
            if self._is_closed:
                raise BackendError(self.name, "was closed", "make it anew")
            if len(self._waiting) >= WAITING:
                raise QueueFullError(len(self._waiting), 1.0)
            self._waiting.append(asked)
            if len(self._threads) < AT_ONCE:
                thread = threading.Thread(target=self._work, name=self.name, daemon=True)
                self._threads.add(thread)
                thread.start()
        return asked

    def prepare(self, sampling: Sampling) -> Sampling:
        """The same choices, if the server can be asked for them.

        Raises:
            NotOfferedError: It tells no log-probabilities here.
            GrammarError: The grammar is no JSON schema.
        """
        asked = {"logprobs": sampling.logprobs is not None, "of_prompt": sampling.of_prompt}
        for field in (field for field, is_asked in asked.items() if is_asked):
            why = "tells texts, without tokens and their log-probabilities"
            raise NotOfferedError(field, self.name, why, "leave it out")
        if sampling.grammar and schema_of(sampling.grammar) is None:
            raise GrammarError(
                f"backend {self.name} follows JSON schemas, this is another grammar: leave it out"
            )
        return sampling

    def forget(self, digests: Collection[str]) -> Future[None]:
        """Unload what holds one of these layers, once no answer runs on it, and delete its files.

        The future fails with BackendError if the server may still have one.
        """
        return self._adapters.forget(digests)

    def stats(self) -> EndpointStats:
        """What a screen or a monitor shows."""
        with self._changed:
            n_prompt, n_said = self._n_prompt, self._n_said
            prices = self.settings.prompt_price, self.settings.answer_price
            return EndpointStats(
                running=len(self._running),
                waiting=len(self._waiting),
                requests=self._n_requests,
                failures=self._n_failures,
                retries=self._connections.n_retries,
                n_prompt=n_prompt,
                n_said=n_said,
                cost=(n_prompt * prices[0] + n_said * prices[1]) / 1_000_000,
            )

    def report(self) -> str:
        """What was read and said, and what it cost."""
        now, currency = self.stats(), self.settings.currency
        cost = f", {now.cost:.6f} {currency}" if now.cost else ""
        return f"{now.requests} requests, {now.n_prompt} tokens read and {now.n_said} said{cost}"

    def cut(self, asked: _Asked) -> None:
        """End one answer."""
        with self._changed:
            asked.is_over = True
            if asked in self._waiting:
                self._waiting.remove(asked)
            if asked.connection:
                asked.connection.cut()
            self._changed.notify_all()

    def close(self) -> None:
        """Stop all answers, and come back when nothing is left of them here or there."""
        with self._changed:
            self._is_closed = True
            threads = self._threads - {threading.current_thread()}
            for asked in [*self._waiting, *self._running]:
                self.cut(asked)
        for thread in threads:
            thread.join()
        self._adapters.close()
        self._connections.close()

    # -- its threads -----------------------------------------------------------------------------

    def _work(self) -> None:
        while True:
            with self._changed:
                if not self._waiting:
                    self._threads.discard(threading.current_thread())
                    return
                asked = self._waiting.popleft()
                self._running.add(asked)
                self._n_requests += 1
            try:
                self._answer(asked)
            except Exception as failure:
                self._fail(asked, failure)
            finally:
                with self._changed:
                    self._running.discard(asked)

    def _answer(self, asked: _Asked) -> None:
        self.breaker.enter()
        with self._connections.take() as connection:
            with self._changed:
                if asked.is_over:
                    return
                asked.connection = connection
            try:
                self._speak(asked, connection)
            except BackendError as failure:
                if failure.status is not None and failure.status < 500:
                    self.breaker.worked()  # a refusal is an answer
                elif not asked.is_over:
                    self.breaker.failed(failure.what)
                raise
            finally:
                with self._changed:
                    asked.connection = None

    def _fail(self, asked: _Asked, failure: Exception) -> None:
        with self._changed:
            if asked.is_over:  # it was cut, which is what failed
                return
            self._n_failures += 1
        asked.tell(failure)

    def _speak(self, asked: _Asked, connection: Connection) -> None:
        with self._model(asked, connection) as (model, adapter):
            n_loads = adapter.n_loads if adapter else 0
            path, body = request(model, asked.prompt, asked.sampling)
            try:
                self._hear(asked, connection, path, body)
            except BackendError as failure:
                if failure.status != 404 or adapter is None:
                    raise
                # started again, it has forgotten what it had loaded
                self._adapters.again(adapter, n_loads, connection, lambda: asked.is_over)
                self._hear(asked, connection, path, body)

    @contextmanager
    def _model(self, asked: _Asked, connection: Connection) -> Iterator[tuple[str, Adapter | None]]:
        """What to ask for by name, there as long as it is needed."""
        if not asked.genome.layers:
            yield self.settings.model, None
            return
        with self._adapters.lease(asked.genome, connection, lambda: asked.is_over) as adapter:
            yield adapter.name, adapter

    def _hear(
        self, asked: _Asked, connection: Connection, path: str, body: Mapping[str, Any]
    ) -> None:
        """Tell an answer as it comes."""
        from persona.remote.connection import END

        reason, usage = "", Usage()
        try:
            with connection.opened(path, body) as events:
                for data in events:
                    if data == END:
                        self._end(asked, reason, usage)
                        continue  # to the end of the body
                    chunk = self._chunk(data, connection, body)
                    usage = chunk.usage or usage
                    for choice in chunk.choices[:1]:
                        reason = choice.finish_reason or reason
                        if text := choice.delta.content or choice.text:
                            asked.n_pieces += 1
                            asked.tell(Said(-1, text=text))
                    if asked.is_over:
                        return
        except BackendError:
            if not reason:
                raise
        finally:
            self._count(asked, usage)
        if not asked.is_over:
            self._end(asked, reason, usage)

    def _chunk(self, data: str, connection: Connection, body: Mapping[str, Any]) -> Chunk:
        from persona.remote.connection import reason_in

        try:
            chunk = Chunk.model_validate_json(data)
        except ValidationError:
            raise BackendError(
                self.name,
                "sent an event that is no piece of a completion",
                "check that url is one of an OpenAI-compatible API",
            ) from None
        if chunk.error is not None:
            said = connection.shown(reason_in({"error": chunk.error}), body)
            raise BackendError(
                self.name, f"failed in the middle ({said})", "ask again, or look at its log"
            )
        return chunk

    def _end(self, asked: _Asked, reason: str, usage: Usage) -> None:
        if not reason:
            raise BackendError(
                self.name, "ended an answer without finish_reason", "ask again, or look at its log"
            )
        if reason not in ("stop", "length"):
            raise BackendError(
                self.name,
                f"ended an answer for a reason of its own ({reason[:40]!r})",
                "ask something else, or look at its rules",
            )
        self._count(asked, usage)
        self.breaker.worked()  # before it is told, for the next may be asked at once
        n_said = usage.completion_tokens or asked.n_pieces
        how: Literal["stop", "length"] = "stop" if reason == "stop" else "length"
        asked.tell(Ended(how, n_prompt=usage.prompt_tokens, n_said=n_said))

    def _count(self, asked: _Asked, usage: Usage) -> None:
        """Once for each answer, however it ended; one that was refused may yet come."""
        n_said = usage.completion_tokens or asked.n_pieces
        with self._changed:
            if not asked.is_counted and (n_said or usage.prompt_tokens):
                asked.is_counted = True
                self._n_prompt += usage.prompt_tokens
                self._n_said += n_said
