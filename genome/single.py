"""Adapters that only PEFT runs: DoRA, biases, saved heads and embeddings, IA3, LoHa and others.

No two of them can be added up, so they are no layers: none is composed, evolved or sold. One makes
another model of a base, which shares the base's weights. Their files pass the checks that a
layer's pass; what their tensors mean is left to PEFT.
"""

from __future__ import annotations

import copy
import math
import os
import re
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from torch import nn

from genome.adapter.adapter_config import (
    ALL_LINEAR,
    CONFIG_FILE,
    read_config,
    refuse_changed_weights,
)
from genome.adapter.header_scanner import TensorEntry
from genome.adapter.layer_files import (
    MAX_TEXT_BYTES,
    MAX_WEIGHTS_BYTES,
    WEIGHTS_FILE,
    check_secrets,
    check_text,
    list_files,
    open_file,
    read_small,
)
from genome.adapter.module_names import NameMatcher, check_patterns
from genome.adapter.tensor_values import check_values
from genome.base_model import BaseModel
from genome.errors import GenomeError
from genome.fit import check_base
from genome.refusals import refused, shown
from genome.validate import BASE_KEY, read_header

_PLAIN = re.compile(r"[A-Za-z0-9_.\-]+")
_MISSING = re.compile(r"[Tt]arget modules? .*? not found|No modules were targeted|not found in the")


def check_single(path: str | Path) -> tuple[str, ...]:
    """Check a folder of an adapter of any kind that PEFT puts into a model's modules.

    Returns:
        Names of the adapter's own files.

    Raises:
        LayerRejected: It is not acceptable; the code says why.
    """
    folder = Path(path)
    names, _ = list_files(folder)
    data, _ = read_small(folder, CONFIG_FILE)
    _check_config(read_config(data))
    check_secrets(CONFIG_FILE, data.decode("utf-8"))
    descriptor, size = open_file(folder, WEIGHTS_FILE, MAX_WEIGHTS_BYTES)
    try:
        header = read_header(descriptor, size)
        for name in names:
            if name not in (CONFIG_FILE, WEIGHTS_FILE):
                check_text(name, read_small(folder, name, MAX_TEXT_BYTES)[0])
        check_values(descriptor, header, {})
    finally:
        os.close(descriptor)
    return names


def _check_config(config: Mapping[str, Any]) -> None:
    from peft import PromptLearningConfig
    from peft.mapping import PEFT_TYPE_TO_CONFIG_MAPPING, PEFT_TYPE_TO_TUNER_MAPPING
    from peft.tuners.tuners_utils import BaseTuner

    kind = config.get("peft_type")
    known: Any = kind if isinstance(kind, str) else None
    tuner, own = PEFT_TYPE_TO_TUNER_MAPPING.get(known), PEFT_TYPE_TO_CONFIG_MAPPING.get(known)
    in_modules = isinstance(tuner, type) and issubclass(tuner, BaseTuner) and kind != "XLORA"
    if not in_modules or own is None or issubclass(own, PromptLearningConfig):
        raise refused(
            "peft_type",
            f"peft_type is {shown(kind)}, which changes more than a model's modules: train LoRA, "
            "DoRA, IA3, LoHa, LoKr, OFT or another that PEFT puts into modules",
        )
    refuse_changed_weights(config)
    for key, value in config.items():
        if key.endswith("_pattern") and isinstance(value, dict):
            for name in value:
                _refuse_expression(key, name)
        elif key == "target_modules" and isinstance(value, str):
            check_patterns([value])
        elif key.endswith("modules") and isinstance(value, str):
            _refuse_expression(key, value)


def _refuse_expression(key: str, value: str) -> None:
    if not _PLAIN.fullmatch(value):
        raise refused(
            "pattern",
            f"{key} has the expression {shown(value)}, which PEFT may match for ever: list names",
        )


def with_single(base: BaseModel, path: str | Path) -> BaseModel:
    """A base that an adapter changes; the other keeps its own modules, they share the weights.

    Args:
        path: Of a folder that `check_single` accepts.

    Raises:
        LayerRejected: It is not acceptable, or does not fit the base.
    """
    from peft import PeftConfig, PeftModel

    folder = Path(path)
    check_single(folder)
    if any(not p.is_floating_point() for p in base.model.parameters()):
        raise GenomeError(
            f"base {base.fingerprint} is held in int8, where PEFT cannot work: "
            "`continuum base dtype BASE float32`"
        )
    entries = _entries(folder, base.fingerprint)
    weights = {id(p): nn.Parameter(p.detach(), False) for p in base.model.parameters()}
    shared: dict[int, Any] = {**weights, **{id(b): b for b in base.model.buffers()}}
    model = copy.deepcopy(base.model, shared)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # what they would say is refused below
        config = PeftConfig.from_pretrained(str(folder))
        target = getattr(config, "target_modules", None)
        if isinstance(target, str) and target.lower() != ALL_LINEAR:
            matcher = NameMatcher()
            named = [name for name, _ in model.named_modules() if matcher.whole(target, name)]
            config.target_modules = set(named)
        try:
            adapted = PeftModel.from_pretrained(
                model, folder, config=config, low_cpu_mem_usage=True
            )
        except (RuntimeError, ValueError, KeyError, TypeError) as error:
            text = " ".join(str(error).split())
            code = "module_unknown" if _MISSING.search(text) else "module_shape"
            raise refused(
                code,
                f"PEFT cannot put the adapter into base {base.fingerprint} ({shown(text, 200)}): "
                "name the base that it was trained on with --base",
            ) from None
    _check_all_taken(adapted, entries, base.fingerprint)
    changed = BaseModel(
        base.path, adapted.get_base_model(), base.tokenizer, base.revision, base.preamble
    )
    changed.__dict__["fingerprint"] = base.fingerprint  # a foundation of its own, on that base
    return changed


def _entries(folder: Path, fingerprint: str) -> tuple[TensorEntry, ...]:
    descriptor, size = open_file(folder, WEIGHTS_FILE, MAX_WEIGHTS_BYTES)
    try:
        header = read_header(descriptor, size)
    finally:
        os.close(descriptor)
    check_base(header.metadata.get(BASE_KEY, ""), fingerprint)
    return header.entries


def _check_all_taken(model: Any, entries: tuple[TensorEntry, ...], fingerprint: str) -> None:
    """Refuse an adapter of which PEFT left something out, or missed something."""
    from peft import get_peft_model_state_dict

    lacking = [name for name, p in model.named_parameters() if p.is_meta]
    if lacking:
        raise refused(
            "pair_missing",
            f"the adapter has no values for {len(lacking)} tensors, such as "
            f"{shown(lacking[0], 150)}: save it again with PEFT",
        )
    taken = {tuple(t.shape) for t in get_peft_model_state_dict(model).values()}
    n_taken = sum(t.numel() for t in get_peft_model_state_dict(model).values())
    n_given = sum(math.prod(entry.shape) for entry in entries)
    odd = [entry for entry in entries if entry.shape not in taken]
    if odd or n_taken != n_given:
        name = odd[0].name if odd else entries[0].name
        raise refused(
            "module_unknown",
            f"of the adapter's {n_given} numbers PEFT takes {n_taken} into base {fingerprint}, "
            f"not those of {shown(name, 150)}: name the base it was trained on with --base",
        )
