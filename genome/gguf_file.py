"""What a GGUF file has, without reading its vocabulary piece by piece, which takes seconds."""

from __future__ import annotations

import struct
from pathlib import Path
from typing import Any

from gguf import GGUFReader, GGUFValueType

from genome.errors import BaseModelError


class _Reader(GGUFReader):
    """Passes over arrays: vocabularies and their merges."""

    def _get_field_parts(
        self, orig_offs: int, raw_type: int
    ) -> tuple[int, list[Any], list[int], list[GGUFValueType]]:
        if raw_type != GGUFValueType.ARRAY:
            return super()._get_field_parts(orig_offs, raw_type)
        view, order = memoryview(self.data.data), ">" if self.byte_order == "S" else "<"
        kind, n_items = struct.unpack_from(f"{order}IQ", view, orig_offs)
        at = orig_offs + 12
        if (number := self.gguf_scalar_to_np.get(GGUFValueType(kind))) is not None:
            at += n_items * number().itemsize
        elif kind == GGUFValueType.STRING:
            for _ in range(n_items):
                at += 8 + struct.unpack_from(f"{order}Q", view, at)[0]
        else:
            return super()._get_field_parts(orig_offs, raw_type)
        return at - orig_offs, [], [], [GGUFValueType.ARRAY]


def open_gguf(file: Path, source: str) -> GGUFReader:
    """A file's reader; arrays among its facts are left out.

    Args:
        source: What to call it.

    Raises:
        BaseModelError: It is no GGUF file, holds no tensors, or not all of them.
    """
    try:
        reader = _Reader(file)
        end = max((t.data_offset + t.n_bytes for t in reader.tensors), default=0)
        text_of(reader, "general.architecture")
    except Exception as error:  # numpy's, mmap's, KeyError, UnicodeDecodeError ...
        raise BaseModelError(
            source, f"it is no whole GGUF file: {error}", "fetch it again"
        ) from error
    if end > file.stat().st_size or not end:
        raise BaseModelError(
            source,
            f"its tensors need {end} bytes, the file has {file.stat().st_size}",
            "fetch it again",
        )
    return reader


def text_of(reader: GGUFReader, key: str) -> str:
    """What the file says under a key; empty where it says nothing."""
    field = reader.fields.get(key)
    return str(field.contents()) if field else ""
