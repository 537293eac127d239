"""Whether a command line is one that the program has: it exists, with those options, and whole."""

from __future__ import annotations

import re

from tui.cli.hints import command_of

GROUPS = "demo|init|tui|academy|base|layer|persona|market"
"""The first words of all commands."""


def fault(command: str) -> str:
    """What is wrong with a command line as it stands; empty if nothing is."""
    words = re.findall(r'"[^"]*"|\S+', command)[1:]
    found, n = command_of(words)
    if found is None:
        return f"there is no command {' '.join(words[: n + 1])!r}"
    by_name = {name: p for p in found.params for name in (*p.opts, *p.secondary_opts)}
    given, values = set(), 0
    rest = iter(words[n:])
    for word in rest:
        if not word.startswith("-"):
            values += 1
            continue
        option = by_name.get(word.partition("=")[0])
        if option is None:
            return f"{word} is no option of it"
        given.add(option.name)
        if not option.is_flag and "=" not in word and next(rest, None) is None:
            return f"{word} lacks its value"
    arguments = [p for p in found.params if p.param_type_name == "argument"]
    needed = sum(p.required for p in arguments)
    most = 1000 if any(p.nargs == -1 for p in arguments) else len(arguments)
    missing = [
        option.opts[0]
        for option in found.params
        if option.required and option.param_type_name == "option" and option.name not in given
    ]
    if not needed <= values <= most:
        return f"it takes {needed} to {most} words, not {values}"
    return f"it needs {', '.join(missing)}" if missing else ""
