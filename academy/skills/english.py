"""Skills in plain English, for a real model: form and classification, and some plain knowledge.

What each is and the words it is made of are data (`seeds/challenges/english.toml`); here is how
a question comes of them. Every answer is compared as text, exactly: labels are asked for by name
and written out, so that an exam measures what a person would read.

Splits hold out whole words, not only orders of words: a verb, a reviewer's adjective, the wording
of a request or a country stands in the questions of one split alone (`Skill.held_out`). Where a
word is copied and not understood (people, places to put it), all splits share it.
"""

from __future__ import annotations

import functools
import json
import tomllib
from collections.abc import Callable, Sequence
from importlib.resources import files
from typing import Any, TypeVar

import numpy as np

from academy.skills.skill import Skill

T = TypeVar("T")
Fields = dict[str, str]
"""`x` is what is asked, `answer` what is right, `word` what is held out."""
_VOWELS = "aeiou"


@functools.cache
def english_skills() -> tuple[Skill, ...]:
    """All skills in plain English, in the order of the data file."""
    return tuple(
        Skill(
            name=name,
            phrasings=tuple(about.pop("phrasings")),
            draw=_with_words(_DRAW[name]),
            solve=lambda fields: fields["answer"],
            held_out="word",
            **about,
        )
        for name, about in _data()["skills"].items()
    )


def _data() -> dict[str, Any]:
    """The data file: it belongs to the seeds, of whose code nothing is used here."""
    text = files("seeds").joinpath("challenges/english.toml").read_text(encoding="utf-8")
    return tomllib.loads(text)


class Words:
    """The lists of words, and chance to choose from them."""

    def __init__(self, lists: dict[str, Any], rng: np.random.Generator) -> None:
        self.lists, self.rng = lists, rng

    def one(self, *names: str) -> str:
        """A word from one of these lists, every word equally likely."""
        words: list[str] = [word for name in names for word in self.lists[name]]
        return self.of(words)

    def of(self, options: Sequence[T]) -> T:
        """One of these."""
        return options[self.below(len(options))]

    def below(self, n: int) -> int:
        """A number from 0 to n - 1."""
        return int(self.rng.integers(n))


def _with_words(
    make: Callable[[Words], tuple[str, str, str]],
) -> Callable[[np.random.Generator, int], Fields]:
    lists = _data()["words"]

    def draw(rng: np.random.Generator, level: int) -> Fields:
        x, answer, word = make(Words(lists, rng))
        return {"x": x, "answer": answer, "word": word}

    return draw


def _capital(text: str) -> str:
    return text[0].upper() + text[1:]


def _forms(entry: str) -> tuple[list[str], list[str]]:
    """`eat eats ate eaten: the apple, the soup` -> its forms, what follows them."""
    forms, _, objects = entry.partition(": ")
    return forms.split(), objects.split(", ")


def _past(w: Words) -> tuple[str, str, str]:
    (base, third, past, _), objects = _forms(w.one("verbs"))
    who, plural = _who(w)
    rest = f"{w.of(objects)} {w.one('when')}."
    now = base if plural else third
    return f"{_capital(who)} {now} {rest}", f"{_capital(who)} {past} {rest}", base


def _passive(w: Words) -> tuple[str, str, str]:
    (base, third, past, participle), objects = _forms(w.one("verbs"))
    who, plural = _who(w)
    what = w.of(objects)
    now = base if plural else third
    active, passive = w.of([(now, "is"), (past, "was"), (f"will {base}", "will be")])
    return (
        f"{_capital(who)} {active} {what}.",
        f"{_capital(what)} {passive} {participle} by {who}.",
        base,
    )


def _question(w: Words) -> tuple[str, str, str]:
    (base, third, past, _), objects = _forms(w.one("verbs"))
    who, plural = _who(w)
    now = (base, "Do") if plural else (third, "Does")
    said, asked = w.of([now, (past, "Did"), (f"will {base}", "Will"), (f"can {base}", "Can")])
    rest = f"{w.of(objects)} {w.one('when')}"
    return f"{_capital(who)} {said} {rest}.", f"{asked} {who} {base} {rest}?", base


def _who(w: Words) -> tuple[str, bool]:
    """Somebody, and whether these are several."""
    if w.below(4):
        return w.one("people"), False
    return w.one("groups"), True


def _reported(w: Words) -> tuple[str, str, str]:
    women = bool(w.below(2))
    who, she = w.one("women" if women else "men"), "she" if women else "he"
    kind = w.below(3)
    if kind == 0:
        word = w.one("states")
        said, told = f"I am {word}", f"{she} was {word}"
    elif kind == 1:
        (base, _, past), (rest, *_) = _forms(w.one("actions"))
        said, told, word = f"I {base} {rest}", f"{she} {past} {rest}", base
    else:
        word = w.one("futures")
        said, told = f"I will {word}", f"{she} would {word}"
    verb = w.of(["said", "told us", "explained", "replied"])
    quote = w.of([f'{who} {verb}: "{said}."', f'"{said}," {who} {verb}.'])
    return quote, f"{who} {verb} that {told}.", word


def _adjectives(w: Words) -> tuple[str, str, str]:
    """A colour and two more kinds; the colour is held out, so its place is known by its sense."""
    kinds = ["opinions", "sizes", "ages", "colours", "origins", "materials"]
    others = [kind for kind in kinds if kind != "colours"]
    chosen = {others[int(i)] for i in w.rng.permutation(len(others))[:2]} | {"colours"}
    words = {kind: w.one(kind) for kind in kinds if kind in chosen}
    ordered = list(words.values())
    shuffled = [ordered[int(i)] for i in w.rng.permutation(3)]
    thing = w.one("things")
    return f"{', '.join(shuffled)} {thing}", " ".join([*ordered, thing]), words["colours"]


