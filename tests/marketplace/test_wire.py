"""Views cross the wire unchanged, and nothing misshapen becomes a view."""

from __future__ import annotations

from dataclasses import dataclass

import pytest
from hypothesis import given
from hypothesis import strategies as st

from marketplace.errors import AnswerError
from marketplace.fields import Nanos
from marketplace.money import INT64_MAX, decimal_credits
from marketplace.wire import from_wire, to_wire


@dataclass(frozen=True, slots=True)
class Part:
    skill: str
    weight: float


@dataclass(frozen=True, slots=True)
class Whole:
    name: str
    price_nanos: Nanos
    n_sales: int
    is_open: bool
    parts: tuple[Part, ...]
    cap_nanos: Nanos | None = None
    tags: tuple[str, ...] = ()


WHOLE = Whole("x", 1_500_000_000, 3, True, (Part("sort", 0.5),), None, ("a", "b"))


def test_a_view_comes_back_equal() -> None:
    """Nested views, optional amounts and tuples included."""
    assert from_wire(Whole, to_wire(WHOLE)) == WHOLE


def test_money_is_text_in_credits() -> None:
    """The unit is in the name here and in the text there."""
    plain = to_wire(WHOLE)
    assert plain["price"] == "1.5" and "price_nanos" not in plain
    assert plain["cap"] is None and plain["n_sales"] == 3


@given(st.integers(-INT64_MAX, INT64_MAX))
def test_every_amount_survives(nanos: int) -> None:
    """Exactly, up to the last nano-credit of 64 bits."""
    assert from_wire(Nanos, decimal_credits(nanos)) == nanos


@pytest.mark.parametrize(
    "text", [1.5, 15, None, "", "1,5", "1e3", "01", ".5", "1.", "1.0000000001", " 1", "NaN", "+1"]
)
def test_other_amounts_are_refused(text: object) -> None:
    """No floats, no rounding, no second spelling of a sign."""
    with pytest.raises(AnswerError, match="amount of credits"):
        from_wire(Nanos, text)


@pytest.mark.parametrize(
    ("field", "value", "words"),
    [
        ("name", 5, r"answer\.name must be str"),
        ("n_sales", "3", r"answer\.n_sales must be int"),
        ("n_sales", True, r"answer\.n_sales must be int"),
        ("is_open", 1, r"answer\.is_open must be bool"),
        ("parts", {}, r"answer\.parts must be tuple"),
        ("parts", [{"skill": "s", "weight": "much"}], r"answer\.parts\[\]\.weight must be float"),
        ("price", 1.5, r"answer\.price must be an amount"),
    ],
)
def test_a_field_of_another_type_is_named(field: str, value: object, words: str) -> None:
    """The message says where, what was expected and what came."""
    with pytest.raises(AnswerError, match=words):
        from_wire(Whole, to_wire(WHOLE) | {field: value})


def test_missing_fields_are_named_unless_they_have_a_default() -> None:
    """A newer client can read an older service's answer where its author allowed for it."""
    plain = to_wire(WHOLE)
    del plain["tags"], plain["cap"]
    assert from_wire(Whole, plain).tags == ()
    del plain["price"]
    with pytest.raises(AnswerError, match="lacks 'price'"):
        from_wire(Whole, plain)


def test_more_than_was_asked_for_is_ignored() -> None:
    """A newer service may say more."""
    assert from_wire(Whole, to_wire(WHOLE) | {"colour": "red"}) == WHOLE


@pytest.mark.parametrize("data", [None, [], "x", 3])
def test_what_is_no_object_is_no_view(data: object) -> None:
    """Of any JSON type."""
    with pytest.raises(AnswerError, match="must be a Whole"):
        from_wire(Whole, data)
