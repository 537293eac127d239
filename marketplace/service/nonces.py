"""Every signed request counts once.

A nonce is remembered until its signature has expired; after that the expiry refuses it. Nonces
live in this process only, so signatures made before it started are refused as well: one of them
may have been used with the process before. Change requests are safe beyond that, by their
Idempotency-Key; this is what keeps a recorded read from being read again.
"""

import heapq
import threading


class NonceCache:
    """Nonces seen, by key; as many as arrive within one validity.

    The rate limits bound them: of a registered key by its own, of all others by their peer's.
    """

    def __init__(self) -> None:
        self._seen: set[tuple[str, str]] = set()
        self._expiring: list[tuple[float, str, str]] = []
        self._lock = threading.Lock()

    def __len__(self) -> int:
        """Nonces remembered."""
        return len(self._seen)

    def take(self, key: str, nonce: str, *, until: float, now: float) -> bool:
        """True when the key uses this nonce for the first time; it is then used.

        Args:
            until: When the signature stops being accepted, seconds since 1970.
        """
        with self._lock:
            self._forget(now)
            if (key, nonce) in self._seen:
                return False
            self._seen.add((key, nonce))
            heapq.heappush(self._expiring, (until, key, nonce))
            return True

    def _forget(self, now: float) -> None:
        while self._expiring and self._expiring[0][0] < now:
            _, key, nonce = heapq.heappop(self._expiring)
            self._seen.discard((key, nonce))
