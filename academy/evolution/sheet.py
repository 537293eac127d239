"""What is asked in a generation, of whom, and what that costs.

Either everybody alive answers the same questions in every generation, or (`population.own`) only
newborns answer, each mostly questions of the kind it was made for.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from academy.challenge import Challenge
from academy.evolution.state import Candidate, Evolution
from academy.evolution.workbench import Workbench


@dataclass(frozen=True)
class Sheet:
    """What is asked in one generation: everything of everybody, or of newborns their own part.

    With parts of their own candidates cannot be compared answer by answer. What is known of each,
    skill by skill, then stands for its results.
    """

    items: list[Challenge]
    skills: np.ndarray
    """Skill index of each item, ascending, (n_items,)."""
    name: str
    """Names the items for the archive."""
    own: int = 0
    """Questions of its niche that a child is asked; 0 = everybody is asked everything."""
    others: int = 0
    """Questions of all other skills together that a child is asked."""

    @property
    def columns(self) -> np.ndarray:
        """Skill index of each of a candidate's results, (n_results,)."""
        return np.unique(self.skills) if self.own else self.skills

    def groups(self, candidates: Sequence[Candidate]) -> dict[int, list[Candidate]]:
        """Candidates by the niche whose part they are asked; one group if there are no parts."""
        groups: dict[int, list[Candidate]] = {}
        for candidate in candidates:
            groups.setdefault(candidate.niche if self.own else -1, []).append(candidate)
        return groups

    def places(self, niche: int) -> np.ndarray:
        """Places of the items that one of a niche is asked; of a founder (-1) one a skill."""
        if not self.own:
            return np.arange(len(self.items))
        skills, first = np.unique(self.skills, return_index=True)
        counts = np.ones(len(skills), dtype=int)
        if niche >= 0:
            rest = np.roll(np.arange(len(skills)), -niche - 1)[:-1]  # all but the niche
            counts[rest] = self.others // max(len(rest), 1)
            counts[rest[: self.others % max(len(rest), 1)]] += 1
            counts[niche] = self.own
        return np.flatnonzero(np.arange(len(self.items)) - first[self.skills] < counts[self.skills])

    def asked(self, niche: int) -> list[Challenge]:
        """The questions at `places`."""
        return [self.items[i] for i in self.places(niche)]


def draw_sheet(run: Evolution, bench: Workbench, island: int) -> Sheet:
    """Fresh select questions for an island in this generation."""
    rng = run.rng("sheet", run.generation * 1000 + island)
    name = f"generation {run.generation}, island {island}"
    n, population = len(run.skills), run.config.population
    if not population.own:
        return Sheet(*bench.items("select", item_counts(run, population.items), rng), name)
    own = n * population.items if n == 1 else max(1, round(population.own * n * population.items))
    others = n * population.items - own
    items, skills = bench.items("select", max(own, -(-others // max(n - 1, 1))), rng)
    return Sheet(items, skills, name, own, others)


def item_counts(run: Evolution, mean: int) -> np.ndarray:
    """Questions per skill, (n_skills,): in proportion to the spread sqrt(p(1-p)) of an answer.

    That is the allocation with the least total variance (Neyman 1934); what everybody can or
    nobody can is asked little.
    """
    p = (run.skill_hits + 1) / (run.skill_asked + 2)
    spread = np.sqrt(p * (1 - p))
    n = mean * len(p)
    return np.asarray(np.maximum(1, np.round(n * spread / spread.sum())).astype(int))


def examine(bench: Workbench, sheet: Sheet, candidates: Sequence[Candidate]) -> None:
    """Score candidates on the sheet and add it to what is known of them."""
    for niche, group in sheet.groups(candidates).items():
        places = sheet.places(niche)
        scores = bench.scores(group, sheet.asked(niche))
        for candidate, results in zip(group, scores, strict=True):
            candidate.record(sheet.skills[places], results)
            candidate.results = candidate.profile if sheet.own else results


def unasked(sheet: Sheet, candidates: Sequence[Candidate]) -> list[Candidate]:
    """Who has yet to be asked what the sheet has for them."""
    return [c for c in candidates if not (sheet.own and c.asked.any())]


def least_cost(bench: Workbench, sheet: Sheet, candidates: Sequence[Candidate]) -> int:
    """What has to be left for a generation: for exams of those alive, and of children."""
    if not sheet.own:
        return 2 * bench.scoring_cost(len(candidates) + 1, sheet.items)
    founders = bench.scoring_cost(len(unasked(sheet, candidates)), sheet.asked(-1))
    return founders + exam_cost(bench, sheet, range(len(bench.skills)))


def exam_cost(bench: Workbench, sheet: Sheet, niches: Iterable[int]) -> int:
    """The most that asking one child of any of these niches costs."""
    return max((bench.scoring_cost(1, sheet.asked(niche)) for niche in niches), default=0)
