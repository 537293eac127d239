"""`continuum academy trial` and `exam`: verdicts with their numbers, refusals in one line."""

from __future__ import annotations

import itertools
import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import typer
from typer.testing import CliRunner

from academy.evolution.config import RunConfig
from academy.sources.jsonl import JsonlSource
from genome.library import Library, Manifest, Receipt
from persona.persona import Persona, PersonaStore
from tests.support.genome import random_layer
from tui.cli.academy.exam import exam
from tui.cli.academy.trial import trial
from tui.cli.errors import explain, known_errors

Run = Callable[..., str]


@pytest.fixture
def home(tmp_path: Path, embedded: Any) -> Path:
    """Two personas: `helper` hardly differs from the base, a loud random layer has ruined
    `spoiled`; its layer stands in noise-folder too."""
    folder = tmp_path / "home"
    library, store = Library.open(folder), PersonaStore(folder)
    for name, scale in (("helper", 0.001), ("spoiled", 3.0)):
        layer = random_layer(embedded.model, embedded.fingerprint, scale=scale)
        digest = library.add(layer, Manifest(name, layer.base_model))
        store.save(Persona(name, layer.base_model, (digest,)))
    layer.to_peft(folder / "noise-folder")
    return folder


@pytest.fixture
def run(home: Path, monkeypatch: pytest.MonkeyPatch, embedded: Any) -> Run:
    """Runs a command on this test's home with the base loaded once; output or refusal."""
    monkeypatch.setenv("CONTINUUM_HOME", str(home))
    monkeypatch.setenv("COLUMNS", "140")
    app = typer.Typer()
    app.command()(trial)
    app.command()(exam)

    def call(*words: object, reload: bool = False) -> str:
        if not reload:
            monkeypatch.setattr("genome.base_model.BaseModel.load", lambda path, **_: embedded)
        done = CliRunner().invoke(app, [str(word) for word in words])
        if done.exception is None:
            return done.stdout
        assert isinstance(done.exception, known_errors()), done.exception
        line = explain(done.exception)
        assert "\n" not in line and ":" in line
        return "refused: " + line

    return call


def test_a_trial_names_the_better_one_with_all_its_numbers(run: Run) -> None:
    said = run("trial", "base", "spoiled", "--items", 120)
    for part in ("A better (base)", "points", "95 %", "120 of 120", "McNemar", "select questions"):
        assert part in said
    assert run("trial", "base", "spoiled", "--items", 120) == said
    assert "B better (base)" in run("trial", "spoiled", "base", "--items", 120)


def test_trials_are_logged_as_events_of_the_home(run: Run, home: Path, tmp_path: Path) -> None:
    """One line a trial, under Holm where there are several; no home is made for it."""
    run("trial", "base", "spoiled", "--items", 40)
    run("trial", "base", "spoiled", "-s", "case", "-s", "shift", "--items", 30)
    lines = (home / "academy" / "events.jsonl").read_text().splitlines()
    events = [json.loads(line) for line in lines]
    assert [e["event"] for e in events] == ["TrialHeld"] * 3
    assert [e["skill"] for e in events] == ["", "case", "shift"]
    assert {(e["a"], e["b"], e["generation"]) for e in events} == {("base", "spoiled", -1)}
    assert events[0]["verdict"] == "A better" and events[0]["low"] > 0
    run("trial", home / "noise-folder", "base", "--items", 9, "--home", tmp_path / "nowhere")
    assert not (tmp_path / "nowhere").exists()


def test_an_online_trial_stops_early(run: Run) -> None:
    said = run("trial", "base", "spoiled", "--online", "--items", 400, "--skill", "case")
    assert "stopped early" in said and "always valid" in said and "A better" in said


def test_several_skills_are_several_trials_under_holm(run: Run) -> None:
    said = run("trial", "base", "spoiled", "-s", "case", "-s", "shift", "--items", 30)
    assert "p (Holm)" in said
    assert {"case", "shift"} <= {line.split(" ")[0] for line in said.splitlines()}


