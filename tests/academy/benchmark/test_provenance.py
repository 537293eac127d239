"""Promises of academy.benchmark.cells."""

import re
import subprocess
from datetime import UTC, datetime, timedelta
from importlib.metadata import version
from typing import Any

import pytest

from academy.benchmark.cells import code_version, provenance


def test_a_record_says_when_and_by_which_code_it_was_made() -> None:
    made = provenance()
    age = datetime.now(UTC) - datetime.fromisoformat(made["at"])
    assert timedelta(0) <= age < timedelta(minutes=1)
    assert re.fullmatch(r"[0-9a-f]{7,40}\+?", made["code"]) or made["code"] == version(
        "continuum-personas"
    )


def test_without_a_repository_the_release_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    def no_git(*_args: Any, **_options: Any) -> None:
        raise FileNotFoundError("git")

    monkeypatch.setattr(subprocess, "run", no_git)
    code_version.cache_clear()
    try:
        assert code_version() == version("continuum-personas")
    finally:
        code_version.cache_clear()
