"""Answers by llama.cpp (xllamacpp) on a quantised GGUF file of the base, for machines where that is
smaller or quicker.

llama.cpp runs in a process of its own, behind a socket that only this user can open: a file that
crashes it ends an answer, not this program. The prompt's tokens and the answer's text are those of
the base's own template and tokenizer here, so the same tokens read the same way.

Each genome is composed exactly into one adapter (`genome.adapter.gguf_lora`), and a request names
its own. llama.cpp takes adapters when it starts and not later: for a new one it is started again
once the answers under way are over, with all that wait for one and those used last. It does not
compute answers with different adapters together (`Engine` does). What was read for the same adapter
is gone on from; that it is not for another (llama.cpp #26207) is tested.
"""

from __future__ import annotations

import http.client
import importlib.util
import json
import shutil
import tempfile
import threading
from collections import deque
from collections.abc import Collection, Iterator
from concurrent.futures import Future
from contextlib import closing
from pathlib import Path
from typing import Any

from genome.adapter.gguf_lora import write_gguf_lora
from genome.base_model import BaseModel
from genome.compose import stack
from genome.errors import TooLongError
from genome.genome import Genome
from genome.gguf_base import check_gguf_base
from genome.running.stack import check_fit, linear_sites
from persona.backend import Backend, Prompt
from persona.errors import LlamaCppError, QueueFullError
from persona.llama_server import Line, LlamaSettings, Server
from persona.prompt import prompt_ids
from persona.sampling import COLD, GREEDY, Ended, Said, Sampling, Spoken
from persona.stream import Tell, Telling, Told

__all__ = ["LlamaCpp", "LlamaSettings"]
WAITING = 256
"""Who may wait."""


