"""A wrong token proves a wrong text only where the text can be spelled in no other way."""

from __future__ import annotations

from typing import Any

import pytest

from genome.base_model import BaseModel
from genome.spelling import UNREADABLE, Spelling
from tests.support.genome import subword_tokenizer, tiny_base, tiny_model


def test_a_byte_tokenizer_spells_a_text_in_one_way(embedded: BaseModel) -> None:
    """But not what could be a special token, or the sign for broken characters."""
    spelling = embedded.spelling
    assert spelling.bytewise and spelling.ends == (257,)
    assert all(spelling.once(text) for text in ("", "a b", "grün", "\0\n", "<eo s>"))
    assert not spelling.once("ends with <eos>") and not spelling.once("a\ufffd")


@pytest.mark.parametrize("kind", ["bytes", "spaces"])
def test_merges_give_a_text_many_spellings(kind: str) -> None:
    spelling = _spelling(subword_tokenizer(kind))
    assert spelling.grows and not spelling.bytewise and not spelling.once("yellows")


@pytest.mark.parametrize("kind", ["bytes", "spaces"])
def test_a_first_wrong_token_settles_what_it_makes_impossible(kind: str) -> None:
    """Of every two tokens in place of the first: those that begin the answer leave it open."""
    tokenizer = subword_tokenizer(kind)
    spelling, answer = _spelling(tokenizer), "yellows é"
    ids = tokenizer(answer, add_special_tokens=False)["input_ids"]
    assert spelling.settles(answer, ids, -1, -1) and tokenizer.decode(ids) == answer
    left_open = []
    for token in range(len(tokenizer)):
        text = tokenizer.decode([token])
        if not spelling.settles(answer, ids, 0, token):
            left_open.append(text)
        else:
            assert token in spelling.ends or not answer.startswith(text)
    assert {"y"} <= set(left_open) <= {"y", "ye", UNREADABLE}  # a byte could begin anything
    end = spelling.ends[0]
    assert spelling.settles(answer, ids, len(ids) - 1, end)  # it stops too early
    assert spelling.settles(answer, ids, len(ids), ids[0])  # it goes on


def test_an_answer_that_holds_an_end_is_never_settled() -> None:
    """What stands behind the end is not said, whatever teacher forcing shows."""
    tokenizer = subword_tokenizer()
    ids = tokenizer("a</turn>b", add_special_tokens=False)["input_ids"]
    assert not _spelling(tokenizer).settles("a</turn>b", ids, -1, -1)


def test_a_decoder_that_rewrites_promises_nothing() -> None:
    from tokenizers import decoders

    tokenizer = subword_tokenizer()
    tokenizer.backend_tokenizer.decoder = decoders.WordPiece()
    spelling = _spelling(tokenizer)
    assert not spelling.grows and not spelling.settles("a", [1], 0, 70)


def test_turns_end_with_the_tokenizers_the_settings_and_the_templates_token(
    tokenizer: Any,
) -> None:
    made = subword_tokenizer()
    model = tiny_model("llama", vocab_size=400)
    model.generation_config.eos_token_id = [7, 1]
    assert Spelling.of(made, model).ends == (1, 7, made.convert_tokens_to_ids("</turn>"))
    made.chat_template = "{{ raise_exception('no answers here') }}"
    assert Spelling.of(made, model).ends == (1, 7)
    assert tiny_base(tokenizer).spelling.ends == (257,)


def _spelling(tokenizer: Any) -> Spelling:
    return Spelling.of(tokenizer, tiny_model("llama", vocab_size=400))
