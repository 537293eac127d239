"""In which order search shows layers: by proven success, with room for the unproven (P4, P5).

Listings are ranked by reputation. One slot in ten is drawn by Thompson sampling instead: every
remaining listing draws a success rate from Beta(s + 1, f + 1) and the luckiest takes the slot, so
that a newcomer is seen before it has a record. Nobody holds more than 30 % of the first page
while others have something to show. A near-duplicate ranks below its original,

    rank(clone) = min(own, 0.95 rank(original)),

is never placed before it, however the draw falls, and takes a slot on the page only when nothing
else is left for it: ten copies of a layer under ten names would otherwise be seen ten times.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from random import Random

from marketplace.formula.reputation import Evidence, lower_bound

CLONE_FACTOR = 0.95
EXPLORED = 0.10
OWNER_CAP = 0.30


@dataclass(frozen=True, slots=True)
class Candidate:
    """A listing as far as its place in a list goes."""

    name: str
    owner: str
    evidence: Evidence
    clone_of: str | None = None
    """The listing it nearly duplicates without being better."""

    @property
    def reputation(self) -> float:
        """Its own, before any clone rule."""
        return lower_bound(self.evidence)


def clone_rank(own: float, original: float) -> float:
    """Rank of a near-duplicate (P4)."""
    return min(own, CLONE_FACTOR * original)


def ranks(candidates: Sequence[Candidate]) -> dict[str, float]:
    """Rank of each candidate by name, clones of clones included."""
    known = {candidate.name: candidate for candidate in candidates}
    return _below_originals({name: c.reputation for name, c in known.items()}, known)


def ordered(candidates: Sequence[Candidate]) -> list[Candidate]:
    """Best rank first, an original before its clones, then by name; no chance involved."""
    rank = ranks(candidates)
    known = {candidate.name: candidate for candidate in candidates}
    return sorted(candidates, key=lambda c: (-rank[c.name], _depth(c, known), c.name))


def page_of(
    candidates: Sequence[Candidate],
    *,
    size: int,
    rng: Random,
    explored: float = EXPLORED,
    owner_cap: float = OWNER_CAP,
) -> list[Candidate]:
    """The first page: at most `size` candidates, best first, some by chance.

    Args:
        rng: Seed it by query and epoch, and the page stands still while somebody leafs through.
        explored: Share of slots given by Thompson sampling.
        owner_cap: Share of the page one owner may hold while others have candidates left.
    """
    waiting = ordered(candidates)
    names = {candidate.name for candidate in candidates}
    most = max(1, int(size * owner_cap))
    page: list[Candidate] = []
    held: dict[str, int] = {}
    while waiting and len(page) < size:
        ready = _ready(waiting, names)
        free = [c for c in ready if held.get(c.owner, 0) < most]
        choice = _choose(free or ready, rng, explored)
        page.append(choice)
        held[choice.owner] = held.get(choice.owner, 0) + 1
        waiting.remove(choice)
        names.discard(choice.name)
    return page


def _ready(waiting: list[Candidate], names: set[str]) -> list[Candidate]:
    """Whoever may be placed next: originals; then clones whose originals are placed."""
    originals = [c for c in waiting if c.clone_of is None]
    return originals or [c for c in waiting if c.clone_of not in names] or waiting


def _choose(free: list[Candidate], rng: Random, explored: float) -> Candidate:
    """The best, or now and then the luckiest."""
    if rng.random() >= explored:
        return free[0]
    draws = {
        c.name: rng.betavariate(c.evidence.successes + 1, c.evidence.failures + 1) for c in free
    }
    return max(free, key=lambda c: draws[c.name])


def _below_originals(
    scores: Mapping[str, float], known: Mapping[str, Candidate]
) -> dict[str, float]:
    capped: dict[str, float] = {}
    for name in sorted(known, key=lambda name: _depth(known[name], known)):
        original = capped.get(known[name].clone_of or "")
        capped[name] = scores[name] if original is None else clone_rank(scores[name], original)
    return capped


def _depth(candidate: Candidate, known: Mapping[str, Candidate]) -> int:
    """How many originals stand above, within the list; a ring of clones ends where it started."""
    seen = {candidate.name}
    original = candidate.clone_of
    while original is not None and original in known and original not in seen:
        seen.add(original)
        original = known[original].clone_of
    return len(seen) - 1
