"""How often one key or one peer may ask (the generic cell rate algorithm).

One number per subject, the time at which its quota is whole again: nothing to refill, nothing to
sweep but subjects that are whole. Headers follow draft-ietf-httpapi-ratelimit-headers.
"""

import math
import threading
from dataclasses import dataclass

from marketplace.service.settings import RateLimit

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