class LlamaCpp(Backend):
    """Generates text with any genomes on one GGUF file; may be asked from any thread.

    Numbers are those of the file's quantisation: answers may leave `Engine`'s where two tokens are
    nearly as likely. A seed chooses by llama.cpp's own generator.
    """

    def __init__(self, settings: LlamaSettings, base: BaseModel) -> None:
        """
        Args:
            base: Whose weights the file has; its outline is enough (`BaseModel.outline`).

        Raises:
            ModuleNotFoundError: xllamacpp is not installed.
            BaseModelError, GgufError: The file is damaged, or another model's.
            LlamaCppError: llama.cpp does not start with it.
        """
        if importlib.util.find_spec("xllamacpp") is None:
            raise ModuleNotFoundError("No module named 'xllamacpp'", name="xllamacpp")
        check_gguf_base(settings.path, base)
        self.settings = settings
        self.base = base
        self.positions = min(settings.n_ctx, base.positions)
        self._sites = linear_sites(base.model)
        self._folder = Path(tempfile.mkdtemp(prefix="continuum-"))
        self._changed = threading.Condition()
        self._waiting: deque[_Request] = deque()
        self._running: set[_Request] = set()
        self._forgotten: list[tuple[set[str], Future[None]]] = []
        self._used: dict[str, Genome] = {}
        """Genomes that have a file, by digest; used last is last."""
        self._thread = threading.Thread()
        self._works = False
        try:
            self._server: Server | None = Server(settings, self._folder, [])
        except BaseException:
            shutil.rmtree(self._folder, ignore_errors=True)
            raise

    def prepare(self, sampling: Sampling) -> Sampling:
        """
        Raises:
            LlamaCppError: It asks for what is not done here; says what.
        """
        for field in ("of_prompt", "grammar", "presence_penalty", "frequency_penalty"):
            if getattr(sampling, field):
                raise LlamaCppError(f"{field} is not followed here: leave it out, or ask an engine")
        return sampling

    def submit(
        self, genome: Genome, prompt: Prompt, tell: Tell, sampling: Sampling = GREEDY
    ) -> _Request:
        """Ask for an answer; first come, first served.

        Raises:
            GenomeError: The genome does not fit the base.
            TooLongError: The prompt leaves no position for an answer.
            NotTextError, PromptError: It cannot be read.
            LlamaCppError: The sampling asks for what is not done here.
            QueueFullError: As many wait as may wait.
        """
        self.prepare(sampling)
        check_fit(genome.on(self.base.fingerprint), self._sites)
        ids = prompt_ids(self.base, prompt)
        if len(ids) >= self.positions:
            raise TooLongError("the prompt", len(ids) + 1, self.positions)
        n_most = min(sampling.max_tokens, self.positions - len(ids))
        request = _Request(genome, _body(ids, sampling, n_most), tell, self.base, sampling)
        with self._changed:
            self._waiting = deque(one for one in self._waiting if not one.ended)
            if len(self._waiting) >= WAITING:
                raise QueueFullError(WAITING, WAITING / self.settings.n_parallel)
            self._waiting.append(request)
            self._wake()
        return request

    def forget(self, digests: Collection[str]) -> Future[None]:
        """Let go of all that holds one of these layers, once no answer runs at all."""
        done: Future[None] = Future()
        with self._changed:
            self._forgotten.append(({*digests}, done))
            self._wake()
        return done

    def close(self) -> None:
        """Stop all answers and llama.cpp; nothing can be asked from then on."""
        with self._changed:
            for request in (*self._running, *self._waiting):
                request.cancel()
            self._changed.notify_all()
        if self._thread.ident:
            self._thread.join()
        self._stop()
        shutil.rmtree(self._folder, ignore_errors=True)

    def _wake(self) -> None:
        """Have a thread that works; within the lock."""
        self._changed.notify_all()
        if not self._works:
            self._works = True
            self._thread = threading.Thread(target=self._work, name="llama")
            self._thread.start()

    # -- its thread ------------------------------------------------------------------------

    def _work(self) -> None:
        """Begin answers in their order, while there are any."""
        while True:
            with self._changed:
                while (first := self._next()) is None and (self._running or self._forgotten):
                    if self._forgotten and not self._running:
                        break
                    self._changed.wait()
                if first is None and not self._forgotten:
                    self._works = False
                    return
                if first:
                    self._running.add(first)
            if first is None:
                self._forget()
                continue
            try:
                server, number = self._ready(first.genome)
            except Exception as failure:  # such as a full disk: all that may come of it is told
                first.tell(failure)
                self._over(first)
                continue
            threading.Thread(target=self._answer, args=(first, server, number)).start()

    def _next(self) -> _Request | None:
        """Who can begin now, taken from those who wait; None = nobody, until something changes."""
        while self._waiting and self._waiting[0].ended:
            self._waiting.popleft()
        if not self._waiting or self._forgotten or len(self._running) >= self.settings.n_parallel:
            return None
        digest = self._waiting[0].digest
        there = self._server and self._server.has(digest)
        return self._waiting.popleft() if there or not self._running else None

    def _ready(self, genome: Genome) -> tuple[Server, int | None]:
        """llama.cpp with a genome's adapter, and the adapter's number; None = it needs none.

        Raises:
            LlamaCppError: It does not start.
            GgufError, OSError: The adapter cannot be written.
        """
        digest = _name_of(genome)
        if not self._server or not self._server.has(digest):
            self._stop()
            with self._changed:
                coming = {one.digest: one.genome for one in self._waiting}
            most, wanted = self.settings.max_adapters, {digest: genome}
            for name, one in (*coming.items(), *reversed(self._used.items())):
                if name and len(wanted) < most:
                    wanted.setdefault(name, one)
            for name in {*self._used} - {*wanted}:
                self._file(name).unlink(missing_ok=True)
                del self._used[name]
            for name, one in wanted.items():
                if name and name not in self._used:
                    layer = stack(one.layers, one.weights)
                    write_gguf_lora(self._file(name), layer.factors, self.base.model.config)
                    self._used[name] = one
            files = [self._file(name) for name in wanted if name]
            self._server = Server(self.settings, self._folder, files)
        if digest:
            self._used[digest] = self._used.pop(digest)
        return self._server, self._server.adapters.get(digest)

    def _file(self, digest: str) -> Path:
        return self._folder / f"{digest}.gguf"

    def _answer(self, request: _Request, server: Server, number: int | None) -> None:
        try:
            for told in request.read(server, number):
                request.tell(told)
        except Exception as failure:
            request.tell(_failed(failure, server))
        finally:
            self._over(request)

    def _over(self, request: _Request) -> None:
        with self._changed:
            self._running.discard(request)
            self._changed.notify_all()

    def _forget(self) -> None:
        """Drop adapters of layers that are to be forgotten; nothing runs."""
        with self._changed:
            forgotten, self._forgotten = self._forgotten, []
        for digests, done in forgotten:
            for name, genome in [*self._used.items()]:
                if digests & {layer.digest for layer in genome.layers}:
                    self._stop()
                    self._file(name).unlink(missing_ok=True)
                    del self._used[name]
            done.set_result(None)

    def _stop(self) -> None:
        if self._server:
            self._server.stop()
        self._server = None


def _name_of(genome: Genome) -> str:
    """What its adapter's file is called; empty = it changes nothing and has none."""
    return genome.digest if genome.layers else ""


