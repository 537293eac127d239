"""Patterns match what Python's `re` matches, in bounded time."""

from __future__ import annotations

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from peft.utils.other import get_pattern_key

from genome.adapter.module_names import NameMatcher, check_patterns
from genome.errors import LayerRejected
from tests.support.cost import processor_s

NAMES = st.text("ab.0_", max_size=8)
ATOMS = st.sampled_from(
    ["a", "b", ".", r"\.", r"\d", r"\w", r"\W", "_", "0", "[ab]", "[^.]", "[0-9_]", r"[\d.]"]
)
PATTERNS = st.recursive(
    ATOMS,
    lambda inner: st.one_of(
        st.tuples(inner, inner).map("".join),
        st.tuples(inner, inner).map("|".join),
        inner.map("({})".format),
        inner.map("(?:{})".format),
        st.tuples(
            inner, st.sampled_from(["*", "+", "?", "*?", "{2}", "{1,}", "{0,2}", "{1,2}?"])
        ).map(lambda pair: f"({pair[0]}){pair[1]}"),
        inner.map("^{}".format),
        inner.map("{}$".format),
        inner.map(r"\b{}".format),
        inner.map(r"\A{}".format),
        inner.map(r"{}\Z".format),
        inner.map("(?P<n>{})".format),
        inner.map("(?={}).".format),
        inner.map("(?!{}).*".format),
        ATOMS.map("a(?<={})".format),
        ATOMS.map(".(?<!{}).".format),
    ),
    max_leaves=6,
).filter(lambda pattern: pattern.count("?P<n>") < 2)


@settings(max_examples=150, deadline=None)
@given(pattern=PATTERNS, name=NAMES)
def test_agrees_with_re(pattern: str, name: str) -> None:
    """Both ways of PEFT: the whole name, and the end of it from a dot on."""
    matcher = NameMatcher()
    assert matcher.whole(pattern, name) == bool(re.fullmatch(pattern, name))
    assert matcher.end(pattern, name) == bool(re.match(rf"(.*\.)?({pattern})$", name))
    upper = name.upper()
    assert matcher.whole(f"(?i){pattern}", upper) == bool(re.fullmatch(f"(?i){pattern}", upper))


@settings(max_examples=100, deadline=None)
@given(patterns=st.lists(st.text(r"ab.0_", min_size=1, max_size=4), max_size=4), name=NAMES)
def test_plain_names_agree_with_peft(patterns: list[str], name: str) -> None:
    """The first key that matches, where a dot in a key stands for any letter."""
    ours = next((p for p in patterns if NameMatcher().end(p, name)), name)
    assert ours == get_pattern_key(patterns, name)


@pytest.mark.parametrize(
    "pattern",
    [
        r".*\.layers\.(?:[0-9]|1[0-5])\.(self_attn|mlp)\.(q|k|v|o|gate|up|down)_proj",
        r"(?:.*?(?:language|text).*?(?:self_attn|attention|attn|mlp|feed_forward|ffn|dense).*?"
        r"(?:k_proj|q_proj|v_proj|o_proj|gate_proj|up_proj|down_proj).*?)|"
        r"(?:\bmodel\.layers\.[\d]{1,}\.(?:self_attn|attention|attn|mlp|feed_forward|ffn|dense)\."
        r"(?:(?:k_proj|q_proj|v_proj|o_proj|gate_proj|up_proj|down_proj)))",  # as Unsloth writes
        r"^(?!.*(?:patch_embed|visual|merger)).*(?:q_proj|o_proj|down_proj).*",  # LLaMA-Factory
        r"^(model(?=\.)\.layers(?=\.).*\.(q_proj|k_proj))$",  # ms-swift
        r".*(?<!cross_attn\.)q_proj",
        r"(?i).*\.Q_PROJ",
        r"(?P<block>model\.layers\.1[0-9]*)\..*_proj\Z",
    ],
)
def test_patterns_seen_in_the_wild_work(pattern: str) -> None:
    names = [f"model.layers.{i}.self_attn.{m}_proj" for i in (0, 15, 16) for m in "qxo"]
    check_patterns([pattern])
    for name in names:
        assert NameMatcher().whole(pattern, name) == bool(re.fullmatch(pattern, name))


@pytest.mark.parametrize(
    "pattern",
    [
        "(",
        ")",
        "[",
        "[a",
        "a**",
        "*a",
        "a{2",
        "a{3,1}",
        "a{999}",
        "(?P=n)",
        "(?P<>a)",
        r"(a)\1",
        "a(?i)",
        "(?>a)",
        "(?#a)",
        "(?(1)a|b)",
        "(?=a)*",
        "^*",
        "a\n",
        "é",
        "[b-a]",
        "[[:alpha:]]",
        "(" * 40 + ")" * 40,
        "(a)" * 999,
        "\\",
        "a++",
    ],
)
def test_patterns_of_other_kinds_are_refused(pattern: str) -> None:
    with pytest.raises(LayerRejected) as refusal:
        check_patterns([pattern])
    assert refusal.value.code == "pattern"


@pytest.mark.parametrize(
    "pattern",
    [
        "(a+)+b",
        "(a|a)*b",
        "(a*)*b",
        "(a|b|ab)*c",
        ".*.*.*.*.*.*c",
        "((a?){64}){64}c",
        "(?=(a+)+b)a*",
        "(?!(a|a)*b)(a*)*b",
        "(.(?<=(a+)+))*b",
    ],
)
def test_patterns_that_hang_re_end_at_once(pattern: str) -> None:
    """256 letters; `re` would need longer than anyone waits for the first four."""
    assert not NameMatcher().whole(pattern, "a" * 256)
    assert processor_s(lambda: NameMatcher().whole(pattern, "a" * 256)) < 1


def test_the_budget_is_for_all_patterns_together() -> None:
    matcher = NameMatcher()
    names = [f"{'a' * 200}{i}" for i in range(1000)]
    with pytest.raises(LayerRejected) as refusal:
        [matcher.whole("(.?){64}" * 100, name) for name in names]
    assert refusal.value.code == "pattern_cost"
    with pytest.raises(LayerRejected) as refusal:
        NameMatcher().whole("(?=.*" * 14 + ")" * 14, "a" * 250)
    assert refusal.value.code == "pattern_cost"
    with pytest.raises(LayerRejected, match="65536 letters together"):
        check_patterns([f"[a]{'a' * 2000}{i}" for i in range(40)])


def test_a_regular_expression_for_every_module_of_a_large_model_is_matched() -> None:
    """896 patterns, 896 modules: 128 blocks of seven linears, as a rank table may list them."""
    linears = ("q", "k", "v", "o", "gate", "up", "down")
    modules = [(i, m) for i in range(128) for m in linears]
    patterns = [rf".*\.layers\.{i}\.\w+\.{m}_proj" for i, m in modules]
    check_patterns(patterns)
    matcher = NameMatcher()
    for place, (i, m) in enumerate(modules):
        name = f"model.layers.{i}.self_attn.{m}_proj"
        assert next(n for n, p in enumerate(patterns) if matcher.end(p, name)) == place
