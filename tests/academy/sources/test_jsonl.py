"""A challenge file is read strictly: every mistake is named with its line and its remedy."""

from __future__ import annotations

import contextlib
import json
import random
import string
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from academy.challenge import SPLITS
from academy.errors import ChallengeSetError, TooFewQuestionsError
from academy.scoring.rule import rule_of
from academy.sources.jsonl import JsonlSource
from tests.support.sources import check_source


def _write(tmp_path: Path, *lines: Any) -> Path:
    path = tmp_path / "sums.jsonl"
    texts = [line if isinstance(line, str) else json.dumps(line) for line in lines]
    path.write_text("\n".join(texts) + "\n")
    return path


def _sums(n: int) -> list[dict[str, Any]]:
    return [{"prompt": f"{i} + 1", "answer": str(i + 1), "skill": "succ"} for i in range(n)]


def test_all_kinds_of_line_are_read_with_their_fields(tmp_path: Path) -> None:
    path = _write(
        tmp_path,
        {"prompt": "2+2", "answer": "4", "skill": "add", "domain": "maths", "licence": "CC0-1.0"},
        {"prompt": "a fruit?", "choices": ["brick", "plum"], "answer": "plum"},
        {"prompt": "write double", "tests": ["double(2) == 4"]},
        "",
        {"prompt": "pi?", "answer": "3.14159", "tolerance": 0.01, "argument": "pi"},
    )
    source = JsonlSource.read(path)
    parts = [source._part(skill, split) for skill in source.skills for split in SPLITS]
    by_prompt = {c.prompt: c for part in parts for c in part}
    assert source.skills == ("add", "sums")
    assert by_prompt["2+2"].licence == "CC0-1.0" and by_prompt["2+2"].domain == "maths"
    assert by_prompt["write double"].answer == ""
    assert by_prompt["pi?"].argument == "pi" and by_prompt["pi?"].domain == "sums"
    kinds = {prompt: rule_of(c).kind for prompt, c in by_prompt.items()}
    assert kinds == {
        "2+2": "exact",
        "a fruit?": "choice",
        "write double": "tests",
        "pi?": "numeric",
    }


def test_a_finite_set_is_drawn_without_repetition_and_then_is_used_up(tmp_path: Path) -> None:
    source = JsonlSource.read(_write(tmp_path, *_sums(300)))
    report = check_source(source, 1000, np.random.default_rng(0))
    assert sum(report.counts.values()) == 300
    rng = np.random.default_rng(1)
    first = source.draw("succ", "train", 50, rng)
    rest = source.draw("succ", "train", 1000, rng, exclude={c.id for c in first})
    assert len(first) + len(rest) == source.counts["succ", "train"]
    assert not {c.id for c in first} & {c.id for c in rest}
    assert [c.id for c in first] == [
        c.id for c in source.draw("succ", "train", 50, np.random.default_rng(1))
    ]


def test_a_skill_without_questions_in_a_split_says_so_when_drawn_from(tmp_path: Path) -> None:
    source = JsonlSource.read(_write(tmp_path, _sums(1)[0]))
    empty = next(split for split in SPLITS if not source.counts["succ", split])
    with pytest.raises(TooFewQuestionsError, match=f"no '{empty}' question of 'succ' \\(1 in all"):
        source.draw("succ", empty, 3, np.random.default_rng(0))


