"""The source that a specification names: built in, a file, a library's, or a stranger's package."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path

import numpy as np

from academy.challenge import SPLITS
from academy.errors import SourceUnavailableError, TooFewQuestionsError, UnknownSourceError
from academy.sources.source import ChallengeSource

FILES = ("jsonl", "csv", "parquet")
"""Words before a path; which of the two a file is, its own name says."""
GROUP = "continuum.challenges"
PLUGIN_SAMPLE = 8
"""Questions of each skill and split of a plug-in that are looked at when it is opened."""
PLUGIN_SEED = 44_000


def open_source(spec: str) -> ChallengeSource:
    """The source a specification names.

    `builtin`, `builtin:reverse,sort`, `english`, `english:past,sql`, `jsonl:PATH`, `csv:PATH`,
    `parquet:PATH` or `hub:ORG/NAME?config=C&split=S` (with `?prompt=COLUMN&...`, see
    `academy.sources.columns`), `reasoning-gym:chain_sum,gcd`, or the name of an entry point of the
    group `continuum.challenges`.

    Raises:
        SourceError: There is none of that name, or it cannot be opened.
    """
    kind, colon, rest = spec.partition(":")
    openers = _openers()
    if kind in openers:
        return openers[kind](rest)
    plugins = {point.name: point for point in entry_points(group=GROUP)}
    if kind in plugins and not colon:
        return _open_plugin(plugins[kind])
    raise UnknownSourceError("challenge source", spec, [*openers, *plugins])


def _openers() -> dict[str, Callable[[str], ChallengeSource]]:
    """By the word before the colon: what makes a source of the rest."""
    files = dict.fromkeys(FILES, _open_file)
    return {
        "builtin": _open_builtin,
        "english": _open_english,
        **files,
        "hub": _open_hub,
        "reasoning-gym": _open_reasoning,
    }


def file_of(spec: str) -> tuple[str, Path, str] | None:
    """Kind, path and map of columns of a specification that names a file."""
    kind, colon, rest = spec.partition(":")
    if kind not in FILES or not colon or not rest:
        return None
    path, mark, columns = rest.rpartition("?")
    return (kind, Path(path), columns) if mark and "=" in columns else (kind, Path(rest), "")


def _names(rest: str) -> tuple[str, ...]:
    return tuple(dict.fromkeys(name.strip() for name in rest.split(",") if name.strip()))


def _open_builtin(rest: str) -> ChallengeSource:
    from academy.sources.builtin import BuiltinSource

    return BuiltinSource(_names(rest))


def _open_english(rest: str) -> ChallengeSource:
    from academy.sources.builtin import EnglishSource

    return EnglishSource(_names(rest))


def _open_file(rest: str) -> ChallengeSource:
    from academy.sources.jsonl import JsonlSource

    found = file_of(f"jsonl:{rest}")
    if found is None:
        raise SourceUnavailableError("a challenge file needs its path: write jsonl:PATH")
    return JsonlSource.read(*found[1:])


def _open_hub(rest: str) -> ChallengeSource:
    from academy.sources.jsonl import JsonlSource

    if not rest:
        raise SourceUnavailableError("a data set of the hub needs its name: write hub:ORG/NAME")
    return JsonlSource.read_hub(rest)


def _open_reasoning(rest: str) -> ChallengeSource:
    from academy.sources.reasoning import ReasoningGymSource

    if not _names(rest):
        raise SourceUnavailableError(
            "reasoning-gym needs the names of its datasets: write reasoning-gym:chain_sum,gcd"
        )
    return ReasoningGymSource(_names(rest))


def _open_plugin(point: EntryPoint) -> ChallengeSource:
    """A stranger's package: whatever it raises becomes one line, whatever it draws is checked."""
    from academy.sources.checked import checked
    from academy.sources.checks import check_sample

    try:
        source = point.load()()
    except Exception as error:
        raise SourceUnavailableError(
            f"the challenge source {point.name!r} ({point.value}) failed to open "
            f"({type(error).__name__}: {error}): repair or uninstall its package"
        ) from error
    if not isinstance(source, ChallengeSource) or not source.skills:
        raise SourceUnavailableError(
            f"{point.value} gave no challenge source: it needs name, skills (at least one), "
            "describe and draw"
        )
    guarded = checked(source)
    rng, sample = np.random.default_rng(PLUGIN_SEED), []
    for skill in guarded.skills:
        for split in SPLITS:
            with suppress(TooFewQuestionsError):
                sample += guarded.draw(skill, split, PLUGIN_SAMPLE, rng)
    check_sample(sample)
    return guarded
