"""Nothing is for the embedded base only: every command does its work on another base."""

from __future__ import annotations

import io
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer.main

from genome.base_model import BaseModel
from genome.layer import Layer
from persona.persona import PersonaStore
from tests.support.cli import Done, continuum
from tests.support.genome import random_layer, subword_tokenizer, tiny_model
from tests.support.single import save_single
from tui.cli.main import command_tree

ELSEWHERE = {
    "tui": "an app of its own: tests/tui",
    "market list": "what it is called in a database of one's own: `market search`",
    "academy rate": "asks a person",
    "market serve": "ends when it is told to: tests/marketplace/service",
    "market move": "from one database to another, whatever is in it",
    "market migrate": "needs a market of an older schema",
    "market simulate": "has no models",
    "market try": "needs a trial's terms: tests/cli/market",
    "market verify": "reads a ledger",
    "market head": "reads a ledger",
    "market vouch": "signs a ledger's head",
    "market sweep": "ends what is due",
    "market appoint": "names a judge",
}
"""Commands that this test leaves out, and why a base is nothing to them."""
SHAPE = {"vocab_size": 400, "max_position_embeddings": 2048, "eos_token_id": 1, "pad_token_id": 0}
MONEY = (
    "market open",
    "market fund",
    "market wallet",
    "market use",
    "market rent",
    "market review",
    "market trials",
    "market subscribe",
    "market subscriptions",
    "market keys",
    "market refund",
    "market owed",
    "market quarantine",
    "market release",
    "market revoke",
    "market revocations",
    "market withdraw",
    "market relist",
    "market terms",
    "market royalties",
    "market bundle",
    "market compute",
    "market mandate",
    "market epoch",
    "market bounty",
)
"""Groups and commands that read and write rows of money only."""


def commands() -> Iterator[str]:
    """Every command, its words in order."""

    def below(command: Any, words: list[str]) -> Iterator[str]:
        if not hasattr(command, "commands"):
            yield " ".join(words)
            return
        for name, one in command.commands.items():
            yield from below(one, [*words, name])

    yield from below(typer.main.get_command(command_tree()), [])


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of another architecture than the embedded base's, which reads pieces of words."""
    folder = tmp_path_factory.mktemp("second") / "Other Qwen"
    tiny_model("qwen2", **SHAPE).save_pretrained(folder)
    subword_tokenizer().save_pretrained(folder)
    return folder


