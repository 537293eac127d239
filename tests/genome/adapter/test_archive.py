"""What comes in an archive is unpacked whole, or refused with nothing left behind."""

from __future__ import annotations

import gzip
import io
import os
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from genome.adapter.archive import UnpackLimits, unpack
from genome.adapter.hostile import write_valid
from genome.adapter.layer_files import CONFIG_FILE, WEIGHTS_FILE
from genome.errors import LayerRejected
from genome.refusals import REFUSALS
from genome.validate import check_folder

Pack = Callable[[Path, list[tuple[str, bytes]]], None]


def pack_zip(path: Path, files: list[tuple[str, bytes]]) -> None:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files:
            archive.writestr(zipfile.ZipInfo(name), content, zipfile.ZIP_DEFLATED)


def pack_tar(path: Path, files: list[tuple[str, bytes]], mode: str = "w:gz") -> None:
    with tarfile.open(path, mode, format=tarfile.GNU_FORMAT) as archive:  # type: ignore[call-overload]
        for name, content in files:
            info = tarfile.TarInfo(name)
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))


def tar_of(
    change: Callable[[tarfile.TarInfo], object], *, format: int = tarfile.PAX_FORMAT
) -> bytes:
    """A tar of README.md whose entry `change` has edited."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=format) as archive:
        info = tarfile.TarInfo("README.md")
        change(info)
        archive.addfile(info, io.BytesIO(bytes(info.size)))
    return buffer.getvalue()


def zip_of(change: Callable[[zipfile.ZipInfo], object], content: bytes = b"x") -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        info = zipfile.ZipInfo("README.md")
        change(info)
        archive.writestr(info, content)
    return buffer.getvalue()


def encrypted() -> bytes:
    """A zip whose flags say that its one entry is encrypted."""
    data = bytearray(zip_of(lambda info: None))
    data[6] |= 1
    data[data.index(b"PK\x01\x02") + 8] |= 1
    return bytes(data)


def method(number: int) -> bytes:
    data = bytearray(zip_of(lambda info: None))
    data[8] = data[data.index(b"PK\x01\x02") + 10] = number
    return bytes(data)


def refused(tmp_path: Path, content: bytes | None = None) -> str:
    """The code, after checking that nothing is left."""
    if content is not None:
        (tmp_path / "a").write_bytes(content)
    with pytest.raises(LayerRejected) as refusal:
        unpack(tmp_path / "a", tmp_path / "out")
    assert not (tmp_path / "out").exists()
    assert str(refusal.value).isprintable() and len(refusal.value.detail) < 600
    return refusal.value.code


@pytest.mark.parametrize("top", ["", "./", "my-layer/", "./my-layer/"])
@pytest.mark.parametrize("pack", [pack_zip, pack_tar, lambda p, f: pack_tar(p, f, "w:")])
def test_a_layer_arrives_as_it_was_packed(tmp_path: Path, top: str, pack: Pack) -> None:
    """zip, tar.gz and tar; its files at the top or in one folder."""
    folder = write_valid(tmp_path / "layer")
    files = [(top + path.name, path.read_bytes()) for path in folder.iterdir()]
    pack(tmp_path / "a", files)
    with check_folder(unpack(tmp_path / "a", tmp_path / "out")) as got, check_folder(folder) as was:
        assert got.files == was.files


@pytest.mark.parametrize("kind", ["zip", "gztar", "tar"])
def test_archives_of_pythons_shutil_are_read(tmp_path: Path, kind: str) -> None:
    """With folder entries, and the pax headers that it writes for fractions of a second."""
    import shutil

    folder = write_valid(tmp_path / "layer")
    os.utime(folder / CONFIG_FILE, (1e9 + 0.5, 1e9 + 0.5))
    archive = shutil.make_archive(str(tmp_path / "b"), kind, tmp_path, "layer")
    check_folder(unpack(archive, tmp_path / "out")).close()
    archive = shutil.make_archive(str(tmp_path / "c"), kind, folder)
    check_folder(unpack(archive, tmp_path / "out2")).close()


PATHS = [
    "../README.md", "/README.md", "C:README.md", "C:\\README.md", "\\\\host\\README.md",
    "a/b/README.md", "a/../README.md", "a//README.md", "\x1b[2J", "x" * 90 + "\u202egnp.exe", "..",
    "a/..", "..\\README.md",
]  # fmt: skip


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("pack", [pack_zip, pack_tar])
def test_34_paths_that_leave_the_folder_are_refused(tmp_path: Path, path: str, pack: Pack) -> None:
    pack(tmp_path / "a", [(path, b"x")])
    assert refused(tmp_path) == "archive_path"


def test_34_two_folders_are_refused(tmp_path: Path) -> None:
    pack_zip(tmp_path / "a", [("a/README.md", b"x"), ("b/NOTICE", b"x")])
    assert refused(tmp_path) == "archive_path"


def kind_of(kind: bytes) -> Callable[[tarfile.TarInfo], object]:
    def change(info: tarfile.TarInfo) -> None:
        info.type, info.linkname = kind, "/etc/passwd"

    return change


def unix_mode(mode: int) -> Callable[[zipfile.ZipInfo], object]:
    def change(info: zipfile.ZipInfo) -> None:
        info.external_attr = mode << 16

    return change


@pytest.mark.parametrize("kind", [b"1", b"2", b"3", b"4", b"6", b"S", b"V"])
def test_35_links_and_devices_are_refused(tmp_path: Path, kind: bytes) -> None:
    assert refused(tmp_path, tar_of(kind_of(kind), format=tarfile.USTAR_FORMAT)) == "archive_link"


@pytest.mark.parametrize("mode", [0o120777, 0o060600, 0o010600, 0o140600])
def test_35_links_in_a_zip_are_refused(tmp_path: Path, mode: int) -> None:
    assert refused(tmp_path, zip_of(unix_mode(mode), b"/etc/passwd")) == "archive_link"


def test_35_pax_headers_that_rename_or_resize_are_refused(tmp_path: Path) -> None:
    long = "é" * 60 + ".md"
    assert refused(tmp_path, tar_of(lambda info: setattr(info, "name", long))) == "archive_link"


def test_36_bombs_are_refused_before_they_expand(tmp_path: Path) -> None:
    """200 MB of zeros in 200 KB; a lying size; a pax header of 1 GB; more entries than allowed."""
    zeros = bytes(1 << 20)
    buffer = io.BytesIO()
    with (
        zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive,
        archive.open(WEIGHTS_FILE, "w") as entry,
    ):
        for _ in range(50):
            entry.write(zeros)
    assert refused(tmp_path, buffer.getvalue()) == "archive_bomb"
    buffer = io.BytesIO()
    with gzip.open(buffer, "wb") as packed:
        info = tarfile.TarInfo(WEIGHTS_FILE)
        info.size = 1 << 32
        packed.write(info.tobuf(tarfile.USTAR_FORMAT))
        for _ in range(50):
            packed.write(zeros)
    assert refused(tmp_path, buffer.getvalue()) == "archive_bomb"
    info = tarfile.TarInfo("pax")
    info.type, info.size = b"x", 1 << 30
    assert refused(tmp_path, info.tobuf(tarfile.USTAR_FORMAT) + zeros) == "archive_bomb"
    pack_tar(tmp_path / "a", [(f"{i}/", b"") for i in range(500)])
    assert refused(tmp_path) in ("archive_bomb", "archive_link")
    pack_zip(tmp_path / "a", [(f"{i}.txt", b"") for i in range(500)])
    assert refused(tmp_path) == "archive_bomb"
    pack_zip(tmp_path / "a", [("README.md", b"x" * 5000)])
    with pytest.raises(LayerRejected, match="expands to more than 4096 bytes"):
        unpack(tmp_path / "a", tmp_path / "out", UnpackLimits(n_bytes=4096))


@pytest.mark.filterwarnings("ignore:Duplicate name")
@pytest.mark.parametrize("second", ["README.md", "readme.MD", "a/README.md"])
@pytest.mark.parametrize("pack", [pack_zip, pack_tar])
def test_37_names_that_collide_are_refused(tmp_path: Path, second: str, pack: Pack) -> None:
    """Python's own readers keep the last."""
    pack(tmp_path / "a", [("README.md", b"x"), (second, b"y")])
    assert refused(tmp_path) in ("archive_duplicate", "archive_path")


