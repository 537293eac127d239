"""Hidden unit tests: what is a test, what passes one, and that nothing else does."""

from __future__ import annotations

import pytest

from academy.sandbox.sandbox import Sandbox
from academy.scoring.code import (
    BadUnitTestError,
    UnitTest,
    parse_unit_test,
    partial_score,
    unit_test_report,
    unit_test_score,
    without_fences,
)

GIVE = "def give(x):\n    return x\n"


@pytest.fixture(scope="module")
def sandbox() -> Sandbox:
    return Sandbox.available()


def test_a_test_is_split_into_a_call_and_a_literal() -> None:
    """The left side goes to the sandbox as text; the right side becomes a value that stays."""
    assert parse_unit_test(" f( 2,3 ) == -5 ") == UnitTest("f(2, 3)", -5)
    assert parse_unit_test("sorted(f([1])) == {'a': (1, None)}").expected == {"a": (1, None)}


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("f(2)", "no single =="),
        ("f(2) != 3", "no single =="),
        ("f(2) == 3 == 3", "no single =="),
        ("f(2) == 3 and f(3) == 4", "no single =="),
        ("5 == f(2)", "no call on its left"),
        ("f == 5", "no call on its left"),
        ("f(1)[0] == 5", "no call on its left"),
        ("f(2) == g(3)", "no literal on its right"),
        ("f(2) == x", "no literal on its right"),
        ("f(2) == 2 + 3", "no literal on its right"),
        ("f(2) == 2j", "a type that the sandbox does not return"),
        ("f(2) == [...]", "a type that the sandbox does not return"),
        ("f(2 == 5", "no expression"),
        ("import os", "no expression"),
        ("f(2) == '\0'", "no expression"),
        ("", "no expression"),
        ("(" * 5000, "no expression"),
    ],
)
def test_anything_else_is_refused(text: str, why: str) -> None:
    """The message quotes the test, says what is wrong with it and shows a right one."""
    with pytest.raises(BadUnitTestError) as caught:
        parse_unit_test(text)
    message = str(caught.value)
    assert repr(text) in message and why in message and "f(2, 3) == 5" in message
    assert "\n" not in message


def test_a_challenge_without_tests_is_refused(sandbox: Sandbox) -> None:
    """Else an answer to nothing would have passed everything."""
    with pytest.raises(BadUnitTestError, match="at least one"):
        unit_test_score(GIVE, [], sandbox)


def test_all_must_pass_and_partial_credit_is_kept_apart(sandbox: Sandbox) -> None:
    """Two of three tests are 0.0 in the headline and 2/3 beside it."""
    tests = ["give(1) == 1", "give(2) == 3", "give(3) == 3"]
    assert unit_test_score(GIVE, tests, sandbox) == 0.0
    assert partial_score(GIVE, tests, sandbox) == pytest.approx(2 / 3)
    assert unit_test_score(GIVE, tests[::2], sandbox) == 1.0
    assert unit_test_report(GIVE, tests, sandbox).reasons == ("", "returned another value", "")


@pytest.mark.parametrize(
    ("given", "expected", "score"),
    [
        ("1", "1", 1.0),
        ("1.0", "1", 0.0),
        ("True", "1", 0.0),
        ("1", "True", 0.0),
        ("0.0", "-0.0", 1.0),
        ("[1]", "(1,)", 0.0),
        ("(1, [2, (3,)])", "(1, [2, (3,)])", 1.0),
        ("(1, [2, [3]])", "(1, [2, (3,)])", 0.0),
        ("{1: 2.0}", "{1: 2.0}", 1.0),
        ("{True: 2.0}", "{1: 2.0}", 0.0),
        ("{2: 1, 1: 2}", "{1: 2, 2: 1}", 1.0),
        ("{'tuple': [1]}", "(1,)", 0.0),
        ("{'tuple': [1]}", "{'tuple': [1]}", 1.0),
        ("{1, 2}", "{2, 1}", 1.0),
        ("frozenset({1, 2})", "{2, 1}", 0.0),
        ("b'a'", "b'a'", 1.0),
        ("'a'", "b'a'", 0.0),
        ("'\\ud800\\n\\x00\u20ac'", "'\\ud800\\n\\x00\u20ac'", 1.0),
        ("float('inf')", "1e999", 1.0),
        ("float('nan')", "0.0", 0.0),
        ("10 ** 4000", f"1{'0' * 4000}", 1.0),
        ("None", "None", 1.0),
        ("print", "None", 0.0),
        ("range(3)", "[0, 1, 2]", 0.0),
    ],
)
def test_values_are_compared_with_their_types(
    sandbox: Sandbox, given: str, expected: str, score: float
) -> None:
    """What Python's == would let pass (1 == True == 1.0) is not let pass, at any depth."""
    assert unit_test_score(GIVE, [f"give({given}) == {expected}"], sandbox) == score


@pytest.mark.parametrize(
    ("answer", "code"),
    [
        ("x = 1\n", "x = 1\n"),
        ("```python\nx = 1\n```", "x = 1\n"),
        ("Sure:\n\n```py\nx = 1\n```\nIt sets x.\n", "x = 1\n"),
        ("```\nx = 1\n```\n```\ny = 2\n```", "x = 1\n"),
        ("```python\nx = 1\n", "x = 1\n"),
        ("~~~\nx = '```'\n~~~", "x = '```'\n"),
        ("````\nx = 1\n```\n````", "x = 1\n```\n"),
        ('def f():\n    """Like\n    ```\n    f()\n    ```\n    """\n', None),
        ("```\r\nx = 1\r\n```\r\n", "x = 1\r\n"),
        ("``` x", "``` x"),
        ("", ""),
    ],
)
def test_markdown_around_an_answer_is_taken_off(answer: str, code: str | None) -> None:
    """The first fence counts; one inside the code, indented as in a docstring, is code."""
    assert without_fences(answer) == (answer if code is None else code)


def test_a_fenced_answer_is_scored(sandbox: Sandbox) -> None:
    """As a model would write it, talk included."""
    answer = f"Here you are:\n```python\n{GIVE}```\nHave fun!"
    assert unit_test_score(answer, ["give(1) == 1"], sandbox) == 1.0


@pytest.mark.parametrize(
    "answer", ["", "def give(x:", "\0", "\ud800", "give = 3", "no code, sorry"]
)
def test_an_answer_that_is_no_program_scores_nothing(sandbox: Sandbox, answer: str) -> None:
    """Whatever a model says, the score is a number and nothing is raised."""
    assert unit_test_score(answer, ["give(1) == 1"], sandbox) == 0.0


def test_what_is_right_never_leaves(sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    """The sandbox is given the answer and the calls, nothing else."""
    seen: list[object] = []
    run = Sandbox.run
    monkeypatch.setattr(
        Sandbox, "run", lambda self, *given: seen.append(given) or run(self, *given)
    )
    assert unit_test_score(GIVE, ["give(1) == 1", "give(2) == 777"], sandbox) == 0.0
    assert seen == [(GIVE, ["give(1)", "give(2)"], None)]
