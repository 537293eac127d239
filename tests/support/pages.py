"""The pages that people read, cut into what can be tried: blocks by language, and commands."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from tests.support.commands import GROUPS

ROOT = Path(__file__).parents[2]
PAGES = tuple(sorted([ROOT / "README.md", ROOT / "CONTRIBUTING.md", *(ROOT / "docs").glob("*.md")]))
"""All but the notes of past experiments, whose commands are spelled as they were then."""
FENCE = re.compile(r"^```([^\n]*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
IN_BACKTICKS = re.compile(r"`([^`]+)`")
COMMAND = re.compile(rf"continuum (?:{GROUPS})\b")
SETTING = re.compile(r"^(?:CONTINUUM_\w+=\S* )+")
"""What stands before a command for that command only."""


class Block(NamedTuple):
    """A fenced block of a page."""

    page: str
    language: str
    text: str


def blocks(language: str) -> list[Block]:
    """All blocks of a language, or of a language and a word such as `floors academy`."""
    return [
        Block(path.name, words, text)
        for path in PAGES
        for words, text in FENCE.findall(path.read_text(encoding="utf-8"))
        if words == language
    ]


def commands(text: str) -> Iterator[str]:
    """The program's commands in a block of shell lines, without comments and settings."""
    for line in text.splitlines():
        for part in line.partition("  #")[0].split("&&"):
            command = SETTING.sub("", part.strip())
            if COMMAND.match(command) and " | " not in command:
                yield command


def in_backticks() -> Iterator[tuple[str, str]]:
    """(page, words) of everything in backticks outside blocks, on one line."""
    for path in PAGES:
        prose = FENCE.sub("", path.read_text(encoding="utf-8"))
        for words in IN_BACKTICKS.findall(prose):
            yield path.name, " ".join(words.split())
