"""Alembic's way in: it runs this file, which hands over the connection that `run` opened."""

from alembic import context

from marketplace.store.schema import VERSION_TABLE

context.configure(
    connection=context.config.attributes["connection"],
    version_table=VERSION_TABLE,
    transactional_ddl=True,  # true of both databases as we open them; Alembic doubts SQLite
)
context.run_migrations()
