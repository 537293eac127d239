"""Every refusal has a case, every case its refusal, and nothing else ever comes out."""

from __future__ import annotations

import gc
import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from genome.adapter.layer_files import ALLOWED_FILES, CONFIG_FILE, WEIGHTS_FILE
from genome.errors import LayerRejected
from genome.fit import Shapes, check_base, check_modules
from genome.layer import Layer
from genome.refusals import REFUSALS, shown
from genome.validate import BASE_KEY, CheckedFolder, check_folder
from tests.support.hostile import (
    HOSTILE,
    MODULE,
    A,
    B,
    data_of,
    factors,
    header_of,
    packed,
    write_valid,
)

ELSEWHERE = {
    "file_unreadable",
    "file_changed",
    "module_unknown",
    "module_shape",
    "base_mismatch",
    "folder_missing",
    *(code for code in REFUSALS if code.startswith("archive_")),
}
"""Codes tested below or in test_archive.py, because no folder as such is refused with them."""


def code_of(folder: Path) -> str:
    with pytest.raises(LayerRejected) as refusal:
        check_folder(folder)
    return refusal.value.code


@pytest.mark.parametrize("case", HOSTILE)
def test_each_hostile_folder_is_refused_by_its_code(tmp_path: Path, case: str) -> None:
    """In one printable line, that holds no long name and no terminal escape."""
    code, spoil = HOSTILE[case]
    spoil(write_valid(tmp_path / "layer"))
    with pytest.raises(LayerRejected) as refusal:
        check_folder(tmp_path / "layer")
    assert refusal.value.code == code
    text = str(refusal.value)
    assert text.isprintable() and text.isascii() and len(text) < 300 + len(str(tmp_path))
    assert ": " in refusal.value.detail or ", " in refusal.value.detail  # rule and remedy


def test_every_code_has_a_case_and_every_case_a_code() -> None:
    assert {code for code, _ in HOSTILE.values()} | ELSEWHERE == set(REFUSALS)
    assert all(re.fullmatch("[a-z_]+", code) for code in REFUSALS)


def test_every_case_of_the_reject_list_up_to_38_is_covered() -> None:
    """30 and 31 (other base) are below, 34 and 36-38 in test_archive.py, 39-45 elsewhere."""
    numbers = {int(case.split()[0]) for case in HOSTILE if case[0].isdigit()}
    assert numbers == set(range(1, 36)) - {30, 31, 34}


def test_a_valid_folder_is_accepted_with_its_facts(tmp_path: Path) -> None:
    """Shapes, ranks and hashes, and the same digest as the layer read from it."""
    with check_folder(write_valid(tmp_path)) as checked:
        assert checked.shapes == {MODULE: (5, 6)}
        assert checked.ranks == {MODULE: 4}
        assert set(checked.files) == {CONFIG_FILE, WEIGHTS_FILE}
        assert checked.files[CONFIG_FILE].n_bytes == (tmp_path / CONFIG_FILE).stat().st_size
        layer = Layer.from_checked(checked)
        assert checked.digest == layer.digest == Layer.from_peft(tmp_path).digest
    np.testing.assert_array_equal(layer.factors[MODULE].b.numpy(), factors()[B] * 2)  # alpha / r


def test_a_card_a_manifest_and_a_licence_may_lie_beside_the_weights(tmp_path: Path) -> None:
    folder = write_valid(tmp_path)
    for name in ALLOWED_FILES - {CONFIG_FILE, WEIGHTS_FILE}:
        (folder / name).write_text('{"ü": 1}\n', encoding="utf-8")
    with check_folder(folder) as checked:
        assert set(checked.files) == ALLOWED_FILES
    (folder / "manifest.sig").write_text("x")
    with check_folder(folder) as checked:
        assert checked.left_out == ("manifest.sig",)
    with check_folder(folder, {"manifest.sig"}) as checked:
        assert "manifest.sig" in checked.files


@pytest.mark.parametrize("infix", ["", ".default", ".my-adapter"])
@pytest.mark.parametrize("prefix", ["base_model.model.", ""])
def test_the_usual_names_of_tensors_mean_the_same_layer(
    tmp_path: Path, prefix: str, infix: str
) -> None:
    tensors = {
        name.replace("base_model.model.", prefix).replace(".weight", f"{infix}.weight"): values
        for name, values in factors().items()
    }
    with check_folder(write_valid(tmp_path / "a", tensors)) as checked:
        assert list(checked.pairs) == [MODULE]
        with check_folder(write_valid(tmp_path / "b")) as other:
            assert checked.digest == other.digest


def test_half_precision_is_read_exactly(tmp_path: Path) -> None:
    """F16 and BF16, mixed in one file: the float32 numbers are those that were saved."""
    exact = {
        A: factors()[A].astype(np.float16),
        B: (factors()[B].view(np.uint32) >> 16).astype("<u2"),
    }
    with check_folder(write_valid(tmp_path, exact)) as checked:
        ((_, a, b),) = checked.factors()
    np.testing.assert_array_equal(a, exact[A].astype(np.float32))
    np.testing.assert_array_equal(b, (exact[B].astype(np.uint32) << 16).view(np.float32) * 2)


