"""What the command line itself refuses, and how any refusal is shown.

CommandError
├── HomeNotFoundError
└── OptionError
"""

from __future__ import annotations

import errno
import re
from pathlib import Path

import typer

from tui.cli.hints import hint
from tui.printing import say

BELOW_ZERO = re.compile(r"-[0-9][0-9.]*")


class CommandError(Exception):
    """Base of the command line's own errors; its text is one line."""


MAKERS = {
    "library": "`continuum layer import FOLDER` starts one, `continuum academy run smoke` fills it",
    "personas": "`continuum persona create NAME --layer LAYER` or `continuum academy run smoke` "
    "makes some",
    "market.db": "`continuum market serve` makes one, or name another market with --market",
}
"""Part of a home -> the commands that make it."""


class HomeNotFoundError(CommandError):
    """The home lacks what the command needs."""

    def __init__(self, home: Path, part: str) -> None:
        super().__init__(
            f"no {part} in {home} yet: {MAKERS[part]}; or point --home or CONTINUUM_HOME to "
            "the home that you mean (`continuum demo` makes a whole one)"
        )


class OptionError(CommandError):
    """An option's value makes no sense."""


def known_errors() -> tuple[type[BaseException], ...]:
    """Every error that is a message for the user, not a bug."""
    from academy.errors import AcademyError
    from genome.errors import GenomeError
    from marketplace.errors import MarketError
    from persona.errors import PersonaError

    return (CommandError, AcademyError, GenomeError, MarketError, PersonaError, OSError)


def explain(error: BaseException) -> str:
    """One line for the user."""
    if not isinstance(error, OSError):
        return " ".join(str(error).split())
    where = error.filename or "the home"
    if error.errno == errno.ENOSPC:
        return f"the disk is full ({where}): free some space, then run the same command to go on"
    if error.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
        return f"no permission to write {where}: choose another folder with --home or --out"
    if error.errno in (errno.ENOTDIR, errno.EEXIST):
        return f"{where} is a file where a folder is needed: choose another --home or --out"
    return f"{where}: {error.strerror or error}"


EXTRAS = {
    **dict.fromkeys(("http_message_signatures", "httpx", "keyring", "tenacity"), "remote"),
    **dict.fromkeys(
        ("fastapi", "httptools", "prometheus_client", "starlette", "structlog", "uvicorn"), "serve"
    ),
    "mcp": "mcp",
    "xllamacpp": "llama",
}
"""Packages that only an extra brings."""


def extra_missing(error: ModuleNotFoundError) -> CommandError | None:
    """The refusal, if a package is not here because its extra was not installed."""
    name = (error.name or "").partition(".")[0]
    if name not in EXTRAS:
        return None
    return CommandError(
        f"{name} is not installed: `pip install 'continuum-personas[{EXTRAS[name]}]'` brings it"
    )


def fail(error: BaseException) -> int:
    """Print the one line; the exit code to leave with."""
    hint(f"continuum: {explain(error)}", err=True)
    return 1


def fail_usage(error: typer.TyperException) -> int:
    """The same for words that make no command, where typer would draw a box; exit code 2."""
    context = getattr(error, "ctx", None)
    where = "continuum" if context is None else context.command_path
    option = getattr(error, "option_name", "")
    said = " ".join(error.format_message().split()).rstrip(".")
    if BELOW_ZERO.fullmatch(option):
        said = f"{option} is below zero, where nothing may be"
    if said:  # typer's own help for a command without words has been printed
        end = "" if said.endswith("?") else "."
        say(f"continuum: {said[0].lower()}{said[1:]}{end} See `{where} --help`", err=True)
    return error.exit_code
