"""Alembic's entry: runs the versions that are missing, in the transaction it is handed."""

from alembic import context

from blocks.database import VERSION_TABLE


def run() -> None:
    """Bring the database of the connection to the version that was asked for."""
    context.configure(
        connection=context.config.attributes["connection"], version_table=VERSION_TABLE
    )
    context.run_migrations()


if __name__ == "env_py":  # the name Alembic loads this file under; an import does nothing
    run()
