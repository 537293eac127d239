"""Reading back a layer that was checked when it came into the library.

Its digest covers every number, so a layer whose digest is still the folder's name holds exactly
the values that were checked: hashing once, while reading, replaces the two passes of the
validator. Whatever else was done to the file is met on the way, as a refusal.
"""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np

from genome.adapter.adapter_config import CONFIG_FILE, parse_config
from genome.adapter.layer_files import MAX_WEIGHTS_BYTES, WEIGHTS_FILE, open_file, read_small
from genome.adapter.lora_pairs import pair_up
from genome.adapter.tensor_values import CanonicalDigest, read_tensor, unpadded
from genome.refusals import refused
from genome.validate import BASE_KEY, check_pairs, read_header


def read_stored(folder: Path, digest: str) -> tuple[str, list[tuple[str, np.ndarray, np.ndarray]]]:
    """Base model and (module, A (rank, in), B (out, rank) with the scaling), float32.

    Raises:
        LayerRejected: digest, if the numbers are not those of the digest; or as `check_folder`.
    """
    config = parse_config(read_small(folder, CONFIG_FILE)[0])
    descriptor, size = open_file(folder, WEIGHTS_FILE, MAX_WEIGHTS_BYTES)
    try:
        header = read_header(descriptor, size)
        pairs = pair_up(header.entries)
        updates = check_pairs(pairs, config)
        canonical, factors = CanonicalDigest(), []
        with ThreadPoolExecutor(max_workers=1) as hasher:  # hashes while the next is read
            for module in sorted(pairs):
                a = read_tensor(descriptor, pairs[module].a)
                b = read_tensor(descriptor, pairs[module].b)
                b *= np.float32(updates[module].scaling)
                hasher.submit(canonical.update, module, a, b)
                factors.append((module, *unpadded(a, b)))
    finally:
        os.close(descriptor)
    if canonical.hexdigest() != digest:
        raise refused(
            "digest", f"{folder} no longer matches its digest: its weights were changed; delete "
            "the folder and add the layer again"
        )  # fmt: skip
    return header.metadata.get(BASE_KEY, ""), factors
