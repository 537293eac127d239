"""What came back from the service, and whether asking again may help."""

import json
from dataclasses import dataclass
from typing import Any, Self

import httpx

from marketplace.errors import AnswerError, MarketError, ServiceError
from marketplace.problem import PREFIX, SERVICE_PREFIX, error_of

RETRIED_STATUS = frozenset({429, 502, 503, 504})
RETRIED_PROBLEMS = frozenset(
    {
        f"{PREFIX}key-in-progress",
        f"{SERVICE_PREFIX}request-in-progress",
        f"{SERVICE_PREFIX}signature-replayed",
    }
)
MAX_ANSWER_BYTES = 16 << 20


@dataclass(frozen=True, slots=True)
class Answer:
    """A complete answer: status, headers, body."""

    status: int
    headers: httpx.Headers
    body: bytes

    @property
    def may_be_retried(self) -> bool:
        """Whether the same request may succeed a moment later."""
        return self.status in RETRIED_STATUS or (
            self.status in (401, 409) and self._problem().get("type") in RETRIED_PROBLEMS
        )

    @property
    def retry_after_s(self) -> float | None:
        """The pause the service asks for."""
        text = self.headers.get("Retry-After", "")
        return float(text) if text.isascii() and text.isdigit() else None

    def json(self) -> Any:
        """The body as JSON values.

        Raises:
            AnswerError: It is none.
        """
        try:
            return json.loads(self.body)
        except (ValueError, RecursionError):
            raise AnswerError(
                f"the service's answer is no JSON ({len(self.body)} bytes): check that the address"
                " is one of a market"
            ) from None

    def checked(self, url: str) -> Self:
        """This answer, if it grants what was asked.

        Raises:
            MarketError: What the service refused.
        """
        if 200 <= self.status < 300:
            return self
        raise self._error(url)

    def _error(self, url: str) -> MarketError:
        problem = self._problem()
        if "type" in problem:
            return error_of(problem["type"], problem.get("detail"))
        return ServiceError(
            f"{url} answered {self.status} without a reason: check that the address is one of a"
            " market"
        )

    def _problem(self) -> dict[str, Any]:
        if not self.headers.get("Content-Type", "").startswith("application/problem+json"):
            return {}
        try:
            problem = json.loads(self.body)
        except (ValueError, RecursionError):
            return {}
        return problem if isinstance(problem, dict) else {}


def read_body(response: httpx.Response) -> bytes:
    """The whole body of an open response.

    Raises:
        AnswerError: It is longer than any honest answer.
    """
    body = bytearray()
    for block in response.iter_bytes():
        body += block
        if len(body) > MAX_ANSWER_BYTES:
            raise AnswerError(
                f"the service's answer is longer than {MAX_ANSWER_BYTES} bytes: ask for less"
            )
    return bytes(body)
