"""Which ODBC drivers this machine has: for SQL instances, and for a second opinion of Access files."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from checkup.transports.access_odbc import MDBTOOLS, MICROSOFT
from checkup.transports.odbc.connect import TITLES
from checkup.transports.odbc.drivers import GET_ONE, Driver, not_loaded
from checkup.transports.odbc.station import Odbc, look
from checkup.transports.session import TransportError
from checkup.workflow.examination import Examination

_MANAGER: Final = "pyodbc and an ODBC driver manager, for SQL instances"


def odbc() -> Iterator[Examination]:
    """None of it is needed by a site without SQL instances, so nothing here is missing, only absent."""
    try:
        found = look()
    except TransportError as error:
        yield Examination(_MANAGER, False, error.detail, optional=True)
        return
    yield Examination(_MANAGER, True, "")
    for engine, title in TITLES.items():
        names = "; ".join(map(_shown, found.drivers[engine]))
        name = f"an ODBC driver for {title}" + (f": {names}" if names else "")
        yield Examination(name, bool(names), GET_ONE[engine], optional=True)
    yield _freetds(found)
    for driver in found.broken:
        name = f"the ODBC driver {_shown(driver)} in working order"
        yield Examination(name, False, not_loaded(driver).detail, optional=True)
    yield _access(found)


def _shown(driver: Driver) -> str:
    is_path = "/" in driver.location or "\\" in driver.location
    return f"{Path(driver.location).name} (of the extra mssql)" if is_path else driver.location


def _freetds(found: Odbc) -> Examination:
    return Examination(
        "FreeTDS, for SQL Servers that a Windows account gets into by its password",
        any(driver.family == "freetds" for driver in found.drivers["sqlserver"]),
        "on Debian and Ubuntu `apt-get install tdsodbc`; elsewhere use `ticket: true` or a SQL login",
        optional=True,
    )


def _access(found: Odbc) -> Examination:
    if os.name == "nt":
        driver, advice = MICROSOFT, "install Microsoft's Access Database Engine, in 64 bits as Python is"
    else:
        driver, advice = MDBTOOLS, "on Debian and Ubuntu `apt-get install odbc-mdbtools`"
    name = f"the ODBC driver {driver}, for `reach: {{transport: odbc}}` of Access files"
    return Examination(name, driver in found.others, advice, optional=True)
