"""One JSON line per request: who, what, how it ended, how long it took.

Never a body, a header, a query or a path: these hold keys, signatures, searches and prompts. The
route's template stands for the address. A failure adds its class and the places it passed through,
without the values.
"""

import json
import sys
import traceback
from contextlib import suppress
from typing import Any, Protocol, TextIO, cast

import structlog

ALLOWED = frozenset(
    {
        "event", "level", "timestamp", "request", "method", "route", "status", "duration_ms",
        "account", "public_key", "peer", "problem", "error", "places", "address", "reason",
    }
)  # fmt: skip
"""The only fields that are written; anything else is dropped by name."""


_encode = json.JSONEncoder(sort_keys=True, default=repr).encode


class Logger(Protocol):
    """What the service needs of a structlog logger."""

    def info(self, event: str, **fields: Any) -> Any:
        """Something ordinary."""

    def error(self, event: str, **fields: Any) -> Any:
        """Something a person should look at."""


class _Unfailing:
    """A stream for lines that may be lost: a full disk must not fail the request it is about."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def write(self, text: str) -> None:
        """Write, or lose it."""
        with suppress(OSError):
            self._stream.write(text)

    def flush(self) -> None:
        """Hand it on, or lose it."""
        with suppress(OSError):
            self._stream.flush()


def make_logger(stream: TextIO | None = None) -> Logger:
    """A logger of JSON lines that leaves the rest of the process alone."""
    logger: Logger = structlog.wrap_logger(
        structlog.WriteLogger(cast("TextIO", _Unfailing(stream or sys.stderr))),
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            _only_allowed,
            _as_json,
        ],
    ).bind()  # now: else anew at every line
    return logger


def places(error: BaseException) -> list[str]:
    """Where an error passed through, innermost last: file, line and function."""
    frames = traceback.extract_tb(error.__traceback__)[-12:]
    return [f"{frame.filename.rpartition('/')[2]}:{frame.lineno} {frame.name}" for frame in frames]


def _as_json(_logger: Any, _method: str, fields: Any) -> str:
    return _encode(fields)


def _only_allowed(_logger: Any, _method: str, fields: Any) -> Any:
    return {name: value for name, value in fields.items() if name in ALLOWED and value is not None}
