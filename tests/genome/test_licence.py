"""A licence is read as what it is, and a model card says it as the hub does."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from genome.adapter.card import model_card
from genome.errors import LayerRejected, LicenceTextError
from genome.library import Library
from genome.licence import HUB, TERMS, alternatives, canonical, hub_licence
from genome.shelf.intake import card_facts
from genome.shelf.manifest import Manifest
from tests.support.genome import random_layer, tiny_llama


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("", ""),
        ("  mit ", "MIT"),
        ("gpl-3.0", "GPL-3.0-only"),
        ("GPL-2.0+", "GPL-2.0-or-later"),
        ("openrail++", "LicenseRef-openrail-plus-plus"),
        ("LLAMA3.1", "LicenseRef-llama3.1"),
        ("licenseref-llama3", "LicenseRef-llama3"),
        ("LicenseRef-My-Terms", "LicenseRef-My-Terms"),
        ("sleepycat", "Sleepycat"),
        ("mit or (gpl-3.0 AND cc-by-4.0)", "MIT OR (GPL-3.0-only AND CC-BY-4.0)"),
        ("gpl-3.0 with Classpath-exception-2.0", "GPL-3.0-only WITH Classpath-exception-2.0"),
    ],
)
def test_one_spelling_for_each_licence(written: str, meant: str) -> None:
    assert canonical(written) == meant == canonical(meant)
    assert alternatives(written) == alternatives(meant)


@pytest.mark.parametrize(
    "name",
    sorted({*TERMS, "MIT OR Apache-2.0", "Sleepycat", "LicenseRef-My-Terms", "do what you want"}),
)
def test_the_hub_takes_every_card(name: str) -> None:
    """A name of its own list, or `other` with a name."""
    licence, own, link = hub_licence(name)
    assert (licence in HUB) if name else (licence == "")
    assert bool(own) == (licence == "other" and name != "LicenseRef-other")
    assert link in ("", f"https://spdx.org/licenses/{name}.html")


def test_a_licence_of_ones_own_has_a_name_and_a_link() -> None:
    manifest = Manifest(
        "x", licence="LicenseRef-My-Terms", licence_link="https://example.org/terms"
    )
    assert Manifest.from_json(manifest.to_json()) == manifest
    header = model_card(card_facts(manifest)).split("---")[1]
    assert 'license: "other"\nlicense_name: "my-terms"' in header
    assert 'license_link: "https://example.org/terms"' in header
    with pytest.raises(LayerRejected, match="must begin with https://"):
        Manifest("x", licence="LicenseRef-Mine", licence_link="javascript:alert(1)")


def test_a_manifest_without_a_link_has_the_bytes_it_was_signed_with() -> None:
    """The field came later than signatures over manifests that lack it."""
    assert b"licence_link" not in Manifest("x", licence="MIT").signed_bytes()


def test_the_library_reads_what_an_importer_says_as_a_market_does(tmp_path: Path) -> None:
    random_layer(tiny_llama(), rank=1, seed=1).to_peft(tmp_path / "adapter")
    library = Library.open(tmp_path / "home")
    with pytest.raises(LayerRejected, match="use llama3"):
        library.import_folder(tmp_path / "adapter", name="mine", licence="Llama 3")
    library.import_folder(tmp_path / "adapter", name="mine", licence="gpl-3.0")
    assert library.named("mine")[1].licence == "GPL-3.0-only"


def test_what_the_library_proposes_it_takes() -> None:
    with pytest.raises(LayerRejected, match="use llama3"):
        Manifest("x", licence="Llama 3")
    assert Manifest("x", licence="llama3").licence == "llama3"


def test_expressions_are_read_only_where_there_is_one() -> None:
    """The reader costs 80 ms to load: not for `continuum --help`, nor for one known name."""
    code = (
        "import sys; from genome.licence import alternatives; import genome.shelf.manifest;"
        "alternatives('MIT'); assert 'license_expression' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


@pytest.mark.parametrize(
    "wrong", ["MIT OR", "(MIT", "MIT;", "\x1b", "x" * 201, None, 7, "MIT, ISC"]
)
def test_what_is_no_expression_is_refused_in_one_line(wrong: object) -> None:
    with pytest.raises(LicenceTextError) as refusal:
        canonical(wrong)
    assert str(refusal.value).isprintable()
