"""All updates that share the experts' singular directions, exactly.

Expert e is `sum_j u_ej s_ej v_ejT` at every module. A candidate is one coefficient for each of
these terms: mixing experts, and stretching an expert along its own singular values, only change
coefficients, so a whole search can run on them without a rounding and without an SVD for each
candidate. Its layer has the v side by side as A, the same for all candidates, and u s c as B; or
it is cut to rank r by an SVD of a small core (Eckart and Young 1936).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch

from genome import compose
from genome.layer import Factors, Layer


@dataclass(frozen=True)
class _Module:
    """One module's terms, those of all experts side by side; k = n_experts * rank."""

    u: torch.Tensor
    """(out, k) singular vectors times singular values."""
    v: torch.Tensor
    """(k, in)"""
    q_out: torch.Tensor
    r_out: torch.Tensor
    q_in: torch.Tensor
    r_in: torch.Tensor
    """u = q_out @ r_out, v.T = q_in @ r_in: the SVD of a candidate is that of its core."""


@dataclass(frozen=True)
class ExpertSpan:
    """The experts' singular terms; coefficients are (n, n_experts, n_modules, rank)."""

    base_model: str
    n_experts: int
    rank: int
    modules: dict[str, _Module]

    @classmethod
    def of(cls, experts: Sequence[Layer]) -> ExpertSpan:
        """Take the experts apart; costs one SVD of each update."""
        rank = max(expert.rank for expert in experts)
        names = sorted({module for expert in experts for module in expert.factors})
        modules = {name: _take_apart(experts, name, rank) for name in names}
        return cls(experts[0].base_model, len(experts), rank, modules)

    def ones(self) -> np.ndarray:
        """The coefficients of a plain sum of experts, (n_experts, n_modules, rank)."""
        return np.ones((self.n_experts, len(self.modules), self.rank), dtype=np.float32)

    def mixed(self, weights: np.ndarray) -> np.ndarray:
        """Coefficients of weighted sums of experts, (n, n_experts) -> (n, n_experts, ...)."""
        scales = np.asarray(weights, dtype=np.float32)[:, :, None, None]
        return np.asarray(scales * self.ones())

    def layers(self, coefficients: np.ndarray, rank: int | None = None) -> list[Layer]:
        """The candidates' layers: all terms, or their best approximation of a rank."""
        n = len(coefficients)
        by_module: dict[str, tuple[torch.Tensor, torch.Tensor]] = {}
        for i, (name, module) in enumerate(self.modules.items()):
            terms = np.ascontiguousarray(coefficients[:, :, i], dtype=np.float32).reshape(n, -1)
            c = torch.from_numpy(terms)  # (n, k)
            if rank is None:
                by_module[name] = module.v.expand(n, -1, -1), module.u * c[:, None]
            else:
                core = (module.r_out * c[:, None]) @ module.r_in.T  # (n, k_out, k_in)
                left, right = leading(core, rank)
                by_module[name] = right @ module.q_in.T, module.q_out @ left
        return [
            Layer(self.base_model, {m: Factors(a[i], b[i]) for m, (a, b) in by_module.items()})
            for i in range(n)
        ]


def _take_apart(experts: Sequence[Layer], name: str, rank: int) -> _Module:
    sizes = next(e.factors[name] for e in experts if name in e.factors)
    u = torch.zeros(sizes.b.shape[0], len(experts), rank)
    v = torch.zeros(len(experts), rank, sizes.a.shape[1])
    for i, expert in enumerate(experts):
        if name in expert.factors:
            own = compose.spectrum(expert.factors[name])
            u[:, i, : len(own.s)] = own.u * own.s
            v[i, : len(own.s)] = own.v
    flat_u, flat_v = u.flatten(1), v.flatten(0, 1)
    q_out, r_out = torch.linalg.qr(flat_u)
    q_in, r_in = torch.linalg.qr(flat_v.T)
    return _Module(flat_u, flat_v, q_out, r_out, q_in, r_in)


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