def test_38_encrypted_nested_and_unusual_archives_are_refused(tmp_path: Path) -> None:
    inner = zip_of(lambda info: None)
    assert refused(tmp_path, encrypted()) == "archive_encrypted"
    assert refused(tmp_path, method(14)) == "archive_method"  # lzma: its window may be 4 GB
    assert refused(tmp_path, method(12)) == "archive_method"
    assert refused(tmp_path, zip_of(lambda info: None, inner)) == "archive_nested"
    pack_zip(tmp_path / "a", [("inner.tar.gz", b"x")])
    assert refused(tmp_path) == "archive_nested"
    pack_zip(tmp_path / "a", [("inner.py", b"x")])
    assert refused(tmp_path) == "file_code"


def test_what_is_no_archive_is_refused(tmp_path: Path) -> None:
    whole = zip_of(lambda info: None)
    for content in (b"", b"PK", b"x" * 2000, gzip.compress(b"x" * 2000), whole[:-5], whole + b"x",
                    b"x" + whole, bytes(1024), b"\x1f\x8b\x08"):  # fmt: skip
        assert refused(tmp_path, content) == "archive_kind"
    (tmp_path / "a").unlink()
    assert refused(tmp_path) == "archive_kind"
    (tmp_path / "a").mkdir()
    assert refused(tmp_path) == "archive_kind"
    (tmp_path / "a").rmdir()
    os.mkfifo(tmp_path / "a")
    assert refused(tmp_path) == "archive_kind"


