"""The frozen language model that every layer of a genome changes a little.

Any Hugging Face causal LM on a local path (or hub id) will do; `seeds/base` is the one that
ships. Questions go through the tokenizer's chat template, so the same code drives a
byte-level toy and a real instruction model.
"""

from __future__ import annotations

import functools
import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from genome.errors import BaseModelError

IGNORED = -100
"""Label of a position that is not scored (PyTorch's cross-entropy convention)."""


@dataclass(frozen=True, slots=True)
class Rows:
    """Right-padded question-and-answer rows, ready for a causal LM.

    With padding on the right no real token can attend to a pad, so no attention mask is
    needed and the fast causal kernel applies.
    """

    input_ids: torch.Tensor
    """(n_rows, n_positions) int64."""
    labels: torch.Tensor
    """(n_rows, n_positions) int64: the next token where it belongs to the answer, else IGNORED."""

    @property
    def n_tokens(self) -> int:
        """Positions computed, padding included: what a forward pass costs."""
        return self.input_ids.numel()


class BaseModel:
    """A causal LM, its tokenizer, and the fingerprint that layers are bound to."""

    def __init__(self, path: str, model: Any, tokenizer: Any, revision: str = "") -> None:
        self.path = path
        self.revision = revision
        """Commit of the hub, or hash of the folder's weight files; empty = made in memory."""
        self.model = model.eval().requires_grad_(False)
        self.tokenizer = tokenizer
        self._rendered = functools.lru_cache(maxsize=65536)(self._render)

    @classmethod
    def load(cls, path: str | Path) -> BaseModel:
        """Load a model folder (or hub id) with the ordinary transformers loaders.

        Raises:
            BaseModelError: A file is missing, unreadable or not a causal LM.
        """
        from transformers import AutoModelForCausalLM, AutoTokenizer

        try:
            model = AutoModelForCausalLM.from_pretrained(
                path, dtype=torch.float32, attn_implementation="eager"
            )  # on a CPU, short rows run a quarter faster eager than with sdpa
            tokenizer = AutoTokenizer.from_pretrained(path)
        except Exception as error:  # transformers raises OSError, ValueError, SafetensorError, ...
            raise BaseModelError(str(path), error) from error
        revision = getattr(model.config, "_commit_hash", None) or _weights_hash(Path(path))
        return cls(str(path), model, tokenizer, revision)

    @functools.cached_property
    def fingerprint(self) -> str:
        """16 hex digits over architecture shapes, the tokenizer's vocabulary and the revision.

        A layer fits the weights it was trained on, not merely their shapes.
        """
        shapes = sorted((n, tuple(p.shape)) for n, p in self.model.state_dict().items())
        vocabulary = sorted(self.tokenizer.get_vocab().items())
        text = json.dumps([self.model.config.model_type, shapes, vocabulary, self.revision])
        return hashlib.sha256(text.encode()).hexdigest()[:16]

    @functools.cached_property
    def linear_shapes(self) -> dict[str, tuple[int, int]]:
        """(out, in) of every linear module a layer may change: all but the output head."""
        return {
            name: (module.out_features, module.in_features)
            for name, module in self.model.named_modules()
            if isinstance(module, torch.nn.Linear) and not name.endswith("lm_head")
        }

    def _render(self, prompt: str) -> str:
        messages = [{"role": "user", "content": prompt}]
        text = self.tokenizer.apply_chat_template(
            messages, tokenize=False, add_generation_prompt=True
        )
        return str(text)

    def prompt_ids(self, prompts: Sequence[str]) -> list[list[int]]:
        """Token ids of each question as the chat template puts it, up to the answer's start."""
        texts = [self._rendered(prompt) for prompt in prompts]
        ids: list[list[int]] = self.tokenizer(texts, add_special_tokens=False)["input_ids"]
        return ids

    def rows(self, prompts: Sequence[str], answers: Sequence[str]) -> Rows:
        """Encode questions with their right answers, the end-of-sequence token included."""
        ends = [answer + self.tokenizer.eos_token for answer in answers]
        answer_ids = self.tokenizer(ends, add_special_tokens=False)["input_ids"]
        prompt_ids = self.prompt_ids(prompts)
        n_positions = max(len(p) + len(a) for p, a in zip(prompt_ids, answer_ids, strict=True)) - 1
        pad = self.tokenizer.pad_token_id
        input_ids = torch.full((len(prompts), n_positions), pad, dtype=torch.int64)
        labels = torch.full((len(prompts), n_positions), IGNORED, dtype=torch.int64)
        for row, (question, answer) in enumerate(zip(prompt_ids, answer_ids, strict=True)):
            whole = torch.tensor(question + answer)
            input_ids[row, : len(whole) - 1] = whole[:-1]
            labels[row, len(question) - 1 : len(whole) - 1] = whole[len(question) :]
        return Rows(input_ids, labels)


def _weights_hash(folder: Path) -> str:
    """sha256 over a folder's weight files, in the order of their names."""
    digest = hashlib.sha256()
    for path in sorted(p for p in folder.glob("*") if p.suffix in (".safetensors", ".bin")):
        with path.open("rb") as file:
            digest.update(hashlib.file_digest(file, "sha256").digest())
    return digest.hexdigest()
