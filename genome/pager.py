"""Layers paged like memory: hot in a slot of the population, warm in memory, cold on disk.

More genomes can be used than fit at once, within fixed byte budgets. Whoever generates holds a
lease on the slots it runs; a leased or pinned slot is never given to another genome, so nothing
is swapped inside a generation. The longest unused of the others goes first.

What a pager counts, for screens and benchmarks.
"""

from __future__ import annotations

import threading
import time
from collections import Counter, OrderedDict, deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from types import TracebackType

import numpy as np

from genome.errors import PagerError, PagerFull
from genome.genome import Genome
from genome.layer import Factors, Layer
from genome.population import PopulationModel


@dataclass(frozen=True, slots=True)
class PagerLimits:
    """Budgets of a pager."""

    hot_bytes: int
    """For slots stacked on the model's device; one more slot stands for the base alone."""
    warm_bytes: int
    """For layers kept in memory besides."""
    rank: int = 8
    """Room of a slot: ranks of a genome's layers together, at any module."""
    modules: Sequence[str] | None = None
    """Paths of the maps that genomes may change; None = all but the output head."""


@dataclass(frozen=True, slots=True)
class GenomeRef:
    """A genome by the digests of its layers; without layers it is the base alone."""

    layers: tuple[str, ...] = ()
    weights: tuple[float, ...] = ()

    @classmethod
    def of(cls, digest: str) -> GenomeRef:
        """One layer at full weight."""
        return cls((digest,), (1.0,))


BASE = GenomeRef()


