"""A completion in the words of OpenAI's API: how it is asked for, and the pieces that come."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import BaseModel as Checked
from pydantic import Field

from persona.backend import Prompt
from persona.grammar import schema_of
from persona.sampling import GREEDY, Sampling

SENT = (
    *("top_p", "presence_penalty", "frequency_penalty", "seed"),
    *("top_k", "min_p", "repetition_penalty"),  # of vLLM and others, not of OpenAI
)
"""Fields of a sampling that are called the same there, sent where they are not as usual."""


class Usage(Checked):
    """Tokens as the server counted them; 0 where it did not."""

    prompt_tokens: Annotated[int, Field(ge=0)] = 0
    completion_tokens: Annotated[int, Field(ge=0)] = 0


class Delta(Checked):
    """What a piece of a chat adds."""

    content: str | None = None


class Choice(Checked):
    """A piece of one answer."""

    delta: Delta = Delta()
    """Of a chat."""
    text: str | None = None
    """Of a completion of tokens."""
    finish_reason: str | None = None


class Chunk(Checked):
    """One event of the stream."""

    choices: list[Choice] = []
    usage: Usage | None = None
    error: Any = None


def request(model: str, asked_for: Prompt, sampling: Sampling) -> tuple[str, dict[str, Any]]:
    """Path and body; what is as it is without asking is left out."""
    prompt = list(asked_for)
    body: dict[str, Any] = {
        "model": model,
        "stream": True,
        "stream_options": {"include_usage": True},
        "max_tokens": sampling.max_tokens,
        "temperature": sampling.temperature,
    }
    for field in SENT:
        if (value := getattr(sampling, field)) != getattr(GREEDY, field):
            body[field] = value
    if sampling.stop:
        body["stop"] = list(sampling.stop)
    if sampling.stop_ids:
        body["stop_token_ids"] = sorted(sampling.stop_ids)
    if sampling.grammar:
        shape = {"name": "answer", "schema": schema_of(sampling.grammar), "strict": True}
        body["response_format"] = {"type": "json_schema", "json_schema": shape}
    if isinstance(prompt[0], int):
        return "/completions", {**body, "prompt": prompt}
    return "/chat/completions", {**body, "messages": prompt}
