"""The end of a run: who answers for the population.

The best of many noisy estimates is partly luck, so the leaders of every skill are asked fresh
select questions with what is left of the budget, and the best after that are cast. The best
founder of every skill is asked too, dead or alive: what selection found has to beat what it
was given.

A cast of personas as one helper: each question goes to who is proven best at its kind.

A question is encoded by the base itself (`genome.search.question_encoder`), compared with the
centre of each skill's train questions, and answered by the persona that did best on that
skill's select questions. Measured with ability vectors instead: near-equal specialists of one
ancestor differ by a few points of accuracy, less than the noise of the dozen questions that a
vector is made from, so the nearest vector is partly luck; the nearest centre is not.

The closing audition as trials: every finalist against the favourite of its skill.

The favourite is whoever led before the fresh questions were asked, so the questions that compare
it with the others had no part in choosing it. All trials of an audition are judged together
(Holm). They cost nothing: the answers are there.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from academy.challenge import Challenge
from academy.evolution.events import TrialHeld
from academy.evolution.state import Candidate, Evolution, Genes
from academy.evolution.workbench import Workbench
from academy.sources.source import ChallengeSource
from academy.statistics.intervals import wilson_interval
from academy.training import TokenMeter
from academy.trial import compare_scores, judge_together
from genome.base_model import BaseModel
from genome.embedding import unit
from genome.search.question_encoder import QuestionEncoder

FINALISTS = 3
"""Leaders of each skill that are asked again."""
MOST = 200
"""More fresh questions a skill than this change nothing."""


@dataclass(frozen=True)
class CastMember:
    """A persona that answers for some skills."""

    candidate: int
    genes: Genes
    niches: tuple[str, ...]
    """Skills it is the best at, in the order of the source."""
    accuracy: tuple[float, ...]
    """Estimated on select questions, one for each niche."""
    proven: tuple[float, ...]
    """Lower 95 % Wilson bound of the same."""


def audition(run: Evolution, bench: Workbench, reserve: int = 0) -> list[CastMember]:
    """Ask every skill's leaders fresh questions, then cast the best; fills `run.cast`.

    Args:
        reserve: Token-equivalents to leave, for what comes after.
    """
    alive = {c.id for c in run.population}
    everyone = [*run.population, *(c for c in run.founders if c.id not in alive)]
    finalists = {
        k: _finalists(everyone, run.founders, k) for k in range(len(run.skills))
    }  # skill -> candidates
    pools = _fresh(run, bench)
    n_each = _affordable(bench, finalists, pools, reserve)
    scores: dict[int, np.ndarray] = {}
    for k, leaders in finalists.items():
        sheet = pools[k][:n_each]
        if sheet:
            scores[k] = bench.scores(leaders, sheet)
            for candidate, row in zip(leaders, scores[k], strict=True):
                candidate.record(np.full(len(sheet), k), row)
    announce_trials(run, bench, finalists, scores)
    if bench.budget.answers is not None:
        _ask_the_rest(run, bench, finalists, {k: pools[k][n_each:] for k in finalists}, reserve)
    best = {k: _leaders(leaders, k, 1)[0] for k, leaders in finalists.items()}
    best = _at_most(best, run.config.routing.cast, run.skills)
    members = list(dict.fromkeys(c.id for c in best.values()))
    run.cast = members
    by_id = {c.id: c for c in everyone}
    return [_member(run, by_id[i], [k for k, c in best.items() if c.id == i]) for i in members]


def table_of(run: Evolution, members: Sequence[CastMember]) -> list[int]:
    """Member of the cast for each skill, (n_skills,)."""
    return [
        next(i for i, member in enumerate(members) if skill in member.niches)
        for skill in run.skills
    ]


def _finalists(
    everyone: Sequence[Candidate], founders: Sequence[Candidate], skill: int
) -> list[Candidate]:
    """The leaders at a skill, the best founder among them."""
    leaders = _leaders(everyone, skill, FINALISTS)
    best = _leaders(founders, skill, 1)
    if best and not any(best[0].genes.same_update(c.genes) for c in leaders):
        leaders = [*leaders[: FINALISTS - 1], best[0]]
    return leaders


def _leaders(candidates: Sequence[Candidate], skill: int, n: int) -> list[Candidate]:
    """The best estimates at a skill, each genome once, older first among equals."""
    ranked = sorted(candidates, key=lambda c: (-float(c.profile[skill]), c.id))
    chosen: list[Candidate] = []
    for candidate in ranked:
        if not any(candidate.genes.same_update(c.genes) for c in chosen):
            chosen.append(candidate)
        if len(chosen) == n:
            break
    return chosen


def _fresh(run: Evolution, bench: Workbench) -> list[list[Challenge]]:
    rng = run.rng("audition")
    return [bench.source.draw(skill, "select", MOST, rng) for skill in bench.skills]


def _affordable(
    bench: Workbench,
    finalists: dict[int, list[Candidate]],
    pools: Sequence[Sequence[Challenge]],
    reserve: int,
) -> int:
    """Questions per finalist that the budget allows."""
    cost_of_one = sum(
        bench.scoring_cost(len(leaders), pools[k]) / max(len(pools[k]), 1)
        for k, leaders in finalists.items()
    )
    return int(max(0, min(MOST, (bench.budget.left - reserve) // max(cost_of_one, 1))))


def _ask_the_rest(
    run: Evolution,
    bench: Workbench,
    finalists: dict[int, list[Candidate]],
    fresh: dict[int, list[Challenge]],
    reserve: int,
) -> None:
    """Spend the few answers that do not go round: one more to each, skill by skill."""
    for k, leaders in finalists.items():
        more = leaders[: max(0, bench.budget.left - reserve)]
        if more and fresh[k]:
            row = bench.scores(more, fresh[k][:1])
            for candidate, result in zip(more, row, strict=True):
                candidate.record(np.array([k]), result)


def _at_most(best: dict[int, Candidate], n: int, skills: Sequence[str]) -> dict[int, Candidate]:
    """With a limit: only the members who cover most skills, others' skills to the best of them."""
    members = list(dict.fromkeys(c.id for c in best.values()))
    if not n or len(members) <= n:
        return best
    counts = {i: sum(c.id == i for c in best.values()) for i in members}
    kept = sorted(members, key=lambda i: (-counts[i], i))[:n]
    stay = [c for c in dict.fromkeys(best.values()) if c.id in kept]
    return {
        k: c if c.id in kept else max(stay, key=lambda s: float(s.profile[k]))
        for k, c in best.items()
    }


