"""What the API answers: the engine's own text in the words that clients know; clear refusals."""

from __future__ import annotations

import base64
import json
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from starlette.testclient import TestClient

from economy.revocations import DATABASE, FILE, Kept
from economy.serving.documents import Choice
from economy.serving.keys import ApiKey
from economy.serving.serve import create_app
from economy.serving.service import Service
from economy.serving.wire import Response
from genome.base_model import BaseModel
from genome.genome import Genome
from genome.library import Library
from marketplace.market import Market
from marketplace.money import NANOS_PER_CREDIT
from persona.errors import GrammarError
from persona.persona import Persona, PersonaStore
from persona.sampling import Ended, Said, Sampling
from persona.stream import Stream
from tests.support.trading import balances, put_up

QUESTION = {"role": "user", "content": "sort: cbda"}
TOOLS = """{% for tool in tools or [] %}{{ tool.function.name }}{% endfor %}"""
MOVE = {
    "type": "function",
    "function": {
        "name": "move",
        "description": "Moves.",
        "parameters": {
            "type": "object",
            "properties": {"to": {"enum": ["left", "right"]}},
            "required": ["to"],
            "additionalProperties": False,
        },
    },
}


def asked(model: str = "ada", **more: Any) -> dict[str, Any]:
    return {"model": model, "messages": [QUESTION], "temperature": 0, "max_tokens": 12, **more}


def said(service: Service, name: str, **more: Any) -> str:
    """What a persona answers, asked of the engine itself."""
    genome = PersonaStore(service.names.home).load(name).genome(service.names.library)
    return service.engine.answer(genome, QUESTION["content"], Sampling(max_tokens=12, **more))


def events(text: str) -> list[dict[str, Any]]:
    """The documents of a stream, its end left out."""
    lines = [line for line in text.splitlines() if line.startswith("data: ")]
    return [json.loads(line[6:]) for line in lines if line != "data: [DONE]"]


# -- chat --------------------------------------------------------------------------------------


def test_each_persona_answers_with_its_own_layers(api: Any, service: Service) -> None:
    texts = {}
    for name in ("ada", "bob"):
        found = api.post("/v1/chat/completions", json=asked(name)).json()
        choice = found["choices"][0]
        texts[name] = choice["message"]["content"]
        assert texts[name] == said(service, name)
        assert found["model"] == name and choice["finish_reason"] in ("stop", "length")
        used = found["usage"]
        assert used["total_tokens"] == used["prompt_tokens"] + used["completion_tokens"]
    assert texts["ada"] != texts["bob"]


def test_a_persona_is_told_what_it_is_and_speaks_as_its_file_says(
    api: Any, service: Service, home: Path
) -> None:
    ada = PersonaStore(home).load("ada")
    told = {"temperature": 0.0, "max_tokens": 5, "repetition_penalty": 3.0}
    PersonaStore(home).create(replace(ada, name="eve", system="upper:", sampling=told))

    def answer(sampling: Sampling, *before: dict[str, str]) -> str:
        genome = ada.genome(service.names.library)
        parts = service.engine.stream(genome, [*before, QUESTION], sampling)
        return "".join(part.text for part in parts)

    def asks(*before: dict[str, str], **more: Any) -> str:
        body = {"model": "eve", "messages": [*before, QUESTION], **more}
        found = api.post("/v1/chat/completions", json=body).json()
        return str(found["choices"][0]["message"]["content"])

    own, plain = {"role": "system", "content": "upper:"}, {"role": "system", "content": "sort:"}
    both = {"role": "system", "content": "upper:\n\nsort:"}
    assert asks() == answer(Sampling(**told), own) != answer(Sampling(max_tokens=5))
    assert asks(plain) == answer(Sampling(**told), both)
    assert asks(max_tokens=9) == answer(Sampling(**told | {"max_tokens": 9}), own)
    responded = api.post(
        "/v1/responses", json={"model": "eve", "input": QUESTION["content"]}
    ).json()
    assert responded["output"][0]["content"][0]["text"] == asks()
    assert (responded["temperature"], responded["max_output_tokens"]) == (0.0, 5)


def test_a_stream_says_the_same_and_ends_as_clients_expect(api: Any, service: Service) -> None:
    more = {"stream": True, "stream_options": {"include_usage": True}}
    found = api.post("/v1/chat/completions", json=asked(**more))
    assert found.headers["content-type"].startswith("text/event-stream")
    assert found.text.endswith("data: [DONE]\n\n")
    *chunks, last = events(found.text)
    assert last["choices"] == [] and last["usage"]["completion_tokens"]
    reasons = [chunk["choices"][0]["finish_reason"] for chunk in chunks]
    assert reasons[:-1] == [None] * (len(reasons) - 1) and reasons[-1] in ("stop", "length")
    deltas = [chunk["choices"][0]["delta"] for chunk in chunks]
    assert deltas[0] == {"role": "assistant", "content": ""}
    assert "".join(delta.get("content", "") for delta in deltas) == said(service, "ada")
    assert len({chunk["id"] for chunk in chunks}) == 1


