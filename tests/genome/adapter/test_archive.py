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
from genome.adapter.layer_files import CONFIG_FILE, WEIGHTS_FILE
from genome.errors import LayerRejected
from genome.refusals import REFUSALS
from genome.validate import check_folder
from tests.support.hostile import LFS_POINTER, write_valid

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


def files_of(folder: Path, top: str = "") -> list[tuple[str, bytes]]:
    """Names and contents of a folder's files, for packing."""
    return [(top + path.name, path.read_bytes()) for path in sorted(folder.iterdir())]


PACKS: dict[str, Pack] = {
    "zip": pack_zip,
    "tar.gz": pack_tar,
    "tar": lambda path, files: pack_tar(path, files, "w:"),
}
BESIDE = [
    "optimizer.pt",
    "tokenizer.json",
    "checkpoint-9/adapter_config.json",
    "checkpoint-9/rng.pth",
    ".git/objects/ab/cdef",
    "notes.zip",
    "runs/" + "x" * 120 + "/events.out.tfevents.1.host.0",
]


@pytest.mark.parametrize("top", ["", "my-layer/", "repo-main/adapters/my-layer/"])
@pytest.mark.parametrize("kind", PACKS)
def test_only_the_layers_own_files_are_written(tmp_path: Path, kind: str, top: str) -> None:
    """What a trainer left beside it, below it and, on a Mac, around it is named in one line."""
    folder = write_valid(tmp_path / "layer")
    files = [(top + name, b"PK\x03\x04 never read") for name in BESIDE] + files_of(folder, top)
    files += [("__MACOSX/._x", b"\0"), (f"{top}.DS_Store", b"\0"), (f"{top}._README.md", b"\0")]
    PACKS[kind](tmp_path / "a", files)
    said: list[str] = []
    out = unpack(tmp_path / "a", tmp_path / "out", say=said.append)
    assert sorted(path.name for path in out.iterdir()) == [CONFIG_FILE, WEIGHTS_FILE]
    check_folder(out).close()
    (line,) = said
    for name in ("__MACOSX/", ".DS_Store", "checkpoint-9/", ".git/", "optimizer.pt", "runs/"):
        assert f"{name}, " in f"{line}, "


def test_links_and_encrypted_entries_that_are_left_out_do_no_harm(tmp_path: Path) -> None:
    """A trainer's `latest` link; the same as the layer's own file is refused below."""
    folder = write_valid(tmp_path / "layer")
    (folder / "latest").symlink_to("checkpoint-9")
    with tarfile.open(tmp_path / "a", "w:gz") as archive:
        archive.add(folder, "layer")
    out = unpack(tmp_path / "a", tmp_path / "out")
    assert sorted(path.name for path in out.iterdir()) == [CONFIG_FILE, WEIGHTS_FILE]


@pytest.mark.parametrize("kind", PACKS)
def test_what_is_left_out_counts_towards_the_limits(tmp_path: Path, kind: str) -> None:
    files = files_of(write_valid(tmp_path / "layer"))
    PACKS[kind](tmp_path / "a", [*files, ("optimizer.pt", bytes(9000))])
    with pytest.raises(LayerRejected, match="expands to more than 8000 bytes"):
        unpack(tmp_path / "a", tmp_path / "out", UnpackLimits(n_bytes=8000))
    PACKS[kind](tmp_path / "a", [*files, *((f"checkpoint-{i}/x", b"") for i in range(9))])
    with pytest.raises(LayerRejected) as refusal:
        unpack(tmp_path / "a", tmp_path / "out", UnpackLimits(n_entries=8))
    assert refusal.value.code == "archive_bomb"
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("names", "code", "text"),
    [
        (["ADAPTER_CONFIG.JSON", WEIGHTS_FILE], "config_missing", f"rename it to {CONFIG_FILE}"),
        ([CONFIG_FILE, "adapter_model.bin"], "file_pickle", "save_pretrained"),
        ([f"a/{CONFIG_FILE}", f"b/{CONFIG_FILE}"], "archive_path", "side by side"),
        (["inner.tar.gz"], "archive_nested", "give that, or what is in it"),
        (["config.json", "model.safetensors"], "config_missing", "it is a whole model"),
        (["inner.py"], "config_missing", "it holds inner.py"),
    ],
)
def test_an_archive_without_an_adapter_is_said_to_be_what_it_is(
    tmp_path: Path, names: list[str], code: str, text: str
) -> None:
    pack_zip(tmp_path / "a", [(name, b"{}") for name in names])
    with pytest.raises(LayerRejected, match=text) as refusal:
        unpack(tmp_path / "a", tmp_path / "out")
    assert refusal.value.code == code and not (tmp_path / "out").exists()


