"""People's verdicts on pairs of answers, kept one per line in a file that only grows.

A line is written whole and flushed to the disk before the next question is asked; a last line
that a crash cut short is dropped by whoever reads or writes next.

Strengths from pairwise verdicts: Bradley and Terry 1952, intervals from the information.

P(i beats j) = 1 / (1 + exp(s_j - s_i)). A tie is half a win for either (intervals are then a
little too wide, never too narrow). The likelihood is concave; it is climbed by Newton's method
with step halving. Its maximum is finite just if every player can be reached from every other
along wins (Ford 1957; Hunter 2004, assumption 1). Where that fails, half a win and half a loss
against an imagined mean player are added for everyone, and the table says so; players never
compared with each other, even by way of third ones, are refused.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any, Literal

import numpy as np

from academy.errors import RatingsCorruptError, RatingsError
from academy.run_folder import append_line, whole_lines
from academy.statistics.intervals import Z95

Winner = Literal["first", "second", "tie"]
WORTH: dict[Winner, float] = {"first": 1.0, "second": 0.0, "tie": 0.5}


@dataclass(frozen=True, slots=True)
class Rating:
    """One person's verdict on two answers to one question."""

    question_id: str
    question: str
    first: str
    """Name of one persona."""
    second: str
    first_answer: str
    second_answer: str
    winner: Winner
    shown_first: bool
    """Whether `first`'s answer stood first on the screen."""

    def __post_init__(self) -> None:
        if self.winner not in WORTH or self.first == self.second or not self.first:
            raise RatingsError(
                f"{self.winner!r} is no verdict on {self.first!r} and {self.second!r}: it takes "
                "two personas and first, second or tie"
            )

    @property
    def comparison(self) -> Comparison:
        """The verdict alone, for `rate_players`."""
        return Comparison(self.first, self.second, WORTH[self.winner])


def append_rating(path: Path, rating: Rating) -> None:
    """Add one line and flush it to the disk; raises OSError if the disk will not take it."""
    append_line(path, asdict(rating))


def read_ratings(path: Path) -> list[Rating]:
    """All ratings of a file, oldest first; none if there is no file.

    Raises:
        RatingsCorruptError: A line other than a cut-off last one cannot be read.
    """
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        return []
    lines = data[: whole_lines(data)].split(b"\n")[:-1]
    return [_read(path, number, line) for number, line in enumerate(lines, 1)]


def rated_questions(ratings: Iterable[Rating], one: str, other: str) -> set[str]:
    """Ids of questions on which a pair was compared already."""
    return {r.question_id for r in ratings if {r.first, r.second} == {one, other}}


def _read(path: Path, number: int, line: bytes) -> Rating:
    try:
        data: dict[str, Any] = json.loads(line)
        for field in fields(Rating):
            type_ = bool if field.name == "shown_first" else str
            if not isinstance(data[field.name], type_):
                raise TypeError(f"{field.name} is no {type_.__name__}")
        return Rating(**{field.name: data[field.name] for field in fields(Rating)})
    except (ValueError, KeyError, TypeError, RatingsError) as error:
        raise RatingsCorruptError(
            f"{path}, line {number} is no rating ({error}): delete that line to go on without it"
        ) from None


ELO = 400 / np.log(10)
"""Elo points per unit of strength."""
PRIOR_GAMES = 1.0
"""Games against the imagined mean player, half of them won."""
_STEPS = 100


@dataclass(frozen=True, slots=True)
class Comparison:
    """One verdict: `worth` is 1 if the first won, 0 if the second, 0.5 for a tie."""

    first: str
    second: str
    worth: float


@dataclass(frozen=True, slots=True)
class RatingTable:
    """Strengths of players that were compared, best first."""

    players: tuple[str, ...]
    strengths: np.ndarray
    """(n_players,), mean 0; a difference of 1 is odds of e to 1."""
    covariance: np.ndarray
    """(n_players, n_players) of the strengths."""
    games: tuple[int, ...]
    regularised: bool
    """Someone never lost or never won: strengths were kept finite by imagined games."""

    @property
    def intervals(self) -> np.ndarray:
        """95 % interval of every strength, (n_players, 2)."""
        spread = Z95 * np.sqrt(np.diag(self.covariance).clip(0))
        return np.stack([self.strengths - spread, self.strengths + spread], 1)

    def beats(self, first: str, second: str) -> tuple[float, float, float]:
        """Probability that one player beats another, with its 95 % interval."""
        i, j = self.players.index(first), self.players.index(second)
        c = self.covariance
        difference = self.strengths[i] - self.strengths[j]
        spread = Z95 * np.sqrt(max(0.0, c[i, i] + c[j, j] - 2 * c[i, j]))
        low, mid, high = (1 / (1 + np.exp(-(difference + d))) for d in (-spread, 0.0, spread))
        return float(mid), float(low), float(high)


