"""Any causal LM as the hub has it works, or one line says why it does not."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file

from academy.challenge import Challenge
from academy.evaluator import LocalEvaluator
from academy.exam import exam_sheet, sit_exam
from genome import base_folder, base_model
from genome.base_model import IGNORED, BaseModel
from genome.errors import BaseModelError, TooLongError
from genome.genome import Genome
from persona.engine import Engine
from persona.sampling import Sampling
from tests.support.genome import random_layer, tiny_base, tiny_model

KINDS = ("llama", "gpt2", "qwen2")


@pytest.fixture(scope="module")
def bases(tokenizer: Any, tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Path]:
    """Makes a base folder of a kind; random weights, the embedded base's tokenizer."""

    def make(kind: str, change: Callable[[Path], Any] = lambda _: None) -> Path:
        folder = tmp_path_factory.mktemp(kind) / "base"
        tiny_model(kind).save_pretrained(folder)
        tokenizer.save_pretrained(folder)
        change(folder)
        return folder

    return make


def _edited(file: str, **changes: Any) -> Callable[[Path], None]:
    """Sets keys of a JSON file; None takes one away."""

    def change(folder: Path) -> None:
        facts = json.loads((folder / file).read_text()) | changes
        kept = {key: value for key, value in facts.items() if value is not None}
        (folder / file).write_text(json.dumps(kept))

    return change


def _removed(*patterns: str) -> Callable[[Path], None]:
    def change(folder: Path) -> None:
        for pattern in patterns:
            for file in folder.glob(pattern):
                file.unlink()

    return change


def _with_adapter(folder: Path) -> None:
    base = BaseModel.load(folder)
    random_layer(base.model, base.fingerprint).to_peft(folder.parent / "adapter")
    for file in (folder.parent / "adapter").glob("adapter_*"):
        shutil.copy(file, folder)


def _only_adapter(folder: Path) -> None:
    _with_adapter(folder)
    _removed("model*", "config.json", "tokenizer*")(folder)


def _pointer(folder: Path) -> None:
    (folder / "model.safetensors").write_text("version https://git-lfs.github.com/spec/v1\n")


def _written(file: str, text: str) -> Callable[[Path], None]:
    return lambda folder: (folder / file).write_text(text) and None


