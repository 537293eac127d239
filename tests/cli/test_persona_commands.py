"""`continuum persona`: files that are edited, copied, and gone back to."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from persona.persona import PersonaStore
from seeds.personas import AT_FIRST, types
from tests.support.cli import Done, continuum


@pytest.fixture(scope="module")
def new_home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """As `init` leaves it."""
    home = tmp_path_factory.mktemp("home")
    assert continuum("init", "--home", home).code == 0
    return home


def persona(home: Path, *words: object) -> Done:
    return continuum("persona", *words, "--home", home)


def test_a_new_home_has_five_to_begin_with(new_home: Path) -> None:
    first = ["helper", "teacher", "code-review", "architect", "debugger"]
    assert list(types())[:AT_FIRST] == first and len(types()) == 15
    store = PersonaStore(new_home)
    assert {*first} <= {*store.names()}
    for name in first:
        made = store.load(name)
        assert made.retrieves and not made.system  # 128 positions have no room for that
    before = [store.path(name).read_text() for name in first]
    assert continuum("init", "--home", new_home).code == 0
    assert [store.path(name).read_text() for name in first] == before


def test_each_type_can_be_made(new_home: Path) -> None:
    for kind in types():
        assert persona(new_home, "create", f"my-{kind}", "--type", kind).code == 0
    said = persona(new_home, "create", "x", "--type", "tech-writr").refusal
    assert said.startswith("there is no persona 'tech-writr': did you mean tech-writer")
    assert persona(new_home, "create", "x").refusal.endswith("--type TYPE or --system TEXT")


def test_a_change_is_kept_and_can_be_gone_back_from(new_home: Path) -> None:
    store = PersonaStore(new_home)
    persona(new_home, "create", "eve", "--system", "Be brief.")
    words = ("--set", "system=Be long.", "--set", "sampling.temperature=0.5")
    assert persona(new_home, "edit", "eve", *words).code == 0
    changed = store.load("eve")
    assert (changed.system, changed.sampling) == ("Be long.", {"temperature": 0.5})
    persona(new_home, "clone", "eve", "eva")
    assert "Be brief." in persona(new_home, "history", "eve").out
    assert persona(new_home, "history", "eve", "--back-to", "1").code == 0
    assert store.load("eve").system == "Be brief."
    assert store.load("eva").system == "Be long."
    assert len(store.history("eve")) == 2
    said = persona(new_home, "history", "eve", "--back-to", "9").refusal
    assert said == "eve has 2 earlier versions, not 9"


def test_an_editor_may_leave_comments_and_mistakes_change_nothing(
    new_home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    persona(new_home, "create", "ida", "--system", "Be brief.")
    path = PersonaStore(new_home).path("ida")
    monkeypatch.delenv("VISUAL", raising=False)
    monkeypatch.delenv("EDITOR", raising=False)
    said = persona(new_home, "edit", "ida").refusal
    assert said == "EDITOR names no editor: set it, or give --set KEY=VALUE"
    monkeypatch.setenv("EDITOR", "sed -i '1i # mine'")
    assert persona(new_home, "edit", "ida").code == 0
    assert path.read_text().startswith("# mine\n")
    for editor, said in {
        "sed -i s/system/sytem/": "sytem is no field of a persona: did you mean system?",
        "false": "set EDITOR to another",
        "no-such-editor": "set EDITOR to another",
        "sed -i 's/= .*/= [/'": "ida stays as it was",
    }.items():
        monkeypatch.setenv("EDITOR", editor)
        assert said in persona(new_home, "edit", "ida").refusal
        assert path.read_text().startswith("# mine\n")
    for setting, said in {
        "sampling.heat=3": "sampling.heat is no setting",
        "priority=256": "priority is 0 to 255, not 256",
        "system.deep=1": "system is no table",
        "system": "--set takes KEY=VALUE",
    }.items():
        found = persona(new_home, "edit", "ida", "--set", setting)
        assert re.search(re.escape(said), found.err), found
    assert path.read_text().startswith("# mine\n")


def test_a_spoilt_file_can_be_repaired_in_the_editor(
    new_home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    persona(new_home, "create", "uma", "--system", "Be brief.")
    path = PersonaStore(new_home).path("uma")
    path.write_text(path.read_text().replace("system", "sytem"))
    assert "uma.toml" in persona(new_home, "show", "uma").refusal
    monkeypatch.setenv("EDITOR", "sed -i s/sytem/system/")
    assert persona(new_home, "edit", "uma").code == 0
    assert PersonaStore(new_home).load("uma").system == "Be brief."
