"""What was read once is not read again: keys and values of answers that are over.

Kept by what they depend on: the genome's layers by digest, in order, with their weights, and the
tokens. Two personas with one prompt never share, nor does a layer of the same name that was trained
anew. One engine has one base.
"""

from __future__ import annotations

from collections import OrderedDict, defaultdict
from collections.abc import Collection, Sequence

from genome.pager import GenomeRef
from genome.running.packed import RowCache

Key = tuple[GenomeRef, tuple[int, ...]]
LEAST = 16
"""Tokens in common from which it pays."""


class PrefixCache:
    """Caches of rows that may be gone on from, the longest unused let go first."""

    def __init__(self, room: int) -> None:
        """
        Args:
            room: Bytes for all of them.
        """
        self.room = room
        self.n_bytes = 0
        self.n_saved = 0
        """Tokens that did not have to be read again, so far."""
        self._kept: OrderedDict[Key, RowCache] = OrderedDict()
        self._own: defaultdict[GenomeRef, set[tuple[int, ...]]] = defaultdict(set)
        """What of it is a genome's, so that nobody looks through all the others'."""

    def keep(self, ref: GenomeRef, ids: Sequence[int], cache: RowCache) -> None:
        """Keep what a row has read; what it went on from is no longer needed beside it.

        Args:
            ids: The row's tokens, those that were not read among them.
        """
        read = tuple(ids[: cache.n_read])
        own = list(self._own.get(ref, ()))
        if any(before[: len(read)] == read for before in own):
            return
        for before in own:
            if read[: len(before)] == before:
                self._drop((ref, before))
        if cache.n_bytes > self.room or len(read) < LEAST:
            return
        self._kept[ref, read] = cache
        self._own[ref].add(read)
        self.n_bytes += cache.n_bytes
        while self.n_bytes > self.room:
            self._drop(next(iter(self._kept)))

    def take(self, ref: GenomeRef, ids: Sequence[int]) -> RowCache:
        """A cache of one's own that has read the beginning of these tokens, or nothing.

        At least one token is left to be read.
        """
        best = max(
            ((common(read, ids), (ref, read)) for read in self._own.get(ref, ())),
            key=lambda found: found[0],
            default=None,
        )
        if best is None or best[0] < LEAST:
            return RowCache()
        n, key = best
        self.n_saved += n
        self._kept.move_to_end(key)
        return self._kept[key].copy(n)

    def forget(self, digests: Collection[str]) -> None:
        """Let go of what was read with one of these layers."""
        for key in list(self._kept):
            if {*key[0].layers} & {*digests}:
                self._drop(key)

    def _drop(self, key: Key) -> None:
        self.n_bytes -= self._kept.pop(key).n_bytes
        self._own[key[0]].discard(key[1])
        if not self._own[key[0]]:
            del self._own[key[0]]


def common(read: Sequence[int], ids: Sequence[int]) -> int:
    """With how many of these tokens the others begin, too; the last is left to be read."""
    most = min(len(read), len(ids) - 1)
    return next((i for i in range(most) if read[i] != ids[i]), most)
