"""Files as people have them are read by their columns, and what was read is shown."""

from __future__ import annotations

import csv
import json
import sys
from pathlib import Path
from typing import Any

import pytest

from academy.challenge import SPLITS, Challenge
from academy.errors import ChallengeSetError, SourceError
from academy.scoring.rule import rule_of
from academy.sources import files
from academy.sources.jsonl import JsonlSource
from academy.sources.opening import file_of, open_source


def _jsonl(tmp_path: Path, *rows: Any) -> Path:
    path = tmp_path / "mine.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def _csv(tmp_path: Path, *rows: list[str], name: str = "mine.csv") -> Path:
    path = tmp_path / name
    with path.open("w", newline="") as file:
        csv.writer(file, delimiter="\t" if name.endswith("tsv") else ",").writerows(rows)
    return path


def _all(source: JsonlSource) -> list[Challenge]:
    return [c for skill in source.skills for split in SPLITS for c in source._part(skill, split)]


def _only(path: Path, columns: str = "") -> Challenge:
    source = JsonlSource.read(path, columns)
    (challenge,) = _all(source)
    assert len(source.shown) == 2 and repr(challenge.prompt) in source.shown[1]
    return challenge


GSM8K = {"question": "3 pens and 4?", "answer": "3+4=<<3+4=7>>7\n#### 7"}
MMLU = {"question": "Prime?", "subject": "number_theory", "choices": ["4", "6", "7"], "answer": 2}
ARC = {
    "id": "q1",
    "question": "Which floats?",
    "choices": {"text": ["stone", "cork"], "label": ["1", "2"]},
    "answerKey": "2",
}


@pytest.mark.parametrize(
    ("row", "prompt", "answer", "rule"),
    [
        ({"question": "2+2?", "answer": "4"}, "2+2?", "4", "exact"),
        ({"question": "2+2?", "answer": 4, "id": 1}, "2+2?", "4", "exact"),
        ({"input": "2+2?", "output": "4"}, "2+2?", "4", "exact"),
        ({"problem": "2+2?", "solution": "4"}, "2+2?", "4", "exact"),
        ({"prompt": "2+2?", "completion": "4"}, "2+2?", "4", "exact"),
        ({"instruction": "Add.", "input": "2 2", "output": "4"}, "Add.\n2 2", "4", "exact"),
        ({"instruction": "Add 2 2.", "input": "", "output": "4"}, "Add 2 2.", "4", "exact"),
        (GSM8K, GSM8K["question"], GSM8K["answer"], "numeric"),
        (MMLU, "Prime?", "7", "choice"),
        ({**MMLU, "answer": "C"}, "Prime?", "7", "choice"),
        ({"question": "Prime?", "options": ["4", "7"], "answer": "B"}, "Prime?", "7", "choice"),
        (ARC, "Which floats?", "cork", "choice"),
        (
            {
                "messages": [
                    {"role": "user", "content": "Hi?"},
                    {"role": "assistant", "content": "Yo"},
                ]
            },
            "Hi?",
            "Yo",
            "exact",
        ),
        (
            {
                "messages": [
                    {"role": "system", "content": "Be brief."},
                    {"role": "user", "content": "Hi?"},
                    {"role": "assistant", "content": "Yo"},
                ]
            },
            "Be brief.\n\nHi?",
            "Yo",
            "exact",
        ),
    ],
)
def test_shapes_that_people_have_are_recognised(
    tmp_path: Path, row: Any, prompt: str, answer: str, rule: str
) -> None:
    found = _only(_jsonl(tmp_path, row))
    assert (found.prompt, found.answer, rule_of(found).text) == (prompt, answer, rule)


def test_a_recognised_column_names_the_skill() -> None:
    """As a name that a manifest can hold."""
    from academy.sources.columns import Columns

    row = {**MMLU, "subject": "Computer Science"}
    found = Columns.recognised(row)
    assert found is not None and found.read(row)["skill"] == "computer-science"
    assert "question as prompt" in found.shown(row) and "not read" not in found.shown(row)


