"""Layers page in and out within their budgets, and never from under a running generation."""

from __future__ import annotations

import random
import threading
import time

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from genome.errors import GenomeError, LayerNotFoundError, PagerError, PagerFull
from genome.genome import Genome
from genome.layer import Layer
from genome.pager import BASE, GenomeRef, Pager, PagerLimits, paged_rows
from genome.population import PopulationModel
from tests.support.genome import random_layer, tiny_llama

MODEL = tiny_llama().requires_grad_(False)
LAYERS = {str(i): random_layer(MODEL, seed=i, rank=2 + i % 3) for i in range(12)}
REFS = [GenomeRef.of(name) for name in LAYERS]
MODULE = "model.layers.1.mlp.down_proj"
IDS = torch.randint(0, 256, (4, 7), generator=torch.Generator().manual_seed(0))


class Disk:
    """Cold storage that counts how often it is read, and can be slow or broken."""

    def __init__(self, seconds: float = 0.0) -> None:
        self.reads: list[str] = []
        self.seconds = seconds

    def __call__(self, digest: str) -> Layer:
        self.reads.append(digest)
        time.sleep(self.seconds)
        if digest not in LAYERS:
            raise LayerNotFoundError(f"there is no layer {digest!r}")
        return LAYERS[digest]


def pager(slots: int = 3, *, warm: int = 5, disk: Disk | None = None, rank: int = 4) -> Pager:
    """Room for some slots, and for `warm` of the largest layers in memory."""
    population = PopulationModel(MODEL)
    slot = population.reserve(1, rank)
    largest = max(layer.n_bytes for layer in LAYERS.values())
    limits = PagerLimits(hot_bytes=slots * slot, warm_bytes=warm * largest, rank=rank)
    return Pager(population, disk or Disk(), "tiny", limits)


def holds(one: Pager, slot: int, ref: GenomeRef) -> bool:
    """The slot's numbers are the layer's."""
    a, b = LAYERS[ref.layers[0]].factors[MODULE]
    found = one.population.factors(MODULE, slot, len(a))
    return torch.equal(found.a, a) and torch.equal(found.b, b)


def test_rows_run_the_genomes_they_lease() -> None:
    """The base among them, and a genome of two weighted layers."""
    both = GenomeRef(("0", "3"), (0.5, -1.0))
    refs = [REFS[1], BASE, both, REFS[1]]
    one = pager()
    with torch.no_grad(), paged_rows(one, refs):
        found = MODEL(input_ids=IDS).logits
    population = PopulationModel(MODEL)
    population.load(
        [
            Genome.of(LAYERS["1"]),
            Genome("tiny"),
            Genome("tiny", (LAYERS["0"], LAYERS["3"]), both.weights),
        ]
    )
    with torch.no_grad(), population.rows([0, 1, 2, 0]):
        wanted = MODEL(input_ids=IDS).logits
    torch.testing.assert_close(found, wanted, atol=1e-5, rtol=0)


def test_the_longest_unused_goes_first_and_comes_back_from_memory() -> None:
    disk = Disk()
    one = pager(2, disk=disk)
    for name in (0, 1, 0, 2):  # 1 is the longest unused when 2 comes
        one.lease([REFS[name]]).release()
    assert disk.reads == ["0", "1", "2"]
    with one.lease([REFS[0], REFS[2]]):
        assert one.stats().hot_hits == 3  # 0 twice, 2
    one.lease([REFS[1]]).release()
    assert disk.reads == ["0", "1", "2"]
    stats = one.stats()
    assert (stats.loads, stats.warm_hits, stats.hot_evictions) == (3, 1, 2)
    assert {"hot", "warm", "cold"} == set(stats.times)


def test_memory_keeps_to_its_budget() -> None:
    one = pager(2, warm=3)
    for ref in REFS:
        one.lease([ref]).release()
        stats = one.stats()
        assert stats.warm_bytes <= one.limits.warm_bytes
        assert stats.hot_bytes <= one.limits.hot_bytes
    assert one.stats().warm_evictions > 0
    none = pager(2, warm=0)
    none.lease([REFS[0]]).release()
    assert none.stats().warm == 0


def test_leased_and_pinned_genomes_are_never_evicted() -> None:
    one = pager(3)
    one.pin(REFS[0])
    lease = one.lease([REFS[1], REFS[2]])
    assert not one.evict(REFS[0])
    assert not one.evict(REFS[1])
    with pytest.raises(
        PagerFull, match="3 slots, of which 2 are leased and 1 pinned: release some"
    ):
        one.lease([REFS[3]])
    assert holds(one, lease.slots[0], REFS[1])
    lease.release()
    lease.release()  # harmless
    assert one.evict(REFS[1])
    one.lease([REFS[3], REFS[4]]).release()
    with pytest.raises(PagerFull):
        one.lease(REFS[5:8])  # the pin takes one of three
    one.unpin(REFS[0])
    one.lease(REFS[5:8]).release()


