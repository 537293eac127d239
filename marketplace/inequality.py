"""How concentrated a market is: what the vision's "AI monopolies" would look like in numbers.

    HHI  = sum of squared shares         1 = one owner has all, 1/n = n equal owners
    Gini = mean difference / 2 mean      0 = all alike, towards 1 = one has all

HHI follows the practice of competition authorities, who count in ten-thousandths: above 0.18 a
market is called highly concentrated (US merger guidelines 2023).
"""

from collections.abc import Iterable


def hhi(amounts: Iterable[float]) -> float:
    """Herfindahl-Hirschman index of non-negative amounts, in [0, 1]; 0 when there are none."""
    parts = list(amounts)
    total = sum(parts)
    return sum((part / total) ** 2 for part in parts) if total > 0 else 0.0


def gini(amounts: Iterable[float]) -> float:
    """Gini coefficient of non-negative amounts, in [0, 1); 0 when there are none."""
    parts = sorted(amounts)
    n, total = len(parts), sum(parts)
    if total <= 0:
        return 0.0
    ranked = sum(rank * part for rank, part in enumerate(parts, 1))
    return max(0.0, 2.0 * ranked / (n * total) - (n + 1) / n)
