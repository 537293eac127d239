"""Which files of a folder are a layer's, and how each is opened.

Beside an adapter lie what its trainer wrote (tokenizer, optimizer, checkpoints) and what systems
leave behind; all that is named and never opened. A layer's own file is opened once, without
following links or waiting on a pipe, and everything after that is asked of the open file: a path
may mean another file a moment later, an open file may not.

Access keys in text that is about to be stored and published.

A key begins like one of its provider and goes on at random. Words do not: "multi-task-instruction"
holds "sk-", and a name such as "cs-sk-translation-of-legal-documents" even begins a word with it,
but the letters of a random key change between small, capital and digit at every other place, those
of words and model names rarely.
"""

from __future__ import annotations

import errno
import hashlib
import os
import re
import stat
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from genome.adapter.adapter_config import CONFIG_FILE
from genome.adapter.strict_json import MAX_BYTES as MAX_JSON_BYTES
from genome.refusals import refused, shown

SHOWN = 7
"""Letters of a key that a message repeats."""
MIN_LETTERS = 12
"""In one piece, without hyphen: what is shorter cannot be told from a model's name."""
MIN_CHANGES = 0.2
"""Per letter. Random hexadecimal has 0.47 between letter and digit, base 64 has 0.6."""
_CERTAIN = re.compile(
    r"-----BEGIN [A-Z ]{0,20}PRIVATE KEY-----"
    r"|(?<![A-Za-z0-9])(?:(?:AKIA|ASIA)[0-9A-Z]{16}(?![A-Za-z0-9])|AIza[0-9A-Za-z_-]{35}"
    r"|xox[abprs]-[0-9A-Za-z-]{20,})"
)
_LIKELY = re.compile(r"(?<![A-Za-z0-9])(?:hf_|sk-|gh[pousr]_|github_pat_)([A-Za-z0-9_-]{30,})")
_HEXADECIMAL = re.compile(r"[0-9a-f]{24,}")
_CHANGE = re.compile(r"(?<=[a-z])[A-Z0-9]|(?<=[A-Z])[a-z0-9]|(?<=[0-9])[A-Za-z]")

WEIGHTS_FILE = "adapter_model.safetensors"
CARD_FILE = "README.md"
MANIFEST_FILE = "manifest.json"
LICENCE_FILES = ("LICENSE", "LICENSE.md", "LICENSE.txt", "NOTICE")
TEXTS = frozenset({CARD_FILE, *LICENCE_FILES})
ALLOWED_FILES = frozenset({CONFIG_FILE, WEIGHTS_FILE, MANIFEST_FILE, *TEXTS})
ARCHIVES = (".zip", ".tar", ".gz", ".tgz", ".bz2", ".xz", ".7z", ".rar", ".zst", ".whl", ".lz4")
MAX_ENTRIES = 4096
"""In one folder or archive; trainers leave dozens, a repository's history thousands."""
MAX_NAMED = 12
"""Entries that are named when a folder is described."""
LFS_POINTER = b"version https://git-lfs.github.com/spec/"
MAX_WEIGHTS_BYTES = 8 << 30
"""Rank 256 on all linears of a 70 B Llama, in bfloat16, is 6.6 GB."""
MAX_TEXT_BYTES = 1 << 20

_CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f]")


@dataclass(frozen=True, slots=True)
class FileFacts:
    """Size and hash of one checked file."""

    n_bytes: int
    sha256: str


class Listing(NamedTuple):
    """What lies in a folder or archive."""

    files: tuple[str, ...]
    """Names of a layer's own files, sorted."""
    left_out: tuple[str, ...]
    """Everything else, sorted; folders end with '/'."""

    def notes(self) -> tuple[str, ...]:
        """What to tell whoever offered it: one line, or none."""
        if not self.left_out:
            return ()
        return (f"left where they are, being no part of a layer: {named(self.left_out)}",)


def named(names: Sequence[str]) -> str:
    """Some names on one line, safe to print."""
    some = [shown(name, 60)[1:-1] for name in names[:MAX_NAMED]]
    more = [f"{len(names) - MAX_NAMED} more"] if len(names) > MAX_NAMED else []
    return ", ".join(some + more)


