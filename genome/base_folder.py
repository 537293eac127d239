"""What a base model's folder must hold, and what is put in place of what it lacks.

Loading libraries are kind to a fault: they mix in an adapter that lies beside the weights, fill
missing weights with random numbers, and fail at the first question where a tokenizer lacks a
template or a padding token. Here each is said in one line, before anything is asked.
"""

from __future__ import annotations

import functools
import json
import logging
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from genome.errors import BaseModelError

PLAIN_TEMPLATE = (
    "{% set names = {'user': 'Question', 'assistant': 'Answer'} %}"
    "{% for message in messages %}"
    "{{ names.get(message['role'], message['role'] | capitalize) }}:\n{{ message['content'] }}\n"
    "{% endfor %}{% if add_generation_prompt %}Answer:\n{% endif %}"
)
"""How messages are put to a model that was not trained on any chat format."""
_WEIGHTS = ("*.safetensors", "*.bin", "*.pt", "*.pth")
_INDEX = "model.safetensors.index.json"
_TOKENIZERS = ("tokenizer.json", "tokenizer.model", "spiece.model", "vocab.*", "*.tiktoken")
_POINTER = b"version https://git-lfs"
logger = logging.getLogger(__name__)


def check_base_folder(path: str | Path) -> None:
    """Refuse what would load as something else than the base model it is taken for.

    Raises:
        BaseModelError: It is or holds an adapter, a pointer where a file should be, half a file, or
            weights that only a pickle or code of its own could load.
    """
    folder = Path(path)
    if not folder.is_dir():
        _refuse_adapter(str(path), _adapter_config(str(path)), weights=False)
        return
    weights = [file for kind in _WEIGHTS for file in folder.glob(kind)]
    own = [file for file in weights if not file.name.startswith(("adapter_", "training_args"))]
    _refuse_adapter(str(path), (folder / "adapter_config.json").exists(), weights=bool(own))
    for file in (*own, *folder.glob("tokenizer*")):
        with file.open("rb") as opened:
            if opened.read(len(_POINTER)) == _POINTER:
                raise BaseModelError(
                    str(path),
                    f"{file.name} is a Git LFS pointer, not the file itself",
                    "fetch the real one with `git lfs pull`",
                )
    _check_config(folder)
    _check_weights(folder, [file for file in own if file.suffix == ".safetensors"], bool(own))


def _check_config(folder: Path) -> None:
    from transformers import CONFIG_MAPPING

    try:
        config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
        kind, own_code = config.get("model_type"), "auto_map" in config
    except FileNotFoundError:
        raise BaseModelError(str(folder), "it has no config.json") from None
    except (OSError, ValueError, AttributeError) as error:
        raise BaseModelError(str(folder), f"config.json: {error}", "fetch it again") from None
    if own_code and kind not in CONFIG_MAPPING:
        raise BaseModelError(
            str(folder),
            f"its architecture {kind!r:.60} needs code of its own, which is never run",
            "give a model of an architecture that transformers has",
        )


def _check_weights(folder: Path, files: Sequence[Path], any_weights: bool) -> None:
    from safetensors import SafetensorError, safe_open

    if any_weights and not files:
        raise BaseModelError(
            str(folder),
            "its weights are a pickle, which could run anything",
            "where you trust them, write them as safetensors with save_pretrained of transformers",
        )
    for file in files:
        try:
            with safe_open(file, framework="np") as opened:
                opened.keys()
        except (SafetensorError, OSError) as error:
            raise BaseModelError(
                str(folder), f"{file.name} is damaged or half there: {error}", "fetch it again"
            ) from None
    if not (folder / _INDEX).exists():
        return
    try:
        index = json.loads((folder / _INDEX).read_text(encoding="utf-8"))
        needed = {str(name) for name in index["weight_map"].values()}
    except (OSError, ValueError, KeyError, AttributeError, TypeError) as error:
        raise BaseModelError(str(folder), f"{_INDEX}: {error}", "fetch it again") from None
    lacking = sorted(needed - {file.name for file in files})
    if lacking:
        raise BaseModelError(
            str(folder),
            f"{len(lacking)} of {len(needed)} files of its weights are not there, such as "
            f"{lacking[0]!r:.80}",
            "fetch them",
        )


