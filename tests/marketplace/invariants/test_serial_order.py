"""Many writers at once do what some order of their deeds, one by one, would do (L14)."""

import multiprocessing
from dataclasses import replace
from pathlib import Path

import pytest

from marketplace.market import Market
from tests.support.proving import real
from tests.support.proving.crew import Observation, Task, observations, work
from tests.support.proving.deed import Done, Pay, Refused
from tests.support.proving.history import unexplained
from tests.support.proving.machine import START, Template, settle
from tests.support.proving.model import Model

PROCESSES = multiprocessing.get_context("forkserver")
PROCESSES.set_forkserver_preload(["tests.support.proving.crew"])


def settled(url: str, nanos_each: int = 400) -> Model:
    """A funded market at the address, and its model."""
    with Market.open(url, clock=lambda: START) as market:
        return settle(market, nanos_each)


def seen_by(url: str, folder: Path, n_processes: int, n_threads: int) -> list[Observation]:
    """Let the writers finish and collect what they saw."""
    seen, writers = [], []
    for number in range(n_processes):
        own = folder / f"writer-{number}"
        own.mkdir()
        task = Task(url, own, number, n_threads, n_deeds=25, at=START, everything=False)
        writers.append((own, PROCESSES.Process(target=work, args=(task,), daemon=True)))
    for _, process in writers:
        process.start()
    for own, process in writers:
        process.join(120)
        assert process.exitcode == 0
        seen += observations(own)
    return seen


@pytest.mark.parametrize(("n_processes", "n_threads"), [(1, 8), (4, 2)])
def test_concurrent_writers_have_a_serial_order(
    market_url: str, tmp_path: Path, n_processes: int, n_threads: int
) -> None:
    """Threads share a writer's commits, processes share the lock; every answer can be explained.

    At the end the model that did everything in the journal's order has the market's own rows.
    """
    model = settled(market_url)
    seen = seen_by(market_url, tmp_path, n_processes, n_threads)
    assert len(seen) == n_processes * n_threads * 25
    assert unexplained(model, seen, START) == []
    in_order = sorted(
        (one for one in seen if isinstance(one.outcome, Done)), key=lambda one: one.outcome.numbers
    )
    for one in in_order:
        model.do(one.deed, START)
    with Market.open(market_url, create=False) as market:
        problems = market.verify()
        assert problems == []
        with market._database.read() as session:
            assert real.differences(session, model) == []


def pay(number: int, amount: int, payer: str = "ada") -> Pay:
    """A payment to Bob."""
    return Pay(f"key-{number}", ((payer, -amount), ("bob", amount)))


def test_the_check_itself_notices_a_lost_update(tmp_path: Path) -> None:
    """A success too many, a refusal that was never right, an answer from before its cause."""
    model = Template.make(tmp_path).model  # Ada can pay 100
    last = len(model.journal)
    first = Observation(pay(1, 70), 10, 20, Done((last + 1,)))
    second = Observation(pay(2, 70), 30, 40, Done((last + 2,)))
    assert unexplained(model, [first], START) == []
    assert "InsufficientCreditsError" in unexplained(model, [first, second], START)[0]
    refused = replace(second, outcome=Refused("InsufficientCreditsError"))
    assert unexplained(model, [first, refused], START) == []
    too_early = replace(refused, asked_ns=1, answered_ns=9)
    assert "never right" in unexplained(model, [first, too_early], START)[0]
    late = Observation(pay(3, 1), 50, 60, Done((last + 1,)))
    early = Observation(pay(4, 1), 10, 20, Done((last + 2,)))
    assert "before an earlier transfer" in unexplained(model, [late, early], START)[0]
