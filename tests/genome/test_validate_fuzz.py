"""Mutated files are accepted or refused: no other exception, no hang, no flood of memory."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
import tracemalloc
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from genome.adapter.layer_files import CONFIG_FILE, WEIGHTS_FILE
from genome.errors import LayerRejected
from genome.refusals import REFUSALS
from genome.validate import check_folder
from tests.support.hostile import (
    CONFIG,
    HOSTILE,
    A,
    B,
    data_of,
    factors,
    header_of,
    packed,
    write_valid,
)

MAX_EXTRA_MIB = 64
N_EXAMPLES = int(os.environ.get("CONTINUUM_FUZZ_EXAMPLES", "250"))
"""Raise it for a long run by hand."""

TOKENS = [
    b"{",
    b"}",
    b"[",
    b"]",
    b",",
    b":",
    b'"',
    b'""',
    b"{}",
    b"[]",
    b"null",
    b"true",
    b"-1",
    b"0",
    b"1e9",
    b"1.5",
    b"NaN",
    b"Infinity",
    b"18446744073709551616",
    b"9223372036854775807",
    b"\\",
    b"\\u0000",
    b"\\ud800",
    b"\xff",
    b"\xc3",
    b"\0",
    b"\n",
    b" ",
    b"../",
    b"__metadata__",
    b"F32",
    b"BF16",
    b"F64",
    b"dtype",
    b"shape",
    b"data_offsets",
    b"lora_A",
    b"lora_B.weight",
    b".",
    b"\x1b",
]
VALUES: list[Any] = [
    None,
    True,
    False,
    0,
    -1,
    1,
    3,
    4,
    255,
    257,
    1e308,
    -0.0,
    10**30,
    "",
    "x",
    "q_proj",
    "LORA",
    ".*",
    "(a+)+$",
    "(?=x)",
    "\x1b[2J",
    "\0",
    "é" * 300,
    [],
    [None],
    ["q_proj"],
    [[[]]],
    {},
    {"a": 1},
    {"": 4},
    {"q_proj": 4},
    {"q_proj": "4"},
    {".*": 4},
    {"(": 4},
    {"q_proj": None},
    {"q_proj": 2**70},
]
KEYS = [
    *CONFIG,
    "rank_pattern",
    "alpha_pattern",
    "use_rslora",
    "use_dora",
    "exclude_modules",
    "layers_to_transform",
    "layers_pattern",
    "auto_mapping",
    "init_lora_weights",
    "modules_to_save",
    "eva_config",
    "zzz",
    "",
]

edits = st.lists(
    st.tuples(
        st.floats(0, 1, exclude_max=True),
        st.integers(0, 12),
        st.one_of(st.sampled_from(TOKENS), st.binary(max_size=4)),
    ),
    max_size=5,
)
"""(place, bytes deleted there, bytes inserted there)."""


def edited(data: bytes, changes: list[tuple[float, int, bytes]]) -> bytes:
    for place, deleted, inserted in changes:
        at = int(place * len(data))
        data = data[:at] + inserted + data[at + deleted :]
    return data


@st.composite
def folders(draw: st.DrawFn) -> tuple[bytes, bytes]:
    """(adapter_config.json, adapter_model.safetensors), a few edits from valid."""
    tensors = factors()
    if draw(st.booleans()):
        tensors = {A: tensors[A].astype("<f2"), B: (tensors[B].view("<u4") >> 16).astype("<u2")}
    config = CONFIG | draw(
        st.dictionaries(st.sampled_from(KEYS), st.sampled_from(VALUES), max_size=2)
    )
    header: dict[str, Any] = header_of(tensors, format="pt")
    if draw(st.booleans()):
        field = draw(st.sampled_from(["dtype", "shape", "data_offsets", "other"]))
        header[draw(st.sampled_from([A, B]))][field] = draw(st.sampled_from(VALUES))
    text = json.dumps(header, separators=(",", ":")).encode()
    whole = packed(edited(text, draw(edits)), edited(data_of(tensors), draw(edits)))
    whole = edited(whole, draw(edits) if draw(st.booleans()) else [])
    whole = whole[: int(len(whole) * draw(st.sampled_from([1.0, 1.0, 1.0, 0.9, 0.5, 0.02])))]
    return edited(json.dumps(config).encode(), draw(edits)), whole


@pytest.fixture
def traced() -> Iterator[None]:
    tracemalloc.start()
    yield
    tracemalloc.stop()


@pytest.mark.usefixtures("traced")
@settings(
    max_examples=N_EXAMPLES,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(folder=folders())
def test_mutated_folders_are_accepted_or_refused(
    tmp_path: Path, folder: tuple[bytes, bytes]
) -> None:
    """What is accepted can also be read, and every number of it is finite."""
    (tmp_path / CONFIG_FILE).write_bytes(folder[0])
    (tmp_path / WEIGHTS_FILE).write_bytes(folder[1])
    tracemalloc.reset_peak()
    before, _ = tracemalloc.get_traced_memory()
    start = time.thread_time()
    try:
        with check_folder(tmp_path) as checked:
            for _, a, b in checked.factors():
                assert np.isfinite(a).all() and np.isfinite(b).all()
            assert len(checked.digest) == 64
        code, text = "", ""
    except LayerRejected as refusal:
        code, text = refusal.code, str(refusal)
    assert code in ("", *REFUSALS)
    assert text.isprintable() and len(text) < 400 + len(str(tmp_path))
    assert time.thread_time() - start < 5
    assert tracemalloc.get_traced_memory()[1] - before < MAX_EXTRA_MIB << 20


def nasty_configs() -> Iterator[bytes]:
    """Configurations of up to a megabyte that cost a careless parser the most."""
    room = (1 << 20) - 600
    yield b"{" + b'"":{},' * (room // 6) + b'"a":0}'
    yield b'{"a":[' + b"[]," * (room // 3) + b"0]}"
    yield b'{"a":[' + b"0," * (room // 2) + b"0]}"
    yield b'{"a":' * 500 + b"0" + b"}" * 500
    yield b"{" + b",".join(b'"%d":0' % i for i in range(room // 11)) + b"}"
    yield json.dumps(CONFIG | {"eva_config": {"a": "\\" * (room // 2)}}).encode()
    yield json.dumps(CONFIG | {"eva_config": {"a": "\U0001f4a9" * (room // 12)}}).encode()
    long = "x" * 80
    yield json.dumps(CONFIG | {"rank_pattern": {f"{i}{long}": 4 for i in range(8192)}}).encode()
    yield json.dumps(CONFIG | {"target_modules": [f"{i}{long}" for i in range(8192)]}).encode()
    for piece in ("()", "(|)", "((((a))))", "a{64}", "(a{64}){64}", "[^a]", "a|", ".*", "(.*)*"):
        patterns = {(piece * 700)[:2000] + str(i): 4 for i in range(32)}
        yield json.dumps(CONFIG | {"rank_pattern": patterns}).encode()


def nasty_weights() -> Iterator[bytes]:
    """Weights of about a megabyte that cost a careless parser the most."""
    data, room = data_of(factors()), (1 << 20) - 600
    rows = 21_845
    large = {A: np.ones((4, rows), "<f4"), B: np.ones((rows, 4), "<f4") / rows}
    yield packed(header_of(large), data_of(large))
    half = {A: np.ones((4, 2 * rows), "<f2"), B: np.zeros((2 * rows, 4), "<u2")}
    yield packed(header_of(half), data_of(half))
    yield packed(b"{" + b'"a":{},' * (room // 7) + b"}", data)
    yield packed(b'{"__metadata__":{' + b'"":"",' * (room // 6) + b"}}", data)
    yield packed(
        b'{"__metadata__":{' + b",".join(b'"%d":""' % i for i in range(90_000)) + b"}}", data
    )
    yield packed(b"[" * room, data)
    yield packed(b'{"a":' * (room // 5), data)
    yield packed(b'{"' + b"\\u0041" * (room // 6) + b'":0}', data)
    yield packed(b'{"' + b"\\" * (room - 8) + b'":0}', data)
    yield packed(b'{"a":{"shape":[' + b"9" * room + b"]}}", data)
    yield packed(b'{"a":{"shape":[' + b"1," * (room // 2) + b"1]}}", data)
    names = [f"base_model.model.{i}.q_proj.lora_{f}.weight" for i in range(4000) for f in "AB"]
    many = {n: np.ones((4, 4), "<f2") for n in names}
    yield packed(header_of(many), data_of(many))


CHILD = """
import sys, time
from pathlib import Path
from genome.adapter.archive import unpack
from genome.errors import LayerRejected
from genome.validate import check_folder