def test_a_folder_with_something_in_it_is_left_alone(tmp_path: Path) -> None:
    pack_zip(tmp_path / "a", [("README.md", b"new")])
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "README.md").write_text("old")
    with pytest.raises(FileExistsError, match="not empty"):
        unpack(tmp_path / "a", tmp_path / "out")
    assert (tmp_path / "out" / "README.md").read_text() == "old"


def test_every_archive_code_has_a_test_here() -> None:
    source = Path(__file__).read_text()
    assert all(code in source for code in REFUSALS if code.startswith("archive_"))


@settings(
    max_examples=120, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    which=st.integers(0, 2),
    edits=st.lists(
        st.tuples(st.floats(0, 1, exclude_max=True), st.integers(0, 255)), min_size=1, max_size=6
    ),
    cut=st.floats(0.2, 1),
)
def test_damaged_archives_are_unpacked_or_refused(
    tmp_path: Path, which: int, edits: list[tuple[float, int]], cut: float
) -> None:
    """Never another exception, never a file outside the folder."""
    files = [("README.md", b"# x\n" * 50), ("NOTICE", b"mine")]
    (pack_zip, pack_tar, lambda p, f: pack_tar(p, f, "w:"))[which](tmp_path / "a", files)
    data = bytearray((tmp_path / "a").read_bytes())
    for place, value in edits:
        data[int(place * min(len(data), 2048))] = value
    (tmp_path / "a").write_bytes(data[: int(cut * len(data)) + 1])
    try:
        folder = unpack(tmp_path / "a", tmp_path / "out")
    except LayerRejected:
        assert not (tmp_path / "out").exists()
    else:
        for path in folder.iterdir():
            path.unlink()
        folder.rmdir()
    assert sorted(os.listdir(tmp_path)) == ["a"]
