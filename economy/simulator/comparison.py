"""What an attack is worth: the same economy with that attack alone, against the one without any.

What an attacker ends with says little by itself: it owns a layer that sells whether it attacks or
not, and other attacks change what is bought.
"""

from dataclasses import replace

from economy.simulator.economy import simulate
from economy.simulator.history import History
from economy.simulator.settings import Economy


def attack_gains(economy: Economy) -> dict[str, float]:
    """Credits that each attack of the economy brings its attacker; negative = it costs more."""
    honest = net_credits(simulate(replace(economy, attacks=())))
    return {
        attack: net_credits(simulate(replace(economy, attacks=(attack,))))[attack] - honest[attack]
        for attack in economy.attacks
    }


def net_credits(history: History) -> dict[str, float]:
    """What each attacker and its helpers end with, by attack, whether it was made or not."""
    found = history.summary["attackers"].items()
    return {attack: float(attacker["net_credits"]) for attack, attacker in found}
