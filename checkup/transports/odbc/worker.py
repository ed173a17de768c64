# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false
# (pyodbc's rows and errors have no types.)
"""The process that holds an ODBC driver, so that one that hangs or crashes costs only its endpoint.

Run as a program: requests come on standard input, one JSON object a line, answers leave the same way on
standard output. It imports nothing of checkup, to start quickly. Where its parent ends, it ends.

    {"do": "drivers"}                                       -> {"drivers": [name, ...]}
    {"do": "connect", "text", "timeout_s", "engine",
     "folder", "files": {name: text}}                       -> {}
    {"do": "run", "text", "timeout_s", "most_rows"}         -> {"sets": [{"columns", "rows", "truncated"}]}
    {"do": "measure", "text", "times"}                      -> {"seconds": [number, ...]}
    {"do": "cancel"}                                        -> nothing; what is running ends with an error

An answer may hold "error": {"kind", "sqlstate", "number", "text"} beside what came before it. Kinds:
"missing" (no pyodbc), "odbc" (a driver or a server said it), "value" (a value that is none of ours), "lost"
(the connection is gone).

What a driver takes from files alone lies in "folder" as long as it logs in, and no longer.
"""

from __future__ import annotations

import contextlib
import json
import math
import os
import queue
import re
import struct
import sys
import threading
import time
import traceback
from collections.abc import Callable, Generator
from datetime import date, datetime, timedelta, timezone
from datetime import time as day_time
from decimal import Decimal
from pathlib import Path
from typing import IO, Any

# Of one answer; a section of ours holds some hundred rows of names and numbers.
MOST_CHARACTERS = 16_000_000
CLOSING_S = 1.0
FAILED = 70  # exit status for a mistake of our own; its last line is on standard error

# SQL types that pyodbc cannot read, or not well ("ODBC driver extensions" of SQL Server; MariaDB's own).
_DATE, _TIME, _TIMESTAMP = 91, 92, 93
_SQL_VARIANT, _TIME2, _DATETIMEOFFSET = -150, -154, -155

# The driver's number stands before the name of the function that failed.
_NUMBER = re.compile(r"\((-?\d+)\) \(SQL[A-Za-z]+\)")

# Connections that are gone: lost, or closed before (08004 and others of class 08 are refusals); PostgreSQL's
# 57P01 to 57P03 (shut down); MariaDB's client errors 2006, 2013 and 2055 (gone, lost) and Connector/C's own
# 5014 (could not write); FreeTDS's own 20004, 20006, 20017 and 20047 (read, write, end of file, dead), and
# what it says where a line breaks among rows.
_LOST_STATES = ("08S01", "08003", "08006", "08007", "57P0")
_LOST_NUMBERS = frozenset({2006, 2013, 2055, 5014, 20004, 20006, 20017, 20047})
_LOST_WORDS = "[FreeTDS][SQL Server]Unknown error (0)"


class Refused(Exception):
    """A value that no section may hold. The text names its kind, not the value."""


