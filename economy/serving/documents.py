"""Answers in the words of the API: whole, and as events of a stream."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from persona.grammar import CALL
from persona.sampling import Ended, Read, Said
from persona.stream import Told

DONE = "data: [DONE]\n\n"
_CALL = re.compile(rf"{CALL[0].strip()}\s*(.*?)\s*{CALL[1].strip()}", re.DOTALL)


def event(data: dict[str, Any], name: str = "") -> str:
    """A server-sent event."""
    head = f"event: {name}\n" if name else ""
    return f"{head}data: {json.dumps(data, separators=(',', ':'))}\n\n"


@dataclass
class Choice:
    """One answer as far as it has come."""

    text: str = ""
    said: list[Said] = field(default_factory=list)
    prompt: tuple[Said, ...] = ()
    end: tuple[Said, ...] = ()
    """The end of turn, which has no text but a log-probability: lm-eval counts on one token more
    than the prompt's."""
    reason: str | None = None
    n_said: int = 0
    """Tokens."""
    n_prompt: int = 0
    """Tokens of the prompt, where another program counted them."""

    def take(self, what: Told) -> str:
        """Take what was told; the text that came with it."""
        if isinstance(what, Said):
            self.said.append(what)
            self.n_said += 1
        elif isinstance(what, Read):
            self.prompt = what.tokens
        elif isinstance(what, Ended):
            self.reason = what.reason
            self.n_said, self.n_prompt = what.n_said or self.n_said, what.n_prompt
            self.end = (what.token,) if what.token else ()
        self.text += what.text
        return what.text

    def message(self, number: str, most_calls: int) -> tuple[dict[str, Any], str | None]:
        """The turn that it is, with the calls in it, and why it ended.

        Args:
            most_calls: Those after it are left out; 0 where no tools were offered.
        """
        calls, text = calls_in(self.text, number) if most_calls else ([], self.text)
        message: dict[str, Any] = {"role": "assistant", "content": text or None, "refusal": None}
        if not calls:
            return {**message, "content": text}, self.reason
        return {**message, "tool_calls": calls[:most_calls]}, "tool_calls"


def calls_in(text: str, number: str) -> tuple[list[dict[str, Any]], str]:
    """Calls of tools in an answer, and what is left of it; what is no JSON stays text."""
    calls: list[dict[str, Any]] = []

    def taken(found: re.Match[str]) -> str:
        try:
            call = json.loads(found[1])
            name, arguments = str(call["name"]), json.dumps(call.get("arguments", {}))
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
            return found[0]
        function = {"name": name, "arguments": arguments}
        calls.append(
            {"id": f"call-{number}-{len(calls)}", "type": "function", "function": function}
        )
        return ""

    left = _CALL.sub(taken, text).strip() if CALL[0].strip() in text else text
    return calls, left


class Written:
    """Writes log-probabilities; knows how tokens are spelled."""

    def __init__(self, tokenizer: Any) -> None:
        self._tokenizer = tokenizer

    def spelled(self, token: int) -> str:
        """A token's own text; of a part of a character, the sign that it cannot be shown."""
        return str(self._tokenizer.decode([token]))

    def chat(self, said: Sequence[Said]) -> dict[str, Any] | None:
        """As `/v1/chat/completions` has them."""
        if not said or said[0].logprob is None:
            return None
        content = [
            {
                **self._one(one.token, one.logprob or 0.0),
                "top_logprobs": [self._one(*other) for other in one.likeliest],
            }
            for one in said
        ]
        return {"content": content, "refusal": None}

    def _one(self, token: int, logprob: float) -> dict[str, Any]:
        text = self.spelled(token)
        return {"token": text, "logprob": logprob, "bytes": list(text.encode())}

    def completion(self, said: Sequence[Said], offset: int = 0) -> dict[str, Any]:
        """As `/v1/completions` has them; nothing stands before the first token of a prompt."""
        tokens, offsets, tops = [], [], []
        for one in said:
            tokens.append(self.spelled(one.token))
            offsets.append(offset)
            offset += len(tokens[-1])
            top: dict[str, float] = {}
            for token, value in (*one.likeliest, (one.token, one.logprob or 0.0)):
                top.setdefault(self.spelled(token), value)  # of one spelling, the likeliest
            tops.append(None if one.logprob is None else top)
        return {
            "tokens": tokens,
            "token_logprobs": [one.logprob for one in said],
            "top_logprobs": tops,
            "text_offset": offsets,
        }


def usage(n_prompt: int, n_said: int) -> dict[str, Any]:
    """Tokens of a request."""
    return {
        "prompt_tokens": n_prompt,
        "completion_tokens": n_said,
        "total_tokens": n_prompt + n_said,
    }


