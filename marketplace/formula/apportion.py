"""Whole nano-credits divided by weights, and what a subscriber's fee pays for (P3).

Largest remainder (Hamilton): everybody gets the rounded-down part, the units left over go to the
largest fractions, ties to the first name. The parts add up to the whole exactly.

User-centric means that each subscriber's own fee is divided by that subscriber's own usage. A bot
that plays one layer all day can therefore earn its owner at most 90 % of what the bot pays; from
a common pool it could drain what others paid.
"""

from collections.abc import Mapping


def apportion(total_nanos: int, weights: Mapping[str, int]) -> dict[str, int]:
    """Divide an amount by whole weights; exact, same answer in any order of the mapping.

    Args:
        total_nanos: At least 0.
        weights: Each name with its weight, at least 0, together above 0.

    Returns:
        Nano-credits per name, for names of positive weight only.
    """
    heirs = {name: weight for name, weight in sorted(weights.items()) if weight > 0}
    whole = sum(heirs.values())
    assert whole > 0, f"nobody to divide {total_nanos} among: {dict(weights)}"
    parts = {name: total_nanos * weight // whole for name, weight in heirs.items()}
    rest = {name: total_nanos * weight % whole for name, weight in heirs.items()}
    left = total_nanos - sum(parts.values())
    for name in sorted(heirs, key=lambda name: (-rest[name], name))[:left]:
        parts[name] += 1
    return parts