class Pager:
    """Keeps a population's slots filled with the genomes that are asked for.

    Thread-safe. The population is the pager's from now on: nobody else may load into it.
    """

    def __init__(
        self,
        population: PopulationModel,
        fetch: Callable[[str], Layer],
        base_model: str,
        limits: PagerLimits,
    ) -> None:
        """
        Args:
            fetch: Reads a layer by digest from cold storage, such as `Library.get`.
            base_model: Fingerprint of the population's model.

        Raises:
            PagerError: The hot budget does not hold a single slot.
        """
        self.population = population
        self.limits = limits
        self._fetch = fetch
        self._base_model = base_model
        self.slot_bytes = population.reserve(1, limits.rank, limits.modules)
        self.n_slots = limits.hot_bytes // self.slot_bytes
        if self.n_slots < 1:
            raise PagerError(
                f"a slot of rank {limits.rank} takes {self.slot_bytes} bytes, the hot budget is "
                f"{limits.hot_bytes}: raise hot_bytes or lower the rank"
            )
        population.reserve(self.n_slots + 1, limits.rank, limits.modules)
        self._changed = threading.Condition()
        self._free = list(range(self.n_slots, 0, -1))  # slot 0 is the base's for ever
        self._hot: OrderedDict[GenomeRef, int] = OrderedDict()
        self._leases: Counter[GenomeRef] = Counter()
        self._pins: set[GenomeRef] = set()
        self._warm: OrderedDict[str, Layer] = OrderedDict()
        self._warm_bytes = 0
        self._arriving: dict[str, Future[Layer]] = {}
        self._tally = Tally()
        self._worker = ThreadPoolExecutor(max_workers=1, thread_name_prefix="pager")

    # -- leases ----------------------------------------------------------------------------

    def lease(self, refs: Sequence[GenomeRef], *, wait_s: float = 0.0) -> Lease:
        """Bring genomes into slots and hold them there until the lease is released.

        Args:
            wait_s: How long to wait for other leases to end if there is no room.

        Raises:
            PagerFull: There is no room, or still none after `wait_s`; nothing is held.
            GenomeError: A layer does not exist, is damaged, or does not fit a slot.
        """
        started = time.perf_counter()
        wanted = [ref for ref in dict.fromkeys(refs) if ref.layers]
        if len(wanted) > self.n_slots:
            raise self._full(wanted)
        slowest = self._hold(wanted, started + wait_s)
        self._tally.took(slowest, time.perf_counter() - started)
        with self._changed:
            slots = [self._hot[ref] if ref.layers else 0 for ref in refs]
        return Lease(self, wanted, slots)

    def _hold(self, wanted: Sequence[GenomeRef], deadline: float) -> str:
        """Lease all of them or none; returns the slowest tier that was needed."""
        layers: dict[str, Layer] = {}
        slowest = "hot"
        while True:
            with self._changed:
                missing = [ref for ref in wanted if ref not in self._hot]
                absent = {d for ref in missing for d in ref.layers if d not in layers}
                if not absent and self._make_room(wanted, missing, deadline):
                    for ref in missing:
                        self._fill(ref, layers)
                    for ref in wanted:
                        self._hot.move_to_end(ref)
                        self._leases[ref] += 1
                    self._tally.hot_hits += len(wanted) - len(missing)
                    return slowest
            for digest in sorted(absent):
                layers[digest], tier = self._in_memory(digest)
                slowest = "cold" if "cold" in (tier, slowest) else "warm"

    def _make_room(
        self, wanted: Sequence[GenomeRef], missing: Sequence[GenomeRef], deadline: float
    ) -> bool:
        """Free enough slots, waiting once if need be; False means: look again."""
        idle = [ref for ref in self._hot if self._is_idle(ref) and ref not in wanted]
        if len(missing) > len(self._free) + len(idle):
            remaining = deadline - time.perf_counter()
            if remaining <= 0:
                self._tally.refusals += 1
                raise self._full(wanted)
            self._tally.waits += 1
            self._changed.wait(remaining)
            return False
        for ref in idle[: max(0, len(missing) - len(self._free))]:
            self._drop(ref)
        return True

    def _fill(self, ref: GenomeRef, layers: dict[str, Layer]) -> None:
        slot = self._free.pop()
        try:
            chosen = tuple(layers[digest].bound_to(self._base_model) for digest in ref.layers)
            self.population.put(slot, Genome(self._base_model, chosen, ref.weights))
        except BaseException:
            self._free.append(slot)
            raise
        self._hot[ref] = slot

    def _release(self, refs: Sequence[GenomeRef]) -> None:
        with self._changed:
            for ref in refs:
                self._leases[ref] -= 1
                if not self._leases[ref]:
                    del self._leases[ref]
            self._changed.notify_all()

    def _is_idle(self, ref: GenomeRef) -> bool:
        return ref not in self._leases and ref not in self._pins

    def _drop(self, ref: GenomeRef) -> None:
        self._free.append(self._hot.pop(ref))
        self._tally.hot_evictions += 1

    def _full(self, wanted: Sequence[GenomeRef]) -> PagerFull:
        return PagerFull(len(wanted), self.n_slots, len(self._leases), len(self._pins))

    # -- pins and evictions ----------------------------------------------------------------

    def pin(self, ref: GenomeRef, *, wait_s: float = 0.0) -> None:
        """Keep a genome hot until `unpin`, used or not."""
        with self.lease([ref], wait_s=wait_s), self._changed:
            self._pins.add(ref)

    def unpin(self, ref: GenomeRef) -> None:
        """Let a pinned genome be evicted again; one that is not pinned is left alone."""
        with self._changed:
            self._pins.discard(ref)
            self._changed.notify_all()

    def evict(self, ref: GenomeRef) -> bool:
        """Free a genome's slot now; False if it is leased, pinned or not hot."""
        with self._changed:
            if ref not in self._hot or not self._is_idle(ref):
                return False
            self._drop(ref)
            self._changed.notify_all()
            return True

    def refs(self) -> list[GenomeRef]:
        """All that are hot, the longest unused first."""
        with self._changed:
            return list(self._hot)

    # -- memory ----------------------------------------------------------------------------

    def prefetch(self, refs: Sequence[GenomeRef]) -> Future[None]:
        """Read layers into memory in the background; a failure is counted, and met on use."""
        return self._worker.submit(self._prefetch, [d for ref in refs for d in ref.layers])

    def _prefetch(self, digests: Sequence[str]) -> None:
        for digest in dict.fromkeys(digests):
            try:
                self._in_memory(digest)
            except Exception:  # whoever leases it will see the error itself
                with self._changed:
                    self._tally.failed_prefetches += 1

    def _in_memory(self, digest: str) -> tuple[Layer, str]:
        """A layer and the tier it came from; several askers share one read."""
        with self._changed:
            if digest in self._warm:
                self._warm.move_to_end(digest)
                self._tally.warm_hits += 1
                return self._warm[digest], "warm"
            arriving = self._arriving.get(digest)
            mine = arriving is None
            if arriving is None:
                arriving = self._arriving[digest] = Future()
        if not mine:
            return arriving.result(), "cold"
        try:
            layer = _in_slot_order(self._fetch(digest))
        except BaseException as error:
            with self._changed:
                del self._arriving[digest]
            arriving.set_exception(error)
            raise
        with self._changed:
            del self._arriving[digest]
            self._tally.loads += 1
            self._keep(digest, layer)
        arriving.set_result(layer)
        return layer, "cold"

    def _keep(self, digest: str, layer: Layer) -> None:
        """Into memory, the longest unused out of it; too large a layer is not kept."""
        size = layer.n_bytes
        if size > self.limits.warm_bytes:
            return
        while self._warm_bytes + size > self.limits.warm_bytes:
            _, gone = self._warm.popitem(last=False)
            self._warm_bytes -= gone.n_bytes
            self._tally.warm_evictions += 1
        self._warm[digest] = layer
        self._warm_bytes += size

    # -- what a screen shows ---------------------------------------------------------------

    def stats(self) -> PagerStats:
        """Occupancy, counters and load times so far."""
        with self._changed:
            return self._tally.stats(
                slots=self.n_slots,
                hot=len(self._hot),
                leased=len(self._leases),
                pinned=len(self._pins),
                hot_bytes=len(self._hot) * self.slot_bytes,
                warm=len(self._warm),
                warm_bytes=self._warm_bytes,
            )

    def close(self) -> None:
        """Stop the background reader."""
        self._worker.shutdown(wait=True, cancel_futures=True)


