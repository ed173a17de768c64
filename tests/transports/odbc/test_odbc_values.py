"""Values as they come out of each driver, the awkward ones above all."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest

from checkup.transports.odbc.session import SqlError, SqlSession
from tests.servers.mariadb import MariaDb
from tests.servers.postgresql import PostgreSql
from tests.servers.tds import Column, Rows, TdsServer, collations
from tests.servers.tds import data_types as types
from tests.transports.odbc.conftest import SQL_SERVER_DRIVERS, Open, place_of, scripted

NAME = "O'Brien [x]] <script>alert(1)</script> 😀 İı"
EAST = dt.timezone(-dt.timedelta(hours=5, minutes=30))


def value(session: SqlSession, text: str) -> Any:
    (answer,) = session.run(f"SELECT {text} AS value", timeout_s=10, most_rows=1)
    return answer.rows[0][0]


def refused(session: SqlSession, text: str) -> str:
    with pytest.raises(SqlError) as caught:
        value(session, text)
    assert caught.value.sqlstate == "07006"
    assert value(session, "7") == 7  # the session is as it was
    return caught.value.text


def test_values_of_postgresql(postgresql_server: PostgreSql, open_session: Open) -> None:
    session = open_session(place_of(postgresql_server))
    expected = {
        "NULL": None,
        "true": True,
        "false": False,
        "12345678901234": 12345678901234,
        "18446744073709551615::numeric": 18446744073709551615,
        "1.5::numeric": 1.5,
        "0.25::float8": 0.25,
        "'2026-03-02 09:00:00.123'::timestamp": "2026-03-02T09:00:00.123000",
        "'2026-03-02'::date": "2026-03-02",
        "'09:30'::time": "09:30:00",
        "interval '30 hours'": "30:00:00",
        "ARRAY[1, 2]": "{1,2}",
        "'x'::name": "x",
        f"$${NAME}$$": NAME,
    }
    assert {text: value(session, text) for text in expected} == expected
    assert "answers bytes" in refused(session, "'\\x00'::bytea")
    assert "NaN" in refused(session, "'NaN'::numeric")
    assert "inf" in refused(session, "'infinity'::float8")


def test_values_of_mariadb(mariadb_server: MariaDb, open_session: Open) -> None:
    session = open_session(place_of(mariadb_server))
    session.run("SET SESSION sql_mode = ''", timeout_s=10, most_rows=1)
    expected = {
        "NULL": None,
        "TRUE": 1,
        "18446744073709551615": 18446744073709551615,
        "1.5": 1.5,
        "CAST('2026-03-02 09:00:00.123' AS DATETIME(3))": "2026-03-02T09:00:00.123",
        "DATE '2026-03-02'": "2026-03-02",
        "CAST('0000-00-00' AS DATE)": None,
        "CAST('0000-00-00 00:00:00' AS DATETIME)": None,
        "CAST('2026-00-00' AS DATE)": None,
        "TIME '09:30:00'": "09:30:00",
        "TIME '30:00:00'": "30:00:00",
        "TIME '-05:00:00.25'": "-05:00:00.25",
        "'O''Brien [x]] <script> 😀 İı'": "O'Brien [x]] <script> 😀 İı",
    }
    assert {text: value(session, text) for text in expected} == expected
    assert "answers bytes" in refused(session, "x'00'")


VALUES: dict[str, tuple[types.DataType, object, object]] = {
    "bit": (types.BIT, True, True),
    "bigint": (types.BIGINT, 2**62, 2**62),
    "whole decimal": (types.decimal(20, 0), Decimal(12345678901234567890), 12345678901234567890),
    "decimal": (types.decimal(10, 2), Decimal("1.25"), 1.25),
    "money": (types.MONEY, Decimal("1.5"), 1.5),
    "real": (types.REAL, 0.5, 0.5),
    "date": (types.DATE, dt.date(1, 1, 1), "0001-01-01"),
    "time": (types.time(), dt.time(1, 2, 3, 4), "01:02:03.000004"),
    "datetime": (types.DATETIME, dt.datetime(2026, 3, 2, 9, 0), "2026-03-02T09:00:00"),
    "datetime2": (types.datetime2(), dt.datetime(9999, 12, 31, 23, 59, 59), "9999-12-31T23:59:59"),
    "datetimeoffset": (
        types.datetimeoffset(),
        dt.datetime(2026, 3, 2, 9, 0, 0, 123456, tzinfo=EAST),
        "2026-03-02T09:00:00.123456-05:30",
    ),
    "uuid": (
        types.UNIQUEIDENTIFIER,
        UUID("0f0e0d0c-0b0a-0908-0706-050403020100"),
        "0F0E0D0C-0B0A-0908-0706-050403020100",
    ),
    "name": (types.SYSNAME, NAME, NAME),
    "long": (types.nvarchar(None), "ü" * 20_000, "ü" * 20_000),
    "turkish": (types.varchar(50, collations.TURKISH), "İstanbul ığüşöç", "İstanbul ığüşöç"),
}


@pytest.mark.parametrize("driver", SQL_SERVER_DRIVERS)
def test_values_of_a_sql_server(open_session: Open, driver: str) -> None:
    answers = {
        f"SELECT {name} AS value": Rows([Column("value", kind)], [(given,), (None,)])
        for name, (kind, given, _) in VALUES.items()
    }
    with TdsServer(scripted(answers=answers)) as server:
        session = open_session(place_of(server, driver=driver))
        for name, (_, _, wanted) in VALUES.items():
            (answer,) = session.run(f"SELECT {name} AS value", timeout_s=10, most_rows=5)
            assert answer.rows == [[wanted], [None]], name
        session.close()


@pytest.mark.parametrize("driver", SQL_SERVER_DRIVERS)
@pytest.mark.parametrize(
    ("kind", "given", "words"),
    [(types.SQL_VARIANT, 7, "must CAST it"), (types.varbinary(10), b"ab", "answers bytes")],
    ids=["sql_variant", "varbinary"],
)
def test_what_has_no_meaning_is_refused(
    open_session: Open, driver: str, kind: types.DataType, given: object, words: str
) -> None:
    answers = {
        "SELECT x AS value": Rows([Column("value", kind)], [(given,)]),
        "SELECT 7 AS value": Rows([Column("value", types.INT)], [(7,)]),
    }
    with TdsServer(scripted(answers=answers)) as server:
        session = open_session(place_of(server, driver=driver))
        assert words in refused(session, "x")
        session.close()
