"""`reach: {transport: odbc}`: how many rows an ODBC driver counts in each table of a local Access file.

A second opinion beside our own reader. MDBTools' driver reads the file and leaves nothing beside it (tested);
every other opens it as Access does, with a lock file, so it is used on copies only, or where the site file
allows it. The driver runs in a child process with a deadline: what it cannot do costs its counts and no more.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, cast

from checkup.clean import clean_line
from checkup.transports.access_source.connect import OdbcPlace

MDBTOOLS: Final = "MDBTools"
MICROSOFT: Final = "Microsoft Access Driver (*.mdb, *.accdb)"
DEADLINE_S: Final = 120
MOST_ANSWER_CHARACTERS: Final = 1_000_000

_WORKER: Final = Path(__file__).with_name("access_odbc_worker.py")
_NO_PYODBC: Final = (
    "pyodbc cannot be used here ({error}): it needs the driver manager, and MDBTools as the driver (Debian: "
    "apt-get install unixodbc odbc-mdbtools)"
)
_NO_DRIVER: Final = "; is the driver installed? (Debian: apt-get install odbc-mdbtools)"


@dataclass(frozen=True, kw_only=True)
class Counts:
    """By table, as far as the driver came: `rows`, or in `errors` why there is no number. `error` is what
    kept it from the others, or from all."""

    driver: str
    rows: Mapping[str, int] = field(default_factory=dict[str, int])
    errors: Mapping[str, str] = field(default_factory=dict[str, str])
    error: str = ""


def count_tables(
    place: OdbcPlace, path: Path, *, is_copy: bool, deadline_s: float = DEADLINE_S, worker: Path = _WORKER
) -> Counts:
    """What the driver counts. Never raises: everything that it cannot do is in the answer."""
    driver = driver_of(place)
    refused = _refusal(place, driver, path, is_copy=is_copy)
    if refused:
        return Counts(driver=driver, error=refused)
    request = json.dumps({"connection": f"DRIVER={{{driver}}};DBQ={path};ReadOnly=1;"})
    child = subprocess.Popen(
        [sys.executable, "-I", str(worker)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        encoding="utf-8",
        errors="replace",
    )
    ended = ""
    try:
        said, _ = child.communicate(request, timeout=deadline_s)
    except subprocess.TimeoutExpired:
        child.kill()
        said, _ = child.communicate()
        ended = f"it was not done after {deadline_s:g} s"
    except BaseException:  # nothing of ours goes on after us
        child.kill()
        raise
    else:
        if child.returncode not in (0, 1):
            ended = f"it crashed ({child.returncode})"
    return _counts(driver, said[:MOST_ANSWER_CHARACTERS], ended)


def driver_of(place: OdbcPlace) -> str:
    return place.driver or (MICROSOFT if sys.platform == "win32" else MDBTOOLS)


def _refusal(place: OdbcPlace, driver: str, path: Path, *, is_copy: bool) -> str:
    if driver.casefold() != MDBTOOLS.casefold() and not (is_copy or place.allow_lock_file):
        return (
            f"the driver {driver!r} would put a lock file beside {path.name}: name a copy of the file "
            "(`role: backup-copy`, `backup_of:`), or write `allow_lock_file: true`"
        )
    if re.match(r"[\\/]{2}[^\\/?.]", str(path)):
        return f"{path.name} lies on a share: a driver would fetch its rows over the network"
    if any(character in str(path) for character in ";{}"):
        return f"no connection string can hold the path of {path.name}: it has a semicolon or a brace"
    return ""


def _counts(driver: str, said: str, ended: str) -> Counts:
    names: list[str] = []
    rows: dict[str, int] = {}
    errors: dict[str, str] = {}
    error = ""
    for line in _lines(said):
        match line:
            case {"tables": list()}:
                names = [str(name) for name in line["tables"]]
            case {"table": str(name), "count": int(number)} if number >= 0:
                rows[name] = number
            case {"table": str(name), "error": str(text)}:
                errors[name] = clean_line(text, 200)
            case {"error": str(text), "missing": True}:
                error = _NO_PYODBC.format(error=clean_line(text, 200))
            case {"error": str(text)}:
                known = "Can't open lib" in text or "Data source name not found" in text
                error = clean_line(text, 200) + (_NO_DRIVER if known and driver == MDBTOOLS else "")
            case _:
                pass
    for name in names:
        if ended and name not in rows and name not in errors:
            errors[name] = ended
    return Counts(driver=driver, rows=rows, errors=errors, error=error or ("" if names else ended))


def _lines(said: str) -> Iterator[dict[str, Any]]:
    """The whole lines; a driver may print between them, and a killed program leaves half of one."""
    for line in said.splitlines():
        try:
            found = cast(object, json.loads(line))
        except ValueError:
            continue
        if isinstance(found, dict):
            yield cast("dict[str, Any]", found)
