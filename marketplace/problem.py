"""Refusals across the wire: each error class has one stable problem type (RFC 9457).

    InsufficientCreditsError  <->  urn:continuum:market:insufficient-credits

The detail is the error's one line, so the client raises the very error that the market raised
and a command prints the same words, local or remote.
"""

import re
from functools import cache

from marketplace.errors import MarketError, ServiceError

PREFIX = "urn:continuum:market:"
SERVICE_PREFIX = "urn:continuum:service:"
"""Problems of the service itself, such as a bad signature: one class, told apart by their text."""
MAX_DETAIL_CHARS = 2000


def problem_type(kind: type[MarketError]) -> str:
    """The stable name of an error class."""
    words = re.findall(r"[A-Z][a-z0-9]*", kind.__name__.removesuffix("Error"))
    return PREFIX + "-".join(words).lower()


def error_of(kind: object, detail: object) -> MarketError:
    """The error a problem document describes; an unknown type becomes a plain `MarketError`.

    The detail is a stranger's text: control characters, which could move a cursor, become spaces.
    """
    name = kind if isinstance(kind, str) else ""
    found = _by_type().get(name, ServiceError if name.startswith(SERVICE_PREFIX) else MarketError)
    text = detail if isinstance(detail, str) else ""
    line = "".join(c if c.isprintable() else " " for c in text[:MAX_DETAIL_CHARS])
    return found(" ".join(line.split()) or "the service refused and gave no reason: ask its owner")


@cache
def _by_type() -> dict[str, type[MarketError]]:
    kinds = [MarketError]
    for kind in kinds:  # grows while it runs: the whole tree below MarketError
        kinds.extend(kind.__subclasses__())
    return {problem_type(kind): kind for kind in kinds}
