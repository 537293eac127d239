"""`continuum academy rate`: blind, stored at once, and honest about what it does not know."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import typer
from typer.testing import CliRunner

from academy.scoring.ratings import Rating, append_rating, read_ratings
from genome.base_model import BaseModel
from genome.genome import Genome
from tests.support.genome import random_layer
from tui.cli.academy import rate as rate_module
from tui.cli.academy.entrants import Entrant
from tui.cli.errors import OptionError


@pytest.fixture
def run(embedded: BaseModel, tmp_path: Path, monkeypatch: Any) -> Any:
    """Runs the command with two personas of which one knows nothing; (result, ratings)."""
    from academy.evaluator import LocalEvaluator

    genomes = {
        "ada": Genome(embedded.fingerprint),
        "bob": Genome.of(random_layer(embedded.model, embedded.fingerprint, scale=0.3)),
        "twin": Genome(embedded.fingerprint),
        "cyd": Genome.of(random_layer(embedded.model, embedded.fingerprint, seed=3, scale=0.1)),
    }
    monkeypatch.setattr(rate_module, "load_evaluator", lambda *_: LocalEvaluator(embedded))
    monkeypatch.setattr(rate_module, "LONGEST_ANSWER", 6)
    monkeypatch.setattr(
        rate_module, "load_entrant", lambda name, home, evaluator: Entrant(name, genomes[name])
    )
    app = typer.Typer()
    app.command()(rate_module.rate)

    def go(*words: str, said: str = "") -> tuple[Any, list[Rating]]:
        words = (*words, "--home", str(tmp_path), "--source", "builtin:reverse,add")
        result = CliRunner().invoke(app, list(words), input=said, env={"COLUMNS": "120"})
        return result, read_ratings(tmp_path / "academy" / "ratings.jsonl")

    return go


def test_answers_are_shown_blind_and_verdicts_belong_to_who_gave_them(run: Any) -> None:
    """Always taking place 1 prefers whoever stood there, which chance decides per question."""
    result, ratings = run("ada", "bob", "-n", "8", "--seed", "1", said="1\n" * 8)
    assert result.exit_code == 0, result.output
    assert len(ratings) == 8
    assert {r.shown_first for r in ratings} == {True, False}
    assert all((r.winner == "first") == r.shown_first for r in ratings)
    before_table = result.output.split("ratings (Elo")[0]
    assert "ada" not in before_table and "bob" not in before_table
    assert "ada beats bob" in result.output and "95 % interval" in result.output


def test_words_that_are_no_verdict_are_asked_again_and_q_stops(run: Any) -> None:
    result, ratings = run("ada", "bob", "-n", "5", "--seed", "1", said="3\nyes\ntie\n2\nq\n")
    assert result.output.count("write 1, 2, tie or q") == 2
    assert [r.winner == "tie" for r in ratings] == [True, False]


def test_the_end_of_input_keeps_what_was_said_and_the_next_time_goes_on(run: Any) -> None:
    _, first = run("ada", "bob", "-n", "5", "--seed", "1", said="1\n2\n")
    _, both = run("ada", "bob", "-n", "5", "--seed", "1", said="tie\ntie\n")
    assert (len(first), len(both)) == (2, 4)
    assert len({r.question_id for r in both}) == 4


def test_equal_answers_are_not_asked_about(run: Any) -> None:
    result, ratings = run("ada", "twin", "-n", "3", "--seed", "1")
    assert result.exit_code == 0 and "alike: nothing to rate" in result.output
    assert ratings == []


def test_a_judge_compares_both_orders_and_its_agreement_is_said(run: Any) -> None:
    """Nobody is asked, and nothing is kept among people's ratings."""
    result, ratings = run("ada", "bob", "--judge", "cyd", "-n", "12", "--seed", "1")
    assert result.exit_code == 0, result.output
    assert ratings == [] and "better: 1, 2" not in result.output
    for part in (
        "cyd as judge of 12 pairs",
        "survived the swap",
        "for what stood first",
        "agreement",
    ):
        assert part in result.output
    again, _ = run("ada", "bob", "--judge", "cyd", "-n", "12", "--seed", "1")
    assert again.output == result.output


def test_a_judge_that_knows_the_answers_agrees_with_exact_scores(
    run: Any, monkeypatch: Any
) -> None:
    """It likes what the base answers, which is right more often than what noise does."""
    from academy.scoring.judge import Judge, Verdicts

    def verdicts(self: Judge, pairs: Any) -> Verdicts:
        return Verdicts(np.ones((len(pairs), 2)))

    monkeypatch.setattr(Judge, "verdicts", verdicts)
    result, _ = run("ada", "bob", "--judge", "cyd", "-n", "40", "--seed", "1")
    assert "ada 40, bob 0, tied 0" in result.output
    assert "100.0 % with exact scores" in result.output and "coin" not in result.output
    assert "to this judge ada beats bob" in result.output


def test_a_judge_of_its_own_answers_is_refused(run: Any) -> None:
    for judge in ("ada", "bob"):
        result, _ = run("ada", "bob", "--judge", judge)
        assert isinstance(result.exception, OptionError)
    result, _ = run("ada", "bob", "--judge", "twin", "-n", "2", "--seed", "1")
    assert isinstance(result.exception, OptionError) and "same genome" in str(result.exception)


def test_the_same_name_twice_is_refused(run: Any) -> None:
    result, _ = run("ada", "ada")
    assert isinstance(result.exception, OptionError)


def test_others_join_the_table_only_if_they_can_be_compared(run: Any, tmp_path: Path) -> None:
    path = tmp_path / "academy" / "ratings.jsonl"
    append_rating(path, Rating("q", "q", "cyd", "dan", "1", "2", "tie", True))
    append_rating(path, Rating("q", "q", "ada", "eve", "1", "2", "second", True))
    result, _ = run("ada", "bob", "-n", "2", "--seed", "1", said="1\ntie\n")
    table = result.output.split("ratings (Elo")[1]
    assert "eve" in table.split("not shown")[0]
    assert "not shown, never compared with these: cyd, dan" in table
