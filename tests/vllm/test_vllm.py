"""vLLM's server computes what the engine computes, layers included: `make test-vllm`.

Needs a package index with torch for the CPU; CONTINUUM_VLLM keeps the environment between runs and
CONTINUUM_REAL_HOME the model. In float32, greedy. The two add numbers up in different orders, so
where the engine's two best logits lie within TIE either may be chosen, and from there on the texts
are different ones: that is counted and printed.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import httpx
import pytest

from genome.base_model import BaseModel
from genome.bases import Bases
from genome.genome import Genome
from persona.engine import Engine
from persona.remote.endpoint import Endpoint, EndpointSettings
from persona.sampling import Ended, Said, Sampling
from tests.support.cli import continuum
from tests.support.environments import environment
from tests.support.genome import random_layer
from tests.support.vllm import NAME as SERVED
from tests.support.vllm import vllm_server

NAME = "smollm2-135m-instruct"
TIE = 0.05
"""Of logits, which is that of log-probabilities."""
TOKENS = 32
PROMPTS = (
    "What is the capital of France?",
    "Name three colours.",
    "Count from one to ten.",
    "Write a sentence about the sea.",
    "What do bees make?",
    "Write a Python function that adds two numbers.",
    "Who wrote Hamlet?",
    "Explain why the sky is blue.",
)
pytestmark = pytest.mark.vllm


class Theirs(NamedTuple):
    """What came of all that was asked at once."""

    texts: dict[tuple[str, str], str]
    """(genome, prompt) -> answer."""
    most: int
    """Answers that had begun and were not over, at most."""


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> BaseModel:
    """SmolLM2 in float32."""
    kept = os.environ.get("CONTINUUM_REAL_HOME")
    home = Path(kept) if kept else tmp_path_factory.mktemp("real") / "home"
    done = continuum("init", "--base", NAME, "--home", home)
    assert done.code == 0, done.err
    return BaseModel.load(Path(Bases(home).get(NAME).path))


@pytest.fixture(scope="module")
def genomes(base: BaseModel) -> dict[str, Genome]:
    """The base alone, a persona of one layer, and one of two weighted layers."""
    one, two = (
        random_layer(base.model, base.fingerprint, rank=rank, scale=0.08, seed=rank)
        for rank in (8, 4)
    )
    return {
        "base": Genome(base.fingerprint),
        "one layer": Genome.of(one),
        "two layers": Genome(base.fingerprint, (one, two), (0.7, -0.8)),
    }


@pytest.fixture(scope="module")
def url(base: BaseModel, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Of vLLM's server on that base."""
    programs = environment(Path(__file__).with_name("vllm.txt"), "CONTINUUM_VLLM", tmp_path_factory)
    words = ("--dtype", "float32", "--max-lora-rank", "16", "--max-loras", "4")
    with vllm_server(programs, base.path, tmp_path_factory.mktemp("vllm"), *words) as url:
        yield url


@pytest.fixture(scope="module")
def backend(url: str, base: BaseModel) -> Iterator[Endpoint]:
    """That server as a backend."""
    settings = EndpointSettings(url=url, model=SERVED, loads_layers=True, timeout_s=600)
    backend = Endpoint(settings, name="vllm", base=base.fingerprint)
    yield backend
    backend.close()


@pytest.fixture(scope="module")
def theirs(backend: Endpoint, genomes: dict[str, Genome]) -> Theirs:
    """Every genome's answer to every prompt, all asked at once."""
    for genome in genomes.values():  # once each is loaded, none waits for that
        backend.answer(genome, "Hello", Sampling(max_tokens=1))
    changed, under_way, most = threading.Condition(), set[tuple[str, str]](), [0]
    texts: dict[tuple[str, str], str] = {}
    failures: list[BaseException] = []
    left = {(name, prompt) for name in genomes for prompt in PROMPTS}

    def ask(which: tuple[str, str]) -> None:
        def tell(what: Any) -> None:
            with changed:
                if isinstance(what, Said):
                    texts[which] = texts.get(which, "") + what.text
                    under_way.add(which)
                    most[0] = max(most[0], len(under_way))
                    return
                failures.extend([what] if isinstance(what, BaseException) else [])
                under_way.discard(which)
                left.discard(which)
                changed.notify_all()

        prompt = [{"role": "user", "content": which[1]}]
        backend.submit(genomes[which[0]], prompt, tell, Sampling(max_tokens=TOKENS))

    for which in sorted(left):
        ask(which)
    with changed:
        assert changed.wait_for(lambda: not left, 1200)
    assert not failures, failures
    return Theirs(texts, most[0])