def test_several_answers_have_seeds_of_their_own(api: Any, service: Service) -> None:
    more = asked(n=3, seed=5, temperature=1.5)
    found = api.post("/v1/chat/completions", json=more).json()
    texts = [choice["message"]["content"] for choice in found["choices"]]
    assert texts == [said(service, "ada", temperature=1.5, seed=5 + i) for i in range(3)]
    streamed = events(api.post("/v1/chat/completions", json={**more, "stream": True}).text)
    again = [""] * 3
    for chunk in streamed:
        choice = chunk["choices"][0]
        again[choice["index"]] += choice["delta"].get("content", "")
    assert again == texts


def test_log_probabilities_come_with_each_token(api: Any) -> None:
    found = api.post("/v1/chat/completions", json=asked(logprobs=True, top_logprobs=2)).json()
    content = found["choices"][0]["logprobs"]["content"]
    assert len(content) == found["usage"]["completion_tokens"]
    for one in content:
        assert one["top_logprobs"][0]["logprob"] >= one["logprob"]
        assert len(one["top_logprobs"]) == 2 and bytes(one["bytes"]).decode() == one["token"]


def test_an_answer_matches_the_schema_that_was_asked_for(api: Any) -> None:
    schema = MOVE["function"]["parameters"]  # type: ignore[index]
    form = {"type": "json_schema", "json_schema": {"name": "move", "schema": schema}}
    found = api.post("/v1/chat/completions", json=asked(response_format=form, max_tokens=60)).json()
    assert json.loads(found["choices"][0]["message"]["content"])["to"] in ("left", "right")


