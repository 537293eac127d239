"""The four views, seen through a terminal of the smallest and of a usual size."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from rich.text import Text
from textual.pilot import Pilot
from textual.widgets import Footer, Input

from tests.support.screens import (
    FakeSource,
    fake_generation,
    fake_run_files,
    generation_name,
    write_files,
)
from tui.app import ContinuumApp
from tui.data.snapshot import MarketSnapshot
from tui.data.source import HomeSource, Source

SMALL = (80, 24)
USUAL = (120, 40)
SIZES = pytest.mark.parametrize("size", [SMALL, USUAL])


def screen_text(app: ContinuumApp) -> str:
    """What stands on the terminal now, one line per row."""
    strips = app.screen._compositor.render_strips()
    return "\n".join("".join(segment.text for segment in strip).rstrip() for strip in strips)


@asynccontextmanager
async def opened(
    source: Source, size: tuple[int, int] = SMALL, poll_s: float = 60.0
) -> AsyncIterator[tuple[ContinuumApp, Pilot[None]]]:
    """The app, opened, and its first reading done."""
    app = ContinuumApp(source, poll_s=poll_s)
    async with app.run_test(size=size) as pilot:
        await settled(pilot)
        yield app, pilot


async def settled(pilot: Pilot[None]) -> None:
    """Every worker done and its messages handled; two rounds, as one may start the next."""
    for _ in range(2):
        await pilot.pause(0.09)
        await pilot.app.workers.wait_for_complete()
        await pilot.pause()


async def until(pilot: Pilot[None], text: str, tries: int = 100) -> str:
    """The terminal's text as soon as it contains `text`; the last one if it never does."""
    shown = ""
    for _ in range(tries):
        shown = screen_text(pilot.app)  # type: ignore[arg-type]
        if text in shown:
            break
        await pilot.pause(0.05)
    return shown


@SIZES
@pytest.mark.asyncio
async def test_species_show_living_and_extinct_with_accuracy_beside_base(
    size: tuple[int, int],
) -> None:
    """The cause of an extinction, and the first species' detail, fit the smallest terminal."""
    async with opened(FakeSource(), size) as (app, _):
        shown = screen_text(app)
    row = next(line for line in shown.splitlines() if "● sorter-2" in line and "sort " in line)
    assert "88%" in row and "45%" in row and "█" in row
    assert "✗ helper-1" in shown and "7 outcompeted" in shown
    assert "generation 1, from helper-1" in shown and "2.2500 credits, 9 sales" in shown
    assert "reverse" in shown and "+43" in shown


@pytest.mark.asyncio
async def test_arrows_choose_a_species_and_enter_opens_it() -> None:
    """The detail follows the cursor; Enter goes into it, Escape comes back."""
    async with opened(FakeSource()) as (app, pilot):
        await pilot.press("down", "down")
        assert "generation 3, from helper-1" in screen_text(app)
        await pilot.press("enter")
        assert app.focused is not None and app.focused.id == "detail"
        await pilot.press("escape")
        assert app.focused is not None and app.focused.id == "species"


@SIZES
@pytest.mark.asyncio
async def test_academy_shows_progress_fitness_and_living_lines(size: tuple[int, int]) -> None:
    """Phase, interactions, both curves, and the best of every skill."""
    async with opened(FakeSource(), size) as (app, pilot):
        await pilot.press("2")
        await settled(pilot)
        shown = screen_text(app)
    assert "● evolving gen 11" in shown and "7,200 / 10,000  72%" in shown
    assert "best" in shown and "mean" in shown and "0.40" in shown
    assert "living lines 23" in shown and "now 23" in shown
    assert "dedupe" in shown


@pytest.mark.asyncio
async def test_a_finished_run_stands_beside_its_controls() -> None:
    """A claim has a control, on the screen as well."""
    source = FakeSource(fake_run_files(14, phase="done"))
    async with opened(source, USUAL) as (app, pilot):
        assert "test" in screen_text(app)
        await pilot.press("2")
        await settled(pilot)
        shown = screen_text(app)
    assert "✓ done" in shown and "6 min 52 s" in shown
    assert "plain lora" in shown and "0.520" in shown


@SIZES
@pytest.mark.asyncio
async def test_market_explains_the_price_under_the_cursor(size: tuple[int, int]) -> None:
    """Price, reputation, accuracy against base, sales; then the reasons."""
    async with opened(FakeSource(), size) as (_, pilot):
        await pilot.press("3")
        await settled(pilot)
        await pilot.press("down")
        shown = await until(pilot, "x 1.74 reputation 74%")
    assert "x 1.74 reputation 74%" in shown
    row = next(line for line in shown.splitlines() if line.lstrip().startswith("mirror-3"))
    assert row.split()[2:8] == ["academy", "1.9000", "74%", "84%", "41%", "6"]