def parted(told: list[Any], text: str) -> float | None:
    """How far our two best logits lie apart where another text leaves ours; None if it does not."""
    ours = ""
    for what in told:
        said = what.token if isinstance(what, Ended) else what
        ours += what.text
        is_over = isinstance(what, Ended)
        if text != ours if is_over else not text.startswith(ours):
            if said is None:  # ended by its length, where texts of as many tokens end
                return float("inf")
            return float(said.likeliest[0][1] - said.likeliest[1][1])
    return None


def test_vllm_says_what_the_engine_says(
    theirs: Theirs, base: BaseModel, genomes: dict[str, Genome]
) -> None:
    """Or leaves it at a tie; and a persona is not its base, else this would prove nothing."""
    engine = Engine(base)
    sampling = Sampling(max_tokens=TOKENS, logprobs=2)
    asked = {
        which: engine.stream(genomes[which[0]], [{"role": "user", "content": which[1]}], sampling)
        for which in theirs.texts
    }
    told = {which: [*answer] for which, answer in asked.items()}
    engine.close()
    apart = {which: parted(told[which], text) for which, text in theirs.texts.items()}
    ties = {which: gap for which, gap in apart.items() if gap is not None}
    for name in genomes:
        same = sum(apart[name, prompt] is None for prompt in PROMPTS)
        print(f"\n{name}: {same} of {len(PROMPTS)} answers of {TOKENS} tokens are the same", end="")
    print(f"\nparted at: {sorted(round(gap, 4) for gap in ties.values())}")
    wrong = {which: gap for which, gap in ties.items() if gap > TIE}
    assert not wrong, wrong
    assert 2 * len(ties) <= len(apart), "most answers have no tie"
    for name in ("one layer", "two layers"):
        own = sum(theirs.texts[name, p] != theirs.texts["base", p] for p in PROMPTS)
        assert 2 * own > len(PROMPTS), "its layers change what it says"
    pairs = [(theirs.texts["one layer", p], theirs.texts["two layers", p]) for p in PROMPTS]
    assert sum(one != two for one, two in pairs) > len(PROMPTS) // 2


def test_sixteen_are_answered_at_once(theirs: Theirs) -> None:
    print(f"\n{theirs.most} of {len(theirs.texts)} answers under way at once")
    assert theirs.most >= 16


def test_layers_are_there_under_their_digests_until_they_are_forgotten(
    url: str, theirs: Theirs, backend: Endpoint, genomes: dict[str, Genome]
) -> None:
    def names() -> set[str]:
        return {model["id"] for model in httpx.get(f"{url}/v1/models").json()["data"]}

    digests = [genomes[name].digest for name in ("one layer", "two layers")]
    assert names() == {NAME, *digests}
    backend.forget([genomes["two layers"].layers[1].digest]).result(60)
    assert names() == {NAME, digests[0]}
    # as if it had been started again: whoever asks has the layer loaded once more
    gone = {"lora_name": digests[0]}
    assert httpx.post(f"{url}/v1/unload_lora_adapter", json=gone).is_success
    told = backend.answer(genomes["one layer"], PROMPTS[0], Sampling(max_tokens=4))
    assert theirs.texts["one layer", PROMPTS[0]].startswith(told.rstrip()[:8])
    assert names() == {NAME, digests[0]}
