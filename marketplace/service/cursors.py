"""Page cursors that clients can neither read meaning into nor make up.

A cursor is a position in one list, signed together with that list's name, filters and reader:
one made for another list, or changed by a bit, is refused.
"""

import base64
import binascii
import hashlib
import hmac
import json
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

from marketplace.service.problems import ProblemError

T = TypeVar("T")
P = TypeVar("P", int, str)
MAX_LIMIT = 100
_MAC_BYTES = 16


class Cursors:
    """Seals positions with a secret and opens what it sealed."""

    def __init__(self, secret: bytes) -> None:
        self._secret = hashlib.sha256(b"continuum-cursor-v1\0" + secret).digest()

    def seal(self, scope: Sequence[object], position: int | str) -> str:
        """The cursor of a position.

        Args:
            scope: What the position belongs to: route, filters, reader.
        """
        payload = json.dumps(position, separators=(",", ":")).encode()
        return base64.urlsafe_b64encode(self._mac(scope, payload) + payload).decode().rstrip("=")

    def open(self, scope: Sequence[object], cursor: str) -> int | str:
        """The position in a cursor.

        Raises:
            ProblemError: cursor-invalid.
        """
        try:
            padded = cursor.encode("ascii") + b"=" * (-len(cursor) % 4)
            data = base64.b64decode(padded, altchars=b"-_", validate=True)
        except (ValueError, binascii.Error):
            data = b""
        mac, payload = data[:_MAC_BYTES], data[_MAC_BYTES:]
        if not hmac.compare_digest(mac, self._mac(scope, payload)):
            raise ProblemError(
                "cursor-invalid", "cursor must be the 'next' of this very list: start without one"
            )
        position = json.loads(payload)
        assert isinstance(position, int | str)
        return position

    def _mac(self, scope: Sequence[object], payload: bytes) -> bytes:
        bound = json.dumps([str(part) for part in scope]).encode() + b"\0" + payload
        return hmac.new(self._secret, bound, hashlib.sha256).digest()[:_MAC_BYTES]

    def position(self, scope: Sequence[object], cursor: str | None, first: P) -> P:
        """What a page comes after: the cursor's position, or what stands before the first page."""
        if cursor is None:
            return first
        found = self.open(scope, cursor)
        assert isinstance(found, type(first)), f"a cursor of {scope[0]} holds {found!r}"
        return found

    def cut(
        self,
        scope: Sequence[object],
        found: Sequence[T],
        position: Callable[[T], int | str],
        limit: int,
    ) -> tuple[list[T], str | None]:
        """One page, and the next cursor, of what was asked for with one more than the limit."""
        page = list(found[:limit])
        return page, self.seal(scope, position(page[-1])) if len(found) > limit else None

    def page_after(
        self,
        scope: Sequence[object],
        items: Sequence[T],
        place: Callable[[T], Any],
        *,
        cursor: str | None,
        limit: int,
    ) -> tuple[list[T], str | None]:
        """Items after the cursor's name or number, and the next cursor; sorted by it, unique.

        Items that come or go between two pages neither repeat nor hide another.
        """
        after = None if cursor is None else self.open(scope, cursor)
        rest = [item for item in items if after is None or place(item) > after]
        return self.cut(scope, rest, place, limit)

    def page_by_count(
        self, scope: Sequence[object], items: Sequence[T], *, cursor: str | None, limit: int
    ) -> tuple[list[T], str | None]:
        """Items after as many as the cursor says; for lists to which is only appended."""
        start = 0 if cursor is None else _count(self.open(scope, cursor))
        page = list(items[start : start + limit])
        end = start + len(page)
        return page, self.seal(scope, end) if end < len(items) else None


def _count(position: Any) -> int:
    assert isinstance(position, int)
    return position