@pytest.mark.slow
def test_every_command_works_on_a_second_base(
    base: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One home from `init` to a purchase; nowhere is the base named again."""
    home, done = tmp_path / "home", set()

    def do(words: str, *more: object, code: int = 0, place: Path | None = home) -> Done:
        where = ("--home", place) if place else ()
        found = continuum(*words.split(), *more, *where)
        assert found.code == code, f"{words} {more}\n{found.out}\n{found.err}"
        known = [name for name in commands() if words.startswith(name)]
        done.add(max(known, key=len))
        return found

    def trained(name: str, seed: int) -> Path:
        """A PEFT folder from elsewhere, which says nothing of its base."""
        layer = random_layer(tiny_model("qwen2", **SHAPE), "", scale=0.02, seed=seed)
        Layer("", layer.factors).to_peft(tmp_path / "from" / name)
        return tmp_path / "from" / name

    assert "is a home for other-qwen" in do("init", "--base", base).out
    fingerprint = BaseModel.load(base).fingerprint
    assert do("base default").out.strip() == "other-qwen"
    assert do("base fingerprint", base).out.strip() == fingerprint
    assert "other-qwen *" in do("base list").out and fingerprint in do("base show other-qwen").out
    do("base check other-qwen")
    do("base add", base)
    assert "16 answers" in do("base dtype other-qwen", "bfloat16").out
    # layers
    folders = [trained("one", 1), trained("two", 2)]
    assert "other-qwen" in do("layer import", folders[0]).out
    do("layer import", folders[1], "--version", "1.1.0")
    do("layer bind one")
    assert do("layer list").out.count("other-qwen") == 2
    do("layer rename two", "second")
    do("layer tag second", "tried")
    do("layer merge one:0.7 second:0.3", "--name", "mix")
    assert "other-qwen" in do("layer show mix").out
    do("layer versions one")
    do("layer lineage mix")
    do("layer export one", tmp_path / "out")
    do("layer keygen", tmp_path / "key", place=None)
    for name in ("one", "second"):
        do(f"layer sign {name}", "--key-file", tmp_path / "key")
    do("layer verify")
    do("layer gc")
    assert "3 layers examined" in do("layer reindex").out
    assert "other-qwen" in do("layer search", "sort: 3 1 2").out
    do("layer advise", "sort: 3 1 2", code=1)  # layers of no niche calibrate nothing: one line
    # personas
    do("persona create both", "--layer", "one", "--layer", "second", "-w", "0.5", "-w", "1")
    assert "other-qwen" in do("persona list").out and "0.5" in do("persona show both").out
    do("persona ask both", "sort: 3 1 2")
    monkeypatch.setattr("sys.stdin", io.StringIO("sort: 3 1 2\n/why\n"))
    assert "sure from" in do("chat both").out
    do("persona export both", tmp_path / "both", "--modelfile")
    assert "FROM ./model" in (tmp_path / "both/Modelfile").read_text()
    said = do("persona export both", tmp_path / "both.gguf").out
    assert "--lora" in said and (tmp_path / "both.gguf").is_file()
    do("persona edit other-both", code=1)
    do("persona clone both again")
    do("persona edit again", "--set", "system=Be brief.")
    assert "Be brief." not in do("persona history again").out
    # rooms
    do("room create lab both again", "--rule", "speakers=2")
    do("room say lab", "sort: 3 1 2", "--why")
    do("room rate lab 2", "--right")
    assert "Brier" in do("room calibration").out
    do("room mute lab again")
    do("room leave lab again")
    do("room join lab again")
    assert "speakers" in do("room show lab").out and "again" in do("room list").out
    assert "sort: 3 1 2" in do("room watch lab", "--why").out
    # adapters that only PEFT runs
    save_single(BaseModel.load(base), tmp_path / "dora")
    do("backend add dora", tmp_path / "dora")
    do("backend check dora")
    do("persona create dori", "--backend", "dora")
    assert "other-qwen" in do("backend list").out
    do("persona ask dori", "sort: 3 1 2")
    # over the network: a key, and a server that finds nobody on this machine's other addresses
    assert do("key create laptop", "--tokens", "1000").out.startswith("ck-")
    assert "1000" in do("key list").out
    do("key remove laptop")
    served: list[str] = []
    monkeypatch.setattr(
        "economy.serving.serve.serve", lambda service, *_: served.append(service.names.base_name)
    )
    do("serve")
    assert served == ["other-qwen"]
    do("serve", "--host", "0.0.0.0", code=1)
    monkeypatch.setattr(
        "economy.serving.mcp.ToolServer.run", lambda server: served.append(server.name)
    )
    do("mcp")
    assert served == ["other-qwen", "continuum"]
    # the Academy
    do("academy exam both", "--skill", "past", "--items", "4")
    do("academy run smoke", "--tokens", "700000")
    do("academy status")
    do("academy resume")
    do("academy report")
    do("academy compare", home, home, place=None)
    do("persona create other", "--layer", "one")
    do("academy trial both other", "--items", "18")
    do("academy breed both other", "--traits", "past from both, json from other", "--name", "kid")
    # the market
    do("market open", "me")
    do("market publish one", "--name", "one", "--skill", "past")
    assert "other-qwen" in do("market search", "--base", "other-qwen").out
    do("market show one")
    do("market quote one")
    do("market demand")
    do("market open", "ada")
    do("market fund 10", "--account", "ada", "--key", "k1")
    do("market buy one", "--account", "ada")
    do("market fetch one", "--account", "ada")
    do("market version second", "one", "--skill", "past")
    do("market recheck one", "--account", "ada")
    # what runs long: its smallest form
    small = ("--tier", "smoke", "--seeds", "1", "--methods", "random-search", "--track", "A")
    do("academy benchmark", *small, "--out", tmp_path / "benchmark", "--base", "other-qwen")
    cycled: list[str] = []  # two minutes at its smallest: tests/economy/cycle runs it
    monkeypatch.setattr(
        "economy.cycle.run.run_cycle", lambda _, model, *__: cycled.append(model.fingerprint) or {}
    )
    do("market cycle", "--out", tmp_path / "cycle")
    assert cycled == [fingerprint]
    demo = ("--tiny", "--no-tui")
    do("demo", *demo, "--base", base, place=tmp_path / "demo")
    assert PersonaStore(tmp_path / "demo").load("helper").base_model == fingerprint
    left = {
        name
        for name in commands()
        if name not in done and name not in ELSEWHERE and not name.startswith(MONEY)
    }
    assert left == {"backend remove", "base remove", "layer remove", "persona remove"}
    for name in ("kid", "dori"):
        do(f"persona remove {name}")
    do("backend remove dora")
    do("base remove other-qwen", code=1)
    do("base remove other-qwen", "--yes")
    refusal = continuum("persona", "ask", "both", "sort: 3 1 2", "--home", home).refusal
    assert "is not known here" in refusal and "`continuum base add SOURCE" in refusal
