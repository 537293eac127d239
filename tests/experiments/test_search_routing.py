"""Search sends unseen questions to the layer that was trained for them."""

from __future__ import annotations

import bm25s
import numpy as np
import pytest

from academy.evaluator import LocalEvaluator
from academy.exam import general_sheet
from academy.operators.noise import random_layer
from academy.routing import ability_vectors
from academy.skills.letters import SKILL_NAMES, SKILLS
from academy.skills.skill import unique_questions
from academy.training import StudyPlan, TokenMeter, train_litter
from genome.base_model import BaseModel
from genome.embedding import searchable_text
from genome.genome import Genome
from genome.layer import Layer
from genome.search.finder import calibrate
from genome.search.index import Index
from tui.jobs.specialists import fit_encoder

PLAN = StudyPlan(steps=140, rows_per_step=16, learning_rate=0.004)
TEXTS = [searchable_text(f"{s.specialist}-1", s.name, s.description) for s in SKILLS]
PLAIN = {
    "reverse": ("turn this word around", "spell a word backward", "mirror the letters"),
    "shift": (
        "caesar cipher by one",
        "replace letters with the next letter",
        "move every letter forward in the alphabet",
    ),
    "case": ("make it uppercase", "write in capitals", "all caps please"),
    "sort": ("sort these numbers", "put letters in alphabetical order", "arrange ascending"),
    "max": ("which number is largest", "find the biggest value", "maximum of several numbers"),
    "add": ("add these two numbers", "what is the sum", "arithmetic addition"),
    "sequence": ("continue the sequence", "what number comes next", "extend an arithmetic series"),
    "count": ("how many letters", "count characters", "length of a word"),
    "xor": ("exclusive or of bits", "xor two bit strings", "where do two bit strings differ"),
    "and": ("logical and of bits", "bitwise and", "conjunction of two bit strings"),
    "slice": ("cut out a substring", "slice a python string", "take a piece of a string"),
    "repeat": ("repeat a word", "say it several times", "duplicate the string n times"),
}
"""Three wordings of each skill that somebody might type; no layer has seen them."""


@pytest.fixture(scope="module")
def specialists(embedded: BaseModel) -> list[Layer]:
    """A layer for every skill, 2,240 train questions each."""
    rng = np.random.default_rng(0)
    shapes = embedded.linear_shapes
    founders = [random_layer(embedded.fingerprint, shapes, 8, 0.02, rng) for _ in SKILLS]
    studies = []
    for skill in SKILLS:
        asked = unique_questions(skill, "train", PLAN.n_rows, rng)
        studies.append(embedded.rows([c.prompt for c in asked], [c.answer for c in asked]))
    return train_litter(embedded, founders, studies, PLAN, TokenMeter())


def bm25_top_1(queries: list[str], right: np.ndarray) -> float:
    """Expected top-1 accuracy of BM25 over the layers' descriptions, ties broken by chance."""
    index = bm25s.BM25()
    index.index(bm25s.tokenize(TEXTS, stopwords=None, show_progress=False), show_progress=False)
    hits = []
    for query, wanted in zip(queries, right, strict=True):
        words = bm25s.tokenize(query, stopwords=None, show_progress=False, return_ids=False)[0]
        scores = index.get_scores(words) if words else np.zeros(len(TEXTS))
        best = scores >= scores.max() - 1e-12
        hits.append(best[wanted] / best.sum())
    return float(np.mean(hits))


@pytest.mark.slow
def test_top_1_is_a_layer_of_the_right_skill(
    embedded: BaseModel, specialists: list[Layer], capsys: pytest.CaptureFixture[str]
) -> None:
    """For at least 90 % of 1,200 unseen questions, above BM25 on descriptions and chance (8 %).

    Vectors come from the select split, questions from the test split; nothing is tuned on them.
    """
    evaluator, encoder = LocalEvaluator(embedded), fit_encoder(embedded, 0)
    genomes = [Genome.of(layer) for layer in specialists]
    vectors = ability_vectors(evaluator, encoder, genomes, TEXTS, 40)
    index = Index(list(SKILL_NAMES), vectors)
    sheet = general_sheet(SKILL_NAMES, 100)
    prompts, skills = [c.prompt for c in sheet], [c.skill for c in sheet]
    top = [hits[0][0] for hits in index.nearest(encoder.encode(prompts), 1)]
    ours = float(np.mean([a == b for a, b in zip(top, skills, strict=True)]))
    right = np.array([SKILL_NAMES.index(skill) for skill in skills])
    bm25 = bm25_top_1(prompts, right)
    plain = [query for name in SKILL_NAMES for query in PLAIN[name]]
    plain_right = np.repeat(np.arange(len(SKILLS)), 3)
    top_plain = [hits[0][0] for hits in index.nearest(encoder.encode(plain), 1)]
    ours_plain = np.mean(
        [SKILL_NAMES.index(a) == b for a, b in zip(top_plain, plain_right, strict=True)]
    )
    advice = calibrate(encoder.identity, vectors, SKILL_NAMES, encoder.encode(prompts), skills)
    with capsys.disabled():
        print(f"\nexam questions: ability {ours:.3f}, BM25 {bm25:.3f}, chance {1 / 12:.3f}")
        print(f"plain words: ability {ours_plain:.3f}, BM25 {bm25_top_1(plain, plain_right):.3f}")
        print(
            {
                name: float(
                    np.mean([a == b for a, b in zip(top, skills, strict=True) if b == name])
                )
                for name in SKILL_NAMES
            }
        )
        print(f"advice: reuse from {advice.reuse:.3f}, mint below {advice.mint:.3f}")
    assert ours >= 0.9
    assert ours > bm25 > 1 / 12
