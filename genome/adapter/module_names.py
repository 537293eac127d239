"""Which modules a configuration means, as PEFT finds them.

Facts from peft 0.21: `get_pattern_key` and `check_target_module_exists`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from genome.adapter.name_pattern import NameMatcher

MAX_NAMES = 8192
"""Names in one list or pattern table."""


class PatternTable:
    """A pattern table; the first pattern that matches wins (PEFT's `get_pattern_key`)."""

    def __init__(self, table: Mapping[str, Any], matcher: NameMatcher) -> None:
        self.matcher = matcher
        self.whole_paths: dict[str, tuple[int, Any]] = {}
        """Patterns such as `^model\\.layers\\.0`, which can match one module only."""
        self.others: list[tuple[int, str, Any]] = []
        for place, (pattern, value) in enumerate(table.items()):
            if re.fullmatch(r"\^(?:[A-Za-z0-9_\-]|\\\.)+", pattern):
                path = pattern[1:].replace("\\", "")
                self.whole_paths.setdefault(path, (place, value))
            else:
                self.others.append((place, pattern, value))

    def first_match(self, module: str, default: Any) -> Any:
        """The value of the first pattern that matches the end of a module's path."""
        last, value = self.whole_paths.get(module, (MAX_NAMES, default))
        for place, pattern, other in self.others:
            if place > last:
                break
            if self.matcher.end(pattern, module):
                return other
        return value


def is_named(names: str | frozenset[str], module: str, matcher: NameMatcher) -> bool:
    """Whether a regular expression matches the path, or one of these names ends it."""
    if isinstance(names, str):
        return matcher.whole(names, module)
    parts = module.split(".")
    return any(".".join(parts[i:]) in names for i in range(len(parts)))


def block_number(module: str, names: tuple[str, ...]) -> int:
    """Number of the block a module is in, as PEFT finds it; -1 if it is in none."""
    parts = module.split(".")
    for name in names or ("",):
        wanted = name.split(".") if name else []
        for i in range(len(wanted) or 2, len(parts) - 1):
            if parts[i].isdigit() and parts[i - len(wanted) : i] == wanted:
                return int(parts[i])
    return -1
