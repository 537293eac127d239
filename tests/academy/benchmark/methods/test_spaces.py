"""Vectors and coefficients stand for layers without loss."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from academy.benchmark.methods.mixing import ExpertSpan, FactorSpace, Mixer, leading, variant
from academy.benchmark.methods.model_swarms import first_positions
from academy.benchmark.methods.swarm import Pulls, Swarm, towards_others
from genome import compose
from genome.genome import Genome
from genome.layer import Layer
from tests.support.benchmark import flat_update, toy_layer


def layers(n: int = 3) -> list[Layer]:
    return [toy_layer(np.random.default_rng(seed)) for seed in range(n)]


def uneven() -> list[Layer]:
    """One expert of a higher rank, one that changes a single module."""
    whole = toy_layer(np.random.default_rng(0), rank=3)
    part = toy_layer(np.random.default_rng(1), rank=1)
    return [whole, Layer(part.base_model, {"two": part.factors["two"]})]


def updates(items: list[Layer] | list[Genome]) -> np.ndarray:
    genomes = [one if isinstance(one, Genome) else Genome.of(one) for one in items]
    return np.stack([flat_update(genome) for genome in genomes])


@pytest.mark.parametrize("given", [layers(), uneven()], ids=["alike", "uneven"])
def test_a_vector_is_its_layer(given: list[Layer]) -> None:
    space = FactorSpace.of(given)
    vectors = space.vectors(given)
    assert vectors.shape == (len(given), space.size)
    back = [space.layer(vector) for vector in vectors]
    np.testing.assert_allclose(updates(back), updates(given), atol=1e-6)


def test_a_vector_is_a_copy() -> None:
    given = layers()
    before = [layer.digest for layer in layers()]
    FactorSpace.of(given).vectors(given).zero_()
    assert [layer.digest for layer in given] == before


def test_scales_are_by_tensor() -> None:
    given = layers(2)
    space = FactorSpace.of(given)
    vectors = space.vectors(given)
    scales = space.scales(vectors)
    for part in space.tensors():
        expected = vectors[:, part].square().mean(1).sqrt()
        torch.testing.assert_close(scales[:, part.start], expected)
        torch.testing.assert_close(scales[:, part.stop - 1], expected)
    assert sum(part.stop - part.start for part in space.tensors()) == space.size


def test_mixed_vectors_are_mixed_factors_not_mixed_updates() -> None:
    """LoraHub's way: A and B summed apart."""
    given, weights = layers(), np.array([[0.5, -0.3, 1.2]])
    layer = Mixer(given, "factors").genomes(weights)[0].layers[0]
    for module, (a, b) in layer.factors.items():
        each = [one.factors[module] for one in given]
        torch.testing.assert_close(a, 0.5 * each[0].a - 0.3 * each[1].a + 1.2 * each[2].a)
        torch.testing.assert_close(b, 0.5 * each[0].b - 0.3 * each[1].b + 1.2 * each[2].b)
    exact = np.array(weights[0]) @ updates(given)
    assert np.linalg.norm(updates([layer])[0] - exact) > 0.1 * np.linalg.norm(exact)


@pytest.mark.parametrize("given", [layers(), uneven()], ids=["alike", "uneven"])
def test_an_exact_mix_is_the_sum_of_updates(given: list[Layer]) -> None:
    weights = np.random.default_rng(0).normal(size=(4, len(given)))
    genomes = Mixer(given, "exact").genomes(weights)
    np.testing.assert_allclose(updates(genomes), weights @ updates(given), atol=1e-6)


@pytest.mark.parametrize("rank", [1, 2, 3])
def test_a_cut_mix_is_the_best_of_its_rank(rank: int) -> None:
    """The same update as `compose.merge`, which is optimal."""
    given, weights = layers(), np.array([[0.5, -0.3, 1.2], [1.0, 1.0, 1.0]])
    genomes = Mixer(given, "exact", rank).genomes(weights)
    merged = [compose.merge(given, row.tolist(), rank) for row in weights]
    assert all(genome.layers[0].rank == rank for genome in genomes)
    np.testing.assert_allclose(updates(genomes), updates(merged), atol=1e-5)


def test_a_mix_does_not_depend_on_its_neighbours_in_the_batch() -> None:
    weights = np.random.default_rng(1).normal(size=(5, 3))
    for mixer in (Mixer(layers(), "factors"), Mixer(layers(), "exact", 2)):
        alone = [mixer.genomes(row[None])[0] for row in weights]
        np.testing.assert_allclose(updates(mixer.genomes(weights)), updates(alone), atol=1e-6)


def test_the_weights_of_a_swarm_stand_for_its_particles() -> None:
    """Flights of whole tensors and flights of weights end in the same adapters."""
    given = layers()
    space = FactorSpace.of(given)
    weights = first_positions(3, 6, np.random.default_rng(2))
    tensors = weights @ space.vectors(given).double().numpy()
    values = np.random.default_rng(3).random((4, 6))
    ends = []
    for x in (weights, tensors):
        rng = np.random.default_rng(4)
        swarm = Swarm.started(x, towards_others(x, rng), values[0])
        for value in values[1:]:
            swarm = swarm.moved(Pulls(), 0.9, rng).measured(value)
        ends.append(swarm.x)
    flown = [Genome.of(space.layer(one)) for one in torch.from_numpy(ends[1]).float()]
    np.testing.assert_allclose(
        updates(Mixer(given, "factors").genomes(ends[0])), updates(flown), atol=1e-5
    )


@pytest.mark.parametrize("given", [layers(), uneven()], ids=["alike", "uneven"])
def test_coefficients_of_one_are_the_expert(given: list[Layer]) -> None:
    span = ExpertSpan.of(given)
    experts = span.layers(span.mixed(np.eye(len(given))))
    np.testing.assert_allclose(updates(experts), updates(given), atol=1e-6)


def test_a_coefficient_stretches_one_singular_value() -> None:
    """CycleQD's mutation: 1 + rho on a term of one expert at one module, nothing else."""
    given = layers()
    span = ExpertSpan.of(given)
    genes = span.mixed(np.eye(3))[1:2].copy()
    genes[0, 1, 0, 1] += 0.5  # expert 1, module 'one', second singular value
    mutated = span.layers(genes)[0]
    before = compose.spectrum(given[1].factors["one"]).s
    after = torch.linalg.svdvals(mutated.factors["one"].b @ mutated.factors["one"].a)[:2]
    expected = torch.tensor([before[0], 1.5 * before[1]]).sort(descending=True).values
    torch.testing.assert_close(after, expected)
    a, b = mutated.factors["two"]
    torch.testing.assert_close(b @ a, given[1].factors["two"].b @ given[1].factors["two"].a)


def test_batched_cuts_agree_with_one_by_one() -> None:
    matrices = torch.from_numpy(np.random.default_rng(5).normal(size=(4, 7, 9)))
    left, right = leading(matrices, 2)
    assert (left.shape, right.shape) == ((4, 7, 2), (4, 2, 9))
    for i in range(4):
        u, s, v = torch.linalg.svd(matrices[i])
        torch.testing.assert_close(left[i] @ right[i], u[:, :2] * s[:2] @ v[:2])
    left, right = leading(torch.zeros(3, 4, 5), 2)
    assert not (left @ right).any()


def test_variants_have_names_of_their_own() -> None:
    assert variant("x", "exact", None) == "x-exact"
    assert variant("x", "exact", 8) == "x-exact-r8"
