"""Refusals in the words of the API: a status, and one line with the rule, the value, the remedy."""

from __future__ import annotations

import errno
import math
import sqlite3
from collections.abc import Mapping
from typing import Any

from pydantic import ValidationError
from starlette.responses import JSONResponse

from economy.serving.names import ModelNotFoundError
from genome.errors import GenomeError, LayerNotFoundError, TooLongError
from marketplace.errors import (
    InsufficientCreditsError,
    MarketBusyError,
    MarketError,
    ProvenanceError,
)
from persona.errors import BackendError, PersonaError, QueueFullError

KINDS = {
    400: "invalid_request_error",
    401: "authentication_error",
    402: "insufficient_quota",
    403: "permission_error",
    404: "not_found_error",
    429: "rate_limit_error",
}
"""Status -> `type`; `server_error` for those above 499."""
STATUS: tuple[tuple[type[Exception], int, str], ...] = (
    (ModelNotFoundError, 404, "model_not_found"),
    (LayerNotFoundError, 404, "model_not_found"),
    (QueueFullError, 429, "queue_full"),
    (BackendError, 502, "backend_failed"),
    (TooLongError, 400, "context_length_exceeded"),
    (InsufficientCreditsError, 402, "insufficient_quota"),
    (MarketBusyError, 503, "market_busy"),
    (ProvenanceError, 403, "layer_revoked"),
    (MarketError, 409, "market_refused"),
    (GenomeError, 400, "invalid_value"),
    (PersonaError, 400, "invalid_value"),
)
"""The first class that fits decides."""
MOST = 5
"""Wrong fields that are told at once."""


class ApiError(Exception):
    """A refusal of the server itself."""

    def __init__(
        self,
        status: int,
        code: str,
        message: str,
        *,
        param: str | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(message)
        self.status, self.code, self.param = status, code, param
        self.headers = dict(headers or {})


def known(error: BaseException, home: str = "") -> ApiError | None:
    """The refusal that an error is; None if nobody foresaw it.

    Args:
        home: The server's folder, which is nobody's business.
    """
    if isinstance(error, ApiError):
        return error
    if isinstance(error, ValidationError):
        return invalid(error.errors())
    if isinstance(error, sqlite3.Error):
        return ApiError(503, "keys_unusable", "the keys of this server cannot be read: ask again")
    if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT):
        return ApiError(503, "storage_full", "the server's disk is full: tell who runs it")
    for kind, status, code in STATUS:
        if isinstance(error, kind):
            wait_s = getattr(error, "wait_s", 1.0)
            headers = {"Retry-After": str(math.ceil(wait_s))} if status in (429, 503) else {}
            param = "model" if code == "model_not_found" else None
            text = " ".join(str(error).split())
            text = text.replace(home, "HOME") if home else text
            return ApiError(status, code, text, param=param, headers=headers)
    return None


def invalid(errors: Any) -> ApiError:
    """Which fields are wrong and why; never their values, which may be secret."""
    wrong: dict[str, str] = {}
    code = "invalid_value"
    for one in errors:
        path = [str(part) for part in one["loc"] if part != "body"]
        name = ".".join(path)[:200]
        said = one["msg"].removeprefix("Value error, ")
        if one["type"] == "extra_forbidden":
            said, code = "is not supported: leave it out", "unsupported_parameter"
        elif one["type"] == "json_invalid":
            name, said = "", "the body is no JSON in UTF-8"
        wrong.setdefault(name, said[:300])
    text = "; ".join(f"{name}: {said}" if name else said for name, said in [*wrong.items()][:MOST])
    first = next(iter(wrong), "").partition(".")[0] or None
    return ApiError(400, code, text, param=first)


def document(error: ApiError) -> dict[str, Any]:
    """As clients read it."""
    kind = KINDS.get(error.status, "server_error" if error.status > 499 else KINDS[400])
    facts = {"message": str(error), "type": kind, "param": error.param, "code": error.code}
    return {"error": facts}


def answer(error: ApiError) -> JSONResponse:
    """The refusal as an answer."""
    return JSONResponse(document(error), error.status, error.headers)
