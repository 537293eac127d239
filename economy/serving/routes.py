"""What can be asked of a server: OpenAI's addresses, and those that clients of vLLM know."""

from __future__ import annotations

import asyncio
import base64
from collections.abc import AsyncIterator, Callable
from functools import partial
from typing import Annotated, Any

import numpy as np
from fastapi import APIRouter, Depends, Request
from prometheus_client import generate_latest
from starlette.responses import JSONResponse, PlainTextResponse, Response, StreamingResponse

from economy.serving.documents import DONE, ResponseEvents, Written, event, head, usage
from economy.serving.keys import ApiKey
from economy.serving.names import Meant
from economy.serving.problems import ApiError, document, known
from economy.serving.service import Service, Turn, no_tokens_left, unless_gone
from economy.serving.wire import (
    Chat,
    Completion,
    Detokenize,
    Embedding,
    Tokenize,
    turns_of,
)
from economy.serving.wire import Response as ResponseAsked
from persona.prompt import message_ids
from persona.sampling import Ended, Said, Sampling

router = APIRouter()


def service_of(request: Request) -> Service:
    """What the server's requests share."""
    service: Service = request.app.state.service
    return service


def _caller(request: Request) -> ApiKey | None:
    return service_of(request).caller(request)


Caller = Annotated[ApiKey | None, Depends(_caller)]


# -- text --------------------------------------------------------------------------------------


@router.post("/v1/chat/completions")
async def chat(request: Request, asked: Chat, key: Caller) -> Response:
    """An answer to a conversation."""
    service = service_of(request)
    turns, tools = turns_of(asked.messages), asked.offered
    meant = await unless_gone(request, service.meant(asked.model, str(turns[-1]["content"])))
    turns = meant.told(turns, service.engine.base)
    prompt = await asyncio.to_thread(
        partial(
            service.prompt, turns, tools, trim=asked.truncation == "auto", backend=meant.backend
        )
    )
    sampling = asked.sampling(
        max_tokens=asked.max_completion_tokens or asked.max_tokens or 1024,
        logprobs=asked.top_logprobs if asked.logprobs or asked.top_logprobs else None,
        grammar=await asyncio.to_thread(asked.grammar),
    )
    sampling = meant.speaking(sampling, asked.chosen)
    turn = Turn(service, request, key, meant, [prompt], sampling, asked.n)
    if asked.stream:
        facts = head("chat.completion.chunk", turn.number, meant.name, _fingerprint(service))
        shown = _chat_events(turn, facts, asked.stream_options.include_usage, asked.most_calls)
        return await _streamed(request, turn, shown)
    await unless_gone(request, turn.whole())
    written, choices = Written(service.engine.base.tokenizer), []
    for i, choice in enumerate(turn.choices):
        message, reason = choice.message(f"{turn.number}-{i}", asked.most_calls)
        choices.append(
            {
                "index": i,
                "message": message,
                "logprobs": written.chat(choice.said),
                "finish_reason": reason,
            }
        )
    facts = head("chat.completion", turn.number, meant.name, _fingerprint(service))
    whole = {**facts, "choices": choices, "usage": usage(turn.n_prompt, turn.n_said)}
    return _answer(whole, meant)


async def _chat_events(
    turn: Turn, facts: dict[str, Any], with_usage: bool, most_calls: int
) -> AsyncIterator[str]:
    """Chunks; where tools may be called an answer's text comes whole, for it may be a call."""
    written = Written(turn.service.engine.base.tokenizer)
    if turn.meant.why is not None:
        facts = {**facts, "continuum": turn.meant.why}

    def chunk(i: int, delta: dict[str, Any], reason: str | None = None, **more: Any) -> str:
        choice = {"index": i, "delta": delta, "logprobs": None, "finish_reason": reason, **more}
        return event({**facts, "choices": [choice]})

    for i in range(len(turn.choices)):
        yield chunk(i, {"role": "assistant", "content": ""})
    async for i, what, text in turn:
        if isinstance(what, Said) and not most_calls:
            logprobs = written.chat([what])
            if text or logprobs:
                yield chunk(i, {"content": text}, logprobs=logprobs)
        elif isinstance(what, Ended):
            reason = turn.choices[i].reason
            if most_calls:
                message, reason = turn.choices[i].message(f"{turn.number}-{i}", most_calls)
                calls = message.get("tool_calls", [])
                delta = {"content": message["content"]} if message["content"] else {}
                if calls:
                    numbered = [{"index": j, **call} for j, call in enumerate(calls)]
                    delta = {**delta, "tool_calls": numbered}
                yield chunk(i, delta)
            elif text:
                yield chunk(i, {"content": text})
            yield chunk(i, {}, reason)
    if with_usage:
        yield event({**facts, "choices": [], "usage": usage(turn.n_prompt, turn.n_said)})
    yield DONE


