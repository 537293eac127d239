"""Which layer does a stranger's plain question find, from the skills' descriptions alone?

    python -m tests.experiments.plain_search [--base FOLDER] [--sentences FOLDER] [--skills a,b]

Words by BM25; meaning by the mean of a base's hidden states, or by a sentence model; then both by
reciprocal ranks (Cormack, Clarke and Buettcher 2009). Ties count as a fair draw.
"""

from __future__ import annotations

import argparse
import functools
import tomllib
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import bm25s
import numpy as np
import torch

from academy.skills.english import english_skills

PLAIN_WORDS = Path(__file__).with_name("english_questions.toml")
RANK_CONSTANT = 60
WORDS_WEIGHT = 0.1
"""Of BM25 as a share of its best text's, beside a cosine."""
Encode = Callable[[Sequence[str]], np.ndarray]


def main() -> None:
    """Print the share of questions whose own skill comes first, per way to search."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--base")
    parser.add_argument("--sentences")
    parser.add_argument("--skills", default="")
    args = parser.parse_args()
    wanted = set(filter(None, args.skills.split(",")))
    skills = [s for s in english_skills() if not wanted or s.name in wanted]
    asked = tomllib.loads(PLAIN_WORDS.read_text(encoding="utf-8"))
    queries = [q for skill in skills for q in asked[skill.name]]
    right = np.repeat(np.arange(len(skills)), [len(asked[skill.name]) for skill in skills])
    texts = [f"{skill.name}: {skill.description}" for skill in skills]
    words = bm25_scores(texts, queries)
    print(f"{len(skills)} layers, {len(queries)} questions, chance {1 / len(skills):.3f}")
    report("BM25", words, right)
    for name, encode in encoders(args.base, args.sentences).items():
        known = encode(texts)
        for centred in (False, True):
            middle = known.mean(0) * centred  # of what can be found; a question comes alone
            meaning = unit(encode(queries) - middle) @ unit(known - middle).T
            called = f"{name}, centred" if centred else name
            report(called, meaning, right)
            report(f"{called}, ranks fused with BM25", fused(words, meaning), right)
            best = words.max(1, keepdims=True)
            share = np.divide(words, best, out=np.zeros_like(words), where=best > 0)
            report(f"{called} + {WORDS_WEIGHT} BM25", meaning + WORDS_WEIGHT * share, right)


def report(name: str, scores: np.ndarray, right: np.ndarray) -> None:
    """Share of questions whose own skill comes first, and among the first three."""
    own = scores[np.arange(len(right)), right][:, None]  # (n_queries, 1)
    above, level = (scores > own).sum(1), (scores == own).sum(1)
    first = np.where(above == 0, 1 / level, 0.0)
    in_three = np.clip((3 - above) / level, 0.0, 1.0)
    print(f"{name:50} first {first.mean():.3f}, among three {in_three.mean():.3f}")


def bm25_scores(texts: Sequence[str], queries: Sequence[str]) -> np.ndarray:
    """(n_queries, n_texts), without words that stand in every text of the language."""
    index = bm25s.BM25()
    index.index(
        bm25s.tokenize(list(texts), stopwords="en", show_progress=False), show_progress=False
    )
    known = index.vocab_dict
    scores = np.zeros((len(queries), len(texts)))
    for row, query in zip(scores, queries, strict=True):
        words = bm25s.tokenize(query, stopwords="en", show_progress=False, return_ids=False)[0]
        if found := [word for word in words if word in known]:
            row[:] = index.get_scores(found)
    return scores


def fused(*scores: np.ndarray) -> np.ndarray:
    """Sum of reciprocal ranks; what is level shares its mean rank."""
    total = np.zeros(scores[0].shape)
    for each in scores:
        above = (each[:, None, :] > each[:, :, None]).sum(2)
        level = (each[:, None, :] == each[:, :, None]).sum(2)
        total += 1 / (RANK_CONSTANT + above + (level + 1) / 2)
    return total


def encoders(base: str | None, sentences: str | None) -> dict[str, Encode]:
    """By name: texts to vectors, (n_texts, width)."""
    made: dict[str, Encode] = {}
    if base:
        from genome.base_model import BaseModel

        loaded = BaseModel.load(base)
        depth = loaded.model.config.num_hidden_layers
        layers = sorted({0, depth // 3, depth // 2, 2 * depth // 3, depth})
        for layer, encode in zip(
            layers, pooled(loaded.model, loaded.tokenizer, layers, 1), strict=True
        ):
            made[f"base, hidden states {layer}"] = encode
    if sentences:
        from transformers import AutoModel, AutoTokenizer

        model = AutoModel.from_pretrained(sentences).eval()
        tokenizer = AutoTokenizer.from_pretrained(sentences)
        (made["sentence model"],) = pooled(model, tokenizer, [-1], 0)
    return made


def pooled(model: Any, tokenizer: Any, layers: Sequence[int], first: int) -> list[Encode]:
    """One encoder per layer: the mean hidden state there of each text, read alone.

    Args:
        first: Position from which on: a decoder parks huge numbers at its first token.
    """

    @functools.cache
    def means(text: str) -> np.ndarray:
        """(n_layers, width)."""
        with torch.no_grad():
            out = model(**tokenizer(text, return_tensors="pt"), output_hidden_states=True)
        return np.stack([out.hidden_states[layer][0, first:].mean(0).numpy() for layer in layers])

    def at(place: int) -> Encode:
        return lambda texts: np.stack([means(text)[place] for text in texts])

    return [at(place) for place in range(len(layers))]


def unit(vectors: np.ndarray) -> np.ndarray:
    """Rows of length one."""
    return np.asarray(vectors / np.linalg.norm(vectors, axis=1, keepdims=True))


if __name__ == "__main__":
    main()