@SIZES
@pytest.mark.asyncio
async def test_wallet_shows_postings_with_the_balance_after_each(size: tuple[int, int]) -> None:
    """Newest first; what is smaller than four decimals is not shown as nothing."""
    async with opened(FakeSource(), size) as (_, pilot):
        await pilot.press("4")
        shown = await until(pilot, "opening balance")
    row = next(line for line in shown.splitlines() if "purchase" in line)
    assert "-2.2500" in row and "7.7500" in row
    assert "<0.0001" in shown and "-51.0500" in shown
    assert shown.index("royalty") < shown.index("grant")


@pytest.mark.parametrize(
    ("key", "sentence"),
    [
        ("1", "no run here yet: start one with continuum demo"),
        ("2", "no run here yet: start one with continuum demo"),
        ("3", "no market here yet"),
        ("4", "no accounts here yet"),
    ],
)
@pytest.mark.asyncio
async def test_an_empty_home_says_how_to_fill_it(tmp_path: Path, key: str, sentence: str) -> None:
    """On every view, and without creating anything."""
    async with opened(HomeSource(tmp_path)) as (app, pilot):
        await pilot.press(key)
        await settled(pilot)
        assert sentence in screen_text(app)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.asyncio
async def test_a_damaged_file_is_named_and_the_rest_is_shown(tmp_path: Path) -> None:
    """One line, no crash; brackets in a message are not taken for markup."""
    write_files(tmp_path, fake_run_files(6))
    (tmp_path / generation_name(2)).write_text('{"generation": [/x], ')
    (tmp_path / "run" / "status.json").write_text('{"phase": ["[/b]"]}')
    async with opened(HomeSource(tmp_path)) as (app, pilot):
        for key in "1234":
            await pilot.press(key)
            await settled(pilot)
            assert "! run/generations/0002.json: is not valid JSON" in screen_text(app)
        assert "! run/status.json: 'phase' must be text" in screen_text(app)
        await pilot.press("1")
        assert "sorter-2" in screen_text(app)


@pytest.mark.asyncio
async def test_a_new_generation_appears_while_the_app_is_open(tmp_path: Path) -> None:
    """The cursor stays on its species, which dies and sinks to the end of the table."""
    write_files(tmp_path, fake_run_files(6))
    async with opened(HomeSource(tmp_path), poll_s=0.05) as (app, pilot):
        assert "adder-6" not in screen_text(app)
        await pilot.press("down", "down")
        assert "─ ● helper-1" in screen_text(app)
        write_files(tmp_path, fake_run_files(9))
        assert "adder-6" in await until(pilot, "adder-6")
        assert "─ ✗ helper-1" in screen_text(app)
        await pilot.press("2")
        write_files(tmp_path, {generation_name(9): fake_generation(9)})
        assert "living lines 37" in await until(pilot, "living lines 37")


@pytest.mark.asyncio
async def test_a_run_that_starts_later_replaces_the_empty_view(tmp_path: Path) -> None:
    """`continuum demo` in another terminal needs no restart here."""
    async with opened(HomeSource(tmp_path), poll_s=0.05) as (_, pilot):
        assert "no run here yet" in await until(pilot, "no run here yet")
        write_files(tmp_path, fake_run_files(2))
        assert "● helper-1" in await until(pilot, "● helper-1")


@pytest.mark.asyncio
async def test_filter_narrows_the_table_until_escape() -> None:
    """Enter keeps the filter and returns to the table; digits typed into it switch no view."""
    async with opened(FakeSource()) as (app, pilot):
        await pilot.press("slash", *"OUTcomp", "enter")
        await pilot.pause()
        table = app.screen.query_one("#species")
        assert app.focused is table
        assert "✗ helper-1" in screen_text(app) and "mirror-3" not in screen_text(app)
        await pilot.press("slash", "3")
        assert app.current_mode == "species"
        await pilot.press("escape")
        await pilot.pause()
        assert "mirror-3" in screen_text(app) and not app.screen.query_one(Input).display


@pytest.mark.asyncio
async def test_keys_switch_views_refresh_help_and_quit() -> None:
    """Every key of the footer does what it says."""
    source = FakeSource()
    async with opened(source) as (app, pilot):
        for key, view in zip("2341", ("academy", "market", "wallet", "species"), strict=True):
            await pilot.press(key)
            assert app.current_mode == view
            assert app.screen.query_one(Footer)
        source.market_snapshot = MarketSnapshot()
        await pilot.press("r", "3")
        assert "no market here yet" in await until(pilot, "no market here yet")
        await pilot.press("question_mark")
        await pilot.pause()
        assert "a run that never happened" in await until(pilot, "a run that never happened")
        await pilot.press("q")
        await pilot.pause()
        assert app.is_running and app.current_mode == "market"
        await pilot.press("q")
        await pilot.pause()
    assert app.return_code == 0


