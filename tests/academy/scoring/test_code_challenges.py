"""The built-in code challenges: each can be solved, and none by chance."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

import seeds
from academy.sandbox.answers import same
from academy.sandbox.sandbox import Sandbox
from academy.scoring.code import parse_unit_tests, unit_test_report, unit_test_score

PATH = Path(str(seeds.__file__)).parent / "challenges" / "python.jsonl"
CHALLENGES: list[dict[str, Any]] = [json.loads(line) for line in PATH.read_text().splitlines()]

REFERENCES = """
def add(a, b):
    return a + b

def is_even(n):
    return n % 2 == 0

def largest(numbers):
    return max(numbers, default=None)

def backwards(text):
    return text[::-1]

def count_vowels(text):
    return sum(c in "aeiou" for c in text.lower())

def is_palindrome(text):
    kept = [c for c in text.lower() if c.isalnum()]
    return kept == kept[::-1]

def factorial(n):
    return 1 if n == 0 else n * factorial(n - 1)

def fibonacci(n):
    a, b = 0, 1
    for _ in range(n):
        a, b = b, a + b
    return a

def is_prime(n):
    return n > 1 and all(n % d for d in range(2, int(n**0.5) + 1))

def primes_below(n):
    return [m for m in range(2, n) if all(m % d for d in range(2, m))]

def gcd(a, b):
    return a if b == 0 else gcd(b, a % b)

def lcm(a, b):
    return next(m for m in range(a, a * b + 1, a) if m % b == 0)

def digit_sum(n):
    return sum(map(int, str(n)))

def unique(items):
    return list(dict.fromkeys(items))

def word_counts(text):
    words = text.lower().split()
    return {word: words.count(word) for word in words}

def flatten(nested):
    return [item for inner in nested for item in inner]

def flatten_deep(nested):
    if not isinstance(nested, list):
        return [nested]
    return [item for inner in nested for item in flatten_deep(inner)]

def transpose(matrix):
    return [list(column) for column in zip(*matrix)]

def rotate(items, k):
    k = k % len(items) if items else 0
    return items[len(items) - k:] + items[:len(items) - k]

def chunks(items, size):
    return [items[i:i + size] for i in range(0, len(items), size)]

def merge_sorted(a, b):
    return sorted(a + b)

def binary_search(items, target):
    return items.index(target) if target in items else -1

def balanced(text):
    open_ones, pairs = [], {")": "(", "]": "[", "}": "{"}
    for c in text:
        if c in pairs.values():
            open_ones.append(c)
        elif c in pairs and (not open_ones or open_ones.pop() != pairs[c]):
            return False
    return not open_ones

def caesar(text, shift):
    def move(c):
        if not (c.isascii() and c.isalpha()):
            return c
        first = ord("a" if c.islower() else "A")
        return chr((ord(c) - first + shift) % 26 + first)
    return "".join(map(move, text))

def to_roman(n):
    signs = [(1000, "M"), (900, "CM"), (500, "D"), (400, "CD"), (100, "C"), (90, "XC"), (50, "L"),
             (40, "XL"), (10, "X"), (9, "IX"), (5, "V"), (4, "IV"), (1, "I")]
    text = ""
    for value, sign in signs:
        text += n // value * sign
        n %= value
    return text

def from_roman(text):
    values = [{"I": 1, "V": 5, "X": 10, "L": 50, "C": 100, "D": 500, "M": 1000}[c] for c in text]
    return sum(-v if v < w else v for v, w in zip(values, values[1:] + [0]))

def to_binary(n):
    return format(n, "b")

def run_length(text):
    import itertools
    return "".join(f"{c}{len(list(run))}" for c, run in itertools.groupby(text))

def anagrams(a, b):
    return sorted(a.lower()) == sorted(b.lower())

def second_largest(numbers):
    different = sorted(set(numbers))
    return different[-2] if len(different) > 1 else None

def median(numbers):
    import statistics
    return float(statistics.median(numbers))

def two_sum(numbers, target):
    for j, b in enumerate(numbers):
        for i, a in enumerate(numbers[:j]):
            if a + b == target:
                return i, j

def title_case(text):
    return " ".join(word[:1].upper() + word[1:].lower() for word in text.split(" "))

def fizzbuzz(n):
    return ["Fizz" * (i % 3 == 0) + "Buzz" * (i % 5 == 0) or str(i) for i in range(1, n + 1)]