def test_padding_for_alignment_and_spaces_between_parts_are_allowed(tmp_path: Path) -> None:
    """As other writers of safetensors put them."""
    import json

    write_valid(tmp_path)
    text = json.dumps(header_of(factors())).encode()
    padded = text + b" " * (-len(text) % 64)
    (tmp_path / WEIGHTS_FILE).write_bytes(packed(padded, data_of(factors())))
    check_folder(tmp_path).close()


def fits(checked: CheckedFolder, shapes: Shapes, fingerprint: str) -> None:
    """Refuse a layer that does not fit a base model, as `genome.bases` does."""
    check_base(checked.base_model, fingerprint)
    check_modules(checked.shapes, shapes)


def test_a_layer_for_another_base_is_refused(tmp_path: Path) -> None:
    """30 and 31: unknown module, other shape, other fingerprint; no fingerprint fits every base."""
    tensors = factors()
    write_valid(tmp_path)
    header = header_of(tensors, **{BASE_KEY: "aaaa"})
    (tmp_path / WEIGHTS_FILE).write_bytes(packed(header, data_of(tensors)))
    with check_folder(tmp_path) as checked:
        fits(checked, {MODULE: (5, 6), "other": (1, 1)}, "aaaa")
        for shapes, fingerprint, code in [
            ({MODULE: (5, 6)}, "bbbb", "base_mismatch"),
            ({"other": (5, 6)}, "aaaa", "module_unknown"),
            ({MODULE: (6, 5)}, "", "module_shape"),
        ]:
            with pytest.raises(LayerRejected) as refusal:
                fits(checked, shapes, fingerprint)
            assert refusal.value.code == code
    with check_folder(write_valid(tmp_path / "unnamed")) as unnamed:
        fits(unnamed, {MODULE: (5, 6)}, "bbbb")


def test_a_file_swapped_between_check_and_load_is_not_loaded(tmp_path: Path) -> None:
    """45: a new file under the name is never opened; other bytes in the same file are refused."""
    folder = write_valid(tmp_path / "layer")
    weights = folder / WEIGHTS_FILE
    with check_folder(folder) as checked:
        digest = checked.digest
        write_valid(tmp_path / "other", factors(seed=1))
        (tmp_path / "other" / WEIGHTS_FILE).replace(weights)
        assert Layer.from_checked(checked).digest == digest
    for change in (lambda data: data[:-1] + b"\0", lambda data: data[:-1]):
        with check_folder(folder) as checked:
            weights.write_bytes(change(weights.read_bytes()))  # in place: the same open file
            with pytest.raises(LayerRejected) as refusal:
                Layer.from_checked(checked)
            assert refusal.value.code == "file_changed"
        write_valid(folder)


def test_what_cannot_be_read_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A path that is nothing, a file without permission, a disk that fails."""
    assert code_of(tmp_path / "nowhere") == "folder_missing"
    assert code_of(tmp_path / "a\0b") == "folder_missing"
    write_valid(tmp_path)
    assert code_of(tmp_path / CONFIG_FILE) == "folder_missing"

    def failing(*_: object) -> bytes:
        raise OSError(5, "Input/output error")

    monkeypatch.setattr(os, "pread", failing)
    assert code_of(tmp_path) == "file_unreadable"


def test_no_file_stays_open(tmp_path: Path) -> None:
    """Neither after a refusal, nor after `with`, nor after a forgotten CheckedFolder is gone."""
    gc.collect()  # what other tests forgot is not closed in between
    before = len(os.listdir("/proc/self/fd")) if Path("/proc/self/fd").exists() else 0
    write_valid(tmp_path / "good")
    write_valid(tmp_path / "bad", {A: factors()[A] * np.nan, B: factors()[B]})
    for _ in range(3):
        assert code_of(tmp_path / "bad") == "not_finite"
        check_folder(tmp_path / "good")
        with check_folder(tmp_path / "good") as checked:
            pass
        with pytest.raises(ValueError, match="closed"):
            _ = checked.descriptor
    gc.collect()
    if before:
        assert len(os.listdir("/proc/self/fd")) == before


def test_the_validator_loads_no_torch() -> None:
    code = "import genome.validate, genome.adapter.archive, sys; assert 'torch' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_what_strangers_wrote_is_printed_short_and_escaped() -> None:
    """Names, numbers, lists and bytes; a whole number of a million bits is not written out."""
    hostile = ["\x1b[2J" * 999, b"\0" * 999, 1 << 10**6, ["x" * 999] * 999, {"\n": "\r"}, None]
    for value in hostile:
        assert len(shown(value)) < 400 and shown(value).isascii() and shown(value).isprintable()


def test_checked_folder_is_frozen(tmp_path: Path) -> None:
    with check_folder(write_valid(tmp_path)) as checked:
        assert isinstance(checked, CheckedFolder)
        with pytest.raises(AttributeError):
            checked.path = tmp_path  # type: ignore[misc]