def test_csv_is_read_by_its_first_line(tmp_path: Path) -> None:
    """Also with quotes over several lines, and with tabs."""
    path = _csv(tmp_path, ["question", "answer"], ["say\n'x, y'", "x"])
    assert _only(path).prompt == "say\n'x, y'"
    path = _csv(tmp_path, ["question", "answer"], ["2, 2?", "4"], name="mine.tsv")
    assert _only(path).answer == "4"
    ours = _csv(
        tmp_path,
        ["prompt", "answer", "tolerance", "choices", "rule"],
        ["pi?", "3.14", "0.1", "", ""],
        ["a fruit?", "plum", "", '["plum", "brick"]', ""],
        ["a colour?", "Red", "", "", "text"],
    )
    source = JsonlSource.read(ours)
    assert {rule_of(c).text for c in _all(source)} == {"numeric", "choice", "text"}
    assert not source.shown


def test_mmlus_files_have_no_line_of_names(tmp_path: Path) -> None:
    path = _csv(tmp_path, ["Prime?", "4", "6", "7", "9", "C"], ["Even?", "4", "3", "7", "9", "A"])
    assert {(c.prompt, c.answer, len(c.choices)) for c in _all(JsonlSource.read(path))} == {
        ("Prime?", "7", 4),
        ("Even?", "4", 4),
    }
    named = _csv(tmp_path, ["question", *"ABCD", "answer"], ["Prime?", "4", "6", "7", "9", "C"])
    assert _only(named).answer == "7"


def test_columns_can_be_named(tmp_path: Path) -> None:
    path = _jsonl(tmp_path, {"ask": "2+2?", "hint": "Think.", "gold": "Four", "question": "no"})
    found = _only(path, "prompt=ask+hint&answer=gold&rule=text&skill=sums")
    assert (found.prompt, found.answer) == ("2+2?\nThink.", "Four")
    assert (found.rule, found.skill) == ("text", "sums")
    spec = f"jsonl:{path}?prompt=ask&answer=gold&rule=regex:(%5Cd%2B)%3F"
    assert _all(open_source(spec))[0].rule == r"regex:(\d+)?"  # type: ignore[arg-type]
    assert file_of(spec) == ("jsonl", path, spec.rpartition("?")[2])
    assert file_of("builtin:sort") is None


def test_a_rule_alone_leaves_the_columns_as_they_are(tmp_path: Path) -> None:
    assert _only(_jsonl(tmp_path, {"prompt": "a?", "answer": "b"}), "rule=text").rule == "text"
    assert _only(_jsonl(tmp_path, {"question": "a?", "answer": "b"}), "rule=text").rule == "text"


