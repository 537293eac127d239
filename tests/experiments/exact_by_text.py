"""What exact match by teacher forcing misses on a subword base, and what the second look costs.

    python -m tests.experiments.exact_by_text BASE_FOLDER [--words 100] [--layers 3] [--shots 4]

Four tasks of so many words each, with examples before every question. The base alone, and genomes
of small random layers. Each answer is scored by teacher forcing alone, as it is scored now,
and by generating it and comparing texts; processor times are those of the whole sheet. `written`
are the tokens that the second look computed.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable

import numpy as np
import torch

from academy.answering import greedy_answers
from academy.challenge import Challenge
from academy.evaluator import LocalEvaluator
from academy.scoring.rule import exact_score
from academy.scoring.scorer import first_slips, room_for
from genome.base_model import BaseModel
from genome.genome import Genome
from genome.population import PopulationModel
from genome.preamble import Preamble
from tests.support.genome import random_layer

WORDS = """
yellow pillow meadow shadow willow arrow sparrow burrow furrow barrow tunnel barrel kernel camel
panel label vessel lantern garden kitten button cotton ribbon wagon dragon salmon melon lemon
carrot parrot rabbit orbit exhibit hamlet goblet tablet bracket rocket pocket basket market ticket
cricket planet magnet comet helmet velvet violet forest harvest trumpet carpet puppet blanket
anchor motor doctor tractor mirror terror harbor flavor vapor razor sailor tailor hunter painter
printer lobster hamster monster mustard lizard wizard orchard leopard custard desert concert
insect object subject project suspect eagle beagle angle bangle candle handle saddle puddle noodle
needle beetle kettle bottle turtle castle
"""
TASKS: dict[str, tuple[str, Callable[[str], str]]] = {
    "plural": ("Write the plural of: {}", lambda word: f"{word}s"),
    "capitals": ("Write in capital letters: {}", str.upper),
    "repeat": ("Repeat this word twice: {}", lambda word: f"{word} {word}"),
    "sentence": ("Make a sentence: the / {} / is / red", lambda word: f"The {word} is red."),
}
LINE = "{:10} {:4.0f} {:6.0f} {:6.0f} {:4.0f} {:6.0f} {:7.0f} {:9.2f} {:9.2f} {:12.2f}"
SHOWN = ("bell", "window", "hill", "paper")


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("base")
    options.add_argument("--rounds", type=int, default=3)
    options.add_argument("--words", type=int, default=100)
    options.add_argument("--layers", type=int, default=3)
    options.add_argument("--shots", type=int, default=4)
    chosen = options.parse_args()
    plain = BaseModel.load(chosen.base)
    layers = [
        random_layer(plain.model, plain.fingerprint, scale=0.002, seed=s)
        for s in range(chosen.layers)
    ]
    genomes = [Genome(plain.fingerprint), *map(Genome.of, layers)]
    print("task       rows forced scored text  saved written  s forced  s scored  s generated")
    rows = []
    for task, (prompt, answer) in TASKS.items():
        shots = tuple((prompt.format(word), answer(word)) for word in SHOWN[: chosen.shots])
        base = plain.after(Preamble(shots=shots))
        words = WORDS.split()[: chosen.words]
        sheet = [Challenge(prompt.format(w), answer(w), task, "words") for w in words]
        rows.append(_measured(base, genomes, sheet, chosen.rounds))
        print(LINE.format(task, *rows[-1]), flush=True)
    print(LINE.format("all", *np.sum(rows, 0)))


def _measured(
    base: BaseModel, genomes: list[Genome], sheet: list[Challenge], rounds: int
) -> tuple[float, ...]:
    """Counts over genomes and questions; processor seconds, the best of the rounds, interleaved."""
    population, evaluator = PopulationModel(base.model), LocalEvaluator(base)
    prompts = [challenge.prompt for challenge in sheet]
    right = [challenge.answer for challenge in sheet]
    written: list[int] = []

    def forced() -> np.ndarray:
        slots = population.load(genomes)
        hits = []
        for slot in slots:
            with torch.no_grad(), population.rows([slot] * len(sheet)):
                hits.append(first_slips(base, base.rows(prompts, right))[:, 0] < 0)
        return np.array(hits, dtype=float)

    def scored() -> np.ndarray:
        before = evaluator.tokens.forward
        scores = evaluator.scores(genomes, sheet)
        written.append(evaluator.tokens.forward - before)
        return scores

    def generated() -> np.ndarray:
        slots = [slot for slot in population.load(genomes) for _ in sheet]
        said = greedy_answers(base, population, slots, prompts * len(genomes), room_for(sheet))
        pairs = zip(sheet * len(genomes), said, strict=True)
        return np.array([exact_score(c, text) for c, text in pairs]).reshape(len(genomes), -1)

    best, found = [np.inf] * 3, [np.zeros(0)] * 3
    for _ in range(rounds):
        for i, way in enumerate((forced, scored, generated)):
            began = time.process_time()
            found[i] = way()
            best[i] = min(best[i], time.process_time() - began)
    if not np.array_equal(found[1], found[2]):
        where = np.argwhere(found[1] != found[2])
        print(f"{sheet[0].skill}: {len(where)} differ from generation, first {where[0].tolist()}")
    once = len(genomes) * base.rows(prompts, right).n_tokens
    return (
        float(found[0].size),
        *(float(hits.sum()) for hits in found),
        float((found[1] > found[0]).sum()),
        float(written[-1] - once),
        *best,
    )


if __name__ == "__main__":
    main()
