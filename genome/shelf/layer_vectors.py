"""Search vectors in the catalogue: what a layer can do, as measured with one encoder."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

import numpy as np
from sqlalchemy import Connection, func, select
from sqlalchemy.dialects.sqlite import insert as upsert

from genome.errors import LibraryError
from genome.shelf.catalogue import CHANGES, LAYER, VECTOR


def put_vector(
    connection: Connection, digest: str, encoder: str, vector: np.ndarray, n_results: int
) -> None:
    """Write or replace a layer's vector.

    Args:
        vector: (width,) finite numbers.
        n_results: How many exam results it rests on.

    Raises:
        LibraryError: It is no such vector, or of another width than the encoder's others.
    """
    values = np.asarray(vector, dtype="<f4")
    if values.ndim != 1 or values.size == 0 or not np.isfinite(values).all() or n_results < 0:
        raise LibraryError(
            f"a vector is a row of finite numbers with n_results >= 0, not shape {values.shape} "
            f"with {n_results}: make it with genome.embedding.ability_vector"
        )
    width = _width(connection, encoder)
    if width not in (None, values.size):
        raise LibraryError(
            f"this encoder's vectors are {width} wide, not {values.size}: save the new encoder "
            "first"
        )
    row = upsert(VECTOR).values(
        digest=digest,
        encoder=encoder,
        vector=values.tobytes(),
        n_results=n_results,
        changed=_next_change(connection, encoder),
    )
    connection.execute(
        row.on_conflict_do_update(
            index_elements=[VECTOR.c.encoder, VECTOR.c.digest],
            set_={name: row.excluded[name] for name in ("vector", "n_results", "changed")},
        )
    )


def vector_of(connection: Connection, digest: str, encoder: str) -> tuple[np.ndarray, int] | None:
    """A layer's vector (width,) float32 and the number of results behind it."""
    query = select(VECTOR.c.vector, VECTOR.c.n_results).where(
        VECTOR.c.encoder == encoder, VECTOR.c.digest == digest
    )
    found = connection.execute(query).first()
    return None if found is None else (np.frombuffer(found.vector, "<f4"), found.n_results)


@dataclass(frozen=True, slots=True)
class VectorRow:
    """A searchable layer, with what a search can filter by."""

    digest: str
    vector: np.ndarray
    """(width,) float32"""
    base_model: str
    licence: str
    n_bytes: int


def vector_state(connection: Connection, encoder: str) -> tuple[int, int]:
    """Last change and number of an encoder's vectors: equal to before means unchanged."""
    last = connection.scalar(select(CHANGES.c.last).where(CHANGES.c.encoder == encoder))
    n = connection.scalar(
        select(func.count())
        .select_from(VECTOR)
        .join(LAYER, LAYER.c.digest == VECTOR.c.digest)
        .where(VECTOR.c.encoder == encoder)
    )
    return int(last or 0), int(n or 0)


def changed_vectors(
    connection: Connection, encoder: str, since: int = 0, digests: Collection[str] = ()
) -> list[VectorRow]:
    """Vectors written after a change (0 = all), and those of some layers besides."""
    query = (
        select(
            VECTOR.c.digest, VECTOR.c.vector, LAYER.c.base_model, LAYER.c.licence, LAYER.c.n_bytes
        )
        .join(LAYER, LAYER.c.digest == VECTOR.c.digest)
        .where(VECTOR.c.encoder == encoder)
        .where((VECTOR.c.changed > since) | VECTOR.c.digest.in_(digests))
        .order_by(VECTOR.c.digest)
    )
    return [
        VectorRow(r.digest, np.frombuffer(r.vector, "<f4"), r.base_model, r.licence, r.n_bytes)
        for r in connection.execute(query)
    ]


def vector_digests(connection: Connection, encoder: str) -> set[str]:
    """Digests of all layers with a vector of an encoder."""
    query = (
        select(VECTOR.c.digest)
        .join(LAYER, LAYER.c.digest == VECTOR.c.digest)
        .where(VECTOR.c.encoder == encoder)
    )
    return set(connection.scalars(query))


def _next_change(connection: Connection, encoder: str) -> int:
    first = upsert(CHANGES).values(encoder=encoder, last=1)
    counted = first.on_conflict_do_update(
        index_elements=[CHANGES.c.encoder], set_={"last": CHANGES.c.last + 1}
    ).returning(CHANGES.c.last)
    return int(connection.execute(counted).scalar_one())


def _width(connection: Connection, encoder: str) -> int | None:
    found = connection.scalars(
        select(VECTOR.c.vector).where(VECTOR.c.encoder == encoder).limit(1)
    ).first()
    return None if found is None else len(found) // 4