def _body(ids: list[int], sampling: Sampling, n_most: int) -> dict[str, Any]:
    """The request in llama.cpp's words, without its adapter."""
    body = {
        "prompt": ids,
        "n_predict": n_most,
        "stream": True,
        "return_tokens": True,
        "cache_prompt": True,
        "samplers": ["penalties", "temperature", "top_k", "top_p", "min_p"],
        "temperature": 0.0 if sampling.temperature < COLD else sampling.temperature,
        "top_k": sampling.top_k,
        "top_p": sampling.top_p,
        "min_p": sampling.min_p,
        "repeat_penalty": sampling.repetition_penalty,
        "repeat_last_n": len(ids) + n_most,
    }
    if sampling.seed is not None:
        body["seed"] = sampling.seed % 0xFFFFFFFF  # 32 bits; all of them set mean none
    if sampling.logprobs is not None:
        body["n_probs"] = max(1, sampling.logprobs)
    return body


def _failed(failure: Exception, server: Server) -> Exception:
    """What to tell of an answer that did not come."""
    if isinstance(failure, LlamaCppError) or not isinstance(
        failure, OSError | http.client.HTTPException | ValueError
    ):
        return failure
    code = server.code()
    why = str(failure) or type(failure).__name__ if code is None else f"it ended with code {code}"
    return LlamaCppError(f"llama.cpp broke off ({why}): ask again")


class _Request(Telling):
    """One answer as llama.cpp makes it."""

    def __init__(
        self, genome: Genome, body: dict[str, Any], tell: Tell, base: BaseModel, sampling: Sampling
    ) -> None:
        super().__init__(tell)
        self.genome = genome
        self.digest = _name_of(genome)
        self._body = body
        self._tokenizer = base.tokenizer
        self._ends = sampling.stop_ids.union(base.spelling.ends)
        self._spoken = Spoken(base.tokenizer, sampling.stop)
        self._n_likeliest = sampling.logprobs
        self._line: Line | None = None

    def cancel(self) -> None:
        """Stop within a token; nothing more is told."""
        self.ended = True
        if self._line:
            self._line.cut()

    def read(self, server: Server, number: int | None) -> Iterator[Told]:
        """What llama.cpp says, as it comes.

        Raises:
            LlamaCppError: It refuses.
            OSError, http.client.HTTPException, ValueError: It broke off.
        """
        # all by name: with an empty list those of the answer before are kept
        lora = [{"id": i, "scale": float(i == number)} for i in range(len(server.adapters))]
        with closing(Line(server.socket)) as self._line:
            if self.ended:
                return
            self._line.request("POST", "/completion", json.dumps({**self._body, "lora": lora}))
            response = self._line.getresponse()
            if response.status != http.client.OK:
                raise LlamaCppError(f"llama.cpp refuses it: {response.read(500).decode()}")
            n_said = 0
            for line in response:
                if self.ended:
                    return
                if line.startswith(b"error: "):
                    raise LlamaCppError(f"llama.cpp failed: {line[7:500].decode()}")
                if not line.startswith(b"data: "):
                    continue
                facts = json.loads(line[6:])
                for told in self._heard(facts, n_said):
                    yield told
                    if isinstance(told, Ended):
                        return
                n_said = facts["tokens_predicted"]
        raise http.client.IncompleteRead(b"")

    def _heard(self, facts: dict[str, Any], n_said: int) -> Iterator[Told]:
        """What one piece of the answer says.

        Args:
            n_said: Tokens before it.
        """
        counts = {"n_prompt": facts["tokens_evaluated"], "n_said": facts["tokens_predicted"]}
        if facts["stop"]:
            is_full = facts["stop_type"] == "limit"
            yield Ended("length" if is_full else "stop", self._spoken.rest(), **counts)
            return
        said = self._said(facts)
        if said.token in self._ends:
            yield Ended("stop", self._spoken.rest(), said, **counts | {"n_said": n_said})
            return
        tokens = facts["tokens"]
        if facts["tokens_predicted"] > n_said + 1:  # of a character in several tokens, the last
            tokens = self._tokenizer(facts["content"], add_special_tokens=False)["input_ids"]
        yield said._replace(text="".join(self._spoken.add(token) for token in tokens))
        if self._spoken.stopped:
            yield Ended("stop", **counts)

    def _said(self, facts: dict[str, Any]) -> Said:
        token = int(facts["tokens"][-1])
        if self._n_likeliest is None:
            return Said(token)
        of_it = facts["completion_probabilities"][-1]
        likeliest = [(one["id"], one["logprob"]) for one in of_it["top_logprobs"]]
        return Said(token, of_it["logprob"], tuple(likeliest[: self._n_likeliest]))