def test_a_tool_is_called_where_the_template_shows_tools(
    api: Any, service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    refused = api.post("/v1/chat/completions", json=asked(tools=[MOVE]))
    assert refused.status_code == 400 and "has none" in refused.json()["error"]["message"]
    tokenizer = service.engine.base.tokenizer
    monkeypatch.setattr(tokenizer, "chat_template", TOOLS + tokenizer.chat_template)
    more = asked(tools=[MOVE], tool_choice="required", max_tokens=120)
    choice = api.post("/v1/chat/completions", json=more).json()["choices"][0]
    assert choice["finish_reason"] == "tool_calls"
    (call,) = choice["message"]["tool_calls"]
    assert call["function"]["name"] == "move" and choice["message"]["content"] is None
    assert json.loads(call["function"]["arguments"])["to"] in ("left", "right")
    streamed = events(api.post("/v1/chat/completions", json={**more, "stream": True}).text)
    deltas = [chunk["choices"][0]["delta"] for chunk in streamed]
    called = [delta["tool_calls"] for delta in deltas if "tool_calls" in delta]
    assert called[0][0]["index"] == 0 and called[0][0]["function"] == call["function"]
    assert streamed[-1]["choices"][0]["finish_reason"] == "tool_calls"
    turns = [
        QUESTION,
        {"role": "assistant", "content": None, "tool_calls": [call]},
        {"role": "tool", "content": "done", "tool_call_id": call["id"]},
    ]
    assert api.post("/v1/chat/completions", json=asked(messages=turns)).status_code == 200


def test_old_turns_go_where_that_is_allowed(api: Any, service: Service) -> None:
    long = {"role": "user", "content": "a" * (service.engine.base.positions // 2)}
    turns = [long, {"role": "assistant", "content": "b"}, long, {"role": "assistant"}, QUESTION]
    refused = api.post("/v1/chat/completions", json=asked(messages=turns))
    error = refused.json()["error"]
    assert refused.status_code == 400 and error["code"] == "context_length_exceeded"
    assert str(service.engine.base.positions) in error["message"]
    trimmed = asked(messages=turns, truncation="auto")
    assert api.post("/v1/chat/completions", json=trimmed).status_code == 200


# -- completions and responses -----------------------------------------------------------------


def test_echo_tells_what_a_text_is_to_the_model(
    api: Any, service: Service, embedded: BaseModel
) -> None:
    """As lm-eval asks: each value equals the top one exactly where it is the likeliest."""
    texts = ["sort: cbda", "shift: hello"]
    ids = [embedded.tokenizer(text)["input_ids"] for text in texts]
    more = {"echo": True, "logprobs": 1, "max_tokens": 1, "temperature": 0, "seed": 1234}
    found = api.post("/v1/completions", json={"model": "embedded", "prompt": ids, **more}).json()[
        "choices"
    ]
    for one, wanted in zip(found, ids, strict=True):
        logits = embedded.model(input_ids=torch.tensor([wanted])).logits[0].log_softmax(-1)
        values, tops = one["logprobs"]["token_logprobs"], one["logprobs"]["top_logprobs"]
        assert values[0] is None and len(values) == len(tops) == len(wanted) + 1
        for i, token in enumerate(wanted[1:]):
            assert values[i + 1] == pytest.approx(float(logits[i, token]), abs=1e-4)
            is_likeliest = int(logits[i].argmax()) == token
            assert (values[i + 1] == max(tops[i + 1].values())) == is_likeliest
    by_text = api.post(
        "/v1/completions", json={"model": "embedded", "prompt": texts, **more}
    ).json()["choices"]
    assert [one["logprobs"]["token_logprobs"] for one in by_text] == [
        one["logprobs"]["token_logprobs"] for one in found
    ]
    assert all(one["text"].startswith(text) for one, text in zip(by_text, texts, strict=True))
    none = api.post(
        "/v1/completions", json={**more, "model": "ada", "prompt": "a", "max_tokens": 0}
    )
    assert none.json()["choices"][0]["text"] == "a"
    assert len(none.json()["choices"][0]["logprobs"]["tokens"]) == 1


def test_an_end_of_turn_counts_as_the_token_that_was_asked_for(
    api: Any, service: Service, embedded: BaseModel
) -> None:
    """lm-eval leaves the last value out as that of the token said; else it lost one of its own."""
    genome = Genome(embedded.fingerprint)
    told = list(service.engine.stream(genome, [QUESTION], Sampling(max_tokens=90)))
    assert told[-1] == Ended("stop", token=told[-1].token)  # type: ignore[union-attr]
    spoken = [one.token for one in told[:-1] if isinstance(one, Said)]
    ids = [*embedded.prompt_ids([QUESTION["content"]])[0], *spoken]
    more = {"echo": True, "logprobs": 1, "max_tokens": 1, "temperature": 0}
    found = api.post("/v1/completions", json={"model": "embedded", "prompt": ids, **more}).json()
    logprobs = found["choices"][0]["logprobs"]
    assert len(logprobs["token_logprobs"]) == len(ids) + 1
    assert logprobs["tokens"][-1] in map(embedded.tokenizer.decode, embedded.spelling.ends)


def test_a_completion_streams_too(api: Any) -> None:
    more = {"model": "bob", "prompt": "sort: cbda", "max_tokens": 8, "temperature": 0}
    whole = api.post("/v1/completions", json=more).json()["choices"][0]
    found = api.post("/v1/completions", json={**more, "stream": True})
    chunks = events(found.text)
    assert "".join(chunk["choices"][0]["text"] for chunk in chunks) == whole["text"]
    assert chunks[-1]["choices"][0]["finish_reason"] == whole["finish_reason"]


def test_a_response_is_told_in_numbered_events(api: Any, service: Service) -> None:
    more = {"model": "ada", "temperature": 0, "max_output_tokens": 12}
    turns = [{"role": "user", "content": [{"type": "input_text", "text": QUESTION["content"]}]}]
    whole = api.post("/v1/responses", json={**more, "input": turns}).json()
    text = whole["output"][0]["content"][0]["text"]
    assert text == said(service, "ada")
    assert whole["status"] in ("completed", "incomplete")
    found = api.post("/v1/responses", json={**more, "input": QUESTION["content"], "stream": True})
    told = events(found.text)
    assert [one["sequence_number"] for one in told] == list(range(len(told)))
    assert [told[0]["type"], told[-1]["type"]] == [
        "response.created",
        f"response.{whole['status']}",
    ]
    pieces = [one["delta"] for one in told if one["type"] == "response.output_text.delta"]
    assert "".join(pieces) == text and "[DONE]" not in found.text
    assert told[-1]["response"]["output"] == [
        {**whole["output"][0], "id": told[-1]["response"]["output"][0]["id"]}
    ]


def test_a_response_calls_tools_as_a_chat_does(
    api: Any, service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Flat where a chat's are nested; the call comes back as an item, and its output goes in."""
    function: Any = MOVE["function"]
    flat: dict[str, Any] = {"type": "function", "strict": True, **function}
    more = {"model": "ada", "input": "go", "temperature": 0, "max_output_tokens": 120}
    more |= {"tools": [flat], "tool_choice": {"type": "function", "name": "move"}}
    refused = api.post("/v1/responses", json=more)
    assert refused.status_code == 400 and "has none" in refused.json()["error"]["message"]
    tokenizer = service.engine.base.tokenizer
    monkeypatch.setattr(tokenizer, "chat_template", TOOLS + tokenizer.chat_template)
    whole = api.post("/v1/responses", json=more).json()
    (call,) = whole["output"]
    assert (call["type"], call["name"], call["status"]) == ("function_call", "move", "completed")
    assert json.loads(call["arguments"])["to"] in ("left", "right")
    assert whole["tools"][0]["name"] == "move" and whole["tool_choice"] == more["tool_choice"]
    told = events(api.post("/v1/responses", json={**more, "stream": True}).text)
    assert [one["sequence_number"] for one in told] == list(range(len(told)))
    assert [one["type"].removeprefix("response.") for one in told] == [
        "created",
        "in_progress",
        "output_item.added",
        "function_call_arguments.delta",
        "function_call_arguments.done",
        "output_item.done",
        "completed",
    ]
    assert told[2]["item"]["arguments"] == "" and told[4]["arguments"] == call["arguments"]
    assert told[5]["item"] == told[-1]["response"]["output"][0]
    assert told[5]["item"]["arguments"] == told[3]["delta"] == call["arguments"]
    turns = [
        {"role": "user", "content": "go"},
        call,
        {"type": "function_call_output", "call_id": call["call_id"], "output": "done"},
    ]
    after = api.post("/v1/responses", json={**more, "input": turns, "tool_choice": "auto"})
    assert after.json()["output"][0]["type"] == "message"
    none = api.post("/v1/responses", json={**more, "input": turns[2:]})
    assert none.status_code == 400 and "no assistant" in none.json()["error"]["message"]


def test_calls_in_a_row_are_one_turns() -> None:
    call = {"type": "function_call", "call_id": "1", "name": "f", "arguments": '{"a": 1}'}
    turns = [
        {"role": "user", "content": "go"},
        {"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": "b"}]},
        call,
        call,
        {"type": "function_call_output", "call_id": "1", "output": "c"},
    ]
    asked_for = Response.model_validate({"model": "ada", "input": turns, "instructions": "d"})
    called = {"type": "function", "function": {"name": "f", "arguments": {"a": 1}}}
    assert asked_for.turns == [
        {"role": "system", "content": "d"},
        {"role": "user", "content": "go"},
        {"role": "assistant", "content": "b", "tool_calls": [called, called]},
        {"role": "tool", "content": "c"},
    ]


@pytest.mark.parametrize("parallel", [True, False])
def test_of_several_calls_one_is_kept_where_they_must_not_be_parallel(
    api: Any, service: Service, monkeypatch: pytest.MonkeyPatch, parallel: bool
) -> None:
    tokenizer = service.engine.base.tokenizer
    monkeypatch.setattr(tokenizer, "chat_template", TOOLS + tokenizer.chat_template)
    text = '<tool_call>\n{"name": "move", "arguments": {}}\n</tool_call>'
    monkeypatch.setattr(Choice, "take", lambda choice, _: setattr(choice, "text", "a" + text * 2))
    more = {"tools": [MOVE], "parallel_tool_calls": parallel}
    chat = api.post("/v1/chat/completions", json=asked(**more)).json()["choices"][0]["message"]
    assert chat["content"] == "a" and len(chat["tool_calls"]) == 1 + parallel
    flat = {"type": "function", "name": "move"}
    more = {"model": "ada", "input": "a", **more, "tools": [flat]}
    kinds = [one["type"] for one in api.post("/v1/responses", json=more).json()["output"]]
    assert kinds == ["message", *["function_call"] * (1 + parallel)]
    told = events(api.post("/v1/responses", json={**more, "stream": True}).text)
    places = [one["output_index"] for one in told if one["type"] == "response.output_item.done"]
    assert places == list(range(2 + parallel))
    pieces = [one["delta"] for one in told if one["type"] == "response.output_text.delta"]
    assert pieces == ["a"] and told[-1]["response"]["parallel_tool_calls"] == parallel


# -- who is here -------------------------------------------------------------------------------


def test_everybody_is_listed_with_what_they_are_made_of(api: Any, embedded: BaseModel) -> None:
    found = {one["id"]: one for one in api.get("/v1/models").json()["data"]}
    assert set(found) == {"embedded", "ada", "bob"}
    assert len(found["ada"]["layers"]) == 1 and found["ada"]["layers"] != found["bob"]["layers"]
    for one in found.values():
        assert one["base"] == "embedded" and one["fingerprint"] == embedded.fingerprint
        assert one["max_model_len"] == embedded.positions
    assert api.get("/v1/models/ada").json() == found["ada"]
    mixed = api.get("/v1/models/embedded+ada@1+0.5*bob")
    assert mixed.status_code == 200 or "version" in mixed.json()["error"]["message"]


def test_layers_with_weights_answer_without_a_persona(api: Any, service: Service) -> None:
    library = service.names.library
    version = library.row(library.resolve("ada")).version
    model = f"embedded+ada@{version}"
    found = api.post("/v1/chat/completions", json=asked(model)).json()
    assert found["choices"][0]["message"]["content"] == said(service, "ada")
    weighed = api.post("/v1/chat/completions", json=asked("embedded+0*ada")).json()
    alone = api.post("/v1/chat/completions", json=asked("embedded")).json()
    assert weighed["choices"][0]["message"] == alone["choices"][0]["message"]


@pytest.fixture
def found_by_search(searchable: Path, service: Service) -> Service:
    return service


def test_a_persona_that_retrieves_takes_up_what_auto_finds(found_by_search: Service) -> None:
    own = found_by_search.engine.base.fingerprint
    store = PersonaStore(found_by_search.names.home)
    ada = store.load("ada")
    store.create(Persona("eve", own, retrieves=True))
    store.create(replace(ada, name="ida", retrieves=True))
    with TestClient(create_app(found_by_search)) as api:
        auto = api.post("/v1/chat/completions", json=asked("auto")).json()
        found = api.post("/v1/chat/completions", json=asked("eve")).json()
        having = api.post("/v1/chat/completions", json=asked("ida")).json()
    assert auto["continuum"]["layer"] and found["continuum"] == auto["continuum"]
    assert found["model"] == "eve" and found["choices"] == auto["choices"]
    assert auto["continuum"]["digest"] in ada.layers and having["choices"] == auto["choices"]


def test_auto_says_which_layer_was_chosen_and_why(found_by_search: Service) -> None:
    with TestClient(create_app(found_by_search)) as api:
        assert "auto" in [one["id"] for one in api.get("/v1/models").json()["data"]]
        found = api.post("/v1/chat/completions", json=asked("auto"))
        why = found.json()["continuum"]
        assert why["layer"].startswith("ada@") and why["similarity"] >= why["sure_from"]
        assert found.headers["x-continuum-layer"].startswith(why["layer"])
        assert found.json()["choices"][0]["message"]["content"] == said(found_by_search, "ada")
        streamed = api.post("/v1/chat/completions", json=asked("auto", stream=True))
        assert events(streamed.text)[0]["continuum"] == why
        vectors = api.post("/v1/embeddings", json={"model": "auto", "input": ["sort: ab", "x"]})
        rows = [one["embedding"] for one in vectors.json()["data"]]
        packed = {"model": "auto", "input": "sort: ab", "encoding_format": "base64"}
        data = api.post("/v1/embeddings", json=packed).json()["data"][0]["embedding"]
        assert np.allclose(np.frombuffer(base64.b64decode(data), "<f4"), rows[0], atol=1e-5)


def test_where_no_layer_knows_enough_the_base_answers(
    found_by_search: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Library, "clear_match", lambda *_: 1.01)
    with TestClient(create_app(found_by_search)) as api:
        found = api.post("/v1/chat/completions", json=asked("auto")).json()
        assert found["continuum"]["layer"] is None and found["model"] == "embedded"


def test_tokens_can_be_asked_for_and_turned_back(api: Any, embedded: BaseModel) -> None:
    found = api.post("/tokenize", json={"prompt": "sort: ab", "add_special_tokens": False}).json()
    assert found["count"] == len(found["tokens"]) and found["max_model_len"] == embedded.positions
    assert api.post("/detokenize", json={"tokens": found["tokens"]}).json()["prompt"] == "sort: ab"
    chat = api.post("/tokenize", json={"messages": [QUESTION]}).json()["tokens"]
    assert chat == embedded.prompt_ids([QUESTION["content"]])[0]
    info = api.get("/tokenizer_info").json()
    assert info["eos_token"] == embedded.tokenizer.eos_token and "messages" in info["chat_template"]


# -- refusals ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("change", "status", "words"),
    [
        ({"model": "adda"}, 404, "did you mean ada"),
        ({"model": "embeded+ada"}, 404, "the base here is embedded"),
        ({"model": "embedded+nobody"}, 404, "nobody"),
        ({"model": "embedded+x*ada"}, 404, "is no layer"),
        ({"model": "embedded+ada@nope"}, 404, "has no version"),
        ({"model": "embedded+ada+ada"}, 404, "different layers"),
        ({"model": "embedded+1e38*ada"}, 404, "weight of at most 100"),
        ({"model": "embedded+nan*ada"}, 404, "weight of at most 100"),
        ({"model": "elsewhere"}, 400, "is for base ffffffffffffffff"),
        ({"repetition_penalty": 1e-300}, 400, "repetition_penalty: "),
        ({"messages": [QUESTION] * 3000}, 400, "messages: "),
        (
            {
                "messages": [
                    QUESTION,
                    {
                        "role": "assistant",
                        "tool_calls": [
                            {"id": "1", "function": {"name": "f", "arguments": "[" * 5000}}
                        ],
                    },
                    {"role": "tool", "content": "a"},
                ]
            },
            400,
            "are no JSON",
        ),
        ({"messages": []}, 400, "messages is empty"),
        ({"messages": [QUESTION, {"role": "assistant", "content": "b"}]}, 400, "nobody waits"),
        ({"messages": [QUESTION, {"role": "system", "content": "b"}, QUESTION]}, 400, "only the"),
        (
            {"messages": [{"role": "tool", "content": "b", "tool_call_id": "1"}]},
            400,
            "no assistant",
        ),
        ({"messages": [{"role": "user", "content": "\udcff"}]}, 400, "UTF-8"),
        ({"messages": [{"role": "queen", "content": "b"}]}, 400, "messages.0.role"),
        ({"messages": [{"role": "user", "content": "a" * 9000}]}, 400, "9"),
        ({"n": 10**9}, 400, "n: "),
        ({"temperature": 9}, 400, "temperature: "),
        ({"logit_bias": {"1": 2}}, 400, "logit_bias: is not supported"),
        ({"audio": {}, "top_k": -1}, 400, "audio: is not supported"),
        ({"tool_choice": "required"}, 400, "there are no tools"),
        ({"response_format": {"type": "json_schema"}}, 400, "no json_schema"),
        (
            {"response_format": {"type": "json_schema", "json_schema": {"schema": {"type": "x"}}}},
            400,
            "cannot be followed",
        ),
        (
            {
                "response_format": {
                    "type": "json_schema",
                    "json_schema": {"schema": {"enum": ["a" * 70_000]}},
                }
            },
            400,
            "65536 are allowed",
        ),
        ({"stop": ["a"] * 17}, 400, "stop"),
    ],
)
def test_what_cannot_be_done_is_one_line_that_says_why(
    api: Any, home: Path, change: dict[str, Any], status: int, words: str
) -> None:
    PersonaStore(home).save(Persona("elsewhere", "f" * 16))
    body = json.dumps(asked(**change))
    headers = {"Content-Type": "application/json"}
    found = api.post("/v1/chat/completions", content=body, headers=headers)
    error = found.json()["error"]
    assert (found.status_code, words in error["message"]) == (status, True), found.text
    assert (
        str(home) not in found.text
        and "\n" not in error["message"]
        and error["code"]
        and error["type"]
    )
    assert found.headers["x-request-id"]


def test_a_spoilt_persona_is_in_nobodys_way(api: Any, home: Path) -> None:
    (home / "personas/broken.json").write_text('{"name": "bro')
    (home / "personas/deep.json").write_text("[" * 100_000)
    (home / "personas/odd.json").write_text('{"name": "odd", "base_model": "a", "layers": [5]}')
    assert [one["id"] for one in api.get("/v1/models").json()["data"]] == ["embedded", "ada", "bob"]
    for name in ("broken", "deep", "odd"):
        found = api.post("/v1/chat/completions", json=asked(name))
        assert found.status_code == 400 and "HOME" in found.json()["error"]["message"]


def test_layers_without_numbers_say_so(api: Any, service: Service, home: Path) -> None:
    (digest,) = PersonaStore(home).load("ada").layers
    PersonaStore(home).save(
        Persona("loud", service.engine.base.fingerprint, (digest,), weights=(1e38,))
    )
    for more in ({}, {"stream": True}, {"temperature": 1, "logprobs": True}):
        found = api.post("/v1/chat/completions", json=asked("loud", **more))
        assert found.status_code == 400 and "no numbers" in found.json()["error"]["message"]


@pytest.mark.parametrize(
    ("address", "body"),
    [
        ("/v1/completions", {"model": "ada", "prompt": []}),
        ("/v1/completions", {"model": "ada", "prompt": "\udcff"}),
        ("/v1/embeddings", {"model": "ada", "input": "\udcff"}),
        ("/tokenize", {"prompt": "\udcff"}),
        ("/tokenize", {}),
        ("/detokenize", {"tokens": [10**30]}),
        (
            "/v1/responses",
            {"model": "ada", "input": "a", "text": {"format": {"type": "json_schema"}}},
        ),
        ("/v1/responses", {"model": "ada", "input": [{"type": "reasoning", "summary": []}]}),
        ("/v1/responses", {"model": "ada", "input": [["a"]], "tools": "a"}),
        ("/v1/responses", {"model": "ada", "input": "a", "tool_choice": "required"}),
    ],
)
def test_what_other_addresses_cannot_read(api: Any, address: str, body: dict[str, Any]) -> None:
    headers = {"Content-Type": "application/json"}
    found = api.post(address, content=json.dumps(body), headers=headers)
    assert found.status_code == 400 and found.json()["error"]["message"]


def test_tools_that_other_servers_have_built_in_are_refused_by_name(api: Any) -> None:
    for kind in ("web_search", "file_search", "mcp"):
        more = {"model": "ada", "input": "a", "tools": [{"type": kind}]}
        error = api.post("/v1/responses", json=more).json()["error"]
        assert error["param"] == "tools" and kind in error["message"]
    chat = api.post("/v1/chat/completions", json=asked(tools=[{"type": "custom"}])).json()
    assert "custom" in chat["error"]["message"]


def test_what_is_nearly_cold_is_cold(api: Any, service: Service) -> None:
    found = api.post("/v1/chat/completions", json=asked(temperature=1e-40)).json()
    assert found["choices"][0]["message"]["content"] == said(service, "ada")


def test_a_grammar_is_made_once_for_all_answers(api: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[str] = []
    monkeypatch.setattr("persona.grammar.check", made.append)
    schema = {"enum": ["ab", "ac"]}
    form = {"type": "json_schema", "json_schema": {"name": "a", "schema": schema}}
    more = asked(n=8, temperature=1.5, seed=1, response_format=form)
    choices = api.post("/v1/chat/completions", json=more).json()["choices"]
    assert {json.loads(one["message"]["content"]) for one in choices} == {"ab", "ac"}
    assert len(made) == 1


def test_what_says_nothing_is_left_out_unread(api: Any) -> None:
    more = {"user": "u", "store": True, "metadata": {}, "logit_bias": None, "n": None}
    assert api.post("/v1/chat/completions", json=asked(**more)).status_code == 200


@pytest.mark.parametrize(
    ("headers", "content", "status", "words"),
    [
        ({"Content-Type": "application/json"}, b'{"model": "\xff"}', 400, "no JSON in UTF-8"),
        ({"Content-Type": "application/json"}, b"{", 400, "no JSON in UTF-8"),
        ({"Content-Type": "text/plain"}, b"{}", 400, "application/json"),
        ({"Content-Type": "application/json"}, b"a" * (5 << 20), 413, "are allowed"),
    ],
)
def test_bodies_that_nobody_can_read(
    api: Any, headers: dict[str, str], content: bytes, status: int, words: str
) -> None:
    found = api.post("/v1/chat/completions", content=content, headers=headers)
    assert found.status_code == status and words in found.json()["error"]["message"]


def test_addresses_that_there_are_not(api: Any) -> None:
    assert api.get("/v1/nothing").json()["error"]["code"] == "not_found"
    assert api.get("/v1/chat/completions").json()["error"]["code"] == "method_not_allowed"
    empty = api.post("/v1/completions", json={"model": "ada", "prompt": ""})
    assert empty.status_code == 400 and "empty" in empty.json()["error"]["message"]
    old = {"model": "ada", "input": "a", "previous_response_id": "resp-1"}
    refused = api.post("/v1/responses", json=old).json()["error"]
    assert refused["param"] == "previous_response_id" and refused["code"] == "unsupported_parameter"
    vectors = api.post("/v1/embeddings", json={"model": "ada", "input": "a"})
    assert vectors.status_code == 400 and "reindex" in vectors.json()["error"]["message"]


def test_other_names_than_its_own_are_refused(service: Service) -> None:
    """A web page that has its own name point to this machine."""
    service.hosts = frozenset({"127.0.0.1"})
    with TestClient(create_app(service), base_url="http://127.0.0.1:8000") as api:
        assert api.get("/v1/models").status_code == 200
        stranger = api.get("/v1/models", headers={"Host": "evil.example:8000"})
        assert stranger.json()["error"]["code"] == "wrong_host"


def test_a_failure_in_the_middle_keeps_what_was_said(
    api: Any, service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    before, steps = Stream.next, []

    def failing(stream: Stream, logits: torch.Tensor) -> Any:
        steps.append(1)
        return [RuntimeError("secret words")] if len(steps) > 3 else before(stream, logits)

    monkeypatch.setattr(Stream, "next", failing)
    found = api.post("/v1/chat/completions", json=asked(stream=True))
    *chunks, last = events(found.text)
    assert found.status_code == 200 and len(chunks) >= 3
    assert last["error"]["code"] == "internal_error" and "secret" not in found.text
    whole = api.post("/v1/chat/completions", json=asked())
    assert whole.status_code == 500 and "secret" not in whole.text
    told = events(
        api.post("/v1/responses", json={"model": "ada", "input": "a", "stream": True}).text
    )
    assert not told or told[-1]["type"] == "response.failed"
    assert "secret" not in service.log_to.getvalue()  # type: ignore[attr-defined]


# -- keys, limits, prices ----------------------------------------------------------------------


def bearer(secret: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {secret}"}


def settled(service: Service) -> None:
    """Wait until the books are up to date."""
    service.books.submit(lambda: None).result(30)


def used(service: Service, secret: str) -> int:
    settled(service)
    key = service.keys.of(secret)
    assert key
    return key.used


def test_a_key_is_counted_limited_and_refused_when_spent(api: Any, service: Service) -> None:
    service.must_have_key = True
    refused = api.post("/v1/chat/completions", json=asked())
    assert (
        refused.status_code == 401 and "continuum key create" in refused.json()["error"]["message"]
    )
    assert api.get("/v1/models", headers=bearer("ck-guessed")).status_code == 401
    secret = service.keys.create(ApiKey("laptop", per_minute=3))
    total = 0
    for more in ({}, {"stream": True}, {"n": 2}):
        found = api.post("/v1/chat/completions", json=asked(**more), headers=bearer(secret))
        total += found.json()["usage"]["total_tokens"] if not more else 0
        before, total = total, used(service, secret)
        assert total >= before
    often = api.post("/v1/chat/completions", json=asked(), headers=bearer(secret))
    assert often.status_code == 429 and int(often.headers["retry-after"]) >= 1
    once = service.keys.create(ApiKey("once", budget=40))
    first = api.post("/v1/chat/completions", json=asked(), headers=bearer(once)).json()["usage"]
    assert used(service, once) == first["total_tokens"]
    done = api.post("/v1/chat/completions", json=asked(max_tokens=30), headers=bearer(once))
    error = done.json()["error"]
    assert done.status_code == 429 and error["code"] == "insufficient_quota"
    assert f"has {40 - first['total_tokens']} of 40 tokens left" in error["message"]


def test_a_budget_is_not_overrun_by_many_at_once(api: Any, service: Service) -> None:
    """What a request may take is reserved before it is answered, and given back after."""
    secret = service.keys.create(ApiKey("racer", budget=100))
    with ThreadPoolExecutor(8) as pool:
        posts = [
            pool.submit(api.post, "/v1/chat/completions", json=asked(n=3), headers=bearer(secret))
            for _ in range(8)
        ]
        codes = sorted(post.result().status_code for post in posts)
    assert codes[0] == 200 and codes[-1] == 429
    assert 0 < used(service, secret) <= 100


@pytest.fixture
def sold(service: Service, embedded: BaseModel) -> Iterator[Market]:
    """Ada's messages cost what a thousand units of listing `sort` cost, bob's nothing."""
    with Market.open("sqlite://") as market:
        for name, credits in (("seller", 0), ("rich", 10), ("poor", 0)):
            market.open_account(name)
            if credits:
                market.fund(name, credits * NANOS_PER_CREDIT, key=f"fund-{name}")
        put_up(market, "seller", "sort")
        market.set_terms(owner="seller", listing="sort", use_parts=10_000, key="terms")
        store = PersonaStore(service.names.home)
        ada = store.load("ada")
        store.remove("ada")
        store.save(replace(ada, listing="sort"))
        service.market = market
        yield market


def test_a_message_with_a_price_is_paid_before_it_is_answered(
    api: Any, service: Service, sold: Market, monkeypatch: pytest.MonkeyPatch
) -> None:
    keys = {n: service.keys.create(ApiKey(n, account=n)) for n in ("rich", "poor")}
    keys["none"] = service.keys.create(ApiKey("none"))
    for name, words in (("none", "has an account"), ("poor", "")):
        refused = api.post("/v1/chat/completions", json=asked(), headers=bearer(keys[name]))
        assert refused.status_code == 402 and words in refused.json()["error"]["message"]
        free = api.post("/v1/chat/completions", json=asked("bob"), headers=bearer(keys[name]))
        assert free.status_code == 200
    before = balances(sold)["rich"]
    assert api.post("/v1/chat/completions", json=asked(), headers=bearer(keys["rich"])).json()[
        "choices"
    ]
    paid = before - balances(sold)["rich"]
    assert paid == sold.terms("sort").use_rate_nanos
    monkeypatch.setattr(Stream, "next", lambda *_: [RuntimeError("broken")])
    failed = api.post("/v1/chat/completions", json=asked(), headers=bearer(keys["rich"]))
    settled(service)
    assert failed.status_code == 500 and balances(sold)["rich"] == before - paid


def test_a_price_cannot_be_asked_around(
    found_by_search: Service, sold: Market, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By the layer's name, by search, or by many prompts in one request."""
    with TestClient(create_app(found_by_search)) as api:
        poor = bearer(found_by_search.keys.create(ApiKey("poor", account="poor")))
        rich = bearer(found_by_search.keys.create(ApiKey("rich", account="rich")))
        for model in ("ada", "embedded+ada", "embedded+0.5*bob+ada", "auto"):
            assert (
                api.post("/v1/chat/completions", json=asked(model), headers=poor).status_code == 402
            )
        before = balances(sold)["rich"]
        many = {"model": "ada", "prompt": ["a", "b", "c"], "max_tokens": 2, "n": 2}
        assert api.post("/v1/completions", json=many, headers=rich).status_code == 200
        rate = sold.terms("sort").use_rate_nanos or 0
        assert before - balances(sold)["rich"] == pytest.approx(6 * rate, abs=10)


@pytest.mark.parametrize("own", [True, False])
def test_what_was_said_before_it_failed_is_paid_if_the_request_made_it_fail(
    api: Any, service: Service, sold: Market, monkeypatch: pytest.MonkeyPatch, own: bool
) -> None:
    """Else a schema that breaks at its end would be an answer for nothing."""
    before, steps = Stream.next, []
    why = GrammarError("at its end") if own else RuntimeError("broken")

    def failing(stream: Stream, logits: torch.Tensor) -> Any:
        steps.append(1)
        return [why] if len(steps) > 2 else before(stream, logits)

    monkeypatch.setattr(Stream, "next", failing)
    rich = bearer(service.keys.create(ApiKey("rich", account="rich")))
    balance = balances(sold)["rich"]
    found = api.post("/v1/chat/completions", json=asked(stream=True), headers=rich)
    assert "error" in events(found.text)[-1]
    settled(service)
    assert (balances(sold)["rich"] < balance) == own


def test_a_revoked_layer_answers_no_more_and_is_let_go(
    api: Any, service: Service, home: Path
) -> None:
    assert api.post("/v1/chat/completions", json=asked()).status_code == 200
    assert service.engine.stats().pager.hot == 1  # type: ignore[union-attr]
    digest = PersonaStore(home).load("ada").layers[0]
    known = {DATABASE: asdict(Kept("", 1, {digest: "was stolen"}, {}))}
    (home / FILE).write_text(json.dumps(known))
    found = api.post("/v1/chat/completions", json=asked())
    assert found.status_code == 403 and "was stolen" in found.json()["error"]["message"]
    service.engine.between_tokens(lambda: None).result(30)
    assert service.engine.stats().pager.hot == 0  # type: ignore[union-attr]
    assert api.post("/v1/chat/completions", json=asked("bob")).status_code == 200


def test_a_full_queue_says_when_to_come_again(home: Path, service: Service, api: Any) -> None:
    go_on, service.engine.waiting = threading.Event(), 1
    held = service.engine.between_tokens(lambda: go_on.wait(60))
    genome = PersonaStore(home).load("ada").genome(service.names.library)
    waiting = service.engine.stream(genome, [QUESTION], Sampling(max_tokens=2))
    found = api.post("/v1/chat/completions", json=asked())
    assert found.status_code == 429 and int(found.headers["retry-after"]) >= 1
    go_on.set()
    assert held.result(60) and list(waiting)


def test_a_stopping_server_takes_nothing_new(api: Any, service: Service) -> None:
    assert api.get("/health").json() == {"status": "ok"}
    service.stopping = True
    assert api.get("/health").status_code == 503
    found = api.post("/v1/chat/completions", json=asked())
    assert found.status_code == 503 and found.headers["retry-after"]


def test_numbers_and_log_say_nothing_of_what_was_said(api: Any, service: Service) -> None:
    api.post("/v1/chat/completions", json=asked())
    api.post("/v1/chat/completions", json=asked("nobody"))
    text = api.get("/metrics").text
    wanted = 'continuum_requests_total{route="/v1/chat/completions",status="200"} 1.0'
    assert wanted in text and "continuum_first_token_seconds_count 1.0" in text
    lines = [json.loads(line) for line in service.log_to.getvalue().splitlines()]  # type: ignore[attr-defined]
    assert [line["status"] for line in lines] == [200, 404]
    assert "sort" not in str(lines) and "cbda" not in text


def test_a_full_disk_fails_no_request(api: Any, service: Service) -> None:
    class Full:
        def write(self, _: str) -> None:
            raise OSError(28, "No space left on device")

        flush = write

    service.log_to = Full()  # type: ignore[assignment]
    assert api.post("/v1/chat/completions", json=asked()).status_code == 200


def test_answers_to_many_at_once_are_those_to_each_alone(api: Any, service: Service) -> None:
    alone = {name: said(service, name) for name in ("ada", "bob")}
    found: dict[int, str] = {}

    def ask(i: int) -> None:
        name = ("ada", "bob")[i % 2]
        document = api.post("/v1/chat/completions", json=asked(name)).json()
        found[i] = document["choices"][0]["message"]["content"]

    threads = [threading.Thread(target=ask, args=(i,)) for i in range(24)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [found[i] for i in range(24)] == [alone[("ada", "bob")[i % 2]] for i in range(24)]