GOOD = {"prompt": "2+2", "answer": "4"}


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("{", "not JSON"),
        ("[1]", "a list, not an object"),
        ('{"prompt": "x", "prompt": "y", "answer": "z"}', "'prompt' stands twice"),
        ('{"prompt": "x", "answer": "1", "tolerance": NaN}', "NaN is no JSON number"),
        ({"promt": "2+2", "answer": "4"}, "unknown key 'promt': did you mean 'prompt'"),
        ({"answer": "4"}, "'prompt' is missing"),
        ({"prompt": "2+2"}, "no answer"),
        ({"prompt": "2+2", "answer": 4}, "answer is a int, not text"),
        ({"prompt": " ", "answer": "4"}, "prompt is empty"),
        ({"prompt": "2\0", "answer": "4"}, "NUL"),
        ('{"prompt": "\\ud800", "answer": "4"}', "surrogate"),
        ({"prompt": "x" * 20_001, "answer": "4"}, "at most 20000"),
        ({"prompt": "x", "choices": "ab", "answer": "a"}, "not a list"),
        ({"prompt": "x", "choices": ["a"], "answer": "a"}, "1 entries: 2 to 26"),
        ({"prompt": "x", "choices": ["a", "a"], "answer": "a"}, "an entry twice"),
        ({"prompt": "x", "choices": ["a", "b"], "answer": "c"}, "none of the choices"),
        ({"prompt": "x", "choices": ["a", "b"]}, "no answer"),
        ({"prompt": "x", "tests": ["print(1)"]}, "no single =="),
        ({"prompt": "x", "tests": ["f(1) == 2"], "choices": ["a", "b"], "answer": "a"}, "exclude"),
        ({"prompt": "x", "answer": "1", "tolerance": -1}, "0 or more"),
        ({"prompt": "x", "answer": "1", "tolerance": True}, "tolerance is a bool"),
        ({"prompt": "x", "answer": "one", "tolerance": 1}, "no number"),
        ({"prompt": "x", "answer": "1", "skill": "a\nb"}, "one printable line"),
        ({"prompt": "2+2", "answer": "4"}, "same question as line 1"),
        ({"prompt": "2+2", "answer": "5"}, "contradicts line 1"),
        ({"question": "3 pens?", "answer": "7"}, "unknown key 'question': did you mean 'prompt'"),
        ({"input": "3 pens?", "output": "7"}, "'prompt'.*'output': did you mean 'answer'"),
        ({"instruction": "x", "answer": "7"}, "unknown key 'instruction': did you mean 'prompt'"),
        ({"prompt": "x", "answer": None}, "no answer: give 'answer'"),
        ({"prompt": None, "answer": "7"}, "'prompt' is missing"),
        ({"prompt": "x", "answer": ""}, "answer is empty"),
        ({"prompt": "x", "choices": ["4", "7"], "answer": 1}, "the right one of `choices` itself"),
        ({"prompt": "x", "choices": ["4", "7"], "answer": "B"}, "write the right one itself"),
        ({"prompt": "x", "answer": "50%", "tolerance": 0}, "write one number alone"),
        ({"prompt": "2+2", "answer": "4", "skill": "b"}, "under skill 'sums', here under"),
    ],
)
def test_a_bad_line_is_refused_by_number(tmp_path: Path, line: Any, message: str) -> None:
    with pytest.raises(ChallengeSetError, match=message) as refusal:
        JsonlSource.read(_write(tmp_path, GOOD, line))
    assert refusal.value.line == 2 and "line 2" in str(refusal.value)
    assert "\n" not in str(refusal.value)


@pytest.mark.parametrize("nothing", [None, "", []])
def test_a_column_without_a_value_is_absent(tmp_path: Path, nothing: Any) -> None:
    """`Dataset.to_json` and pandas write every column in every line."""
    blank = dict.fromkeys(
        ("choices", "tests", "tolerance", "skill", "domain", "licence", "argument"), nothing
    )
    path = _write(
        tmp_path,
        {**blank, "prompt": "2+2", "answer": "4"},
        {**blank, "prompt": "pi?", "answer": "3.1", "tolerance": 0.1},
        {**blank, "prompt": "a fruit?", "answer": "plum", "choices": ["plum", "brick"]},
        {**blank, "prompt": "double", "answer": None, "tests": ["double(2) == 4"]},
    )
    source = JsonlSource.read(path)
    drawn = [c for split in SPLITS for c in source._part("sums", split)]
    assert {rule_of(c).kind for c in drawn} == {"exact", "numeric", "choice", "tests"}
    assert {(c.domain, c.licence, c.argument) for c in drawn} == {("sums", "", "")}


