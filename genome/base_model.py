"""The frozen language model that every layer of a genome changes a little.

Any Hugging Face causal LM on a local path (or hub id) will do; `seeds/base` is the one that
ships. Questions go through the tokenizer's chat template, so the same code drives a
byte-level toy and a real instruction model.
"""

from __future__ import annotations

import contextlib
import functools
import hashlib
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from jinja2 import TemplateError

from genome.base_folder import (
    check_base_folder,
    check_loaded,
    complete_tokenizer,
    load_tokenizer,
)
from genome.errors import BaseModelError, NoRoomError, TooLargeError, TooLongError
from genome.memory import Footprint, allowed
from genome.preamble import Preamble
from genome.running.packed import can_pack
from genome.running.quantised import quantise
from genome.spelling import Spelling

BATCH_BYTES, WIDE_BATCH_BYTES = 2 << 30, 1 << 29
"""What a batch takes at once at most, if so much is allowed; of a base with a large vocabulary.

More rows would not be quicker there. On a small base all ordinary batches stay in one piece: the
last bits of what is recorded depend on it.
"""
WIDE_VOCABULARY = 4096
"""Tokens from which on the head runs on each row's own answer positions alone.

Below, picking them costs more than it saves, and the head runs on the columns of any row's answer.
"""
PRECISIONS = ("float32", "bfloat16", "int8")
"""In which a base may be held."""
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
    past: Any = None
    """The model's cache of what stands before these positions, by row; None = nothing does."""

    @property
    def n_tokens(self) -> int:
        """Positions computed, padding included: what a forward pass costs."""
        return self.input_ids.numel()


