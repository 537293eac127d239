"""`continuum layer`: the library from the command line, refusals in one line."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from genome.library import Library, Manifest, Parent, Receipt
from genome.shelf.signing import SigningKey
from persona.persona import Persona, PersonaStore
from tests.support.genome import random_layer, tiny_llama
from tests.support.hostile import LFS_POINTER
from tui.cli.main import main

MODEL = tiny_llama()
LAYERS = [random_layer(MODEL, rank=1, seed=seed) for seed in range(4)]
Run = Callable[..., str]


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    """Runs `continuum layer ...` on this test's home; its output, or the one line of a refusal."""
    monkeypatch.setenv("CONTINUUM_HOME", str(tmp_path))
    monkeypatch.setenv("COLUMNS", "140")

    def call(*words: object) -> str:
        monkeypatch.setattr(sys, "argv", ["continuum", "layer", *map(str, words)])
        with pytest.raises(SystemExit) as left:
            main()
        shown = capsys.readouterr()
        if left.value.code == 0:
            return shown.out
        assert left.value.code == 1, shown.err
        assert len(shown.err.strip().splitlines()) == 1
        return f"{shown.out}{shown.err}"

    return call


@pytest.fixture
def source(tmp_path: Path) -> Path:
    LAYERS[0].to_peft(tmp_path / "sorter")
    return tmp_path / "sorter"


def test_a_folder_is_imported_listed_shown_exported_and_verified(
    run: Run, source: Path, tmp_path: Path
) -> None:
    said = run("import", source, "--licence", "MIT", "--description", "sorts [bold]all[/bold]")
    assert "sorter 1.0.0 is in the library" in said
    assert LAYERS[0].digest[:12] in run("list")
    assert "sorter" in run("list", "--licence", "MIT", "--base", "tiny")
    assert "sorter" not in run("list", "--licence", "Apache-2.0")
    shown = run("show", "sorter")
    assert LAYERS[0].digest in shown and "unsigned" in shown and "[bold]all[/bold]" in shown
    run("export", "sorter", tmp_path / "out.zip")
    run("export", f"{LAYERS[0].digest[:8]}", tmp_path / "out")
    assert "choose another path" in run("export", "sorter", tmp_path / "out")
    assert "1 layers are sound" in run("verify")
    library = Library.open(tmp_path)
    (library.path(LAYERS[0].digest) / "README.md").write_text("changed")
    assert "1 problems" in run("verify")


@pytest.mark.parametrize("name", ["a b", "a\nb", "../a", "a/b", "A", ""])
def test_what_is_no_name_is_refused_in_one_line(run: Run, source: Path, name: str) -> None:
    assert "a layer's name must be" in run("import", source, "--name", name)
    assert "no layer" in run("show", name)


def test_refusals_say_the_rule_and_the_remedy(run: Run, source: Path, tmp_path: Path) -> None:
    run("import", source)
    assert "in the library already" in run("import", source, "--licence", "MIT")
    assert "did you mean sorter" in run("show", "sotter")
    assert "has no version '9.0.0': it has 1.0.0" in run("show", "sorter@9.0.0")
    assert "ordered by" in run("list", "--order", "price")
    assert "not signed" in run("import", source, "--signed-only")
    (source / "adapter_config.json").write_text("{}")
    assert "layer rejected (" in run("import", source)
    shutil.rmtree(source)
    assert "layer rejected (folder_missing)" in run("import", source)


def test_a_layer_is_signed_and_accepted_by_who_knows_the_key(
    run: Run, source: Path, tmp_path: Path
) -> None:
    run("import", source)
    creator = run("keygen", tmp_path / "key.pem").split()[-1]
    assert "choose another file" in run("keygen", tmp_path / "key.pem")
    assert creator in run("sign", "sorter", "--key-file", tmp_path / "key.pem")
    assert "sorter" in run("list", "--creator", creator)
    run("export", "sorter", tmp_path / "out")
    elsewhere = ("--home", tmp_path / "elsewhere")
    assert "not among the 1 known" in run(
        "import", tmp_path / "out", "--creator", SigningKey.generate().creator, *elsewhere
    )
    assert "cannot be changed" in run("import", tmp_path / "out", "--name", "mine", *elsewhere)
    assert "in the library" in run("import", tmp_path / "out", "--creator", creator, *elsewhere)


