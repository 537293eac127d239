"""By which rule a question is scored: what of an answer is looked at, and what makes it right.

    exact         the whole answer, character by character
    text          the same, but for case, spacing, width and final punctuation
    contains      the right answer stands in it, as words of its own
    numeric       its last number, within the question's tolerance
    choice        the option likeliest per token, its end included; nothing is written
    acc           the likeliest option; acc_norm: the likeliest per character (both as in the
                  LM Evaluation Harness, Gao et al. 2021, but that a tie is no answer)
    tests         its code passes hidden unit tests in the sandbox
    judge         another genome finds it as good as the right answer, or better

What is written may be looked at through one of these first, as in `json:total > numeric`:

    line          the first line that is not blank
    code          the inside of its first Markdown fence
    letter        the option letter that it decides for
    json:FIELD    a field of its first JSON object; steps are joined by dots
    regex:PATTERN the first group of the first match, or the whole match

Without a rule, what a question gives besides its answer decides: tests, choices or a tolerance.
"""

from __future__ import annotations

import functools
import hashlib
import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Literal, get_args

import regex

from academy.challenge import Challenge, plain
from academy.errors import RuleError, did_you_mean
from academy.scoring.code import first_fence, parse_unit_tests
from academy.scoring.numeric import last_number, numeric_score, right_number

Kind = Literal[
    "exact", "choice", "numeric", "tests", "acc", "acc_norm", "text", "contains", "found", "judge"
]
"""How it is measured; `found` is exact equality of what a look has found."""
KINDS: tuple[Kind, ...] = get_args(Kind)
LIKELIHOOD: tuple[Kind, ...] = ("choice", "acc", "acc_norm")
WRITTEN: tuple[Kind, ...] = tuple(kind for kind in KINDS if kind not in ("exact", *LIKELIHOOD))
Scorer = Callable[[Challenge, str], float]
"""(challenge, response) -> worth in [0, 1]."""
LONGEST = 120
"""Characters of a rule."""
STATED = 64
"""Characters that a receipt has for the rules of its sheet."""
SECONDS = 1.0
"""What a pattern may take on one answer: some take years."""


def exact_score(challenge: Challenge, response: str) -> float:
    """1.0 if the response is the answer, nothing before and nothing after it, else 0.0."""
    return float(response == challenge.answer)


def _text_score(challenge: Challenge, response: str) -> float:
    return float(plain(response) == plain(challenge.answer))


def _contains_score(challenge: Challenge, response: str) -> float:
    right = regex.escape(plain(challenge.answer))
    return float(regex.search(rf"(?<!\w){right}(?!\w)", plain(response)) is not None)


COMPARISONS: Mapping[Kind, Scorer] = {
    "exact": exact_score,
    "found": exact_score,
    "text": _text_score,
    "contains": _contains_score,
    "numeric": numeric_score,
}
"""Scorers that need nothing but the answer."""


@dataclass(frozen=True, slots=True)
class Rule:
    """One rule: a look with its parameter, or none, and a comparison."""

    compare: Kind
    look: str = ""
    parameter: str = ""

    @property
    def kind(self) -> Kind:
        """How it is measured: exact answers need no generation, what has to be found does."""
        return "found" if self.look and self.compare == "exact" else self.compare

    @property
    def text(self) -> str:
        """As it is written, and as receipts state it."""
        look = f"{self.look}:{self.parameter}" if self.parameter else self.look
        return " > ".join(part for part in (look, self.compare) if part)

    def found(self, response: str) -> str | None:
        """What of a response is compared; None where it holds no such thing.

        Raises:
            TimeoutError: A pattern takes longer than SECONDS.
        """
        return _LOOKS[self.look](response, self.parameter) if self.look else response


def rule_of(challenge: Challenge) -> Rule:
    """The rule that a challenge states, else that of what it gives.

    Raises:
        RuleError: It states none that exists.
    """
    if challenge.rule:
        return _parsed(challenge.rule)
    if challenge.tests:
        return Rule("tests")
    if challenge.choices:
        return Rule("choice")
    return Rule("exact" if challenge.tolerance is None else "numeric")


def rules_text(challenges: Iterable[Challenge]) -> str:
    """All rules of a sheet on one line, for its receipt; cut short, with a digest of the whole."""
    line = "+".join(sorted({rule_of(challenge).text for challenge in challenges}))
    digest = hashlib.sha256(line.encode()).hexdigest()[:12]
    return line if len(line) <= STATED else f"{line[: STATED - 16]}... {digest}"


@functools.lru_cache(maxsize=1024)
def _parsed(text: str) -> Rule:
    head, arrow, last = text.rpartition(" > ")
    if not arrow and last.partition(":")[0] not in _LOOKS:
        head, last = "", text
    elif not arrow:
        head, last = text, "exact"
    look, _, parameter = head.partition(":")
    named = [kind for kind in KINDS if kind != "found"]
    if last not in named:
        raise RuleError(text, f"{last[:40]!r} compares nothing", did_you_mean(last, named))
    if look and look not in _LOOKS:
        raise RuleError(text, f"{look[:40]!r} looks at nothing", did_you_mean(look, _LOOKS))
    rule = Rule(last, look, parameter)
    _check_form(rule, text)
    return rule


