"""Sixteen personas of different layers answer sixteen clients at once over HTTP."""

from __future__ import annotations

import io
import json
import threading
import time
import urllib.request
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from academy.challenge import prompts_and_answers
from academy.exam import exam_sheet
from academy.operators.noise import random_layer
from academy.skills.curriculum import curriculum, skill_named
from academy.skills.skill import unique_questions
from academy.training import StudyPlan, TokenMeter, train_litter
from economy.serving.serve import server_of
from economy.serving.service import Service
from genome.base_model import BaseModel
from genome.library import Library, Manifest
from marketplace.service.serve import bound
from persona.persona import Persona, PersonaStore
from tui.jobs.show import Show

N_PERSONAS = 16
RANK = 8
PLAN = StudyPlan(steps=8, rows_per_step=4, learning_rate=3e-3)
"""Some minutes on SmolLM2: enough to answer in another way than the base, not to be good."""
MAX_TOKENS = 32


@dataclass(frozen=True)
class Spoken:
    """One client's question and what came back."""

    persona: str
    question: str
    answer: str
    first_s: float
    """From sending to the first token."""
    whole_s: float


@dataclass(frozen=True)
class Served:
    """Sixteen answers, asked for at once and one by one."""

    at_once: Sequence[Spoken]
    at_once_s: float
    one_by_one: Sequence[Spoken]
    one_by_one_s: float

    @property
    def n_same(self) -> int:
        """Answers that were the same either way."""
        pairs = zip(self.at_once, self.one_by_one, strict=True)
        return sum(one.answer == other.answer for one, other in pairs)


def run_serving(home: Path, base: BaseModel, base_name: str, show: Show) -> Served:
    """Train sixteen layers side by side if they are not there yet, serve them, ask all of them."""
    personas = _personas(home, base, show)
    service = Service.of(home, base, base_name, log_to=io.StringIO())
    asks = [
        (name, exam_sheet(skill, N_PERSONAS)[i].prompt) for i, (name, skill) in enumerate(personas)
    ]
    with _serving(service) as url:
        for turn, name in enumerate(["warm", "at once", "one by one"]):
            show.phase("serving", turn, 3)
            began = time.perf_counter()
            if name == "one by one":
                one_by_one = [_asked(url, *ask) for ask in asks]
                one_by_one_s = time.perf_counter() - began
                continue
            with ThreadPoolExecutor(N_PERSONAS) as clients:
                at_once = list(clients.map(lambda ask: _asked(url, *ask), asks))
            at_once_s = time.perf_counter() - began
            every = [digest for one in service.names.every() for digest in one["layers"]]
            service.engine.prefixes.forget(every)
        show.phase("serving", 3, 3)
    return Served(at_once, at_once_s, one_by_one, one_by_one_s)


def _personas(home: Path, base: BaseModel, show: Show) -> list[tuple[str, str]]:
    """Name and skill of each; those that are not in the home yet are made."""
    store, library = PersonaStore(home), Library.open(home)
    skills = (curriculum(base).names * 2)[:N_PERSONAS]
    made = [(f"served-{i}-{skill}", skill) for i, skill in enumerate(skills)]
    there = store.names()
    missing = [(i, *one) for i, one in enumerate(made) if one[0] not in there]
    if not missing:
        return made
    studies, layers = [], []
    for i, _, skill in missing:
        rng = np.random.default_rng([7, i])
        drawn = unique_questions(skill_named(skill), "train", PLAN.n_rows, rng)
        questions = [drawn[j % len(drawn)] for j in range(PLAN.n_rows)]
        studies.append(base.rows(*prompts_and_answers(questions)))
        layers.append(random_layer(base.fingerprint, base.linear_shapes, RANK, 0.0, rng))
    trained = train_litter(
        base,
        layers,
        studies,
        PLAN,
        TokenMeter(),
        tick=lambda done, total: show.phase("training", done, total),
    )
    for (_, name, skill), layer in zip(missing, trained, strict=True):
        digest = library.add(layer, Manifest(name, base.fingerprint), base_model_path=base.path)
        store.save(Persona(name, base.fingerprint, (digest,), f"has seen some of {skill}"))
    return made


@contextmanager
def _serving(service: Service) -> Iterator[str]:
    """A server on a free port of this machine, while the block runs."""
    with closing(bound("127.0.0.1", 0)) as listener:
        started = threading.Event()
        server = server_of(service, started.set)
        thread = threading.Thread(target=server.run, args=([listener],), name="server")
        thread.start()
        started.wait()
        try:
            yield f"http://127.0.0.1:{listener.getsockname()[1]}/v1"
        finally:
            server.should_exit = True
            thread.join()


def _asked(url: str, persona: str, question: str) -> Spoken:
    """Ask as any client would, reading the answer as it comes."""
    body: dict[str, Any] = {
        "model": persona,
        "messages": [{"role": "user", "content": question}],
        "temperature": 0,
        "max_tokens": MAX_TOKENS,
        "stream": True,
    }
    request = urllib.request.Request(
        f"{url}/chat/completions", json.dumps(body).encode(), {"Content-Type": "application/json"}
    )
    began, first, text = time.perf_counter(), 0.0, ""
    with urllib.request.urlopen(request) as answer:
        for line in answer:
            if line.startswith(b"data: {"):
                delta = json.loads(line[6:])["choices"][0]["delta"]
                text += delta.get("content") or ""
                first = first or (time.perf_counter() - began if text else 0.0)
    return Spoken(persona, question, text, first, time.perf_counter() - began)
