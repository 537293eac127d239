"""Clients that others wrote, each in an environment of its own: `make test-clients`.

Needs a package index; CONTINUUM_CLIENTS keeps the environments between runs.
"""

from __future__ import annotations

import json
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from academy.evaluator import LocalEvaluator
from academy.exam import exam_sheet
from genome.base_model import BaseModel
from genome.library import Library
from persona.engine import Engine
from persona.persona import PersonaStore
from persona.sampling import Sampling
from seeds.bases import embedded_base_path
from tests.support.environments import environment
from tests.support.genome import put_ada_and_bob

HERE = Path(__file__).parent
TOOLS = "{% for tool in tools or [] %}{{ tool.function.name }}{% endfor %}"
TASK = """
task: ours
dataset_path: json
dataset_kwargs: {data_files: {test: %s}}
test_split: test
output_type: loglikelihood
doc_to_text: "{{prompt}}"
doc_to_target: "{{answer}}"
target_delimiter: ""
metric_list: [{metric: perplexity}, {metric: acc}]
"""
pytestmark = pytest.mark.clients


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> BaseModel:
    """The embedded base, with a chat template that shows tools."""
    folder = tmp_path_factory.mktemp("base") / "embedded-tools"
    shutil.copytree(embedded_base_path(), folder)
    tokenizer = BaseModel.load(folder).tokenizer
    tokenizer.chat_template = TOOLS + tokenizer.chat_template
    tokenizer.save_pretrained(folder)
    return BaseModel.load(folder)


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory, base: BaseModel) -> Path:
    """Two personas."""
    home = tmp_path_factory.mktemp("served") / "home"
    put_ada_and_bob(home, base)
    return home


@pytest.fixture(scope="module")
def url(home: Path, base: BaseModel) -> Iterator[str]:
    """Of `continuum serve` on that home."""
    words = [sys.executable, "-m", "tui.cli.main", "serve", "--port", "0", "--home", str(home)]
    words += ["--base", base.path]
    with subprocess.Popen(words, stdout=subprocess.PIPE, text=True) as server:
        assert server.stdout
        line = server.stdout.readline()
        yield line.split(" answer at ")[1].strip()
        server.send_signal(signal.SIGTERM)
        assert server.wait(40) == 0


def programs(name: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Those of an environment with exactly the packages that NAME.txt pins."""
    return environment(HERE / f"{name}.txt", "CONTINUUM_CLIENTS", tmp_path_factory)


def answer(home: Path, base: BaseModel) -> str:
    """What ada says, asked of the engine itself."""
    genome = PersonaStore(home).load("ada").genome(Library.open(home))
    engine = Engine(base)
    try:
        return engine.answer(genome, "sort: cbda", Sampling(max_tokens=12))
    finally:
        engine.close()


def used(program: Path, *words: str) -> dict[str, Any]:
    done = subprocess.run([program, *words], capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


def test_openai(
    url: str, home: Path, base: BaseModel, tmp_path_factory: pytest.TempPathFactory
) -> None:
    python = programs("openai", tmp_path_factory) / "python"
    found, said = used(python, str(HERE / "use_openai.py"), url), answer(home, base)
    assert found["models"] == ["embedded", "ada", "bob"]
    for way in ("chat", "streamed", "accumulated", "response", "response_streamed"):
        assert found[way] == said, way
    assert found["usage"] and found["reason"] and found["echo"]
    for way in ("call", "streamed_call", "shaped", "response_call", "response_streamed_call"):
        assert found[way]["to"] in ("left", "right"), way
    assert found["arguments_told"] and found["after_call"] == "message"
    assert "response.output_text.delta" in found["kinds"]
    assert found["errors"] == {
        "unknown model": ["model_not_found", "model"],
        "unsupported": ["unsupported_parameter", "logit_bias"],
        "too long": ["context_length_exceeded", None],
    }


def test_litellm(
    url: str, home: Path, base: BaseModel, tmp_path_factory: pytest.TempPathFactory
) -> None:
    python = programs("litellm", tmp_path_factory) / "python"
    found, said = used(python, str(HERE / "use_litellm.py"), url), answer(home, base)
    assert found == {"chat": said, "streamed": said, "refused": True}


def test_openai_agents(url: str, tmp_path_factory: pytest.TempPathFactory) -> None:
    """An agent calls its function, is told what it gave back, and answers; it refuses answers
    that were cut, so the base is asked, which comes to an end."""
    python = programs("openai-agents", tmp_path_factory) / "python"
    found = used(python, str(HERE / "use_openai_agents.py"), url)
    for way in ("run", "streamed"):
        assert found[way]["moved"] in (["left"], ["right"]), way
        assert found[way]["items"] == [
            "tool_call_item",
            "tool_call_output_item",
            "message_output_item",
        ]
        assert isinstance(found[way]["said"], str), way


@pytest.mark.parametrize("name", ["embedded", "ada"])
def test_lm_eval_finds_what_our_own_exam_finds(
    url: str,
    home: Path,
    base: BaseModel,
    tmp_path: Path,
    tmp_path_factory: pytest.TempPathFactory,
    name: str,
) -> None:
    """Accuracy, and the log-likelihood of every answer; where the template shows no tools."""
    sheet = [one for skill in ("repeat", "max", "count") for one in exam_sheet(skill, 8)]
    lines = [
        {
            "prompt": base.tokenizer.decode(base.prompt_ids([one.prompt])[0]),
            "answer": one.answer + base.tokenizer.eos_token,
        }
        for one in sheet
    ]
    (tmp_path / "q.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    (tmp_path / "ours.yaml").write_text(TASK % (tmp_path / "q.jsonl"))
    program = programs("lm-eval", tmp_path_factory) / "lm_eval"
    served = f"model={name},base_url={url}/completions,num_concurrent=4,max_retries=1"
    words = [program, "run", "--model", "local-completions", "--model_args", served]
    words += ["--tasks", "ours", "--include_path", tmp_path, "--output_path", tmp_path / "out"]
    done = subprocess.run(
        [*words, "--log_samples"], capture_output=True, text=True, timeout=600, cwd=tmp_path
    )
    assert done.returncode == 0, done.stderr
    (samples,) = (tmp_path / "out").rglob("samples_ours_*.jsonl")
    found = [json.loads(line) for line in samples.read_text().splitlines()]
    found.sort(key=lambda one: int(one["doc_id"]))
    theirs = [one["filtered_resps"][0] for one in found]
    assert len(theirs) == len(sheet)

    genome = PersonaStore(home).load("ada").genome(Library.open(home))
    own = genome if name == "ada" else type(genome)(base.fingerprint)
    evaluator = LocalEvaluator(base)
    losses = evaluator.losses([own], sheet)[0]
    lengths = [len(ids) for ids in base.answer_ids([one.answer for one in sheet])]
    ours = -losses * np.array(lengths)
    assert np.abs(np.array([float(value) for value, _ in theirs]) - ours).max() < 1e-4
    hits = [str(is_likeliest) == "True" for _, is_likeliest in theirs]
    assert hits == [bool(hit) for hit in evaluator.scores([own], sheet)[0]]
