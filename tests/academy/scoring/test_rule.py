"""One mechanism of rules: what is looked at in an answer, and what makes it right."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from academy.challenge import Challenge
from academy.errors import AcademyError
from academy.evaluator import LocalEvaluator
from academy.scoring.rule import (
    COMPARISONS,
    Rule,
    check_rule,
    found_score,
    reason,
    rule_of,
    rules_text,
)
from genome.base_model import BaseModel
from genome.genome import Genome
from tests.support.genome import tiny_base

PLAIN = Challenge("q", "42", "s", "d")
FENCED = "Here:\n```sql\nselect 1;\n```\nDone."


def _worth(rule: str, answer: str, response: str) -> float:
    challenge = replace(PLAIN, rule=rule, answer=answer)
    check_rule(challenge)
    return found_score(COMPARISONS[rule_of(challenge).kind])(challenge, response)


@pytest.mark.parametrize(
    ("rule", "answer", "right", "wrong"),
    [
        ("exact", "42", ["42"], [" 42", "42.", "forty"]),
        ("text", "New York", ["new  york.", "NEW YORK", "\uff4eew york"], ["york", "in new york"]),
        ("contains", "plum", ["It is a Plum, no?", "plum"], ["plums", "aplum", ""]),
        ("contains", "c++", ["C++ it is"], ["c"]),
        ("numeric", "42", ["3 and then 42", "42.0"], ["42 of 100", "none"]),
        ("line", "42", ["\n 42 \nas I said"], ["I say\n42"]),
        ("line > numeric", "42", ["I say 42\n7"], ["7\n42"]),
        ("code", "select 1;", [FENCED, "```\nselect 1;"], ["select 1;"]),
        ("letter", "B", ["B", "(b)", "B. A plum.", "**B**", "A? No, the answer is (B)."], []),
        ("letter", "B", ["Answer: B\n", "the answer is B. Not A."], ["A", "Big", "because"]),
        ("letter", "A", ["A", "a."], ["A plum", "the answer is a plum", "An ape"]),
        ("json:total", "42", ['{"total": 42}', 'so: ```{"total": "42"}```'], ['{"sum": 42}', "42"]),
        ("json:items.1.n", "7", ['{"items": [{"n": 1}, {"n": 7}]}'], ['{"items": [{"n": 7}]}']),
        ("json:ok", "true", ['{"bad {"ok": true}'], ['{"ok": false}']),
        ("json:n > numeric", "0.5", ['{"n": 0.50}', '{"n": "1/2"}'], ['{"n": 5}']),
        (r"regex:Answer: (\w+)", "42", ["I think. Answer: 42!"], ["42", "Answer:"]),
        (r"regex:\d+ > numeric", "42", ["042 or 7"], ["7 or 42"]),
        (r"regex:a > b|(\w+) > text", "Yes", ["yes"], ["no"]),
    ],
)
def test_a_rule_tells_right_from_wrong(
    rule: str, answer: str, right: list[str], wrong: list[str]
) -> None:
    assert [_worth(rule, answer, said) for said in right] == [1.0] * len(right)
    assert [_worth(rule, answer, said) for said in wrong] == [0.0] * len(wrong)


def test_a_rule_reads_as_it_is_written() -> None:
    for text in (
        "exact",
        "acc_norm",
        "json:a.b > numeric",
        r"regex:(\d+) > text",
        "letter > exact",
    ):
        assert rule_of(replace(PLAIN, rule=text)).text == text
    assert rule_of(replace(PLAIN, rule="letter")) == Rule("exact", "letter")
    assert rule_of(replace(PLAIN, rule="letter")).kind == "found"
    assert rules_text([PLAIN, replace(PLAIN, rule="text"), PLAIN]) == "exact+text"
    many = [replace(PLAIN, rule=f"json:field-number-{i}") for i in range(20)]
    assert (
        rules_text(many).startswith("json:field-number-0 > exact+") and len(rules_text(many)) == 64
    )
    assert rules_text(many) != rules_text(many[:-1])


def test_a_rule_is_part_of_the_wording_and_not_of_the_question() -> None:
    """So that a question keeps its split, and no score of one rule passes for another's."""
    other = replace(PLAIN, rule="text")
    assert other.question == PLAIN.question and other.id != PLAIN.id


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"rule": "exakt"}, "rule 'exakt': 'exakt' compares nothing: did you mean 'exact'"),
        ({"rule": "jsn:a > text"}, "'jsn' looks at nothing: did you mean 'json'"),
        ({"rule": "found"}, "compares nothing"),
        ({"rule": "json"}, "json of what.: write json:total"),
        ({"rule": "letter:B"}, "'letter' takes nothing"),
        ({"rule": "regex:(a"}, "no pattern .missing \\)"),
        ({"rule": "regex:" + "a" * 200}, "write 120 characters at most"),
        ({"rule": "line > acc", "choices": ("42", "43")}, "'acc' looks at no text"),
        ({"rule": "acc"}, "rule 'acc': it needs choices"),
        ({"rule": "tests"}, "it needs tests"),
        ({"rule": "text", "choices": ("42", "43")}, "it reads no choices"),
        ({"rule": "text", "tolerance": 0.1}, "it reads no tolerance"),
        ({"rule": "numeric", "answer": "many"}, "no number that has a tolerance"),
        ({"rule": "contains", "answer": "?!"}, "'\\?!' has no words: use the rule exact"),
        ({"tests": ("f(1) == 2",), "tolerance": 0.1}, "tests and tolerance exclude each other"),
        ({"choices": ("a", "b")}, "'42' is none of the choices: write the right one itself"),
    ],
)
def test_what_cannot_be_scored_is_refused_in_one_line(
    changes: dict[str, Any], message: str
) -> None:
    with pytest.raises(AcademyError, match=message) as refusal:
        check_rule(replace(PLAIN, **changes))
    assert "\n" not in str(refusal.value)


