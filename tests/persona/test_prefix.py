"""What was read is gone on from by who has the same genome and begins alike, and by nobody else."""

from __future__ import annotations

import random
from typing import Any

import pytest
import torch

from genome.base_model import BaseModel
from genome.genome import Genome
from genome.layer import Layer
from genome.pager import GenomeRef
from genome.running.packed import PackedRows, RowCache, run_packed
from persona.engine import Engine
from persona.prefix import LEAST, PrefixCache
from persona.sampling import Said, Sampling
from tests.support.genome import ARCHITECTURES, random_layer, tiny_model

A, B = GenomeRef.of("a"), GenomeRef(("a",), (0.5,))
TEXT = list(range(100, 140))


def read(n: int) -> RowCache:
    cache = RowCache()
    cache.then(0, torch.ones(1, n, 4), torch.ones(1, n, 4))
    cache.n_read = n
    return cache


def talk(engine: Engine, genome: Genome, *turns: str) -> tuple[list[int], str]:
    messages = [
        {"role": ("user", "assistant")[i % 2], "content": turn} for i, turn in enumerate(turns)
    ]
    parts = list(engine.stream(genome, messages, Sampling(max_tokens=10)))
    tokens = [part.token for part in parts if isinstance(part, Said)]
    return tokens, "".join(part.text for part in parts)


def test_the_longest_beginning_in_common_is_taken_and_one_token_left() -> None:
    cache = PrefixCache(1 << 20)
    cache.keep(A, TEXT[:20], read(20))
    cache.keep(A, [*TEXT[:25], 7, 7], read(26))
    assert cache.take(A, TEXT).n_read == 25
    assert cache.take(A, TEXT[:18]).n_read == 17
    assert cache.take(A, TEXT[: LEAST - 1]).n_read == 0
    assert cache.take(A, [5, *TEXT]).n_read == 0
    assert cache.take(B, TEXT).n_read == 0, "another weight is another genome"
    assert cache.n_saved == 25 + 17


def test_what_is_contained_in_another_is_not_kept_twice() -> None:
    cache = PrefixCache(1 << 20)
    cache.keep(A, TEXT[:20], read(20))
    cache.keep(A, TEXT[:30], read(30))
    cache.keep(A, TEXT[:18], read(18))
    assert cache.n_bytes == read(30).n_bytes and cache.take(A, TEXT).n_read == 30


def test_the_longest_unused_goes_first_and_the_room_is_kept() -> None:
    one = read(20).n_bytes
    cache = PrefixCache(2 * one)
    for start in (0, 200, 400):
        if start == 400:
            assert cache.take(A, list(range(30))).n_read == 20  # used again: the other goes
        cache.keep(A, list(range(start, start + 20)), read(20))
    assert cache.n_bytes <= 2 * one
    assert [cache.take(A, list(range(s, s + 30))).n_read for s in (0, 200, 400)] == [20, 0, 20]
    cache.keep(A, list(range(900)), read(900))
    assert cache.n_bytes <= 2 * one, "one that is larger than all the room is not kept"


@pytest.mark.parametrize("kind", ARCHITECTURES)
def test_warm_equals_cold(tokenizer: Any, kind: str) -> None:
    """A talk that goes on, and one that goes another way in the middle."""
    base = BaseModel(kind, tiny_model(kind), tokenizer)
    genome = Genome.of(random_layer(base.model, base.fingerprint, scale=0.1, seed=1))
    warm = Engine(base)
    first = talk(warm, genome, "hello there my friend")
    turns = ("hello there my friend", first[1], "and now?")
    for asked in (turns, (*turns[:2], "or then?"), ("hello there my fiend",), turns[:1]):
        warm.close()
        cold = Engine(base, prefix_bytes=0)
        assert talk(warm, genome, *asked) == talk(cold, genome, *asked)
        cold.close()
    assert warm.prefixes.n_saved > 60


def test_only_what_is_new_is_read(embedded: BaseModel, monkeypatch: pytest.MonkeyPatch) -> None:
    n_read: list[int] = []

    def run(model: Any, ids: torch.Tensor, packed: PackedRows) -> Any:
        n_read.append(len(ids))
        return run_packed(model, ids, packed)

    monkeypatch.setattr("persona.engine.run_packed", run)
    engine, genome = Engine(embedded), Genome(embedded.fingerprint)
    long = "sort: " + "abcd" * 10
    talk(engine, genome, long)
    engine.close()
    cold, n_read[:] = n_read[0], []
    talk(engine, genome, long + "!")
    assert cold > 40 and n_read[0] < 12


def test_two_personas_with_one_prompt_and_a_layer_trained_anew_never_share(
    embedded: BaseModel,
) -> None:
    """Digests count, no name; the order of layers and their weights, too."""
    one, other = (
        random_layer(embedded.model, embedded.fingerprint, scale=0.1, seed=s) for s in (1, 2)
    )
    again = Layer(one.base_model, {m: f._replace(b=f.b * 1.5) for m, f in one.factors.items()})
    name = embedded.fingerprint
    genomes = [
        Genome.of(one),
        Genome.of(again),
        Genome(name),
        Genome(name, (one,), (0.5,)),
        Genome(name, (one, other), (1.0, 1.0)),
        Genome(name, (other, one), (1.0, 1.0)),
    ]
    engine, asked = Engine(embedded), "sort: " + "abcd" * 10
    rng = random.Random(0)
    rng.shuffle(genomes)
    for genome in genomes:
        talk(engine, genome, asked)
        engine.close()
    assert engine.prefixes.n_saved == 0