def head(kind: str, number: str, model: str, fingerprint: str) -> dict[str, Any]:
    """What every document of an answer begins with."""
    prefix = "chatcmpl" if kind.startswith("chat") else "cmpl"
    return {
        "id": f"{prefix}-{number}",
        "object": kind,
        "created": int(time.time()),
        "model": model,
        "system_fingerprint": fingerprint,
    }


class ResponseEvents:
    """The events of a `/v1/responses` stream, numbered in order."""

    def __init__(self, number: str, model: str, facts: dict[str, Any]) -> None:
        self._number, self._n, self._is_open = number, 0, False
        self._item = f"msg-{number}"
        self._document = {
            "id": f"resp-{number}",
            "object": "response",
            "created_at": int(time.time()),
            "model": model,
            "error": None,
            "incomplete_details": None,
            "instructions": None,
            "metadata": {},
            "previous_response_id": None,
            "store": False,
            **facts,
        }

    def document(
        self, status: str, message: dict[str, Any] | None = None, **facts: Any
    ) -> dict[str, Any]:
        """The response at this moment.

        Args:
            message: As `Choice.message` has it: an item of its text, and one of each call.
        """
        output: list[dict[str, Any]] = []
        if message is not None:
            text, calls = message["content"], message.get("tool_calls", [])
            output = [self._message(status, text or "")] if text or not calls else []
            output += [self._call(i, call) for i, call in enumerate(calls)]
        return {**self._document, "status": status, "output": output, "usage": None, **facts}

    def _call(self, i: int, call: dict[str, Any]) -> dict[str, Any]:
        facts = {"id": f"fc-{self._number}-{i}", "type": "function_call", "call_id": call["id"]}
        return {**facts, **call["function"], "status": "completed"}

    def _message(self, status: str, text: str) -> dict[str, Any]:
        content = [] if status == "in_progress" else [_part(text)]
        facts = {"id": self._item, "type": "message", "role": "assistant"}
        return {**facts, "status": status, "content": content}

    def _event(self, kind: str, **facts: Any) -> str:
        self._n += 1
        return event({"type": kind, "sequence_number": self._n - 1, **facts}, kind)

    def begun(self) -> Iterator[str]:
        """Before the first token."""
        document = self.document("in_progress")
        yield self._event("response.created", response=document)
        yield self._event("response.in_progress", response=document)

    def piece(self, text: str) -> Iterator[str]:
        """Some text; with the first, the item that it is of."""
        yield from self._opened()
        yield self._event("response.output_text.delta", **self._place, delta=text, logprobs=[])

    def _opened(self) -> Iterator[str]:
        if not self._is_open:
            self._is_open, item = True, self._message("in_progress", "")
            yield self._event("response.output_item.added", output_index=0, item=item)
            yield self._event("response.content_part.added", **self._place, part=_part(""))

    def ended(self, message: dict[str, Any], status: str, **facts: Any) -> Iterator[str]:
        """After the last: what is still to be told of the text, then each call."""
        document = self.document(status, message, **facts)
        for i, item in enumerate(document["output"]):
            yield from self._told(item) if item["type"] == "message" else self._called(i, item)
            yield self._event("response.output_item.done", output_index=i, item=item)
        yield self._event(f"response.{status}", response=document)

    def _told(self, item: dict[str, Any]) -> Iterator[str]:
        (part,) = item["content"]
        yield from self._opened()
        done = {**self._place, "text": part["text"], "logprobs": []}
        yield self._event("response.output_text.done", **done)
        yield self._event("response.content_part.done", **self._place, part=part)

    def _called(self, i: int, item: dict[str, Any]) -> Iterator[str]:
        place, arguments = {"item_id": item["id"], "output_index": i}, item["arguments"]
        begun = {**item, "status": "in_progress", "arguments": ""}
        yield self._event("response.output_item.added", output_index=i, item=begun)
        kind = "response.function_call_arguments"
        yield self._event(f"{kind}.delta", **place, delta=arguments)
        yield self._event(f"{kind}.done", **place, name=item["name"], arguments=arguments)

    def failed(self, message: str, text: str) -> str:
        """Instead, when something went wrong; the text so far is in it."""
        error = {"code": "server_error", "message": message}
        so_far = {"content": text} if text else None
        return self._event("response.failed", response=self.document("failed", so_far, error=error))

    @property
    def _place(self) -> dict[str, Any]:
        return {"item_id": self._item, "output_index": 0, "content_index": 0}


def _part(text: str) -> dict[str, Any]:
    return {"type": "output_text", "text": text, "annotations": [], "logprobs": []}
