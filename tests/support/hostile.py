"""Layer folders for tests: a valid one, and one for every way of being refused.

Numbers are those of the reject list in `reference/market.md`, section 4. Each case starts from a
valid folder and spoils one thing.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from genome.adapter.adapter_config import CONFIG_FILE
from genome.adapter.layer_files import WEIGHTS_FILE

MODULE = "model.layers.0.self_attn.q_proj"
A = f"base_model.model.{MODULE}.lora_A.weight"
B = f"base_model.model.{MODULE}.lora_B.weight"
CONFIG: dict[str, Any] = {
    "peft_type": "LORA",
    "task_type": "CAUSAL_LM",
    "base_model_name_or_path": "tiny",
    "r": 4,
    "lora_alpha": 8,
    "target_modules": ["q_proj"],
    "bias": "none",
    "lora_dropout": 0.0,
}
RANK, N_IN, N_OUT = 4, 6, 5
LFS_POINTER = b"version https://git-lfs.github.com/spec/v1\noid sha256:" + b"0" * 64 + b"\nsize 9\n"

Spoil = Callable[[Path], None]


def factors(seed: int = 0) -> dict[str, np.ndarray]:
    """One module's A (4, 6) and B (5, 4), float32."""
    rng = np.random.default_rng(seed)
    return {
        A: rng.normal(size=(RANK, N_IN)).astype(np.float32),
        B: rng.normal(size=(N_OUT, RANK)).astype(np.float32),
    }


def header_of(tensors: Mapping[str, np.ndarray], **metadata: str) -> dict[str, Any]:
    """The header of a safetensors file, as safetensors would write it."""
    header: dict[str, Any] = {"__metadata__": metadata} if metadata else {}
    at = 0
    for name, values in tensors.items():
        dtype = {"<f4": "F32", "<f2": "F16", "<u2": "BF16"}[values.dtype.str]
        header[name] = {
            "dtype": dtype,
            "shape": list(values.shape),
            "data_offsets": [at, at + values.nbytes],
        }
        at += values.nbytes
    return header


def packed(header: Any, data: bytes) -> bytes:
    """A safetensors file of any header, right or wrong, and any data."""
    is_text = isinstance(header, bytes)
    text: bytes = header if is_text else json.dumps(header, separators=(",", ":")).encode()
    return len(text).to_bytes(8, "little") + text + data


def data_of(tensors: Mapping[str, np.ndarray]) -> bytes:
    """The data part of a safetensors file."""
    return b"".join(values.tobytes() for values in tensors.values())


def write_valid(folder: Path, tensors: Mapping[str, np.ndarray] | None = None) -> Path:
    """A folder the validator accepts."""
    tensors = factors() if tensors is None else tensors
    folder.mkdir(parents=True, exist_ok=True)
    (folder / WEIGHTS_FILE).write_bytes(packed(header_of(tensors, format="pt"), data_of(tensors)))
    (folder / CONFIG_FILE).write_text(json.dumps(CONFIG))
    return folder


def _config(**changes: Any) -> Spoil:
    return lambda folder: _discard((folder / CONFIG_FILE).write_text(json.dumps(CONFIG | changes)))


def _config_text(text: bytes) -> Spoil:
    return lambda folder: _discard((folder / CONFIG_FILE).write_bytes(text))


def _weights(content: bytes) -> Spoil:
    return lambda folder: _discard((folder / WEIGHTS_FILE).write_bytes(content))


def _tensors(tensors: Mapping[str, np.ndarray], **metadata: str) -> Spoil:
    return _weights(packed(header_of(tensors, **metadata), data_of(tensors)))


def _header(change: Callable[[dict[str, Any]], Any]) -> Spoil:
    """Let `change` edit (or replace) the header; the data stay as they are."""
    header = header_of(factors())
    return _weights(packed(change(header) or header, data_of(factors())))


