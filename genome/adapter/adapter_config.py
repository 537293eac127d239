"""PEFT's adapter_config.json, every key accounted for.

A key that changes what the adapter computes is either understood or refused by name; a key that
only records how it was trained is ignored; a key nobody knows is refused, because it may be one
of a later PEFT that changes the meaning. Facts from peft 0.21: `LoraConfig`, `get_pattern_key`,
`check_target_module_exists`.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from genome.adapter.name_pattern import NameMatcher, check_patterns
from genome.adapter.strict_json import strict_json
from genome.errors import LayerRejected
from genome.refusals import refused, shown

CONFIG_FILE = "adapter_config.json"
MAX_RANK = 256
MAX_ALPHA = 65536
MAX_NAMES = 8192
"""Names in one list or pattern table."""
MAX_TEXT = 1024
ALL_LINEAR = "all-linear"

INITS = (None, True, False, "gaussian", "eva", "orthogonal")
"""`init_lora_weights` that leave the base model's weights alone; PiSSA and its kin do not."""

_TEXT = (str, type(None))
_RECORDED: Mapping[str, tuple[type, ...]] = {
    "base_model_name_or_path": _TEXT, "revision": _TEXT, "task_type": _TEXT, "peft_version": _TEXT,
    "megatron_core": _TEXT, "inference_mode": (bool,), "fan_in_fan_out": (bool,),
    "lora_dropout": (int, float), "qalora_group_size": (int,), "eva_config": (dict, type(None)),
    "loftq_config": (dict, type(None)),
}  # fmt: skip
"""Keys that change nothing about the logits, and the types PEFT writes."""

_UNSUPPORTED = (
    "alora_invocation_tokens", "arrow_config", "corda_config", "enable_lora", "ensure_weight_tying",
    "kasa_config", "layer_replication", "lora_bias", "lora_ga_config",
    "megatron_config", "merge_weights", "modules_to_save", "monteclora_config", "target_parameters",
    "trainable_token_indices", "use_bdlora", "use_dora", "use_qalora", "velora_config",
)  # fmt: skip
"""Keys of LoRA variants: accepted when switched off (false, null or empty)."""

_REMOTE = ("auto_map", "trust_remote_code", "custom_code", "code_revision", "parent_library")
_UNDERSTOOD = (
    "peft_type", "r", "lora_alpha", "use_rslora", "rank_pattern", "alpha_pattern", "bias",
    "init_lora_weights", "target_modules", "exclude_modules", "layers_to_transform",
    "layers_pattern", "auto_mapping",
)  # fmt: skip
KNOWN_KEYS = frozenset({*_RECORDED, *_UNSUPPORTED, *_REMOTE, *_UNDERSTOOD})


@dataclass(frozen=True, slots=True)
class ModuleUpdate:
    """What the configuration says about one module."""

    rank: int
    scaling: float
    """What PEFT multiplies B @ A by: alpha / rank, or alpha / sqrt(rank) with rslora."""


@dataclass(frozen=True, slots=True)
class AdapterConfig:
    """What adapter_config.json says about the update of each module."""

    rank: int
    alpha: float
    rslora: bool
    rank_pattern: Mapping[str, int]
    """Name pattern -> rank; the first that matches wins."""
    alpha_pattern: Mapping[str, float]
    targets: str | frozenset[str]
    """Regular expression for whole paths, or the ends of paths."""
    excluded: str | frozenset[str]
    blocks: frozenset[int] | None
    """Numbers of the blocks that are changed; None = all."""
    block_names: tuple[str, ...]
    """Names of the lists of blocks; empty = any."""
    base_model_path: str
    """Where the author had the base model; a hint for people, never opened."""

    def updates(self, modules: Iterable[str]) -> dict[str, ModuleUpdate]:
        """What holds for each of these modules; modules that are not targeted are left out.

        Raises:
            LayerRejected: pattern_cost.
        """
        matcher = NameMatcher()
        ranks = _Table(self.rank_pattern, matcher)
        alphas = _Table(self.alpha_pattern, matcher)
        found = {}
        for module in modules:
            if self._targets(module, matcher):
                rank = ranks.first_match(module, self.rank)
                alpha = alphas.first_match(module, self.alpha)
                scaling = alpha / (math.sqrt(rank) if self.rslora else rank)
                found[module] = ModuleUpdate(rank, scaling)
        return found

    def _targets(self, module: str, matcher: NameMatcher) -> bool:
        """PEFT's `check_target_module_exists`."""
        if self.excluded and _named(self.excluded, module, matcher):
            return False
        if isinstance(self.targets, str) and self.targets.lower() == ALL_LINEAR:
            return True
        if not _named(self.targets, module, matcher):
            return False
        return self.blocks is None or _block_number(module, self.block_names) in self.blocks