@pytest.mark.asyncio
async def test_every_footer_key_is_visible_at_80_columns() -> None:
    """The last one would be the first to fall off."""
    async with opened(FakeSource()) as (app, _):
        last = screen_text(app).splitlines()[-1]
    for word in ("Open", "Filter", "Views", "Refresh", "Help", "Quit"):
        assert word in last


def test_a_species_has_one_colour_in_all_views() -> None:
    """Species and market screens take it from the run, by number."""
    from tui.widgets.wording import PALETTE, species_colour, species_label

    run = FakeSource().run()
    colours = [species_colour(line.name, run) for line in run.species]
    assert len(set(colours)) == len(colours)
    assert species_colour("someone-else", run) in PALETTE
    label: Text = species_label("a", colours[0], living=False)
    assert label.plain == "✗ a"


def test_opening_imports_nothing_heavy() -> None:
    """Neither the models' libraries nor the database's: a terminal should not wait for them."""
    heavy = ("torch", "transformers", "peft", "faiss", "numpy", "sqlalchemy", "sqlmodel")
    code = f"import sys, tui.app; print([name for name in {heavy} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


@pytest.mark.asyncio
async def test_after_evolution_the_phase_is_shown_and_not_the_spent_budget() -> None:
    """The controls take minutes: their own share and the time left, not 100 %."""
    files = fake_run_files(14, phase="controls")
    step = {"name": "joint LoRA", "done": 34, "total": 100, "left_s": 132.0}
    files["run/status.json"] |= {"interactions": 10_000, "step": step}
    async with opened(FakeSource(files), USUAL) as (app, pilot):
        await pilot.press("2")
        await settled(pilot)
        shown = screen_text(app)
    assert "joint LoRA" in shown and "34%, about 2 min left" in shown and "100%" not in shown


HEADINGS = {
    "1": ("Species", "Niche", "Population", "Now", "Acc", "Base", "Born", "Extinct"),
    "3": ("Listing", "Niche", "Owner", "Price", "Rep", "Acc", "Base", "Sales"),
    "4": ("Account", "Balance", "When", "Kind", "Memo", "Amount"),
}


@pytest.mark.parametrize("width", [80, 99, 100, 117, 118, 119, 120, 121, 160])
@pytest.mark.asyncio
async def test_every_column_is_visible_at_every_width(width: int) -> None:
    """Whichever way the panels lie: the widest table is never cut by the detail beside it."""
    async with opened(FakeSource(), (width, 30)) as (app, pilot):
        for key, headings in HEADINGS.items():
            await pilot.press(key)
            await settled(pilot)
            shown = screen_text(app)
            for heading in headings:
                assert heading in shown, (key, heading)
            for row in ("7 outcompeted", "outcompeted") if key == "1" else ():
                assert row in shown


@pytest.mark.asyncio
async def test_the_base_stands_on_every_skill_bar() -> None:
    """Help promises the mark, so it is drawn: from what the run measured."""
    async with opened(FakeSource(), USUAL) as (app, pilot):
        assert screen_text(app).count("┃") >= 8
        await pilot.press("2")
        await settled(pilot)
        assert screen_text(app).count("┃") >= 9  # the panel's title explains it
        assert "+" in screen_text(app)


@pytest.mark.asyncio
async def test_a_home_without_a_run_names_what_it_has(tmp_path: Path) -> None:
    """A buyer's home has layers and personas, and no run."""
    (tmp_path / "personas").mkdir()
    for name in ("helper", "loud"):
        (tmp_path / "personas" / f"{name}.json").write_text("{}")
    (tmp_path / "library" / "layers" / ("a" * 64)).mkdir(parents=True)
    async with opened(HomeSource(tmp_path), USUAL) as (app, _):
        shown = " ".join(screen_text(app).split())
        assert "1 layer and the personas helper, loud" in shown
        assert "continuum persona ask helper QUESTION" in shown


@pytest.mark.parametrize(("key", "sentence"), [("3", "nothing is for sale"), ("4", "no account")])
@pytest.mark.asyncio
async def test_an_empty_market_is_not_called_absent(key: str, sentence: str) -> None:
    """It is there; it only has nothing for this view."""
    source = FakeSource(market=MarketSnapshot(exists=True))
    async with opened(source, USUAL) as (app, pilot):
        await pilot.press(key)
        await settled(pilot)
        assert sentence in screen_text(app) and "no market" not in screen_text(app)
