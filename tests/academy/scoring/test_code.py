"""Code answers are run in the sandbox or not at all."""

from __future__ import annotations

from typing import Any

import pytest

from academy.challenge import Challenge
from academy.errors import SandboxUnavailableError, ScoringRefusedError
from academy.sandbox.sandbox import Sandbox
from academy.scoring.code import CodeScorer

DOUBLE = Challenge("double", "", "s", "d", tests=("double(2) == 4", "double(0) == 0"))


def test_answers_are_scored_by_every_test() -> None:
    score = CodeScorer()
    assert score(DOUBLE, "def double(x):\n    return 2 * x") == 1.0
    assert score(DOUBLE, "```python\ndef double(x):\n    return x + x\n```") == 1.0
    assert score(DOUBLE, "def double(x):\n    return 4") == 0.0
    assert score(DOUBLE, "no code at all") == 0.0


def test_without_a_sandbox_nothing_runs(monkeypatch: Any) -> None:
    def none(cls: type) -> None:
        raise SandboxUnavailableError("install bubblewrap")

    monkeypatch.setattr(Sandbox, "available", classmethod(none))
    with pytest.raises(ScoringRefusedError, match="install bubblewrap"):
        CodeScorer()(DOUBLE, "def double(x): return 2 * x")
