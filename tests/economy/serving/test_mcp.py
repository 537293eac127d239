"""What an agent is answered over MCP, by the client that others wrote: on stdio, and in process."""

from __future__ import annotations

import asyncio
import json
import sys
from pathlib import Path
from typing import Any

import pytest
from mcp import Client, StdioServerParameters

from academy.evaluator import LocalEvaluator
from academy.exam import exam_sheet, sit_exam
from economy.serving.mcp import create_server
from economy.serving.service import Service
from genome.base_model import BaseModel
from genome.genome import Genome
from persona.persona import PersonaStore
from persona.sampling import Sampling


def called(where: Any, *calls: tuple[str, dict[str, Any]]) -> list[tuple[bool, str]]:
    """Whether each call was refused, and the text that came back."""

    async def run() -> list[tuple[bool, str]]:
        async with Client(where) as client:
            assert [tool.name for tool in (await client.list_tools()).tools] == [
                "ask",
                "search_layers",
                "exam",
            ]
            found = [await client.call_tool(*call) for call in calls]
            return [(one.is_error, "".join(part.text for part in one.content)) for one in found]

    return asyncio.run(run())


def test_the_three_tools_do_what_the_engine_the_library_and_the_academy_do(
    searchable: Path, service: Service, embedded: BaseModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    names, engine = service.names, service.engine
    monkeypatch.setattr("economy.serving.mcp.TEMPERATURE", 0)
    more = {"question": "sort: cbda", "max_tokens": 12}
    said, chosen, search, *exams = called(
        create_server(service),
        ("ask", {"persona": "ada", **more}),
        ("ask", {"persona": "auto", **more}),
        ("search_layers", {"question": "sort: cbda", "k": 1}),
        ("exam", {"name": "ada", "skill": "max", "n": 8}),
        ("exam", {"name": "embedded+ada", "skill": "max", "n": 8}),
    )
    genome = PersonaStore(names.home).load("ada").genome(names.library)
    wanted = engine.answer(genome, "sort: cbda", Sampling(max_tokens=12))
    assert said == chosen == (False, wanted)
    found = json.loads(search[1])
    (layer,) = found["layers"]
    assert layer["model"].startswith("embedded+ada@")
    assert layer["similarity"] >= found["sure_from"]
    engine.close()
    both = [genome, Genome(embedded.fingerprint)]
    results = sit_exam(LocalEvaluator(embedded), both, exam_sheet("max", 8))
    for is_error, text in exams:
        told = json.loads(text)
        assert not is_error and told["n_questions"] == 8
        for part, result in zip((told, told["base"]), results, strict=True):
            assert part["accuracy"] == result.accuracy
            assert part["interval"] == pytest.approx(result.interval, abs=1e-4)


@pytest.mark.parametrize(
    ("tool", "change", "words"),
    [
        ("ask", {"persona": "adda"}, "did you mean ada"),
        ("ask", {"max_tokens": 0}, "max_tokens: "),
        ("ask", {"question": "a" * 9000}, "9"),
        ("ask", {"question": "\ud800"}, "unicode"),
        ("ask", {"question": ""}, "question: "),
        ("search_layers", {"k": 0}, "k: "),
        ("exam", {"skill": "nothing"}, "nothing"),
        ("exam", {"name": "nobody"}, "there is no model 'nobody'"),
        ("exam", {"n": 10**9}, "n: "),
        ("dance", {}, "dance"),
    ],
)
def test_what_cannot_be_done_is_one_line_that_says_why(
    searchable: Path, service: Service, tool: str, change: dict[str, Any], words: str
) -> None:
    right: dict[str, dict[str, Any]] = {
        "ask": {"persona": "ada", "question": "a"},
        "search_layers": {"question": "a"},
        "exam": {"name": "ada", "skill": "max"},
    }
    server = create_server(service)
    ((refused, text),) = called(server, (tool, {**right.get(tool, {}), **change}))
    assert refused and words in text and "\n" not in text and "Traceback" not in text


def test_the_command_speaks_the_protocol_and_nothing_else(searchable: Path) -> None:
    """Its client refuses any other line on stdout; the server ends with its input."""
    words = ["-m", "tui.cli.main", "mcp", "--home", str(searchable)]
    server = StdioServerParameters(command=sys.executable, args=words)
    (said, refused) = called(
        server,
        ("ask", {"persona": "bob", "question": "shift: ab", "max_tokens": 3}),
        ("ask", {"persona": "nobody", "question": "a"}),
    )
    assert not said[0] and refused[0]
