"""The best approximation of a rank, for many updates at once.

`genome.compose` does the same for one layer at a time; a population is cut here in a few batched
calls. Matrices of any shapes of factors are (..., rank, in) and (..., out, rank).
"""

from __future__ import annotations

import torch


def leading(matrix: torch.Tensor, rank: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Factors of the `rank` largest singular terms, sharing the singular values evenly.

    Args:
        matrix: (..., m, n).

    Returns:
        (..., m, rank) and (..., rank, n), fewer where the matrix is smaller.
    """
    u, s, v = torch.linalg.svd(matrix, full_matrices=False)
    root = s[..., :rank].sqrt()
    return u[..., :rank] * root[..., None, :], root[..., None] * v[..., :rank, :]


def cut(a: torch.Tensor, b: torch.Tensor, rank: int) -> tuple[torch.Tensor, torch.Tensor]:
    """`b @ a` as factors of at most `rank`; two QR decompositions and a small SVD.

    Args:
        a: (..., k, in).
        b: (..., out, k).

    Returns:
        A (..., rank, in) and B (..., out, rank).
    """
    q_out, r_out = torch.linalg.qr(b)
    q_in, r_in = torch.linalg.qr(a.mT)
    left, right = leading(r_out @ r_in.mT, rank)
    return right @ q_in.mT, q_out @ left
