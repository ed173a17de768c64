"""What ODBC this station has; no server is contacted."""

from __future__ import annotations

import socket
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final, get_args

from checkup.api import ErrorClass
from checkup.sql.engine import EngineName
from checkup.transports.odbc.drivers import Driver, fitting, is_unloadable, no_pyodbc
from checkup.transports.odbc.login import Login
from checkup.transports.odbc.process import WorkerProcess
from checkup.transports.odbc.strings import Way, connecting, variables
from checkup.transports.session import TransportError

# Loading a driver manager and reading its files.
START_S: Final = 20.0
# Microsoft's driver tries again until its time is over, where nobody listens.
_TRY_S: Final = 1

_NOBODY: Final = Login(user="checkup", password="", shown="nobody")


@dataclass(frozen=True, kw_only=True)
class Odbc:
    """The drivers that can be loaded, for each engine in the order in which they are taken, and those that
    are there and cannot. `others`: what else is registered, by name."""

    drivers: Mapping[EngineName, Sequence[Driver]]
    broken: Sequence[Driver]
    others: frozenset[str]


def registered(process: WorkerProcess) -> list[str]:
    """The names of the drivers that the driver manager knows. Raises TransportError."""
    answer = process.ask(
        {"do": "drivers"}, START_S, "the ODBC driver manager of this station does not answer"
    )
    error = answer.get("error")
    if error is None:
        return answer["drivers"]
    if error["kind"] == "missing":
        raise no_pyodbc(error["text"])
    raise TransportError(
        ErrorClass.UNSUPPORTED, f"the ODBC driver manager of this station fails: {error['text']}"
    )


def look() -> Odbc:
    """Load each driver that fits an engine. Raises TransportError where there is no ODBC at all."""
    process = WorkerProcess()
    try:
        process.start(variables(_NOBODY, "", process.folder))
        names = registered(process)
    finally:
        process.close()
    there: dict[EngineName, list[Driver]] = {}
    broken: list[Driver] = []
    for engine in get_args(EngineName):
        fit = fitting(engine, names)
        loaded = [one for one in fit if _loads(engine, one)]
        there[engine] = loaded
        broken += [one for one in fit if one not in loaded]
    known = {one.location for fit in (*there.values(), broken) for one in fit}
    return Odbc(drivers=there, broken=broken, others=frozenset(names) - known)


def _loads(engine: EngineName, driver: Driver) -> bool:
    """Whether it comes so far as to dial; at a port of our own, where nobody listens.

    Each in a process of its own: one that crashes or hangs must not pass for the next one's fault.
    """
    process = WorkerProcess()
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))
        host, port = nobody.getsockname()
        way = Way(
            engine=engine,
            driver=driver,
            login=_NOBODY,
            host=host,
            port=port,
            name=host,
            encryption="clear",
            login_s=_TRY_S,
        )
        try:
            process.start(variables(_NOBODY, "", process.folder))
            error = process.ask(connecting(way, process.folder), START_S, "the driver hangs").get("error")
        except TransportError:
            return False
        finally:
            process.close()
    return error is None or not is_unloadable(str(error["sqlstate"]), str(error["text"]))
