"""A command that a message names is about the home and market of the command that printed it."""

from __future__ import annotations

from pathlib import Path

import pytest

import tui.cli.market
from tests.support.cli import continuum
from tui.cli.hints import DATABASE_ONLY, in_context


@pytest.mark.parametrize(
    ("typed", "text", "printed"),
    [
        ("layer list --home h", "run `continuum tui` on", "run `continuum tui --home h` on"),
        ("layer list --home=h", "`continuum layer verify`", "`continuum layer verify --home h`"),
        ("layer list", "`continuum layer verify`", "`continuum layer verify`"),
        ("layer list --home h", "`continuum tui --home x`", "`continuum tui --home x`"),
        ("layer list --home h", "`continuum layer keygen FILE`", "`continuum layer keygen FILE`"),
        ("layer list --home h", "see `nothing here`", "see `nothing here`"),
        ("layer list --home h", "`continuum no such`", "`continuum no such`"),
        (
            "layer list --home h",
            "`continuum demo` or `continuum tui`",
            "`continuum demo --home h` or `continuum tui --home h`",
        ),
        (
            "market buy x -m u --home h",
            "`continuum market fund 5 --key k`",
            "`continuum market fund 5 --key k --market u --home h`",
        ),
        ("market buy x --market u", "`continuum layer list`", "`continuum layer list`"),
        (
            "market quote x --market http://a --home h",
            "`continuum market vouch A`",
            "`continuum market vouch A`",
        ),
        (
            "market quote x --market sqlite:///a",
            "`continuum market vouch A`",
            "`continuum market vouch A --market sqlite:///a`",
        ),
        ("layer search -- --home", "`continuum layer reindex`", "`continuum layer reindex`"),
    ],
)
def test_commands_are_completed(typed: str, text: str, printed: str) -> None:
    assert in_context(text, typed.split()) == printed


def test_a_path_with_a_space_can_be_typed() -> None:
    assert "--home 'a b'`" in in_context("`continuum tui`", ["layer", "list", "--home", "a b"])


def test_refusals_and_hints_carry_the_home(tmp_path: Path) -> None:
    home = tmp_path / "nowhere"
    line = continuum("layer", "list", "--home", home).refusal
    assert f"`continuum layer import FOLDER --home {home}`" in line
    line = continuum("academy", "resume", "--home", home).refusal
    assert f"`continuum academy run standard --home {home}`" in line


def test_commands_for_databases_are_those_that_open_nothing_else() -> None:
    """What an operator types on the market's machine is not completed with a service's address."""
    found = set()
    for file in Path(tui.cli.market.__path__[0]).glob("*.py"):
        for part in file.read_text().split("\ndef ")[1:]:
            if "with open_database(" in part and "open_market(" not in part and part[0] != "_":
                found.add(part.partition("(")[0])
    assert found | {"serve"} == DATABASE_ONLY
