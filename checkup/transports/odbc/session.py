"""A session with a SQL engine: one connection, one statement or batch at a time, in a process of its own."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from checkup import __version__
from checkup.api import JSON, ErrorClass
from checkup.clean import clean
from checkup.sql.engine import EngineName
from checkup.transports.odbc import browser
from checkup.transports.odbc.connect import Encryption, SqlPlace
from checkup.transports.odbc.drivers import Driver, choose
from checkup.transports.odbc.login import Login, prepared
from checkup.transports.odbc.login_errors import Attempt, refused_login
from checkup.transports.odbc.preflight import preflight
from checkup.transports.odbc.process import WorkerProcess
from checkup.transports.odbc.station import registered
from checkup.transports.odbc.strings import AUTHORITIES_FILE, Way, connecting, variables
from checkup.transports.odbc.tls import Shown, authorities, stations_authorities
from checkup.transports.odbc.tunnel import Tunnel
from checkup.transports.session import (
    ConnectionFacts,
    Credential,
    Deadlines,
    LoginGate,
    Told,
    TransportError,
    open_gate,
    untold,
)
from checkup.transports.wire import dial, shown_address

if TYPE_CHECKING:
    from checkup.transports.jump import JumpPool

# What a driver may take longer than it was told, before its process is ended. (Microsoft's waits twice the
# time of a statement for a server that does not take a cancellation.)
GRACE_S = 5.0
# What asks next to nothing of the server.
SHORT_S = 20.0

MEASURED: Final = "SELECT 1"
_TIMES = 5

# What is on record of a connection that was made, by what was demanded of it.
_MADE: Final[Mapping[Encryption, str]] = {
    "validated": "validated",
    "unvalidated": "encrypted",
    "clear": "clear",
}

# Their drivers stop a statement over the connection that it runs on. The others dial anew for that, and for
# another database.
_DIALS_ONCE: Final = frozenset({"sqlserver"})

# "Restricted data type attribute violation": the driver's own word for a value that it cannot hand out.
_NO_VALUE = "07006"


@dataclass(frozen=True)
class ResultSet:
    """`truncated`: there were more rows than asked for. Moments are ISO 8601 texts, without an offset where
    the server says none; decimal numbers are whole, or else floating."""

    columns: tuple[str, ...]
    rows: list[list[JSON]]
    truncated: bool = False


class SqlError(Exception):
    """The server or the driver answered with an error; the session is still usable.

    `number` is the engine's own, 0 where the driver passes on none; `text` may hold names and values of the
    site. `done` are the result sets that came before it.
    """

    def __init__(
        self, sqlstate: str, number: int | None, text: str, done: tuple[ResultSet, ...] = ()
    ) -> None:
        super().__init__(f"{sqlstate} {number}")
        self.sqlstate, self.number, self.text, self.done = sqlstate, number, text, done

    @property
    def code(self) -> str:
        """For people: the number, or else the SQLSTATE."""
        return f"error {self.number}" if self.number else f"SQLSTATE {self.sqlstate}"


class SqlSession:
    """`run` is for one thread; `cancel` and `close` may be called by any, at any moment."""

    def __init__(
        self,
        engine: EngineName,
        process: WorkerProcess,
        tunnel: Tunnel | None,
        way: Way,
        facts: ConnectionFacts,
        where: str,
    ) -> None:
        self.facts = facts
        self._engine: EngineName = engine
        self._process = process
        self._tunnel = tunnel
        self._way = way
        self._where = where

    def run(self, text: str, *, timeout_s: float, most_rows: int) -> list[ResultSet]:
        """The result sets of a statement or batch, each of at most `most_rows` rows.

        Of a batch for a SQL Server all that is not a result set is left out, and after SET NOCOUNT ON FreeTDS
        may leave out sets without rows: what belongs to which statement, the batch itself must say.

        Raises SqlError for what the server or driver answered, and for a value that is neither text, number
        nor moment; TransportError (dropped, timeout) where the connection is gone: then only `close` is left.
        """
        request = {"do": "run", "text": text, "timeout_s": timeout_s, "most_rows": most_rows}
        late = (
            f"{self._where} did not answer within {timeout_s:g} s, nor to being told to stop; the connection "
            "was ended"
        )
        return self._read(self._process.ask(request, timeout_s + GRACE_S, late))

    def enter(self, database: str, *, gate: LoginGate, credential: Credential) -> None:
        """Leave the connection for a new one into `database`, in the same process. For engines whose
        connection is bound to its database. Raises TransportError."""
        self._way = replace(self._way, database=database)
        _log_in(self._process, self._way, gate, credential, self._where, self._tunnel)

    def cancel(self) -> None:
        """The statement that is running ends with an error, where the server listens."""
        self._process.post({"do": "cancel"})

    def close(self) -> None:
        self._process.close()
        if self._tunnel is not None:
            self._tunnel.close()

    def measure(self) -> None:
        """The round trip into `facts`: the median of some short statements."""
        request = {"do": "measure", "text": MEASURED, "times": _TIMES}
        answer = self._process.ask(request, SHORT_S, f"{self._where} did not answer to {MEASURED} in time")
        self._raise_error(answer, ())
        self.facts.round_trip_s = sorted(answer["seconds"])[_TIMES // 2]

    def _read(self, answer: Mapping[str, Any]) -> list[ResultSet]:
        sets = [
            ResultSet(tuple(one["columns"]), one["rows"], one["truncated"]) for one in answer.get("sets", ())
        ]
        self._raise_error(answer, tuple(sets))
        return sets

    def _raise_error(self, answer: Mapping[str, Any], done: tuple[ResultSet, ...]) -> None:
        error = answer.get("error")
        if error is None:
            return
        if error["kind"] == "lost":
            self.close()
            failure = self._tunnel.failure if self._tunnel else None
            why = f"; {failure.detail}" if failure else ""
            raise TransportError(
                ErrorClass.DROPPED,
                f"the connection to {self._where} broke: it was restarted, the session ended, or the "
                f"line cut{why}",
            )
        state = _NO_VALUE if error["kind"] == "value" else error["sqlstate"]
        raise SqlError(state, error["number"], clean(error["text"]), done)


def open_sql(
    place: SqlPlace,
    engine: EngineName,
    credential: Credential | None,
    *,
    gate: LoginGate = open_gate,
    jump: JumpPool | None = None,
    facts: ConnectionFacts,
    database: str = "",
    deadlines: Deadlines | None = None,
    told: Told = untold,
) -> SqlSession:
    """Greet the instance, log in, and measure the way; may be called from many threads at once.

    Logs in to `database`, or where the site file says, or to a database that every instance has. `gate` is
    entered around the login and nothing else. `facts` is filled in as far as it came, also when this raises
    TransportError. With `database`, for one of many connections, nothing is measured.

    `told` is entered around what is sent after the login: MEASURED, and on SQL Server a USE of the database.
    """
    process = WorkerProcess()
    tunnel: Tunnel | None = None
    facts.jump = place.via
    deadlines = deadlines or Deadlines()
    try:
        login = prepared(engine, credential)
        assert credential is not None, "nothing was prepared without a credential"
        if not place.server:
            raise TransportError(ErrorClass.UNREACHABLE, "the site file does not say where the instance is")
        process.start(variables(login, place.ca_file, process.folder))
        driver = _driver(place, login, process)
        port = _port(place)
        where = facts.address = shown_address(place.server, port)
        shown = _greeted(place, port, where, jump, facts, deadlines)
        if place.via:
            assert jump is not None, "the greeting came through it"
            tunnel = Tunnel(lambda: jump.channel(place.via, place.server, port), process.pid)
        way = replace(
            _way(place, port, login, driver, shown, process.folder),
            host=tunnel.host if tunnel else place.server,
            port=tunnel.port if tunnel else port,
            database=database or place.database,
            login_s=max(1, round(deadlines.auth_s)),
        )
        _log_in(process, way, gate, credential, where, tunnel)
        if tunnel is not None and engine in _DIALS_ONCE:
            tunnel.stop_listening()
        facts.encryption = _MADE[place.encryption]
        session = SqlSession(engine, process, tunnel, way, facts, where)
        _enter(session, engine, way.database, told)
        if not database:
            _measure(session, told)
    except BaseException as error:
        process.close()
        if tunnel is not None:
            tunnel.close()
        if isinstance(error, TransportError):
            facts.error, facts.detail = error.error, error.detail
        raise
    return session


def _driver(place: SqlPlace, login: Login, process: WorkerProcess) -> Driver:
    driver = choose(
        place.engine,
        place.driver,
        registered(process),
        freetds_first=login.windows_account or place.encryption == "clear",
    )
    if login.windows_account and driver.family == "microsoft":
        raise TransportError(
            ErrorClass.UNSUPPORTED,
            f"{login.shown} is a Windows account, whose password Microsoft's driver does not take: use "
            "FreeTDS (driver: FreeTDS), or ticket: true, or ask for a SQL login",
        )
    return driver


def _way(place: SqlPlace, port: int, login: Login, driver: Driver, shown: Shown, folder: Path) -> Way:
    """The connection as the site file means it, without a tunnel. `folder` is the session's own."""
    known = authorities(place)
    to_write = place.encryption == "validated" and not known
    return Way(
        engine=place.engine,
        driver=driver,
        login=login,
        host=place.server,
        port=port,
        name=place.server,
        encryption=place.encryption,
        authorities=known or str(folder / AUTHORITIES_FILE),
        authorities_text=stations_authorities() if to_write else "",
        own_authorities=bool(place.ca_file),
        certificate=shown.certificate,
        certificate_name=shown.name,
        spn=f"MSSQLSvc/{place.spn_host or place.server}:{port}",
        application=f"checkup/{__version__}",
    )


