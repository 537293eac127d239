"""Light commands stay light: what must not load torch does not."""

from __future__ import annotations

import ast
import importlib
import pkgutil
import re
import subprocess
import sys
import tomllib
from importlib import metadata
from pathlib import Path

import pytest

HEAVY = ("torch", "transformers", "peft", "faiss", "matplotlib", "deap")

PACKAGES = ("academy", "economy", "genome", "marketplace", "persona")

ROOT = Path(__file__).parents[1]
# what a plain `pip install` must not need: these are reached only by commands that say so
WITH_EXTRAS = (
    "marketplace.service.",
    "marketplace.client.",
    *(f"economy.serving.{name}" for name in ("mcp", "problems", "routes", "serve", "service")),
    "persona.remote.connection",
    "tui.jobs.serving",
)
RUN_BY_ALEMBIC = {"marketplace.store.migrations.env"}


@pytest.mark.parametrize(
    "module", ["marketplace.market", "tui.app", "tui.cli.main", "academy.skills.curriculum"]
)
def test_this_import_loads_no_heavy_library(module: str) -> None:
    code = f"import sys, {module}; print([m for m in {HEAVY!r} if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


@pytest.mark.parametrize("package", PACKAGES)
def test_a_front_door_opens_to_every_name_it_lists(package: str) -> None:
    """And type checkers are told the same names, from the same modules."""
    door = importlib.import_module(package)
    assert door.__all__ and set(dir(door)).isdisjoint(door.__all__), "nothing is loaded beforehand"
    tree = ast.parse((ROOT / package / "__init__.py").read_text())
    told = {
        alias.name: node.module
        for block in tree.body
        if isinstance(block, ast.If)
        for node in block.body
        if isinstance(node, ast.ImportFrom) and node.module
        for alias in node.names
    }
    assert sorted(told) == sorted(door.__all__)
    for name, module in told.items():
        assert getattr(door, name) is getattr(importlib.import_module(module), name)
    with pytest.raises(AttributeError, match=f"'{package}' has no attribute 'nothing'"):
        _ = door.nothing


@pytest.mark.parametrize(
    "line",
    [
        "import academy, economy, genome, marketplace, persona",
        "from genome import GenomeError, LayerRejected",
        "from academy import SKILLS, AcademyError, Challenge, Demand, RunConfig, RunFolder",
        "from marketplace import Market, MarketError",
    ],
)
def test_a_front_door_loads_no_more_than_is_asked_for(line: str) -> None:
    code = f"import sys; {line}; print([m for m in {HEAVY!r} if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_help_loads_neither_torch_nor_textual_nor_sqlalchemy() -> None:
    code = (
        "import sys; from typer.testing import CliRunner; from tui.cli.main import command_tree\n"
        "result = CliRunner().invoke(command_tree(), ['--help']); assert result.exit_code == 0\n"
        "print([m for m in ('torch', 'textual', 'sqlalchemy', 'numpy') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_what_locks_nothing_runs_where_files_cannot_be_locked(tmp_path: Path) -> None:
    """Windows has no fcntl: help and lists work, and a lock is refused in one line."""
    code = (
        "import sys; sys.modules['fcntl'] = None\n"
        "import genome.library, genome.files, persona.persona, academy.run_folder\n"
        "from pathlib import Path; from tests.support.cli import continuum\n"
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


def test_without_the_extras_everything_but_service_and_client_can_be_loaded() -> None:
    code = (
        "import importlib, sys\n"
        "blocked, modules = (set(text.split(',')) for text in sys.argv[1:])\n"
        "for name in blocked: sys.modules[name] = None\n"
        "for name in sorted(modules): importlib.import_module(name)\n"
    )
    blocked, modules = _only_of_extras(), _modules()
    assert {"httpx", "fastapi", "psycopg", "ray"} <= blocked and len(modules) > 200
    done = subprocess.run(
        [sys.executable, "-c", code, ",".join(blocked), ",".join(modules)],
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr


def _modules() -> set[str]:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    names = {
        f"{package}.{found.name}"
        for package in project["tool"]["setuptools"]["packages"]
        for found in pkgutil.iter_modules([str(ROOT / package.replace(".", "/"))])
    }
    return {name for name in names - RUN_BY_ALEMBIC if not name.startswith(WITH_EXTRAS)}


def _only_of_extras() -> set[str]:
    """The import names of distributions that an extra brings and the plain install does not."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    plain = _brought_by({_name(line) for line in project["dependencies"]}) | {project["name"]}
    extra = {_name(line) for lines in project["optional-dependencies"].values() for line in lines}
    return {
        module
        for module, distributions in metadata.packages_distributions().items()
        if extra.intersection(map(_name, distributions))
        and not plain.intersection(map(_name, distributions))
    }


def _brought_by(names: set[str]) -> set[str]:
    known: set[str] = set()
    todo = set(names)
    while todo:
        name = todo.pop()
        known.add(name)
        try:
            lines = metadata.requires(name) or []
        except metadata.PackageNotFoundError:
            continue
        todo |= {_name(line) for line in lines if "extra ==" not in line} - known
    return known


def _name(requirement: str) -> str:
    """The distribution's normalised name, as PEP 503 has it."""
    found = re.match(r"[A-Za-z0-9._-]+", requirement)
    assert found is not None
    return re.sub(r"[-_.]+", "-", found.group()).lower()
