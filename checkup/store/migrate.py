"""Brings the tables to the form that this program knows, one process at a time.

Alembic takes longer to import than everything else the store needs: it is, only when there is
something to migrate.
"""

from __future__ import annotations

import threading
from pathlib import Path

from sqlalchemy import Connection, Engine, func, inspect, select, text

from checkup.store.errors import StoreError

HEAD = "0002"
MIGRATIONS = Path(__file__).with_name("migrations")
# A name of our own: a PostgreSQL database may hold another program's tables beside ours.
VERSION_TABLE = "checkup_version"

# Any number will do, as long as it stays the same.
_ADVISORY_LOCK = 0x636865636B7570
# Alembic's `context` belongs to the process, not to the thread.
_ONE_THREAD = threading.Lock()


def migrate(engine: Engine, place: str) -> None:
    """Migrate the store to HEAD; at HEAD already, one query. `place` is for messages."""
    with engine.connect() as connection:
        if _version(connection, place) == HEAD:
            return
    with _ONE_THREAD, engine.execution_options(immediate=True).begin() as connection:
        if connection.dialect.name == "postgresql":
            connection.execute(select(func.pg_advisory_xact_lock(_ADVISORY_LOCK)))
        # Another process may have done it while this one waited.
        if _version(connection, place) != HEAD:
            upgrade(connection)


def upgrade(connection: Connection) -> None:
    """All migrations that are missing, within the transaction of `connection`."""
    from alembic import command
    from alembic.config import Config

    config = Config()
    # Alembic reads the value as the ini file's, where a percent sign is special.
    config.set_main_option("script_location", str(MIGRATIONS).replace("%", "%%"))
    config.attributes["connection"] = connection
    config.attributes["version_table"] = VERSION_TABLE
    command.upgrade(config, HEAD)


def _version(connection: Connection, place: str) -> str | None:
    """The version of the store; None for an empty database."""
    tables = inspect(connection).get_table_names()
    if VERSION_TABLE not in tables:
        if tables and connection.dialect.name == "sqlite":
            raise StoreError(
                f"cannot open the store {place}: the file is another program's database; name the right file"
            )
        return None
    version: str | None = connection.scalar(text(f"SELECT version_num FROM {VERSION_TABLE}"))  # noqa: S608 (a constant)
    if version is not None and version > HEAD:
        raise StoreError(
            f"cannot open the store {place}: it was written by a newer checkup "
            f"(form {version}, this one knows {HEAD}); update checkup"
        )
    return version