def list_files(folder: Path, also_allowed: Collection[str] = ()) -> Listing:
    """Names of a folder's entries, those of a layer apart from the rest; nothing is opened.

    An empty card or licence says nothing and is left out.

    Raises:
        LayerRejected: folder_missing, folder_entries, file_kind, and as `check_complete`.
    """
    own: list[str] = []
    others: list[str] = []
    try:
        with os.scandir(folder) as entries:
            for n, entry in enumerate(entries):
                if n == MAX_ENTRIES:
                    raise refused(
                        "folder_entries",
                        f"a layer's folder has at most {MAX_ENTRIES} entries, "
                        "this one has more: give the adapter's own folder",
                    )
                if entry.name not in ALLOWED_FILES and entry.name not in also_allowed:
                    is_folder = entry.is_dir(follow_symlinks=False)
                    others.append(entry.name + "/" * is_folder)
                elif not entry.is_file(follow_symlinks=False):
                    raise _wrong_kind(entry.name, "a link, a folder or a device")
                elif entry.name in TEXTS and not entry.stat(follow_symlinks=False).st_size:
                    others.append(entry.name)
                else:
                    own.append(entry.name)
    except OSError as error:
        missing = isinstance(error, FileNotFoundError)
        why = "does not exist" if missing else f"is no readable folder ({error.strerror})"
        raise refused(
            "folder_missing",
            f"{shown(str(folder), 300)} {why}: give the folder PEFT's save_pretrained wrote",
        ) from None
    except ValueError:  # a NUL in the path
        raise refused("folder_missing", f"{shown(str(folder))} is no path: correct it") from None
    listing = Listing(tuple(sorted(own)), tuple(sorted(others)))
    check_complete(listing, shown(str(folder), 300))
    return listing


def check_complete(listing: Listing, where: str) -> None:
    """Refuse a folder or archive without an adapter, by what it holds instead.

    Raises:
        LayerRejected: config_missing, weights_missing, file_pickle, archive_nested.
    """
    if not listing.files and not listing.left_out:
        raise refused("config_missing", f"{where} is empty: {_GIVE}")
    for name in (CONFIG_FILE, WEIGHTS_FILE):
        if name not in listing.files:
            code, why = _instead(name, listing.left_out)
            raise refused(code, f"{where} has no {name}: {why}")


_GIVE = "give the folder PEFT's save_pretrained wrote"


def _instead(missing: str, others: Sequence[str]) -> tuple[str, str]:
    """Refusal code, and what is there in place of a file and what to do about it."""
    code = "config_missing" if missing == CONFIG_FILE else "weights_missing"
    for other in others:
        if other.lower() == missing:
            return code, f"{shown(other)} is spelled otherwise: rename it to {missing}"
    if "adapters.safetensors" in others:
        return code, "it is an adapter of mlx-lm, not of PEFT: train or convert it with PEFT"
    if missing == WEIGHTS_FILE and "adapter_model.bin" in others:
        return "file_pickle", (
            "'adapter_model.bin' is a pickle, which can run code: load the adapter with PEFT where "
            "you trust it, then save_pretrained"
        )
    if any(other.startswith("adapter_model-") for other in others):
        return code, "the weights are in several files: save them with a larger max_shard_size"
    if "config.json" in others:
        return code, f"it is a whole model: {_GIVE}, or train the model as an adapter"
    archive = next((other for other in others if other.lower().endswith(ARCHIVES)), "")
    if archive:
        return "archive_nested", f"{shown(archive)} is an archive: give that, or what is in it"
    return code, f"it holds {named(others) or 'nothing else'}: {_GIVE}"


