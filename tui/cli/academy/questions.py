"""Where `exam`, `trial` and `rate` have their questions from, and what to know about them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated
from urllib.parse import quote

import typer

from tui.cli.errors import OptionError
from tui.cli.home import resolve_home
from tui.cli.tables import percent
from tui.printing import say

if TYPE_CHECKING:
    from academy.challenge import Challenge
    from academy.sources.source import ChallengeSource
    from genome.base_model import BaseModel

SOURCE_HELP = (
    "builtin[:SKILL,SKILL], english[:SKILL,SKILL], jsonl:PATH, csv:PATH, parquet:PATH, "
    "hub:ORG/NAME, reasoning-gym:NAME,NAME or a plug-in."
)
OURS = ("builtin", "english")
"""Sources whose skills are ours."""
BY_BASE = "the skills made for the base"
MapOption = Annotated[
    str | None,
    typer.Option(
        "--map",
        help="Which columns of a file are what, such as prompt=question,answer=answer.",
        show_default="recognised",
    ),
]
RuleOption = Annotated[
    str | None,
    typer.Option(
        help="How a file's answers are scored: exact, text, contains, numeric, choice, acc, "
        "acc_norm, judge, or `LOOK > RULE` with line, code, letter, json:FIELD, regex:PATTERN.",
        show_default="by what each question gives",
    ),
]


def with_columns(source: str | None, columns: str | None, rule: str | None) -> str | None:
    """A file's specification that says which columns are what, and how answers are scored.

    Raises:
        OptionError: The source is no file.
    """
    from academy.sources.opening import file_of

    if columns is None and rule is None:
        return source
    if source is None or (file_of(source) is None and not source.startswith("hub:")):
        raise OptionError(
            "--map and --rule are for files, "
            f"{repr(source) + ' is' if source else 'without --source there is'} none: "
            "use --source jsonl:PATH"
        )
    parts = [part.strip() for part in (columns or "").split(",") if part.strip()]
    if rule is not None:
        parts.append(f"rule={quote(rule, safe=' :')}")
    return f"{source}{'&' if '?' in source else '?'}{'&'.join(parts)}"


def open_shown(source: str) -> ChallengeSource:
    """Open a source; a file's columns, where they are not ours, and its first question are shown.

    Raises:
        SourceError: It cannot be opened.
    """
    from academy.sources.opening import open_source

    opened = open_source(source)
    say(*getattr(opened, "shown", ()))
    return opened


def open_for(source: str | None, base: BaseModel) -> ChallengeSource:
    """Open a source, or where none is named the one made for the base."""
    from academy.skills.curriculum import curriculum

    return open_shown(source or curriculum(base).source)


def check_skills(source: ChallengeSource | None, named: Sequence[str]) -> None:
    """Refuse a skill that the source lacks, before a model is loaded.

    Raises:
        UnknownSkillError: There is one. Where no source is open yet, none is known to be.
    """
    from academy.errors import UnknownSkillError

    for name in named:
        if source is not None and name not in source.skills:
            raise UnknownSkillError(name, source.skills)


def source_of_skills(skills: Sequence[str], home: Path | None) -> ChallengeSource:
    """What asks for some skills: those of letters or in English, or else the home's run.

    Raises:
        OptionError: None knows them all.
    """
    from academy.run_folder import RunFolder
    from academy.skills.curriculum import is_skill
    from academy.sources.opening import open_source
    from tui.jobs.evolve import saved_config

    for ours in OURS:
        if set(skills) <= set((source := open_source(ours)).skills):
            return source
    where = resolve_home(home)
    if (RunFolder(where).path / "config.json").exists():
        source = open_source(saved_config(where).run.source)
        if set(skills) <= set(source.skills):
            return source
    unknown = next((skill for skill in skills if not is_skill(skill)), ", ".join(skills))
    raise OptionError(
        f"there is no skill {unknown!r} in {', '.join(OURS)} or a run in {where}: say with "
        "--source where its questions are"
    )


def print_one_answer(items: Sequence[Challenge]) -> None:
    """Name the skills of which one answer is right so often that it need not be read."""
    from academy.sources.checks import one_answer_shares

    for skill, share in one_answer_shares(items).items():
        say(f"{skill}: always the same answer would be right {percent(share)} of the time")