def _field(name: str, **fields: Any) -> Spoil:
    return _header(lambda header: header[name].update(fields))


def _text(change: Callable[[bytes], bytes]) -> Spoil:
    """Let `change` edit the header as text."""
    text = json.dumps(header_of(factors()), separators=(",", ":")).encode()
    return _weights(packed(change(text), data_of(factors())))


def _file(name: str, content: bytes = b"x") -> Spoil:
    return lambda folder: _discard((folder / name).write_bytes(content))


def _renamed(old: str, new: str) -> Spoil:
    return _tensors({key.replace(old, new): values for key, values in factors().items()})


def _added(name: str, shape: tuple[int, ...] = (2, 2)) -> Spoil:
    return _tensors({**factors(), name: np.ones(shape, np.float32)})


def _valued(name: str, value: float) -> Spoil:
    tensors = factors()
    tensors[name][1, 2] = value
    return _tensors(tensors)


def _linked(folder: Path) -> None:
    target = folder.parent / f"{folder.name}.elsewhere"
    (folder / WEIGHTS_FILE).rename(target)
    (folder / WEIGHTS_FILE).symlink_to(target)


def _hard_linked(folder: Path) -> None:
    os.link(folder / WEIGHTS_FILE, folder.parent / f"{folder.name}.second")


def _pipe(folder: Path) -> None:
    (folder / CONFIG_FILE).unlink()
    os.mkfifo(folder / CONFIG_FILE)


def _many_files(folder: Path) -> None:
    for i in range(4100):
        (folder / f"{i}.txt").touch()


def _pickled(folder: Path) -> None:
    (folder / WEIGHTS_FILE).rename(folder / "adapter_model.bin")


def _emptied(folder: Path) -> None:
    for name in (CONFIG_FILE, WEIGHTS_FILE):
        (folder / name).unlink()


def _upper_case(folder: Path) -> None:
    (folder / CONFIG_FILE).rename(folder / CONFIG_FILE.upper())


def _zero_size(header: dict[str, Any]) -> None:
    header["extra"] = {"dtype": "F32", "shape": [0], "data_offsets": [0, 0]}


def _large_header() -> bytes:
    return packed(b'{"__metadata__":{"a":"' + b"x" * (2 << 20) + b'"}}', b"")


def _many_tensors() -> bytes:
    text = ",".join(
        f'"{i}":{{"dtype":"F16","shape":[1],"data_offsets":[{2 * i},{2 * i + 2}]}}'
        for i in range(9000)
    )
    return packed(b"{" + text.encode() + b"}", bytes(18000))


def _discard(_: object) -> None:
    pass


_DEEP = b'{"a":' + b"[" * 100_000 + b"]" * 100_000 + b"}"
_DATA_BYTES = len(data_of(factors()))

