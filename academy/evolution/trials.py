"""The closing audition as trials: every finalist against the favourite of its skill.

The favourite is whoever led before the fresh questions were asked, so the questions that compare
it with the others had no part in choosing it. All trials of an audition are judged together
(Holm). They cost nothing: the answers are there.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from academy.evolution.events import TrialHeld
from academy.evolution.state import Candidate, Evolution
from academy.evolution.workbench import Workbench
from academy.trial import compare_scores, judge_together


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