def test_for_a_letter_the_options_are_shown_and_the_letter_is_right(tmp_path: Path) -> None:
    """The order of options decides the letter, never the split."""
    found = _only(_jsonl(tmp_path, MMLU), "rule=letter")
    assert (found.prompt, found.answer, found.choices) == ("Prime?\nA. 4\nB. 6\nC. 7", "C", ())
    turned = {**MMLU, "choices": ["7", "6", "4"], "answer": 0}
    other = _only(_jsonl(tmp_path, turned), "rule=letter")
    assert other.answer == "A" and other.question == found.question and other.id != found.id


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ({"question": "x"}, "no column 'answer'"),
        ({"question": "x", "answer": ["a"]}, "answer is a list"),
        ({**MMLU, "answer": 7}, "the answer 7 is neither one of its 3 choices, nor the label"),
        ({**MMLU, "answer": True}, "neither one of its 3"),
    ],
)
def test_a_row_unlike_the_first_is_refused_by_number(
    tmp_path: Path, row: Any, message: str
) -> None:
    first = MMLU if "choices" in row else {"question": "2+2?", "answer": "4"}
    with pytest.raises(ChallengeSetError, match=message) as refusal:
        JsonlSource.read(_jsonl(tmp_path, first, row))
    assert refusal.value.line == 2 and "\n" not in str(refusal.value)


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        ("prompt=ask&answer=nothing", "the first row has no column 'nothing': choose one of"),
        ("promt=ask", "there is no key 'promt': did you mean 'prompt'"),
        ("answer=gold", "nothing says what is asked: write prompt=COLUMN"),
        ("prompt=ask&answer=gold&rule=exakt", "line 1: rule 'exakt': .*did you mean 'exact'"),
        ("prompt=ask&answer=gold&rule=regex:(", "line 1: rule 'regex:\\(': '\\(' is no pattern"),
        ("prompt=ask&answer=gold&tolerance=x", "line 1: tolerance is 'x': write a number"),
    ],
)
def test_what_cannot_be_named_is_refused(tmp_path: Path, columns: str, message: str) -> None:
    path = _jsonl(tmp_path, {"ask": "2+2?", "gold": "4"})
    with pytest.raises(SourceError, match=message) as refusal:
        JsonlSource.read(path, columns)
    assert "\n" not in str(refusal.value)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("question,answer\na,b,c\n", "line 2: 3 cells, where 2 columns are named"),
        ('question,answer\n"a,b\n', "no CSV"),
        ("question,question\na,b\n", "names the column 'question' twice"),
        ("hello\nyou\n", "line 1: its first line names no columns: write prompt,answer"),
        ("question,answer\n", "no question in it"),
        ("", "no question in it"),
    ],
)
def test_a_table_that_is_none_is_refused(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "mine.csv"
    path.write_text(text)
    with pytest.raises(ChallengeSetError, match=message):
        JsonlSource.read(path)


def test_parquet_is_read_as_the_same_rows_in_json_are(tmp_path: Path) -> None:
    """Nested columns too; a run remembers it as the file that it is."""
    datasets = pytest.importorskip("datasets")
    rows = [
        {"question": f"which is {i}?", "choices": {"text": [str(i), "x"]}, "answerKey": "A"}
        for i in range(12)
    ]
    for row in rows:
        row["choices"]["label"] = ["A", "B"]
    file = tmp_path / "mine.parquet"
    datasets.Dataset.from_list(rows).to_parquet(str(file))
    read = JsonlSource.read(file)
    assert _all(read) == _all(JsonlSource.read(_jsonl(tmp_path, *rows)))
    assert file_of(f"parquet:{file}") == ("parquet", file, "")
    assert open_source(f"parquet:{file}").skills == read.skills


def test_no_parquet_and_no_package_are_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("datasets")
    file = tmp_path / "mine.parquet"
    file.write_bytes(b"PAR1 but nothing else")
    with pytest.raises(
        ChallengeSetError, match=r"mine\.parquet: no Parquet \(.+\): write it again"
    ):
        JsonlSource.read(file)
    monkeypatch.setitem(sys.modules, "datasets", None)
    for spec in (f"parquet:{file}", "hub:openai/gsm8k"):
        with pytest.raises(SourceError, match=r"pip install 'continuum-personas\[datasets\]'"):
            open_source(spec)


def test_a_data_set_of_the_hub_is_asked_for_by_config_split_and_revision(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """What it holds is read like a file's rows; what fails there is one line."""
    datasets = pytest.importorskip("datasets")
    asked: list[tuple[Any, ...]] = []

    def load(name: str, config: str | None, *, split: str, revision: str | None) -> list[Any]:
        asked.append((name, config, split, revision))
        if name == "no/where":
            raise ConnectionError("no route to the hub\nand more")
        return [{"question": f"2 + {i}?", "answer": f"think\n#### {2 + i}"} for i in range(9)]

    monkeypatch.setattr(datasets, "load_dataset", load)
    source = open_source(
        "hub:openai/gsm8k@abc?config=main&split=test[:9]&prompt=question&answer=answer"
    )
    assert asked == [("openai/gsm8k", "main", "test[:9]", "abc")]
    assert isinstance(source, JsonlSource) and len(_all(source)) == 9
    assert source.name == "hub:openai/gsm8k"
    assert open_source("hub:openai/gsm8k").skills == source.skills
    assert asked[-1] == ("openai/gsm8k", None, "train", None)
    with pytest.raises(SourceError, match=r"ConnectionError: no route to the hub\): connect, "):
        open_source("hub:no/where")
    monkeypatch.setattr(files, "MAX_ROWS", 8)
    with pytest.raises(SourceError, match=r"9 rows, at most 8 .* split=train\[:10000\]"):
        open_source("hub:openai/gsm8k")


def test_several_turns_are_not_one_question(tmp_path: Path) -> None:
    turns = [{"role": r, "content": "x"} for r in ("user", "assistant", "user", "assistant")]
    with pytest.raises(ChallengeSetError, match="line 1: its messages are user, assistant, user"):
        JsonlSource.read(_jsonl(tmp_path, {"messages": turns}))