def _labelled(group: str, before: str, after: str) -> Callable[[Words], tuple[str, str, str]]:
    """Texts sorted under labels; the wording is held out."""

    def make(w: Words) -> tuple[str, str, str]:
        label = w.of(list(w.lists[group]))
        text = w.of(w.lists[group][label])
        return w.one(before) + text + w.one(after), label, text

    return make


def _sentiment(w: Words) -> tuple[str, str, str]:
    label = w.of(["positive", "negative"])
    word, aside, trailer = w.one(label), w.one("asides"), w.one("trailers")
    return f"{aside} {w.one('greens')} was {word}.{trailer}", f"{label}: {word}", word


def _json(w: Words) -> tuple[str, str, str]:
    one, many = w.one("goods").split()
    place = w.below(len(w.lists["counts"]))
    count = [*range(2, 13), 15, 20, 30][place]
    spoken = w.of([w.lists["counts"][place], str(count)])
    order = w.one("orders").format(n=spoken, x=many)
    return _capital(order), json.dumps({"item": one, "count": count}), one


def _sql(w: Words) -> tuple[str, str, str]:
    asked, _, query = w.one("queries").partition(" | ")
    values = {"city": w.one("cities"), "team": w.one("teams"), "age": str(20 + w.below(60))}
    word = next(value for name, value in values.items() if f"{{{name}}}" in asked)
    return asked.format(**values), query.format(**values), word


def _isodate(w: Words) -> tuple[str, str, str]:
    month, day, year = w.below(12), 1 + w.below(28), 1900 + w.below(140)
    name, nth = w.lists["months"][month], _nth(day)
    spoken = w.of([f"{day} {name} {year}", f"{name} {day}, {year}", f"the {nth} of {name} {year}"])
    text = w.one("occasions").format(d=spoken)
    return _capital(text), f"{year}-{month + 1:02}-{day:02}", f"{day} {name}"


def _nth(day: int) -> str:
    special = {1: "st", 2: "nd", 3: "rd"}
    return f"{day}{'th' if day in (11, 12, 13) else special.get(day % 10, 'th')}"


def _clock(w: Words) -> tuple[str, str, str]:
    """A time of day from 5:00 to 23:55, spoken in fives."""
    hour, fives = 5 + w.below(19), w.below(12)
    part = "morning" if hour < 12 else "afternoon" if hour < 18 else "evening"
    names, minutes = w.lists["hours"], w.lists["minutes"]
    this, following = names[(hour - 1) % 12], names[hour % 12]
    if fives == 0:
        spoken = f"{this} o'clock"
    elif fives <= 6:
        spoken = f"{'half' if fives == 6 else minutes[fives - 1]} past {this}"
    else:
        spoken = f"{minutes[11 - fives]} to {following}"
    spoken = f"{spoken} in the {part}"
    text = w.one("appointments").format(t=spoken)
    return _capital(text), f"{hour:02}:{fives * 5:02}", spoken


def _units(w: Words) -> tuple[str, str, str]:
    large, small, factor = w.one("units").split()
    tenths = 11 + w.below(989)
    if w.below(2):
        tenths -= tenths % 10
    amount = f"{tenths // 10}.{tenths % 10}".removesuffix(".0")
    return f"{amount} {large} in {small}", str(tenths * int(factor) // 10), amount


def _compare(w: Words) -> tuple[str, str, str]:
    plain, _, more = w.one("adjectives").partition(" ")
    return w.one("rivals").format(a=plain, gap="___"), more, plain


def _spelling(w: Words) -> tuple[str, str, str]:
    """One slip of the pen after the first letter."""
    right = w.one("spellings")
    at = 1 + w.below(len(right) - 2)
    a, b = right[at], right[at + 1]
    vowel = _VOWELS[w.below(5)]
    slips = [
        right[:at] + b + a + right[at + 2 :],
        right[:at] + right[at + 1 :],
        right[:at] + a + right[at:],
        right[:at] + (vowel if a in _VOWELS else a) + right[at + 1 :],
    ]
    wrong = w.of([slip for slip in slips if slip != right])
    return wrong, right, right


def _capitals(w: Words) -> tuple[str, str, str]:
    country, capital = w.one("countries").split(": ")
    if w.below(2):
        return w.one("country_questions").format(x=country), capital, country
    return w.one("capital_questions").format(x=capital), country, country


def _elements(w: Words) -> tuple[str, str, str]:
    elements = w.lists["elements"].split()
    at = w.below(len(elements))
    name = elements[at]
    return w.one("element_questions").format(x=name.lower()), str(at + 1), name


def _products(w: Words) -> tuple[str, str, str]:
    a, b = 11 + w.below(89), 11 + w.below(89)
    smaller, larger = sorted((a, b))
    return f"{a} * {b}", str(a * b), f"{smaller} {larger}"


_DRAW: dict[str, Callable[[Words], tuple[str, str, str]]] = {
    "past": _past,
    "passive": _passive,
    "question": _question,
    "reported": _reported,
    "adjectives": _adjectives,
    "intent": _labelled("intents", "openings", "endings"),
    "sentiment": _sentiment,
    "headline": _labelled("sections", "heads", "tails"),
    "json": _json,
    "sql": _sql,
    "isodate": _isodate,
    "clock": _clock,
    "units": _units,
    "compare": _compare,
    "spelling": _spelling,
    "capitals": _capitals,
    "elements": _elements,
    "products": _products,
}
