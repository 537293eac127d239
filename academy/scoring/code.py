"""Answers in Python, scored by hidden unit tests in the sandbox; without a sandbox, not at all."""

from __future__ import annotations

from typing import TYPE_CHECKING

from academy.challenge import Challenge
from academy.scoring.errors import ScoringRefusedError

if TYPE_CHECKING:
    from academy.sandbox.limits import SandboxLimits
    from academy.sandbox.sandbox import Sandbox


class CodeScorer:
    """Runs answers against a challenge's tests; the sandbox is opened when first needed."""

    def __init__(self, sandbox: Sandbox | None = None, limits: SandboxLimits | None = None) -> None:
        self._sandbox = sandbox
        self._limits = limits

    def __call__(self, challenge: Challenge, response: str) -> float:
        """1.0 if the response passes every test, else 0.0.

        Raises:
            ScoringRefusedError: There is no sandbox on this machine: nothing is ever run bare.
        """
        from academy.sandbox.errors import SandboxUnavailableError
        from academy.sandbox.limits import SandboxLimits
        from academy.sandbox.sandbox import Sandbox
        from academy.scoring.unit_tests import unit_test_score

        try:
            self._sandbox = self._sandbox or Sandbox.available()
            limits = self._limits or SandboxLimits()
            return float(unit_test_score(response, challenge.tests, self._sandbox, limits))
        except SandboxUnavailableError as error:
            raise ScoringRefusedError(f"code questions cannot be scored: {error}") from error
