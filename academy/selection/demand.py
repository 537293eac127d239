"""Demand: how much each skill is asked for. The one door through which it enters the Academy.

A `Demand` is a mapping from skill to its share of all questions (shares sum to 1). It comes
from nowhere (even), a file, a trace of what was asked, or any callable: the marketplace plugs
in there; `academy.selection.demand` opens each by its name. Older questions of a trace
count less: n * 2^(-age / half_life).

How a configuration names demand. Whatever the kind, what comes is skill -> weight.

    even                            every skill alike
    file:wishes.toml                weights in TOML or JSON; a path alone means the same
    trace:usage.log                 what was asked, one JSON object a line
    trace:usage.log?half-life=7d    the same, older questions counting less (s, m, h, d or w)
    market                          any other word: a door that the caller opens

All of them feed the same fitness; none knows of another.

Demand from a file: JSON or TOML with weights, or a trace of what was asked (JSONL).

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
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from numbers import Real
from pathlib import Path

import numpy as np

from academy.errors import DemandError, did_you_mean


@dataclass(frozen=True)
class Demand(Mapping[str, float]):
    """Every skill's share of all questions.

    Raises:
        DemandError: No skills, one twice, a weight that is none, or nothing asked for at all.
    """

    skills: tuple[str, ...]
    weights: tuple[float, ...]
    """Given in any unit (questions, money, votes); kept as shares summing to 1."""

    def __post_init__(self) -> None:
        if not self.skills or len(set(self.skills)) != len(self.skills):
            raise DemandError(
                f"demand over {list(self.skills)}: name each skill once, at least one"
            )
        if len(self.skills) != len(self.weights):
            raise DemandError(
                f"{len(self.skills)} skills but {len(self.weights)} weights: pair them"
            )
        numbers = [_weight(s, w) for s, w in zip(self.skills, self.weights, strict=True)]
        largest = max(numbers)
        if largest == 0:
            raise DemandError("every skill's weight is 0: ask for at least one, or use even demand")
        scaled = [number / largest for number in numbers]  # so that huge weights cannot overflow
        object.__setattr__(self, "weights", tuple(n / math.fsum(scaled) for n in scaled))

    def __getitem__(self, skill: str) -> float:
        try:
            return self.weights[self.skills.index(skill)]
        except ValueError:
            raise KeyError(skill) from None

    def __iter__(self) -> Iterator[str]:
        return iter(self.skills)

    def __len__(self) -> int:
        return len(self.skills)

    @property
    def shares(self) -> np.ndarray:
        """Shares in the order of `skills`, (n_skills,), summing to 1."""
        return np.array(self.weights)


def even(skills: Sequence[str]) -> Demand:
    """Every skill is asked for equally often."""
    return Demand(tuple(skills), (1.0,) * len(skills))


def from_mapping(weights: Mapping[str, object], skills: Sequence[str]) -> Demand:
    """Demand over `skills`; those not mentioned are not asked for.

    Raises:
        DemandError: An unknown skill (the nearest is named), a bad weight, or all weights zero.
    """
    if not isinstance(weights, Mapping):
        raise DemandError(f"demand is {_shown(weights)}: give a mapping from skill to weight")
    for name in weights:
        known(name, skills)
    return Demand(tuple(skills), tuple(_weight(s, weights.get(s, 0.0)) for s in skills))


def from_callable(source: Callable[[], Mapping[str, object]], skills: Sequence[str]) -> Demand:
    """What `source` says now; call again for news. An error inside becomes one line.

    Raises:
        DemandError: The source failed, or what it says is no demand.
    """
    try:
        weights = source()
    except Exception as cause:  # a plug-in may raise anything
        lines = (str(cause).strip() or type(cause).__name__).splitlines()
        raise DemandError(
            f"the demand source failed ({lines[0]}): repair it or use even"
        ) from cause
    return from_mapping(weights, skills)


def item_weights(item_skills: Sequence[str], demand: Mapping[str, float]) -> np.ndarray:
    """The weight of each item: its skill's demand, shared by the skill's items, (n_items,).

    Raises:
        DemandError: An item tests a skill that the demand does not know.
    """
    for skill in dict.fromkeys(item_skills):
        known(skill, tuple(demand))
    n = dict.fromkeys(demand, 0)
    for skill in item_skills:
        n[skill] += 1
    return np.array([demand[skill] / n[skill] for skill in item_skills], dtype=float)


def known(name: object, skills: Sequence[str], place: str = "") -> str:
    """The skill of that name.

    Args:
        place: Where the name was found, for the message.

    Raises:
        DemandError: There is none.
    """
    if isinstance(name, str) and name in skills:
        return name
    remedy = did_you_mean(str(name), skills)
    raise DemandError(f"{place}demand names an unknown skill {_shown(name)}: {remedy}")


def _weight(skill: str, value: object) -> float:
    number = float(value) if isinstance(value, Real) and not isinstance(value, bool) else math.nan
    if not (math.isfinite(number) and number >= 0):
        raise DemandError(
            f"the demand for {skill!r} is {_shown(value)}: give a finite number of at least 0"
        )
    return number


def _shown(value: object, longest: int = 40) -> str:
    text = " ".join(repr(value).split())
    return text if len(text) <= longest else text[: longest - 3] + "..."


Door = Callable[[str], Mapping[str, object]]
"""What stands after the colon -> weight by skill, as it is now."""
FILE, TRACE = "file", "trace"
HALF_LIFE = "?half-life="
SECONDS = {"s": 1.0, "m": 60.0, "h": 3600.0, "d": 86_400.0, "w": 604_800.0}


def open_demand(
    spec: str, skills: Sequence[str], doors: Mapping[str, Door] | None = None
) -> Demand:
    """The demand that a specification names.

    Args:
        doors: By the word before the colon: more kinds of demand than files.

    Raises:
        DemandError: There is no such kind, or it cannot be read.
    """
    if spec == "even":
        return even(skills)
    kind, colon, rest = spec.partition(":")
    if doors and kind in doors:
        return from_callable(lambda: doors[kind](rest), skills)
    path = demand_file(spec)
    if path is None:
        known = ["even", FILE, TRACE, *(doors or {})]
        raise DemandError(f"there is no demand {kind + colon!r} here: {did_you_mean(kind, known)}")
    if kind != TRACE:
        return load(path, skills)
    return from_trace(path, skills, half_life_s=_half_life(rest))


def demand_file(spec: str) -> Path | None:
    """The file that a specification reads; None if it reads none."""
    kind, colon, rest = spec.partition(":")
    if kind == TRACE and colon:
        return Path(rest.partition(HALF_LIFE)[0])
    if kind == FILE and colon:
        return Path(rest)
    return Path(spec) if Path(spec).suffix in SUFFIXES else None


def located(spec: str) -> str:
    """The same demand whatever folder it is asked for in: with its file's absolute path."""
    path = demand_file(spec)
    if path is None:
        return spec
    kind, _, rest = spec.partition(":")
    _, named, time = rest.partition(HALF_LIFE)
    prefix = f"{kind}:" if kind in (FILE, TRACE) else ""
    return f"{prefix}{path.absolute()}{named}{time}"


def _half_life(rest: str) -> float | None:
    """Seconds, from `PATH?half-life=7d`; None if none is named."""
    _, named, text = rest.partition(HALF_LIFE)
    if not named:
        return None
    unit = SECONDS.get(text[-1:])
    try:
        seconds = float(text if unit is None else text[:-1]) * (unit or 1.0)
    except ValueError:
        seconds = math.nan
    if not (math.isfinite(seconds) and seconds > 0):
        raise DemandError(
            f"half-life {text!r} is no time above 0: write a number with s, m, h, d or w, like 7d"
        )
    return seconds


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