def _member(run: Evolution, candidate: Candidate, skills: Sequence[int]) -> CastMember:
    bounds = [wilson_interval(int(candidate.hits[k]), int(candidate.asked[k]))[0] for k in skills]
    return CastMember(
        candidate.id,
        candidate.genes,
        tuple(run.skills[k] for k in skills),
        tuple(round(float(candidate.profile[k]), 4) for k in skills),
        tuple(round(bound, 4) for bound in bounds),
    )


SAMPLE = 40
"""Train questions per skill that whiten the encoder and place the centres."""


@dataclass(frozen=True)
class Router:
    """Sends questions to members of a cast."""

    encoder: QuestionEncoder
    centres: np.ndarray
    """(n_skills, width), unit length."""
    table: np.ndarray
    """Member of the cast for each skill, (n_skills,) int."""

    def skills(self, prompts: Sequence[str]) -> np.ndarray:
        """Index of the nearest skill of each question, (n_prompts,)."""
        return np.asarray((self.encoder.encode(prompts) @ self.centres.T).argmax(1))

    def members(self, prompts: Sequence[str]) -> np.ndarray:
        """Which member of the cast answers each question, (n_prompts,)."""
        return np.asarray(self.table[self.skills(prompts)])


def fit_router(
    base: BaseModel,
    source: ChallengeSource,
    table: Sequence[int],
    rng: np.random.Generator,
    tokens: TokenMeter,
) -> Router:
    """Fit the encoder and the centres on train questions; two forward passes each are charged.

    Args:
        table: Member of the cast for each skill of the source.
    """
    groups = [
        [c.prompt for c in source.draw(skill, "train", SAMPLE, rng)] for skill in source.skills
    ]
    prompts = [prompt for group in groups for prompt in group]
    tokens.forward += 2 * sum(map(len, base.prompt_ids(prompts)))
    encoder = QuestionEncoder.fit(base, prompts)
    encoded = encoder.encode(prompts)
    starts = np.cumsum([0, *(len(group) for group in groups)])
    centres = np.stack([encoded[a:b].mean(0) for a, b in itertools.pairwise(starts)])
    return Router(encoder, unit(centres), np.asarray(table, dtype=int))


def announce_trials(
    run: Evolution,
    bench: Workbench,
    finalists: Mapping[int, Sequence[Candidate]],
    scores: Mapping[int, np.ndarray],
) -> None:
    """Tell observers how each skill's finalists compare.

    Args:
        finalists: Of each skill, the favourite first.
        scores: On fresh questions, (n_finalists, n_items) for each skill that was asked.
    """
    rng = run.rng("trials")
    pairs = [
        (k, f"c{finalists[k][0].id}", f"c{rival.id}", np.stack([rows[0], row]))
        for k, rows in scores.items()
        for rival, row in zip(finalists[k][1:], rows[1:], strict=True)
    ]
    judged = judge_together([compare_scores(both, rng=rng) for *_, both in pairs])
    for (k, favourite, rival, _), result in zip(pairs, judged, strict=True):
        bench.observe(TrialHeld.of(run.generation, (favourite, rival), run.skills[k], result))
