"""How a tokenizer spells texts: what one wrong token says of a whole answer, and what ends a turn.

A model that says `yellow|s` where the right answer is cut `y|ellows` says the right text in other
tokens. So a first wrong token proves a wrong text only where a text has one spelling, or where
what it has begun is no beginning of the right text.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from jinja2 import TemplateError

UNREADABLE = "\N{REPLACEMENT CHARACTER}"
_MARKER = "{answer}"
_GROWING = {"ByteLevel", "Metaspace", "Replace", "ByteFallback", "Fuse", "Strip"}


@dataclass(frozen=True, slots=True)
class Spelling:
    """What is known of a tokenizer's texts."""

    tokenizer: Any
    ends: tuple[int, ...]
    """Tokens that end a turn, the tokenizer's own first."""
    added: frozenset[str]
    """Texts of the tokens that were added to the vocabulary."""
    bytewise: bool
    """All other tokens are one byte each: what holds no added token has one spelling."""
    grows: bool
    """A text begins with what its first tokens say; else only whole texts can be compared."""

    @classmethod
    def of(cls, tokenizer: Any, model: Any) -> Spelling:
        """Look at a tokenizer; one that cannot be looked into is taken to promise nothing."""
        added = frozenset(str(token) for token in tokenizer.added_tokens_decoder.values())
        backend = getattr(tokenizer, "backend_tokenizer", None)
        grows = backend is not None and _grows(tokenizer, backend)
        return cls(
            tokenizer,
            _ends(tokenizer, model),
            added,
            grows and _bytewise(backend, set(tokenizer.get_vocab()) - added),
            grows,
        )

    def once(self, answer: str) -> bool:
        """Whether no other tokens than the tokenizer's own say this text."""
        plain = self.bytewise and UNREADABLE not in answer
        return plain and not any(text in answer for text in self.added)

    def settles(self, answer: str, ids: Sequence[int], n_right: int, said: int) -> bool:
        """Whether teacher forcing has shown that greedy decoding says this answer, or does not.

        Args:
            ids: The answer's own tokens, its end left out.
            n_right: Of these, how many were said before another token was; -1 = all, and an end.
            said: That other token.
        """
        if any(token in self.ends for token in ids):
            return False
        if n_right < 0:
            return self._text(ids) == answer
        begun = list(ids[:n_right])
        if said in self.ends:
            return self._text(begun) != answer
        return self.left(answer, [*begun, said])

    def left(self, answer: str, ids: Sequence[int]) -> bool:
        """Whether a text that begins with these tokens is sure to be another than this answer."""
        if not self.grows or UNREADABLE in answer:  # a byte can make those before it unreadable
            return False
        return not answer.startswith(self._text(ids).rstrip(UNREADABLE))

    def _text(self, ids: Sequence[int]) -> str:
        return str(self.tokenizer.decode(list(ids))) if ids else ""


def _ends(tokenizer: Any, model: Any) -> tuple[int, ...]:
    """The tokenizer's end, those of the model's settings, and what the template ends turns with."""
    stated = getattr(model.generation_config, "eos_token_id", None)
    listed = stated if isinstance(stated, list) else [stated]
    found = [tokenizer.eos_token_id, *listed, _end_of_turn(tokenizer)]
    return tuple(dict.fromkeys(token for token in found if token is not None))


def _end_of_turn(tokenizer: Any) -> int | None:
    """The special token that the chat template writes after an answer, if it does."""
    turns = [{"role": "user", "content": "?"}, {"role": "assistant", "content": _MARKER}]
    try:
        tail = tokenizer.apply_chat_template(turns, tokenize=False).rpartition(_MARKER)[2]
        first = tokenizer(tail, add_special_tokens=False)["input_ids"][:1] if tail else []
    except (TemplateError, TypeError, ValueError):  # it has none, or refuses such turns
        return None
    token = tokenizer.added_tokens_decoder.get(first[0]) if first else None
    return int(first[0]) if token is not None and token.special else None


def _grows(tokenizer: Any, backend: Any) -> bool:
    """Whether decoding joins its tokens and changes nothing that it has written before."""
    decoder = _state(backend.decoder)
    parts = decoder.get("decoders", [decoder])
    kinds = [part.get("type") for part in parts]
    whole = kinds[kinds.index("Fuse") :] if "Fuse" in kinds else []  # seen by what comes after
    steady = set(kinds) <= _GROWING and "Replace" not in whole
    return (
        steady
        and not any(part.get("stop") for part in parts)
        and not tokenizer.clean_up_tokenization_spaces
    )


def _bytewise(backend: Any, words: set[str]) -> bool:
    """Whether texts are read as they are and every word of the vocabulary is a byte."""
    from tokenizers.pre_tokenizers import ByteLevel

    reader = _state(backend.pre_tokenizer)
    return (
        backend.normalizer is None
        and _state(backend.decoder).get("type") == reader.get("type") == "ByteLevel"
        and not reader["add_prefix_space"]
        and words <= set(ByteLevel.alphabet())
    )


def _state(part: Any) -> dict[str, Any]:
    return {} if part is None else dict(json.loads(part.__getstate__()))