def test_one_stem_with_other_options_is_another_question(tmp_path: Path) -> None:
    """With ids of its own, in a split of its own; the order of options changes nothing."""
    stem = {"prompt": "Which of the following is true?"}
    lines = [
        {**stem, "choices": [f"{i} is odd", "none of them"], "answer": "none of them"}
        for i in range(0, 80, 2)
    ]
    source = JsonlSource.read(_write(tmp_path, *lines))
    drawn = [c for split in SPLITS for c in source._part("sums", split)]
    assert len({c.question for c in drawn}) == len({c.id for c in drawn}) == 40
    assert len({c.split for c in drawn}) > 1
    swapped = {**lines[0], "choices": lines[0]["choices"][::-1]}
    with pytest.raises(ChallengeSetError, match="line 2: asks the same question as line 1"):
        JsonlSource.read(_write(tmp_path, lines[0], swapped))
    with pytest.raises(ChallengeSetError, match="line 2: contradicts line 1"):
        JsonlSource.read(_write(tmp_path, lines[0], {**swapped, "answer": "0 is odd"}))


def test_all_repeats_are_named_at_once(tmp_path: Path) -> None:
    lines = _sums(40)
    with pytest.raises(ChallengeSetError, match=r"line 41: .* line 1; 12 lines do so") as refusal:
        JsonlSource.read(_write(tmp_path, *lines, *lines[:12]))
    assert all(f"line {40 + i} (as {i})" in str(refusal.value) for i in range(2, 13))
    wrong = [{**line, "answer": "0"} for line in lines[:3]]
    with pytest.raises(ChallengeSetError, match=r"contradicts line 1, .*; 3 lines .*43 \(as 3\)"):
        JsonlSource.read(_write(tmp_path, *lines, *wrong))


def test_an_empty_set_and_wrong_encodings_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ChallengeSetError, match="no question in it"):
        JsonlSource.read(_write(tmp_path, "", "  "))
    (tmp_path / "latin.jsonl").write_bytes(b'{"prompt": "caf\xe9", "answer": "1"}')
    with pytest.raises(ChallengeSetError, match="line 1: not UTF-8"):
        JsonlSource.read(tmp_path / "latin.jsonl")
    with pytest.raises(ChallengeSetError, match="cannot be read"):
        JsonlSource.read(tmp_path)


def test_one_question_in_two_wordings_needs_an_argument(tmp_path: Path) -> None:
    """Some spelling falls into another split than the first; that file is refused."""
    spellings = [{"prompt": "two" + " " * n + "+ two", "answer": "4"} for n in range(1, 40)]
    with pytest.raises(ChallengeSetError, match=r"line \d+: asks the same question as line 1 in"):
        JsonlSource.read(_write(tmp_path, *spellings))
    with_argument = [{**line, "argument": "2 2"} for line in spellings]
    assert sum(JsonlSource.read(_write(tmp_path, *with_argument)).counts.values()) == 39


def test_wordings_of_one_argument_may_not_disagree(tmp_path: Path) -> None:
    lines = [
        {"prompt": "2+2", "answer": "4", "argument": "2 2"},
        {"prompt": "2 and 2", "answer": "5", "argument": "2 2"},
    ]
    with pytest.raises(ChallengeSetError, match="line 2: contradicts line 1"):
        JsonlSource.read(_write(tmp_path, *lines))


def test_no_garbage_escapes_as_another_error(tmp_path: Path) -> None:
    """400 mangled files: each is read, or refused as a challenge set."""
    rng = random.Random(0)
    path = tmp_path / "garbage.jsonl"
    good = json.dumps({"prompt": "2+2", "answer": "4", "tolerance": 0.1, "tests": ["f(1) == 2"]})
    for _ in range(400):
        text = list(good)
        for _ in range(rng.randint(1, 4)):
            text[rng.randrange(len(text))] = rng.choice(string.printable)
        path.write_bytes("".join(text).encode() + bytes([rng.randrange(256)]))
        with contextlib.suppress(ChallengeSetError):
            JsonlSource.read(path)
    path.write_text("[" * 100_000)
    with pytest.raises(ChallengeSetError, match="not JSON"):
        JsonlSource.read(path)
