"""Tasks go round until they are done, once each, whatever dies."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from academy.cluster.pool import PoolSettings, WorkerPool
from academy.cluster.tasks import mapping
from academy.cluster.worker import BaseSource, Task
from academy.errors import (
    ClusterFullError,
    WorkerFailedError,
    WorkerLostError,
    WorkerMismatchError,
)
from academy.evaluator import LocalEvaluator
from academy.skills.curriculum import skill_named
from tests.support.cluster import FakeRay
from tests.support.genome import tiny_base


def square(local: LocalEvaluator, number: int) -> int:
    """Costs as many tokens as the number says."""
    local.tokens.forward += number
    if number < 0:
        raise ValueError(f"{number} is negative")
    return number * number


def unknown_skill(local: LocalEvaluator, name: str) -> Any:
    return skill_named(name)


def starved(local: LocalEvaluator, number: int) -> Any:
    raise MemoryError("no room")


class Unsendable:
    """A result that stays where it is."""

    def __reduce__(self) -> Any:
        raise TypeError("it will not go through")


def unsendable(local: LocalEvaluator, number: int) -> Any:
    return Unsendable()


def tasks(*numbers: int) -> list[Task]:
    return [mapping(square, number) for number in numbers]


@pytest.fixture(scope="module")
def base(tokenizer: Any) -> Any:
    return tiny_base(tokenizer)


def pool_on(ray: FakeRay, base: Any, **changes: Any) -> WorkerPool:
    settings = {"workers": 2, "threads": 1, "retries": 2, "patience": 0.02, "alike": True}
    source = BaseSource("", "", base.fingerprint, 1 << 30, [ray.put((base.model, base.tokenizer))])
    return WorkerPool(ray, PoolSettings(**{**settings, **changes}), source, {})


@pytest.fixture(autouse=True)
def _same_threads() -> Any:
    """The fake's workers set the threads of this process, where they live."""
    threads = torch.get_num_threads()
    yield
    torch.set_num_threads(threads)


@pytest.mark.parametrize("seed", range(4))
def test_outcomes_come_in_the_order_of_the_tasks_whoever_finishes_first(
    base: Any, seed: int
) -> None:
    outcomes = pool_on(FakeRay(3, seed=seed), base, workers=3).run(tasks(*range(12)))
    assert [outcome.value for outcome in outcomes] == [n * n for n in range(12)]


@pytest.mark.parametrize("seed", range(4))
def test_a_task_whose_worker_died_is_done_again_and_counted_once(base: Any, seed: int) -> None:
    pool = pool_on(FakeRay(2, deaths=(1, 4, 5), seed=seed), base)
    outcomes = pool.run(tasks(*range(10)))
    assert [outcome.value for outcome in outcomes] == [n * n for n in range(10)]
    assert sum(outcome.forward for outcome in outcomes) == sum(range(10))
    assert pool.lost == 3


def test_one_worker_left_does_what_is_left(base: Any) -> None:
    """The dead worker's place is gone with its node: its successor waits for ever."""
    ray = FakeRay(2, deaths=(0,))
    pool = pool_on(ray, base)
    pool.wait_for_one()
    ray.free -= 1
    assert len(pool.run(tasks(*range(6)))) == 6


def test_a_task_that_kills_every_worker_is_given_up(base: Any) -> None:
    pool = pool_on(FakeRay(1, deaths=range(3)), base, workers=1)
    with pytest.raises(WorkerLostError, match=r"task 1 of 2 lost its worker 3 times .*more memory"):
        pool.run(tasks(1, 2))


def test_a_task_that_runs_out_of_memory_is_tried_elsewhere(base: Any) -> None:
    pool = pool_on(FakeRay(2), base)
    with pytest.raises(WorkerLostError, match="MemoryError: no room"):
        pool.run([mapping(starved, 0)])
    assert pool.lost == 3


@pytest.mark.parametrize("seed", range(4))
def test_an_error_of_a_task_is_not_tried_again_and_later_tasks_are_not_begun(
    base: Any, seed: int
) -> None:
    """So the tokens spent up to the error are the same in any order of finishing."""
    ray = FakeRay(2, seed=seed)
    pool = pool_on(ray, base)
    outcomes = pool.run(tasks(1, 2, 3, -4, *range(50)))
    assert [outcome.value for outcome in outcomes] == [1, 4, 9, None]
    assert sum(outcome.forward for outcome in outcomes) == 2
    with pytest.raises(ValueError, match="-4 is negative"):
        outcomes[-1].reraise()
    assert ray.runs <= 6
    assert [outcome.value for outcome in pool.run(tasks(5, 6))] == [25, 36]


