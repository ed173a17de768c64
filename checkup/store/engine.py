"""The connection to the database, and its errors in words for people."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Callable, Generator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

from sqlalchemy import URL, Connection, Engine, create_engine, event, make_url
from sqlalchemy.exc import ArgumentError, NoSuchModuleError, SQLAlchemyError, StatementError

from checkup.store.errors import StoreError
from checkup.store.location import VARIABLE, prepare, refuse_network, url_of

# How long one process waits for another to finish its write.
BUSY_TIMEOUT_S = 30.0


def open_engine(place: str) -> Engine:
    """An engine on the store at `place`; the file of a SQLite store is made if missing."""
    url = _parsed(place)
    backend = url.get_backend_name()
    if backend == "sqlite":
        return _open_sqlite(url)
    if backend != "postgresql":
        raise StoreError(
            f"cannot keep the store in {backend}: only sqlite and postgresql are known; correct {VARIABLE}"
        )
    try:
        return create_engine(url, hide_parameters=True, pool_pre_ping=True)
    except ModuleNotFoundError as error:
        raise StoreError(
            f"cannot open the store {where(url)}: the Python package {error.name} is not installed; "
            "install psycopg[binary]"
        ) from error


def where(url: URL) -> str:
    """The place of the store as a person knows it, without a password."""
    if url.get_backend_name() == "sqlite":
        return url.database or ""
    return url.set(query={}).render_as_string(hide_password=True)


def _parsed(place: str) -> URL:
    try:
        url = make_url(url_of(place))
        url.get_dialect()
    except (ArgumentError, NoSuchModuleError, ModuleNotFoundError, ValueError):
        # The text is not repeated, and the error is not chained: both may hold a password.
        raise StoreError(
            f"cannot open the store: its URL is not one of a database; correct {VARIABLE} "
            "(the path of a file, sqlite:///file, or postgresql+psycopg://user@host/database)"
        ) from None
    return url


def _open_sqlite(url: URL) -> Engine:
    if url.database in (None, "", ":memory:") or url.query:
        raise StoreError(f"cannot open the store: a SQLite store is a plain file; correct {VARIABLE}")
    refuse_network(Path(url.database))
    path = Path(url.database).expanduser().absolute()
    prepare(path)
    with translated("open the store", str(path)):
        _switch_to_wal(path)
    engine = create_engine(
        url.set(database=str(path)), hide_parameters=True, connect_args={"timeout": BUSY_TIMEOUT_S}
    )
    event.listen(engine, "connect", _on_connect)
    event.listen(engine, "begin", _on_begin)
    return engine


def _switch_to_wal(path: Path) -> None:
    """The write-ahead log stays switched on in the file; SQLite does not wait by itself to switch it."""
    give_up = time.monotonic() + BUSY_TIMEOUT_S
    while True:
        try:
            with closing(sqlite3.connect(path, timeout=BUSY_TIMEOUT_S)) as connection:
                (mode,) = connection.execute("PRAGMA journal_mode = WAL").fetchone()
                break
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_BUSY or time.monotonic() > give_up:
                raise
            time.sleep(0.02)
    if mode != "wal":
        raise StoreError(
            f"cannot keep the store at {path}: this file system does not give SQLite the locks it needs; "
            f"name another place in {VARIABLE}"
        )


def _on_connect(connection: sqlite3.Connection, record: Any) -> None:
    connection.isolation_level = None  # the driver would begin late, and without a lock
    connection.execute("PRAGMA foreign_keys = ON")
    # Without FULL the last commits may be lost with the power: what was reported saved is saved.
    connection.execute("PRAGMA synchronous = FULL")


def _on_begin(connection: Connection) -> None:
    # A transaction that reads first and locks later fails at once when another did the same; one
    # that locks at its beginning waits its turn.
    immediate = connection.get_execution_options().get("immediate", False)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if immediate else "BEGIN")


@contextmanager
def translated(doing: str, place: str, redact: Callable[[str], str] = str) -> Generator[None]:
    """Errors of the database as StoreError: what could not be done, where, why, what to do."""
    try:
        yield
    except (SQLAlchemyError, sqlite3.Error, ValueError, OverflowError) as error:
        # SQLAlchemy's own text quotes the statement; what it wraps says what happened.
        origin = (error.orig if isinstance(error, StatementError) else None) or error
        why, what_to_do = _explained(origin)
        raise StoreError(f"cannot {doing} ({place}): {redact(why)}; {what_to_do}") from error


_SQLITE = {
    sqlite3.SQLITE_FULL: ("the disk is full", "make room; what was saved before is intact"),
    sqlite3.SQLITE_READONLY: ("it is read-only", "check the rights on the file and its folder"),
    sqlite3.SQLITE_BUSY: (
        "another process keeps it locked",
        "end the other checkup, or try again later",
    ),
    sqlite3.SQLITE_CORRUPT: ("the file is damaged", "put it aside and restore it from a backup"),
    sqlite3.SQLITE_NOTADB: ("the file is not a database", "name the right file"),
    sqlite3.SQLITE_CANTOPEN: ("it cannot be opened", "check the rights on the file and its folder"),
    sqlite3.SQLITE_IOERR: ("the disk could not be read or written", "check the disk"),
    sqlite3.SQLITE_CONSTRAINT: (
        "it is already there, or refers to something that is not",
        "this is an error in checkup: report it",
    ),
}
_SQLITE[sqlite3.SQLITE_LOCKED] = _SQLITE[sqlite3.SQLITE_BUSY]

# By the class of the SQL state, its first two characters.
_POSTGRESQL = {
    "08": ("the connection was lost", "check the network and try again"),
    "23": _SQLITE[sqlite3.SQLITE_CONSTRAINT],
    "25": ("it is read-only", "name the primary server"),
    "28": ("the login was refused", "check the user and password"),
    "42": ("the account may not, or a table is not as expected", "ask the database's owner for the rights"),
    "53": ("the server has no room left (disk, memory or connections)", "make room there"),
    "55": ("another process keeps it locked", "try again later"),
    "57": ("the server was shut down", "try again later"),
}


def _explained(error: BaseException) -> tuple[str, str]:
    code = getattr(error, "sqlite_errorcode", None)
    if isinstance(code, int) and (known := _SQLITE.get(code & 0xFF)):
        return known
    state = getattr(error, "sqlstate", None)
    if isinstance(state, str) and (known := _POSTGRESQL.get(state[:2])):
        return known
    if isinstance(error, ValueError | OverflowError):
        # A value that does not fit its column: a damaged or newer row, or an error of the caller.
        return str(error), "update checkup; if it is the newest, report this as an error in checkup"
    first_line = str(error).strip().partition("\n")[0][:300]
    return f"the database says: {first_line}", "see whether it runs and can be reached"
