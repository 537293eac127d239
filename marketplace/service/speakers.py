"""Which account each key speaks for, remembered.

Keys and revocations are only ever added, so what was found stays true until something is revoked.
A change here forgets everything at once; whether another process revoked a key is asked once a
second, by one request for all. So a key that another process revokes speaks for a second longer,
and hardly any request waits for a question whose answer nearly never changes.
"""

from collections.abc import Awaitable, Callable
from typing import Any

from marketplace.market import Market

CHECK_S = 1.0
MAX_SPEAKERS = 10_000


class Speakers:
    """The keys that spoke to one service; only its event loop touches them.

    Args:
        read: Runs something that reads in a thread.
    """

    def __init__(self, market: Market, read: Callable[[Callable[[], Any]], Awaitable[Any]]) -> None:
        self._market, self._read = market, read
        self._accounts: dict[str, str] = {}
        self._n_revoked: int | None = None
        self._check_at = 0.0

    async def account(self, public_key: str, now: float) -> str | None:
        """The account a key speaks for; None for an unknown or revoked one."""
        if not now < self._check_at <= now + CHECK_S:  # also after the clock was set back
            await self._check(now)
        found = self._accounts.get(public_key)
        if found is None:
            accounts = self._accounts
            found = await self._read(lambda: self._market.speaker(public_key))
            if found is not None and accounts is self._accounts:  # else revoked meanwhile, perhaps
                if len(accounts) >= MAX_SPEAKERS:
                    accounts.clear()
                accounts[public_key] = found
        return found

    def forget(self) -> None:
        """Look every key up again: one was added or revoked."""
        self._accounts = {}

    async def _check(self, now: float) -> None:
        self._check_at = now + CHECK_S  # others go on with what is known
        try:
            n_revoked = await self._read(self._market.n_revoked_keys)
        except BaseException:
            self._check_at = 0.0
            raise
        if n_revoked != self._n_revoked:
            self._n_revoked = n_revoked
            self.forget()
