"""Which ODBC driver speaks to an engine, and what to say where there is none."""

from __future__ import annotations

import importlib.util
import platform
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

from checkup.api import ErrorClass
from checkup.sql.engine import EngineName
from checkup.transports.odbc.connect import TITLES
from checkup.transports.session import TransportError

Family = Literal["freetds", "microsoft", "psqlodbc", "mariadb", "mysql"]


@dataclass(frozen=True, slots=True)
class Driver:
    """`location`: a registered name, or the path of a library. Each family has its own words in connection
    strings."""

    family: Family
    location: str


# By the names under which their packages register them, the better first. (psqlodbc's ANSI driver and MySQL's
# lose characters.)
_KNOWN: Final[Mapping[EngineName, Sequence[tuple[Family, str]]]] = {
    "sqlserver": (
        ("microsoft", "ODBC Driver 18 for SQL Server"),
        ("microsoft", "ODBC Driver 17 for SQL Server"),
        ("freetds", "FreeTDS"),
    ),
    "postgresql": (
        ("psqlodbc", "PostgreSQL Unicode"),
        ("psqlodbc", "PostgreSQL Unicode(x64)"),
        ("psqlodbc", "PostgreSQL"),
    ),
    "mariadb": (
        ("mariadb", "MariaDB Unicode"),
        ("mariadb", "MariaDB ODBC 3.2 Driver"),
        ("mariadb", "MariaDB ODBC 3.1 Driver"),
        ("mariadb", "MariaDB"),
        ("mysql", "MySQL ODBC 9.0 Unicode Driver"),
        ("mysql", "MySQL ODBC 8.4 Unicode Driver"),
        ("mysql", "MySQL ODBC 8.0 Unicode Driver"),
    ),
}

# What a name or path given in the site file holds of its family's name, in small letters.
_TOLD_BY: Final[Mapping[EngineName, Sequence[tuple[str, Family]]]] = {
    "sqlserver": (("tdsodbc", "freetds"), ("freetds", "freetds"), ("", "microsoft")),
    "postgresql": (("", "psqlodbc"),),
    "mariadb": (("mysql", "mysql"), ("myodbc", "mysql"), ("", "mariadb")),
}

GET_ONE: Final[Mapping[EngineName, str]] = {
    "sqlserver": (
        "on Debian and Ubuntu `apt-get install tdsodbc`, elsewhere Microsoft's ODBC Driver 18 for SQL Server "
        '(also as `pip install "site-checkup[mssql]"`)'
    ),
    "postgresql": "on Debian and Ubuntu `apt-get install odbc-postgresql`, elsewhere psqlodbc",
    "mariadb": "on Debian and Ubuntu `apt-get install odbc-mariadb`, elsewhere MariaDB Connector/ODBC",
}

_WHEEL = "mssql_python_odbc"
_DISTRIBUTIONS = ("debian_ubuntu", "rhel", "suse", "alpine")

# Only the SQL part is lost; the rest of the run goes on.
_COST = "The SQL checks are left out; everything else goes on"


def choose(engine: EngineName, wanted: str, registered: Sequence[str], *, freetds_first: bool) -> Driver:
    """`wanted` is the site file's `driver:`. Raises TransportError (unsupported) where there is none.

    `freetds_first`: for what Microsoft's own cannot, a Windows account with its password, and a server
    without TLS of today.
    """
    if wanted:
        return _wanted(engine, wanted, registered)
    found = fitting(engine, registered)
    if freetds_first:
        found.sort(key=lambda one: one.family != "freetds")
    if found:
        return found[0]
    have = ", ".join(registered) or "none"
    raise TransportError(
        ErrorClass.UNSUPPORTED,
        f"this station has no ODBC driver for {TITLES[engine]}: {GET_ONE[engine]}, or name one as driver: "
        f"(registered here: {have}). {_COST}",
    )


def fitting(engine: EngineName, registered: Sequence[str]) -> list[Driver]:
    """The drivers of this station that speak to an engine, the better first."""
    found = [Driver(family, name) for family, name in _KNOWN[engine] if name in registered]
    library = _in_wheel() if engine == "sqlserver" else None
    if library is not None and not any(one.family == "microsoft" for one in found):
        found.insert(0, Driver("microsoft", str(library)))
    return found


def _wanted(engine: EngineName, wanted: str, registered: Sequence[str]) -> Driver:
    is_path = "/" in wanted or "\\" in wanted
    location = str(Path(wanted).expanduser().absolute()) if is_path else wanted
    if is_path and not Path(location).is_file():
        raise TransportError(ErrorClass.UNSUPPORTED, f"driver: {wanted} is no file on this station. {_COST}")
    if not is_path and wanted not in registered:
        have = ", ".join(registered) or "none"
        raise TransportError(
            ErrorClass.UNSUPPORTED,
            f"driver: {wanted} is not registered on this station, which has {have}; {GET_ONE[engine]}. "
            f"{_COST}",
        )
    told = location.casefold()
    return Driver(next(family for part, family in _TOLD_BY[engine] if part in told), location)


def _in_wheel() -> Path | None:
    """Microsoft's driver out of its Python package, which registers nothing."""
    package = importlib.util.find_spec(_WHEEL)
    if package is None or not package.submodule_search_locations:
        return None
    libraries = Path(package.submodule_search_locations[0]) / "libs"
    if sys.platform != "linux":
        return None  # there Microsoft's installer registers it
    for distribution in _DISTRIBUTIONS:
        folder = libraries / "linux" / distribution / platform.machine() / "lib"
        if found := sorted(folder.glob("libmsodbcsql-*.so*")):
            return found[-1]
    return None


def no_pyodbc(text: str) -> TransportError:
    """Why pyodbc could not be imported, by the text of its ImportError."""
    if "libodbc" in text:
        what = "this station has no ODBC driver manager: on Debian and Ubuntu `apt-get install unixodbc`"
    else:
        what = "this station has no pyodbc: `pip install pyodbc`"
    return TransportError(ErrorClass.UNSUPPORTED, f"{what}, and a driver with it. {_COST}")


# The driver manager's own, where it has no such driver or cannot load it.
_UNLOADABLE_STATES: Final = ("IM002", "IM003", "IM004", "IM005")


def is_unloadable(sqlstate: str, text: str) -> bool:
    """Whether an error of a login is that there was no driver to log in."""
    return sqlstate in _UNLOADABLE_STATES or "Can't open lib" in text


def not_loaded(driver: Driver) -> TransportError:
    """The driver manager says "file not found" too where one of the driver's own libraries is missing."""
    return TransportError(
        ErrorClass.UNSUPPORTED,
        f"the ODBC driver {driver.location} cannot be loaded: it, or a library that it needs, is missing "
        f"(`ldd` on its file names them). {_COST}",
    )