def answer_places(labels: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Each row's own answer positions in order, and the labels there, (n_rows, longest answer).

    A row with a shorter answer has other positions behind its own, whose labels are IGNORED.
    """
    own = labels != IGNORED
    order = own.int().argsort(dim=1, descending=True, stable=True)
    places = order[:, : int(own.sum(1).max())]
    return places, labels.gather(1, places)


class BaseModel:
    """A causal LM, its tokenizer, and the fingerprint that layers are bound to."""

    def __init__(
        self,
        path: str,
        model: Any,
        tokenizer: Any,
        revision: str = "",
        preamble: Preamble | None = None,
    ) -> None:
        self.path = path
        self.revision = revision
        """Hash of the weight files, from the hub or not; empty = made in memory."""
        self.model = model.eval().requires_grad_(False)
        self.tokenizer = complete_tokenizer(path, tokenizer, model)
        self.preamble = preamble or Preamble()
        self._rendered = functools.lru_cache(maxsize=65536)(self._render)

    @classmethod
    def load(cls, path: str | Path, *, dtype: str = "float32") -> BaseModel:
        """Load a model folder (or hub id) with the ordinary transformers loaders.

        Args:
            dtype: One of `PRECISIONS`: of the base's weights, and but for int8 of what is computed
                with them. Layers and their training stay float32; but in bfloat16 and int8 an
                answer may depend on the batch it is written in, and int8 is for answering only.

        Raises:
            BaseModelError: A file is missing, unreadable or not a causal LM, or an adapter is
                among them.
        """
        from transformers import AutoModelForCausalLM

        try:
            check_base_folder(path)
            loaded: Any = AutoModelForCausalLM.from_pretrained(
                path,
                dtype=torch.bfloat16 if dtype == "bfloat16" else torch.float32,
                attn_implementation="eager",
                ignore_mismatched_sizes=True,
                output_loading_info=True,
                trust_remote_code=False,
                use_safetensors=True,
            )  # on a CPU, short rows run a quarter faster eager than with sdpa
            model, info = loaded
            check_loaded(str(path), info)
            tokenizer = load_tokenizer(path)
        except BaseModelError:
            raise
        except Exception as error:  # transformers raises OSError, ValueError, SafetensorError, ...
            raise BaseModelError(str(path), error) from error
        if dtype == "int8":
            quantise(model)
        return cls(str(path), model, tokenizer, _weights_hash(path))

    @classmethod
    def outline(cls, path: str | Path) -> BaseModel:
        """The same without numbers (PyTorch's meta device), for what another program computes.

        Raises:
            BaseModelError: A file is missing, unreadable or not a causal LM.
        """
        from transformers import AutoConfig, AutoModelForCausalLM, GenerationConfig

        try:
            check_base_folder(path)
            config = AutoConfig.from_pretrained(path, trust_remote_code=False)
            with torch.device("meta"):
                model = AutoModelForCausalLM.from_config(config, trust_remote_code=False)
            with contextlib.suppress(OSError):  # then it is the configuration's
                model.generation_config = GenerationConfig.from_pretrained(path)
            return cls(str(path), model, load_tokenizer(path), _weights_hash(path))
        except BaseModelError:
            raise
        except Exception as error:  # transformers raises OSError, ValueError, ...
            raise BaseModelError(str(path), error) from error

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
    def prompt_digest(self) -> str:
        """16 hex digits over how a question is put: the chat template, with the preamble."""
        return hashlib.sha256(self._render("{question}").encode()).hexdigest()[:16]

    @functools.cached_property
    def opening(self) -> int:
        """Tokens that every question begins with: of the chat template and the preamble."""
        one, other = self.prompt_ids(["a", "1"])
        return next(i for i, pair in enumerate(zip(one, other, strict=False)) if len({*pair}) > 1)

    def after(self, preamble: Preamble) -> BaseModel:
        """The same base, every question of which is put after a preamble."""
        return BaseModel(self.path, self.model, self.tokenizer, self.revision, preamble)

    @functools.cached_property
    def has_system_role(self) -> bool:
        """Whether the chat template shows what a system message says."""
        said = Preamble("{system}").messages("{question}", system_role=True)
        try:
            return "{system}" in self.tokenizer.apply_chat_template(said, tokenize=False)
        except (TemplateError, TypeError):  # it refuses one
            return False

    @functools.cached_property
    def spelling(self) -> Spelling:
        """How its tokenizer spells texts, and all tokens that end a turn."""
        return Spelling.of(self.tokenizer, self.model)

    @functools.cached_property
    def linear_shapes(self) -> dict[str, tuple[int, int]]:
        """(out, in) of every linear module a layer may change: all but the output head."""
        return {
            name: (module.out_features, module.in_features)
            for name, module in self.model.named_modules()
            if isinstance(module, torch.nn.Linear) and not name.endswith("lm_head")
        }

    @functools.cached_property
    def positions(self) -> int:
        """Positions the model was made for; very many where its configuration does not say."""
        for name in ("max_position_embeddings", "n_positions", "max_seq_len", "n_ctx"):
            if isinstance(found := getattr(self.model.config, name, None), int):
                return found
        return 1 << 30

    def _render(self, prompt: str) -> str:
        preamble = self.preamble
        messages = preamble.messages(
            prompt, system_role=not preamble.system or self.has_system_role
        )
        text = self.tokenizer.apply_chat_template(
            messages, tokenize=False, add_generation_prompt=True
        )
        return str(text)

    def prompt_ids(self, prompts: Sequence[str]) -> list[list[int]]:
        """Token ids of each question as the chat template puts it, up to the answer's start."""
        texts = [self._rendered(prompt) for prompt in prompts]
        if not texts:  # (the tokenizer fails on none)
            return []
        ids: list[list[int]] = self.tokenizer(texts, add_special_tokens=False)["input_ids"]
        return ids

    def answer_ids(self, answers: Sequence[str]) -> list[list[int]]:
        """Token ids of each answer, the end-of-sequence token included."""
        ends = [answer + self.tokenizer.eos_token for answer in answers]
        ids: list[list[int]] = self.tokenizer(ends, add_special_tokens=False)["input_ids"]
        return ids

    @functools.cached_property
    def footprint(self) -> Footprint:
        """What a row of this model takes of the memory while it is computed."""
        return Footprint.of(self.model)

    @functools.cached_property
    def is_wide(self) -> bool:
        """Whether the vocabulary is so large that the head runs on answer positions alone."""
        return self.footprint.vocabulary > WIDE_VOCABULARY

    @functools.cached_property
    def packs(self) -> bool:
        """Whether rows of unequal length can be laid end to end (`genome.running.packed`)."""
        return can_pack(self.model)

    def scored_places(self, labels: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Where the head has to run (`logits_to_keep`), and the labels there.

        Args:
            labels: (n_rows, n_positions), as in `Rows`.

        Returns:
            (n_rows, n) int64 positions by row or (n,) of all, and labels, (n_rows, n).
        """
        if self.is_wide:
            return answer_places(labels)
        asked = (labels != IGNORED).any(0).nonzero().flatten()
        return asked, labels[:, asked]

    def row_bytes(self, width: int, scored: int, *, kept: int = 0) -> int:
        """What a row of so many positions takes in a forward pass (see `Footprint.reading`)."""
        return self.footprint.reading(width, scored if self.is_wide else width, kept=kept)

    def refusal(self, question: str, n_tokens: int, n_scored: int) -> NoRoomError | None:
        """Why a row of so many tokens cannot be computed here even alone; None if it can.

        Args:
            n_scored: Positions whose logits are wanted.
        """
        if n_tokens > self.positions:
            return TooLongError(question, n_tokens, self.positions)
        needed = self.row_bytes(n_tokens, n_scored)
        return TooLargeError(question, needed, allowed()) if needed > allowed() else None

    def batches(
        self,
        prompts: Sequence[str],
        answers: Sequence[str] | None = None,
        *,
        room: int = 0,
        most: int | None = None,
    ) -> list[list[int]]:
        """Which questions go through the model together, by their places.

        In the order given while they fit into BATCH_BYTES or what is allowed; else by length, so
        that a long one does not widen the others.

        Args:
            answers: Read along with the questions.
            room: Positions that are written after each.
            most: Questions that go together at most.
        """
        read = answers or [""] * len(prompts)
        most_read = _most(read)
        sure = [
            (p + a + room + self.frame, a + 1)
            for p, a in zip(_most(prompts), most_read, strict=True)
        ]
        most = most or max(1, len(prompts))
        order = list(range(len(prompts)))
        parts = [order[i : i + most] for i in range(0, len(order), most)]

        opened = self.opening if self.is_wide else 0
        room_bytes = min(WIDE_BATCH_BYTES if self.is_wide else BATCH_BYTES, allowed())

        def fit(n_rows: int, width: int, scored: int) -> bool:
            each = self.row_bytes(width, scored, kept=width if room else opened)
            return n_rows <= most and n_rows * each <= room_bytes

        def all_fit(sizes: Sequence[tuple[int, int]]) -> bool:
            widest = ([max(sizes[i][j] for i in part) for j in (0, 1)] for part in parts)
            return all(fit(len(part), *most) for part, most in zip(parts, widest, strict=True))

        if all_fit(sure):
            return parts
        sizes = [(len(ids) + room, 1) for ids in self.prompt_ids(prompts)]
        if answers is not None:
            pairs = zip(sizes, self.answer_ids(answers), strict=True)
            sizes = [(n + len(ids) - 1, len(ids)) for (n, _), ids in pairs]
        return parts if all_fit(sizes) else cut_by_length(sizes, fit)

    @functools.cached_property
    def frame(self) -> int:
        """Tokens of the chat template around a question, and some more."""
        return len(self.prompt_ids([""])[0]) + 8

    def rows(self, prompts: Sequence[str], answers: Sequence[str]) -> Rows:
        """Encode questions with their right answers, the end-of-sequence token included.

        Raises:
            TooLongError: The model has no positions for a question with its answer.
            TooLargeError: Not even this row alone fits into the memory allowed.
        """
        answer_ids, prompt_ids = self.answer_ids(answers), self.prompt_ids(prompts)
        widths = [len(p) + len(a) - 1 for p, a in zip(prompt_ids, answer_ids, strict=True)]
        for prompt, width, answer_tokens in zip(prompts, widths, answer_ids, strict=True):
            if refused := self.refusal(prompt, width, len(answer_tokens)):
                raise refused
        n_positions = max(widths)
        pad = self.tokenizer.pad_token_id
        input_ids = torch.full((len(prompts), n_positions), pad, dtype=torch.int64)
        labels = torch.full((len(prompts), n_positions), IGNORED, dtype=torch.int64)
        for row, (question, answer) in enumerate(zip(prompt_ids, answer_ids, strict=True)):
            whole = torch.tensor(question + answer)
            input_ids[row, : len(whole) - 1] = whole[:-1]
            labels[row, len(question) - 1 : len(whole) - 1] = whole[len(question) :]
        return Rows(input_ids, labels)


def cut_by_length(
    sizes: Sequence[tuple[int, int]], fit: Callable[[int, int, int], bool]
) -> list[list[int]]:
    """Places by length, cut where one row more would not fit.

    Args:
        sizes: Positions and scored positions of every row.
        fit: Whether so many rows of so many positions and scored positions go together.
    """
    parts: list[list[int]] = [[]]
    most_scored = 0
    for place in sorted(range(len(sizes)), key=lambda i: sizes[i][0]):
        width, scored = sizes[place]
        most_scored = max(most_scored, scored)
        if parts[-1] and not fit(len(parts[-1]) + 1, width, most_scored):
            parts.append([])
            most_scored = scored
        parts[-1].append(place)
    return parts


def _most(texts: Sequence[str]) -> list[int]:
    """Tokens that texts have at most: a token is one byte or more."""
    return [len(text.encode(errors="surrogatepass")) for text in texts]


def _weights_hash(path: str | Path) -> str:
    """sha256 over the weight files that transformers loads, in the order of their names."""
    from transformers.utils.hub import cached_file

    folder = Path(str(cached_file(str(path), "config.json"))).parent
    files = [folder / "model.safetensors"]
    if not files[0].exists():
        index = json.loads((folder / "model.safetensors.index.json").read_text(encoding="utf-8"))
        files = sorted(folder / name for name in {*index["weight_map"].values()})
    digest = hashlib.sha256()
    for each in files:
        with each.open("rb") as file:
            digest.update(hashlib.file_digest(file, "sha256").digest())
    return digest.hexdigest()
