"""Workers give the scores, layers and costs of one process, to the bit, whatever dies."""

from __future__ import annotations

import itertools
import os
import sys
import threading
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
import torch

from academy import evaluator as evaluator_module
from academy.challenge import Challenge, prompts_and_answers
from academy.cluster.cluster import PRIVATE, connect
from academy.cluster.ray_evaluator import RayEvaluator, RaySettings
from academy.cluster.tasks import Litter, train_litters
from academy.errors import (
    ClusterFullError,
    ClusterMissingError,
    ClusterSettingsError,
    ClusterUnreachableError,
)
from academy.evaluator import LocalEvaluator
from academy.exam import general_sheet
from academy.skills.curriculum import skill_named
from academy.skills.letters import SKILL_NAMES
from academy.skills.skill import unique_questions
from academy.training import StudyPlan
from genome.base_model import BaseModel
from genome.errors import GenomeError
from genome.genome import Genome
from genome.layer import Factors, Layer
from tests.support.cluster import FakeRay
from tests.support.genome import random_layer, tiny_base

pytestmark = pytest.mark.xdist_group("ray")  # one cluster at a time
THREADS = 1
PLAN = StudyPlan(steps=2, rows_per_step=4, learning_rate=0.005, pull=0.1)


@pytest.fixture(autouse=True)
def _threads() -> Iterator[None]:
    """Bits depend on the number of threads: one here, one in every worker."""
    before = torch.get_num_threads()
    torch.set_num_threads(THREADS)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="module")
def tiny(tokenizer: Any) -> BaseModel:
    return tiny_base(tokenizer)


