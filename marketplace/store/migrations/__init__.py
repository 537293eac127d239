"""From one schema version to the next, with Alembic.

    versions/0004_baseline.py   the first revision: an empty place becomes a market, and a market
                                of schema 3, from before this baseline, becomes one around its rows

A new market is made from the table classes, which are the newest revision. Once a revision is
out, a change of the tables needs another one: a test that knows the digest of today's structure
says so.
"""
