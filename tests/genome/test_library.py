"""The library stores a layer once, whole or not at all, and finds it by ability."""

from __future__ import annotations

import fcntl
import json
import os
import shutil
import subprocess
import sys
import zipfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from genome.embedding import unit
from genome.errors import (
    LayerNotFoundError,
    LayerRejected,
    LibraryBusyError,
    LibraryError,
)
from genome.layer import WEIGHTS_FILE, Layer
from genome.library import Library, Manifest, Parent, Receipt, TrustPolicy
from genome.search.index_filter import Filter
from genome.shelf.signing import SigningKey
from tests.support.genome import random_layer, tiny_llama

MODEL = tiny_llama()
LAYERS = [random_layer(MODEL, rank=1, seed=seed) for seed in range(6)]
A, B, C, *_ = LAYERS


def manifest(name: str, **facts: Any) -> Manifest:
    receipts = (Receipt("sort", 400, n_correct=360, n_base_correct=160),)
    return Manifest(name, **{"base_model": "tiny", "receipts": receipts} | facts)


def code_of(call: Any, *args: Any, **kwargs: Any) -> str:
    with pytest.raises(LayerRejected) as refusal:
        call(*args, **kwargs)
    assert "\n" not in str(refusal.value)
    return refusal.value.code


def peft_folder(path: Path, layer: Layer = A) -> Path:
    layer.to_peft(path)
    return path


# -- one layer -----------------------------------------------------------------------------


def test_a_stored_layer_comes_back_with_its_digest_after_reopening(tmp_path: Path) -> None:
    digest = Library.open(tmp_path).add(A, manifest("sorter-1"))
    library = Library.open(tmp_path)
    assert digest == A.digest == library.get(digest).digest
    assert library.named("sorter-1")[0] == digest
    assert library.add(A, manifest("sorter-1")) == digest
    assert len(library.manifests) == 1
    stored = library.manifest(digest)
    assert (stored.niche, stored.accuracy, stored.base_accuracy, stored.n_questions) == (
        "sort",
        0.9,
        0.4,
        400,
    )
    assert library.verify() == []


def test_a_changed_or_unknown_layer_is_refused(tmp_path: Path) -> None:
    library = Library.open(tmp_path)
    digest = library.add(A, manifest("sorter-1"))
    B.to_peft(library.path(digest))
    with pytest.raises(LayerRejected, match="no longer matches its digest"):
        library.get(digest)
    (library.path(digest) / WEIGHTS_FILE).unlink()
    with pytest.raises(LayerRejected, match="does not exist"):
        library.get(digest)
    with pytest.raises(LayerNotFoundError):
        library.get("0" * 64)
    with pytest.raises(LayerNotFoundError, match="did you mean sorter-1"):
        library.named("sotter-1")


def test_adding_a_damaged_layer_again_repairs_it(tmp_path: Path) -> None:
    library = Library.open(tmp_path)
    digest = library.add(A, manifest("sorter-1"))
    (library.path(digest) / WEIGHTS_FILE).write_bytes(b"x" * 100)
    assert len(library.verify()) == 1
    assert library.add(A, manifest("sorter-1")) == digest
    assert library.verify() == []
    assert library.get(digest).digest == digest


def test_a_layer_without_a_base_is_bound_to_the_one_its_manifest_names(tmp_path: Path) -> None:
    library = Library.open(tmp_path)
    digest = library.add(replace(A, base_model=""), manifest("sorter-1"))
    assert library.get(digest).base_model == "tiny"
    assert code_of(library.add, B, manifest("x", base_model="other")) == "manifest_base"


def test_a_reference_is_a_name_a_version_or_the_start_of_a_digest(tmp_path: Path) -> None:
    library = Library.open(tmp_path)
    one = library.add(A, manifest("sorter"))
    two = library.add(B, manifest("sorter", version="1.10.0"))
    assert (
        library.add(C, manifest("sorter", version="1.9.0"), policy=TrustPolicy(allow_rollback=True))
        == C.digest
    )
    assert [row.version for row in library.versions("sorter")] == ["1.10.0", "1.9.0", "1.0.0"]
    assert library.latest("sorter").digest == two == library.resolve("sorter")
    assert library.resolve("sorter@1.0.0") == one == library.resolve(one[:8])
    for wrong in ("sorter@2.0.0", "sort", one[:7], "", "0" * 64):
        with pytest.raises(LayerNotFoundError):
            library.resolve(wrong)


