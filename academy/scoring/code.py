"""Answers in Python, scored by hidden unit tests in the sandbox; without a sandbox, not at all.

Scoring an answer that is a program: by hidden unit tests, in a sandbox.

A test reads `f(2, 3) == 5`. Its left side, one call, goes into the sandbox; its right side, one
literal, never leaves this process, so an answer can lie about what it returned but not about what
is right. Types count: 1, 1.0 and True are three different values.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from academy.challenge import Challenge
from academy.errors import AcademyError, ScoringRefusedError
from academy.sandbox.answers import Failure, same
from academy.sandbox.interpreter import SandboxLimits
from academy.sandbox.sandbox import Sandbox

if TYPE_CHECKING:
    from academy.sandbox.interpreter import SandboxLimits
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
        from academy.errors import SandboxUnavailableError
        from academy.sandbox.interpreter import SandboxLimits
        from academy.sandbox.sandbox import Sandbox

        try:
            self._sandbox = self._sandbox or Sandbox.available()
            limits = self._limits or SandboxLimits()
            return float(unit_test_score(response, challenge.tests, self._sandbox, limits))
        except SandboxUnavailableError as error:
            raise ScoringRefusedError(f"code questions cannot be scored: {error}") from error


_LITERALS = (bool, int, float, str, bytes, type(None))
_FENCED = re.compile(r"^(```+|~~~+)[^\n`]*\n(.*?)(?:^\1[ \t\r]*$|\Z)", re.DOTALL | re.MULTILINE)


class BadUnitTestError(AcademyError):
    """A unit test is not of the form `call == literal`."""


@dataclass(frozen=True, slots=True)
class UnitTest:
    """One call and what it must return."""

    call: str
    expected: object


@dataclass(frozen=True, slots=True)
class UnitTestReport:
    """How an answer did, test by test."""

    passed: tuple[bool, ...]
    reasons: tuple[str, ...]
    """Per test: empty if passed, else why not; never tells what was expected."""

    @property
    def score(self) -> float:
        """1.0 if every test passed, else 0.0: the headline."""
        return float(all(self.passed))

    @property
    def partial_score(self) -> float:
        """Share of tests passed, in [0, 1]; never mixed into the headline."""
        return sum(self.passed) / len(self.passed)


def _bad(text: str, why: str) -> BadUnitTestError:
    return BadUnitTestError(
        f"a unit test is one call == one literal, {text!r} {why}: write it like 'f(2, 3) == 5'"
    )


def _is_plain(value: object) -> bool:
    if isinstance(value, dict):
        return all(_is_plain(part) for pair in value.items() for part in pair)
    if isinstance(value, list | tuple | set):
        return all(_is_plain(part) for part in value)
    return isinstance(value, _LITERALS)


def parse_unit_test(text: str) -> UnitTest:
    """Split a test into what may be shown to the answer and what may not.

    Raises:
        BadUnitTestError: It is not `call == literal`.
    """
    try:
        body = ast.parse(text.strip(), mode="eval").body
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        raise _bad(text, "is no expression") from None
    if not isinstance(body, ast.Compare) or [type(op) for op in body.ops] != [ast.Eq]:
        raise _bad(text, "is no single ==")
    if not isinstance(body.left, ast.Call):
        raise _bad(text, "has no call on its left")
    try:
        expected: object = ast.literal_eval(body.comparators[0])
    except (ValueError, TypeError, RecursionError, MemoryError):
        raise _bad(text, "has no literal on its right") from None
    if not _is_plain(expected):
        raise _bad(text, "expects a type that the sandbox does not return")
    return UnitTest(ast.unparse(body.left), expected)


def parse_unit_tests(tests: Sequence[str]) -> tuple[UnitTest, ...]:
    """All tests of a challenge.

    Raises:
        BadUnitTestError: One of them is malformed, or there is none.
    """
    if not tests:
        raise BadUnitTestError("a code challenge has at least one unit test, here are 0: add one")
    return tuple(parse_unit_test(text) for text in tests)


def first_fence(answer: str) -> str | None:
    """What stands in an answer's first Markdown fence, if it has one.

    A fence that was never closed reaches to the end, as when a model ran out of tokens.
    """
    found = _FENCED.search(answer)
    return found.group(2) if found else None


def without_fences(answer: str) -> str:
    """The code in an answer's first Markdown fence; the answer itself if it has none."""
    code = first_fence(answer)
    return answer if code is None else code


def unit_test_report(
    code: str, tests: Sequence[str], sandbox: Sandbox, limits: SandboxLimits | None = None
) -> UnitTestReport:
    """Run an answer against its hidden tests.

    Args:
        code: The answer, with or without Markdown around it.
        tests: Strings such as `f(2, 3) == 5`.

    Raises:
        BadUnitTestError: A test is malformed; that is the challenge's fault, not the answer's.
    """
    parsed = parse_unit_tests(tests)
    result = sandbox.run(without_fences(code), [test.call for test in parsed], limits)
    if result.values is None:
        reason = result.error or "no result"
        return UnitTestReport((False,) * len(parsed), (reason,) * len(parsed))
    reasons = []
    for test, value in zip(parsed, result.values, strict=True):
        if isinstance(value, Failure):
            reasons.append(value.reason or "failed")
        else:
            reasons.append("" if same(value, test.expected) else "returned another value")
    return UnitTestReport(tuple(not reason for reason in reasons), tuple(reasons))


def unit_test_score(
    code: str, tests: Sequence[str], sandbox: Sandbox, limits: SandboxLimits | None = None
) -> float:
    """1.0 if the answer passes every test, else 0.0.

    Raises:
        BadUnitTestError: A test is malformed.
    """
    return unit_test_report(code, tests, sandbox, limits).score


def partial_score(
    code: str, tests: Sequence[str], sandbox: Sandbox, limits: SandboxLimits | None = None
) -> float:
    """Share of the tests that the answer passes, in [0, 1].

    Raises:
        BadUnitTestError: A test is malformed.
    """
    return unit_test_report(code, tests, sandbox, limits).partial_score