HOSTILE: dict[str, tuple[str, Spoil]] = {
    "1 empty file": ("file_size", _weights(b"")),
    "1 seven bytes": ("header_short", _weights(b"\x02\0\0\0\0\0\0")),
    "1 header of one byte": ("header_short", _weights(b"\x01\0\0\0\0\0\0\0{")),
    "2 header longer than the file": ("header_length", _weights(packed(b"{}", b"")[:-1])),
    "3 header of 2^63 bytes": ("header_length", _weights(b"\0" * 7 + b"\x80{}")),
    "4 header of 2 MiB": ("header_size", _weights(_large_header())),
    "5 leading white space": ("header_start", _text(lambda text: b" " + text)),
    "6 padding of 64 KiB": ("header_padding", _text(lambda text: text + b" " * 65536)),
    "6 white space inside": ("header_padding", _text(lambda t: t.replace(b",", b"," + b" " * 99))),
    "7 bad UTF-8": ("header_json", _text(lambda text: text.replace(b"F32", b"\xff\xfe"))),
    "7 bad JSON": ("header_json", _text(lambda text: text[:-1] + b",}")),
    "7 not closed": ("header_json", _text(lambda text: text[:-1])),
    "7 half a character": ("header_json", _text(lambda t: t.replace(b"lora_A", b"\\ud800", 1))),
    "7 control character": ("header_json", _text(lambda t: t.replace(b"lora_A", b"\n", 1))),
    "8 tensor twice": ("header_duplicate", _text(lambda t: t[:-1] + b"," + t[1:])),
    "8 field twice": (
        "header_duplicate",
        _text(lambda t: t.replace(b'"dtype"', b'"dtype":"F32","dtype"', 1)),
    ),
    "8 metadata key twice": (
        "header_duplicate",
        _text(lambda t: b'{"__metadata__":{"a":"1","a":"2"},' + t[1:]),
    ),
    "9 unknown field": ("header_field", _field(A, strides=[1])),
    "9 missing field": ("header_field", _header(lambda header: _discard(header[A].pop("dtype")))),
    "10 deep nesting": ("header_json", _weights(packed(_DEEP, b""))),
    "11 overlap": ("offsets_overlap", _field(B, data_offsets=[80, 160])),
    "12 hole": ("offsets_hole", _field(B, data_offsets=[100, 180])),
    "12 hole at the start": ("offsets_hole", _header(lambda header: {B: header[B]})),
    "13 trailing bytes": (
        "data_trailing",
        _weights(packed(header_of(factors()), data_of(factors()) + b"PK\x03\x04")),
    ),
    "14 cut short": (
        "data_truncated",
        _weights(packed(header_of(factors()), data_of(factors())[:-1])),
    ),
    "15 reversed offsets": ("offsets_value", _field(A, data_offsets=[96, 0])),
    "15 negative offset": ("offsets_value", _field(A, data_offsets=[-96, 0])),
    "15 float offset": ("offsets_value", _field(A, data_offsets=[0.0, 96.0])),
    "15 exponent": ("offsets_value", _text(lambda t: t.replace(b"[0,96]", b"[0,96e0]"))),
    "15 huge offset": ("offsets_value", _field(A, data_offsets=[0, 10**60])),
    "15 three offsets": ("offsets_value", _field(A, data_offsets=[0, 96, 96])),
    "16 shape and bytes differ": ("offsets_size", _field(A, shape=[4, 5])),
    "17 shape overflows": ("shape_overflow", _field(A, shape=[1 << 62, 6])),
    "17 shape wraps to the right size": ("shape_overflow", _field(A, shape=[(1 << 64) + 4, 6])),
    "17 shape of 10^60": ("shape_overflow", _field(A, shape=[10**60, 6])),
    "18 zero times 2^60": ("shape_value", _field(A, shape=[0, 1 << 60], data_offsets=[0, 0])),
    "19 zero-size tensor": ("shape_value", _header(_zero_size)),
    "16 negative shape": ("shape_value", _field(A, shape=[-4, -6])),
    "16 scalar": ("shape_value", _field(A, shape=[], data_offsets=[0, 4])),
    "16 boolean shape": ("shape_value", _field(A, shape=[True, 6])),
    "16 nine dimensions": ("shape_value", _field(A, shape=[1] * 7 + [4, 6])),
    "20 no tensors": ("no_tensors", _weights(packed(b"{}", b""))),
    "21 many tensors": ("tensor_count", _weights(_many_tensors())),
    "22 float64": ("dtype", _field(A, dtype="F64", shape=[4, 3])),
    "22 unknown dtype": ("dtype", _field(A, dtype="Q4_K")),
    "23 NaN": ("not_finite", _valued(A, float("nan"))),
    "23 infinity": ("not_finite", _valued(B, float("-inf"))),
    "24 huge value": ("norm", _valued(A, 1e30)),
    "24 huge once scaled": ("norm", _tensors({A: factors()[A] * 0, B: factors()[B] * 5e4})),
    "24 huge update": ("norm", _tensors({k: v * 300 for k, v in factors().items()})),
    "25 climbing name": ("tensor_name", _renamed("base_model.model.", "../../etc/")),
    "25 empty part": ("tensor_name", _renamed("layers.0", "layers..0")),
    "25 NUL": ("tensor_name", _renamed("layers", "lay\0ers")),
    "25 terminal escape": ("tensor_name", _renamed("layers", "\x1b[2Jlayers")),
    "25 name of 10,000 letters": ("tensor_name", _renamed("layers", "x" * 10_000)),
    "26 metadata of 100 kB": ("metadata_size", _tensors(factors(), note="x" * 100_000)),
    "26 access key": ("secret", _tensors(factors(), token="hf_" + "a1" * 17)),
    "26 private key in the card": (
        "secret",
        _file("README.md", b"-----BEGIN OPENSSH PRIVATE KEY-----\n"),
    ),
    "26 fingerprint with a terminal escape": (
        "metadata_value",
        _tensors(factors(), continuum_base_fingerprint="\x1b[2J"),
    ),
    "27 pickle": ("not_safetensors", _weights(b"\x80\x04\x95" + b"\x01" * 600)),
    "27 zip": ("not_safetensors", _weights(b"PK\x03\x04" + b"\x01" * 600)),
    "28 A without B": ("pair_missing", _tensors({A: factors()[A]})),
    "28 ranks differ": (
        "rank_mismatch",
        _tensors({A: factors()[A], B: factors()[B][:, :3].copy()}),
    ),
    "28 convolution": ("rank_mismatch", _field(A, shape=[4, 6, 1, 1])),
    "28 no factor": ("unknown_tensor", _added("base_model.model.model.norm.weight")),
    "28 two names of one factor": (
        "tensor_clash",
        _added(A.removeprefix("base_model.model."), (4, 6)),
    ),
    "28 two adapters": (
        "tensor_clash",
        _tensors(
            {A.replace("_A.", "_A.one."): factors()[A], B.replace("_B.", "_B.two."): factors()[B]}
        ),
    ),
    "29 rank 300": ("rank", _config(r=300)),
    "29 rank 0": ("rank", _config(r=0)),
    "29 rank as text": ("rank", _config(r="4")),
    "29 rank true": ("rank", _config(r=True)),
    "29 rank pattern": ("rank", _config(rank_pattern={"q_proj": 1.5})),
    "29 rank not the stated": ("rank_config", _config(r=8)),
    "29 alpha missing": ("alpha", _config(lora_alpha=None)),
    "29 alpha 10^400": ("alpha", _config(lora_alpha=10**400)),
    "32 auto_map": ("remote_code", _config(auto_map={"AutoModel": "evil.Model"})),
    "32 trust_remote_code": ("remote_code", _config(trust_remote_code=True)),
    "32 foreign module": (
        "remote_code",
        _config(
            auto_mapping={"base_model_class": "X", "parent_library": "transformers_modules.evil"}
        ),
    ),
    "32 modules_to_save": ("unsupported", _config(modules_to_save=["lm_head"])),
    "32 DoRA": ("unsupported", _config(use_dora=True)),
    "32 bias": ("unsupported", _config(bias="lora_only")),
    "32 lora_bias": ("unsupported", _config(lora_bias=True)),
    "32 layer_replication": ("unsupported", _config(layer_replication=[[0, 2]])),
    "32 megatron": ("unsupported", _config(megatron_config={"a": 1})),
    "32 alora": ("unsupported", _config(alora_invocation_tokens=[1])),
    "32 token indices": ("unsupported", _config(trainable_token_indices=[1])),
    "32 target_parameters": ("unsupported", _config(target_parameters=["x"])),
    "32 PiSSA": ("unsupported", _config(init_lora_weights="pissa_niter_4")),
    "32 IA3": ("peft_type", _config(peft_type="IA3")),
    "32 no type": ("peft_type", _config(peft_type=None)),
    "32 unknown key": ("config_key", _config(lora_magic=1)),
    "32 variant by an empty object": ("unsupported", _config(arrow_config={})),
    "32 tied head": (
        "unsupported",
        lambda folder: (
            _renamed(MODULE, "lm_head")(folder),
            _config(target_modules=["lm_head"], ensure_weight_tying=True)(folder),
        )[0],
    ),
    "32 flag as text": ("config_value", _config(use_rslora="false")),
    "32 dropout as text": ("config_value", _config(lora_dropout="0.1")),
    "32 path with a terminal escape": ("config_value", _config(base_model_name_or_path="\x1b[2J")),
    "32 no targets": ("config_value", _config(target_modules=[])),
    "32 target not named": ("not_targeted", _config(target_modules=["v_proj"])),
    "32 target excluded": ("not_targeted", _config(exclude_modules=["q_proj"])),
    "32 target in another block": ("not_targeted", _config(layers_to_transform=[1])),
    "32 DoRA's tensor": (
        "unsupported_tensor",
        _added(f"base_model.model.{MODULE}.lora_magnitude_vector.weight"),
    ),
    "32 embedding's tensor": (
        "unsupported_tensor",
        _added("base_model.model.model.embed_tokens.lora_embedding_A"),
    ),
    "32 targets of another model": (
        "not_targeted",
        lambda folder: (_renamed("q_proj", "w_proj")(folder), _config(target_modules=None)(folder))[
            0
        ],
    ),
    "32 look-ahead without end": ("pattern", _config(rank_pattern={"(?=q": 4})),
    "32 back-reference": ("pattern", _config(target_modules=r"(a)\1")),
    "32 patterns without end": (
        "pattern_cost",
        _config(target_modules=".*" + "((.?){64}){64}" * 140),
    ),
    "32 config missing": ("config_missing", lambda folder: (folder / CONFIG_FILE).unlink()),
    "32 config cut short": ("config_unreadable", _config_text(b'{"peft_type": "LO')),
    "32 config is a list": ("config_unreadable", _config_text(b"[]")),
    "32 key twice": ("config_unreadable", _config_text(b'{"r": 4, "r": 8}')),
    "32 NaN in config": ("config_unreadable", _config_text(b'{"r": NaN}')),
    "32 number too large": ("config_unreadable", _config_text(b'{"r": 1e999}')),
    "32 digits without end": ("config_unreadable", _config_text(b'{"r": 1' + b"0" * 9999 + b"}")),
    "32 half a character": ("config_unreadable", _config_text(b'{"r": "\\ud800"}')),
    "32 deep config": ("config_unreadable", _config_text(_DEEP)),
    "32 config not UTF-8": ("config_unreadable", _config_text(b'{"\xff": 1}')),
    "33 program as card": ("file_code", _file("README.md", b"#!/bin/sh\n")),
    "33 pickle only": ("file_pickle", _pickled),
    "33 pointer of git LFS": ("lfs_pointer", _weights(LFS_POINTER)),
    "33 card is a pointer of git LFS": ("lfs_pointer", _file("README.md", LFS_POINTER)),
    "33 empty folder": ("config_missing", _emptied),
    "33 other letter case": ("config_missing", _upper_case),
    "33 card is no text": ("file_text", _file("README.md", b"\x80\x04\x95")),
    "33 card with a terminal escape": ("file_text", _file("README.md", b"\x1b[2J")),
    "33 many files": ("folder_entries", _many_files),
    "35 symbolic link": ("file_kind", _linked),
    "35 hard link": ("file_kind", _hard_linked),
    "35 pipe": ("file_kind", _pipe),
    "35 folder inside": ("file_kind", lambda folder: (folder / "README.md").mkdir()),
    "- weights missing": ("weights_missing", lambda folder: (folder / WEIGHTS_FILE).unlink()),
}
"""Number and what is wrong -> expected code, and how to spoil a valid folder."""
