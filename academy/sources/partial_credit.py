"""reasoning-gym's partial credit, without its crashes and without running what an answer says.

Measured in version 0.1.25: `score_answer` raises on odd answers (prime_factorization on words,
coin_flip on many digits), and some datasets give the answer of a model to Python's `eval` or to
sympy's parser, which uses it. For those, an answer has to be a plain literal, or arithmetic
whose size is bounded, before it is passed on; a number like 1e99999999 is passed to none.
"""

from __future__ import annotations

import ast
import contextlib
import io
import math
import re
import signal
import threading
import warnings
from collections.abc import Iterator
from typing import Any

MAX_ANSWER = 4000
SECONDS = 5.0
"""Longest that an answer parsed as a formula may keep a dataset busy."""
LITERALS = frozenset({"binary_matrix", "n_queens", "spiral_matrix", "string_insertion"})
"""Datasets that evaluate an answer as a Python list."""
FORMULAS = frozenset(
    {
        "countdown", "intermediate_integration", "polynomial_multiplication", "puzzle24",
        "simple_integration",
    }
)  # fmt: skip
"""Datasets that have sympy parse an answer."""
_FORMULA = re.compile(r"[0-9A-Za-z+\-*/^(). ,]{1,300}")
_WORDS = frozenset({"sin", "cos", "tan", "exp", "log", "sqrt", "sinh", "cosh", "atan", "asin"})
_HUGE_EXPONENT = re.compile(r"\d[eE][-+]?\d{4,}")
_POWER = re.compile(r"(?:\*\*|\^)\s*(?![0-9]{1,2}(?![0-9.\s]*(?:\*\*|\^))(?![0-9A-Za-z.]))")
"""A power whose exponent is anything but one or two digits, not raised again."""


class PartialCredit:
    """Asks a dataset for its credit and counts how often that went wrong."""

    def __init__(self) -> None:
        self.crashes = 0
        """Answers on which `score_answer` raised."""

    def score(self, dataset: Any, entry: dict[str, Any], skill: str, response: str) -> float:
        """Credit in [0, 1]; 0.0 for an answer the dataset fails on or must not see."""
        if not may_be_scored(skill, response):
            return 0.0
        try:
            with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
                warnings.simplefilter("ignore")
                with _at_most(SECONDS) if skill in FORMULAS else contextlib.nullcontext():
                    credit = float(dataset.score_answer(response, entry))
        except (Exception, SystemExit):
            self.crashes += 1
            return 0.0
        return min(1.0, max(0.0, credit)) if math.isfinite(credit) else 0.0


def may_be_scored(skill: str, response: str) -> bool:
    """Whether a dataset's `score_answer` may see this answer."""
    if len(response) > MAX_ANSWER or _HUGE_EXPONENT.search(response):
        return False
    if skill in FORMULAS:
        return _is_small_formula(response)
    if skill in LITERALS and not response.isalnum():
        return _is_literal(response)
    return True


def _is_literal(response: str) -> bool:
    """Brackets, texts and numbers only: what `eval` turns into data and nothing else.

    Anything that does not parse cannot be evaluated either, and is as harmless.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            tree = ast.parse(response.strip(), mode="eval")
    except (SyntaxError, ValueError, MemoryError, RecursionError):
        return True
    allowed = (
        ast.Expression, ast.List, ast.Tuple, ast.Constant, ast.Load, ast.UnaryOp, ast.USub,
    )  # fmt: skip
    return all(isinstance(node, allowed) for node in ast.walk(tree))


def _is_small_formula(response: str) -> bool:
    """Arithmetic over numbers, single letters and a few functions, with small powers only."""
    if not _FORMULA.fullmatch(response):
        return False
    words = re.findall(r"[A-Za-z]+", response)
    if any(len(word) > 1 and word not in _WORDS for word in words):
        return False
    if re.search(r"\.\s*[A-Za-z(]", response):  # an attribute
        return False
    if len(re.findall(r"\)\s*(?:\*\*|\^)", response)) > 1:  # powers of powers
        return False
    return len(re.findall(r"\*\*|\^", response)) <= 12 and _POWER.search(response) is None


@contextlib.contextmanager
def _at_most(seconds: float) -> Iterator[None]:
    """Interrupt Python code that takes longer, where signals can: in the main thread.

    Sympy may simplify an innocent-looking answer for minutes.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def late(_: int, __: object) -> None:
        raise TimeoutError(f"longer than {seconds} s")

    before = signal.signal(signal.SIGALRM, late)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