def parse_config(data: bytes) -> AdapterConfig:
    """Read adapter_config.json.

    Raises:
        LayerRejected: config_unreadable, config_key, config_value, remote_code, peft_type,
            unsupported, rank, alpha, pattern.
    """
    config = strict_json(data, code="config_unreadable", what=CONFIG_FILE)
    if not isinstance(config, dict):
        raise refused(
            "config_unreadable", f"{CONFIG_FILE} must hold one JSON object, not {shown(config)}: "
            "write it with PEFT's save_pretrained"
        )  # fmt: skip
    _refuse_what_runs_code(config)
    kind = config.get("peft_type")
    if kind != "LORA":
        raise refused("peft_type", f"peft_type must be 'LORA', not {shown(kind)}: train plain LoRA")
    _refuse_what_is_not_supported(config)
    parsed = AdapterConfig(
        rank=_rank(config.get("r", 8), "r"),
        alpha=_alpha(config.get("lora_alpha", 8), "lora_alpha"),
        rslora=_typed(config, "use_rslora", (bool,), False),
        rank_pattern=_table(config, "rank_pattern", _rank),
        alpha_pattern=_table(config, "alpha_pattern", _alpha),
        targets=_names(config, "target_modules", required=True),
        excluded=_names(config, "exclude_modules"),
        blocks=_blocks(config),
        block_names=_block_names(config),
        base_model_path=config.get("base_model_name_or_path") or "",
    )
    expressions = [p for p in (parsed.targets, parsed.excluded) if isinstance(p, str) and p]
    check_patterns([*parsed.rank_pattern, *parsed.alpha_pattern])
    check_patterns([p for p in expressions if p.lower() != ALL_LINEAR])
    return parsed


def _refuse_what_runs_code(config: dict[str, Any]) -> None:
    """`auto_mapping` names a module to import: transformers' own are harmless, others are not."""
    for key in _REMOTE:
        if config.get(key):
            raise refused(
                "remote_code", f"{key} is {shown(config[key])}: a layer may not import code; "
                "delete the key"
            )  # fmt: skip
    mapping = config.get("auto_mapping") or {}
    if not isinstance(mapping, dict):
        raise _wrong_value("auto_mapping", mapping, "an object or null")
    for key, value in mapping.items():
        harmless = (
            (key == "unsloth_fixed" and isinstance(value, bool))
            or (key == "base_model_class" and _matches(r"[A-Za-z_][A-Za-z0-9_]*", value))
            or (key == "parent_library" and _matches(r"transformers(\.[a-z0-9_]+)*", value))
        )
        if not harmless:
            raise refused(
                "remote_code", f"auto_mapping asks for {shown(key)} = {shown(value)}: only classes "
                "of transformers itself may be named; delete the key"
            )  # fmt: skip


def _refuse_what_is_not_supported(config: dict[str, Any]) -> None:
    for key, value in config.items():
        if key not in KNOWN_KEYS:
            raise refused(
                "config_key", f"{CONFIG_FILE} has the key {shown(key)}, which PEFT 0.21 does not "
                "know: delete it if it changes nothing, else save with PEFT 0.21"
            )  # fmt: skip
        if key in _UNSUPPORTED and value:
            raise refused(
                "unsupported", f"{key} is {shown(value)}, which is not supported: train plain LoRA"
            )
        if key in _RECORDED:
            _typed(config, key, _RECORDED[key], None)
            if isinstance(value, str) and (len(value) > MAX_TEXT or not value.isprintable()):
                raise _wrong_value(key, value, f"at most {MAX_TEXT} printable characters")
    bias = config.get("bias", "none")
    if bias != "none":
        raise refused(
            "unsupported", f"bias is {shown(bias)}, only 'none' is supported: train plain LoRA"
        )
    init = config.get("init_lora_weights")
    if not any(init is known or (isinstance(init, str) and init == known) for known in INITS):
        raise refused(
            "unsupported", f"init_lora_weights is {shown(init)}, which changes the base model's "
            "weights: convert the adapter with PEFT's path_initial_model_for_weight_conversion"
        )  # fmt: skip


def _typed(config: dict[str, Any], key: str, types: tuple[type, ...], default: Any) -> Any:
    value = config.get(key, default)
    if key in config and (
        not isinstance(value, types) or (isinstance(value, bool) and bool not in types)
    ):
        names = " or ".join("null" if t is type(None) else t.__name__ for t in types)
        raise _wrong_value(key, value, names)
    return value


