"""Which modules a configuration means, as PEFT finds them.

Facts from peft 0.21: `get_pattern_key` and `check_target_module_exists`.

Regular expressions from strangers, matched in bounded time.

PEFT's configuration names modules by regular expressions, and Python's `re` can be made to run
for years by a short one, `(a+)+$`. Here a pattern is parsed into a small tree and matched over
*sets* of positions, each set one integer with a bit per position, so there is no backtracking:

    literal  move every position one on where the letter stands     (mask & occurs) << 1
    a|b      union of both                                          a(mask) | b(mask)
    a*       repeat until the set no longer grows                   at most len(name) rounds
    (?=a)    the positions from which a leads somewhere             each asked alone
    (?<=a)   the positions that a leads to from anywhere            mask & a(all)

Only whether a name matches is asked, never what a group caught, so greedy and lazy are the same.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

from genome.adapter.name_tree import Name, Parser, Step, Steps
from genome.refusals import refused

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


MAX_PATTERN = 2048
MAX_LETTERS = 1 << 16
"""Of all patterns of one adapter that are more than a module's name: a table of regular expressions
for each of 900 modules has 45,000."""

_PLAIN = re.compile(r"\^?(?:[A-Za-z0-9_\-.]|\\[._\-])+\$?")


class NameMatcher:
    """Matches the patterns of one adapter against module names, within one budget of steps."""

    def __init__(self) -> None:
        self._steps = Steps()
        self._name = Name("", self._steps)
        self._compiled: dict[str, Step] = {}

    def whole(self, pattern: str, name: str) -> bool:
        """`re.fullmatch(pattern, name)`, as PEFT reads a `target_modules` string.

        Raises:
            LayerRejected: pattern, pattern_cost.
        """
        return self._reaches_end(pattern, name, any_segment=False)

    def end(self, pattern: str, name: str) -> bool:
        r"""`re.match(rf"(.*\.)?({pattern})$", name)`, as PEFT reads the keys of `rank_pattern`.

        Raises:
            LayerRejected: pattern, pattern_cost.
        """
        if _PLAIN.fullmatch(pattern):  # nearly always a module's name: no need of the tree
            self._steps.spend(1)
            return _plain_end(pattern, name)
        return self._reaches_end(pattern, name, any_segment=True)

    def _reaches_end(self, pattern: str, name: str, *, any_segment: bool) -> bool:
        if self._name.text != name:
            self._name = Name(name, self._steps)
        begin = 1 | (self._name.occurs.get(".", 0) << 1 if any_segment else 0)
        step = self._compiled.get(pattern)
        if step is None:
            step = self._compiled[pattern] = _compile(pattern)
        return bool(step(self._name, begin) >> len(name) & 1)


def check_patterns(patterns: Iterable[str]) -> None:
    """Refuse what cannot be matched safely, before anything is matched.

    Raises:
        LayerRejected: pattern.
    """
    expressions = [pattern for pattern in patterns if not _PLAIN.fullmatch(pattern)]
    n_letters = sum(map(len, expressions))
    if n_letters > MAX_LETTERS:
        raise refused(
            "pattern",
            f"regular expressions may have {MAX_LETTERS} letters together, these "
            f"{len(expressions)} have {n_letters}: write module names",
        )
    for pattern in expressions:
        _compile(pattern)


def _plain_end(pattern: str, name: str) -> bool:
    """`NameMatcher.end` for letters and dots; a dot without backslash stands for any letter."""
    letters = pattern.removesuffix("$").removeprefix("^")
    letters = letters.replace("\\.", "\n").replace(".", "\t").replace("\\", "").replace("\n", ".")
    head, tail = name[: -len(letters)], name[-len(letters) :]
    if len(tail) != len(letters) or (head and (pattern[0] == "^" or head[-1] != ".")):
        return False
    return all(want in (have, "\t") for want, have in zip(letters, tail, strict=True))


def _compile(pattern: str) -> Step:
    if len(pattern) > MAX_PATTERN:
        raise refused(
            "pattern",
            f"a name pattern has at most {MAX_PATTERN} letters, not {len(pattern)}: "
            "list module names",
        )
    return Parser(pattern).parse()
