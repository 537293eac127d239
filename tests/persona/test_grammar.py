"""An answer matches the schema that was asked for, whatever the model would rather say."""

from __future__ import annotations

import json
from typing import Any

import pytest

from genome.base_model import BaseModel
from genome.genome import Genome
from persona.engine import Engine
from persona.errors import GrammarError
from persona.grammar import CALL, Grammars, of_call, of_schema
from persona.sampling import Ended, Sampling

POINT = {
    "type": "object",
    "properties": {"x": {"type": "integer", "maximum": 99}, "colour": {"enum": ["red", "green"]}},
    "required": ["x", "colour"],
    "additionalProperties": False,
}


def answer(base: BaseModel, grammar: str, temperature: float = 0.0) -> tuple[str, str]:
    sampling = Sampling(max_tokens=200, grammar=grammar, temperature=temperature, seed=3)
    told = list(
        Engine(base).stream(Genome(base.fingerprint), [{"role": "user", "content": "a"}], sampling)
    )
    assert isinstance(told[-1], Ended)
    return "".join(what.text for what in told), told[-1].reason


@pytest.mark.parametrize("temperature", [0.0, 1.5])
def test_an_answer_is_what_the_schema_allows(embedded: BaseModel, temperature: float) -> None:
    text, reason = answer(embedded, of_schema(POINT), temperature)
    found = json.loads(text)
    assert reason == "stop" and set(found) == {"x", "colour"}
    assert isinstance(found["x"], int) and found["x"] <= 99 and found["colour"] in ("red", "green")


def test_a_call_names_a_tool_and_its_arguments(embedded: BaseModel) -> None:
    before, after = CALL
    text, _ = answer(embedded, of_call({"move": POINT}))
    assert text.startswith(before) and text.endswith(after)
    call = json.loads(text.removeprefix(before).removesuffix(after))
    assert call["name"] == "move" and set(call["arguments"]) == {"x", "colour"}


@pytest.mark.parametrize(
    "schema",
    [
        {"type": "point"},
        {"type": "integer", "minimum": 3, "maximum": 2},
        {"$ref": "https://example.org/schema"},
        {"enum": ["a" * 70_000]},
        {"type": "object", "dependentSchemas": {"a": {}}},
        {"allOf": [{"type": "array", "items": {"pattern": f"(a|b){{{n}}}c"}} for n in range(500)]},
    ],
)
def test_what_cannot_be_followed_is_refused_before_it_waits(
    embedded: BaseModel, schema: dict[str, Any]
) -> None:
    with pytest.raises(GrammarError, match="cannot be followed"):
        Grammars(embedded).matcher(of_schema(schema))
