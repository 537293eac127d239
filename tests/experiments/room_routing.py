"""Does the right one of five specialists speak, and what is the room's answer worth?

    nice python -m tests.experiments.room_routing [--skills sort,shift,count,add,repeat] [--seed 0]

Five layers of the embedded base, 2,240 train questions each, with receipts of 200 unseen questions;
search vectors from the select split. Then questions that neither has seen go to a room. Controls:
chance, always the best single one, keywords (BM25 over what each says of itself), the oracle, and
one LoRA trained on all five skills with the tokens of all five together.
"""

from __future__ import annotations

import argparse
import tempfile
from contextlib import closing
from pathlib import Path

import bm25s
import numpy as np

from academy.evaluator import LocalEvaluator
from academy.exam import exam_sheet, sit_exam
from academy.operators.noise import random_layer
from academy.routing import ability_vectors
from academy.skills.curriculum import skill_named
from academy.skills.skill import unique_questions
from academy.training import StudyPlan, TokenMeter, train_litter
from economy.answering import Answering, HomeMinds
from genome.base_model import BaseModel
from genome.embedding import searchable_text
from genome.genome import Genome
from genome.library import Library
from genome.shelf.manifest import Manifest
from genome.shelf.receipt import Receipt
from persona.persona import Persona, PersonaStore
from persona.room.thought_stream import Event, ThoughtStream
from seeds.bases import embedded_base_path
from tests.experiments.test_search_routing import PLAN
from tui.jobs.specialists import fit_encoder

N_EXAM, N_ASKED = 200, 100


def main() -> None:
    """Print who spoke, and how often the answer was right."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--skills", default="sort,shift,count,add,repeat")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    skills, seed = options.skills.split(","), options.seed
    base = BaseModel.load(embedded_base_path())
    rng, evaluator = np.random.default_rng(seed), LocalEvaluator(base)
    shapes = base.linear_shapes
    drawn = [unique_questions(skill_named(s), "train", PLAN.n_rows, rng) for s in skills]
    rows = [base.rows([c.prompt for c in q], [c.answer for c in q]) for q in drawn]
    founders = [
        random_layer(base.fingerprint, shapes, 8, 0.02, rng) for _ in range(len(skills) + 1)
    ]
    layers = train_litter(base, founders[:-1], rows, PLAN, TokenMeter())
    mixed = [q[i] for i in rng.permutation(PLAN.n_rows) for q in drawn]
    joint_rows = [base.rows([c.prompt for c in mixed], [c.answer for c in mixed])]
    joint_plan = StudyPlan(PLAN.steps * len(skills), PLAN.rows_per_step, PLAN.learning_rate)
    (joint,) = train_litter(base, founders[-1:], joint_rows, joint_plan, TokenMeter())
    genomes = [Genome.of(layer) for layer in layers]

    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder)
        library, encoder = Library.open(home), fit_encoder(base, seed)
        library.save_encoder(encoder)
        texts = [searchable_text(f"{s}-1", s, skill_named(s).description) for s in skills]
        vectors = ability_vectors(evaluator, encoder, genomes, texts, 40)
        exams, known = [], set()
        for skill, layer, vector in zip(skills, layers, vectors, strict=True):
            sheet = exam_sheet(skill, N_EXAM)
            known |= {c.id for c in sheet}
            alone = Genome(base.fingerprint)
            own, plain = sit_exam(evaluator, [Genome.of(layer), alone], sheet)
            exams.append(own.accuracy)
            receipt = Receipt(skill, N_EXAM, own.n_correct, plain.n_correct)
            digest = library.add(
                layer, Manifest(f"{skill}-1", base.fingerprint, receipts=(receipt,))
            )
            library.set_vector(digest, vector, n_results=40)
            PersonaStore(home).create(Persona(skill, base.fingerprint, (digest,)))
        asked = [
            c
            for skill in skills
            for c in exam_sheet(skill, 2 * N_ASKED, seed=900 + seed)
            if c.id not in known
        ]
        asked = [c for s in skills for c in [c for c in asked if c.skill == s][:N_ASKED]]
        right = np.array([skills.index(c.skill) for c in asked])
        chosen = []
        with closing(Answering(home)) as answering:
            minds, thoughts = HomeMinds(answering), ThoughtStream(seed=seed)
            for skill in skills:
                thoughts.join(skill)
            for number, place in enumerate(rng.permutation(len(asked))):
                event = Event(number, "me", True, asked[place].prompt, number)
                bids = {name: minds.bid(name, event.text) for name in thoughts.asked(event)}
                (turn,) = thoughts.decide(event, bids).speakers
                thoughts.spoke(turn.persona, number, to_human=True)
                chosen.append((place, skills.index(turn.persona)))
    spoke = np.array([who for _, who in sorted(chosen)])
    scores = evaluator.scores([*genomes, Genome.of(joint), Genome(base.fingerprint)], asked)
    everyone, best = np.arange(len(asked)), int(scores[: len(skills)].mean(1).argmax())
    words = _keywords(texts, [c.prompt for c in asked])
    print(f"{len(asked)} unseen questions of {skills}, exams {[f'{e:.2f}' for e in exams]}")
    shares = {
        "room": np.mean(spoke == right),
        "chance": 1 / len(skills),
        f"always {skills[best]}": np.mean(right == best),
        "keywords": _fair(words, right),
    }
    print("the right one speaks:", *(f"{name} {share:.3f};" for name, share in shares.items()))
    print({s: f"{np.mean(spoke[right == i] == i):.2f}" for i, s in enumerate(skills)})
    shares = {
        "room": scores[spoke, everyone].mean(),
        "oracle": scores[right, everyone].mean(),
        "best single": scores[best].mean(),
        "joint LoRA": scores[-2].mean(),
        "base": scores[-1].mean(),
    }
    print("answers right:", *(f"{name} {share:.3f};" for name, share in shares.items()))


def _keywords(texts: list[str], questions: list[str]) -> np.ndarray:
    """BM25 of every text, (n_questions, n_texts)."""
    index = bm25s.BM25()
    index.index(bm25s.tokenize(texts, stopwords=None, show_progress=False), show_progress=False)
    found = []
    for question in questions:
        words = bm25s.tokenize(question, stopwords=None, show_progress=False, return_ids=False)[0]
        found.append(index.get_scores(words) if words else np.zeros(len(texts)))
    return np.stack(found)


def _fair(scores: np.ndarray, right: np.ndarray) -> float:
    """Share of questions whose own is best, ties broken by chance."""
    best = scores >= scores.max(1, keepdims=True) - 1e-12
    return float(np.mean(best[np.arange(len(right)), right] / best.sum(1)))


if __name__ == "__main__":
    main()