def _rank(value: Any, where: str) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or not 1 <= value <= MAX_RANK:
        raise refused(
            "rank", f"{where} must be a whole number from 1 to {MAX_RANK}, not {shown(value)}: "
            "reduce the rank (genome.compose.merge) or correct the file"
        )  # fmt: skip
    return value


def _alpha(value: Any, where: str) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not abs(value) <= MAX_ALPHA:
        raise refused(
            "alpha", f"{where} must be a number from -{MAX_ALPHA} to {MAX_ALPHA}, not "
            f"{shown(value)}: correct the file"
        )  # fmt: skip
    return float(value)


def _table(config: dict[str, Any], key: str, read: Callable[[Any, str], Any]) -> dict[str, Any]:
    table = config.get(key) or {}
    if not isinstance(table, dict) or len(table) > MAX_NAMES:
        raise _wrong_value(key, table, f"an object of at most {MAX_NAMES} names")
    return {name: read(value, f"{key}[{shown(name)}]") for name, value in table.items()}


def _names(config: dict[str, Any], key: str, *, required: bool = False) -> str | frozenset[str]:
    names = config.get(key)
    if isinstance(names, str) and names:
        return names
    if isinstance(names, list) and len(names) <= MAX_NAMES and (names or not required):
        if all(isinstance(name, str) and name for name in names):
            return frozenset(names)
    elif not names and not required:
        return frozenset()
    raise _wrong_value(key, names, "a regular expression or a list of module names")


def _blocks(config: dict[str, Any]) -> frozenset[int] | None:
    blocks = config.get("layers_to_transform")
    if blocks is None or blocks == []:
        return None
    numbers = blocks if isinstance(blocks, list) else [blocks]
    if not all(isinstance(n, int) and not isinstance(n, bool) for n in numbers):
        raise _wrong_value("layers_to_transform", blocks, "a block number or a list of them")
    if isinstance(config.get("target_modules"), str):
        raise _wrong_value("layers_to_transform", blocks, "null where target_modules is a pattern")
    return frozenset(numbers)


def _block_names(config: dict[str, Any]) -> tuple[str, ...]:
    names = config.get("layers_pattern") or []
    listed = [names] if isinstance(names, str) else names
    if not isinstance(listed, list) or not all(_matches(r"[A-Za-z0-9_]+", n) for n in listed):
        raise _wrong_value("layers_pattern", names, "a module name or a list of them")
    return tuple(listed)


def _block_number(module: str, names: tuple[str, ...]) -> int:
    """Number of the block a module is in, as PEFT finds it; -1 if it is in none."""
    parts = module.split(".")
    for name in names or ("",):
        for i in range(0 if name else 1, len(parts) - 2):
            if (not name or parts[i] == name) and parts[i + 1].isdigit():
                return int(parts[i + 1])
    return -1


class _Table:
    """A pattern table; the first pattern that matches wins (PEFT's `get_pattern_key`)."""

    def __init__(self, table: Mapping[str, Any], matcher: NameMatcher) -> None:
        self.matcher = matcher
        self.whole_paths: dict[str, tuple[int, Any]] = {}
        """Patterns such as `^model\\.layers\\.0`, which can match one module only."""
        self.others: list[tuple[int, str, Any]] = []
        for place, (pattern, value) in enumerate(table.items()):
            if re.fullmatch(r"\^(?:[A-Za-z0-9_\-]|\\\.)+", pattern):
                path = pattern[1:].replace("\\", "")
                self.whole_paths.setdefault(path, (place, value))
            else:
                self.others.append((place, pattern, value))

    def first_match(self, module: str, default: Any) -> Any:
        last, value = self.whole_paths.get(module, (MAX_NAMES, default))
        for place, pattern, other in self.others:
            if place > last:
                break
            if self.matcher.end(pattern, module):
                return other
        return value


def _named(names: str | frozenset[str], module: str, matcher: NameMatcher) -> bool:
    if isinstance(names, str):
        return matcher.whole(names, module)
    parts = module.split(".")
    return any(".".join(parts[i:]) in names for i in range(len(parts)))


def _matches(pattern: str, value: object) -> bool:
    return isinstance(value, str) and len(value) <= 200 and bool(re.fullmatch(pattern, value))


def _wrong_value(key: str, value: object, wanted: str) -> LayerRejected:
    return refused(
        "config_value", f"{key} must be {wanted}, not {shown(value)}: correct {CONFIG_FILE}"
    )
