"""One word, one meaning; what was renamed still works and says so."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any, get_args

import pytest
import typer

from tests.support.cli import continuum
from tui.cli.hints import RENAMED, command_of, current_spelling, options_of
from tui.cli.main import command_tree


def commands(command: Any = None, name: str = "") -> Iterator[tuple[str, Any]]:
    """Every command with its words."""
    command = command or typer.main.get_command(command_tree())
    inside = getattr(command, "commands", None)
    if inside is None:
        yield name, command
    for word, below in (inside or {}).items():
        yield from commands(below, f"{name} {word}".strip())


def test_an_option_has_one_kind_of_value_in_all_commands() -> None:
    """A number of questions and a file of them, a folder and a fingerprint were one word once."""
    kinds: dict[str, dict[str, list[str]]] = defaultdict(lambda: defaultdict(list))
    for name, command in commands():
        for option in command.params:
            if option.param_type_name == "option":
                value = option.type_descriptor.annotation
                (value,) = get_args(value) or (value,)  # an option that may be repeated
                kind = "flag" if option.is_flag else value.__name__
                for word in (*option.opts, *option.secondary_opts):
                    kinds[word][kind].append(name)
    mixed = {word: dict(found) for word, found in kinds.items() if len(found) > 1}
    assert not mixed, mixed


def test_a_short_option_stands_for_one_long_one() -> None:
    meant: dict[str, set[str]] = defaultdict(set)
    for _, command in commands():
        for option in command.params:
            for word in option.opts:
                if len(word) == 2 and word.startswith("-"):
                    meant[word] |= {long for long in option.opts if long.startswith("--")}
    assert {word: longs for word, longs in meant.items() if len(longs) != 1} == {}


@pytest.mark.parametrize(
    ("words", "meaning"),
    [
        ("--home", "Folder with the library"),
        ("--base", "Base model"),
        ("--items", "uestions"),
        ("--key", "Idempotency key"),
    ],
)
def test_these_words_mean_the_same_everywhere(words: str, meaning: str) -> None:
    for name, command in commands():
        for option in command.params:
            if words in option.opts:
                assert meaning in (option.help or ""), (name, option.help)


def test_every_old_spelling_is_gone_and_every_new_one_is_there() -> None:
    for name, renamed in RENAMED.items():
        command, n = command_of(name.split())
        assert command is not None and n == len(name.split())
        for old, new in renamed.items():
            assert old not in options_of(command) and new in options_of(command), (name, old, new)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("demo --out x --tiny", "demo --home x --tiny"),
        ("demo --out=x", "demo --home=x"),
        ("layer search words -k 3", "layer search words --limit 3"),
        ("layer search words -k3", "layer search words --limit=3"),
        ("layer sign a --key k", "layer sign a --key-file k"),
        (
            "market bounty post a --questions 5 --base-model b",
            "market bounty post a --items 5 --base b",
        ),
        ("academy breed a b --questions 5", "academy breed a b --items 5"),
    ],
)
def test_an_old_spelling_works_with_a_warning(
    old: str, new: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert current_spelling(old.split()) == new.split()
    shown = capsys.readouterr()
    assert not shown.out
    n_renamed = sum(a != b for a, b in zip(old.split(), new.split(), strict=False))
    assert shown.err.count("continuum: warning: ") == n_renamed


@pytest.mark.parametrize(
    "words",
    [
        "market try a --questions shift",
        "market buy x --key k",
        "layer search -- -k 3",
        "academy benchmark --out x",
        "layer list",
        "",
    ],
)
def test_present_words_are_left_alone(words: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert current_spelling(words.split()) == words.split()
    assert capsys.readouterr().err == ""


def test_a_real_command_takes_an_old_spelling(tmp_path: Path) -> None:
    done = continuum("demo", "--personas", "1", "--out", tmp_path / "x")
    warning, refusal = done.err.strip().splitlines()
    assert "--out of `continuum demo` is called --home now" in warning
    assert "use --personas" in refusal


@pytest.mark.parametrize(
    "words", ["", "layer", "layer import", "market bounty post", "persona ask"]
)
def test_h_shows_help_everywhere(words: str) -> None:
    done = continuum(*words.split(), "-h")
    assert done.code == 0 and f"Usage: continuum {words}".strip() in " ".join(done.out.split())
    assert not done.err
