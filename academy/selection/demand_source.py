"""How a configuration names demand. Whatever the kind, what comes is skill -> weight.

    even                            every skill alike
    file:wishes.toml                weights in TOML or JSON; a path alone means the same
    trace:usage.log                 what was asked, one JSON object a line
    trace:usage.log?half-life=7d    the same, older questions counting less (s, m, h, d or w)
    market                          any other word: a door that the caller opens

All of them feed the same fitness; none knows of another.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from academy.errors import did_you_mean
from academy.selection import demand, demand_files
from academy.selection.demand import Demand
from academy.selection.errors import DemandError

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
        return demand.even(skills)
    kind, colon, rest = spec.partition(":")
    if doors and kind in doors:
        return demand.from_callable(lambda: doors[kind](rest), skills)
    path = demand_file(spec)
    if path is None:
        known = ["even", FILE, TRACE, *(doors or {})]
        raise DemandError(f"there is no demand {kind + colon!r} here: {did_you_mean(kind, known)}")
    if kind != TRACE:
        return demand_files.load(path, skills)
    return demand_files.from_trace(path, skills, half_life_s=_half_life(rest))


def demand_file(spec: str) -> Path | None:
    """The file that a specification reads; None if it reads none."""
    kind, colon, rest = spec.partition(":")
    if kind == TRACE and colon:
        return Path(rest.partition(HALF_LIFE)[0])
    if kind == FILE and colon:
        return Path(rest)
    return Path(spec) if Path(spec).suffix in demand_files.SUFFIXES else None


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