def test_a_layer_folder_can_be_tried_without_a_home(run: Run, home: Path, tmp_path: Path) -> None:
    said = run(
        "trial", home / "noise-folder", "base", "--items", 60, "--home", tmp_path / "nowhere"
    )
    assert "noise-folder (A) against base (B)" in said and "B better" in said
    refusal = run("trial", home / "noise-folder", "spoiled", "--items", 60)
    assert "are the same genome" in refusal


def test_questions_can_come_from_a_file(run: Run, tmp_path: Path) -> None:
    """It has fewer select questions than asked for, and the trial says so."""
    lines = [
        f'{{"prompt": "upper: {w}", "answer": "{w.upper()}", "skill": "loud"}}'
        for w in ("".join(p) for p in zip("abcdefghij" * 6, "klmnopq" * 9, "rstuv" * 12))  # noqa: B905
    ]
    path = tmp_path / "set.jsonl"
    path.write_text("\n".join(dict.fromkeys(lines)))
    said = run("trial", "base", "spoiled", "--source", f"jsonl:{path}", "--items", 200)
    assert "it has no more" in said


def test_an_exam_stands_beside_the_base(run: Run) -> None:
    said = run("exam", "spoiled", "--all", "--items", 20)
    assert "20 test questions per skill" in said and "base" in said
    assert len([line for line in said.splitlines() if " to " in line]) == 12
    assert said.splitlines()[-1].startswith("mean")
    one = run("exam", "spoiled", "--skill", "case", "--items", 20)
    row = next(line for line in said.splitlines() if line.startswith("case"))
    assert row.split() == one.splitlines()[-1].split()


def test_an_exams_terms_hold_for_all_and_are_part_of_its_digest(run: Run) -> None:
    """System prompt, examples and longest answer; the base with examples stands beside it."""
    asked = ("exam", "helper", "--skill", "case", "--items", 10)
    plain = run(*asked)
    assert "few-shot base" in plain and " exact " in plain
    assert "few-shot base" not in run(*asked, "--few-shot", 0)
    digests = [
        run(*asked, *more).splitlines()[-1].split()[-1]
        for more in ((), ("--shots", 1), ("--system", "Be brief."), ("--max-tokens", 9))
    ]
    assert len(set(digests)) == 4 and plain.splitlines()[-1].split()[-1] == digests[0]
    assert "positions of the base" in run(*asked, "--system", "x" * 200)


def test_an_exam_shows_what_was_said_and_why_it_counted(run: Run, tmp_path: Path) -> None:
    words = ["".join(p) for p in itertools.product("abcde", "klmn", "rst")]
    path = tmp_path / "mine.csv"
    rows = "".join(f"upper: {w},{w.upper()}\n" for w in words)
    path.write_text(f"question,answer\n{rows}")
    said = run("exam", "base", "--all", "--source", f"csv:{path}", "--show-answers")
    assert "question as prompt, answer as answer" in said and "first question: 'upper:" in said
    assert re.search(r"mine 1: right, for '[A-Z]{3}' is exactly '[A-Z]{3}'", said)
    parts = [said.count(f"  {part}: ") for part in ("asked", "said", "expected")]
    assert len(set(parts)) == 1 and parts[0] > 3
    by_rule = run("exam", "base", "--all", "--source", f"csv:{path}", "--rule", "contains")
    assert " contains " in by_rule
    mapped = ("--map", "prompt=answer,answer=question", "--rule", "regex:(.*) > text")
    swapped = run("exam", "base", "--all", "--source", f"jsonl:{path}", *mapped)
    assert "regex:(.*) > text" in swapped
    assert "is none: use --source jsonl:PATH" in run("exam", "base", "--all", "--rule", "text")
    refused = run("exam", "base", "--all", "--source", f"csv:{path}", "--rule", "exakt")
    assert refused.startswith("refused: ") and "did you mean 'exact'" in refused


