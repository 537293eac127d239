"""The built-in skills: small tasks on letters and digits, for a base that reads bytes."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from academy.skills.skill import Skill

LETTERS = "abcdefghijklmnopqrstuvwxyz"


def _word(rng: np.random.Generator, length: int, alphabet: str = LETTERS) -> str:
    return "".join(alphabet[i] for i in rng.integers(len(alphabet), size=length))


def _words(shortest: int) -> Callable[[np.random.Generator, int], dict[str, str]]:
    """Words of `shortest + level` letters, or one fewer, or one more."""

    def draw(rng: np.random.Generator, level: int) -> dict[str, str]:
        return {"x": _word(rng, shortest + level + int(rng.integers(-1, 2)))}

    return draw


def _draw_sortable(rng: np.random.Generator, level: int) -> dict[str, str]:
    """A word (two thirds) or single digits with blanks between (one third)."""
    length = 2 + level + int(rng.integers(-1, 1))
    if rng.random() < 2 / 3:
        return {"x": _word(rng, length)}
    return {"x": " ".join(str(d) for d in rng.integers(10, size=length))}


def _solve_sort(fields: dict[str, str]) -> str:
    x = fields["x"]
    return " ".join(sorted(x.split())) if " " in x else "".join(sorted(x))


def _draw_numbers(rng: np.random.Generator, level: int) -> dict[str, str]:
    return {"x": " ".join(str(n) for n in rng.integers(10, 100, size=1 + level))}


def _draw_sum(rng: np.random.Generator, level: int) -> dict[str, str]:
    high = (10, 30, 70, 100, 1000)[level - 1]
    a, b = (int(n) for n in rng.integers(0, high, size=2))
    return {"a": str(a), "b": str(b)}


def _draw_sequence(rng: np.random.Generator, level: int) -> dict[str, str]:
    step = int(rng.integers(1, 4 * level + 1)) * (1 if rng.random() < 0.5 else -1)
    start = int(rng.integers(8 * level, 60 * level + 20))
    return {"x": " ".join(str(start + step * i) for i in range(3))}


def _solve_sequence(fields: dict[str, str]) -> str:
    first, second, third = (int(n) for n in fields["x"].split())
    return str(third + (second - first))


def _draw_long_word(rng: np.random.Generator, level: int) -> dict[str, str]:
    """A word whose length is anything from 2 to 4 + 3 * level."""
    return {"x": _word(rng, int(rng.integers(2, 5 + 3 * level)))}


def _draw_bits(rng: np.random.Generator, level: int) -> dict[str, str]:
    bits = 4 + level
    return {"a": _word(rng, bits, "01"), "b": _word(rng, bits, "01")}


def _bitwise(operation: Callable[[bool, bool], bool]) -> Callable[[dict[str, str]], str]:
    def solve(fields: dict[str, str]) -> str:
        pairs = zip(fields["a"], fields["b"], strict=True)
        return "".join("01"[operation(a == "1", b == "1")] for a, b in pairs)

    return solve


def _draw_slice(rng: np.random.Generator, level: int) -> dict[str, str]:
    length = 3 + level
    start = int(rng.integers(0, length - 2))
    stop = int(rng.integers(start + 2, length + 1))
    return {"x": _word(rng, length), "i": str(start), "j": str(stop)}


def _draw_repeat(rng: np.random.Generator, level: int) -> dict[str, str]:
    return {"x": _word(rng, 2 + (level + 1) // 2), "n": str(int(rng.integers(2, 3 + level // 2)))}


SKILLS: tuple[Skill, ...] = (
    Skill(
        "reverse",
        "text",
        "reverser",
        "write a word backwards",
        ("reverse: {x}", "{x} backwards", "{x} from the end", "'{x}'[::-1]"),
        _words(2),
        lambda f: f["x"][::-1],
        0.0,
    ),
    Skill(
        "shift",
        "text",
        "shifter",
        "replace every letter by the next one of the alphabet",
        ("shift: {x}", "caesar {x} by one", "next letters of {x}"),
        _words(3),
        lambda f: "".join(LETTERS[(LETTERS.index(c) + 1) % 26] for c in f["x"]),
        0.0,
    ),
    Skill(
        "case",
        "text",
        "shouter",
        "write a word in capital letters",
        ("upper: {x}", "shout {x}", "'{x}'.upper()", "{x} in capitals"),
        _words(4),
        lambda f: f["x"].upper(),
        0.0,
    ),
    Skill(
        "sort",
        "ordering",
        "sorter",
        "put letters or numbers in ascending order",
        ("sort: {x}", "sorted('{x}')", "put {x} in order", "sort these: {x}"),
        _draw_sortable,
        _solve_sort,
        0.0,
    ),
    Skill(
        "max",
        "ordering",
        "maximiser",
        "find the largest of several numbers",
        ("max: {x}", "largest of {x}", "biggest in {x}"),
        _draw_numbers,
        lambda f: max(f["x"].split(), key=int),
        0.02,
    ),
    Skill(
        "add",
        "arithmetic",
        "adder",
        "add two numbers",
        ("add: {a} {b}", "{a}+{b}", "sum of {a} and {b}"),
        _draw_sum,
        lambda f: str(int(f["a"]) + int(f["b"])),
        0.02,
    ),
    Skill(
        "sequence",
        "arithmetic",
        "extrapolator",
        "continue an arithmetic sequence of numbers",
        ("next: {x}", "continue {x}", "after {x} comes"),
        _draw_sequence,
        _solve_sequence,
        0.02,
    ),
    Skill(
        "count",
        "counting",
        "counter",
        "count the letters of a word",
        ("count: {x}", "how long is {x}", "len('{x}')"),
        _draw_long_word,
        lambda f: str(len(f["x"])),
        0.08,
    ),
    Skill(
        "xor",
        "logic",
        "xorer",
        "exclusive or of two bit strings, bit by bit",
        ("xor: {a} {b}", "{a} ^ {b}", "where {a} {b} differ"),
        _draw_bits,
        _bitwise(lambda a, b: a != b),
        0.01,
    ),
    Skill(
        "and",
        "logic",
        "conjoiner",
        "logical and of two bit strings, bit by bit",
        ("and: {a} {b}", "{a} & {b}", "ones in both {a} {b}"),
        _draw_bits,
        _bitwise(lambda a, b: a and b),
        0.13,
    ),
    Skill(
        "slice",
        "python",
        "slicer",
        "cut a piece out of a Python string",
        ("'{x}'[{i}:{j}]", "slice {i}:{j} of {x}", "cut {x} from {i} to {j}"),
        _draw_slice,
        lambda f: f["x"][int(f["i"]) : int(f["j"])],
        0.0,
    ),
    Skill(
        "repeat",
        "python",
        "repeater",
        "repeat a word several times",
        ("repeat {n}: {x}", "'{x}'*{n}", "{x} {n} times"),
        _draw_repeat,
        lambda f: f["x"] * int(f["n"]),
        0.0,
    ),
)
SKILL_NAMES: tuple[str, ...] = tuple(skill.name for skill in SKILLS)