def open_file(folder: Path, name: str, max_bytes: int) -> tuple[int, int]:
    """Open a regular file for reading.

    Returns:
        Its descriptor, which the caller closes, and its size in bytes.

    Raises:
        LayerRejected: config_missing, weights_missing, file_kind, file_size, file_unreadable.
    """
    flags = os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_NOCTTY
    try:
        descriptor = os.open(folder / name, flags)
    except FileNotFoundError:
        code = {CONFIG_FILE: "config_missing", WEIGHTS_FILE: "weights_missing"}
        raise refused(
            code.get(name, "file_changed"),
            f"{shown(str(folder / name), 300)} does not exist: "
            "give the folder PEFT's save_pretrained wrote",
        ) from None
    except OSError as error:
        if error.errno == errno.ELOOP:
            raise _wrong_kind(name, "a symbolic link") from None
        raise refused(
            "file_unreadable",
            f"{shown(name)} cannot be read ({error.strerror}): check its permissions",
        ) from None
    try:
        facts = os.fstat(descriptor)
        if not stat.S_ISREG(facts.st_mode):
            raise _wrong_kind(name, "no regular file")
        if facts.st_nlink > 1:
            raise _wrong_kind(name, f"one of {facts.st_nlink} hard links to a file")
        if not 1 <= facts.st_size <= max_bytes:
            raise refused(
                "file_size",
                f"{shown(name)} must have 1 to {max_bytes} bytes, not "
                f"{facts.st_size}: fetch or save it again",
            )
    except BaseException:
        os.close(descriptor)
        raise
    return descriptor, facts.st_size


def read_small(folder: Path, name: str, max_bytes: int = MAX_JSON_BYTES) -> tuple[bytes, FileFacts]:
    """A small file's bytes, with their size and hash.

    Raises:
        LayerRejected: As `open_file`.
    """
    descriptor, size = open_file(folder, name, max_bytes)
    with os.fdopen(descriptor, "rb") as file:
        try:
            data = file.read(size + 1)
        except OSError as error:
            raise refused(
                "file_unreadable",
                f"{shown(name)} cannot be read ({error.strerror}): check the disk",
            ) from None
    if len(data) != size:
        raise refused("file_changed", f"{shown(name)} changed while it was read: offer it again")
    check_no_pointer(name, data)
    return data, FileFacts(size, hashlib.sha256(data).hexdigest())


def check_no_pointer(name: str, begin: bytes) -> None:
    """Refuse what git LFS leaves in place of a large file that was not fetched.

    Raises:
        LayerRejected: lfs_pointer.
    """
    if begin.startswith(LFS_POINTER):
        raise refused(
            "lfs_pointer",
            f"{shown(name)} is a pointer file of git LFS, not the file itself: "
            "fetch the real one with `git lfs pull`",
        )


def check_text(name: str, data: bytes) -> None:
    """Refuse a text file that is something else, or tells a secret.

    Raises:
        LayerRejected: file_text, file_code, secret.
    """
    if data[:2] == b"#!":
        raise refused("file_code", f"{shown(name)} begins with '#!' like a program: delete it")
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError as error:
        raise refused(
            "file_text", f"{shown(name)} must be UTF-8, byte {error.start} is not: save it again"
        ) from None
    control = _CONTROL.search(text)
    if control:
        raise refused(
            "file_text", f"{shown(name)} holds the control character {shown(control[0])}: delete it"
        )
    check_secrets(name, text)


def _wrong_kind(name: str, what: str) -> Exception:
    return refused(
        "file_kind",
        f"{shown(name)} must be a plain file of its own, but is {what}: copy the "
        "folder with `cp -rL --no-preserve=links`",
    )


def check_secrets(where: str, text: str) -> None:
    """Refuse what would publish a password; of the secret itself only the beginning is repeated.

    Raises:
        LayerRejected: secret.
    """
    for found in _secrets(text):
        raise refused(
            "secret",
            f"{shown(where)} holds what looks like an access key ({found[:SHOWN]}..., "
            f"{len(found)} characters): delete it and revoke the key",
        )


def _secrets(text: str) -> Iterator[str]:
    yield from (match[0] for match in _CERTAIN.finditer(text))
    for match in _LIKELY.finditer(text):
        if any(map(_is_random, re.split("[-_]", match[1]))):
            yield match[0]


def _is_random(piece: str) -> bool:
    n_letters = len(piece)
    if _HEXADECIMAL.fullmatch(piece):
        return True
    return n_letters >= MIN_LETTERS and len(_CHANGE.findall(piece)) >= MIN_CHANGES * n_letters