def test_a_judge_is_named_where_a_rule_asks_for_one(run: Run, tmp_path: Path) -> None:
    path = tmp_path / "open.jsonl"
    lines = [{"prompt": f"say {i}", "answer": f"{i}!", "rule": "judge"} for i in range(40)]
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    asked = ("exam", "base", "--all", "--source", f"jsonl:{path}", "--few-shot", 0)
    assert "no scorer for 'judge' questions" in run(*asked)
    said = run(*asked, "--judge", "helper")
    assert " judge " in said and "could not be scored" not in said


def loud_set(path: Path) -> str:
    """A set of 60 questions, named as a source."""
    words = ["".join(p) for p in itertools.product("abcde", "klmn", "rst")]
    path.write_text(
        "".join(
            json.dumps({"prompt": f"upper: {w}", "answer": w.upper(), "skill": "loud"}) + "\n"
            for w in words
        )
    )
    return f"jsonl:{path}"


def with_receipts(home: Path, embedded: Any, *skills: str) -> None:
    """`graded`: a persona whose layer has a receipt for each skill."""
    layer = random_layer(embedded.model, embedded.fingerprint, scale=0.002)
    receipts = tuple(Receipt(skill, 10, 5, 4) for skill in skills)
    manifest = Manifest("graded", layer.base_model, receipts=receipts)
    digest = Library.open(home).add(layer, manifest)
    PersonaStore(home).save(Persona("graded", layer.base_model, (digest,)))


def test_a_bare_exam_asks_what_the_receipts_are_about(run: Run, home: Path, embedded: Any) -> None:
    with_receipts(home, embedded, "case", "add")
    said = run("exam", "graded", "--items", 20)
    rows = [line.split()[0] for line in said.splitlines() if "%" in line]
    assert rows == ["skill", "case", "add", "mean"]
    named = run("exam", "graded", "-s", "case", "-s", "add", "--items", 20)
    assert said == named


def test_an_exam_asks_any_source(run: Run, home: Path, embedded: Any, tmp_path: Path) -> None:
    """The test split of a file, all of it; what the source does not ask is named."""
    source = loud_set(tmp_path / "set.jsonl")
    with_receipts(home, embedded, "loud", "case")
    said = run("exam", "graded", "--source", source)
    assert "not asked, for jsonl:set.jsonl has no such skill: case" in said
    n = JsonlSource.read(tmp_path / "set.jsonl").counts["loud", "test"]
    assert f"loud: {n} questions, it has no more" in said
    assert (
        said.splitlines()[1:]
        == run("exam", "graded", "-s", "loud", "--source", source).splitlines()
    )
    assert run("exam", "base", "--all", "--source", source).count("loud") == 2
    assert "which builtin does not ask" in run("exam", "graded", "--source", "builtin:sort")


def test_a_bare_exam_finds_the_source_of_the_homes_run(
    run: Run, home: Path, embedded: Any, tmp_path: Path
) -> None:
    source = loud_set(tmp_path / "set.jsonl")
    with_receipts(home, embedded, "loud")
    assert "say with --source where its questions are" in run("exam", "graded")
    (home / "run").mkdir()
    config = RunConfig().with_(run={"source": source})
    (home / "run" / "config.json").write_text(json.dumps(config.plain()))
    assert "it has no more" in run("exam", "graded")


def test_partial_credit_stands_apart_where_the_source_gives_any(run: Run) -> None:
    pytest.importorskip("reasoning_gym")
    said = run("exam", "spoiled", "--all", "--source", "reasoning-gym:gcd", "--items", 6)
    assert "partial credit" in said and "nearly right" in said
    assert "partial credit" not in run("exam", "spoiled", "-s", "case", "--items", 6)