def _in_slot_order(layer: Layer) -> Layer:
    """The same layer with its numbers in memory as a slot has them: (in, rank) and (rank, out)."""
    return Layer(
        layer.base_model,
        {m: Factors(a.T.contiguous().T, b.T.contiguous().T) for m, (a, b) in layer.factors.items()},
    )


class Lease:
    """Genomes held in their slots; release it, or use it in a `with` block."""

    def __init__(self, pager: Pager, refs: Sequence[GenomeRef], slots: list[int]) -> None:
        self.slots = slots
        """Slot of every genome asked for, in that order; give them to `PopulationModel.rows`."""
        self._pager = pager
        self._refs: Sequence[GenomeRef] = refs

    def release(self) -> None:
        """Let the genomes be evicted again; a second release does nothing."""
        refs, self._refs = self._refs, ()
        self._pager._release(refs)

    def __enter__(self) -> Lease:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        at: TracebackType | None,
    ) -> None:
        self.release()


@contextmanager
def paged_rows(pager: Pager, refs: Sequence[GenomeRef], *, wait_s: float = 0.0) -> Iterator[None]:
    """Within: row i of every batch runs genome `refs[i]`, held in its slot meanwhile."""
    with pager.lease(refs, wait_s=wait_s) as lease, pager.population.rows(lease.slots):
        yield


REMEMBERED = 1000
"""Load times kept a tier."""


@dataclass(frozen=True, slots=True)
class LoadTime:
    """How long leases took whose slowest genome came from one tier."""

    n: int
    p50_ms: float
    p99_ms: float


@dataclass(frozen=True, slots=True)
class PagerStats:
    """A pager at one moment; counters run from its start."""

    slots: int
    hot: int
    leased: int
    pinned: int
    hot_bytes: int
    warm: int
    warm_bytes: int
    hot_hits: int
    warm_hits: int
    loads: int
    """Reads from cold storage."""
    hot_evictions: int
    warm_evictions: int
    waits: int
    refusals: int
    failed_prefetches: int
    times: Mapping[str, LoadTime]
    """By tier: hot, warm, cold."""


@dataclass(slots=True)
class Tally:
    """Counters while they run."""

    hot_hits: int = 0
    warm_hits: int = 0
    loads: int = 0
    hot_evictions: int = 0
    warm_evictions: int = 0
    waits: int = 0
    refusals: int = 0
    failed_prefetches: int = 0
    seconds: dict[str, deque[float]] = field(default_factory=dict)

    def took(self, tier: str, seconds: float) -> None:
        """Note one lease's time."""
        self.seconds.setdefault(tier, deque(maxlen=REMEMBERED)).append(seconds)

    def stats(self, **occupancy: int) -> PagerStats:
        """Everything counted so far, with the occupancy given."""
        times = {
            tier: LoadTime(
                len(kept),
                float(np.percentile(kept, 50)) * 1e3,
                float(np.percentile(kept, 99)) * 1e3,
            )
            for tier, kept in self.seconds.items()
        }
        return PagerStats(
            **occupancy,
            hot_hits=self.hot_hits,
            warm_hits=self.warm_hits,
            loads=self.loads,
            hot_evictions=self.hot_evictions,
            warm_evictions=self.warm_evictions,
            waits=self.waits,
            refusals=self.refusals,
            failed_prefetches=self.failed_prefetches,
            times=times,
        )