@router.post("/v1/completions")
async def complete(request: Request, asked: Completion, key: Caller) -> Response:
    """What follows a text; with `echo`, also what the text itself is to the model."""
    service = service_of(request)
    base = service.engine.base
    if not asked.prompts or not all(asked.prompts):
        raise ApiError(400, "invalid_value", "a prompt is empty: give some text", param="prompt")
    first = asked.prompts[0]
    message = first if isinstance(first, str) else base.tokenizer.decode(first)
    meant = await unless_gone(request, service.meant(asked.model, message))
    prompts = await asyncio.to_thread(
        lambda: [base.tokenizer(p)["input_ids"] if isinstance(p, str) else p for p in asked.prompts]
    )
    sampling = asked.sampling(
        max_tokens=max(1, asked.max_tokens),
        logprobs=asked.logprobs,
        of_prompt=asked.echo and asked.logprobs is not None,
    )
    turn = Turn(service, request, key, meant, prompts, sampling, asked.n)
    facts = head("text_completion", turn.number, meant.name, _fingerprint(service))
    if asked.stream:
        shown = _completion_events(turn, facts, asked.stream_options.include_usage)
        return await _streamed(request, turn, shown)
    await unless_gone(request, turn.whole())
    written, choices = Written(base.tokenizer), []
    for i, choice in enumerate(turn.choices):
        said, text = [*choice.said, *choice.end], choice.text
        if not asked.max_tokens:
            said, text = [], ""
        if asked.echo:
            ids = prompts[i // asked.n]
            text = base.tokenizer.decode(ids) + text
            said = [*choice.prompt, *said]
        choices.append(
            {
                "index": i,
                "text": text,
                "logprobs": None if asked.logprobs is None else written.completion(said),
                "finish_reason": choice.reason if asked.max_tokens else "length",
            }
        )
    n_said = turn.n_said if asked.max_tokens else 0
    return _answer({**facts, "choices": choices, "usage": usage(turn.n_prompt, n_said)}, meant)


async def _completion_events(
    turn: Turn, facts: dict[str, Any], with_usage: bool
) -> AsyncIterator[str]:
    written = Written(turn.service.engine.base.tokenizer)
    offsets = [0] * len(turn.choices)
    async for i, what, text in turn:
        said = [what] if isinstance(what, Said) and what.logprob is not None else []
        choice: dict[str, Any] = {
            "index": i,
            "text": text,
            "logprobs": written.completion(said, offsets[i]) if said else None,
            "finish_reason": turn.choices[i].reason,
        }
        offsets[i] += len(text)
        if text or choice["logprobs"] or isinstance(what, Ended):
            yield event({**facts, "choices": [choice]})
    if with_usage:
        yield event({**facts, "choices": [], "usage": usage(turn.n_prompt, turn.n_said)})
    yield DONE


@router.post("/v1/responses")
async def respond(request: Request, asked: ResponseAsked, key: Caller) -> Response:
    """An answer to a conversation that comes whole with each request; nothing is kept."""
    service = service_of(request)
    turns, tools = asked.turns, asked.offered
    meant = await unless_gone(request, service.meant(asked.model, str(turns[-1]["content"])))
    turns = meant.told(turns, service.engine.base)
    prompt = await asyncio.to_thread(
        partial(
            service.prompt, turns, tools, trim=asked.truncation == "auto", backend=meant.backend
        )
    )
    sampling = Sampling(
        temperature=asked.temperature,
        top_p=asked.top_p,
        max_tokens=asked.max_output_tokens,
        grammar=await asyncio.to_thread(asked.grammar),
    )
    sampling = meant.speaking(sampling, asked.chosen)
    turn = Turn(service, request, key, meant, [prompt], sampling)
    own = {
        "instructions": asked.instructions or None,
        "temperature": sampling.temperature,
        "top_p": sampling.top_p,
        "max_output_tokens": sampling.max_tokens,
        "truncation": asked.truncation,
        "text": {"format": {"type": asked.text.format.type}},
        **asked.echoed,
    }
    events = ResponseEvents(turn.number, meant.name, own)
    if asked.stream:
        shown = _response_events(turn, events, asked.most_calls)
        return await _streamed(request, turn, shown, events.failed)
    await unless_gone(request, turn.whole())
    status, facts = _outcome(turn)
    message, _ = turn.choices[0].message(turn.number, asked.most_calls)
    return _answer(events.document(status, message, **facts), meant)


async def _response_events(
    turn: Turn, events: ResponseEvents, most_calls: int
) -> AsyncIterator[str]:
    """Typed events; where tools may be called an answer's text comes whole, as in a chat."""
    for one in events.begun():
        yield one
    async for _, _, text in turn:
        for one in events.piece(text) if text and not most_calls else ():
            yield one
    status, facts = _outcome(turn)
    message, _ = turn.choices[0].message(turn.number, most_calls)
    for one in events.piece(message["content"]) if most_calls and message["content"] else ():
        yield one
    for one in events.ended(message, status, **facts):
        yield one


def _outcome(turn: Turn) -> tuple[str, dict[str, Any]]:
    """How a response ended, and what its document says of that."""
    is_cut = turn.choices[0].reason == "length"
    n_prompt, n_said = turn.n_prompt, turn.n_said
    used = {
        "input_tokens": n_prompt,
        "input_tokens_details": {"cached_tokens": 0},
        "output_tokens": n_said,
        "output_tokens_details": {"reasoning_tokens": 0},
        "total_tokens": n_prompt + n_said,
    }
    cut = {"incomplete_details": {"reason": "max_output_tokens"}} if is_cut else {}
    return "incomplete" if is_cut else "completed", {"usage": used, **cut}


async def _streamed(
    request: Request,
    turn: Turn,
    events: AsyncIterator[str],
    failed: Callable[[str, str], str] | None = None,
) -> Response:
    """A stream, once its first token is there.

    Args:
        failed: The event, from what went wrong and the text so far; default the API's usual one.
    """
    turn.is_streamed = True
    await unless_gone(request, turn.begin())

    async def safely() -> AsyncIterator[str]:
        try:
            async for one in events:
                yield one
        except Exception as error:
            refusal = known(error, str(service_of(request).names.home)) or ApiError(
                500, "internal_error", f"the server failed on request {turn.number}: ask again"
            )
            service_of(request).log(event="failure", request=turn.number, error=type(error))
            text = turn.choices[0].text
            yield failed(str(refusal), text) if failed else event(document(refusal))

    return _Stream(turn, safely())


class _Stream(StreamingResponse):
    """A stream that ends its turn, also where nobody is there to begin it for."""

    def __init__(self, turn: Turn, events: AsyncIterator[str]) -> None:
        super().__init__(events, media_type="text/event-stream", headers=_headers(turn.meant))
        self._turn = turn

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Send it."""
        try:
            await super().__call__(scope, receive, send)
        finally:
            await self._turn.end()


def _answer(whole: dict[str, Any], meant: Meant) -> JSONResponse:
    if meant.why is not None:
        whole = {**whole, "continuum": meant.why}
    return JSONResponse(whole, headers=_headers(meant))


def _headers(meant: Meant) -> dict[str, str]:
    """Of `auto`: which layer was chosen, and how near it was."""
    if meant.why is None:
        return {}
    found = meant.why["similarity"]
    near = "" if found is None else f"; similarity={found}; sure-from={meant.why['sure_from']}"
    return {"X-Continuum-Layer": f"{meant.why['layer'] or 'none'}{near}"}


def _fingerprint(service: Service) -> str:
    return service.engine.base.fingerprint


# -- who is here, tokens, vectors --------------------------------------------------------------


@router.get("/v1/models")
def models(request: Request, _key: Caller) -> dict[str, Any]:
    """Everybody who answers."""
    return {"object": "list", "data": service_of(request).names.every()}


@router.get("/v1/models/{name:path}")
def model(request: Request, name: str, _key: Caller) -> dict[str, Any]:
    """One of them."""
    names = service_of(request).names
    known_here: list[dict[str, Any]] = names.every()
    for one in known_here:
        if one["id"] == name:
            return one
    meant = names.meant(name)
    layers = [layer.digest for layer in meant.genome.layers]
    return {**known_here[0], "id": name, "description": "layers", "layers": layers} | {
        "weights": list(meant.genome.weights)
    }


@router.post("/v1/embeddings")
async def embed(request: Request, asked: Embedding, key: Caller) -> dict[str, Any]:
    """Vectors of texts, by which the library searches."""
    service = service_of(request)
    texts = [asked.input] if isinstance(asked.input, str) else asked.input
    ids = await asyncio.to_thread(lambda: service.engine.base.tokenizer(texts)["input_ids"])
    n_tokens = sum(map(len, ids))
    if key is not None and not await asyncio.to_thread(service.keys.use, key.name, n_tokens):
        raise no_tokens_left(key, n_tokens)
    vectors = await unless_gone(request, service.encoded(texts))
    rows = np.asarray(vectors, dtype="<f4")
    shown = [
        base64.b64encode(row.tobytes()).decode()
        if asked.encoding_format == "base64"
        else row.tolist()
        for row in rows
    ]
    return {
        "object": "list",
        "model": asked.model,
        "data": [
            {"object": "embedding", "index": i, "embedding": row} for i, row in enumerate(shown)
        ],
        "usage": {"prompt_tokens": n_tokens, "total_tokens": n_tokens},
    }


@router.post("/tokenize")
def tokenize(request: Request, asked: Tokenize, _key: Caller) -> dict[str, Any]:
    """Tokens of a text, or of a conversation as the chat template puts it."""
    service = service_of(request)
    base = service.engine.base
    if (asked.prompt is None) == (asked.messages is None):
        raise ApiError(400, "invalid_value", "give either prompt or messages")
    if asked.messages is not None:
        ids = message_ids(base, turns_of(asked.messages))
    else:
        special = asked.add_special_tokens
        ids = base.tokenizer(asked.prompt, add_special_tokens=special)["input_ids"]
    return {"tokens": ids, "count": len(ids), "max_model_len": base.positions}


@router.post("/detokenize")
def detokenize(request: Request, asked: Detokenize, _key: Caller) -> dict[str, Any]:
    """The text of tokens."""
    base = service_of(request).engine.base
    n_tokens = base.footprint.vocabulary
    if wrong := [token for token in asked.tokens if token >= n_tokens]:
        raise ApiError(
            400, "invalid_value", f"token {wrong[0]} is none of the base's 0 to {n_tokens - 1}"
        )
    return {"prompt": base.tokenizer.decode(asked.tokens)}


@router.get("/tokenizer_info")
def tokenizer_info(request: Request, _key: Caller) -> dict[str, Any]:
    """The base's special tokens and its chat template."""
    tokenizer = service_of(request).engine.base.tokenizer
    return {
        "tokenizer_class": type(tokenizer).__name__,
        "chat_template": tokenizer.chat_template,
        "eos_token": tokenizer.eos_token,
        "bos_token": tokenizer.bos_token,
        "pad_token": tokenizer.pad_token,
    }


# -- for who runs it ---------------------------------------------------------------------------


@router.get("/health")
def health(request: Request) -> JSONResponse:
    """Whether it takes requests; 503 while it stops."""
    stopping = service_of(request).stopping
    return JSONResponse({"status": "stopping" if stopping else "ok"}, 503 if stopping else 200)


@router.get("/metrics")
def metrics(request: Request) -> PlainTextResponse:
    """Counters for Prometheus."""
    text = generate_latest(service_of(request).metrics.registry)
    return PlainTextResponse(text, media_type="text/plain; version=0.0.4")
