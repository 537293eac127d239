"""The validator: whether a folder is a LoRA layer that may be read.

It runs before any tensor is read and without torch, and reads every byte at most twice: the
header, then the values as a stream. Order: names, configuration, header, pairs, text, values;
cheap checks first. The cases are those of `reference/market.md`, section 4; each refusal is a
`LayerRejected` with a code of `genome.refusals.REFUSALS`.
"""

from __future__ import annotations

import functools
import os
import re
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType, TracebackType

import numpy as np

from genome.adapter.adapter_config import CONFIG_FILE, AdapterConfig, ModuleUpdate, parse_config
from genome.adapter.layer_files import (
    MAX_TEXT_BYTES,
    MAX_WEIGHTS_BYTES,
    WEIGHTS_FILE,
    FileFacts,
    Listing,
    check_no_pointer,
    check_secrets,
    check_text,
    list_files,
    named,
    open_file,
    read_small,
)
from genome.adapter.lora_pairs import Pair, pair_up, renamed
from genome.adapter.safetensors_header import (
    LENGTH_BYTES,
    Header,
    header_length,
    parse_header,
)
from genome.adapter.tensor_values import (
    CanonicalDigest,
    check_update_norm,
    check_values,
    read_exactly,
    read_tensor,
    read_values,
    unpadded,
)
from genome.refusals import refused, shown

BASE_KEY = "continuum_base_fingerprint"
"""Key of our base fingerprint in the safetensors metadata; PEFT ignores it."""
_FINGERPRINT = re.compile(r"[A-Za-z0-9_.:\-]{0,128}")
_PREFIX_BYTES = 512


@dataclass(frozen=True)
class CheckedFolder:
    """A folder that passed every check; its weights stay open until `close`.

    Use it in a `with` statement. What is read through it comes from the very file that was
    checked, and is refused if its bytes have changed since.
    """

    path: Path
    config: AdapterConfig
    header: Header
    pairs: Mapping[str, Pair]
    """Module path -> its two tensors; sorted by path."""
    updates: Mapping[str, ModuleUpdate]
    """Module path -> rank and scaling."""
    files: Mapping[str, FileFacts]
    """Every file of the layer -> size and sha256."""
    left_out: tuple[str, ...]
    """What else lies in the folder; none of it was opened."""
    _descriptor: list[int] = field(repr=False, compare=False)

    @property
    def metadata(self) -> Mapping[str, str]:
        """The safetensors metadata as the author wrote it: print it with `refusals.shown`."""
        return self.header.metadata

    @property
    def base_model(self) -> str:
        """Fingerprint of the base model the layer was trained for; empty = unknown."""
        return self.metadata.get(BASE_KEY, "")

    @property
    def renamed(self) -> list[str]:
        """Names of tensors that are not PEFT's own: a wrapper's or an adapter's is in them."""
        return renamed(self.pairs)

    @property
    def notes(self) -> tuple[str, ...]:
        """What whoever offers the folder should know, a line each."""
        notes = Listing((), self.left_out).notes()
        if self.config.unknown:
            notes += (
                f"{CONFIG_FILE} has settings that PEFT 0.21 does not know, all switched off and "
                f"kept: {named(self.config.unknown)}",
            )
        if self.renamed:
            notes += (
                f"{len(self.renamed)} tensors are not named as PEFT names them, such as "
                f"{shown(self.renamed[0], 120)}: read as what they wrap",
            )
        return notes

    @functools.cached_property
    def shapes(self) -> dict[str, tuple[int, int]]:
        """Module path -> (out, in)."""
        return {m: (p.b.shape[0], p.a.shape[1]) for m, p in self.pairs.items()}

    @functools.cached_property
    def ranks(self) -> dict[str, int]:
        """Module path -> rank."""
        return {module: pair.a.shape[0] for module, pair in self.pairs.items()}

    @functools.cached_property
    def digest(self) -> str:
        """`Layer.digest` of what is in the folder, computed tensor by tensor without torch.

        Raises:
            LayerRejected: file_changed, file_unreadable.
        """
        digest = CanonicalDigest()
        for module in sorted(self.pairs):
            pair = self.pairs[module]
            b = read_tensor(self.descriptor, pair.b) * np.float32(self.updates[module].scaling)
            digest.update(module, read_tensor(self.descriptor, pair.a), b)
        for _ in read_values(self.descriptor, self.header, self.files[WEIGHTS_FILE].sha256):
            pass  # the bytes are still those that were checked
        return digest.hexdigest()

    @property
    def descriptor(self) -> int:
        """The open weights file."""
        if not self._descriptor:
            raise ValueError("this CheckedFolder is closed: use it inside its `with` statement")
        return self._descriptor[0]

    def factors(self) -> Iterator[tuple[str, np.ndarray, np.ndarray]]:
        """(module, A (rank, in), B (out, rank) with the scaling), float32, sorted by module.

        Raises:
            LayerRejected: file_changed, file_unreadable.
        """
        sha256 = self.files[WEIGHTS_FILE].sha256
        values = {
            entry.name: array for entry, array in read_values(self.descriptor, self.header, sha256)
        }
        for module, pair in self.pairs.items():
            b = values.pop(pair.b.name)
            b *= np.float32(self.updates[module].scaling)
            yield module, *unpadded(values.pop(pair.a.name), b)

    def close(self) -> None:
        """Close the weights file; closing twice is allowed."""
        while self._descriptor:
            os.close(self._descriptor.pop())

    def __enter__(self) -> CheckedFolder:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def __del__(self) -> None:
        self.close()


