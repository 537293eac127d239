"""Where the Academy meets the market: what is examined is sold, what sells is bred."""

from typing import TYPE_CHECKING

from genome.exports import lazily

if TYPE_CHECKING:
    from economy.cycle.run import run_cycle
    from economy.cycle.scenario import CycleSettings
    from economy.examined import Examined, examine
    from economy.publish import SaleTerms, publish_folder, put_up
    from economy.simulator.economy import simulate
    from economy.simulator.history import History
    from economy.simulator.settings import Economy

__all__ = [
    "CycleSettings",
    "Economy",
    "Examined",
    "History",
    "SaleTerms",
    "examine",
    "publish_folder",
    "put_up",
    "run_cycle",
    "simulate",
]

__getattr__ = lazily(
    __name__,
    {
        "economy.cycle.run": ("run_cycle",),
        "economy.cycle.scenario": ("CycleSettings",),
        "economy.examined": ("Examined", "examine"),
        "economy.publish": ("SaleTerms", "publish_folder", "put_up"),
        "economy.simulator.economy": ("simulate",),
        "economy.simulator.history": ("History",),
        "economy.simulator.settings": ("Economy",),
    },
)
