"""How often one key or one peer may ask (the generic cell rate algorithm).

One number per subject, the time at which its quota is whole again: nothing to refill, nothing to
sweep but subjects that are whole. Headers follow draft-ietf-httpapi-ratelimit-headers.

Which connections stay open: of those that wait for their client, never those that are at work.

An open connection costs a descriptor and memory for as long as its client likes, and asks for
nothing that a rate limit could count. So there are so many seats, and

    a client has a while to send a head, a body, or to read an answer; then the seat is taken back
    when an address has its share of seats, or all are taken, the newcomer gets a seat of whoever
    has waited longest, strangers before those who have signed as a member

Nobody is turned away as long as somebody else only waits: a member always finds a seat, also behind
the address of those who wait. Behind a proxy, a request counts for the address it was forwarded
for, and what lies idle is the proxy's.
"""

import math
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from marketplace.service.settings import ConnectionLimits, RateLimit

SEAT = "continuum.seat"
"""In the scope of a request: the seat of its connection."""


@dataclass(eq=False, slots=True)
class Seat:
    """One connection, as far as its right to stay goes."""

    peer: str
    close: Callable[[], None]
    """Ends it at once."""
    unsent: Callable[[], int]
    """Bytes of answers that its client has not taken yet."""
    proxied: bool = False
    """Whether it comes from a proxy that is trusted."""
    known: bool = False
    """Whether a member signed its last request; a proxy's idle connection counts as known."""
    waiting: bool = True
    since: float = 0.0
    """When it began to wait, seconds of a clock that only rises."""
    deadline: float = math.inf
    n_bytes: int = 0
    """What it may still fill of memory: the body that was announced."""
    stuck: tuple[int, float] = field(default=(0, 0.0))
    """Bytes unsent, and since when so many."""

    def waits(self, now: float, seconds: float) -> None:
        """The client's turn, for so many seconds."""
        self.waiting, self.since, self.deadline = True, now, now + seconds

    def works(self) -> None:
        """Ours."""
        self.waiting, self.deadline = False, math.inf


class Connections:
    """The seats of one service; only its event loop touches them."""

    def __init__(self, limits: ConnectionLimits) -> None:
        self.limits = limits
        self._seats: dict[Seat, None] = {}  # in order of arrival

    def __len__(self) -> int:
        """Seats taken."""
        return len(self._seats)

    def enter(self, seat: Seat) -> None:
        """Give a new connection a seat; its own is taken back at once when all others work."""
        if len(self._seats) >= self.limits.most:
            self._end(self._longest(self._strangers()) or self._longest(self._waiting()) or seat)
        self._seats[seat] = None
        self.share(seat)

    def share(self, seat: Seat) -> None:
        """Keep an address within its share, and all bodies of strangers within their memory."""
        if seat.known or seat not in self._seats:
            return
        limits = self.limits
        own = [one for one in self._strangers() if one.peer == seat.peer]
        if len(own) > limits.most_per_peer:
            self._end(min((one for one in own if one is not seat), key=lambda one: one.since))
        if seat.n_bytes and sum(one.n_bytes for one in self._strangers()) > limits.most_bytes:
            self._end(self._longest(one for one in self._strangers() if one.n_bytes) or seat)

    def leave(self, seat: Seat) -> None:
        """A connection that has ended."""
        self._seats.pop(seat, None)

    def sweep(self, now: float) -> None:
        """Take back the seats of those who let us wait for too long."""
        for seat in tuple(self._seats):
            n_bytes = seat.unsent()
            if n_bytes != seat.stuck[0]:
                seat.stuck = (n_bytes, now)
            reads_nothing = n_bytes and now - seat.stuck[1] > self.limits.read_s
            if seat.deadline < now or reads_nothing:
                self._end(seat)

    def _end(self, seat: Seat) -> None:
        self.leave(seat)
        seat.close()

    def _waiting(self) -> Iterator[Seat]:
        return (one for one in self._seats if one.waiting)

    def _strangers(self) -> Iterator[Seat]:
        return (one for one in self._seats if one.waiting and not one.known)

    def _longest(self, seats: Iterator[Seat]) -> Seat | None:
        """Who has waited longest, of the address that has most of these seats."""
        found = list(seats)
        if not found:
            return None
        by_peer = Counter(one.peer for one in found)
        return min(found, key=lambda one: (-by_peer[one.peer], one.since))


MAX_SUBJECTS = 100_000


@dataclass(frozen=True, slots=True)
class Allowance:
    """What is left of a quota after a request."""

    policy: str
    limit: RateLimit
    allowed: bool
    remaining: int
    wait_s: float
    """Until one more request is allowed; 0 when it is now."""

    def headers(self) -> dict[str, str]:
        """RateLimit-Policy, RateLimit and, when refused, Retry-After."""
        reset_s = math.ceil((self.limit.quota - self.remaining) * _cost_s(self.limit))
        found = {
            "RateLimit-Policy": f'"{self.policy}";q={self.limit.quota};w={self.limit.window_s:.0f}',
            "RateLimit": f'"{self.policy}";r={self.remaining};t={reset_s}',
        }
        if not self.allowed:
            found["Retry-After"] = str(max(1, math.ceil(self.wait_s)))
        return found


class Rates:
    """The quotas of one policy, by subject."""

    def __init__(self, policy: str, limit: RateLimit) -> None:
        self._policy = policy
        self._limit = limit
        self._whole_at: dict[str, float] = {}
        self._lock = threading.Lock()

    def take(self, subject: str, now: float, *, cost: int = 1) -> Allowance:
        """Count a request of this subject, if it is still allowed; cost 0 only looks."""
        with self._lock:
            if len(self._whole_at) >= MAX_SUBJECTS:
                self._drop_whole(now)
            whole_at = max(self._whole_at.get(subject, now), now)
            after = whole_at + max(cost, 1) * _cost_s(self._limit)
            wait_s = after - now - self._limit.window_s
            allowed = wait_s <= 1e-9
            if allowed and cost:
                self._whole_at[subject] = whole_at = after
        used = math.ceil((whole_at - now) / _cost_s(self._limit) - 1e-6)
        remaining = max(0, self._limit.quota - used)
        return Allowance(self._policy, self._limit, allowed, remaining, max(0.0, wait_s))

    def _drop_whole(self, now: float) -> None:
        """Forget who has its whole quota; under attack, forget everybody rather than grow."""
        self._whole_at = {s: at for s, at in self._whole_at.items() if at > now}
        if len(self._whole_at) >= MAX_SUBJECTS:
            self._whole_at.clear()


def _cost_s(limit: RateLimit) -> float:
    return limit.window_s / limit.quota
