"""A market on another machine, used like a local one.

Start at `marketplace.client.remote.RemoteMarket`; it offers what `marketplace.front` names.
"""
