"""The market's formulas played forward: an economy in memory, seeded, months in seconds.

Start at `economy.simulator.economy.simulate`. No database: what is exercised are the very
functions that price the real market.
"""
