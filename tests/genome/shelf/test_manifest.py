"""A manifest says what is true, in one spelling, or is refused with a stable code."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from genome.errors import LayerRejected
from genome.refusals import LIBRARY_REFUSALS, REFUSALS
from genome.shelf.manifest import Manifest, Parent, version_order
from genome.shelf.receipt import Receipt

STACKED = Receipt(
    "sort",
    400,
    380,
    160,
    layers=("e" * 64, "c" * 64),
    weights=(1.0, 0.5),
    base_model="0123456789abcdef",
    prompt="0" * 16,
    rule="exact",
    n_ancestor_correct=300,
)
FULL = Manifest(
    name="sorter-1",
    base_model="0123456789abcdef",
    description="puts things in order, même ça",
    version="2.10.3",
    kind="project",
    parents=(Parent("a" * 64, 0.25), Parent("b" * 64, 1)),
    recipe={"method": "merge", "rank": 8, "rates": [0.1, 1e-3], "note": None, "deep": {"x": True}},
    receipts=(STACKED, Receipt("sort", 400, 360, 160), Receipt("sum", 30, 1, 2, "audit", "exam-7")),
    licence="Apache-2.0 OR (MIT AND LicenseRef-Mine)",
    tags=("order", "lists"),
    created="2026-01-31T12:00:00Z",
    expires="2030-01-31T12:00:00Z",
    digest="c" * 64,
    files={"adapter_config.json": "d" * 64},
)


def code_of(build: Any, *args: Any, **kwargs: Any) -> str:
    with pytest.raises(LayerRejected) as refusal:
        build(*args, **kwargs)
    assert refusal.value.code in LIBRARY_REFUSALS
    assert "\n" not in str(refusal.value)
    return refusal.value.code


def test_a_manifest_comes_back_from_its_json() -> None:
    assert Manifest.from_json(FULL.to_json()) == FULL
    assert Manifest.from_json(Manifest("x").to_json()) == Manifest("x")


def test_the_signed_bytes_have_one_spelling_and_leave_out_the_signature_only() -> None:
    """Whatever the order of keys, and whether a weight was written 1 or 1.0."""
    shuffled = json.dumps(dict(reversed(json.loads(FULL.to_json()).items()))).encode()
    assert Manifest.from_json(shuffled).signed_bytes() == FULL.signed_bytes()
    signed = replace(FULL, creator="e" * 64, signature="f" * 128)
    other = replace(signed, signature="0" * 128)
    assert signed.signed_bytes() == other.signed_bytes() != FULL.signed_bytes()
    facts = json.loads(FULL.signed_bytes())
    assert facts.keys() == json.loads(FULL.to_json()).keys() - {"signature"}


def test_the_headline_is_the_first_receipt_and_accuracies_are_ratios_of_counts() -> None:
    assert (FULL.niche, FULL.n_questions) == ("sort", 400)
    assert (FULL.accuracy, FULL.base_accuracy) == (0.9, 0.4)
    bare = Manifest("x")
    assert (bare.niche, bare.n_questions, bare.accuracy, bare.base_accuracy) == ("", 0, None, None)


def test_a_stacks_receipt_is_no_headline() -> None:
    """What was examined is named whole, and only the layer as it is kept is what it can do."""
    assert not STACKED.is_alone and STACKED.ancestor_accuracy == 0.75
    assert replace(FULL, receipts=(STACKED,)).headline is None
    alone = replace(STACKED, layers=("c" * 64,), weights=(1,))
    assert alone.is_alone and replace(FULL, receipts=(STACKED, alone)).headline == alone
    assert not replace(alone, weights=(0.5,)).is_alone
    other = replace(alone, layers=("e" * 64,))
    assert code_of(replace, FULL, receipts=(other,)) == "manifest_receipt"


def test_what_was_signed_before_receipts_named_their_layers_stays_signed() -> None:
    """The bytes of an older version, written down."""
    old = Manifest("x", receipts=(Receipt("sort", 4, 3, 1),))
    assert json.loads(old.signed_bytes())["receipts"] == [
        {
            "skill": "sort",
            "n_questions": 4,
            "n_correct": 3,
            "n_base_correct": 1,
            "split": "test",
            "exam": "",
        }
    ]


@pytest.mark.parametrize(
    "changes",
    [
        {"layers": ("c" * 63,)},
        {"layers": "c" * 64},
        {"layers": ("c" * 64,) * 65},
        {"weights": (1.0,)},
        {"weights": (1.0, float("nan"))},
        {"weights": ("1", "1")},
        {"n_ancestor_correct": 401},
        {"n_ancestor_correct": -1},
        {"n_ancestor_correct": 1.0},
    ],
)
def test_a_receipt_of_nothing_that_could_be_examined_is_refused(changes: dict[str, Any]) -> None:
    assert code_of(replace, STACKED, **changes) == "manifest_receipt"


def test_versions_are_ordered_by_number_not_by_spelling() -> None:
    spelled = ["0.0.0", "0.0.9", "0.0.10", "0.2.0", "1.0.0", "1.0.999999", "1.1.0", "10.0.0"]
    assert sorted(spelled, key=version_order) == spelled
    assert len({version_order(text) for text in spelled}) == len(spelled)


BAD_NAMES = ["", "a b", "a\n", "a/b", "..", ".a", "-a", "A", "a\\b", "x" * 65, "ä", "a\x00", 3]


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        *(({"name": name}, "manifest_name") for name in BAD_NAMES),
        *(
            ({"version": v}, "manifest_version")
            for v in ["1", "1.0", "01.0.0", "1.0.0-a", "1.0.1000000", "1.0.٣", "", 1, None]
        ),
        ({"kind": "other"}, "manifest_kind"),
        ({"description": "two\nlines"}, "manifest_text"),
        ({"description": "\x1b[2J"}, "manifest_text"),
        ({"description": "x" * 2001}, "manifest_text"),
        ({"base_model": "\u202e"}, "manifest_text"),
        ({"tags": ("a", "a")}, "manifest_text"),
        ({"tags": ("a b",)}, "manifest_text"),
        ({"licence": "do what you want!"}, "manifest_licence"),
        ({"licence": "MIT\n"}, "manifest_licence"),
        ({"parents": (Parent("a" * 64), Parent("a" * 64, 2.0))}, "manifest_parent"),
        ({"recipe": {"x": float("nan")}}, "manifest_recipe"),
        ({"recipe": {"x": (1, 2)}}, "manifest_recipe"),
        ({"recipe": {1: 2}}, "manifest_recipe"),
        ({"recipe": {"x": "y" * 70_000}}, "manifest_recipe"),
        ({"recipe": [1]}, "manifest_recipe"),
        ({"receipts": (Receipt("sort", 1, 1, 1),) * 101}, "manifest_receipt"),
        ({"created": "yesterday"}, "manifest_date"),
        ({"expires": "2026-02-30T12:00:00Z"}, "manifest_date"),
        ({"creator": "e" * 64}, "manifest_key"),
        ({"signature": "f" * 128}, "manifest_key"),
        ({"creator": "e" * 64, "signature": "F" * 128}, "manifest_key"),
        ({"creator": "e" * 64, "signature": "f" * 128, "files": {}}, "manifest_key"),
        ({"digest": "c" * 63}, "manifest_unreadable"),
        ({"files": {"manifest.json": "d" * 64}}, "manifest_unreadable"),
    ],
)
def test_a_value_that_is_not_allowed_is_refused(changes: dict[str, Any], code: str) -> None:
    assert code_of(replace, FULL, **changes) == code


@pytest.mark.parametrize(
    "facts",
    [
        ("sort it", 1, 1, 1),
        ("sort", 0, 0, 0),
        ("sort", 10, 11, 0),
        ("sort", 10, -1, 0),
        ("sort", 10, 1, 11),
        ("sort", 10.0, 1, 1),
        ("sort", True, 1, 1),
        ("sort", 10**9 + 1, 1, 1),
        ("sort", 10, 1, 1, "Te st"),
    ],
)
def test_a_receipt_that_cannot_be_true_is_refused(facts: tuple[Any, ...]) -> None:
    assert code_of(Receipt, *facts) == "manifest_receipt"


@pytest.mark.parametrize("weight", [float("nan"), float("inf"), "1", True, None])
def test_a_parents_weight_is_a_finite_number(weight: Any) -> None:
    assert code_of(Parent, "a" * 64, weight) == "manifest_parent"
    assert code_of(Parent, "A" * 64) == "manifest_parent"


@pytest.mark.parametrize(
    ("text", "code"),
    [
        (b"", "manifest_unreadable"),
        (b"[]", "manifest_unreadable"),
        (b'{"name": "x"}', "manifest_unreadable"),
        (b'{"format": 2, "name": "x"}', "manifest_unreadable"),
        (b'{"format": 1, "name": "x", "name": "y"}', "manifest_unreadable"),
        (b'{"format": 1, "name": "x", "recipe": {"a": NaN}}', "manifest_unreadable"),
        (b'{"format": 1, "name": "x", "recipe": ' + b'{"a":' * 5000, "manifest_unreadable"),
        (b'{"format": 1}', "manifest_field"),
        (b'{"format": 1, "name": "x", "price": 3}', "manifest_field"),
        (b'{"format": 1, "name": "x", "tags": "abc"}', "manifest_field"),
        (b'{"format": 1, "name": ["x"]}', "manifest_field"),
        (b'{"format": 1, "name": "x", "parents": ["a"]}', "manifest_field"),
        (b'{"format": 1, "name": "x", "receipts": [{"skill": "a"}]}', "manifest_field"),
        (b'{"format": 1, "name": "x", "tags": [["a"]]}', "manifest_text"),
        (b'{"format": 1, "name": "x", "files": {"a": 1}}', "manifest_unreadable"),
    ],
)
def test_a_strangers_json_is_refused_by_code_never_by_another_error(text: bytes, code: str) -> None:
    assert code_of(Manifest.from_json, text) == code


def test_the_two_tables_of_codes_have_none_in_common() -> None:
    assert not REFUSALS.keys() & LIBRARY_REFUSALS.keys()
