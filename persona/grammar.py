"""What an answer has to match: a JSON schema, or a call of one of several tools (llguidance)."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Mapping
from functools import cached_property, lru_cache
from typing import Any

import numpy as np
import torch
from llguidance import LLMatcher, LLParserLimits, LLTokenizer
from llguidance.hf import from_tokenizer

from genome.base_model import BaseModel
from persona.errors import GrammarError

MAX_BYTES = 64 << 10
"""Of a schema; compiling takes time that grows with it."""
LIMITS: dict[str, Any] = {
    "max_lexer_states": 20_000,
    "max_grammar_size": 100_000,
}
"""A twelfth and a fifth of what llguidance allows: nobody holds up the others with one schema."""
TRIAL = """
import resource, sys
resource.setrlimit(resource.RLIMIT_CPU, (1, 1))
resource.setrlimit(resource.RLIMIT_AS, (1 << 30, 1 << 30))
from llguidance import LLMatcher, LLParserLimits, LLTokenizer
matcher = LLMatcher(LLTokenizer("byte"), sys.stdin.read(), limits=LLParserLimits(**%s))
matcher.compute_bitmask()
print(matcher.get_error())
"""
"""Compiling has no limit of its own: a hundred patterns at once take minutes and gigabytes, and
hold the interpreter. So a grammar is first tried by a process with one second and one gigabyte."""
COMPACT = {
    "x-guidance": {"whitespace_flexible": False, "item_separator": ", ", "key_separator": ": "}
}
"""One line, as `json.dumps` writes it: where any space is allowed, some models write spaces for
ever."""
CALL = ("<tool_call>\n", "\n</tool_call>")
"""What a call stands between, as templates that know tools have it (Hermes, Qwen)."""


def of_schema(schema: Mapping[str, Any]) -> str:
    """The grammar of JSON texts that a schema allows.

    Raises:
        GrammarError: It is no schema, or asks for what is not supported; says what.
    """
    text = json.dumps({**schema, **COMPACT})
    if len(text) > MAX_BYTES:
        raise GrammarError(f"the schema has {len(text)} bytes, {MAX_BYTES} are allowed")
    try:
        return LLMatcher.grammar_from_json_schema(text)
    except Exception as error:
        raise GrammarError(str(error)) from None


def schema_of(grammar: str) -> dict[str, Any] | None:
    """The schema that `of_schema` wrote as this grammar; None if it is of another kind."""
    try:
        found = json.loads(grammar)
    except ValueError:
        return None
    match found:
        case {"grammars": [{"json_schema": dict(schema)}]}:
            return {name: value for name, value in schema.items() if name not in COMPACT}
    return None


def of_call(tools: Mapping[str, Mapping[str, Any]]) -> str:
    """The grammar of one call of one of these tools, by name the schemas of their arguments."""
    calls = [
        {
            "type": "object",
            "properties": {"name": {"const": name}, "arguments": arguments or {"type": "object"}},
            "required": ["name", "arguments"],
            "additionalProperties": False,
        }
        for name, arguments in tools.items()
    ]
    before, after = map(json.dumps, CALL)
    text = json.dumps({"anyOf": calls, **COMPACT})
    if len(text) > MAX_BYTES:
        raise GrammarError(f"the tools have {len(text)} bytes, {MAX_BYTES} are allowed")
    return f"start: {before} call {after}\ncall: %json {text}"


@lru_cache(maxsize=256)
def check(grammar: str) -> None:
    """Refuse a grammar that takes too much to be made; one that was tried is remembered.

    Raises:
        GrammarError: It is none, or takes more than a second or a gigabyte.
    """
    trial = [sys.executable, "-c", TRIAL % LIMITS]
    done = subprocess.run(trial, input=grammar, capture_output=True, text=True)
    if done.returncode:
        raise GrammarError("it takes more than a second or a gigabyte to be made: ask for less")
    if done.stdout.strip():
        raise GrammarError(" ".join(done.stdout.split())[:200])


class Matcher:
    """Where one answer is in its grammar."""

    def __init__(self, matcher: LLMatcher) -> None:
        self._matcher = matcher

    def copy(self) -> Matcher:
        """Another one at the same place."""
        return Matcher(self._matcher.deep_copy())

    def allowed(self, n_tokens: int) -> torch.Tensor:
        """Which tokens may come next, (n_tokens,) bool."""
        bits = np.frombuffer(self._matcher.compute_bitmask(), np.uint8)
        self._check()
        found = np.unpackbits(bits, count=min(n_tokens, 8 * len(bits)), bitorder="little")
        allowed = torch.zeros(n_tokens, dtype=torch.bool)
        allowed[: len(found)] = torch.from_numpy(found).bool()
        return allowed

    def take(self, token: int) -> None:
        """Go on with this token."""
        self._matcher.consume_token(token)
        self._check()

    @property
    def is_over(self) -> bool:
        """Whether nothing more can come but the end."""
        return self._matcher.is_stopped()

    def _check(self) -> None:
        if error := self._matcher.get_error():
            raise GrammarError(" ".join(error.split())[:200])


class Grammars:
    """Makes matchers for one base's tokens."""

    def __init__(self, base: BaseModel) -> None:
        self._base = base
        self._at_start = lru_cache(maxsize=16)(self._compiled)

    @cached_property
    def _tokens(self) -> LLTokenizer:
        return from_tokenizer(
            self._base.tokenizer,
            n_vocab=self._base.footprint.vocabulary,
            eos_token=sorted(self._base.spelling.ends),
        )

    def matcher(self, grammar: str) -> Matcher | None:
        """One at the beginning of a grammar; None where anything goes.

        Raises:
            GrammarError: It is no grammar, or too large a one.
        """
        return self._at_start(grammar).copy() if grammar else None

    def _compiled(self, grammar: str) -> Matcher:
        check(grammar)
        matcher = Matcher(LLMatcher(self._tokens, grammar, limits=LLParserLimits(**LIMITS)))
        matcher.allowed(1)  # the first step shows whether it is within the limits
        return matcher
