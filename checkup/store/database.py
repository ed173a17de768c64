"""Transactions and single rows: what every method of the store is made of."""

from __future__ import annotations

import threading
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from importlib import import_module
from typing import Any

from sqlalchemy import Connection, Row, Select, Table, insert, select

from checkup.store.engine import open_engine, translated, where
from checkup.store.errors import StoreError
from checkup.store.migrate import migrate


class Database:
    """The migrated database at `place`, for any number of threads, of which one writes at a time."""

    def __init__(self, place: str, redact: Callable[[str], str]) -> None:
        self._engine = open_engine(place)
        self._writer = self._engine.execution_options(immediate=True)
        self._one_writer = threading.Lock()
        self._joined = threading.local()
        self._redact = redact
        self.place = where(self._engine.url)
        try:
            with translated("open the store", self.place, redact):
                migrate(self._engine, self.place)
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        self._engine.dispose()

    @contextmanager
    def write(self, doing: str) -> Generator[Connection]:
        """One transaction, committed at the end of the block, or rolled back by its error."""
        joined: Connection | None = getattr(self._joined, "connection", None)
        if joined is not None:
            with translated(doing, self.place, self._redact):
                yield joined
            return
        with (
            self._one_writer,
            translated(doing, self.place, self._redact),
            self._writer.begin() as connection,
        ):
            yield connection

    @contextmanager
    def together(self, doing: str) -> Generator[None]:
        """All writes of this thread within the block as one transaction: one commit, one wait for the
        disk."""
        with self.write(doing) as connection:
            self._joined.connection = connection
            try:
                yield
            finally:
                self._joined.connection = None

    @contextmanager
    def read(self, doing: str) -> Generator[Connection]:
        with translated(doing, self.place, self._redact), self._engine.connect() as connection:
            yield connection

    def all(self, doing: str, query: Select[*tuple[Any, ...]]) -> Sequence[Row[Any]]:
        with self.read(doing) as connection:
            return connection.execute(query).all()

    def row(self, connection: Connection, table: Table, key: str | int, *, lock: bool = False) -> Row[Any]:
        """The row with this id. `lock` keeps other processes from changing it meanwhile."""
        query = select(table).where(table.c.id == key)
        row = connection.execute(query.with_for_update() if lock else query).one_or_none()
        if row is None:
            raise self._unknown(table, key)
        return row

    def require(self, connection: Connection, table: Table, key: str | int) -> None:
        """Raise StoreError unless there is a row with this id."""
        if connection.scalar(select(table.c.id).where(table.c.id == key)) is None:
            raise self._unknown(table, key)

    def _unknown(self, table: Table, key: str | int) -> StoreError:
        return StoreError(f"the store {self.place} has no {table.name} {key}; name another, or another store")


def insert_row(connection: Connection, table: Table, values: dict[str, Any]) -> int:
    """Insert one row and return the number it was given."""
    return connection.execute(insert(table).returning(table.c.id), values).scalar_one()


def insert_unless_there(connection: Connection, table: Table, values: dict[str, Any]) -> bool:
    """Insert one row, unless another process has just done so; whether this one did."""
    # SQL has no word for this, but both of our databases have the same one.
    dialect = import_module(f"sqlalchemy.dialects.{connection.dialect.name}")
    return connection.execute(dialect.insert(table).on_conflict_do_nothing(), values).rowcount == 1