PATHS = [
    "../README.md",
    "/README.md",
    "C:README.md",
    "C:\\README.md",
    "\\\\host\\README.md",
    "a/../README.md",
    "a//README.md",
    "\x1b[2J",
    "x" * 90 + "\u202egnp.exe",
    "..",
    "a/..",
    "..\\README.md",
]


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


def test_35_pax_and_gnu_headers_that_rename_obey_the_rules_of_names(tmp_path: Path) -> None:
    """Long names are read from them; what else they change is refused."""
    for format in (tarfile.PAX_FORMAT, tarfile.GNU_FORMAT):
        for long, code in (("é" * 60 + "/../x", "archive_path"), ("é" * 60, "config_missing")):
            data = tar_of(lambda info, to=long: setattr(info, "name", to), format=format)  # type: ignore[misc]
            assert refused(tmp_path, data) == code
    sized = tar_of(lambda info: setattr(info, "pax_headers", {"size": "9"}))
    assert refused(tmp_path, sized) == "archive_link"
    sparse = tar_of(lambda info: setattr(info, "pax_headers", {"GNU.sparse.map": "0,1"}))
    assert refused(tmp_path, sparse) == "archive_link"


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
    pack_tar(tmp_path / "a", [(f"{i}/", b"") for i in range(13_000)])
    assert refused(tmp_path) == "archive_bomb"
    pack_zip(tmp_path / "a", [(f"{i}.txt", b"") for i in range(5000)])
    assert refused(tmp_path) == "archive_bomb"
    pack_zip(tmp_path / "a", [("README.md", b"x" * 5000)])
    with pytest.raises(LayerRejected, match="expands to more than 4096 bytes"):
        unpack(tmp_path / "a", tmp_path / "out", UnpackLimits(n_bytes=4096))


@pytest.mark.filterwarnings("ignore:Duplicate name")
@pytest.mark.parametrize("second", ["README.md", "readme.MD", "./README.md"])
@pytest.mark.parametrize("pack", [pack_zip, pack_tar])
def test_37_names_that_collide_are_refused(tmp_path: Path, second: str, pack: Pack) -> None:
    """Python's own readers keep the last."""
    pack(tmp_path / "a", [("README.md", b"x"), (second, b"y")])
    assert refused(tmp_path) == "archive_duplicate"


def test_38_encrypted_nested_and_unusual_archives_are_refused(tmp_path: Path) -> None:
    inner = zip_of(lambda info: None)
    assert refused(tmp_path, encrypted()) == "archive_encrypted"
    assert refused(tmp_path, method(14)) == "archive_method"  # lzma: its window may be 4 GB
    assert refused(tmp_path, method(12)) == "archive_method"
    files = files_of(write_valid(tmp_path / "layer"))
    pack_zip(tmp_path / "a", [*files, ("README.md", inner)])
    assert refused(tmp_path) == "archive_nested"


def test_what_is_no_archive_is_refused(tmp_path: Path) -> None:
    whole = zip_of(lambda info: None)
    for content in (
        b"",
        b"PK",
        b"x" * 2000,
        gzip.compress(b"x" * 2000),
        whole[:-5],
        whole + b"x",
        b"x" + whole,
        bytes(1024),
        b"\x1f\x8b\x08",
    ):
        assert refused(tmp_path, content) == "archive_kind"
    assert refused(tmp_path, LFS_POINTER) == "lfs_pointer"
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
    files = [(CONFIG_FILE, b"{ }\n" * 50), (WEIGHTS_FILE, b"mine"), ("tokenizer.json", b"")]
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