def genomes_on(base: BaseModel, n: int) -> list[Genome]:
    """The base alone, single layers of ranks 2 to 4, and stacks of two; n is even."""
    layers = [
        random_layer(base.model, base.fingerprint, rank=2 + s % 3, scale=0.03, seed=s)
        for s in range(n // 2)
    ]
    stacks = [Genome(base.fingerprint, pair, (0.7, 1.0)) for pair in itertools.pairwise(layers)]
    return [Genome(base.fingerprint), *map(Genome.of, layers), *stacks]


def litters_on(base: BaseModel, n: int) -> list[Litter]:
    """Litters of two with rates of their own, every other one on a layer that is not trained."""
    litters = []
    for seed in range(n):
        rng = np.random.default_rng(seed)
        layers = [
            random_layer(base.model, base.fingerprint, scale=0.02, seed=10 * seed + k)
            for k in range(2)
        ]
        drawn = [
            unique_questions(skill_named(skill), "train", PLAN.n_rows, rng)
            for skill in ("case", "sort")
        ]
        studies = [base.rows(*prompts_and_answers(questions)) for questions in drawn]
        below = None
        if seed % 2:
            below = [Genome.of(random_layer(base.model, base.fingerprint, scale=0.02, seed=99))] * 2
        litters.append(Litter(layers, studies, PLAN, [0.005, 0.001], below))
    return litters


def generation(evaluator: Any, base: BaseModel, n: int, sheet: list[Challenge]) -> list[Any]:
    """Score, train, score again: everything that came out, and what it cost."""
    genomes, litters = genomes_on(base, n), litters_on(base, 3)
    found: list[Any] = [evaluator.scores(genomes, sheet).tobytes()]
    found.append(evaluator.losses(genomes, sheet).tobytes())
    trained = train_litters(evaluator, litters)
    found.append([layer.digest for litter in trained for layer in litter])
    children = [Genome.of(layer) for litter in trained for layer in litter]
    lists = [list(reversed(sheet)) if i % 2 else sheet for i in range(len(children))]
    found.append(evaluator.scores_each(children, lists).tobytes())
    return [*found, evaluator.tokens.forward, evaluator.tokens.backward, evaluator.failures]


def faked(monkeypatch: Any, fake: FakeRay) -> FakeRay:
    monkeypatch.setattr("academy.cluster.ray_evaluator.connect", lambda *_, **__: fake.connection())
    return fake


@pytest.mark.parametrize("seed", range(3))
def test_in_any_order_and_with_deaths_all_is_as_in_one_process(
    tiny: BaseModel, monkeypatch: Any, seed: int
) -> None:
    """Three workers, a death while scoring, one while measuring losses, one while training."""
    monkeypatch.setattr(evaluator_module, "BATCH_ROWS", 25)
    sheet = general_sheet(SKILL_NAMES, 1, "audit")
    faked(monkeypatch, FakeRay(3, deaths=(1, 5, 10), seed=seed))
    wanted = generation(LocalEvaluator(tiny), tiny, 8, sheet)
    with RayEvaluator(tiny, RaySettings(workers=3, threads=THREADS)) as evaluator:
        assert generation(evaluator, tiny, 8, sheet) == wanted
        assert evaluator.lost == 3


def test_one_litter_trains_as_in_one_process(tiny: BaseModel, monkeypatch: Any) -> None:
    faked(monkeypatch, FakeRay(1))
    litter = litters_on(tiny, 1)[0]
    local = LocalEvaluator(tiny).train(litter.layers, litter.studies, litter.plan)
    with RayEvaluator(tiny) as evaluator:
        trained = evaluator.train(litter.layers, litter.studies, litter.plan)
    assert [layer.digest for layer in trained] == [layer.digest for layer in local]


def test_nothing_to_do_needs_no_worker(tiny: BaseModel, monkeypatch: Any) -> None:
    fake = faked(monkeypatch, FakeRay(1))
    with RayEvaluator(tiny) as evaluator:
        assert evaluator.scores([], general_sheet(SKILL_NAMES, 1, "audit")).shape == (0, 0)
        assert evaluator.scores([Genome(tiny.fingerprint)], []).shape == (1, 0)
        assert evaluator.train_all([]) == []
    assert fake.runs == 0


def test_an_error_comes_back_as_itself_and_costs_what_was_spent(
    tiny: BaseModel, monkeypatch: Any
) -> None:
    """A layer of the wrong size in the third genome: two batches are charged, as in one process."""
    fake = faked(monkeypatch, FakeRay(2))
    sheet = general_sheet(SKILL_NAMES, 1, "audit")
    monkeypatch.setattr(evaluator_module, "BATCH_ROWS", len(sheet))
    module = next(iter(tiny.linear_shapes))
    wrong = Layer(tiny.fingerprint, {module: Factors(torch.ones(1, 3), torch.ones(3, 1))})
    genomes = [*genomes_on(tiny, 2), Genome.of(wrong), *genomes_on(tiny, 4)]
    local = LocalEvaluator(tiny)
    with pytest.raises(GenomeError) as here:
        local.scores(genomes, sheet)
    with RayEvaluator(tiny, RaySettings(workers=2)) as evaluator:
        with pytest.raises(type(here.value)) as there:
            evaluator.scores(genomes, sheet)
        with pytest.raises(GenomeError):
            evaluator.check(genomes[2])
        assert str(there.value) == str(here.value)
        assert evaluator.tokens == local.tokens
        assert evaluator.lost == 0
    assert fake.runs < len(genomes)


def test_a_closed_evaluator_says_so(tiny: BaseModel, monkeypatch: Any) -> None:
    faked(monkeypatch, FakeRay(1))
    evaluator = RayEvaluator(tiny)
    evaluator.close()
    with pytest.raises(ClusterSettingsError, match="is closed"):
        evaluator.scores([Genome(tiny.fingerprint)], general_sheet(SKILL_NAMES, 1, "audit"))


def test_without_ray_the_extra_is_named(monkeypatch: Any) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(ClusterMissingError, match=r'pip install "continuum-personas\[ray\]"'):
        connect("local", 1)


@pytest.mark.parametrize(
    "change", [{"workers": -1}, {"threads": -1}, {"patience": 0.0}, {"store_bytes": 10}]
)
def test_settings_that_cannot_work_are_refused(change: dict[str, Any]) -> None:
    with pytest.raises(ClusterSettingsError, match=f"{next(iter(change))} must be .* or more"):
        RaySettings(**change)


def test_importing_the_evaluator_does_not_import_ray() -> None:
    import subprocess

    code = "import academy.cluster.ray_evaluator, sys; sys.exit('ray' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


@pytest.fixture
def private(monkeypatch: Any) -> None:
    """Nothing on the network, no statistics; set before Ray is first imported."""
    for name, value in PRIVATE.items():
        monkeypatch.setenv(name, value)
    pytest.importorskip("ray")


@pytest.mark.slow
@pytest.mark.parametrize("ship", [False, True])
def test_a_cluster_started_here_agrees_with_one_process_and_goes_away(
    embedded: BaseModel, private: None, ship: bool
) -> None:
    """Two real worker processes, the base from its path or through the object store."""
    import ray

    sheet = general_sheet(SKILL_NAMES, 2, "audit")
    wanted = generation(LocalEvaluator(embedded), embedded, 16, sheet)
    settings = RaySettings("local", workers=2, threads=THREADS, ship_base=ship)
    with RayEvaluator(embedded, settings) as evaluator:
        assert generation(evaluator, embedded, 16, sheet) == wanted
        pids = evaluator.map(lambda local, _: (os.getpid(), torch.get_num_threads()), range(4))
        assert os.getpid() not in {pid for pid, _ in pids}
        assert {threads for _, threads in pids} == {THREADS}
    assert not ray.is_initialized()


@pytest.fixture
def two_nodes(private: None) -> Iterator[Any]:
    """A cluster of two one-processor nodes on this machine, and the second of them."""
    from ray.cluster_utils import Cluster

    node = {"num_cpus": 1, "object_store_memory": 100 * 2**20, "node_ip_address": "127.0.0.1"}
    cluster = Cluster(initialize_head=True, head_node_args={**node, "include_dashboard": False})
    try:
        yield cluster, cluster.add_node(**node)
    finally:
        cluster.shutdown()


@pytest.mark.slow
def test_a_node_killed_in_mid_generation_changes_nothing(
    embedded: BaseModel, two_nodes: Any, monkeypatch: Any, capsys: Any
) -> None:
    """The node goes while its worker has a batch; the rest is done on the other, bit for bit.

    Ray's own notice of it stays off standard output, where a summary for programs would be.
    """
    cluster, node = two_nodes
    monkeypatch.setattr(evaluator_module, "BATCH_ROWS", 72)
    sheet = general_sheet(SKILL_NAMES, 2, "audit")
    wanted = generation(LocalEvaluator(embedded), embedded, 40, sheet)
    with RayEvaluator(embedded, RaySettings(cluster.address, threads=THREADS)) as evaluator:
        evaluator.wait_for_all()
        assert evaluator.ready == 2
        killer = threading.Timer(0.3, lambda: cluster.remove_node(node, allow_graceful=False))
        killer.start()
        found = generation(evaluator, embedded, 40, sheet)
        killer.join()
        assert evaluator.lost == 1
    assert found == wanted
    assert "Raylet" not in capsys.readouterr().out


@pytest.mark.slow
def test_a_cluster_that_is_full_is_said_to_be_and_left_running(
    embedded: BaseModel, two_nodes: Any
) -> None:
    """Both processors belong to somebody else's job; ours gives up, theirs goes on."""
    import ray

    cluster, _ = two_nodes
    ray.init(cluster.address, log_to_driver=False)
    try:

        class Tenant:
            def here(self) -> bool:
                return True

        tenants = [ray.remote(num_cpus=1)(Tenant).remote() for _ in range(2)]
        assert all(ray.get([tenant.here.remote() for tenant in tenants]))
        with pytest.raises(ClusterFullError, match=r"the cluster has 2, free are 0\)"):
            RayEvaluator(embedded, RaySettings(threads=THREADS, patience=1.5))
        assert ray.is_initialized()
        assert all(ray.get([tenant.here.remote() for tenant in tenants]))
    finally:
        ray.shutdown()


@pytest.mark.slow
def test_nobody_at_the_address_is_one_line(private: None) -> None:
    with pytest.raises(ClusterUnreachableError, match="no Ray cluster answers at") as refused:
        connect("127.0.0.1:1", 1)
    assert "\n" not in str(refused.value)
