"""What stands before every question is put as the base's template has it, and known by a digest."""

from __future__ import annotations

from genome.base_model import BaseModel
from genome.preamble import Preamble
from tests.support.genome import subword_tokenizer, tiny_model

SHOTS = (("upper: ab", "AB"), ("upper: cd", "CD"))


def test_examples_stand_before_the_question_as_turns_that_were_answered(
    embedded: BaseModel,
) -> None:
    after = embedded.after(Preamble("Be brief.", SHOTS))
    (ids,) = after.prompt_ids(["upper: x"])
    assert after.tokenizer.decode(ids) == (
        "<system>Be brief.<user>upper: ab<assistant>AB<eos><user>upper: cd<assistant>CD<eos>"
        "<user>upper: x<assistant>"
    )
    assert after.fingerprint == embedded.fingerprint
    assert len(after.prompt_ids([""])[0]) < after.frame


def test_without_one_questions_are_put_as_ever(embedded: BaseModel) -> None:
    plain = embedded.after(Preamble())
    assert plain.prompt_ids(["a"]) == embedded.prompt_ids(["a"])
    digests = [
        embedded.after(p).prompt_digest for p in (Preamble(), Preamble("x"), Preamble("", SHOTS))
    ]
    assert digests[0] == embedded.prompt_digest and len(set(digests)) == 3


def test_a_system_prompt_without_a_role_stands_before_the_first_question() -> None:
    """Whether the template refuses the role, or shows nothing of it."""
    tokenizer = subword_tokenizer()
    base = BaseModel("tiny", tiny_model("llama", vocab_size=400), tokenizer)
    assert base.has_system_role
    refusing = "{{ raise_exception('no system') if messages[0]['role'] == 'system' }}"
    silent = "{% if message['role'] != 'system' %}"
    for template in (
        refusing + tokenizer.chat_template,
        tokenizer.chat_template.replace("%}<turn>", f"%}}{silent}<turn>", 1).replace(
            "\n{% endfor", "\n{% endif %}{% endfor", 1
        ),
    ):
        base.tokenizer.chat_template = template
        fresh = base.after(Preamble("Be brief.", SHOTS))
        assert not fresh.has_system_role
        said = fresh.tokenizer.decode(fresh.prompt_ids(["x"])[0])
        assert said.startswith("<turn>Be brief.\n\nupper: ab</turn>\n<turn>AB</turn>")
        assert said.count("Be brief.") == 1
