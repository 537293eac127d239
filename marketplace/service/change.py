"""Requests that change something: by whom, and under which key they happen once.

Changing  a registered caller with an Idempotency-Key
Joining   the same for a key that is not registered yet
"""

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Annotated, TypeVar

from fastapi import Depends, Request

from marketplace.service.caller import Caller, signed, signed_by_any
from marketplace.service.problems import ProblemError
from marketplace.service.state import Service, service_of

T = TypeVar("T")
_IDEMPOTENCY_KEY = re.compile(r"[\x21-\x7e]{1,128}")


@dataclass(frozen=True, slots=True)
class Change:
    """A caller's request to change something, and the key under which it happens once."""

    caller: Caller
    service: Service
    key: str

    async def run(self, work: Callable[[str], T]) -> T:
        """What the work returns for the market's key.

        The market has one namespace of keys; the caller's own before the key keeps callers from
        meeting, and from finding out, each other's.

        Raises:
            ProblemError: request-in-progress.
        """
        with self.only_one():
            return await self.service.change(lambda: work(self.market_key))

    async def run_heavy(self, work: Callable[[], T]) -> T:
        """The same for work that computes and leaves the market alone.

        Raises:
            ProblemError: request-in-progress.
        """
        with self.only_one():
            return await self.service.heavy(work)

    @contextmanager
    def only_one(self) -> Iterator[None]:
        """Keep a second request with this key out while the first is being worked on.

        Raises:
            ProblemError: request-in-progress.
        """
        mark = self.market_key
        if mark in self.service.in_progress:
            raise ProblemError(
                "request-in-progress",
                "a request with this Idempotency-Key is being worked on: repeat it later",
                {"Retry-After": "1"},
            )
        self.service.in_progress.add(mark)
        try:
            yield
        finally:
            self.service.in_progress.discard(mark)

    @property
    def market_key(self) -> str:
        """The key as the market knows it."""
        return f"{self.caller.namespace}{self.key}"


def idempotency_key(request: Request) -> str:
    """The request's Idempotency-Key.

    Raises:
        ProblemError: idempotency-key-missing.
    """
    given = request.headers.get("idempotency-key", "")
    if not _IDEMPOTENCY_KEY.fullmatch(given):
        raise ProblemError(
            "idempotency-key-missing",
            "a change needs an Idempotency-Key of 1-128 printable ASCII characters without spaces:"
            " send one, and the same one when you repeat the request",
        )
    return given


async def changing(request: Request) -> Change:
    """A registered caller's change."""
    return Change(await signed(request), service_of(request), idempotency_key(request))


async def joining(request: Request) -> Change:
    """A change by a key that may not be registered yet."""
    return Change(await signed_by_any(request), service_of(request), idempotency_key(request))


Changing = Annotated[Change, Depends(changing)]
Joining = Annotated[Change, Depends(joining)]
