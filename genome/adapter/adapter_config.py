"""PEFT's adapter_config.json, every key accounted for.

A key that changes what the adapter computes is either understood or refused by name; a key that
only records how it was trained is ignored. A key nobody knows is accepted while it is switched
off (every PEFT writes all its settings, so a newer one's are all there) and refused otherwise,
because it may change the meaning. Null means the default, as it does to PEFT. Facts from peft
0.21: `LoraConfig`, `get_pattern_key`, `check_target_module_exists`.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from genome.adapter.lora_pairs import OR_ALONE, unwrapped
from genome.adapter.module_names import (
    MAX_NAMES,
    NameMatcher,
    PatternTable,
    block_number,
    check_patterns,
    is_named,
)
from genome.adapter.strict_json import strict_json
from genome.errors import LayerRejected
from genome.refusals import refused, shown

CONFIG_FILE = "adapter_config.json"
MAX_RANK = 256
MAX_ALPHA = 65536
MAX_TEXT = 1024
ALL_LINEAR = "all-linear"

INITS = (None, True, False, "gaussian", "eva", "orthogonal", "mica")
"""`init_lora_weights` that leave the base model's weights alone; PiSSA and its kin do not."""

_RECORDED: Mapping[str, tuple[type, ...]] = {
    "base_model_name_or_path": (str,),
    "revision": (str,),
    "task_type": (str,),
    "peft_version": (str,),
    "megatron_core": (str,),
    "inference_mode": (bool,),
    "fan_in_fan_out": (bool,),
    "lora_dropout": (int, float),
    "qalora_group_size": (int,),
    "eva_config": (dict,),
    "loftq_config": (dict,),
    "corda_config": (dict,),
    "lora_ga_config": (dict,),
    "runtime_config": (dict,),
    "merge_weights": (bool,),
    "transformers_version": (str,),
    "_from_model_config": (bool,),
}
"""Keys that change nothing about the logits, and the types beside null that they have.

The configurations of initialisations count only beside an `init_lora_weights` that is refused.
"""

_UNSUPPORTED = (
    "alora_invocation_tokens",
    "enable_lora",
    "layer_replication",
    "lora_bias",
    "megatron_config",
    "modules_to_save",
    "target_parameters",
    "trainable_token_indices",
    "use_dora",
    "use_qalora",
)
"""Keys of LoRA variants: accepted when switched off (false, null or empty)."""

_SWITCHED_ON_BY_AN_OBJECT = (
    "arrow_config",
    "kasa_config",
    "monteclora_config",
    "use_bdlora",
    "velora_config",
)
"""Keys of LoRA variants whose empty object means the variant with its defaults."""

DEFAULT_TARGETS = tuple(
    map(
        frozenset,
        (
            ("q_proj", "v_proj"),
            ("query_key_value",),
            ("c_attn",),
            ("q", "v"),
            ("query", "value"),
            ("Wqkv",),
            ("qkv_proj",),
            ("query_proj", "value_proj"),
        ),
    )
)
"""What `target_modules` null stands for, by model type; rows that another contradicts left out."""

_REMOTE = ("auto_map", "trust_remote_code", "custom_code", "code_revision", "parent_library")
_UNDERSTOOD = (
    "peft_type",
    "r",
    "lora_alpha",
    "use_rslora",
    "rank_pattern",
    "alpha_pattern",
    "bias",
    "init_lora_weights",
    "target_modules",
    "exclude_modules",
    "layers_to_transform",
    "layers_pattern",
    "auto_mapping",
    "ensure_weight_tying",
)
KNOWN_KEYS = frozenset(
    {*_RECORDED, *_UNSUPPORTED, *_SWITCHED_ON_BY_AN_OBJECT, *_REMOTE, *_UNDERSTOOD}
)


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
    targets: str | frozenset[str] | None
    """Regular expression for whole paths, or the ends of paths; None = PEFT's `DEFAULT_TARGETS`."""
    excluded: str | frozenset[str]
    blocks: frozenset[int] | None
    """Numbers of the blocks that are changed; None = all."""
    block_names: tuple[str, ...]
    """Names of the lists of blocks; empty = any."""
    base_model_path: str
    """Where the author had the base model; a hint for people, never opened."""
    tied: bool
    """Whether modules outside the blocks may share their update with another."""
    unknown: tuple[str, ...] = ()
    """Keys that PEFT 0.21 does not know and that are switched off."""

    def updates(self, modules: Iterable[str]) -> dict[str, ModuleUpdate]:
        """What holds for each of these modules; modules that are not targeted are left out.

        Raises:
            LayerRejected: pattern_cost.
        """
        matcher = NameMatcher()
        ranks = PatternTable(self.rank_pattern, matcher)
        alphas = PatternTable(self.alpha_pattern, matcher)
        targets = self.targets
        modules = list(modules)
        if targets is None:
            ends = {module.rpartition(".")[2] for module in modules}
            targets = next((row for row in DEFAULT_TARGETS if ends <= row), frozenset())
        found = {}
        for module in modules:
            if self._targets(targets, module, matcher):
                self._refuse_tied(module)
                rank = ranks.first_match(module, self.rank)
                alpha = alphas.first_match(module, self.alpha)
                scaling = alpha / (math.sqrt(rank) if self.rslora else rank)
                found[module] = ModuleUpdate(rank, scaling)
        return found

    def _targets(self, targets: str | frozenset[str], module: str, matcher: NameMatcher) -> bool:
        """PEFT's `check_target_module_exists`."""
        if self.excluded and is_named(self.excluded, module, matcher):
            return False
        if isinstance(targets, str) and targets.lower() == ALL_LINEAR:
            return True
        if not is_named(targets, module, matcher):
            return False
        if self.blocks is None or module in targets:  # a name that is a whole path
            return True
        return block_number(module, self.block_names) in self.blocks

    def _refuse_tied(self, module: str) -> None:
        """Weights are tied between embeddings and heads, which are in no block."""
        if self.tied and not any(part.isdigit() for part in module.split(".")):
            raise refused(
                "unsupported",
                f"ensure_weight_tying is on and module {shown(module)} may be tied "
                "to another, which is not supported: train the linear modules of the blocks",
            )