def _half(file: str) -> Callable[[Path], None]:
    def change(folder: Path) -> None:
        whole = (folder / file).read_bytes()
        (folder / file).write_bytes(whole[: len(whole) // 2])

    return change


def _as_pickle(folder: Path) -> None:
    torch.save(load_file(folder / "model.safetensors"), folder / "pytorch_model.bin")
    (folder / "model.safetensors").unlink()


def _sharded_but_one(folder: Path) -> None:
    tensors = load_file(folder / "model.safetensors")
    (folder / "model.safetensors").unlink()
    names = sorted(tensors)
    save_file({n: tensors[n] for n in names[:3]}, folder / "model-1.safetensors")
    places = {n: f"model-{1 if n in names[:3] else 2}.safetensors" for n in names}
    index = {"metadata": {}, "weight_map": places}
    (folder / "model.safetensors.index.json").write_text(json.dumps(index))


def test_sharded_weights_are_the_same_base(bases: Callable[..., Path]) -> None:
    """Large models come in several files with an index of them."""

    def shard(folder: Path) -> None:
        _sharded_but_one(folder)
        tensors = tiny_model("llama").state_dict()
        first = load_file(folder / "model-1.safetensors")
        rest = {n: t for n, t in tensors.items() if n not in first and n != "lm_head.weight"}
        save_file(rest, folder / "model-2.safetensors")

    whole, parts = BaseModel.load(bases("llama")), BaseModel.load(bases("llama", shard))
    ids = torch.tensor(whole.prompt_ids(["abc"]))
    assert torch.equal(whole.model(input_ids=ids).logits, parts.model(input_ids=ids).logits)


def test_from_the_hub_or_from_a_folder_it_is_the_same_base(
    bases: Callable[..., Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A commit of the hub, or files beside the weights that are loaded, make no other base."""
    folder, commit = bases("llama"), "0123456789abcdef" * 2 + "01234567"
    model = tmp_path / "models--org--name"
    shutil.copytree(folder, model / "snapshots" / commit)
    (model / "snapshots" / commit / "consolidated.safetensors").write_bytes(b"others")
    (model / "refs").mkdir()
    (model / "refs" / "main").write_text(commit)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    assert BaseModel.load("org/name").fingerprint == BaseModel.load(folder).fingerprint


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("lack", ["chat_template", "pad_token", "both"])
def test_a_base_without_template_or_padding_answers_and_learns_to_the_letter(
    bases: Callable[..., Path], kind: str, lack: str
) -> None:
    """Scores are those of generation, one by one or together; nothing fails."""

    def change(folder: Path) -> None:
        if lack != "pad_token":
            _removed("chat_template*")(folder)
            _edited("tokenizer_config.json", chat_template=None)(folder)
        if lack != "chat_template":
            _edited("tokenizer_config.json", pad_token=None)(folder)

    base = BaseModel.load(bases(kind, change))
    evaluator = LocalEvaluator(base)
    genome = Genome.of(random_layer(base.model, base.fingerprint, scale=0.02))
    engine = Engine(base)
    questions = ["a", "bcd", "efghijkl"]
    said = [engine.answer(genome, q, Sampling(max_tokens=6)) for q in questions]
    asked = [Challenge(q, a or "x", "s", "d") for q, a in zip(questions, said, strict=True)]
    together = evaluator.losses([genome], asked)[0]
    alone = [evaluator.losses([genome], [one])[0, 0] for one in asked]
    torch.testing.assert_close(torch.tensor(together), torch.tensor(alone), rtol=1e-5, atol=1e-5)
    numbers = [Challenge(q, "1", "s", "d", tolerance=0.0) for q in questions]
    evaluator.scores([genome], numbers)
    assert evaluator.failures == 0
    rows = base.rows(questions, ["x", "yz", "q"])
    assert rows.labels[0, -1] == IGNORED and rows.input_ids[0, -1] == base.tokenizer.pad_token_id


def test_a_plain_template_is_said_once(
    bases: Callable[..., Path], caplog: pytest.LogCaptureFixture
) -> None:
    folder = bases("llama", lambda f: _removed("chat_template*")(f))
    for _ in range(2):
        base = BaseModel.load(folder)
    assert base.tokenizer.chat_template == base_folder.PLAIN_TEMPLATE
    assert [r.message for r in caplog.records if "no chat template" in r.message] == [
        f"base model {str(folder)!r} has no chat template: questions are put to it as plain text"
    ]
    assert base.tokenizer.decode(base.prompt_ids(["2+2?"])[0]) == "Question:\n2+2?\nAnswer:\n"


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    ("change", "message"),
    [
        (_with_adapter, "an adapter .* lies beside the weights.*: move the adapter's files"),
        (_only_adapter, "it is an adapter, not a base model.*: import it with"),
        (_removed("tokenizer*", "vocab*", "merges*"), "it has no tokenizer.*: copy tokenizer.json"),
        (_removed("model*"), "no file named model.safetensors"),
        (_removed("config.json"), "it has no config.json"),
        (_removed("*"), "it has no config.json"),
        (_written("config.json", "{"), "config.json: .*: fetch it again"),
        (_edited("config.json", model_type="own", auto_map={"AutoConfig": "a.B"}), "never run"),
        (_half("model.safetensors"), "model.safetensors is damaged or half there.*: fetch it"),
        (_as_pickle, "its weights are a pickle, which could run anything.*: where you trust them"),
        (_sharded_but_one, "1 of 2 files of its weights are not there.*: fetch them"),
        (_pointer, "Git LFS pointer, not the file itself.*: fetch the real one"),
        (
            _edited("config.json", num_hidden_layers=3, n_layer=3, layer_types=None),
            "lack .* of the tensors",
        ),
        (_edited("config.json", vocab_size=300), "another shape"),
    ],
)
def test_what_is_no_whole_base_is_refused_in_one_line(
    bases: Callable[..., Path], kind: str, change: Callable[[Path], None], message: str
) -> None:
    """Never an adapter mixed in, never weights made up."""
    with pytest.raises(BaseModelError, match=message) as refusal:
        BaseModel.load(bases(kind, change))
    assert "\n" not in str(refusal.value)


def test_a_tokenizer_without_end_takes_the_models(bases: Callable[..., Path]) -> None:
    lost = _edited("tokenizer_config.json", eos_token=None)
    base = BaseModel.load(bases("llama", lost))
    assert base.tokenizer.eos_token_id == base.model.config.eos_token_id == 257

    def both(folder: Path) -> None:
        lost(folder)
        _edited("config.json", eos_token_id=None)(folder)
        _removed("generation_config.json")(folder)

    with pytest.raises(BaseModelError, match=r"which token ends an answer.*: set eos_token"):
        BaseModel.load(bases("llama", both))


def test_a_tokenizer_of_another_model_is_refused(tokenizer: Any) -> None:
    """Its words would have no place in the model, and every question would fail."""
    small = tiny_model("llama")
    small.resize_token_embeddings(200)
    with pytest.raises(BaseModelError, match=r"261 tokens, the model 200.*: take the tokenizer"):
        BaseModel("small", small, tokenizer)


def test_an_exam_that_fails_for_one_cause_is_no_result(tokenizer: Any) -> None:
    """Not 0.0 %: the cause, once; a few failures cost themselves only."""
    from academy.errors import ExamFailedError

    base = tiny_base(tokenizer)
    evaluator, genomes = LocalEvaluator(base), [Genome(base.fingerprint)]
    sheet = exam_sheet("case", 6, "audit")
    long = [Challenge("x" * (200 + i), "1", "s", "d") for i in range(7)]
    assert sit_exam(evaluator, genomes, [*sheet, *long[:6]])[0].n_questions == 12
    with pytest.raises(ExamFailedError, match=r"7 of 13 answers .* longer than the 128 positions"):
        sit_exam(evaluator, genomes, [*sheet, *long])


@pytest.mark.parametrize("kind", KINDS)
def test_a_batch_is_as_large_as_memory_allows(
    bases: Callable[..., Path], kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A long question does not widen short ones; every question is asked once, scored alike."""
    base = BaseModel.load(bases(kind))
    prompts = [*("ab" for _ in range(9)), "x" * 80, *("abc" for _ in range(9))]
    answers = ["y"] * len(prompts)
    assert base.batches(prompts, answers) == [list(range(19))]
    genome = Genome.of(random_layer(base.model, base.fingerprint, scale=0.02))
    asked = [Challenge(p, a, "s", "d") for p, a in zip(prompts, answers, strict=True)]
    whole = LocalEvaluator(base).losses([genome], asked)
    width = len(base.prompt_ids(["abc"])[0]) + 1
    monkeypatch.setattr(base_model, "BATCH_BYTES", 20 * base.row_bytes(width, width))
    parts = base.batches(prompts, answers)
    assert [len(part) for part in parts] == [18, 1] and parts[1] == [9]
    assert sorted(i for part in parts for i in part) == list(range(19))
    evaluator = LocalEvaluator(base)
    torch.testing.assert_close(
        torch.tensor(evaluator.losses([genome], asked)), torch.tensor(whole), rtol=1e-5, atol=1e-5
    )
    assert evaluator.tokens.forward < 19 * 60
    choices = [Challenge(p, "y", "s", "d", choices=("y", "z")) for p in prompts]
    numbers = [Challenge(p, "7", "s", "d", tolerance=1.0) for p in prompts]
    split = evaluator.scores([genome], [*asked, *choices, *numbers])
    monkeypatch.undo()
    together = LocalEvaluator(base).scores([genome], [*asked, *choices, *numbers])
    assert (split == together).all() and evaluator.failures == 0


def test_a_question_longer_than_the_base_is_named(tokenizer: Any) -> None:
    base = tiny_base(tokenizer)
    with pytest.raises(TooLongError, match=r"'xx+' has \d+ tokens .* 128 positions .*: shorten it"):
        base.rows(["a", "x" * 150], ["b", "c"])


def test_no_question_makes_a_batch_larger_than_planned(
    tokenizer: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Bytes are a bound for tokens, so that nothing is encoded twice where it need not be."""
    base = tiny_base(tokenizer)
    prompts = ["é" * n for n in range(1, 40)]
    monkeypatch.setattr(base_model, "BATCH_BYTES", 10 * base.row_bytes(50, 50))
    lengths = [len(ids) for ids in base.prompt_ids(prompts)]
    for part in base.batches(prompts):
        widest = max(lengths[i] for i in part)
        taken = len(part) * base.row_bytes(widest, widest)
        assert len(part) == 1 or taken <= base_model.BATCH_BYTES
