"""Demand from a file: JSON or TOML with weights, or a trace of what was asked (JSONL).

A weights file maps skills to numbers, at the top or under `demand`:
    [demand]                            {"sort": 3, "reverse": 1}
    sort = 3
A trace has one object a line: {"skill": "sort", "n": 5, "at": "2025-03-01T12:00:00Z"}. `n` is
the number of questions (1 if left out), `at` is ISO 8601 (UTC if no zone is given) or seconds
since 1970; `timestamp` is read as `at`. Other fields of a line are ignored: a usage log will do.
"""

from __future__ import annotations

import json
import math
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path

from academy.selection.demand import Demand, from_mapping, known
from academy.selection.errors import DemandError

SUFFIXES = (".json", ".toml", ".jsonl")


def load(path: str | Path, skills: Sequence[str]) -> Demand:
    """Demand from a file, by its suffix.

    Raises:
        DemandError: No such file, one that cannot be read, or bad weights in it.
    """
    path = Path(path)
    if path.suffix == ".jsonl":
        return from_trace(path, skills)
    if path.suffix not in SUFFIXES:
        raise DemandError(
            f"demand file {path.name!r} ends in none of {', '.join(SUFFIXES)}: rename"
        )
    content = _parsed(path)
    nested = content.get("demand") if set(content) == {"demand"} else None
    try:
        return from_mapping(nested if isinstance(nested, Mapping) else content, skills)
    except DemandError as error:
        raise DemandError(f"{path.name}: {error}") from None


def from_trace(
    path: str | Path,
    skills: Sequence[str],
    *,
    half_life_s: float | None = None,
    now_s: float | None = None,
) -> Demand:
    """Demand from what was asked, recent questions counting more.

    Args:
        half_life_s: A question this much older counts half; None counts all the same.
        now_s: Seconds since 1970; None takes the latest time in the trace, so that the same
            trace always gives the same demand.

    Raises:
        DemandError: A bad line (its number is named), or nothing asked for in the whole trace.
    """
    if half_life_s is not None and not (math.isfinite(half_life_s) and half_life_s > 0):
        raise DemandError(f"half_life_s is {half_life_s}: give a number of seconds above 0")
    path = Path(path)
    rows = [_row(line, f"{path.name} line {i}: ", skills) for i, line in _lines(path)]
    weights = dict.fromkeys(skills, 0.0)
    if half_life_s is None:
        for skill, n, _ in rows:
            weights[skill] += n
        return from_mapping(weights, skills)
    times = [at for _, _, at in rows if at is not None]
    if len(times) < len(rows):
        raise DemandError(f"{path.name}: a half-life needs `at` in every line: add it or drop both")
    now = max(times, default=0.0) if now_s is None else now_s
    for skill, n, at in rows:
        weights[skill] += n * 2.0 ** (-max(0.0, now - (at or 0.0)) / half_life_s)
    return from_mapping(weights, skills)


def _row(line: str, place: str, skills: Sequence[str]) -> tuple[str, float, float | None]:
    try:
        row = json.loads(line)
    except ValueError:
        row = None
    if not isinstance(row, dict):
        raise DemandError(f'{place}not a JSON object: write {{"skill": "...", "n": 1}}')
    skill = known(row.get("skill"), skills, place)
    n = row.get("n", 1)
    if isinstance(n, bool) or not isinstance(n, int | float) or not (0 <= n < math.inf):
        raise DemandError(f"{place}n is {n!r}: give a finite number of at least 0")
    return skill, float(n), _seconds(row.get("at", row.get("timestamp")), place)


def _seconds(at: object, place: str) -> float | None:
    """Seconds since 1970 of a number or an ISO 8601 time."""
    if at is None:
        return None
    if isinstance(at, str):
        try:
            time = datetime.fromisoformat(at)
        except ValueError:
            time = None
        if time is not None:
            return (time if time.tzinfo else time.replace(tzinfo=UTC)).timestamp()
    elif isinstance(at, int | float) and not isinstance(at, bool) and math.isfinite(at):
        return float(at)
    raise DemandError(f"{place}at is {at!r}: give ISO 8601 or seconds since 1970")


def _parsed(path: Path) -> Mapping[str, object]:
    text = _text(path)
    try:
        content = tomllib.loads(text) if path.suffix == ".toml" else json.loads(text)
    except (ValueError, RecursionError) as cause:
        kind = path.suffix[1:].upper()
        raise DemandError(f"{path.name} is no {kind} ({_first_line(cause)}): repair it") from None
    if not isinstance(content, dict):
        raise DemandError(f"{path.name} holds no mapping: write skill and weight pairs")
    return content


def _lines(path: Path) -> Iterator[tuple[int, str]]:
    for number, line in enumerate(_text(path).splitlines(), start=1):
        if line.strip():
            yield number, line


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except OSError as cause:
        reason = cause.strerror or type(cause).__name__
    except UnicodeDecodeError:
        reason = "it is not UTF-8 text"
    raise DemandError(f"demand file {str(path)!r} cannot be read ({reason}): check the path")


def _first_line(cause: Exception) -> str:
    return (str(cause).strip() or type(cause).__name__).splitlines()[0]
