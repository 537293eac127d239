"""The one place where text is cleaned for a terminal, and the one through which it is printed.

Names, descriptions, prompts, answers and refusals come from strangers: a market, a layer's files, a
model. What in them could move a cursor, write a clipboard, turn a line around or begin a line that
looks like ours is replaced before it is shown.

Libraries that talk on stderr are told not to.
"""

from __future__ import annotations

import sys
from dataclasses import fields, is_dataclass, replace
from typing import Any, TypeVar, cast

Shown = TypeVar("Shown")


def clean(text: object) -> str:
    """The text on one line, a space for every character that a terminal might obey.

    These are all that Python calls not printable: controls (C0, C1), escapes, line ends, marks of
    direction, and characters of no width.
    """
    return "".join(one if one.isprintable() else " " for one in str(text))


def cleaned(value: Shown) -> Shown:
    """The same value with every text in it clean: dataclasses, tuples and lists, however deep."""
    found: Any = value
    if isinstance(value, str):
        found = clean(value)
    elif isinstance(value, tuple | list):
        found = type(value)(cleaned(one) for one in value)
    elif is_dataclass(value) and not isinstance(value, type):
        parts = {one.name: cleaned(getattr(value, one.name)) for one in fields(value) if one.init}
        found = replace(cast(Any, value), **parts)
    return cast(Shown, found)


def say(*lines: object, err: bool = False) -> None:
    """Print clean lines, to the terminal at once.

    Args:
        err: To the standard error stream.
    """
    stream = sys.stderr if err else sys.stdout
    for line in lines:
        print(clean(line), file=stream, flush=True)


def say_on(piece: str) -> None:
    """Print a piece of a text that is still coming; its lines are set in, so that none is ours."""
    print("\n  ".join(clean(line) for line in piece.expandtabs(4).split("\n")), end="", flush=True)


def quiet_libraries() -> None:
    """No progress bars and notices from transformers; errors still come through."""
    from transformers.utils import logging

    logging.set_verbosity_error()
    logging.disable_progress_bar()
