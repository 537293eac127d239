"""A regular expression as a tree of steps over sets of positions."""

from __future__ import annotations

import functools
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from genome.refusals import refused, shown

MAX_DEPTH = 16
MAX_REPEAT = 64
MAX_STEPS = 2_000_000
"""Tree nodes visited for all patterns and names of one adapter: about a second."""
_COUNT = re.compile(r"\{([0-9]{1,3})(,?)([0-9]{0,3})\}")
_LITERAL = re.compile(r"(?:(?:[A-Za-z0-9_\-]|\\[._\-])(?![*+?{])){2,}")
_WORD = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_")
_DIGIT = frozenset("0123456789")
_ALL = frozenset(map(chr, range(32, 127)))
_SETS = {"d": _DIGIT, "D": _ALL - _DIGIT, "w": _WORD, "W": _ALL - _WORD, "s": frozenset(" ")}
_PUNCTUATION = frozenset("._-^$|()[]{}*+?\\/ ,:")


class Steps:
    """What is left of the time that matching one adapter's patterns may take."""

    def __init__(self) -> None:
        self.left = MAX_STEPS

    def spend(self, n: int) -> None:
        self.left -= n
        if self.left < 0:
            raise refused(
                "pattern_cost",
                "the name patterns take too long to match: write module names "
                "instead of regular expressions",
            )


class Name:
    """A module name prepared for matching: bit i of a mask is the place before letter i."""

    def __init__(self, text: str, steps: Steps) -> None:
        self.text = text
        self.steps = steps
        self.occurs: dict[str, int] = {}
        for i, char in enumerate(text):
            self.occurs[char] = self.occurs.get(char, 0) | 1 << i
        self.unions: dict[frozenset[str], int] = {}
        word = [False, *(char in _WORD for char in text), False]
        self.boundaries = sum(1 << i for i in range(len(text) + 1) if word[i] != word[i + 1])

    def begins(self, text: str) -> int:
        """The places where a text of two letters or more begins."""
        mask, at = 0, self.text.find(text)
        while at >= 0:
            mask |= 1 << at
            at = self.text.find(text, at + 1)
        return mask

    def one_of(self, chars: frozenset[str]) -> int:
        """Where any of these letters stands."""
        if chars not in self.unions:
            masks = (mask for char, mask in self.occurs.items() if char in chars)
            self.unions[chars] = functools.reduce(int.__or__, masks, 0)
        return self.unions[chars]


Step = Callable[[Name, int], int]
"""Maps the positions before a part of the pattern to those behind it."""


@functools.lru_cache(maxsize=512)
def _letters(chars: frozenset[str]) -> Step:
    return lambda name, mask: (mask & name.one_of(chars)) << 1


def _literal(text: str) -> Step:
    return lambda name, mask: (mask & name.begins(text)) << len(text)


def _onwards(least: int, name: Name, mask: int) -> int:
    """`.{least,}`: every place that far behind the first, or further."""
    begin = (mask & -mask) << least
    return max(0, (2 << len(name.text)) - begin) if begin else 0


def _begin(_: Name, mask: int) -> int:
    return mask & 1


def _end(name: Name, mask: int) -> int:
    return mask & 1 << len(name.text)


def _boundary(name: Name, mask: int) -> int:
    return mask & name.boundaries


def _ahead(part: Step, wanted: bool) -> Step:
    """Look-ahead, `(?=...)` and `(?!...)`: each position alone, as they must not mix."""

    def step(name: Name, mask: int) -> int:
        kept, left = 0, mask
        while left:
            name.steps.spend(1)
            place = left & -left
            left ^= place
            if bool(part(name, place)) is wanted:
                kept |= place
        return kept

    return step


def _behind(part: Step, wanted: bool) -> Step:
    """Look-behind, `(?<=...)` and `(?<!...)`: where the part may end, begun anywhere."""

    def step(name: Name, mask: int) -> int:
        ends = part(name, (2 << len(name.text)) - 1)
        return mask & ends if wanted else mask & ~ends

    return step


def _sequence(parts: list[Step]) -> Step:
    def step(name: Name, mask: int) -> int:
        name.steps.spend(1)
        for part in parts:
            if not mask:
                return 0
            name.steps.spend(1)
            mask = part(name, mask)
        return mask

    return step


def _either(branches: list[Step]) -> Step:
    def step(name: Name, mask: int) -> int:
        return functools.reduce(int.__or__, (branch(name, mask) for branch in branches))

    return step


def _repeat(part: Step, least: int, most: int | None) -> Step:
    if part is _letters(_ALL) and most is None:  # `.*`, in nearly every pattern
        return functools.partial(_onwards, least)

    def step(name: Name, mask: int) -> int:
        for _ in range(least):
            name.steps.spend(1)
            mask = part(name, mask)
        rounds = len(name.text) + 1 if most is None else most - least
        reached = newest = mask
        for _ in range(rounds):
            name.steps.spend(1)
            newest = part(name, newest) & ~reached
            if not newest:
                break
            reached |= newest
        return reached

    return step


_ANCHORS: Mapping[str, Step] = {
    "b": _boundary,
    "B": lambda name, mask: mask & ~name.boundaries,
    "A": _begin,
    "Z": _end,
}
_GROUP = re.compile(r"\?(?::|P<[A-Za-z_][A-Za-z0-9_]*>|=|!|<=|<!)|(?!\?)")
_LOOKS: Mapping[str, Callable[[Step], Step]] = {
    "?=": lambda part: _ahead(part, True),
    "?!": lambda part: _ahead(part, False),
    "?<=": lambda part: _behind(part, True),
    "?<!": lambda part: _behind(part, False),
}


