"""Commands that a message names, written so that they mean this home and this market when typed.

A message anywhere in the program names a command in backticks and knows nothing of the options
that were given; they are added here, where it is printed.

One word, one meaning: options that were renamed work for a while, with a warning.

`--home` is where the library, personas and market are, `--out` a new file or folder of results;
`--base` a base model, by name, fingerprint or folder; `--items` how many questions, `--questions`
which ones; `--limit` how many lines; `--key` makes a repeated request harmless.
"""

from __future__ import annotations

import re
import shlex
import sys
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any

from tui.printing import say

RENAMED: Mapping[str, Mapping[str, str]] = {
    "demo": {"--out": "--home"},
    "academy breed": {"--questions": "--items"},
    "academy rate": {"--questions": "--items"},
    "layer import": {"--signed": "--signed-only"},
    "layer search": {"-k": "--limit"},
    "layer sign": {"--key": "--key-file"},
    "market search": {"--base-model": "--base"},
    "market bounty post": {"--base-model": "--base", "--questions": "--items"},
    "market cycle": {"--questions": "--items"},
}
"""Command -> old spelling -> present one."""
_MAX_COMMAND_WORDS = 3

_COMMAND = re.compile(r"`continuum ([^`]+)`")
CARRIED = {"--home": ("--home",), "--market": ("--market", "-m")}
"""What says where a command works, with its spellings."""

DATABASE_ONLY = frozenset({"appoint", "migrate", "move", "serve", "sweep", "verify", "vouch"})
"""Market commands that work on a database: whoever speaks to a service cannot give them."""


def hint(text: str, *, err: bool = False) -> None:
    """Print a line that says what to do next.

    Args:
        err: To the standard error stream.
    """
    say(in_context(text), err=err)


def in_context(text: str, words: Sequence[str] | None = None) -> str:
    """A message whose commands are about the same home and market as the present command.

    Args:
        words: The present command line, `sys.argv` by default.
    """
    given = _given(sys.argv[1:] if words is None else words)
    if not given or "`continuum " not in text:
        return text
    return _COMMAND.sub(lambda found: f"`continuum {_completed(found[1], given)}`", text)


def command_of(words: Sequence[str]) -> tuple[Any, int]:
    """The click command that words name, and how many of them name it; None if there is none."""
    command, n = _tree(frozenset(words[:1])), 0
    while (inside := getattr(command, "commands", None)) is not None:
        if n == len(words) or words[n] not in inside:
            return None, n
        command, n = inside[words[n]], n + 1
    return command, n


@lru_cache
def _tree(words: frozenset[str]) -> Any:
    import typer

    from tui.cli.main import command_tree  # which imports this file

    return typer.main.get_command(command_tree(words))


def options_of(command: Any) -> set[str]:
    """Every spelling of every option of a command."""
    return {name for p in command.params for name in (*p.opts, *p.secondary_opts)}


def _given(words: Sequence[str]) -> dict[str, str]:
    """Option -> value, of those that were typed; what the environment says is still true."""
    given = {}
    for i, word in enumerate(words):
        if word == "--":
            break
        for option, spellings in CARRIED.items():
            if word in spellings and i + 1 < len(words):
                given[option] = words[i + 1]
            elif word.startswith(f"{option}="):
                given[option] = word.removeprefix(f"{option}=")
    return given


def _completed(text: str, given: dict[str, str]) -> str:
    words = text.split()
    command, _ = command_of(words)
    if command is None:
        return text
    if given.get("--market", "").startswith("http") and DATABASE_ONLY & set(words[1:2]):
        return text  # it is the operator's, on another machine
    options = options_of(command)
    added = [
        f"{option} {shlex.quote(value)}"
        for option, value in given.items()
        if option in options and not any(w == option or w.startswith(f"{option}=") for w in words)
    ]
    return " ".join([text, *added])


def current_spelling(words: Sequence[str]) -> list[str]:
    """A command line with its options as they are called now; warns about every old one."""
    command, renamed = _renamed_of(words)
    spelled = list(words)
    for i, word in enumerate(words):
        if word == "--":
            break
        for old, new in renamed.items():
            if word == old or word.startswith(f"{old}="):
                spelled[i] = new + word[len(old) :]
            elif len(old) == 2 and word.startswith(old):
                spelled[i] = f"{new}={word[2:]}"
            else:
                continue
            say(
                f"continuum: warning: {old} of `continuum {command}` is called {new} now; the old "
                "spelling will go",
                err=True,
            )
    return spelled


def _renamed_of(words: Sequence[str]) -> tuple[str, Mapping[str, str]]:
    for n in range(1, _MAX_COMMAND_WORDS + 1):
        command = " ".join(words[:n])
        if command in RENAMED:
            return command, RENAMED[command]
    return "", {}
