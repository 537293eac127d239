"""Answers that are right when they are near enough: the last number of a text counts.

Language models reason before they conclude, so the last number is the answer (the convention
of GSM8K's graders, Cobbe et al. 2021). One tolerance is absolute for right answers up to 1 in
size and relative above: |x - right| <= tolerance * max(1, |right|).

A number is what people write: 1,234.5, 1 234,5, 1'234, 12,34,567, 3,14, 6.02e23, 1.5 x 10^3, 10⁶,
1/2, 2 1/2, ½, \\frac{3}{4}, with any digits, minus signs and spaces of Unicode. What is a number
only in part (2π, 3+4, 12:30, 1/2/2024, 2,3,5) is none: it is never read as one of its parts.
"""

from __future__ import annotations

import re
import unicodedata

from academy.challenge import Challenge
from academy.errors import UnreadableAnswerError

MAX_RESPONSE = 20_000
"""Characters that are read, from the end."""
HUGE = 1e300
"""Beyond it a difference could overflow: no answer."""
_ROUNDING = 1e-12
"""Relative slack for decimal fractions that binary numbers cannot hold: .3 is 0 from .1 + .2."""

_THOUSANDS = r"[1-9]\d{0,2}"  # before the first separator; a leading 0 makes 0,125 a decimal
_PLAIN = (
    rf"(?:{_THOUSANDS}(?:,\d{{3}})+(?:\.\d+)?"
    r"|[1-9]\d?(?:,\d{2})+,\d{3}(?:\.\d+)?"  # as in India
    rf"|{_THOUSANDS}(?:(?:[ ]\d{{3}})+|(?:'\d{{3}})+|(?:_\d{{3}})+)(?:[.,]\d+)?"
    rf"|{_THOUSANDS}(?:(?:\.\d{{3}})+,\d+|(?:\.\d{{3}}){{2,}})"  # as on the Continent
    r"|\d+,\d+|\d*\.\d+|\d+)(?!\d|[.,:'_]\d)"
)
_ENGLISH = re.compile(
    rf"{_THOUSANDS}(?:,\d{{3}})+(?:\.\d+)?|[1-9]\d?(?:,\d{{2}})+,\d{{3}}(?:\.\d+)?"
)
_NUMBER = (
    r"(?P<sign>[-+]?)(?:(?P<whole>\d{1,3})[ ](?P<part>\d+)/(?P<parts>\d+)"
    rf"|(?P<over>{_PLAIN})[ ]?/[ ]?(?P<under>[-+]?{_PLAIN})"
    rf"|(?P<digits>{_PLAIN})(?:[eE](?P<exponent>[-+]?\d{{1,4}})(?!\d)"
    r"|(?:(?P<ten>[ ]?[*x][ ]?10))?(?:\^|\*\*)[({]?(?P<power>[-+]?\d{1,4})(?!\d)[)}]?)?)"
    r"(?:[ ]?(?P<percent>%)|[ ](?P<scale>hundred|thousand|million|billion|trillion)\b)?"
)
_GOES_ON = (
    r"(?!\d|[.,:'_]\d|e[-+]?\d|[ ]?\^|[ ]?[*x/][ ]?\d|\*\*\d|[-+]\d|[ ][+][ ]?\d"
    r"|i\b|[ ]?(?:\\?pi\b|[π√]|\\sqrt))"
)
_PARTS = (  # what holds a number and is not that number
    r"(?<![\w.^])[-+]?\.?\d[\d.,:'_^*/+-]*(?:[ ]?[*x+/][ ]?[\d.]+)*"
    r"[ ]?(?:i\b|\\?pi\b|[π√]\S*|\\sqrt\S*)?"
    r"|(?:[^\W\d]|[)}])[/^][({]?\d[\d.,]*|(?:±|\\pm)[ ]?[\d.]+|(?<!\w)(?:nan|inf(?:inity)?)(?!\w)"
    r"|√\S*|\\[dt]?frac[ ]?\{[^{}]*(?:\{[^{}]*\}[^{}]*)*\}[ ]?\{[^{}]*\}|\\(?:[dt]?frac|sqrt)\S*"
)
_ONE = re.compile(_NUMBER, re.IGNORECASE)
_ANY = re.compile(rf"(?<![\w.^])(?P<number>{_NUMBER}){_GOES_ON}|{_PARTS}", re.IGNORECASE)
_SCALES = {"hundred": 2, "thousand": 3, "million": 6, "billion": 9, "trillion": 12}

