"""Personas that stand on something else than the engine, over the network."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from economy.serving.keys import ApiKey, ApiKeys
from economy.serving.service import Service
from genome.base_model import BaseModel
from genome.genome import Genome
from genome.single import with_single
from persona.backends import Backends, Foundation
from persona.engine import Engine
from persona.persona import Persona, PersonaStore
from persona.sampling import Sampling
from tests.support.single import save_single

MESSAGES = [{"role": "user", "content": "sort: cbda"}]


def chat(api: Any, model: str, **more: Any) -> Any:
    asked = {"model": model, "messages": MESSAGES, "max_tokens": 12, "temperature": 0, **more}
    return api.post("/v1/chat/completions", json=asked)


@pytest.fixture
def dori(home: Path, embedded: BaseModel, tmp_path: Path) -> str:
    """A persona on a DoRA; what it says."""
    save_single(embedded, tmp_path / "dora")
    found = Foundation.of("dora", {"kind": "peft", "base": embedded.fingerprint})
    Backends(home).add(found, tmp_path / "dora")
    PersonaStore(home).save(Persona("dori", embedded.fingerprint, backend="dora"))
    engine = Engine(with_single(embedded, tmp_path / "dora"))
    said = engine.answer(Genome(embedded.fingerprint), "sort: cbda", Sampling(max_tokens=12))
    engine.close()
    return said


@pytest.fixture
def cloud(home: Path, port: int, service: Service) -> str:
    """A persona on an API that is this server itself, as its own persona ada."""
    facts = {"kind": "openai", "url": f"http://127.0.0.1:{port}/v1", "model": "ada"}
    Backends(home).add(Foundation.of("cloud", facts | {"prompt_price": 2.0, "answer_price": 8.0}))
    PersonaStore(home).save(Persona("claudia", "", backend="cloud"))
    return service.engine.answer(
        service.names.meant("ada").genome, "sort: cbda", Sampling(max_tokens=12)
    )


def test_an_adapter_that_peft_runs(api: Any, dori: str) -> None:
    found = chat(api, "dori").json()
    assert found["choices"][0]["message"]["content"] == dori
    assert found["usage"]["prompt_tokens"] > 0
    listed = {one["id"]: one for one in api.get("/v1/models").json()["data"]}
    assert listed["dori"]["backend"] == "dora" and listed["dori"]["base"] == "embedded"
    assert "backend" not in listed["ada"]


def test_it_and_the_engine_s_personas_answer_side_by_side(api: Any, dori: str) -> None:
    alone = chat(api, "ada").json()["choices"][0]["message"]["content"]
    several = chat(api, "dori", n=3).json()["choices"]
    assert {one["message"]["content"] for one in several} == {dori}
    assert chat(api, "ada").json()["choices"][0]["message"]["content"] == alone


def test_another_program_s_answer_counts_by_its_own_numbers(
    api: Any, cloud: str, home: Path, service: Service
) -> None:
    key = ApiKeys(home).create(ApiKey("laptop", budget=10_000))
    service.must_have_key = False
    headers = {"Authorization": f"Bearer {key}"}
    asked = {"model": "claudia", "messages": MESSAGES, "max_tokens": 12, "temperature": 0}
    found = api.post("/v1/chat/completions", json=asked, headers=headers).json()
    assert found["choices"][0]["message"]["content"] == cloud
    direct = chat(api, "ada").json()["usage"]
    assert found["usage"] == direct
    service.books.submit(lambda: None).result()
    (kept,) = ApiKeys(home).every()
    assert kept.used == direct["total_tokens"]


def test_what_a_backend_does_not_do_is_named(api: Any, cloud: str) -> None:
    for more, field in (({"logprobs": True}, "logprobs"), ({"tools": TOOLS}, "tools")):
        refused = chat(api, "claudia", **more)
        assert refused.status_code == 400 and field in refused.json()["error"]["message"]


TOOLS = [{"type": "function", "function": {"name": "go", "parameters": {"type": "object"}}}]


def test_a_backend_that_is_down(api: Any, home: Path) -> None:
    facts = {"kind": "openai", "url": "http://127.0.0.1:9/v1", "model": "m", "retries": 0}
    Backends(home).add(Foundation.of("gone", facts))
    PersonaStore(home).save(Persona("ghost", "", backend="gone"))
    refused = chat(api, "ghost")
    assert refused.status_code == 502, refused.text
    assert refused.json()["error"]["code"] == "backend_failed"
    assert "gone" in refused.json()["error"]["message"]
    assert chat(api, "ada").status_code == 200


def test_a_persona_of_a_backend_that_was_removed(api: Any, home: Path) -> None:
    PersonaStore(home).save(Persona("lost", "", backend="nowhere"))
    refused = chat(api, "lost")
    assert (
        refused.status_code == 400 and "no backend 'nowhere'" in refused.json()["error"]["message"]
    )
