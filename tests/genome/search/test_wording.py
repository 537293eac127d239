"""Texts that share words, or parts of words, are near; others are not."""

from __future__ import annotations

import numpy as np

from genome.search.question_encoder import WIDTH, wording_vectors


def test_shared_words_and_stems_bring_texts_together() -> None:
    sort, sorted_, upper = wording_vectors(["sort numbers", "sorted number", "upper case"])
    assert sort @ sorted_ > 0.5
    assert abs(sort @ upper) < 0.25


def test_vectors_are_of_unit_length_and_never_change() -> None:
    """They are stored: a hash that depends on the process would make them worthless."""
    vectors = wording_vectors(["write a word backwards", "ABC", "12 34", ""])
    assert vectors.shape == (4, WIDTH)
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), [1, 1, 0, 0], atol=1e-6)
    assert wording_vectors(["ABC"]).nonzero()[1].tolist() == [116, 147, 194, 213, 251]
    np.testing.assert_array_equal(vectors[1], wording_vectors(["abc"])[0])