def rate_players(comparisons: Sequence[Comparison]) -> RatingTable:
    """Fit strengths to all comparisons.

    Raises:
        RatingsError: There are none, or some players were never compared with the others.
    """
    if not comparisons:
        raise RatingsError("there are no ratings yet: rate a few answers first")
    players = sorted({name for c in comparisons for name in (c.first, c.second)})
    wins = win_matrix(comparisons, players)
    _refuse_islands(players, wins + wins.T)
    regularised = not _all_reached(wins > 0)
    strengths, information = _climb(wins, PRIOR_GAMES if regularised else 0.0)
    covariance = np.linalg.pinv(information, hermitian=True)
    order = np.argsort(-strengths, kind="stable")
    games = (wins + wins.T).sum(1)
    return RatingTable(
        tuple(players[i] for i in order),
        strengths[order],
        covariance[np.ix_(order, order)],
        tuple(round(games[i]) for i in order),
        regularised,
    )


def win_matrix(comparisons: Sequence[Comparison], players: Sequence[str]) -> np.ndarray:
    """Wins of row over column, ties half to each, (n_players, n_players)."""
    place = {name: i for i, name in enumerate(players)}
    wins = np.zeros((len(players), len(players)))
    for c in comparisons:
        if c.first == c.second or not 0 <= c.worth <= 1:
            raise RatingsError(
                f"{c.first!r} against {c.second!r} with worth {c.worth} is no comparison: give "
                "two players and a worth from 0 to 1"
            )
        wins[place[c.first], place[c.second]] += c.worth
        wins[place[c.second], place[c.first]] += 1 - c.worth
    return wins


def connected_to(name: str, comparisons: Sequence[Comparison]) -> set[str]:
    """A player and all that it was compared with, directly or by way of others."""
    reached = {name}
    while True:
        more = {
            other
            for c in comparisons
            for one, other in ((c.first, c.second), (c.second, c.first))
            if one in reached
        }
        if more <= reached:
            return reached
        reached |= more


def _refuse_islands(players: Sequence[str], games: np.ndarray) -> None:
    reached = _reached(games > 0)
    if len(reached) < len(players):
        inside = ", ".join(players[i] for i in sorted(reached)[:5])
        outside = ", ".join(p for i, p in enumerate(players) if i not in reached)
        raise RatingsError(
            f"{inside} were never compared with {outside[:120]}, even by way of others, so no "
            "scale holds both: rate a pair that joins them"
        )


def _all_reached(edges: np.ndarray) -> bool:
    """Whether a directed graph is strongly connected."""
    return len(_reached(edges)) == len(_reached(edges.T)) == len(edges)


def _reached(edges: np.ndarray) -> set[int]:
    """Nodes that can be reached from the first."""
    seen, new = {0}, [0]
    while new:
        new = [int(j) for j in np.flatnonzero(edges[new.pop()]) if j not in seen] + new
        seen.update(new)
    return seen


def _climb(wins: np.ndarray, prior: float) -> tuple[np.ndarray, np.ndarray]:
    """Strengths of greatest likelihood, (n,), and the information there, (n, n)."""
    strengths = np.zeros(len(wins))
    value = _log_likelihood(wins, prior, strengths)
    for _ in range(_STEPS):
        gradient, information = _slopes(wins, prior, strengths)
        if np.abs(gradient).max() < 1e-9:
            break
        step = np.linalg.pinv(information, hermitian=True) @ gradient
        for _ in range(40):
            reached = _log_likelihood(wins, prior, strengths + step)
            if reached >= value:
                break
            step = step / 2
        else:
            break
        strengths, value = strengths + step, reached
    return strengths - strengths.mean(), _slopes(wins, prior, strengths)[1]


def _log_likelihood(wins: np.ndarray, prior: float, strengths: np.ndarray) -> float:
    ahead = strengths[:, None] - strengths[None, :]
    own = np.logaddexp(0, -strengths) + np.logaddexp(0, strengths)
    return float(-(wins * np.logaddexp(0, -ahead)).sum() - prior / 2 * own.sum())


def _slopes(wins: np.ndarray, prior: float, strengths: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Gradient of the log-likelihood, (n,), and its negative Hessian, (n, n)."""
    games = wins + wins.T
    p = 1 / (1 + np.exp(strengths[None, :] - strengths[:, None]))  # row beats column
    own = 1 / (1 + np.exp(-strengths))
    gradient = wins.sum(1) - (games * p).sum(1) + prior * (0.5 - own)
    weight = games * p * p.T
    information = np.diag(weight.sum(1) + prior * own * (1 - own)) - weight
    return gradient, information