@dataclass(slots=True)
class Parser:
    pattern: str
    at: int = 0
    depth: int = field(default=0)
    ignore_case: bool = False

    def parse(self) -> Step:
        if self.pattern.startswith("(?i)"):
            self.at, self.ignore_case = 4, True
        step = self.alternatives()
        if self.at != len(self.pattern):
            raise self.wrong("a ')' without '('")
        return step

    def alternatives(self) -> Step:
        branches = [self.concatenation()]
        while self.peek() == "|":
            self.at += 1
            branches.append(self.concatenation())
        return branches[0] if len(branches) == 1 else _either(branches)

    def concatenation(self) -> Step:
        parts: list[Step] = []
        while self.peek() not in ("", "|", ")"):
            text = "" if self.ignore_case else self.literal()
            parts.append(_literal(text) if text else self.repeated())
        return _sequence(parts)

    def literal(self) -> str:
        """The letters from here on that no count follows; empty if they are fewer than two."""
        run = _LITERAL.match(self.pattern, self.at)
        if run is None:
            return ""
        self.at = run.end()
        return run[0].replace("\\", "")

    def repeated(self) -> Step:
        part, is_anchor = self.atom()
        char, least, most = self.peek(), 0, None
        if char and char in "*+?":
            least, most = int(char == "+"), 1 if char == "?" else None
            self.at += 1
        elif char == "{":
            count = _COUNT.match(self.pattern, self.at)
            if count is None:
                raise self.wrong("a '{' that begins no count")
            least = int(count[1])
            most = int(count[3]) if count[3] else None if count[2] else least
            if max(least, most or 0) > MAX_REPEAT or (most is not None and most < least):
                raise self.wrong(f"a count that is reversed or above {MAX_REPEAT}")
            self.at = count.end()
        else:
            return part
        if self.peek() == "?":
            self.at += 1  # lazy: the same set of matches
        if is_anchor or (self.peek() and self.peek() in "*+?{"):
            raise self.wrong("a count on an anchor or on another count")
        return _repeat(part, least, most)

    def atom(self) -> tuple[Step, bool]:
        char = self.peek()
        self.at += 1
        if char == "(":
            return self.group()
        if char == "[":
            return _letters(self.char_class()), False
        if char == "\\":
            anchor = _ANCHORS.get(self.peek())
            if anchor is not None:
                self.at += 1
                return anchor, True
            return self.letters(self.escaped()), False
        if char == ".":
            return _letters(_ALL), False
        if char in "^$":
            return (_begin if char == "^" else _end), True
        if char in "*+?{" or char not in _ALL:
            self.at -= 1
            raise self.wrong("a count of nothing, or a letter no module name has")
        return self.letters(frozenset(char)), False

    def group(self) -> tuple[Step, bool]:
        """A group and whether it is an anchor, which takes no letters and cannot be counted."""
        kind = _GROUP.match(self.pattern, self.at)
        if kind is None:
            raise self.wrong("a group of a special kind")
        self.at = kind.end()
        self.depth += 1
        if self.depth > MAX_DEPTH:
            raise self.wrong(f"more than {MAX_DEPTH} nested groups")
        step = self.alternatives()
        self.depth -= 1
        if self.peek() != ")":
            raise self.wrong("a '(' without ')'")
        self.at += 1
        look = _LOOKS.get(kind[0])
        return (look(step), True) if look else (step, False)

    def letters(self, chars: frozenset[str]) -> Step:
        """One of these letters, in either case under `(?i)`."""
        if self.ignore_case:
            chars = frozenset(other for char in chars for other in (char.lower(), char.upper()))
        return _letters(chars)

    def escaped(self) -> frozenset[str]:
        char = self.peek()
        self.at += 1
        if char in _SETS:
            return _SETS[char]
        if char not in _PUNCTUATION:
            self.at -= 1
            raise self.wrong("an unknown escape")
        return frozenset(char)

    def char_class(self) -> frozenset[str]:
        negated = self.peek() == "^"
        self.at += negated
        chars: set[str] = set()
        while self.peek() != "]" or not chars:
            if self.peek() in ("", "]", "["):
                raise self.wrong("a '[' without ']', or one inside another")
            low = self.class_member()
            if self.peek() == "-" and self.pattern[self.at + 1 : self.at + 2] not in ("", "]"):
                self.at += 1
                high = self.class_member()
                if len(low) != 1 or len(high) != 1 or max(low) > max(high):
                    raise self.wrong("a range that is reversed or has no ends")
                low = frozenset(map(chr, range(ord(max(low)), ord(max(high)) + 1)))
            chars |= low
        self.at += 1
        if self.ignore_case:
            chars = {other for char in chars for other in (char.lower(), char.upper())}
        return _ALL - chars if negated else frozenset(chars)

    def class_member(self) -> frozenset[str]:
        char = self.peek()
        self.at += 1
        if char == "\\":
            return self.escaped()
        if char not in _ALL:
            raise self.wrong("a letter no module name has")
        return frozenset(char)

    def peek(self) -> str:
        return self.pattern[self.at : self.at + 1]

    def wrong(self, why: str) -> Exception:
        return refused(
            "pattern",
            f"pattern {shown(self.pattern)} has {why} at character {self.at}: write "
            "module names, or a plain regular expression",
        )