def test_a_question_longer_than_the_base_is_named_and_left_out(run: Run, tmp_path: Path) -> None:
    """Before anything is asked; the others keep their exam."""
    long = ["x" * 2500 + f" how much is 1 + 1? {k}" for k in range(60)]
    rows = [{"prompt": p, "answer": "2", "skill": "sums"} for p in long]
    rows += [{"prompt": f"{i}: {i} + 1?", "answer": f"{i + 1}", "skill": "sums"} for i in range(80)]
    path = tmp_path / "set.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    said = run("exam", "base", "--source", f"jsonl:{path}", "--all")
    assert re.search(r"\d+ of the questions are longer than the 128 positions of the base", said)
    assert "'xxxx" in said and "shorten them, or choose a base with more" in said
    assert "could not be scored" not in said
    assert "left out" in run("trial", "base", "spoiled", "--source", f"jsonl:{path}")


def test_a_set_of_one_answer_is_flagged(run: Run, tmp_path: Path) -> None:
    path = tmp_path / "yes.jsonl"
    path.write_text(
        "".join(
            json.dumps({"prompt": f"is {i} a number?", "answer": "yes"}) + "\n" for i in range(60)
        )
    )
    said = run("exam", "base", "--all", "--source", f"jsonl:{path}")
    assert "yes: always the same answer would be right 100.0 % of the time" in said
    assert "always the same answer" in run("trial", "base", "spoiled", "--source", f"jsonl:{path}")


@pytest.mark.parametrize(
    ("words", "remedy"),
    [
        (("trial", "helpr", "base"), "did you mean helper"),
        (("trial", "helper", "helper"), "are the same genome"),
        (("trial", "base", "base"), "are the same genome"),
        (("trial", "helper", "base", "--items", "0"), "use --items 1 or more"),
        (("trial", "helper", "base", "--items", "1000000"), "or less"),
        (("trial", "helper", "base", "--seed", "-1"), "use --seed 0 or more"),
        (("trial", "helper", "base", "--skill", "nose"), "no skill 'nose'"),
        (("trial", "helper", "base", "--source", "builtn"), "did you mean 'builtin'"),
        (("trial", "./nothing", "base"), "folder_missing"),
        (("exam", "helpr", "--all"), "did you mean helper"),
        (("exam", "helper"), "no receipt says what helper can do: use --skill NAME"),
        (("exam", "base"), "use --skill NAME"),
        (("exam", "helper", "--skill", "sum"), "say with --source"),
        (("exam", "helper", "--all", "--source", "jsonl:nowhere"), "cannot be read"),
        (("exam", "helper", "--all", "--skill", "sort"), "use --skill NAME"),
        (("exam", "helper", "--source", "builtin", "--skill", "nose"), "no skill 'nose'"),
        (("exam", "helper", "--all", "--items", "0"), "use --items 1 or more"),
        (("exam", "helper", "--all", "--items", "501"), "use --items 500 or less"),
    ],
)
def test_bad_input_is_one_line_with_a_remedy(run: Run, words: tuple[str, ...], remedy: str) -> None:
    said = run(*words)
    assert said.startswith("refused: ") and remedy in said


def test_another_bases_layer_is_refused(run: Run, home: Path, embedded: Any) -> None:
    """By its fingerprint where it has one, by its shapes where it has none."""
    from tests.support.genome import tiny_llama

    random_layer(embedded.model, rank=1, seed=0, base_model="other").to_peft(home / "other")
    random_layer(tiny_llama(), rank=1, seed=0, base_model="").to_peft(home / "foreign")
    assert "base model 'other' is not known here" in run("trial", home / "other", "base")
    assert "fits no base model that is known here" in run("exam", home / "foreign", "--all")
    PersonaStore(home).save(Persona("stranger", "other"))
    assert "'other'" in run("trial", "stranger", "base")


def test_a_missing_base_is_refused(run: Run, tmp_path: Path) -> None:
    said = run("trial", "helper", "base", "--base", tmp_path / "none", reload=True)
    assert "cannot be loaded" in said
