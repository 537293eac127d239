"""From one schema version to the next, and back, with Alembic.

    sql/0002.sqlite.sql    what a market of revision 0002 consists of, written by `snapshot`
    versions/0002_....py   how the rows of 0001 become rows of 0002
    versions/0003_....py   the same for 0003, which rebuilds only what differs
    versions/0004_....py   the same for 0004, which rebuilds every table

A revision that has been released is never changed: change the tables, add a revision, and write
its snapshot with `python -m marketplace.migrations.snapshot`.
"""
