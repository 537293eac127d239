"""The model card says what the facts say, to the hub and to people."""

from __future__ import annotations

from pathlib import Path

import yaml
from huggingface_hub import ModelCard

from genome.adapter.card import CardFacts, CardMetric, model_card
from genome.adapter.layer_files import check_text

FACTS = CardFacts(
    name="roman-5",
    description="Reads Roman numerals.",
    licence="apache-2.0",
    base_model="continuum/tiny",
    tags=("roman",),
    metrics=(CardMetric("roman", "roman-test", "exact_match", 0.93, 0.14),),
    parents=("ab" * 32,),
)


def test_the_hub_reads_the_card(tmp_path: Path) -> None:
    """Base model, relation, licence, library, tags and scores, by the hub's own parser."""
    (tmp_path / "README.md").write_text(model_card(FACTS))
    card = ModelCard.load(tmp_path / "README.md")
    data = card.data.to_dict()
    assert data["base_model"] == "continuum/tiny"
    assert data["base_model_relation"] == "adapter"
    assert data["license"] == "apache-2.0" and data["library_name"] == "peft"
    assert data["tags"] == ["lora", "continuum", "roman"]
    assert data["parents"] == ["ab" * 32]
    (result,) = card.data.eval_results
    assert (result.task_name, result.metric_type, result.metric_value) == (
        "roman",
        "exact_match",
        0.93,
    )
    assert "| roman | roman-test | exact_match | 0.14 | 0.93 |" in card.text


def test_a_stacks_result_is_not_the_layers(tmp_path: Path) -> None:
    """What was measured together is told apart from the layer, and no score for the hub."""
    stack = ("aaaaaaaaaaaa x 1", "bbbbbbbbbbbb x 0.5")
    alone = CardMetric("roman", "roman-test", "exact_match", 0.46, 0.335)
    together = CardMetric("roman", "roman-test", "exact_match", 0.79, 0.335, 0.6, stack)
    (tmp_path / "README.md").write_text(model_card(CardFacts("x", metrics=(together, alone))))
    card = ModelCard.load(tmp_path / "README.md")
    assert [result.metric_value for result in card.data.eval_results] == [0.46]
    assert "| task | questions | metric | base model | this layer |" in card.text
    assert "| roman | roman-test | exact_match | 0.335 | 0.46 |" in card.text
    assert "together as `aaaaaaaaaaaa x 1` + `bbbbbbbbbbbb x 0.5`, which this layer" in card.text
    assert "| task | questions | metric | base model | ancestor | together |" in card.text
    assert "| roman | roman-test | exact_match | 0.335 | 0.6 | 0.79 |" in card.text
    (tmp_path / "README.md").write_text(model_card(CardFacts("x", metrics=(together,))))
    assert not ModelCard.load(tmp_path / "README.md").data.eval_results


def test_a_card_without_facts_is_still_a_card(tmp_path: Path) -> None:
    (tmp_path / "README.md").write_text(model_card(CardFacts("x"), "some/base"))
    data = ModelCard.load(tmp_path / "README.md").data.to_dict()
    assert data["base_model"] == "some/base" and "license" not in data


def test_no_value_can_add_a_field_or_markup() -> None:
    """Newlines, quotes, HTML and code fences stay inside their value."""
    evil = 'x"\n---\nlicense: mit\n<script>`|\x1b'
    facts = CardFacts(
        evil, evil, evil, evil, (evil,), (CardMetric(evil, evil, evil, 1.0),), (evil,)
    )
    text = model_card(facts, evil)
    check_text("README.md", text.encode())
    header, body = text.removeprefix("---\n").split("\n---\n")
    data = yaml.safe_load(header)
    assert data["license_name"] == "x-license-mit-script" and data["license"] == "other"
    assert data["parents"][0] == 'x" --- license: mit <script>`| '
    assert set(data) == {
        "base_model",
        "base_model_relation",
        "license",
        "license_name",
        "library_name",
        "pipeline_tag",
        "tags",
        "parents",
        "model-index",
    }
    assert "<script" not in body and "license: mit\n" not in body and body.count("`") == 6


def test_every_language_and_emoji_survives() -> None:
    name = "Römisch 日本 \U0001f4a9"
    header = model_card(CardFacts(name, tags=(name,))).split("---\n")[1]
    assert yaml.safe_load(header)["tags"][-1] == name
