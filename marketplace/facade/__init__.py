"""What `marketplace.market.Market` can do, one file per concept.

Each class adds methods to `MarketBase`; each method is short: check the input, open a view with
`self._read()` or hand a transaction to `self._change(...)`, return a view. Rules live elsewhere.
"""
