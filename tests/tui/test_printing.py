"""A stranger's text cannot steer a terminal, whoever prints it."""

from __future__ import annotations

import ast
from dataclasses import dataclass
from pathlib import Path

import pytest

from tui.cli.tables import print_facts, print_table
from tui.printing import clean, cleaned, say

ROOT = Path(__file__).parents[2]
HOSTILE = {
    "escape": "\x1b[2J\x1b[31mred",
    "clipboard": "\x1b]52;c;cm0gLXJm\x07",
    "link": "\x1b]8;;http://evil.test\x1b\\here\x1b]8;;\x1b\\",
    "C1": "\x9b31mred\x9d0;title\x9c",
    "direction": "abc\u202egpj.exe\u2066\u2069\u200f",
    "no width": "pay\u200bpal\ufeff",
    "line": "good\ncontinuum: all is well\r\x0bover\u2028there\x85end",
    "nul": "a\x00b\x7f",
    "surrogate": "a\ud800b",
    "markup": "[red]no[/red] [link=http://evil.test]here[/link]",
}


@pytest.fixture(params=HOSTILE.values(), ids=HOSTILE)
def hostile(request: pytest.FixtureRequest) -> str:
    """Something that a terminal would obey."""
    return str(request.param)


def harmless(text: str) -> bool:
    """Whether nothing but lines of printable characters is there."""
    return all(line.isprintable() for line in text.split("\n"))


def test_what_is_said_is_one_clean_line(hostile: str, capsys: pytest.CaptureFixture[str]) -> None:
    """On either stream, with every readable character kept, markup as it was written."""
    say(f"name: {hostile}")
    say(hostile, err=True)
    out, err = capsys.readouterr()
    for text in (out, err):
        assert harmless(text) and text.count("\n") == 1
    assert out == f"name: {clean(hostile)}\n"
    assert "evil" not in hostile or "evil" in out


def test_tables_and_facts_are_clean(hostile: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Title, headings and cells; markup is text."""
    print_table(hostile, ("name", hostile), [(hostile, "1")])
    print_facts(hostile, {"about": hostile})
    out = capsys.readouterr().out
    assert harmless(out)
    assert "[red]" not in hostile or out.count("[red]no[/red]") >= 4


@dataclass(frozen=True)
class View:
    """What a market shows."""

    name: str
    tags: tuple[str, ...]
    parts: tuple[View, ...] = ()
    price: int = 1


def test_every_text_of_a_view_is_clean_however_deep(hostile: str) -> None:
    """The screens show views that were cleaned as a whole."""
    view = View(hostile, (hostile, "b"), (View(hostile, ()),))
    found = cleaned(view)
    assert found == View(clean(hostile), (clean(hostile), "b"), (View(clean(hostile), ()),))


def test_nothing_else_prints() -> None:
    """One function prints, one table is drawn: other calls would pass the cleaning by."""
    found = [
        f"{path.relative_to(ROOT)}:{node.lineno}"
        for path in sorted((ROOT / "tui").rglob("*.py"))
        if path.name != "printing.py"
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Call) and _prints(node.func)
    ]
    assert found == []


DRAWING = {"tables.py": "console.print(table)", "demo.py": "console.print(clean(text)"}


def test_what_rich_draws_was_cleaned() -> None:
    """The two places that hand text to rich themselves clean it there."""
    for path in sorted((ROOT / "tui").rglob("*.py")):
        text = path.read_text(encoding="utf-8")
        n_drawn = text.count("console.print(")
        assert n_drawn == (1 if path.name in DRAWING and DRAWING[path.name] in text else 0), path


def _prints(function: ast.expr) -> bool:
    if isinstance(function, ast.Name):
        return function.id in ("print", "pprint")
    if isinstance(function, ast.Attribute):
        owner = getattr(function.value, "id", "") or getattr(function.value, "attr", "")
        is_echo = owner == "typer" and function.attr in ("echo", "secho", "launch")
        return is_echo or (owner in ("stdout", "stderr") and function.attr == "write")
    return False
