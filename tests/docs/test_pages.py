"""What the pages say can be done: commands, code, settings, links, files and floors."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path
from typing import Any

import pytest

from academy.evolution.config import parse_config
from academy.sources.jsonl import JsonlSource
from genome.base_model import BaseModel
from genome.library import Library
from persona.persona import Persona
from tests.support.commands import fault
from tests.support.genome import random_layer
from tests.support.pages import COMMAND, PAGES, ROOT, blocks, commands, in_backticks

A_FILE = re.compile(r"[a-z_.]+/[\w./-]*")
"""A path of the repository, in backticks."""
TOP = {path.name for path in ROOT.iterdir()}
LINK = re.compile(r"\]\(([^)#]+)(?:#[^)]*)?\)")
WORD = re.compile(r"^\| ([^|]+?)(?: \([^)]*\))? \| [^|]+ \| `([^`]+)` \|$", re.MULTILINE)
"""A row of the glossary: word and file."""


def test_every_command_of_a_block_is_a_whole_command() -> None:
    """It exists, has those options, and lacks neither an argument nor a required option."""
    found = [(block.page, c) for block in blocks("bash") for c in commands(block.text)]
    assert len(found) > 75
    wrong = [f"{page}: `{command}`: {why}" for page, command in found if (why := fault(command))]
    assert not wrong, "\n".join(wrong)


def test_every_command_in_a_sentence_exists() -> None:
    """With the options it is named with; its arguments may be left out."""
    named = [(page, words) for page, words in in_backticks() if COMMAND.match(words)]
    assert len(named) > 10
    wrong = []
    for page, command in named:
        why = fault(command.removesuffix(" --help"))
        is_group = command.endswith(" --help") and "there is no command" in why
        if not is_group and ("no command" in why or "no option" in why):
            wrong.append(f"{page}: `{command}`: {why}")
    assert not wrong, "\n".join(wrong)


def test_code_runs_as_it_stands(
    home: Path, embedded: BaseModel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Blocks of a page one after the other, beside a home `two`: a demo's, with one layer more."""
    (tmp_path / "seeds").symlink_to(ROOT / "seeds")
    (tmp_path / "two").symlink_to(home)
    library = Library.open(home)
    random_layer(embedded.model, embedded.fingerprint, scale=0.01).to_peft(tmp_path / "more")
    vector = library.encoder(embedded).encode(["sort: 9 2 7"])[0]
    library.set_vector(library.import_folder(tmp_path / "more", name="more"), vector, n_results=24)
    monkeypatch.chdir(tmp_path)
    known: dict[str, dict[str, Any]] = {}
    found = blocks("python")
    assert len(found) > 1
    for block in found:
        exec(compile(block.text, block.page, "exec"), known.setdefault(block.page, {}))
    assert known["library.md"]["logits"].shape[0] == 2


def test_settings_are_settings_of_a_run() -> None:
    """Every TOML block but a package's own is read as `academy run` reads it, or as a persona."""
    every = {block.text: tomllib.loads(block.text) for block in blocks("toml")}
    personas = [Persona.parse("a", text) for text, data in every.items() if "base" in data]
    assert personas and personas[0].layers
    read = [data for data in every.values() if "base" not in data]
    runs = [parse_config(data) for data in read if "project" not in data]
    assert runs and len(read) > len(runs)


def test_challenge_lines_are_read(tmp_path: Path) -> None:
    file = tmp_path / "questions.jsonl"
    file.write_text("".join(block.text for block in blocks("json")))
    assert JsonlSource.read(str(file)).skills == ("times",)


def test_every_file_that_a_page_names_exists() -> None:
    named = {
        (page, words)
        for page, words in in_backticks()
        if A_FILE.fullmatch(words) and words.split("/")[0] in TOP
    }
    assert len(named) > 60
    assert not sorted((page, words) for page, words in named if not (ROOT / words).exists())


def test_every_link_leads_somewhere() -> None:
    """Of the pages outside docs/ too, which `make docs` does not look at."""
    pages = {*PAGES, *ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")}
    wrong = [
        f"{page.relative_to(ROOT)}: {target}"
        for page in sorted(pages)
        for target in LINK.findall(page.read_text(encoding="utf-8"))
        if "://" not in target and not (page.parent / target).exists()
    ]
    assert not wrong, "\n".join(wrong)


def test_a_word_of_the_glossary_is_found_in_its_file() -> None:
    """In its code or its docstrings, in whatever letter case."""
    rows = WORD.findall((ROOT / "docs/glossary.md").read_text(encoding="utf-8"))
    assert len(rows) > 50
    wrong = []
    for word, file in rows:
        text = (ROOT / file).read_text(encoding="utf-8").lower()
        words = word.lower().replace(" ", " ?")
        if not re.search(rf"\b{words}", text.replace("_", " ")):
            wrong.append(f"{word}: {file}")
    assert not wrong, "\n".join(wrong)


def test_the_floors_of_the_page_are_the_ones_that_are_checked() -> None:
    """Write what `pyproject.toml` has, a floor a line."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    layers = [c for c in project["tool"]["importlinter"]["contracts"] if c["type"] == "layers"]
    assert len(layers) > 2
    for contract in layers:
        (name,) = contract.get("containers", ["packages"])
        (block,) = blocks(f"floors {name}")
        assert block.text.splitlines() == contract["layers"], name


def test_the_readme_is_one_page() -> None:
    assert len((ROOT / "README.md").read_text(encoding="utf-8").splitlines()) <= 150
