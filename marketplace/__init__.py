"""Who owns and pays: accounts, listings, prices and trades of layers.

Start at `marketplace.market.Market`; everything it raises is in `marketplace.errors`.
Nothing here knows what a layer does: it is a digest with a name and an exam result.
"""