def parse_config(data: bytes) -> AdapterConfig:
    """Read adapter_config.json.

    Raises:
        LayerRejected: config_unreadable, config_key, config_value, remote_code, peft_type,
            unsupported, rank, alpha, pattern.
    """
    config = read_config(data)
    kind = config.get("peft_type")
    if kind != "LORA":
        mlx = ", as mlx-lm writes it" if "fine_tune_type" in config else ""
        raise refused(
            "peft_type",
            f"peft_type must be 'LORA', not {shown(kind)}{mlx}: train plain LoRA with PEFT"
            f"{'' if mlx else OR_ALONE}",
        )
    unknown = _refuse_what_is_not_supported(config)
    parsed = AdapterConfig(
        rank=_rank(config.get("r", 8), "r"),
        alpha=_alpha(config.get("lora_alpha", 8), "lora_alpha"),
        rslora=bool(_typed(config, "use_rslora", (bool,))),
        rank_pattern=_table(config, "rank_pattern", _rank),
        alpha_pattern=_table(config, "alpha_pattern", _alpha),
        targets=_targets(config),
        excluded=_names(config, "exclude_modules"),
        blocks=_blocks(config),
        block_names=_block_names(config),
        base_model_path=config.get("base_model_name_or_path") or "",
        tied=bool(_typed(config, "ensure_weight_tying", (bool,))),
        unknown=unknown,
    )
    expressions = [p for p in (parsed.targets, parsed.excluded) if isinstance(p, str) and p]
    check_patterns([*parsed.rank_pattern, *parsed.alpha_pattern])
    check_patterns([p for p in expressions if p.lower() != ALL_LINEAR])
    return parsed


def read_config(data: bytes) -> dict[str, Any]:
    """The object in an adapter_config.json of any kind, if it would run no code.

    Raises:
        LayerRejected: config_unreadable, remote_code.
    """
    config = strict_json(data, code="config_unreadable", what=CONFIG_FILE)
    if not isinstance(config, dict):
        raise refused(
            "config_unreadable",
            f"{CONFIG_FILE} must hold one JSON object, not {shown(config)}: "
            "write it with PEFT's save_pretrained",
        )
    _refuse_what_runs_code(config)
    return config


def _refuse_what_runs_code(config: dict[str, Any]) -> None:
    """`auto_mapping` names a module to import: transformers' own are harmless, others are not."""
    for key in _REMOTE:
        if config.get(key):
            raise refused(
                "remote_code",
                f"{key} is {shown(config[key])}: a layer may not import code; delete the key",
            )
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
                "remote_code",
                f"auto_mapping asks for {shown(key)} = {shown(value)}: only classes "
                "of transformers itself may be named; delete the key",
            )


