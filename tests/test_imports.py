"""Light commands stay light: what must not load torch does not."""

from __future__ import annotations

import subprocess
import sys

import pytest

HEAVY = ("torch", "transformers", "peft", "faiss", "matplotlib", "deap")


@pytest.mark.parametrize(
    "module", ["marketplace.market", "tui.app", "tui.cli.main", "academy.skills"]
)
def test_this_import_loads_no_heavy_library(module: str) -> None:
    code = f"import sys, {module}; print([m for m in {HEAVY!r} if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_help_loads_neither_torch_nor_textual_nor_sqlalchemy() -> None:
    code = (
        "import sys; from typer.testing import CliRunner; from tui.cli.main import app\n"
        "result = CliRunner().invoke(app, ['--help']); assert result.exit_code == 0\n"
        "print([m for m in ('torch', 'textual', 'sqlalchemy', 'numpy') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