def invert(mapping):
    return {value: key for key, value in mapping.items()}

def group_by_length(words):
    return {len(word): [w for w in words if len(w) == len(word)] for word in words}

def collatz_steps(n):
    return 0 if n == 1 else 1 + collatz_steps(n // 2 if n % 2 == 0 else 3 * n + 1)

def common(a, b):
    return set(a) & set(b)

def longest_word(text):
    return max(text.split(), key=len, default="")

def power_set_size(n):
    return 2 ** n

def edit_distance(a, b):
    row = list(range(len(b) + 1))
    for i, x in enumerate(a, 1):
        last, row[0] = row[0], i
        for j, y in enumerate(b, 1):
            last, row[j] = row[j], min(row[j] + 1, row[j - 1] + 1, last + (x != y))
    return row[-1]

def change(amount, coins):
    best = [0]
    for sum_ in range(1, amount + 1):
        fewest = [best[sum_ - c] for c in coins if c <= sum_ and best[sum_ - c] >= 0]
        best.append(min(fewest) + 1 if fewest else -1)
    return best[amount]
"""


def _name(challenge: dict[str, Any]) -> str:
    return str(challenge["tests"][0]).partition("(")[0]


def _reference(name: str) -> str:
    """One function's text; it must not lean on another one."""
    found = REFERENCES.partition(f"\ndef {name}(")
    assert found[1], name
    return f"def {name}({found[2].partition(chr(10) * 2 + 'def ')[0]}\n"


@pytest.fixture(scope="module")
def sandbox() -> Sandbox:
    return Sandbox.available()


@pytest.mark.parametrize("challenge", CHALLENGES, ids=_name)
def test_every_challenge_can_be_solved(sandbox: Sandbox, challenge: dict[str, Any]) -> None:
    """Its reference solution, alone, passes all of its tests."""
    answer = _reference(_name(challenge))
    report = unit_test_report(answer, challenge["tests"], sandbox)
    assert report.reasons == ("",) * len(challenge["tests"])
    assert unit_test_score(answer, challenge["tests"], sandbox) == 1.0


@pytest.mark.parametrize(
    "body",
    [
        "pass",
        "return args[0]",
        "return args[-1]",
        "return len(args[0])",
        "return []",
        "return ''",
        "return 0",
        "return True",
        "return sorted(args[0])",
        "return list(args[0])[:1]",
        "return sum(args)",
        "return str(args[0])",
    ],
)
def test_an_empty_or_lazy_function_solves_none(sandbox: Sandbox, body: str) -> None:
    """One function for all names: no challenge is passed by it as a whole."""
    tests = {_name(challenge): parse_unit_tests(challenge["tests"]) for challenge in CHALLENGES}
    code = (
        "def tried(call):\n    try:\n        return call()\n    except Exception:\n        pass\n"
    )
    code += "".join(f"def {name}(*args):\n    {body}\n" for name in tests)
    calls = ", ".join(f"tried(lambda: {test.call})" for of in tests.values() for test in of)
    [values] = sandbox.run(code, [f"[{calls}]"]).values or [None]
    assert isinstance(values, list)
    returned = iter(values)
    solved = []
    for name, of_this_one in tests.items():
        passed = [same(next(returned), test.expected) for test in of_this_one]
        solved += [name] if all(passed) else []
    assert solved == ([] if body != "return sum(args)" else ["add"])


def test_no_constant_solves_a_challenge() -> None:
    """The tests of a challenge expect at least two different values."""
    for challenge in CHALLENGES:
        expected = {repr(test.expected) for test in parse_unit_tests(challenge["tests"])}
        assert len(expected) > 1, _name(challenge)


def test_the_set_is_as_announced() -> None:
    """About 40, no prompt or function twice, each names its function, all our own licence."""
    assert 38 <= len(CHALLENGES) <= 45
    assert len({challenge["prompt"] for challenge in CHALLENGES}) == len(CHALLENGES)
    assert len({_name(challenge) for challenge in CHALLENGES}) == len(CHALLENGES)
    for challenge in CHALLENGES:
        assert f"{_name(challenge)}(" in challenge["prompt"]
        assert len(challenge["tests"]) >= 3
        assert (challenge["skill"], challenge["domain"]) == ("python-code", "python")
        assert challenge["licence"] == "Apache-2.0"