_SUPERSCRIPTS = str.maketrans("⁰¹²³⁴⁵⁶⁷⁸⁹⁺⁻", "0123456789+-")
_SIGNS = str.maketrans(
    {
        **dict.fromkeys("\u2010\u2011\u2012\u2013\u2014\u2212", "-"),
        **dict.fromkeys("×·⋅∙", "*"),
        "\u2019": "'",
        "\u066b": ".",
        "\u066c": ",",
        "\u2044": "/",
        "\u2215": "/",
    }
)
_REWRITES = tuple(
    (re.compile(pattern, re.IGNORECASE), new)
    for pattern, new in (
        (r"\\(?:times|cdot)(?![a-z])", "*"),
        (r"\{,\}", ","),
        (r"\\(?:left|right)(?![a-z])", ""),
        (r"\\[,;:! ]|~|[ \t]+", " "),
        (r"\\([$%])", r"\1"),
        (r"\\(?:text|mathrm|mbox)\{([^{}]*)\}", r" \1"),
        (r"(?<=\d)(?=\\[dt]?frac)", " "),
        (r"\\[dt]?frac ?(?:\{ ?([-+]?[\d.]+) ?\}|(\d)) ?(?:\{ ?([\d.]+) ?\}|(\d))", r"\1\2/\3\4"),
        (r"([-+]) ?([$€£¥]) ?(?=\d)", r"\2\1"),
        (r"(?<![\d)])(?<![\d)] )\b(?:minus|negative) (?=[\d.])", "-"),
        (r"([=:(]) ?- +(?=[\d.])", r"\1 -"),
    )
)
_WRAPPED = re.compile(r"\$(.*)\$|\\\((.*)\\\)|\\boxed\{(.*)\}|([$€£¥].*)|(.*[€£¥])")


def _ascii(text: str) -> str:
    """The same text in ASCII digits and signs, LaTeX and typographers' spaces undone."""
    if not text.isascii():
        text = re.sub("[⁰¹²³⁴-⁹⁺⁻]+", lambda m: "^" + m[0].translate(_SUPERSCRIPTS), text)
        text = unicodedata.normalize("NFKC", "".join(map(_apart, text)))
        kept = (c for c in text if unicodedata.category(c) != "Cf")  # marks of width zero
        text = "".join(str(unicodedata.digit(c)) if c.isdecimal() else c for c in kept)
        text = text.translate(_SIGNS)
    for pattern, new in _REWRITES:
        text = pattern.sub(new, text)
    return text


def _apart(char: str) -> str:
    """2½ is 2 1/2, not 21/2."""
    return f" {char}" if unicodedata.decomposition(char).startswith("<fraction>") else char


def _float(digits: str, exponent: int = 0) -> float:
    """A plain number times a power of ten; a comma that does not group is a decimal comma."""
    digits = re.sub("[ '_]", "", digits)
    if _ENGLISH.fullmatch(digits):
        digits = digits.replace(",", "")
    elif "," in digits or digits.count(".") > 1:
        digits = digits.replace(".", "").replace(",", ".")
    return float(f"{digits}e{exponent}")


def _value(found: re.Match[str]) -> float | None:
    """What a match of _NUMBER says, its percent sign left out; None if not finite, or huge."""
    scale = _SCALES.get((found["scale"] or "").lower(), 0)
    try:
        if found["whole"]:
            size = float(found["whole"]) + float(found["part"]) / float(found["parts"])
        elif found["over"]:
            size = _float(found["over"], scale) / _float(found["under"])
        elif found["power"] and not found["ten"]:
            size = _float(found["digits"]) ** int(found["power"])
        else:
            size = _float(found["digits"], int(found["exponent"] or found["power"] or 0) + scale)
    except (ZeroDivisionError, OverflowError):
        return None
    if not abs(size) < HUGE:
        return None
    return -size if found["sign"] == "-" else size


def _last(text: str) -> re.Match[str] | None:
    found = [*_ANY.finditer(_ascii(text[-MAX_RESPONSE:]))]
    return found[-1] if found and found[-1]["number"] else None


def last_number(response: str) -> float | None:
    """The number that a response ends in, a percent sign left out; None if it ends in none."""
    found = _last(response)
    return _value(found) if found else None


def right_number(answer: str) -> float:
    """The number that a right answer says: it says one and nothing else, or ends in `#### 7`.

    Raises:
        UnreadableAnswerError: It could be read in two ways, or not at all.
    """
    text = _ascii(answer).rpartition("####")[2].strip()
    while wrapped := _WRAPPED.fullmatch(text):
        text = "".join(part or "" for part in wrapped.groups()).strip("$€£¥ ")
    found = _ONE.fullmatch(text.rstrip("."))
    value = None if found is None or found["percent"] else _value(found)
    if value is None:
        raise UnreadableAnswerError(
            f"the answer {answer[:40]!r} is no number that has a tolerance: write one number "
            "alone, such as 0.5, -5 or 1234.5, and its unit into the prompt"
        )
    return value


def numeric_score(challenge: Challenge, response: str) -> float:
    """1.0 if the response's last number is within the challenge's tolerance, else 0.0.

    Where the response says percent, 50 % is right for 50 and for 0.5: the question knows.

    Raises:
        UnreadableAnswerError: The right answer is not one number.
    """
    right = right_number(challenge.answer)
    found = _last(response)
    given = _value(found) if found else None
    if found is None or given is None:
        return 0.0
    size = max(1.0, abs(right))
    allowed = (challenge.tolerance or 0.0) * size + _ROUNDING * size
    readings = (given, given / 100) if found["percent"] else (given,)
    return float(any(abs(reading - right) <= allowed for reading in readings))