def _refuse_what_is_not_supported(config: dict[str, Any]) -> tuple[str, ...]:
    """The unknown keys, all of which are switched off."""
    unknown = [key for key in config if key not in KNOWN_KEYS]
    switched_on = [key for key in unknown if not _is_off(config[key])]
    if switched_on:
        values = [f"{shown(key)} = {shown(config[key], 30)}" for key in switched_on[:3]]
        more = f" and {len(switched_on) - 3} more" if len(switched_on) > 3 else ""
        raise refused(
            "config_key",
            f"{CONFIG_FILE} has {', '.join(values)}{more}, which PEFT 0.21 does not "
            "know: delete it if it changes nothing, else save with PEFT 0.21",
        )
    for key in (*_UNSUPPORTED, *_SWITCHED_ON_BY_AN_OBJECT):
        value = config.get(key)
        if value or (key in _SWITCHED_ON_BY_AN_OBJECT and value == {}):
            raise refused(
                "unsupported",
                f"{key} is {shown(value)}, which is not supported: train plain LoRA{OR_ALONE}",
            )
    for key, types in _RECORDED.items():
        value = _typed(config, key, types)
        if isinstance(value, str) and (len(value) > MAX_TEXT or not value.isprintable()):
            raise _wrong_value(key, value, f"at most {MAX_TEXT} printable characters")
    _refuse_changed_base(config)
    return tuple(unknown)


def _refuse_changed_base(config: dict[str, Any]) -> None:
    bias = config.get("bias")
    if bias != "none" and not _is_off(bias):
        raise refused(
            "unsupported",
            f"bias is {shown(bias)}, only 'none' is supported: train plain LoRA{OR_ALONE}",
        )
    refuse_changed_weights(config)


def refuse_changed_weights(config: Mapping[str, Any]) -> None:
    """Refuse an initialisation after which the base would no longer be the base.

    Raises:
        LayerRejected: unsupported.
    """
    init = config.get("init_lora_weights")
    if not any(init is known or (isinstance(init, str) and init == known) for known in INITS):
        raise refused(
            "unsupported",
            f"init_lora_weights is {shown(init)}, which changes the base model's "
            "weights: convert the adapter with PEFT's path_initial_model_for_weight_conversion",
        )


def _is_off(value: Any) -> bool:
    """Null, false or empty; a zero may be a setting."""
    return value is None or value is False or (isinstance(value, str | list | dict) and not value)


def _typed(config: dict[str, Any], key: str, types: tuple[type, ...]) -> Any:
    """A value of one of these types, or None; 0 and 1 are flags as well."""
    value = config.get(key)
    if value is None or (bool in types and isinstance(value, int) and value in (0, 1)):
        return value
    if not isinstance(value, types) or (isinstance(value, bool) and bool not in types):
        raise _wrong_value(key, value, f"{' or '.join(t.__name__ for t in types)} or null")
    return value


def _rank(value: Any, where: str) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or not 1 <= value <= MAX_RANK:
        raise refused(
            "rank",
            f"{where} must be a whole number from 1 to {MAX_RANK}, not {shown(value)}: "
            "reduce the rank (genome.compose.merge) or correct the file",
        )
    return value


def _alpha(value: Any, where: str) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not abs(value) <= MAX_ALPHA:
        raise refused(
            "alpha",
            f"{where} must be a number from -{MAX_ALPHA} to {MAX_ALPHA}, not "
            f"{shown(value)}: correct the file",
        )
    return float(value)


def _table(config: dict[str, Any], key: str, read: Callable[[Any, str], Any]) -> dict[str, Any]:
    table = config.get(key) or {}
    if not isinstance(table, dict) or len(table) > MAX_NAMES:
        raise _wrong_value(key, table, f"an object of at most {MAX_NAMES} names")
    return {name: read(value, f"{key}[{shown(name)}]") for name, value in table.items()}


def _targets(config: dict[str, Any]) -> str | frozenset[str] | None:
    if config.get("target_modules") is None:
        return None
    names = _names(config, "target_modules")
    if not names:
        raise _wrong_value("target_modules", names, "the names of the modules that are changed")
    return names if isinstance(names, str) else frozenset(map(unwrapped, names))


def _names(config: dict[str, Any], key: str) -> str | frozenset[str]:
    names = config.get(key)
    if isinstance(names, str):
        return names
    if isinstance(names, list) and len(names) <= MAX_NAMES:
        if all(isinstance(name, str) and name for name in names):
            return frozenset(names)
    elif not names:
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
    if not isinstance(listed, list) or not all(
        _matches(r"[A-Za-z0-9_]+(\.[A-Za-z0-9_]+)*", n) for n in listed
    ):
        raise _wrong_value("layers_pattern", names, "a module name or a list of them")
    return tuple(listed)


def _matches(pattern: str, value: object) -> bool:
    return isinstance(value, str) and len(value) <= 200 and bool(re.fullmatch(pattern, value))


def _wrong_value(key: str, value: object, wanted: str) -> LayerRejected:
    return refused(
        "config_value", f"{key} must be {wanted}, not {shown(value)}: correct {CONFIG_FILE}"
    )
