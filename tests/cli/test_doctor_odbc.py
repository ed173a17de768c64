"""checkup doctor on ODBC: what is there for each engine, and the command that gets what is not."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from checkup.transports.odbc import drivers
from checkup.workflow.doctor_odbc import odbc
from tests.workflow.conftest import Clinic, checkup

ALL = ["FreeTDS", "ODBC Driver 17 for SQL Server", "PostgreSQL Unicode", "MariaDB Unicode", "MDBTools"]

# Drivers that come as far as dialling, but for those that the test breaks.
PYODBC = """
class Error(Exception):
    pass
def drivers():
    return {there!r}
def connect(text, **more):
    name = text.split(";")[0].removeprefix("DRIVER=").strip("{{}}")
    if name in {broken!r}:
        raise Error("01000", "[unixODBC][Driver Manager]Can't open lib '%s' : file not found (0)" % name)
    if "127.0.0.1" not in text and name != "FreeTDS":
        raise SystemError("dials somewhere else: " + text)
    raise Error("08001", "Connection refused")
"""


@pytest.fixture
def station(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., dict[str, str]]:
    """What doctor says of a machine with these drivers: what is there is "", else what to do."""

    def examined(there: list[str], *, broken: str = "", wheel: Path | None = None) -> dict[str, str]:
        source = PYODBC.format(there=there, broken=[broken])
        (tmp_path / "pyodbc.py").write_text(source, encoding="utf-8")
        monkeypatch.setenv("PYTHONPATH", str(tmp_path))
        monkeypatch.setattr(drivers, "_in_wheel", lambda: wheel)
        found = list(odbc())
        assert all(one.optional for one in found if not one.found)
        return {one.name: "" if one.found else one.advice for one in found}

    return examined


def test_all_that_is_there_is_named_in_the_order_in_which_it_is_taken(
    station: Callable[..., dict[str, str]],
) -> None:
    said = station(ALL)
    assert not any(said.values())
    assert "an ODBC driver for SQL Server: ODBC Driver 17 for SQL Server; FreeTDS" in said
    assert "an ODBC driver for PostgreSQL: PostgreSQL Unicode" in said
    assert "an ODBC driver for MariaDB or MySQL: MariaDB Unicode" in said


def test_the_driver_of_the_extra_is_named(station: Callable[..., dict[str, str]]) -> None:
    said = station(["FreeTDS"], wheel=Path("/venv/libs/libmsodbcsql-18.6.so.2.1"))
    assert "an ODBC driver for SQL Server: libmsodbcsql-18.6.so.2.1 (of the extra mssql); FreeTDS" in said


def test_what_is_not_there_comes_with_the_command_that_gets_it(
    station: Callable[..., dict[str, str]],
) -> None:
    said = station(["SQLite3"])
    assert "apt-get install tdsodbc" in said["an ODBC driver for SQL Server"]
    assert 'pip install "site-checkup[mssql]"' in said["an ODBC driver for SQL Server"]
    assert "apt-get install odbc-postgresql" in said["an ODBC driver for PostgreSQL"]
    assert "apt-get install odbc-mariadb" in said["an ODBC driver for MariaDB or MySQL"]
    (access,) = [advice for name, advice in said.items() if "Access files" in name]
    assert "apt-get install odbc-mdbtools" in access


def test_microsofts_driver_alone_leaves_out_windows_accounts_with_a_password(
    station: Callable[..., dict[str, str]],
) -> None:
    said = station(["ODBC Driver 18 for SQL Server"])
    assert not said["an ODBC driver for SQL Server: ODBC Driver 18 for SQL Server"]
    (freetds,) = [advice for name, advice in said.items() if name.startswith("FreeTDS")]
    assert "apt-get install tdsodbc" in freetds and "`ticket: true`" in freetds


def test_a_registered_driver_that_cannot_be_loaded_does_not_count(
    station: Callable[..., dict[str, str]],
) -> None:
    said = station(ALL, broken="PostgreSQL Unicode")
    assert "apt-get install odbc-postgresql" in said["an ODBC driver for PostgreSQL"]
    assert "`ldd`" in said["the ODBC driver PostgreSQL Unicode in working order"]


@pytest.mark.parametrize(
    ("error", "remedy"),
    [
        ("No module named pyodbc", "pip install pyodbc"),
        ("libodbc.so.2: cannot open shared object file", "apt-get install unixodbc"),
    ],
)
@pytest.mark.usefixtures("paper")
def test_without_odbc_the_remedy_is_told_and_the_exit_is_as_for_all_that_is_optional(
    error: str, remedy: str, clinic: Clinic, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "pyodbc.py").write_text(f"raise ImportError({error!r})", encoding="utf-8")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    ended = checkup("doctor")
    lines = ended.out.splitlines()
    (at,) = [number for number, line in enumerate(lines) if "pyodbc and an ODBC driver manager" in line]
    assert lines[at].startswith("absent") and remedy in lines[at + 1]
    assert ended.status == (3 if "MISSING" in ended.out else 0)
