"""Which files a layer's folder may hold, and how each is opened.

A file is opened once, without following links or waiting on a pipe, and everything after that is
asked of the open file: a path may mean another file a moment later, an open file may not.
"""

from __future__ import annotations

import errno
import hashlib
import os
import re
import stat
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

from genome.adapter.adapter_config import CONFIG_FILE
from genome.adapter.strict_json import MAX_BYTES as MAX_JSON_BYTES
from genome.refusals import refused, shown

WEIGHTS_FILE = "adapter_model.safetensors"
CARD_FILE = "README.md"
MANIFEST_FILE = "manifest.json"
LICENCE_FILES = ("LICENSE", "LICENSE.md", "LICENSE.txt", "NOTICE")
ALLOWED_FILES = frozenset({CONFIG_FILE, WEIGHTS_FILE, CARD_FILE, MANIFEST_FILE, *LICENCE_FILES})
MAX_ENTRIES = 32
MAX_WEIGHTS_BYTES = 8 << 30
"""Rank 256 on all linears of a 70 B Llama, in bfloat16, is 6.6 GB."""
MAX_TEXT_BYTES = 1 << 20

_PICKLES = (".bin", ".ckpt", ".joblib", ".npy", ".npz", ".pickle", ".pkl", ".pt", ".pth")
_PROGRAMS = (
    ".bat", ".cmd", ".com", ".dll", ".dylib", ".exe", ".ipynb", ".jar", ".js", ".msi", ".ps1",
    ".py", ".pyc", ".pyd", ".sh", ".so", ".wasm",
)  # fmt: skip
_TOKENIZERS = re.compile(
    r"(tokenizer|special_tokens|added_tokens|vocab|merges|chat_template|spiece|sentencepiece).*"
    r"|.*\.(jinja2?|j2|model)", re.ASCII,
)  # fmt: skip
_SECRETS = re.compile(
    r"hf_[A-Za-z0-9]{30}|sk-[A-Za-z0-9_-]{32}|gh[pousr]_[A-Za-z0-9]{36}|github_pat_[A-Za-z0-9_]{30}"
    r"|(?:AKIA|ASIA)[0-9A-Z]{16}|AIza[0-9A-Za-z_-]{35}|xox[abprs]-[0-9A-Za-z-]{20}"
    r"|-----BEGIN [A-Z ]{0,20}PRIVATE KEY-----"
)
_CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f]")


@dataclass(frozen=True, slots=True)
class FileFacts:
    """Size and hash of one checked file."""

    n_bytes: int
    sha256: str


def check_name(name: str, also_allowed: Collection[str] = ()) -> None:
    """Refuse a file that is no part of a layer, by what it looks like.

    Raises:
        LayerRejected: file_pickle, file_code, file_tokenizer, file_name.
    """
    if name in ALLOWED_FILES or name in also_allowed:
        return
    low = name[:300].lower()
    if low.endswith(_PICKLES):
        raise refused(
            "file_pickle", f"{shown(name)} is a pickle by its name, which can run code: delete it, "
            "save the adapter as safetensors"
        )  # fmt: skip
    if low.endswith(_PROGRAMS):
        raise refused(
            "file_code", f"{shown(name)} is a program by its name: a layer holds no code, delete it"
        )
    if _TOKENIZERS.fullmatch(low):
        raise refused(
            "file_tokenizer", f"{shown(name)} is part of a tokenizer: a layer uses its base "
            "model's, delete the file"
        )  # fmt: skip
    raise refused(
        "file_name", f"{shown(name)} is no part of a layer, which may hold "
        f"{', '.join(sorted({*ALLOWED_FILES, *also_allowed}))}: delete it"
    )  # fmt: skip


def list_files(folder: Path, also_allowed: Collection[str] = ()) -> list[str]:
    """Names of a folder's files, sorted, each checked.

    Raises:
        LayerRejected: folder_missing, folder_entries, file_kind, and as `check_name`.
    """
    try:
        with os.scandir(folder) as entries:
            found = []
            for entry in entries:
                found.append(entry)
                if len(found) > MAX_ENTRIES:
                    raise refused(
                        "folder_entries", f"a layer's folder has at most {MAX_ENTRIES} entries, "
                        "this one has more: give the adapter's own folder"
                    )  # fmt: skip
            for entry in found:
                if not entry.is_file(follow_symlinks=False):
                    raise _wrong_kind(entry.name, "a link, a folder or a device")
                check_name(entry.name, also_allowed)
    except OSError as error:
        missing = isinstance(error, FileNotFoundError)
        why = "does not exist" if missing else f"is no readable folder ({error.strerror})"
        raise refused(
            "folder_missing", f"{shown(str(folder), 300)} {why}: give the folder PEFT's "
            "save_pretrained wrote"
        ) from None  # fmt: skip
    except ValueError:  # a NUL in the path
        raise refused("folder_missing", f"{shown(str(folder))} is no path: correct it") from None
    return sorted(entry.name for entry in found)


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
            code.get(name, "file_changed"), f"{shown(str(folder / name), 300)} does not exist: "
            "give the folder PEFT's save_pretrained wrote"
        ) from None  # fmt: skip
    except OSError as error:
        if error.errno == errno.ELOOP:
            raise _wrong_kind(name, "a symbolic link") from None
        raise refused(
            "file_unreadable", f"{shown(name)} cannot be read ({error.strerror}): check its "
            "permissions"
        ) from None  # fmt: skip
    try:
        facts = os.fstat(descriptor)
        if not stat.S_ISREG(facts.st_mode):
            raise _wrong_kind(name, "no regular file")
        if facts.st_nlink > 1:
            raise _wrong_kind(name, f"one of {facts.st_nlink} hard links to a file")
        if not 1 <= facts.st_size <= max_bytes:
            raise refused(
                "file_size", f"{shown(name)} must have 1 to {max_bytes} bytes, not "
                f"{facts.st_size}: fetch or save it again"
            )  # fmt: skip
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
                "file_unreadable", f"{shown(name)} cannot be read ({error.strerror}): check the "
                "disk"
            ) from None  # fmt: skip
    if len(data) != size:
        raise refused("file_changed", f"{shown(name)} changed while it was read: offer it again")
    return data, FileFacts(size, hashlib.sha256(data).hexdigest())


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


def check_secrets(where: str, text: str) -> None:
    """Refuse what would publish a password; the secret itself is not repeated.

    Raises:
        LayerRejected: secret.
    """
    found = _SECRETS.search(text)
    if found:
        raise refused(
            "secret", f"{shown(where)} holds what looks like an access key ({shown(found[0][:4])}"
            "...): delete it and revoke the key"
        )  # fmt: skip


def _wrong_kind(name: str, what: str) -> Exception:
    return refused(
        "file_kind", f"{shown(name)} must be a plain file of its own, but is {what}: copy the "
        "folder with `cp -rL --no-preserve=links`"
    )  # fmt: skip
