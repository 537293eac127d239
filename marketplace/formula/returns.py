"""What training a layer brought back: two numbers that are easily confused (P6).

    ROI      = (net - cost) / cost      -80 % when $50 brought $10
    recovery =  net / cost               20 %

The vision's example calls the second one "20 % return". Net is what the creator receives: the
platform's tenth is already gone, so those $10 of usage are $9 and the ROI is -82 %.

How concentrated a market is: what the vision's "AI monopolies" would look like in numbers.

    HHI  = sum of squared shares         1 = one owner has all, 1/n = n equal owners
    Gini = mean difference / 2 mean      0 = all alike, towards 1 = one has all

HHI follows the practice of competition authorities, who count in ten-thousandths: above 0.18 a
market is called highly concentrated (US merger guidelines 2023).
"""

from collections.abc import Iterable
from dataclasses import dataclass
from fractions import Fraction

from marketplace.money import check_amount


@dataclass(frozen=True, slots=True)
class Returns:
    """A cost and what came back, in nano-credits.

    Raises:
        AmountError: The cost is no amount; nothing can be said about a free lunch.
    """

    cost_nanos: int
    net_nanos: int
    """After fees and royalties; may be negative after refunds."""

    def __post_init__(self) -> None:
        check_amount(self.cost_nanos, "training cost")

    @property
    def roi(self) -> float:
        """Gain per credit invested: -1 when nothing came back, 0 when the cost is covered."""
        return float(Fraction(self.net_nanos - self.cost_nanos, self.cost_nanos))

    @property
    def recovery(self) -> float:
        """Share of the cost that came back: 0 to 1 while it is not covered."""
        return float(Fraction(self.net_nanos, self.cost_nanos))

    def lines(self) -> tuple[str, str]:
        """Both numbers in words."""
        return (
            f"cost recovery  {self.recovery:+.1%}: what came back of the cost",
            f"ROI            {self.roi:+.1%}: what was gained on top of the cost",
        )


def uses_to_break_even(cost_nanos: int, net_per_use_nanos: int) -> int:
    """How many uses pay for the training, at what the creator keeps of each."""
    check_amount(cost_nanos, "training cost")
    check_amount(net_per_use_nanos, "net per use")
    return -(-cost_nanos // net_per_use_nanos)


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