class Worker:
    """One connection at most; `handle` runs in one thread, `cancel` may come from another."""

    def __init__(self) -> None:
        self._connection: Any = None
        self._cursor: Any = None
        self._engine = ""
        self._cancelled = False
        self._cancelling = threading.Lock()
        self._folder: Path | None = None

    def handle(self, request: dict[str, Any]) -> dict[str, Any]:
        try:
            import pyodbc
        except ImportError as error:
            return _error("missing", str(error))
        pyodbc.pooling = False
        try:
            match request["do"]:
                case "drivers":
                    return {"drivers": pyodbc.drivers()}
                case "connect":
                    self._connect(pyodbc, request)
                    return {}
                case "measure":
                    return {"seconds": [self._timed(request["text"]) for _ in range(request["times"])]}
                case _:
                    return self._run(pyodbc, request)
        except pyodbc.Error as error:
            return self._from_odbc(error)

    def cancel(self) -> None:
        """End the statement that is running; without effect where none is."""
        with self._cancelling:
            if self._cursor is not None:
                self._cancelled = True
                with contextlib.suppress(Exception):  # it ended in this moment; its own answer tells how
                    self._cursor.cancel()

    def close(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.close()

    def _connect(self, pyodbc: Any, request: dict[str, Any]) -> None:
        self.close()
        self._engine = request["engine"]
        with self._written(request["folder"], request["files"]):
            self._connection = pyodbc.connect(request["text"], autocommit=True, timeout=request["timeout_s"])
        self._connection.add_output_converter(_SQL_VARIANT, _no_variant)
        self._connection.add_output_converter(_DATETIMEOFFSET, _moment_with_offset)
        self._connection.add_output_converter(_TIME2, _time2)
        if self._engine == "mariadb":
            # Python has no time of 30 hours and no day 0; the driver gives their text to a converter.
            self._connection.add_output_converter(_TIME, _text)
            self._connection.add_output_converter(_DATE, _maybe_zero)
            self._connection.add_output_converter(_TIMESTAMP, _maybe_zero)

    @contextlib.contextmanager
    def _written(self, folder: str, files: dict[str, str]) -> Generator[None]:
        """The files for one login; no folder is made for none."""
        if not files:
            yield
            return
        self._folder = Path(folder)
        self._folder.mkdir(0o700)
        try:
            for name, text in files.items():
                (self._folder / name).write_text(text, encoding="utf-8")
            yield
        finally:
            self.remove_files()

    def remove_files(self) -> None:
        """Also called from another thread, where a login hangs."""
        if self._folder is None:
            return
        with contextlib.suppress(OSError):
            for file in self._folder.iterdir():
                file.unlink()
            self._folder.rmdir()

    def _timed(self, text: str) -> float:
        started = time.perf_counter()
        cursor = self._connection.cursor()
        cursor.execute(text).fetchall()
        cursor.close()
        return time.perf_counter() - started

    def _run(self, pyodbc: Any, request: dict[str, Any]) -> dict[str, Any]:
        sets: list[dict[str, Any]] = []
        limit = _Limit(MOST_CHARACTERS, request["most_rows"])
        timeout_s = request["timeout_s"]
        self._cancelled = False
        if self._engine == "sqlserver":
            # The driver itself asks the server to stop. (psqlodbc knows no such setting, and Connector/ODBC
            # does not honour it.)
            self._connection.timeout = max(1, math.ceil(timeout_s))
        cursor = self._connection.cursor()
        with self._cancelling:
            self._cursor = cursor
        stopping = threading.Timer(timeout_s, self.cancel)
        stopping.daemon = True
        if self._engine != "sqlserver":
            stopping.start()
        try:
            cursor.execute(request["text"])
            while True:
                if cursor.description is not None:
                    sets.append(_fetched(cursor, limit))
                if not cursor.nextset():
                    break
            if self._cancelled:  # Microsoft's driver makes an end of it, and no error
                return {"sets": sets, **_error("odbc", "cancelled", "HY008")}
            return {"sets": sets}
        except pyodbc.Error as error:
            said = self._from_odbc(error)
            if self._cancelled and said["error"]["sqlstate"] == "HY010":
                # Stopped between two of its calls, Microsoft's driver says that the second is out of turn.
                said = _error("odbc", "cancelled", "HY008")
            return {"sets": sets, **said}
        except (Refused, ValueError, OverflowError) as error:
            return {"sets": sets, **_error("value", str(error))}
        finally:
            stopping.cancel()
            with self._cancelling:  # a driver crashes that is told to cancel what is no more
                self._cursor = None
            with contextlib.suppress(pyodbc.Error):  # the connection went; the next statement says so
                cursor.close()

    def _from_odbc(self, error: Exception) -> dict[str, Any]:
        sqlstate, text = (str(error.args[0]), str(error.args[-1])) if error.args else ("", "")
        # psqlodbc's numbers are its own, the server's code is the SQLSTATE.
        found = _NUMBER.search(text) if self._engine != "postgresql" else None
        number = int(found.group(1)) if found else 0
        lost = sqlstate.startswith(_LOST_STATES) or number in _LOST_NUMBERS or _LOST_WORDS in text
        return _error("lost" if lost else "odbc", text, sqlstate, number)


class _Limit:
    def __init__(self, characters: int, rows: int) -> None:
        self.characters = characters
        self.rows = rows


def _fetched(cursor: Any, limit: _Limit) -> dict[str, Any]:
    columns = [str(one[0]) for one in cursor.description]
    rows: list[list[Any]] = []
    truncated = False
    while not truncated and (row := cursor.fetchone()) is not None:
        values = [plain(value) for value in row]
        limit.characters -= sum(len(value) if isinstance(value, str) else 8 for value in values)
        # The first row always comes: in a batch it may be the one that tells the end of a statement.
        truncated = len(rows) >= limit.rows or (limit.characters < 0 and bool(rows))
        if not truncated:
            rows.append(values)
    return {"columns": columns, "rows": rows, "truncated": truncated}


def plain(value: Any) -> Any:
    """A value as JSON has it. Raises Refused."""
    if value is None or isinstance(value, (bool, int, str)):
        return value
    if isinstance(value, Decimal):
        if not value.is_finite():
            raise Refused(f"the statement answers the number {value}")
        return int(value) if value == value.to_integral_value() else float(value)
    if isinstance(value, float):
        if not math.isfinite(value):
            raise Refused(f"the statement answers the number {value}")
        return value
    if isinstance(value, (datetime, date, day_time)):
        return value.isoformat()
    raise Refused(f"the statement answers {type(value).__name__}, which is neither text, number nor moment")


# --- converters -------------------------------------------------------------------------------


def _no_variant(_: bytes) -> str:
    raise Refused("the statement answers a sql_variant: it must CAST it, the driver does not say its type")


def _moment_with_offset(value: bytes) -> str:
    """SQL_SS_TIMESTAMPOFFSET_STRUCT: nanoseconds, hours and minutes of one sign."""
    *parts, nanoseconds, hours, minutes = struct.unpack("<hHHHHHIhh", value)
    offset = timezone(timedelta(hours=hours, minutes=minutes))
    return datetime(*parts, microsecond=nanoseconds // 1000, tzinfo=offset).isoformat()


def _time2(value: bytes) -> str:
    """SQL_SS_TIME2_STRUCT, padded to 12 bytes."""
    hour, minute, second, _, nanoseconds = struct.unpack("<HHHHI", value)
    return day_time(hour, minute, second, nanoseconds // 1000).isoformat()


def _text(value: bytes) -> str:
    return value.decode("ascii")


def _maybe_zero(value: bytes) -> str | None:
    """A date that has a month or a day 0 is MariaDB's way to say that it is not known."""
    text = _text(value)
    day, space, hours = text.partition(" ")
    if "00" in day.split("-")[1:] or day.startswith("0000"):
        return None
    return f"{day}T{hours}" if space else day


# --- errors -----------------------------------------------------------------------------------


def _error(kind: str, text: str, sqlstate: str = "", number: int = 0) -> dict[str, Any]:
    return {"error": {"kind": kind, "sqlstate": sqlstate, "number": number, "text": text[:4000]}}


# --- the program ------------------------------------------------------------------------------


def serve(requests: IO[str], answer: Callable[[dict[str, Any]], None]) -> None:
    """Until the requests end. Then whatever the driver is doing is left behind with the process."""
    worker = Worker()
    waiting: queue.SimpleQueue[dict[str, Any] | None] = queue.SimpleQueue()

    def work() -> None:
        try:
            while (request := waiting.get()) is not None:
                answer(worker.handle(request))
            worker.close()
        except BaseException:  # noqa: BLE001 - the parent must not wait for an answer that never comes
            traceback.print_exc()
            sys.stderr.flush()
            os._exit(FAILED)

    working = threading.Thread(target=work, daemon=True)
    working.start()
    for line in requests:
        request = json.loads(line)
        if request["do"] == "cancel":
            worker.cancel()
        else:
            waiting.put(request)
    # A driver may hang in this, too.
    threading.Thread(target=worker.cancel, daemon=True).start()
    waiting.put(None)
    working.join(CLOSING_S)
    worker.remove_files()


def _no_core_file() -> None:
    """A crash must not write the password to the disk."""
    if sys.platform != "win32":  # which writes none of itself
        import resource

        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def main() -> None:
    _no_core_file()
    # Some drivers print; nothing of theirs may stand among the answers.
    answers = os.fdopen(os.dup(1), "w", encoding="ascii")
    os.dup2(2, 1)

    def answer(given: dict[str, Any]) -> None:
        answers.write(json.dumps(given) + "\n")
        answers.flush()

    serve(sys.stdin, answer)
    os._exit(0)  # a driver that hangs would keep the interpreter from ending


if __name__ == "__main__":
    main()