def test_versions_and_lineage_are_listed(run: Run, tmp_path: Path) -> None:
    library = Library.open(tmp_path)
    receipts = (Receipt("sort", 400, 360, 160),)
    first = library.add(LAYERS[0], Manifest("sorter", "tiny", receipts=receipts))
    library.add(
        LAYERS[1], Manifest("sorter", "tiny", version="1.1.0", parents=(Parent(first, 0.5),))
    )
    listed = run("versions", "sorter")
    assert listed.index("1.1.0") < listed.index("1.0.0")
    assert "90.0 %" in listed
    assert "ancestor" in run("lineage", "sorter")
    assert "descendant" in run("lineage", "sorter@1.0.0")
    assert "no layer" in run("versions", "nothing")


def test_gc_shows_first_and_keeps_what_a_persona_is_made_of(run: Run, tmp_path: Path) -> None:
    library = Library.open(tmp_path)
    for i, layer in enumerate(LAYERS):
        library.add(layer, Manifest("sorter", "tiny", version=f"1.{i}.0"))
    PersonaStore(tmp_path).save(Persona("ada", "tiny", (LAYERS[0].digest,)))
    assert "2 layers" in run("gc") and "--yes" in run("gc")
    assert len(library.find()) == 4
    assert "2 layers" in run("gc", "--yes")
    assert {row.digest for row in library.find()} == {LAYERS[0].digest, LAYERS[3].digest}
    assert "1 layers" in run("gc", "--yes", "--unused")
    assert [row.digest for row in library.find()] == [LAYERS[0].digest]


def test_listing_layers_loads_no_torch(run: Run, source: Path, tmp_path: Path) -> None:
    run("import", source)
    code = (
        "import sys\nfrom tui.cli.main import main\n"
        "sys.argv = ['continuum', 'layer', sys.argv[1]]\n"
        "try: main()\nexcept SystemExit: pass\n"
        "print([m for m in ('torch', 'faiss', 'transformers') if m in sys.modules])"
    )
    for command in ("list", "gc", "verify"):
        done = subprocess.run(
            [sys.executable, "-c", code, command], capture_output=True, text=True, check=True
        )
        assert done.stdout.splitlines()[-1] == "[]", done.stdout


def test_a_trainers_folder_and_its_zip_are_imported_and_the_rest_named(
    run: Run, source: Path, tmp_path: Path
) -> None:
    """In one line; an archive made by Finder as well."""
    for name in ("optimizer.pt", "tokenizer.json", "training_args.bin"):
        (source / name).write_bytes(b"\x80\x04")
    (source / "checkpoint-9").mkdir()
    (tmp_path / "__MACOSX").mkdir()
    (tmp_path / "__MACOSX" / "._sorter").write_bytes(b"\0")
    said = run("import", source)
    assert "left where they are, being no part of a layer: checkpoint-9/, optimizer.pt, " in said
    shutil.copytree(source, tmp_path / "zipped" / "sorter")
    shutil.copytree(tmp_path / "__MACOSX", tmp_path / "zipped" / "__MACOSX")
    archive = shutil.make_archive(str(tmp_path / "sorter"), "zip", tmp_path / "zipped")
    said = run("import", archive)
    assert "__MACOSX/, optimizer.pt, " in said and "sorter 1.0.0 is in the library" in said


@pytest.mark.parametrize(
    ("spoil", "text"),
    [
        (lambda f: (f / "adapter_model.safetensors").write_bytes(LFS_POINTER), "`git lfs pull`"),
        (lambda f: (f / "adapter_config.json").rename(f / "ADAPTER_CONFIG.JSON"), "rename it to"),
        (lambda f: [p.unlink() for p in f.iterdir()], "is empty: give the folder"),
        (
            lambda f: (f / "README.md").write_text("sk-" + "Ab3" * 16),
            "'README.md' holds what looks",
        ),
    ],
)
def test_what_is_in_the_way_is_said_in_one_line(
    run: Run, source: Path, spoil: Callable[[Path], object], text: str
) -> None:
    """Exit code 1, nothing stored."""
    spoil(source)
    said = run("import", source)
    assert text in said and "Traceback" not in said
    assert "sorter" not in run("list")


def test_a_name_in_capitals_is_answered_with_the_one_to_use(run: Run, source: Path) -> None:
    assert "use 'sql-helper'" in run("import", source, "--name", "SQL Helper")
    assert "sql-helper 1.0.0 is in" in run("import", source.rename(source.parent / "SQL Helper"))