def test_an_error_with_a_signature_of_its_own_comes_back_as_it_was(base: Any) -> None:
    with pytest.raises(Exception, match="there is no skill 'juggling'") as here:
        skill_named("juggling")
    outcome = pool_on(FakeRay(1), base).run([mapping(unknown_skill, "juggling")])[0]
    with pytest.raises(type(here.value)) as there:
        outcome.reraise()
    notes = vars(there.value).pop("__notes__")
    assert "in skill_named" in notes[0]  # where on the worker it happened
    assert vars(there.value) == vars(here.value)
    assert str(there.value) == str(here.value)


def test_idle_workers_that_died_cost_a_task_one_retry_not_one_each(base: Any) -> None:
    ray = FakeRay(5)
    pool = pool_on(ray, base, workers=5, retries=1)
    pool.run(tasks(*range(40)))
    pool.wait_for_all()
    for worker in pool.idle[-4:]:
        ray.kill(worker)
    assert pool.run(tasks(3))[0].value == 9
    assert pool.lost == 1


def test_without_a_processor_it_says_so_and_does_not_hang(base: Any) -> None:
    ray = FakeRay(4)
    ray.free = 1
    with pytest.raises(
        ClusterFullError, match=r"in 0.02 s \(it needs 2, the cluster has 4, free are 1\)"
    ):
        pool_on(ray, base, threads=2).wait_for_one()


def test_waiting_for_more_workers_than_there_is_room_for_ends(base: Any) -> None:
    pool = pool_on(FakeRay(2), base, workers=3, patience=1.0)
    with pytest.raises(ClusterFullError, match="it needs 1, the cluster has 2, free are 0"):
        pool.wait_for_all()
    assert pool.ready == 2
    assert len(pool.run(tasks(*range(5)))) == 5


def test_a_worker_with_another_base_is_refused(base: Any) -> None:
    ray = FakeRay(1)
    source = BaseSource(
        "", "other", base.fingerprint, 1 << 30, [ray.put((base.model, base.tokenizer))]
    )
    pool = WorkerPool(ray, PoolSettings(1, 1, 0, 1.0, True), source, {})
    with pytest.raises(WorkerMismatchError, match=f"{base.fingerprint} here: copy the same files"):
        pool.wait_for_one()


def test_a_worker_without_the_files_of_the_base_is_refused(base: Any, tmp_path: Any) -> None:
    source = BaseSource(str(tmp_path / "none"), "", base.fingerprint, 1 << 30)
    pool = WorkerPool(FakeRay(1), PoolSettings(1, 1, 0, 1.0, True), source, {})
    with pytest.raises(WorkerMismatchError, match=r"cannot read the base at .*ship_base=True"):
        pool.wait_for_one()


def test_other_arithmetic_is_refused_unless_allowed(base: Any, monkeypatch: Any) -> None:
    monkeypatch.setattr("academy.cluster.worker.arithmetic", lambda: "torch 1.0, DEFAULT")
    with pytest.raises(WorkerMismatchError, match=r"computes with torch 1.0.*alike=False"):
        pool_on(FakeRay(1), base).wait_for_one()
    assert pool_on(FakeRay(1), base, alike=False).run(tasks(2))[0].value == 4


def test_a_late_worker_that_does_not_fit_is_turned_away_and_the_run_goes_on(
    base: Any, monkeypatch: Any, caplog: Any
) -> None:
    pool = pool_on(FakeRay(2), base)
    pool.wait_for_one()
    monkeypatch.setattr("academy.cluster.worker.arithmetic", lambda: "torch 1.0, DEFAULT")
    assert len(pool.run(tasks(*range(20)))) == 20
    assert len(pool.refused) == 1
    assert "turned away" in caplog.text
    assert len(pool.run(tasks(*range(20)))) == 20
    assert len(pool.refused) == 1


def test_what_cannot_be_sent_is_refused_in_one_line(base: Any) -> None:
    """Neither a task nor a result; the pool can be used afterwards."""
    pool = pool_on(FakeRay(1), base)
    for task in (mapping(square, lambda: 0), mapping(unsendable, 0)):
        with pytest.raises(WorkerFailedError, match="pass only what can be pickled") as refused:
            pool.run([task])
        assert "\n" not in str(refused.value)
        assert pool.run(tasks(3))[0].value == 9