def _check_form(rule: Rule, text: str) -> None:
    if len(text) > LONGEST or not text.isprintable():
        raise RuleError(text, "it is no printable line", f"write {LONGEST} characters at most")
    if rule.look and rule.compare in (*LIKELIHOOD, "judge"):
        raise RuleError(text, f"{rule.compare!r} looks at no text", f"write {rule.compare!r} alone")
    if rule.look in ("json", "regex"):
        if not rule.parameter:
            raise RuleError(
                text, f"{rule.look} of what?", f"write {rule.look}:{_WANTED[rule.look]}"
            )
    elif rule.parameter:
        raise RuleError(text, f"{rule.look!r} takes nothing", f"write {rule.look!r} alone")
    if rule.look == "regex":
        try:
            regex.compile(rule.parameter)
        except regex.error as error:
            raise RuleError(
                text, f"{rule.parameter!r} is no pattern ({error.msg})", "correct it"
            ) from None


_WANTED = {"json": "total, or items.0.price", "regex": "Answer: (.*)"}


def check_rule(challenge: Challenge) -> None:
    """Refuse a question that its rule cannot score.

    Raises:
        RuleError: It gives what excludes each other, or not what its rule needs.
        UnreadableAnswerError: Its answer is no number, and should be near to one.
        BadUnitTestError: A test is malformed.
    """
    ways = {
        "choices": bool(challenge.choices),
        "tests": bool(challenge.tests),
        "tolerance": challenge.tolerance is not None,
    }
    given = [name for name, there in ways.items() if there]
    if len(given) > 1:
        raise RuleError("", f"{given[0]} and {given[1]} exclude each other", "keep one")
    rule = rule_of(challenge)
    needs = {**dict.fromkeys(LIKELIHOOD, "choices"), "tests": "tests"}.get(rule.compare, "")
    if needs and needs not in given:
        raise RuleError(challenge.rule, f"it needs {needs}", f"give the question `{needs}`")
    for name in given:
        if name != needs and (name, rule.compare) != ("tolerance", "numeric"):
            raise RuleError(challenge.rule, f"it reads no {name}", f"drop the rule, or {name}")
    if challenge.choices and challenge.answer not in challenge.choices:
        raise RuleError(
            "",
            f"the answer {challenge.answer[:40]!r} is none of the choices",
            "write the right one itself",
        )
    if rule.compare == "numeric":
        right_number(challenge.answer)
    if rule.compare in ("text", "contains") and not plain(challenge.answer):
        raise RuleError(challenge.rule, f"{challenge.answer!r} has no words", "use the rule exact")
    if rule.compare == "tests":
        parse_unit_tests(challenge.tests)


def found_score(scorer: Scorer) -> Scorer:
    """A scorer of whole responses as one of what the question's rule looks at in them."""

    def score(challenge: Challenge, response: str) -> float:
        found = rule_of(challenge).found(response)
        return 0.0 if found is None else scorer(challenge, found)

    return score


def reason(challenge: Challenge, response: str, worth: float) -> str:
    """Why a written answer counted or not, in a few words."""
    rule = rule_of(challenge)
    try:
        found = rule.found(response)
    except TimeoutError:
        return "the pattern took too long"
    if found is None:
        return {
            "letter": "it decides for no letter",
            "json": f"no field {rule.parameter!r} in it",
            "regex": f"nothing in it matches {rule.parameter}",
        }.get(rule.look, f"no {rule.look} in it")
    if rule.compare == "tests":
        return f"it {'passes' if worth else 'fails'} its {len(challenge.tests)} tests"
    if rule.compare == "judge":
        return f"worth {worth:g} to the judge"
    if rule.compare == "numeric":
        number = last_number(found)
        near = f"within {challenge.tolerance or 0:g} of {right_number(challenge.answer):g}"
        return "no number ends it" if number is None else f"{number:g} is {_not(worth)}{near}"
    if rule.compare == "contains":
        return f"{challenge.answer!r} is {_not(worth)}in it"
    same = "the same but for case and spacing as" if rule.compare == "text" else "exactly"
    return f"{found!r} is {_not(worth)}{same} {challenge.answer!r}"


def _not(worth: float) -> str:
    return "" if worth else "not "


def _line(response: str, _: str) -> str | None:
    return next((line.strip() for line in response.splitlines() if line.strip()), None)


def _code(response: str, _: str) -> str | None:
    fence = first_fence(response)
    return None if fence is None else fence.strip()


_DECIDED = regex.compile(r"(?i:answer|option|choice)\s*(?:is|:)[\s:*_(]*([A-Z])\b(?!')")
_BEGUN = regex.compile(r"\W*(?:([A-Z])(?=[.):*]|\s+[-:]|\W*$)|([a-z])\W*$)")


def _letter(response: str, _: str) -> str | None:
    """The last that `the answer is (B)` names, else what it begins with: B, (b), B. plum."""
    if decided := _DECIDED.findall(response):
        return str(decided[-1])
    begun = _BEGUN.match(response)
    return (begun[1] or begun[2]).upper() if begun else None


def _json_field(response: str, path: str) -> str | None:
    """A text as it is, anything else as JSON."""
    start = response.find("{")
    while start >= 0:
        try:
            value: Any = json.JSONDecoder().raw_decode(response[start:])[0]
        except (ValueError, RecursionError):
            start = response.find("{", start + 1)
            continue
        for step in path.split("."):
            if isinstance(value, dict) and step in value:
                value = value[step]
            elif isinstance(value, list) and step.isdecimal() and int(step) < len(value):
                value = value[int(step)]
            else:
                return None
        return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return None


def _group(response: str, pattern: str) -> str | None:
    match = regex.search(pattern, response, timeout=SECONDS)
    if match is None:
        return None
    return str((match[1] if match.re.groups else match[0]) or "").strip()


_LOOKS: Mapping[str, Callable[[str, str], str | None]] = {
    "line": _line,
    "code": _code,
    "letter": _letter,
    "json": _json_field,
    "regex": _group,
}
