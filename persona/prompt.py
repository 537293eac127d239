"""What a model is given to read: a conversation as its base's chat template puts it, or tokens."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from jinja2 import TemplateError

from genome.base_model import BaseModel
from persona.backend import Prompt
from persona.errors import NotTextError, PromptError


def prompt_ids(base: BaseModel, prompt: Prompt) -> list[int]:
    """Tokens of a prompt.

    Raises:
        NotTextError, PromptError: It cannot be read.
    """
    ids = [t for t in prompt if isinstance(t, int)]
    if len(ids) != len(prompt) or not ids:
        ids = message_ids(base, [m for m in prompt if not isinstance(m, int)])
    n_tokens = base.footprint.vocabulary
    if wrong := [token for token in ids if not 0 <= token < n_tokens]:
        raise PromptError(f"token {wrong[0]} is none of the base's 0 to {n_tokens - 1}")
    return ids


def message_ids(
    base: BaseModel,
    messages: Sequence[Mapping[str, Any]],
    tools: Sequence[Mapping[str, Any]] = (),
) -> list[int]:
    """Tokens of a conversation as the base's chat template puts it, up to the answer's start.

    Args:
        tools: As OpenAI describes them; for templates that show them.

    Raises:
        NotTextError: A message has half a character in it.
        PromptError: The template does not take such messages.
    """
    if not messages:
        raise PromptError("there are no messages: give at least one")
    for message in messages:
        text = str(message.get("content") or "")
        if text != text.encode(errors="replace").decode():
            raise NotTextError(text)
    try:
        return list(
            base.tokenizer.apply_chat_template(
                list(messages),
                tools=list(tools) or None,
                add_generation_prompt=True,
                return_dict=True,
            )["input_ids"]
        )
    except TemplateError as error:
        raise PromptError(f"the base's chat template refuses this: {error}") from None
