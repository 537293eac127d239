"""DEAP's toolbox holds the operators, and the engine reaches them through it alone."""

from __future__ import annotations

from typing import Any

import pytest

from academy.evolution.config import RunConfig
from academy.evolution.events import Event
from academy.evolution.run import evolve
from academy.evolution.toolbox import toolbox_of
from genome.base_model import BaseModel
from tests.support.academy import small_run
from tests.support.genome import tiny_base

OPERATORS = (
    "select",
    "attract",
    "mate",
    "mutate",
    "study",
    "tune",
    "evaluate",
    "survive",
    "migrate",
)


@pytest.fixture
def base(tokenizer: Any) -> BaseModel:
    return tiny_base(tokenizer)


def everything_happens() -> RunConfig:
    return small_run(islands={"count": 2, "interval": 1}, run={"tokens": 90_000})


class RefusedError(Exception):
    """What a refusing operator raises."""


@pytest.mark.parametrize("name", OPERATORS)
def test_a_refusing_operator_ends_the_run(base: BaseModel, name: str) -> None:
    """None can be passed by."""

    def refuse(*_: Any, **__: Any) -> None:
        raise RefusedError

    config = everything_happens()
    toolbox = toolbox_of(config)
    toolbox.register(name, refuse)
    with pytest.raises(RefusedError):
        evolve(config, base=base, toolbox=toolbox)


def test_every_child_was_selected_for_made_and_evaluated_by_the_toolbox(base: BaseModel) -> None:
    """And looking on changes nothing: the run is the one without decorations."""
    calls: dict[str, list[tuple[Any, ...]]] = {name: [] for name in OPERATORS}

    def counted(name: str) -> Any:
        def decorate(operator: Any) -> Any:
            def call(*args: Any, **options: Any) -> Any:
                calls[name].append(args)
                return operator(*args, **options)

            return call

        return decorate

    config, heard = everything_happens(), list[Event]()
    toolbox = toolbox_of(config)
    for name in OPERATORS:
        toolbox.decorate(name, counted(name))
    run = evolve(config, base=base, toolbox=toolbox, observer=heard.append).run
    born = {e.plain()["candidate"] for e in heard if type(e).__name__ == "Born"}
    evaluated = {c.id for _, _, candidates in calls["evaluate"] for c in candidates}
    studied = {c.candidate.id for _, _, children in calls["study"] for c in children}
    assert born and born <= evaluated and born <= studied
    assert len(born) <= len(calls["select"]) == len(calls["attract"])
    assert len(born) <= len(calls["mate"]) + len(calls["mutate"])
    assert run.plain() == evolve(config, base=base).run.plain()


def test_the_configuration_fills_the_operators_in() -> None:
    toolbox = toolbox_of(small_run(selection={"parents": "tournament", "survival": "nsga3"}))
    assert toolbox.select.keywords == {"rule": "tournament"}
    assert toolbox.survive.keywords == {"rule": "nsga3"}