def test_a_pattern_without_end_is_stopped() -> None:
    """It costs its item, and a second, and no more."""
    challenge = replace(PLAIN, rule="regex:^(a|aa)+$")
    with pytest.raises(TimeoutError):
        found_score(COMPARISONS["found"])(challenge, "a" * 40 + "!")
    assert reason(challenge, "a" * 40 + "!", 0.0) == "the pattern took too long"


@pytest.mark.parametrize(
    ("rule", "said", "worth", "why"),
    [
        ("exact", "41", 0.0, "'41' is not exactly '42'"),
        ("exact", "42", 1.0, "'42' is exactly '42'"),
        ("numeric", "so 41", 0.0, "41 is not within 0 of 42"),
        ("numeric", "many", 0.0, "no number ends it"),
        ("contains", "x 42", 1.0, "'42' is in it"),
        ("json:n", "{}", 0.0, "no field 'n' in it"),
        ("regex:x(.)", "y", 0.0, "nothing in it matches x(.)"),
        ("letter", "well", 0.0, "it decides for no letter"),
        ("code", "42", 0.0, "no code in it"),
        ("judge", "41", 0.5, "worth 0.5 to the judge"),
    ],
)
def test_why_an_answer_counted_is_said(rule: str, said: str, worth: float, why: str) -> None:
    assert reason(replace(PLAIN, rule=rule), said, worth) == why


def test_an_unknown_rule_costs_its_item_only(tokenizer: Any) -> None:
    base = tiny_base(tokenizer)
    evaluator = LocalEvaluator(base)
    asked = [PLAIN, replace(PLAIN, rule="exakt"), replace(PLAIN, rule="contains")]
    scores = evaluator.scores([Genome(base.fingerprint)], asked)
    assert scores.shape == (1, 3) and evaluator.failures == 1
    assert "compares nothing" in evaluator.failed.last


def test_rules_are_scored_as_what_is_generated_says(embedded: BaseModel) -> None:
    """Whatever is asked beside it: each rule's score is that of the text the base writes."""
    evaluator, genomes = LocalEvaluator(embedded), [Genome(embedded.fingerprint)]
    rules = ("exact", "text", "contains", "line", "regex:^(.)", "numeric")
    asked = [
        Challenge(f"add: {i} 3", answer, "add", "sums", rule=rule)
        for i, answer in ((1, "4"), (2, "5"), (3, "0"))
        for rule in rules
    ]
    said = evaluator.answers(genomes[0], asked)
    expected = [
        found_score(COMPARISONS[rule_of(c).kind])(c, text)
        for c, text in zip(asked, said, strict=True)
    ]
    assert evaluator.scores(genomes, asked)[0].tolist() == expected
    assert 0 < sum(expected) < len(expected)


def test_likelihood_is_raw_or_by_length(embedded: BaseModel) -> None:
    """acc sums what acc_norm divides by characters; neither counts the end of the answer."""
    from academy.scoring.scorer import option_losses

    genome, evaluator = Genome(embedded.fingerprint), LocalEvaluator(embedded)
    options = ("B", "BA", "AB", "ABBA")
    losses = option_losses(embedded, embedded.rows(["upper: ab"] * 4, list(options)))
    for rule, per in (("acc", 1), ("acc_norm", [len(o) for o in options])):
        best = options[int((losses / per).argmin())]
        asked = [
            Challenge("upper: ab", o, "case", "text", choices=options, rule=rule) for o in options
        ]
        scores = evaluator.scores([genome], asked)[0]
        assert scores.tolist() == [float(o == best) for o in options]