def _adapter_config(name: str) -> bool:
    """Whether a repository of the hub is an adapter, as transformers would find out."""
    from transformers.utils.peft_utils import find_adapter_config_file

    return find_adapter_config_file(name) is not None


def _refuse_adapter(path: str, adapter: bool, *, weights: bool) -> None:
    if adapter and weights:
        raise BaseModelError(
            path,
            "an adapter (adapter_config.json) lies beside the weights, and loading would mix it in",
            "move the adapter's files into a folder of their own and import that with "
            "`continuum layer import FOLDER`",
        )
    if adapter:
        raise BaseModelError(
            path,
            "it is an adapter, not a base model",
            "import it with `continuum layer import "
            "FOLDER`, "
            "and give the folder of the base it was trained for",
        )


def check_loaded(path: str, info: Mapping[str, Any]) -> None:
    """Refuse a model some of whose weights are random because the folder lacks them.

    Args:
        info: What transformers says of the loading (`output_loading_info`).

    Raises:
        BaseModelError: It does; the first is named.
    """
    for what, said in (("missing", "lack"), ("mismatched", "have another shape for")):
        keys = sorted(str(k[0] if isinstance(k, tuple) else k) for k in info[f"{what}_keys"])
        if keys:
            raise BaseModelError(
                path,
                f"its weights {said} {len(keys)} of the tensors in config.json, such as "
                f"{keys[0]!r}",
                "take config.json and the weights of one model",
            )


def load_tokenizer(path: str | Path) -> Any:
    """The folder's tokenizer.

    Raises:
        BaseModelError: It has none, or it cannot be read.
    """
    from transformers import AutoTokenizer

    folder = Path(path)
    if folder.is_dir() and not any(found for kind in _TOKENIZERS for found in folder.glob(kind)):
        raise BaseModelError(
            str(path),
            "it has no tokenizer",
            "copy tokenizer.json and tokenizer_config.json of the model it was made from into it",
        )
    return AutoTokenizer.from_pretrained(path, trust_remote_code=False)


def complete_tokenizer(path: str, tokenizer: Any, model: Any) -> Any:
    """The same tokenizer with what answering needs: end of sequence, padding, a template.

    Padding is never attended to, so the end of sequence serves. What is put in place of something
    that is missing is said once.

    Raises:
        BaseModelError: Nothing says where an answer ends, or words have no place in the model.
    """
    if tokenizer.eos_token is None:
        tokenizer.eos_token = _end_of(path, tokenizer, model)
    if tokenizer.pad_token is None:
        tokenizer.pad_token = tokenizer.eos_token
    if not tokenizer.chat_template:
        tokenizer.chat_template = PLAIN_TEMPLATE
        _say(f"base model {path!r} has no chat template: questions are put to it as plain text")
    n_rows = model.get_input_embeddings().weight.shape[0]
    if not tokenizer("1 a", add_special_tokens=False)["input_ids"]:
        raise BaseModelError(
            path, "its tokenizer makes nothing of a text", "copy the tokenizer of the model again"
        )
    if max(tokenizer.get_vocab().values()) >= n_rows:
        raise BaseModelError(
            path,
            f"its tokenizer has {len(tokenizer)} tokens, the model {n_rows}",
            "take the tokenizer that the model was trained with",
        )
    return tokenizer


def _end_of(path: str, tokenizer: Any, model: Any) -> str:
    """The token that the model's own settings end with; a class's default may be any word."""
    for settings in (model.generation_config, model.config):
        stated = getattr(settings, "eos_token_id", None)
        for number in stated if isinstance(stated, list) else [stated]:
            if number in tokenizer.added_tokens_decoder:
                return str(tokenizer.added_tokens_decoder[number])
    raise BaseModelError(
        path, "nothing says which token ends an answer", "set eos_token in tokenizer_config.json"
    )


@functools.cache
def _say(text: str) -> None:
    """Once in a process, wherever warnings go."""
    logger.warning(text)