# -- in and out ----------------------------------------------------------------------------


def test_an_interrupted_add_leaves_nothing_behind(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The layer appears under its digest only when complete."""
    library = Library.open(tmp_path)

    def full_disk(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    for target, attribute in ((Layer, "to_peft"), (os, "rename"), (os, "fsync")):
        with monkeypatch.context() as patch:
            patch.setattr(target, attribute, full_disk)
            with pytest.raises(OSError, match="No space"):
                library.add(A, manifest("sorter-1"))
        for part in ("layers", "staging"):
            assert list((tmp_path / "library" / part).iterdir()) == []
        assert Library.open(tmp_path).manifests == {}


def test_a_peft_folder_is_kept_byte_for_byte_and_named_after_itself(tmp_path: Path) -> None:
    source = peft_folder(tmp_path / "My Sorter")
    (source / "LICENSE").write_text("MIT")
    library = Library.open(tmp_path)
    digest = library.import_folder(source, licence="MIT")
    assert digest == A.digest
    assert library.named("my-sorter")[1].licence == "MIT"
    for file in source.iterdir():
        assert (library.path(digest) / file.name).read_bytes() == file.read_bytes()
    assert library.import_folder(source, licence="MIT") == digest
    assert library.verify() == []


@pytest.mark.parametrize("ending", ["", ".zip"])
def test_an_exported_layer_is_imported_elsewhere_with_its_signature(
    tmp_path: Path, ending: str
) -> None:
    key = SigningKey.generate()
    library = Library.open(tmp_path / "mine")
    digest = library.add(A, manifest("sorter-1"), key=key)
    target = library.export(digest, tmp_path / f"out{ending}")
    with pytest.raises(LibraryError, match="choose another path"):
        library.export(digest, target)
    theirs = Library.open(tmp_path / "theirs")
    strict = TrustPolicy(known=frozenset({key.creator}), allow_unsigned=False)
    assert theirs.import_folder(target, policy=strict) == digest
    assert theirs.manifest(digest) == library.manifest(digest)
    assert theirs.get(digest).digest == digest


def test_a_file_swapped_after_its_copy_changes_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Case 45: what is checked, hashed and loaded is the library's own copy."""
    import genome.shelf.intake

    source = peft_folder(tmp_path / "sorter")
    copy_files = genome.shelf.intake.copy_files

    def copy_then_swap(path: Path, into: Path) -> dict[str, str]:
        hashes = copy_files(path, into)
        B.to_peft(path)
        return hashes

    monkeypatch.setattr(genome.shelf.intake, "copy_files", copy_then_swap)
    library = Library.open(tmp_path)
    assert library.import_folder(source) == A.digest
    assert library.get(A.digest).digest == A.digest
    assert Layer.from_peft(source).digest == B.digest


def test_a_copy_that_differs_from_what_was_read_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import genome.shelf.intake

    def bad_disk(source: Path, into: Path) -> dict[str, str]:
        shutil.copytree(source, into, dirs_exist_ok=True)
        return {WEIGHTS_FILE: "0" * 64}

    monkeypatch.setattr(genome.shelf.intake, "copy_files", bad_disk)
    library = Library.open(tmp_path)
    assert code_of(library.import_folder, peft_folder(tmp_path / "x")) == "copy_changed"
    assert library.find() == []


def test_links_out_of_the_folder_are_not_followed(tmp_path: Path) -> None:
    source = peft_folder(tmp_path / "sorter")
    (tmp_path / "secret").write_text("secret")
    (source / "README.md").unlink(missing_ok=True)
    (source / "README.md").symlink_to(tmp_path / "secret")
    assert code_of(Library.open(tmp_path).import_folder, source) == "file_kind"


# -- case 39: the manifest against the files -----------------------------------------------


def edit(folder: Path, **facts: Any) -> None:
    path = folder / "manifest.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | facts))


@pytest.fixture
def exported(tmp_path: Path) -> Path:
    """The exported folder of an unsigned layer."""
    library = Library.open(tmp_path / "other")
    return library.export(library.add(A, manifest("sorter-1")), tmp_path / "out")


def test_files_that_the_manifest_does_not_describe_are_refused(
    tmp_path: Path, exported: Path
) -> None:
    library = Library.open(tmp_path)
    (exported / "NOTICE").write_text("and one more")
    assert code_of(library.import_folder, exported) == "file_unlisted"
    (exported / "NOTICE").unlink()
    (exported / "README.md").write_text("another card")
    assert code_of(library.import_folder, exported) == "file_hash"
    (exported / "README.md").unlink()
    assert code_of(library.import_folder, exported) == "file_absent"
    B.to_peft(exported)
    assert code_of(library.import_folder, exported) == "manifest_digest"
    edit(exported, digest="", files={}, base_model="another")
    assert code_of(library.import_folder, exported) == "manifest_base"
    edit(exported, base_model="", price=3)
    assert code_of(library.import_folder, exported) == "manifest_field"
    (exported / "manifest.json").write_text("{")
    assert code_of(library.import_folder, exported) == "manifest_unreadable"
    assert library.find() == []


# -- case 40: signatures -------------------------------------------------------------------


def test_a_signature_that_does_not_hold_is_refused_whatever_the_policy(
    tmp_path: Path, exported: Path
) -> None:
    source = Library.open(tmp_path / "other")
    signed = source.sign(A.digest, SigningKey.generate())
    shutil.rmtree(exported)
    source.export(A.digest, exported)
    library = Library.open(tmp_path)
    edit(exported, licence="CC0-1.0")
    assert code_of(library.import_folder, exported) == "signature_bad"
    edit(exported, licence="", creator=SigningKey.generate().creator)
    assert code_of(library.import_folder, exported) == "signature_bad"
    edit(exported, creator=signed.creator)
    for policy, code in (
        (TrustPolicy(known=frozenset()), "signature_unknown"),
        (TrustPolicy(revoked={signed.creator: "stolen"}), "signature_revoked"),
    ):
        assert code_of(library.import_folder, exported, policy=policy) == code
    assert code_of(library.import_folder, exported, name="mine-now") == "manifest_signed"
    assert code_of(library.import_folder, exported, Manifest("mine-now")) == "manifest_signed"
    assert library.import_folder(exported) == A.digest
    assert code_of(library.sign, A.digest, SigningKey.generate()) == "manifest_signed"
    assert code_of(library.add_receipt, A.digest, Receipt("sum", 9, 9, 0)) == "manifest_signed"
    revoked = TrustPolicy(revoked={signed.creator: "stolen"})
    (finding,) = Library.open(tmp_path, policy=revoked).verify()
    assert "stolen" in finding.problem


def test_unsigned_and_expired_layers_are_refused_where_the_policy_says_so(
    tmp_path: Path, exported: Path
) -> None:
    library = Library.open(tmp_path, policy=TrustPolicy(allow_unsigned=False))
    assert code_of(library.import_folder, exported) == "unsigned"
    edit(exported, expires="2020-01-01T00:00:00Z")
    assert code_of(Library.open(tmp_path).import_folder, exported) == "signature_expired"


def test_a_receipt_is_added_and_signed_again_by_its_creator_only(tmp_path: Path) -> None:
    library, key = Library.open(tmp_path), SigningKey.generate()
    digest = library.add(A, manifest("sorter-1"))
    extra = Receipt("sum", 10, 9, 1)
    library.add_receipt(digest, extra)
    assert library.manifest(digest).receipts == (manifest("x").receipts[0], extra)
    library.sign(digest, key)
    again = Receipt("sum", 20, 9, 1)
    library.add_receipt(digest, again, key=key)
    library.add_receipt(digest, again)
    assert len(library.manifest(digest).receipts) == 3
    assert [row.digest for row in library.find(skill="sum", creator=key.creator)] == [digest]
    assert library.verify() == []


def test_what_is_damaged_is_not_signed(tmp_path: Path) -> None:
    library = Library.open(tmp_path)
    digest = library.add(A, manifest("sorter-1"))
    (library.path(digest) / "README.md").write_text("changed")
    assert code_of(library.sign, digest, SigningKey.generate()) == "digest"


# -- cases 41 to 43: against what is there -------------------------------------------------


def test_a_lower_version_than_one_seen_is_refused(tmp_path: Path) -> None:
    """Also after the higher one was removed, if it was signed."""
    library, key = Library.open(tmp_path), SigningKey.generate()
    library.add(A, manifest("sorter", version="2.0.0"), key=key)
    old = manifest("sorter", version="1.9.9")
    assert code_of(library.add, B, old, key=key) == "version_rollback"
    library.remove(A.digest)
    assert code_of(library.add, B, old, key=key) == "version_rollback"
    assert library.add(B, old, key=key, policy=TrustPolicy(allow_rollback=True)) == B.digest
    library.add(C, manifest("shorter", version="2.0.0"))
    library.remove(C.digest)
    library.add(A, manifest("shorter", version="1.0.0"))


def test_a_version_and_a_name_are_taken_once(tmp_path: Path) -> None:
    """A stranger's higher version does not become what everybody gets by name."""
    library, key = Library.open(tmp_path), SigningKey.generate()
    library.add(A, manifest("sorter"), key=key)
    assert code_of(library.add, B, manifest("sorter"), key=key) == "version_taken"
    stranger = SigningKey.generate()
    newer = manifest("sorter", version="99.0.0")
    assert code_of(library.add, B, newer, key=stranger) == "name_taken"
    assert code_of(library.add, B, newer) == "name_taken"
    assert library.add(B, newer, key=key) == B.digest == library.named("sorter")[0]


def test_a_missing_parent_is_accepted_only_explicitly_and_circles_never(tmp_path: Path) -> None:
    library = Library.open(tmp_path)
    child = manifest("child", parents=(Parent(B.digest, 0.5),))
    assert code_of(library.add, A, child) == "parent_missing"
    lenient = TrustPolicy(allow_missing_parents=True)
    library.add(A, child, policy=lenient)
    turned = manifest("parent", parents=(Parent(A.digest),))
    assert code_of(library.add, B, turned, policy=lenient) == "lineage_cycle"
    itself = manifest("self", parents=(Parent(C.digest),))
    assert code_of(library.add, C, itself, policy=lenient) == "lineage_cycle"
    library.add(B, manifest("parent"))
    library.add(C, manifest("grandchild", parents=(Parent(A.digest), Parent(B.digest))))
    assert [(r.name, r.generations) for r in library.ancestors(C.digest)] == sorted(
        [("child", 1), ("parent", 1)], key=lambda r: A.digest if r[0] == "child" else B.digest
    )
    assert {r.digest for r in library.descendants(B.digest)} == {A.digest, C.digest}
    nearest = library.nearest_common_ancestor(A.digest, C.digest)
    assert nearest == (A.digest, 0, 1)


def test_the_same_weights_under_another_manifest_are_refused(tmp_path: Path) -> None:
    library = Library.open(tmp_path)
    library.add(A, manifest("sorter"))
    for other in (
        manifest("other"),
        manifest("sorter", licence="MIT"),
        manifest("sorter", version="1.0.1"),
    ):
        assert code_of(library.add, A, other) == "duplicate_layer"
    library.sign(A.digest, SigningKey.generate())
    assert library.add(A, manifest("sorter")) == A.digest
    assert library.manifest(A.digest).signature


# -- search --------------------------------------------------------------------------------


def test_search_ranks_by_cosine_and_filters_by_base(tmp_path: Path) -> None:
    """Agrees with brute force."""
    rng = np.random.default_rng(0)
    vectors = unit(rng.normal(size=(6, 6)))
    library = Library.open(tmp_path)
    for i, vector in enumerate(vectors):
        base = "other" if i == 3 else "tiny"
        library.add(replace(LAYERS[i], base_model=base), manifest(f"layer-{i}", base_model=base))
        library.set_vector(LAYERS[i].digest, vector, n_results=400)
    query = unit(rng.normal(size=(1, 6)))
    found = library.search_vectors(query, "", where=Filter("tiny"), k=4)[0]
    order = [i for i in np.argsort(-(vectors @ query[0])) if i != 3][:4]
    assert [f.manifest.name for f in found] == [f"layer-{i}" for i in order]
    assert found[0].similarity == pytest.approx(float(vectors[order[0]] @ query[0]), abs=1e-5)
    assert library.search_vectors(query, "", where=Filter("unknown"))[0] == []


def searchable(library: Library, width: int) -> list[str]:
    """Digests that a search can return."""
    questions, id_ = np.ones((1, width)), library.encoder_id("tiny")
    return [found.digest for found in library.search_vectors(questions, id_, k=100)[0]]


def test_vectors_belong_to_the_encoder_that_made_them(tmp_path: Path) -> None:
    """A new encoder hides them; a layer added again finds its vector again."""
    library = Library.open(tmp_path)
    digest = library.add(A, manifest("sorter"))
    assert library.vector(digest) is None
    encoder = tmp_path / "library" / "encoder.safetensors"
    encoder.write_bytes(b"one")
    library.set_vector(digest, np.array([0.6, 0.8]), n_results=7)
    vector, n_results = library.vector(digest) or (None, 0)
    assert vector is not None and vector.dtype == np.float32 and n_results == 7
    with pytest.raises(LibraryError, match="2 wide"):
        library.set_vector(digest, np.ones(3), n_results=7)
    with pytest.raises(LibraryError, match="finite"):
        library.set_vector(digest, np.array([np.nan, 1.0]), n_results=7)
    shutil.rmtree(library.path(digest))
    library.refresh()
    assert searchable(library, 2) == []
    library.add(A, manifest("sorter"))
    assert searchable(library, 2) == [digest]
    encoder.write_bytes(b"another")
    os.utime(encoder, ns=(1, 1))
    assert searchable(library, 2) == []
    library.set_vector(digest, np.ones(3), n_results=7)
    assert searchable(library, 3) == [digest]


# -- upkeep --------------------------------------------------------------------------------


def test_a_lost_catalogue_is_rebuilt_from_the_folders(tmp_path: Path) -> None:
    library = Library.open(tmp_path)
    library.add(A, manifest("sorter", tags=("x",)), key=SigningKey.generate())
    library.add(B, manifest("child", parents=(Parent(A.digest),)))
    before = library.find()
    for path in (tmp_path / "library").glob("catalogue.db*"):
        path.unlink()
    library = Library.open(tmp_path)
    assert library.find() == before
    assert [row.digest for row in library.find(tag="x", skill="sort")] == [A.digest]
    assert [r.name for r in library.ancestors(B.digest)] == ["sorter"]
    assert library.verify() == []


def test_a_broken_manifest_is_named_and_stops_nobody_else(tmp_path: Path) -> None:
    library = Library.open(tmp_path)
    library.add(A, manifest("sorter"))
    library.add(B, manifest("other"))
    (library.path(A.digest) / "manifest.json").write_text("{")
    with pytest.raises(LibraryError, match=r"manifest\.json cannot be read"):
        library.manifest(A.digest)
    (tmp_path / "library" / "catalogue.db").unlink()
    library = Library.open(tmp_path)
    assert [row.name for row in library.find()] == ["other"]
    assert list(library.unreadable) == [A.digest]
    (finding,) = library.verify()
    assert finding.digest == A.digest and "delete" in finding.remedy


def test_verify_finds_every_kind_of_damage(tmp_path: Path) -> None:
    library = Library.open(tmp_path)
    for i, layer in enumerate(LAYERS[:5]):
        library.add(layer, manifest(f"layer-{i}"))
    weights, card, extra, gone, sound = (library.path(layer.digest) for layer in LAYERS[:5])
    data = bytearray((weights / WEIGHTS_FILE).read_bytes())
    data[-1] ^= 1
    (weights / WEIGHTS_FILE).write_bytes(data)
    (card / "README.md").write_text("changed")
    (extra / "NOTICE").write_text("new")
    shutil.rmtree(gone)
    found = {finding.digest: finding.problem for finding in library.verify()}
    assert found.keys() == {weights.name, card.name, extra.name, gone.name}
    assert "weights" in found[weights.name] or "sha256" in found[weights.name]
    assert "does not list" in found[extra.name]
    assert "missing" in found[gone.name]
    assert sound.name not in found


def test_gc_keeps_what_is_named_pinned_used_or_an_ancestor(tmp_path: Path) -> None:
    """And without being told so removes nothing."""
    library = Library.open(tmp_path)
    old, new, pinned, used, parent = LAYERS[:5]
    library.add(old, manifest("sorter"))
    library.add(parent, manifest("sorter", version="1.0.1"))
    library.add(new, manifest("sorter", version="1.1.0", parents=(Parent(parent.digest),)))
    library.add(pinned, manifest("a"))
    library.add(used, manifest("a", version="2.0.0"))
    library.pins.put("mine", pinned.digest)
    assert [row.digest for row in library.gc().layers] == [old.digest]
    assert len(library.find()) == 5
    unnamed = library.gc([used.digest], keep_newest=False)
    assert {row.digest for row in unnamed.layers} == {old.digest, new.digest, parent.digest}
    assert library.gc(keep_ancestors=False).n_bytes > 0
    removed = library.gc(dry_run=False)
    assert [row.digest for row in removed.layers] == [old.digest]
    assert old.digest not in library and library.verify() == []
    library.pins.take("mine")
    assert [row.digest for row in library.gc(dry_run=False).layers] == [pinned.digest]
    with pytest.raises(LayerNotFoundError):
        library.pins.take("mine")


def test_gc_waits_for_imports_and_clears_what_dead_ones_left(tmp_path: Path) -> None:
    library = Library.open(tmp_path)
    library.add(A, manifest("sorter"))
    leftover = tmp_path / "library" / "staging" / ".dead"
    leftover.mkdir()
    with (tmp_path / "library" / "lock").open("ab") as lock:  # somebody imports
        fcntl.flock(lock, fcntl.LOCK_SH)
        assert Library.open(tmp_path).find() and leftover.exists()
        with pytest.raises(LibraryBusyError, match="importing"):
            library.gc(keep_newest=False, dry_run=False, wait_s=0.1)
        assert library.gc().n_leftovers == 1
    assert A.digest in library
    assert library.gc(dry_run=False).n_leftovers == 1
    assert not leftover.exists()
    leftover.mkdir()
    Library.open(tmp_path)
    assert not leftover.exists()


def test_another_programs_or_a_damaged_catalogue_is_named(tmp_path: Path) -> None:
    path = tmp_path / "library" / "catalogue.db"
    Library.open(tmp_path)
    for other in path.parent.glob("catalogue.db*"):
        other.unlink()
    path.write_bytes(b"not a database" * 100)
    with pytest.raises(LibraryError, match=r"catalogue\.db is damaged"):
        Library.open(tmp_path)


def test_importing_and_listing_need_no_torch(tmp_path: Path) -> None:
    peft_folder(tmp_path / "sorter")
    code = (
        "import sys; from genome.library import Library\n"
        "library = Library.open(sys.argv[1])\n"
        "assert 'numpy' not in sys.modules, 'numpy'\n"
        "library.import_folder(sys.argv[1] + '/sorter'); library.find(); library.verify()\n"
        "print([m for m in ('torch', 'faiss', 'transformers') if m in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path)], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "[]"


def test_a_zip_that_holds_something_else_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "x.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("../evil.txt", "x")
    library = Library.open(tmp_path)
    assert code_of(library.import_folder, path).startswith(("archive_", "file_"))
    assert code_of(library.import_folder, tmp_path / "nowhere") == "folder_missing"
    assert list((tmp_path / "library" / "staging").iterdir()) == []


def test_digests_do_not_depend_on_the_order_of_modules() -> None:
    turned = Layer("tiny", dict(reversed(list(A.factors.items()))))
    assert turned.digest == A.digest
    assert all(torch.equal(turned.factors[m].a, A.factors[m].a) for m in A.factors)