def check_folder(
    path: str | Path,
    also_allowed: Collection[str] = (),
    *,
    max_weights_bytes: int = MAX_WEIGHTS_BYTES,
) -> CheckedFolder:
    """Check a PEFT LoRA folder completely.

    Args:
        also_allowed: Names of further text files that may be there.
        max_weights_bytes: Largest weights file accepted.

    Raises:
        LayerRejected: It is not acceptable; the code says why.
    """
    folder = Path(path)
    names, left_out = list_files(folder, also_allowed)
    data, facts = read_small(folder, CONFIG_FILE)
    files = {CONFIG_FILE: facts}
    config = parse_config(data)
    check_secrets(CONFIG_FILE, data.decode("utf-8"))
    descriptor, size = open_file(folder, WEIGHTS_FILE, max_weights_bytes)
    held = [descriptor]
    try:
        header = read_header(descriptor, size)
        pairs = pair_up(header.entries)
        updates = check_pairs(pairs, config)
        for name in names:
            if name not in (CONFIG_FILE, WEIGHTS_FILE):
                text, files[name] = read_small(folder, name, MAX_TEXT_BYTES)
                check_text(name, text)
        scaling = {pair.b.name: updates[module].scaling for module, pair in pairs.items()}
        sha256, norms = check_values(descriptor, header, scaling)
        files[WEIGHTS_FILE] = FileFacts(size, sha256)
        for module, pair in pairs.items():
            check_update_norm(module, norms[pair.a.name], norms[pair.b.name])
    except BaseException:
        os.close(held.pop())
        raise
    return CheckedFolder(
        folder,
        config,
        header,
        MappingProxyType(pairs),
        MappingProxyType(updates),
        MappingProxyType(files),
        left_out,
        held,
    )


def read_header(descriptor: int, size: int) -> Header:
    prefix = read_exactly(descriptor, 0, min(size, _PREFIX_BYTES))
    check_no_pointer(WEIGHTS_FILE, prefix)
    length = header_length(prefix, size)
    header = parse_header(
        read_exactly(descriptor, LENGTH_BYTES, length), size - LENGTH_BYTES - length
    )
    for key, value in header.metadata.items():
        check_secrets(f"the metadata of {WEIGHTS_FILE}", f"{key} {value}")
    fingerprint = header.metadata.get(BASE_KEY, "")
    if not _FINGERPRINT.fullmatch(fingerprint):
        raise refused(
            "metadata_value",
            f"{BASE_KEY} must be at most 128 letters and digits, not "
            f"{shown(fingerprint)}: delete it or save the layer again",
        )
    return header


def check_pairs(pairs: Mapping[str, Pair], config: AdapterConfig) -> dict[str, ModuleUpdate]:
    """Rank and scaling of every module, if the tensors are what the configuration says."""
    updates = config.updates(pairs)
    for module, pair in pairs.items():
        if module not in updates:
            raise refused(
                "not_targeted",
                f"module {shown(module)} has factors, but target_modules does not "
                f"name it, so PEFT would ignore them: correct {CONFIG_FILE}",
            )
        if pair.a.shape[0] != updates[module].rank:
            raise refused(
                "rank_config",
                f"module {shown(module)} has rank {pair.a.shape[0]}, but "
                f"{CONFIG_FILE} says {updates[module].rank}: correct r or rank_pattern",
            )
    return updates
