"""The ODBC drivers that tests send to the server, where this machine has them."""

from __future__ import annotations

import importlib.util
import platform
from dataclasses import dataclass
from pathlib import Path

from .server import TdsServer

FREETDS = "FreeTDS"  # as the package tdsodbc registers it
_REGISTERED = ("ODBC Driver 18 for SQL Server", "ODBC Driver 17 for SQL Server")
_WHEEL = "mssql_python_odbc"
_DISTRIBUTIONS = ("debian_ubuntu", "rhel", "suse")


@dataclass(frozen=True)
class Driver:
    """`location`: a registered name, or the path of the library."""

    name: str
    location: str

    def connection_string(self, server: TdsServer, user: str, password: str, **more: str) -> str:
        """In the clear unless `more` says otherwise; `more` are further keywords.

        FreeTDS 1.3 does not undouble a brace in braces: "};" is what ends a value there.
        """
        common = {
            "DRIVER": self.location,
            "UID": user,
            "PWD": f"{{{password if self.name == FREETDS else password.replace('}', '}}')}}}",
            "APP": "checkup-tests",
        }
        if self.name == FREETDS:
            own = {"SERVER": server.address, "PORT": str(server.port), "TDS_Version": "7.4"}
        else:
            own = {"SERVER": f"{server.address},{server.port}", "Encrypt": "no"}
        keywords = {**common, **own, **more}
        return ";".join(f"{keyword}={value}" for keyword, value in keywords.items())


def freetds(registered: list[str]) -> Driver | None:
    """`registered`: of pyodbc.drivers()."""
    return Driver(FREETDS, FREETDS) if FREETDS in registered else None


def microsoft(registered: list[str]) -> Driver | None:
    """The registered one, or the one inside the wheel `mssql-python-odbc`, which `mssql-python` pulls in."""
    for name in _REGISTERED:
        if name in registered:
            return Driver("Microsoft", name)
    library = _in_wheel()
    return Driver("Microsoft", str(library)) if library else None


def _in_wheel() -> Path | None:
    wheel = importlib.util.find_spec(_WHEEL)
    if wheel is None or not wheel.submodule_search_locations:
        return None
    libraries = Path(wheel.submodule_search_locations[0]) / "libs" / "linux"
    for distribution in _DISTRIBUTIONS:
        folder = libraries / distribution / platform.machine() / "lib"
        if found := sorted(folder.glob("libmsodbcsql-*.so*")):
            return found[-1]
    return None