def _port(place: SqlPlace) -> int:
    if place.port is not None:
        return place.port
    return browser.port_of(place.server, place.instance) if place.instance else place.default_port


def _greeted(
    place: SqlPlace,
    port: int,
    where: str,
    jump: JumpPool | None,
    facts: ConnectionFacts,
    deadlines: Deadlines,
) -> Shown:
    if not place.via:
        dialled = dial(place.server, port, deadlines.connect_s)
        stream, facts.address, facts.round_trip_s = dialled.socket, dialled.address, dialled.round_trip_s
    elif jump is None:
        raise TransportError(
            ErrorClass.UNREACHABLE, f"via: {place.via} is named for this instance, but not described"
        )
    else:
        stream = jump.channel(place.via, place.server, port)
    facts.reached = True
    return preflight(place, stream, where, deadlines.banner_s, facts)


def _log_in(
    process: WorkerProcess,
    way: Way,
    gate: LoginGate,
    credential: Credential,
    where: str,
    tunnel: Tunnel | None,
) -> None:
    try:
        request = connecting(way, process.folder)
    except ValueError as error:
        raise TransportError(ErrorClass.UNSUPPORTED, str(error)) from None
    late = f"{where} did not answer the login within {way.login_s} s, and the ODBC driver had to be ended"
    began = time.monotonic()
    with gate(credential):
        answer = process.ask(request, way.login_s + GRACE_S, late)
        error = answer.get("error")
        if error is None:
            return
        if tunnel is not None and tunnel.failure is not None:
            raise tunnel.failure
        attempt = Attempt(
            where=where,
            login=way.login,
            driver=way.driver,
            database=way.login_database,
            encryption=way.encryption,
        )
        failure = refused_login(way.engine, error, attempt)
        if failure.error is ErrorClass.DROPPED and time.monotonic() - began >= way.login_s:
            # Some drivers call their own giving up a lost connection.
            raise TransportError(
                ErrorClass.TIMEOUT, f"{where} did not answer the login within {way.login_s} s"
            )
        raise failure


def _measure(session: SqlSession, told: Told) -> None:
    try:
        with told(f"{MEASURED};\n" * _TIMES):
            session.measure()
    except SqlError as error:
        raise TransportError(
            ErrorClass.PROTOCOL, f"{session.facts.address} does not answer {MEASURED} ({error.code})"
        ) from None


def _enter(session: SqlSession, engine: EngineName, database: str, told: Told) -> None:
    """SQL Server was logged in to elsewhere, so that a closed database is no wrong password."""
    if engine != "sqlserver" or not database:
        return
    use = f"USE [{database.replace(']', ']]')}]"
    try:
        with told(use):
            session.run(use, timeout_s=SHORT_S, most_rows=1)
    except SqlError as error:
        raise TransportError(
            ErrorClass.DENIED,
            f"{session.facts.address} lets the login in, but not into the database {database} "
            f"({error.code}): is it there, online, and the login a user in it?",
        ) from None