def peak_kib():
    status = Path("/proc/self/status").read_text()
    return int(status.split("VmHWM:")[1].split()[0])

with check_folder(Path(sys.argv[1]) / "valid") as checked:
    sum(1 for _ in checked.factors())
before, slowest = peak_kib(), 0.0
for folder in sorted(Path(sys.argv[1]).iterdir()):
    start = time.thread_time()
    try:
        with check_folder(folder) as checked:
            sum(1 for _ in checked.factors())
            checked.digest
    except LayerRejected:
        pass
    slowest = max(slowest, time.thread_time() - start)
    print(folder.name, peak_kib() - before, file=sys.stderr)
print((peak_kib() - before) / 1024, slowest)
"""


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="needs Linux's VmHWM")
def test_the_nastiest_megabytes_stay_below_the_memory_limit(tmp_path: Path) -> None:
    """Peak resident memory of a fresh process over all of them: what the kernel counts.

    tracemalloc does not see what C libraries allocate; this does. (Not `ru_maxrss`, which starts
    at the peak of the process that started this one.)
    """
    write_valid(tmp_path / "valid")
    for i, config in enumerate(nasty_configs()):
        (write_valid(tmp_path / f"config{i}") / CONFIG_FILE).write_bytes(config)
    for i, weights in enumerate(nasty_weights()):
        (write_valid(tmp_path / f"weights{i}") / WEIGHTS_FILE).write_bytes(weights)
        assert len(weights) < 1.5 * (1 << 20)
    for i, (_, spoil) in enumerate(HOSTILE.values()):
        spoil(write_valid(tmp_path / f"hostile{i}"))
    done = subprocess.run(
        [sys.executable, "-c", CHILD, str(tmp_path)], capture_output=True, text=True, check=True
    )
    extra_mib, slowest_s = map(float, done.stdout.split())
    assert 1 < extra_mib < MAX_EXTRA_MIB, done.stderr
    assert slowest_s < 5
