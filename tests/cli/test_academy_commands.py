"""`continuum academy`: what it prints, and one clear line for what it refuses."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from typer.testing import CliRunner

from academy.run_folder import RunFolder
from tui.cli.main import command_tree, main

runner = CliRunner()
app = command_tree()


@pytest.fixture(scope="module")
def home(smoke: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished smoke run, to change."""
    return Path(shutil.copytree(smoke, tmp_path_factory.mktemp("cli") / "home"))


def test_status_and_report_of_a_finished_run(home: Path) -> None:
    status = runner.invoke(app, ["academy", "status", "--home", str(home)])
    assert status.exit_code == 0 and "done" in status.output
    report = runner.invoke(app, ["academy", "report", "--home", str(home)])
    assert Path(report.output.strip().replace("\n", "")).exists()


def test_resume_of_a_finished_run_says_the_same(home: Path) -> None:
    before = (home / "run" / "result.json").read_text()
    assert runner.invoke(app, ["academy", "resume", "--home", str(home)]).exit_code == 0
    assert (home / "run" / "result.json").read_text() == before


def test_status_of_a_run_that_has_only_begun(tmp_path: Path) -> None:
    """Killed before its first generation; then with a status that says nothing."""
    with RunFolder(tmp_path).claimed({"run": {"seed": 1}}):
        RunFolder(tmp_path).write_status("beginning", 0, 0, 5000)
    for text in (None, "{}"):
        if text:
            (tmp_path / "run" / "status.json").write_text(text)
        said = runner.invoke(app, ["academy", "status", "--home", str(tmp_path)])
        assert said.exit_code == 0, said.output
        assert "beginning" in said.output and "none is finished yet" in said.output
        assert "stopped" in said.output and "resume" in said.output


def test_a_run_on_questions_of_ones_own(tmp_path: Path) -> None:
    path = tmp_path / "questions.jsonl"
    lines = [
        {
            "prompt": f"sort: {a}{b}",
            "answer": "".join(sorted(a + b)),
            "skill": "pairs",
            "domain": "text",
        }
        for a in "abcdefghijkl"
        for b in "mnopqrstuvwxyz"
    ]
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    done = runner.invoke(
        app,
        [
            "academy",
            "run",
            "smoke",
            "--tokens",
            "60000",
            "--source",
            f"jsonl:{path}",
            "--home",
            str(tmp_path / "home"),
        ],
    )
    assert done.exit_code == 0, done.output
    assert "pairs" in done.output


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["run", "smok"], "did you mean 'smoke'"),
        (["run", "smoke", "--tokens", "1500"], "run.tokens is 1500"),
        (["run", "smoke", "--tokens", "5"], "it must be 1000 to"),
        (["run", "smoke", "--source", "bultin"], "builtin"),
        (["run", "smoke", "--source", "jsonl:nowhere.jsonl"], "nowhere.jsonl"),
        (["run", "smoke", "--base", "nowhere"], "nowhere"),
        (["resume"], "academy run"),
        (["status"], "no run"),
        (["report"], "no run"),
        (["compare", "here", "there"], "no run"),
        (["breed", "ada", "--traits", "sort", "--name", "x"], "two or more"),
        (["breed", "ada", "bob", "--traits", "sort", "--name", "x"], "personas"),
        (["benchmark", "--tier", "huge"], "there is no tier"),
        (["benchmark", "--methods", "lorahop"], "there is no method"),
        (["benchmark", "--track", "C"], "there is no track"),
        (["benchmark", "--seeds", "x"], "are no seeds"),
    ],
)
def test_a_refusal_is_one_line(
    arguments: list[str],
    words: str,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("CONTINUUM_HOME", str(tmp_path / "empty"))
    monkeypatch.setattr("sys.argv", ["continuum", "academy", *arguments])
    with pytest.raises(SystemExit) as ended:
        main()
    said = capsys.readouterr().err.strip()
    assert ended.value.code == 1
    assert words in said and "\n" not in said and "Traceback" not in said


def test_the_smoke_benchmark_prints_table_and_claims(tmp_path: Path) -> None:
    done = runner.invoke(
        app,
        [
            "academy",
            "benchmark",
            "--tier",
            "smoke",
            "--seeds",
            "1",
            "--track",
            "B",
            "--methods",
            "academy,joint-lora,base",
            "--out",
            str(tmp_path / "out"),
        ],
    )
    assert done.exit_code == 0, done.output
    assert "track B" in done.output and "not run" in done.output
    assert (tmp_path / "out" / "anytime.svg").exists()
    assert (tmp_path / "out" / "coverage.svg").exists()
    assert json.loads((tmp_path / "out" / "summary.json").read_text())["tier"] == "smoke"
