"""Every command that the program tells a person to type is one: it exists, with those options."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import typer

from tests.support.commands import GROUPS, fault
from tui.cli.hints import options_of

PACKAGES = ("academy", "economy", "genome", "marketplace", "persona", "seeds", "tui")
MECHANISM = ("tui/cli/hints.py", "tui/cli/hints.py")
"""Files that handle commands in general and name none."""
ELSEWHERE = ("continuum market mandate key",)
"""What somebody else is to type, in a home of their own."""
IN_BACKTICKS = re.compile(r"`([^`]+)`")
BARE = re.compile(rf"\bcontinuum (?:{GROUPS})\b[^\n`;]*")
"""A command outside backticks, up to the end of its line."""
UNNAMED = re.compile(rf"`(?:{GROUPS}) [^`]*`")
"""A command that lacks the program's name."""


class Remedy(NamedTuple):
    """A command that a text of the program names; what is filled in later is X."""

    where: str
    command: str


def texts() -> Iterator[tuple[str, str]]:
    """Every string of the source but docstrings, with file and line."""
    for package in PACKAGES:
        for path in sorted(Path(package).rglob("*.py")):
            if str(path) in MECHANISM:
                continue
            tree = ast.parse(path.read_text(encoding="utf-8"))
            left_out = {id(doc) for doc in _docstrings(tree)}
            for node in ast.walk(tree):
                if isinstance(node, ast.JoinedStr):
                    left_out |= {id(part) for part in node.values}
            for node in ast.walk(tree):
                if id(node) not in left_out and (text := _text(node)):
                    yield f"{path}:{node.lineno}", text  # type: ignore[attr-defined]


def remedies() -> list[Remedy]:
    """Every command in a text, however it is marked."""
    found = []
    for where, text in texts():
        found += [
            Remedy(where, m) for m in IN_BACKTICKS.findall(text) if m.startswith("continuum ")
        ]
        found += [Remedy(where, m.strip()) for m in BARE.findall(IN_BACKTICKS.sub("", text))]
    return found


def test_every_command_that_a_message_names_is_a_whole_command() -> None:
    """It exists, has those options, and lacks neither an argument nor a required option."""
    found = remedies()
    assert len(found) > 40
    wrong = [f"{r.where}: `{r.command}`: {why}" for r in found if (why := fault(r.command))]
    assert not wrong, "\n".join(wrong)


def test_commands_stand_in_backticks_or_name_their_home() -> None:
    """Otherwise nobody would add the home that they are about; and they begin with `continuum`."""
    wrong = [
        f"{where}: {command}"
        for where, text in texts()
        for command in (*BARE.findall(IN_BACKTICKS.sub("", text)), *UNNAMED.findall(text))
        if "--home" not in command and not command.startswith(ELSEWHERE)
    ]
    assert not wrong, "\n".join(wrong)


def test_options_that_a_message_names_are_options_of_a_command() -> None:
    known = {option for command in _commands() for option in options_of(command)} | {"--help"}
    foreign = (
        "sandbox",
        "tar_reader",
        "cp -rL",
        "python -m seeds.pretrain",
        "start vLLM",
        "llama-server",
    )
    wrong = [
        f"{where}: {option}"
        for where, text in texts()
        if " " in text and not any(words in f"{where} {text}" for words in foreign)
        for option in re.findall(r"(?<![\w-])--[a-z][a-z-]+", text)
        if option not in known
    ]
    assert not wrong, "\n".join(wrong)


def _commands() -> Iterator[Any]:
    from tui.cli.main import command_tree

    waiting = [typer.main.get_command(command_tree())]
    while waiting:
        command = waiting.pop()
        waiting += getattr(command, "commands", {}).values()
        yield command


def _docstrings(tree: ast.Module) -> Iterator[ast.Constant]:
    for node in ast.walk(tree):
        body = getattr(node, "body", None)
        for statement in body if isinstance(body, list) else ():
            if isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant):
                yield statement.value


def _text(node: ast.AST) -> str:
    if isinstance(node, ast.Constant):
        return node.value if isinstance(node.value, str) else ""
    if isinstance(node, ast.JoinedStr):
        return "".join(
            str(part.value) if isinstance(part, ast.Constant) else "X" for part in node.values
        )
    return ""
