"""The model card: README.md as the Hugging Face hub reads it.

A YAML header says which base model the adapter belongs to, under which licence it may be used and
what it scored (the hub's `model-index` form); the text below says the same to people.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass

from genome.licence import hub_licence

MAX_LINE = 300


@dataclass(frozen=True, slots=True)
class CardMetric:
    """One measured number, as the hub's leaderboards list it."""

    task: str
    """What was asked, e.g. "roman"."""
    dataset: str
    """Questions it was measured on, e.g. "roman-test"."""
    metric: str
    """What was counted, e.g. "exact_match"."""
    value: float
    """In the metric's own unit; an accuracy is a share from 0 to 1."""
    base_value: float | None = None
    """The same for the base model alone."""
    ancestor_value: float | None = None
    """The same without the last layer."""
    stack: tuple[str, ...] = ()
    """All layers that were measured together; empty = the card's layer alone."""


@dataclass(frozen=True, slots=True)
class CardFacts:
    """What a model card says."""

    name: str
    description: str = ""
    licence: str = ""
    """SPDX expression; empty = not stated. The card says it as the hub does."""
    base_model: str = ""
    """Hub id of the base model; empty = the path given to `to_peft`."""
    tags: tuple[str, ...] = ()
    metrics: tuple[CardMetric, ...] = ()
    parents: tuple[str, ...] = ()
    """Digests of the layers this one was made from."""
    licence_link: str = ""
    """Where the text of a licence stands that the hub does not know."""


def model_card(facts: CardFacts, base_model_path: str = "") -> str:
    """The text of README.md.

    Everything stated by an author goes through JSON, which is YAML as well, so that no value can
    end its line and add a field of its own.
    """
    return f"---\n{_header(facts, base_model_path)}---\n\n{_body(facts, base_model_path)}"


def _header(facts: CardFacts, base_model_path: str) -> str:
    base = facts.base_model or base_model_path
    lines = []
    if base:
        lines += [f"base_model: {_quoted(base)}", "base_model_relation: adapter"]
    licence, name, link = hub_licence(facts.licence)
    stated = {"license": licence, "license_name": name, "license_link": facts.licence_link or link}
    if licence:
        lines += [f"{key}: {_quoted(value)}" for key, value in stated.items() if value]
    lines += ["library_name: peft", "pipeline_tag: text-generation", "tags:"]
    lines += [f"- {_quoted(tag)}" for tag in dict.fromkeys(("lora", "continuum", *facts.tags))]
    if facts.parents:
        lines.append("parents:")
        lines += [f"- {_quoted(parent)}" for parent in facts.parents]
    alone = [metric for metric in facts.metrics if not metric.stack]
    if alone:
        lines += ["model-index:", f"- name: {_quoted(facts.name)}", "  results:"]
        for metric in alone:
            lines += _result(metric)
    return "\n".join(lines) + "\n"


def _result(metric: CardMetric) -> list[str]:
    return [
        "  - task:",
        "      type: text-generation",
        f"      name: {_quoted(metric.task)}",
        "    dataset:",
        f"      type: {_quoted(metric.dataset)}",
        f"      name: {_quoted(metric.dataset)}",
        "    metrics:",
        f"    - type: {_quoted(metric.metric)}",
        f"      value: {json.dumps(float(metric.value))}",
    ]


def _body(facts: CardFacts, base_model_path: str) -> str:
    base = facts.base_model or base_model_path
    parts = [f"# {_line(facts.name)}"]
    if facts.description:
        parts.append(_line(facts.description))
    parts.append(
        f"A LoRA adapter for {_code(base) if base else 'the base model named in its manifest'}. "
        "Load it with `peft.PeftModel.from_pretrained`."
    )
    alone = [metric for metric in facts.metrics if not metric.stack]
    stacked = [metric for metric in facts.metrics if metric.stack]
    parts += [_table("this layer", alone)] if alone else []
    for stack in dict.fromkeys(metric.stack for metric in stacked):
        same = [metric for metric in stacked if metric.stack == stack]
        layers = " + ".join(_code(layer) for layer in stack)
        parts.append(f"Measured together as {layers}, which this layer alone does not reach:")
        parts.append(_table("together", same))
    if facts.parents:
        parts.append("Made from: " + ", ".join(_code(parent) for parent in facts.parents) + ".")
    return "\n\n".join(parts) + "\n"


def _table(who: str, metrics: Sequence[CardMetric]) -> str:
    """Base, ancestor where one was measured, and what the numbers are about."""
    ancestor = any(metric.ancestor_value is not None for metric in metrics)
    names = ("task", "questions", "metric", "base model", *["ancestor"] * ancestor, who)
    rows = [f"| {' | '.join(names)} |", "|---" * len(names) + "|"]
    for m in metrics:
        values = (m.base_value, *[m.ancestor_value] * ancestor, m.value)
        cells = (_cell(m.task), _cell(m.dataset), _cell(m.metric))
        shown = ("" if value is None else f"{value:.4g}" for value in values)
        rows.append(f"| {' | '.join((*cells, *shown))} |")
    return "\n".join(rows)


def _quoted(text: str) -> str:
    """A YAML string: JSON on one line, without control characters or halves of characters."""
    printable = "".join(char if char.isprintable() else " " for char in text[:MAX_LINE])
    return json.dumps(printable, ensure_ascii=False)


def _line(text: str) -> str:
    """Words on one line, without what Markdown or HTML would run."""
    words = " ".join(text[:2000].split())
    printable = "".join(char for char in words if char.isprintable())
    return printable.replace("<", "&lt;").replace("`", "'")


def _code(text: str) -> str:
    return f"`{_line(text)[:MAX_LINE]}`"


def _cell(text: str) -> str:
    return _line(text).replace("|", "/")
