"""The command line suggests, refuses in one line, and leaves with the right code."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any
from unittest import mock

import pytest
import typer.main

from genome.base_model import BaseModel
from genome.library import Library
from genome.shelf.search_shelf import NOTHING_CAN
from tests.support.cli import Done
from tests.support.cli import continuum as run
from tui.cli.main import GROUPS, command_tree


def continuum(*words: str, home: Path | None = None) -> Done:
    """A command in this process, about a home of its own."""
    with mock.patch.dict(os.environ, {"CONTINUUM_HOME": str(home)} if home else {}):
        return run(*words)


def refused(done: Done) -> str:
    """The one line on stderr of a refusal."""
    assert done.code == 1, done.err
    assert "Traceback" not in done.err
    lines = done.err.strip().splitlines()
    assert len(lines) == 1, done.err
    return lines[0]


def test_an_unknown_command_suggests_the_nearest() -> None:
    done = continuum("dmeo")
    assert done.code == 2
    assert "demo" in done.err
    done = continuum("market", "lst")
    assert done.code == 2
    assert "list" in done.err


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("market", "use", "x", "-5"), "-5 is below zero"),
        (("market", "use", "x", "many"), "invalid value for 'units'"),
        (("market", "buy"), "missing argument 'name'"),
        (("market", "buy", "x", "--bogus"), "no such option: --bogus"),
        (("market", "buy", "x", "--home"), "requires an argument"),
    ],
)
def test_words_that_make_no_command_are_refused_in_one_line(
    words: tuple[str, ...], said: str
) -> None:
    done = continuum(*words)
    assert done.code == 2
    (line,) = done.err.strip().splitlines()
    assert said in line
    assert line.endswith("--help`")
    assert not done.out


def test_only_the_group_that_is_named_is_built() -> None:
    """Ninety commands take longer to build than most of them take."""
    groups = typer.main.get_command(command_tree(["continuum", "persona", "list"])).commands
    assert {name for name in GROUPS if groups[name].commands} == {"persona"}
    whole = typer.main.get_command(command_tree()).commands
    assert list(whole) == list(groups) and all(whole[name].commands for name in GROUPS)
    assert [whole[name].help for name in GROUPS] == [groups[name].help for name in GROUPS]


@pytest.mark.parametrize("words", [(), ("market",), ("market", "bounty")])
def test_a_command_without_words_shows_its_help_only(words: tuple[str, ...]) -> None:
    done = continuum(*words)
    assert done.code == 2
    assert "Usage: " in done.out
    assert not done.err


@pytest.mark.parametrize(
    ("words", "remedy"),
    [
        (("demo", "--personas", "1"), "use --personas"),
        (("demo", "--interactions", "0"), "use --interactions"),
        (("demo", "--interactions", "50"), "or more, or fewer --personas"),
    ],
)
def test_hopeless_sizes_are_refused_before_anything_is_written(
    tmp_path: Path, words: tuple[str, ...], remedy: str
) -> None:
    home = tmp_path / "home"
    assert remedy in refused(continuum(*words, "--home", str(home)))
    assert not home.exists()


@pytest.mark.parametrize(
    ("words", "remedy"),
    [
        (("layer", "list"), "layer import FOLDER"),
        (("layer", "search", "sort"), "layer import FOLDER"),
        (("persona", "list"), "persona create NAME --layer LAYER"),
        (("persona", "ask", "x", "y"), "academy run smoke"),
        (("market", "list"), "market serve"),
        (("market", "buy", "x"), "market serve"),
        (("market", "verify"), "market serve"),
    ],
)
def test_a_missing_home_says_what_makes_the_missing_part(
    tmp_path: Path, words: tuple[str, ...], remedy: str
) -> None:
    line = refused(continuum(*words, home=tmp_path / "nowhere"))
    assert f"`continuum {remedy}`" in line
    assert not (tmp_path / "nowhere").exists()


def test_a_corrupt_market_file_is_named(tmp_path: Path) -> None:
    (tmp_path / "market.db").write_bytes(b"not a database" * 100)
    before = (tmp_path / "market.db").read_bytes()
    assert "market.db" in refused(continuum("market", "list", home=tmp_path))
    assert (tmp_path / "market.db").read_bytes() == before


def test_a_file_where_the_home_should_be_is_named(tmp_path: Path) -> None:
    place = tmp_path / "file"
    place.write_text("")
    assert str(place) in refused(continuum("demo", "--tiny", "--no-tui", "--home", str(place)))


def test_what_nothing_here_can_do_is_said_first(
    finished: tuple[Path, dict[str, Any]], embedded: BaseModel
) -> None:
    """One threshold for search, advice, personas and the demo's own purchase.

    The question that the demo's buyer bought by passes; one of quite another kind does not, and is
    neither answered by a name first nor by advice to fork.
    """
    home, summary = finished
    library = Library.open(home)
    asked, encoder = summary["purchase"]["question"], library.encoder(embedded)
    base = embedded.fingerprint

    def similarity(question: str) -> float:
        return library.search(question, encoder=encoder, base_model=base, k=1)[0].similarity

    others = ("sort these numbers", "what is the capital of France?", "9 - 4 - 2", "qqq zzz")
    other = min(others, key=similarity)
    assert similarity(other) < library.clear_match(base) <= similarity(asked)
    assert summary["purchase"]["similarity"] == round(similarity(asked), 4)
    found, missed = (run("layer", "search", q, "--home", home).out for q in (asked, other))
    assert not found.startswith(NOTHING_CAN) and missed.startswith(NOTHING_CAN)
    buyer = summary["purchase"]["persona"]
    assert "not known to be good" in run("persona", "ask", buyer, other, "--home", home).err
    advice = [run("layer", "advise", q, "--home", home) for q in (asked, other)]
    if "reindex" not in advice[0].err:  # two niches or more, so that near can be told from far
        assert advice[0].out.startswith("reuse: ") and advice[1].out.startswith(NOTHING_CAN)


@pytest.mark.parametrize("amount", ["0", "-1", "nan", "inf", "1e12"])
def test_amounts_that_are_no_money_are_refused(tmp_path: Path, amount: str) -> None:
    done = continuum("market", "fund", "--key", "k", "--", amount, home=tmp_path)
    assert done.code != 0
    assert "Traceback" not in done.err


def test_a_finished_home_can_be_searched_asked_bought_from_and_audited(home: Path) -> None:
    """The commands of the README, in their order."""
    found = continuum("layer", "search", "sort these numbers", home=home)
    assert found.code == 0, found.err
    cheap = continuum("layer", "search", "sort: cba", "--max-price", "0.000001", home=home)
    assert cheap.code == 0
    assert "meets these conditions" in cheap.out  # nothing is that cheap
    assert "above 0" in refused(continuum("layer", "search", "x", "--max-price", "0", home=home))
    advice = continuum("layer", "advise", "sort: cba", home=home)
    last = advice.out.splitlines()[-1] if advice.out else ""
    assert last.split(":")[0] in ("reuse", "fork", "mint") or "reindex" in advice.err
    assert "0 layers examined" in continuum("layer", "reindex", home=home).out
    names = continuum("persona", "list", home=home).out
    assert "helper" in names
    answer = continuum("persona", "ask", "helper", "sort: cbda", home=home)
    assert answer.code == 0
    assert answer.out.strip()
    listed = continuum("market", "list", home=home).out.splitlines()
    name = listed[2].split()[0]
    assert "me has 5.0000 credits" in continuum("market", "fund", "5", "--key", "a", home=home).out
    assert "me bought" in continuum("market", "buy", name, home=home).out
    assert "nothing was charged again" in continuum("market", "buy", name, home=home).out
    assert "already" in refused(continuum("market", "buy", name, "--key", "other", home=home))
    assert "5.0000" in continuum("market", "wallet", "me", home=home).out
    assert "the books balance" in continuum("market", "verify", home=home).out


def test_wrong_names_suggest_the_nearest(home: Path) -> None:
    assert "did you mean helper" in refused(continuum("persona", "ask", "helpr", "x", home=home))
    listing = continuum("market", "list", home=home).out.splitlines()[2].split()[0]
    assert listing in refused(continuum("market", "quote", listing[:-3] + listing[-2:], home=home))
    assert "there is no layer" in refused(
        continuum("persona", "create", "new", "--layer", "nothing", home=home)
    )


def test_too_few_credits_are_refused_with_the_remedy(home: Path) -> None:
    continuum("market", "fund", "0.000001", "--key", "a", home=home)
    name = continuum("market", "list", home=home).out.splitlines()[2].split()[0]
    line = refused(continuum("market", "buy", name, home=home))
    assert "continuum market fund" in line


def test_a_damaged_checkpoint_is_named_and_nothing_is_lost(home: Path) -> None:
    for name in ("summary.json", "run/steps/evolved.json"):
        (home / name).unlink()
    for name in ("state.json", "state.before.json"):
        (home / "run" / name).write_bytes(b"broken")
    line = refused(
        continuum(
            "demo",
            "--tiny",
            "--no-tui",
            "--seed",
            "5",
            "--personas",
            "8",
            "--interactions",
            "500",
            "--home",
            str(home),
        )
    )
    assert "state.json" in line
    assert (home / "market.db").exists()
