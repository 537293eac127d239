"""Light commands stay light: what must not load torch does not."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

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


def test_what_locks_nothing_runs_where_files_cannot_be_locked(tmp_path: Path) -> None:
    """Windows has no fcntl: help and lists work, and a lock is refused in one line."""
    code = (
        "import sys; sys.modules['fcntl'] = None\n"
        "import genome.library, genome.files, persona.persona, academy.run_folder\n"
        "from pathlib import Path; from tui.cli.testing import continuum\n"
        "home = Path(sys.argv[1])\n"
        "genome.library.Library.open(home)\n"
        "assert continuum('layer', 'list', '--home', home).code == 0\n"
        "assert continuum('market', '--help').code == 0\n"
        "try: genome.files.hold(open(home / 'x', 'w'))\n"
        "except OSError as error: print(error)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path)], capture_output=True, text=True, check=True
    )
    assert "use Linux, macOS or Windows' WSL" in done.stdout