def test_a_full_pager_waits_as_long_as_it_is_told() -> None:
    one = pager(1)
    held = one.lease([REFS[0]])
    started = time.perf_counter()
    with pytest.raises(PagerFull):
        one.lease([REFS[1]], wait_s=0.05)
    assert time.perf_counter() - started >= 0.05
    threading.Timer(0.05, held.release).start()
    with one.lease([REFS[1]], wait_s=5) as lease:
        assert holds(one, lease.slots[0], REFS[1])
    assert one.stats().waits >= 2


def test_more_genomes_than_slots_are_refused_at_once() -> None:
    one = pager(2)
    with pytest.raises(PagerFull, match="3 genomes were asked for, the pager has 2 slots"):
        one.lease(REFS[:3], wait_s=60)


def test_askers_of_one_layer_share_one_read() -> None:
    disk = Disk(0.05)
    one = pager(disk=disk)
    threads = [threading.Thread(target=lambda: one.lease([REFS[0]]).release()) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert disk.reads == ["0"]


def test_prefetch_reads_into_memory_and_counts_failures() -> None:
    disk = Disk()
    one = pager(disk=disk)
    one.prefetch([REFS[0], REFS[1], REFS[0], GenomeRef.of("gone")]).result(timeout=5)
    assert disk.reads == ["0", "1", "gone"]
    one.lease([REFS[0], REFS[1]]).release()
    stats = one.stats()
    assert (stats.loads, stats.warm_hits, stats.failed_prefetches) == (2, 2, 1)
    one.close()


def test_a_layer_that_fails_leaves_everything_as_it_was() -> None:
    """Missing, for another base, or of too high a rank: an error, and no slot is lost."""
    one = pager(2, rank=3)
    held = one.lease([REFS[0]])
    foreign = random_layer(MODEL, "another base")
    LAYERS["foreign"] = foreign
    try:
        for name in ("gone", "foreign", "2"):  # layer 2 has rank 4
            with pytest.raises(GenomeError):
                one.lease([REFS[0], GenomeRef.of(name)])
    finally:
        del LAYERS["foreign"]
    stats = one.stats()
    assert (stats.hot, stats.leased) == (1, 1)
    assert holds(one, held.slots[0], REFS[0])
    with one.lease([REFS[1]]) as lease:
        assert holds(one, lease.slots[0], REFS[1])


def test_a_budget_for_no_slot_is_refused() -> None:
    with pytest.raises(PagerError, match="raise hot_bytes or lower the rank"):
        Pager(PopulationModel(MODEL), Disk(), "tiny", PagerLimits(10, 10))


@settings(max_examples=12, deadline=None)
@given(
    slots=st.integers(1, 5),
    warm=st.integers(0, 4),
    seed=st.integers(0, 10_000),
    n_threads=st.integers(2, 5),
)
def test_threads_leasing_at_random_always_find_their_own_genome(
    slots: int, warm: int, seed: int, n_threads: int
) -> None:
    """Leased slots hold what was asked for from start to end; nothing leaks afterwards."""
    one = pager(slots, warm=warm, disk=Disk(0.0002))
    problems: list[str] = []

    def work(number: int) -> None:
        rng = random.Random(seed * 10 + number)
        for _ in range(25):
            refs = rng.choices(REFS, k=rng.randint(1, 3))
            action = rng.random()
            if action < 0.1:
                one.evict(refs[0])
                continue
            if action < 0.2:
                one.prefetch(refs)
                continue
            try:
                lease = one.lease(refs, wait_s=rng.choice([0.0, 0.02]))
            except PagerFull:
                continue
            with lease:
                for _ in range(2):
                    problems.extend(
                        f"{ref} not in {slot}"
                        for ref, slot in zip(refs, lease.slots, strict=True)
                        if not holds(one, slot, ref)
                    )
                    time.sleep(rng.random() * 0.001)

    threads = [threading.Thread(target=work, args=(i,)) for i in range(n_threads)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=60)
        assert not thread.is_alive()
    one.close()
    stats = one.stats()
    assert not problems
    assert stats.leased == 0
    assert stats.hot <= slots
    assert stats.warm_bytes <= one.limits.warm_bytes
    if slots >= 3:
        one.lease(REFS[:3]).release()
