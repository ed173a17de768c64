"""The TDS server of the tests, as unmodified ODBC drivers meet it."""

from __future__ import annotations

import datetime as dt
import fcntl
import secrets
import socket
import struct
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from decimal import Decimal
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from tests.servers.tds import (
    PRODUCTS,
    SQL_2008_R2,
    SQL_2019,
    SQL_2022,
    Account,
    Affected,
    Answer,
    Browser,
    Column,
    Database,
    Error,
    HangUp,
    Needs,
    Pause,
    Product,
    Rows,
    Scripted,
    Statement,
    TdsServer,
    Variant,
    collations,
    errors,
    express,
    server_context,
)
from tests.servers.tds import data_types as types
from tests.servers.tds.batches import Piece, pieces, separated
from tests.servers.tds.drivers import FREETDS, Driver, freetds, microsoft
from tests.servers.tds.prelogin import Encryption, agree
from tests.servers.tds.tokens import row
from tests.servers.tds.wire import Wire
from tests.servers.winrm import Certificate, make_certificate

pyodbc: Any = pytest.importorskip("pyodbc", reason="pyodbc or unixODBC is missing", exc_type=ImportError)

USER, PASSWORD = "checkup_ro", "Pa;ss{w}ö=rd"
INT = Column("value", types.INT)
ONE = Rows([INT], [(1,)])
NEVER_S = 20  # a pause that no test waits for

FREE = freetds(pyodbc.drivers())
MICROSOFT = microsoft(pyodbc.drivers())
needs_freetds = pytest.mark.skipif(FREE is None, reason="FreeTDS (package tdsodbc) is missing")
needs_microsoft = pytest.mark.skipif(
    MICROSOFT is None, reason="no ODBC Driver 17 or 18 for SQL Server, and no wheel mssql-python-odbc"
)


@pytest.fixture(
    params=[
        pytest.param(FREE, id="freetds", marks=needs_freetds),
        pytest.param(MICROSOFT, id="microsoft", marks=needs_microsoft),
    ]
)
def driver(request: pytest.FixtureRequest) -> Driver:
    return request.param


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Certificate:
    return make_certificate(tmp_path_factory.mktemp("tls"))


def scripted(
    answers: Mapping[str, Answer] | None = None,
    *,
    product: Product = SQL_2019,
    account: Account | None = None,
    databases: Mapping[str, Database] | None = None,
) -> Scripted:
    return Scripted(
        product=product,
        accounts={USER: account or Account(PASSWORD)},
        databases=databases or {},
        answers=answers or {},
    )


def connect(
    driver: Driver, server: TdsServer, timeout_s: int = 5, autocommit: bool = True, **more: Any
) -> Any:
    text = driver.connection_string(server, more.pop("user", USER), more.pop("password", PASSWORD), **more)
    return pyodbc.connect(text, autocommit=autocommit, timeout=timeout_s)


@contextmanager
def connected(driver: Driver, script: Scripted, **more: Any) -> Iterator[tuple[TdsServer, Any]]:
    with TdsServer(script) as server:
        connection = connect(driver, server, **more)
        try:
            yield server, connection
        finally:
            connection.close()


def result_sets(connection: Any, text: str) -> list[list[tuple[object, ...]]]:
    """All of a batch; raises the first error among them."""
    cursor = connection.execute(text)
    found = []
    while True:
        if cursor.description:
            found.append([tuple(row) for row in cursor.fetchall()])
        if not cursor.nextset():
            return found


def values(connection: Any, text: str) -> list[object]:
    return [row[0] for row in connection.execute(text).fetchall()]


# ---- types


class TestTypes:
    SAMPLES: Sequence[tuple[types.DataType, object]] = (
        (types.BIT, True),
        (types.TINYINT, 255),
        (types.SMALLINT, -32_768),
        (types.INT, -(2**31)),
        (types.BIGINT, 2**63 - 1),
        (types.decimal(5, 2), Decimal("-999.99")),
        (types.decimal(38, 4), Decimal("-1234567890123456789012345678901234.5678")),
        (types.numeric(19, 0), Decimal("9999999999999999999")),
        (types.MONEY, Decimal("-922337203685477.5808")),
        (types.SMALLMONEY, Decimal("214748.3647")),
        (types.REAL, -0.15625),
        (types.FLOAT, 1.7e308),
        (types.DATE, dt.date(1, 1, 1)),
        (types.time(0), dt.time(9, 8, 7)),
        (types.time(3), dt.time(9, 8, 7, 654_000)),
        (types.time(), dt.time(23, 59, 59, 999_999)),
        (types.DATETIME, dt.datetime(1753, 1, 1)),
        (types.DATETIME, dt.datetime(2026, 3, 2, 23, 59, 59, 997_000)),
        (types.SMALLDATETIME, dt.datetime(1900, 1, 1)),
        (types.SMALLDATETIME, dt.datetime(2079, 6, 6, 23, 59)),
        (types.datetime2(), dt.datetime(9999, 12, 31, 23, 59, 59, 999_999)),
        (types.datetime2(0), dt.datetime(2026, 3, 2, 9, 0, 1)),
        (types.datetime2(4), dt.datetime(2026, 3, 2, 9, 0, 1, 123_400)),
        (types.char(4), "abc "),
        (types.varchar(20), "naïve €"),
        (types.varchar(20, collations.TURKISH), "ığüşöçİĞ"),
        (types.varchar(20, collations.CYRILLIC), "клиника"),
        (types.varchar(40, collations.UTF_8), "żółć 🏥 中"),
        (types.varchar(None), "x" * 20_001),
        (types.nchar(3), "ż  "),
        (types.nvarchar(40), '[Ward\'3] "<b>🏥</b>"'),
        (types.nvarchar(40, collations.BINARY_2), ""),
        (types.nvarchar(None), "ż" * 9_001),
        (types.binary(4), b"\0\1\2\3"),
        (types.varbinary(8), b"\xff\0"),
        (types.varbinary(None), bytes(range(256)) * 40),
        (types.XML, "<site name='Cedar Ridge'>ż</site>"),
    )

    def test_each_comes_back_as_it_was_and_as_null(self, driver: Driver) -> None:
        answers: dict[str, Answer] = {}
        for number, (kind, value) in enumerate(self.SAMPLES):
            answers[f"select {number}"] = [
                Rows([Column("v", kind)], [(value,), (None,), (value,)]),
                Rows([Column("v", kind, nullable=False)], [(value,)]),
            ]
        with connected(driver, scripted(answers)) as (_, connection):
            for number, (kind, value) in enumerate(self.SAMPLES):
                nullable, fixed = result_sets(connection, f"SELECT {number}")
                assert (kind.name, nullable) == (kind.name, [(value,), (None,), (value,)])
                assert (kind.name, fixed) == (kind.name, [(value,)])

    def test_a_guid(self, driver: Driver) -> None:
        guid = UUID("0f8fad5b-d9cb-469f-a165-70867728950e")
        answers = {"select id": Rows([Column("id", types.UNIQUEIDENTIFIER)], [(guid,), (None,)])}
        with connected(driver, scripted(answers)) as (_, connection):
            assert values(connection, "SELECT id") == [str(guid).upper(), None]

    def test_a_datetimeoffset_needs_a_cast_or_a_converter(self, driver: Driver) -> None:
        moment = dt.datetime(2026, 3, 2, 9, 30, 1, 500_000, tzinfo=dt.timezone(dt.timedelta(hours=-3.5)))
        answers = {"select moment": Rows([Column("moment", types.datetimeoffset())], [(moment,), (None,)])}
        with connected(driver, scripted(answers)) as (_, connection):
            with pytest.raises(pyodbc.ProgrammingError, match="-155"):
                values(connection, "SELECT moment")
            sql_ss_timestampoffset = -155
            connection.add_output_converter(
                sql_ss_timestampoffset, lambda data: data and struct.unpack("<6hI2h", data)
            )
            assert values(connection, "SELECT moment") == [
                (2026, 3, 2, 9, 30, 1, 500_000_000, -3, -30),
                None,
            ]

    def test_a_sql_variant_is_best_cast(self, driver: Driver) -> None:
        cast = "SELECT CONVERT(int, SERVERPROPERTY('EngineEdition')) AS edition"
        with connected(driver, scripted()) as (_, connection):
            assert values(connection, cast) == [2]
            with pytest.raises(pyodbc.Error):  # FreeTDS knows no variant, pyodbc not the number in it
                values(connection, "SELECT SERVERPROPERTY('EngineEdition')")

    def test_a_sql_variant_on_the_wire(self) -> None:
        """Base type, properties and value as [MS-TDS] 2.2.5.5.4 has them."""
        column = [Column("v", types.SQL_VARIANT)]
        assert row(column, [7]).hex() == "d1" + "06000000" + "3800" + "07000000"
        assert row(column, [Variant(types.decimal(5, 1), Decimal("1.5"))]).hex() == (
            "d1" + "09000000" + "6a020501" + "01" + "0f000000"
        )
        assert row(column, ["ab"]).hex() == "d1" + "0d000000" + "e7070904d000340001" + "61006200"
        assert types.SQL_VARIANT.encode(None).hex() == "00000000"

    def test_a_row_of_nulls_is_sent_in_bits_where_that_is_shorter(self) -> None:
        columns = [INT] * 9
        assert row(columns, [5, *[None] * 8]).hex() == "d2" + "fe01" + "0405000000"
        assert row(columns, [5] * 8 + [None])[0] == 0xD1

    def test_rows_with_many_nulls(self, driver: Driver) -> None:
        columns = [Column(f"c{number}", types.nvarchar(20)) for number in range(20)]
        rows = [tuple(None if (line + at) % 3 else "ab" for at in range(20)) for line in range(30)]
        with connected(driver, scripted({"select wide": Rows(columns, rows)})) as (_, connection):
            assert result_sets(connection, "SELECT wide") == [rows]

    @pytest.mark.parametrize(
        ("kind", "value"),
        [
            (types.TINYINT, 256),
            (types.decimal(4, 1), Decimal("1.25")),
            (types.nvarchar(2), "abc"),
            (types.binary(1), b"ab"),
            (types.datetimeoffset(), dt.datetime(2026, 3, 2)),
        ],
    )
    def test_a_value_that_does_not_fit_is_the_tests_mistake(
        self, kind: types.DataType, value: object
    ) -> None:
        with pytest.raises(ValueError):  # noqa: PT011 the words differ
            kind.encode(value)


# ---- products, logins


@pytest.mark.parametrize("product", PRODUCTS, ids=str)
def test_each_version_tells_who_it_is(driver: Driver, product: Product) -> None:
    text = (
        "SELECT @@VERSION AS version, CONVERT(nvarchar(128), SERVERPROPERTY(N'ProductVersion')) AS number,"
        " CAST(SERVERPROPERTY('ProductMajorVersion') AS nvarchar(128)) major, DB_NAME(), @@SPID"
    )
    with connected(driver, scripted(product=product)) as (server, connection):
        ((version, number, major, database, spid),) = connection.execute(text).fetchall()
        assert version.startswith(f"Microsoft SQL Server {product.release} ") and product.version in version
        assert (number, database, spid) == (product.version, "master", 51)
        assert major == (None if product is SQL_2008_R2 else product.version.split(".")[0])
        assert connection.getinfo(pyodbc.SQL_DBMS_VER).startswith(f"{product.numbers[0]:02}.")
        assert not server.violations


def test_an_express_of_a_workstation(driver: Driver) -> None:
    text = "SELECT @@SERVERNAME, CONVERT(int, SERVERPROPERTY('EngineEdition')) AS edition"
    with connected(driver, scripted(product=express(SQL_2008_R2))) as (_, connection):
        assert result_sets(connection, text) == [[("WS-3\\SQLEXPRESS", 4)]]


def test_a_login_is_recorded(driver: Driver) -> None:
    account = Account(PASSWORD, databases=frozenset({"clinic"}))
    script = scripted(account=account, databases={"clinic": Database()})
    more: dict[str, Any] = {"DATABASE": "clinic", "ApplicationIntent": "ReadOnly"}
    with connected(driver, script, **more) as (server, connection):
        (attempt,) = server.logins
        login = attempt.login
        assert (login.user, login.password, login.database) == (USER, PASSWORD, "clinic")
        assert (login.application, login.read_only, login.integrated) == ("checkup-tests", True, False)
        assert (attempt.refused, attempt.encrypted) == (None, False)
        assert values(connection, "SELECT DB_NAME() AS name") == ["clinic"]


@pytest.mark.parametrize(
    ("account", "password", "number", "state", "sqlstate"),
    [
        (Account(PASSWORD), "wrong", 18456, 8, "28000"),
        (Account(PASSWORD, refused="disabled"), PASSWORD, 18470, 7, "42000"),
        (Account(PASSWORD, refused="locked"), PASSWORD, 18486, 1, "42000"),
        (Account(PASSWORD, refused="expired"), PASSWORD, 18487, 1, "28000"),
        (Account(PASSWORD, refused="must change"), PASSWORD, 18488, 18, "28000"),
    ],
    ids=["wrong", "disabled", "locked", "expired", "must change"],
)
def test_a_refused_login(
    driver: Driver, account: Account, password: str, number: int, state: int, sqlstate: str
) -> None:
    with TdsServer(scripted(account=account)) as server:
        with pytest.raises(pyodbc.Error, match=rf"\({number}\)") as raised:
            connect(driver, server, password=password)
        assert [(attempt.refused, attempt.state) for attempt in server.logins] == [(number, state)]
    assert raised.value.args[0] == ("42000" if driver.name == FREETDS else sqlstate)


@pytest.mark.parametrize("database", ["clinic", "gone"], ids=["not a user of it", "no such database"])
def test_a_login_to_a_database_that_cannot_be_opened(driver: Driver, database: str) -> None:
    """The server says 4060, then 18456; Microsoft's driver tells the first of them, FreeTDS the last."""
    script = scripted(account=Account(PASSWORD, default=database), databases={"clinic": Database()})
    with TdsServer(script) as server:
        told = 18456 if driver.name == FREETDS else 4060
        with pytest.raises(pyodbc.Error, match=rf"\({told}\)"):
            connect(driver, server)
        assert [(attempt.refused, attempt.state) for attempt in server.logins] == [(18456, 38)]


def test_databases_that_cannot_be_used(driver: Driver) -> None:
    states = {
        "offline": 942,
        "restoring": 927,
        "recovering": 922,
        "recovery pending": 945,
        "suspect": 926,
        "single user": 924,
    }
    databases = {state: Database(state) for state in states} | {"closed": Database()}  # type: ignore[arg-type]
    account = Account(PASSWORD, databases=frozenset(states))
    with connected(driver, scripted(account=account, databases=databases)) as (_, connection):
        for name, number in {**states, "closed": 916, "gone": 911}.items():
            with pytest.raises(pyodbc.Error, match=rf"\({number}\)"):
                connection.execute(f"USE [{name}]")
        assert values(connection, "SELECT HAS_DBACCESS('closed') AS a") == [0]
        assert values(connection, "SELECT HAS_DBACCESS('offline') AS a") == [0]


# ---- statements


def test_a_statement_is_found_by_its_mark_its_text_or_a_function(driver: Driver) -> None:
    def answer(statement: Statement) -> Answer | None:
        return Rows([INT], [(3,)]) if "three" in statement.key else None

    script = Scripted(
        accounts={USER: Account(PASSWORD)},
        answers={"sqlserver.uptime": ONE, "select  Two\nfrom sys.x;": Rows([INT], [(2,)])},
        answer=answer,
    )
    with connected(driver, script) as (server, connection):
        assert values(connection, "/* checkup:sqlserver.uptime */ SELECT anything") == [1]
        assert values(connection, "SELECT two FROM sys.x") == [2]
        assert values(connection, "SELECT three") == [3]
        sent = [statement for statement in server.statements if "datatype" not in statement.text]
        assert [(statement.check_id, statement.text) for statement in sent] == [
            ("sqlserver.uptime", "SELECT anything"),
            (None, "SELECT two FROM sys.x"),
            (None, "SELECT three"),
        ]
        assert server.texts[-3:] == [
            "/* checkup:sqlserver.uptime */ SELECT anything",
            "SELECT two FROM sys.x",
            "SELECT three",
        ]


def test_a_statement_that_nobody_wrote_is_loud(driver: Driver) -> None:
    def run() -> None:
        with connected(driver, scripted()) as (_, connection):
            with pytest.raises(pyodbc.Error, match="not scripted: SELECT nothing"):
                connection.execute("SELECT nothing")
            assert values(connection, "SELECT @@SPID AS spid") == [51]

    with pytest.raises(AssertionError, match="SELECT nothing"):
        run()


def test_an_exception_in_a_script_is_raised_at_the_end(driver: Driver) -> None:
    def fails(_: Statement) -> Answer:
        raise LookupError("no such sample")

    def run() -> None:
        with connected(driver, scripted({"select 1": fails})) as (_, connection), suppress(pyodbc.Error):
            connection.execute("SELECT 1")

    with pytest.raises(LookupError, match="no such sample"):
        run()


def test_the_session_preamble_and_what_it_sets(driver: Driver) -> None:
    preamble = (
        "SET NOCOUNT ON; SET LOCK_TIMEOUT 5000; SET DEADLOCK_PRIORITY LOW;\n"
        "SET TRANSACTION ISOLATION LEVEL READ UNCOMMITTED SET ANSI_NULLS, QUOTED_IDENTIFIER ON"
    )
    with connected(driver, scripted({"a": ONE})) as (server, connection):
        assert result_sets(connection, f"{preamble}; /* checkup:a */ SELECT 1") == [[(1,)]]
        assert values(connection, "SELECT @@LOCK_TIMEOUT AS t") == [5000]
        assert server.statements[-1].session.settings == {
            "NOCOUNT": "ON",
            "LOCK_TIMEOUT": "5000",
            "DEADLOCK_PRIORITY": "LOW",
            "TRANSACTION ISOLATION LEVEL": "READ UNCOMMITTED",
            "ANSI_NULLS": "ON",
            "QUOTED_IDENTIFIER": "ON",
        }
        with pytest.raises(pyodbc.Error, match=r"\(195\)"):
            connection.execute("SET PERSISTENCE ON")


def test_parameters_reach_the_script(driver: Driver) -> None:
    sent: list[tuple[object, ...]] = []

    def answer(statement: Statement) -> Answer:
        sent.append(statement.parameters)
        return ONE

    given = ("O'Hara 🏥", -5, 2**40, Decimal("1.50"), b"\0\xff", dt.date(2026, 3, 2), True, 1.5)
    with connected(driver, scripted({"select @p1": answer})) as (server, connection):
        cursor = connection.cursor()
        for value in given:
            assert cursor.execute("SELECT ?", value).fetchval() == 1
        assert cursor.execute("SELECT ?", dt.datetime(2026, 3, 2, 9, 8, 7, 654_321)).fetchval() == 1
        assert not server.violations
    assert [value for (value,) in sent[:-1]] == list(given)
    assert sent[-1][0] == dt.datetime(2026, 3, 2, 9, 8, 7, 654_321)
    assert {statement.way for statement in server.statements if statement.parameters} == {"execute"}


def test_a_prepared_statement_is_used_again(driver: Driver) -> None:
    with connected(driver, scripted({"select @p1": ONE})) as (server, connection):
        cursor = connection.cursor()
        for value in (1, 2, 3):
            assert cursor.execute("SELECT ?", value).fetchval() == 1
        calls = [request.text.split()[1] for request in server.requests if "@P1" in request.text]
        assert calls[0] == "sp_prepexec"
        assert [statement.parameters for statement in server.statements if statement.parameters] == [
            (1,),
            (2,),
            (3,),
        ]


def test_transactions_of_a_client_without_autocommit(driver: Driver) -> None:
    with connected(driver, scripted({"select 1": ONE}), autocommit=False) as (server, connection):
        assert values(connection, "SELECT 1") == [1]
        connection.commit()
        assert values(connection, "SELECT 1") == [1]
        connection.rollback()
        assert not server.violations


def test_affected_rows_and_messages(driver: Driver) -> None:
    answers = {"update": Affected(7), "select talk": [Error(0, "10 percent processed.", 0), ONE]}
    with connected(driver, scripted(answers)) as (_, connection):
        assert connection.execute("/* checkup:update */ UPDATE STATISTICS x").rowcount == 7
        cursor = connection.execute("SELECT talk")
        assert "10 percent processed." in str(cursor.messages)
        assert cursor.fetchval() == 1


def test_names_as_clients_have_them(driver: Driver) -> None:
    names = ["O'Brien's [old]", "Klinik İstanbul", "🏥 <script>alert(1)</script>", 'a"b;--', "x" * 128]
    rows = Rows([Column("na]me '1'", types.SYSNAME), Column("", types.INT)], [(name, 1) for name in names])
    account = Account(PASSWORD, databases=frozenset(names))
    script = scripted({"names": rows}, account=account, databases={name: Database() for name in names})
    with connected(driver, script) as (_, connection):
        cursor = connection.execute("/* checkup:names */ SELECT name FROM sys.databases")
        assert [column[0] for column in cursor.description] == ["na]me '1'", ""]
        assert [name for name, _ in cursor.fetchall()] == names
        for name in names:
            connection.execute(f"USE [{name.replace(']', ']]')}]")
            assert values(connection, "SELECT DB_NAME() AS name") == [name]


@pytest.mark.parametrize("collation", [collations.TURKISH, collations.UTF_8, collations.LATIN_100])
def test_a_server_of_another_collation(driver: Driver, collation: collations.Collation) -> None:
    product = Product(**{**SQL_2022.__dict__, "collation": collation})
    column = Column("name", types.varchar(30, collation))
    with connected(driver, scripted({"select name": Rows([column], [("Ä",)])}, product=product)) as (
        _,
        connection,
    ):
        assert values(connection, "SELECT name") == ["Ä"]
        text = "SELECT CONVERT(nvarchar(128), SERVERPROPERTY('Collation')) AS name"
        assert values(connection, text) == [collation.name]


# ---- errors and batches


@pytest.mark.parametrize(
    ("error", "sqlstate", "of_freetds"),
    [
        (errors.denied_on_object("SELECT", "backupset", "msdb"), "42000", "42000"),
        (errors.no_access_to_database(USER, "clinic"), "08004", "42000"),
        (errors.database_inaccessible("clinic"), "42000", "42000"),
        (errors.invalid_object("sys.dm_db_log_info"), "42S02", "42S02"),
        (errors.invalid_column("pages_kb"), "42S22", "42S22"),
        (errors.no_such_procedure("sp_x"), "42000", "42000"),
        (errors.deadlock_victim(), "40001", "42000"),
        (errors.lock_time_out(), "42000", "42000"),
    ],
    ids=lambda value: str(value.number) if isinstance(value, Error) else None,
)
def test_errors_and_their_sqlstates(driver: Driver, error: Error, sqlstate: str, of_freetds: str) -> None:
    with connected(driver, scripted({"select 1": error})) as (_, connection):
        with pytest.raises(pyodbc.Error) as raised:
            connection.execute("SELECT 1")
        assert raised.value.args[0] == (of_freetds if driver.name == FREETDS else sqlstate)
        assert error.text in raised.value.args[1] and f"({error.number})" in raised.value.args[1]
        assert values(connection, "SELECT @@SPID AS spid") == [51]


def first_told(driver: Driver, *numbers: int) -> int:
    """Of several errors of one statement Microsoft's driver tells the first, FreeTDS the last."""
    return numbers[-1] if driver.name == FREETDS else numbers[0]


def test_a_pair_of_errors(driver: Driver) -> None:
    answers = {"select 1": errors.denied_on_server("VIEW SERVER STATE")}
    with connected(driver, scripted(answers)) as (_, connection):
        with pytest.raises(pyodbc.Error, match=rf"\({first_told(driver, 300, 297)}\)"):
            connection.execute("SELECT 1")
        assert values(connection, "SELECT @@SPID AS spid") == [51]


def test_rights_taken_away(driver: Driver) -> None:
    answers = {
        "state": Needs(["VIEW SERVER STATE"], ONE),
        "backups": Needs(["msdb.dbo.backupset: SELECT"], ONE),
        "space": Needs(["clinic: VIEW DATABASE STATE"], ONE),
    }
    rights = frozenset({"VIEW SERVER STATE", "msdb.dbo.backupset: SELECT", "clinic: VIEW DATABASE STATE"})
    asked = (
        "SELECT HAS_PERMS_BY_NAME(NULL, NULL, 'VIEW SERVER STATE') AS a,"
        " HAS_PERMS_BY_NAME('msdb.dbo.backupset', 'OBJECT', 'SELECT') AS b,"
        " HAS_PERMS_BY_NAME(NULL, NULL, 'VIEW SERVER PERFORMANCE STATE') AS c,"
        " IS_SRVROLEMEMBER('sysadmin') AS d"
    )
    with connected(driver, scripted(answers, account=Account(PASSWORD, rights))) as (_, connection):
        for check in answers:
            assert values(connection, f"/* checkup:{check} */ SELECT 1") == [1]
        assert result_sets(connection, asked) == [[(1, 1, None, 0)]]
    with connected(driver, scripted(answers, product=SQL_2022)) as (_, connection):
        for check, numbers in zip(answers, ((300, 297), (229,), (262, 297)), strict=True):
            with pytest.raises(pyodbc.Error, match=rf"\({first_told(driver, *numbers)}\)"):
                connection.execute(f"/* checkup:{check} */ SELECT 1")
        assert result_sets(connection, asked) == [[(0, 0, 0, 0)]]


def marked(*checks: str) -> str:
    return "\n".join(f"/* checkup:{check} */ SELECT '{check}' AS x;" for check in checks)


def tried(check: str, inner: bool = False) -> str:
    """A check whose error comes back as a row."""
    text = marked(check)
    if inner:
        text = "EXEC sys.sp_executesql N'" + text.replace("'", "''") + "'"
    return (
        f"BEGIN TRY\n{text}\nEND TRY BEGIN CATCH\nSELECT ERROR_NUMBER() AS number,"
        " ERROR_SEVERITY() AS severity, ERROR_STATE() AS state,"
        " CONVERT(nvarchar(40), ERROR_MESSAGE()) AS text;\nEND CATCH;\n"
    )


def test_a_batch_gives_its_result_sets_in_order(driver: Driver) -> None:
    answers = {name: Rows([INT], [(number,)] * number) for number, name in enumerate(("none", "one", "two"))}
    with connected(driver, scripted(answers)) as (server, connection):
        before = len(server.requests)
        assert result_sets(connection, marked("two", "none", "one")) == [[(2,), (2,)], [], [(1,)]]
        assert len(server.requests) == before + 1


ANSWERS_THAT_FAIL: Mapping[str, Answer] = {
    "first": ONE,
    "last": Rows([INT], [(9,)]),
    "denied": errors.denied_on_object("SELECT", "backupset", "msdb"),
    "state": errors.denied_on_server("VIEW SERVER STATE"),
    "missing": errors.invalid_object("sys.dm_db_log_info"),
    "victim": [Rows([INT], [(1,)], complete=False), errors.deadlock_victim()],
}


def test_a_batch_can_ask_how_many_rows_there_were(driver: Driver) -> None:
    answers: dict[str, Answer] = {
        name: Rows([INT], [(number,)] * number) for number, name in enumerate(("none", "one", "two"))
    }
    answers |= {"denied": errors.denied_on_server("VIEW SERVER STATE")}
    batch = "SET NOCOUNT ON;" + "".join(
        f"BEGIN TRY EXEC sys.sp_executesql N'/* checkup:{name} */ SELECT 1'; SELECT @@ROWCOUNT AS n END TRY "
        "BEGIN CATCH SELECT ERROR_NUMBER() AS n END CATCH;"
        for name in ("two", "none", "denied", "one")
    )
    with connected(driver, scripted(answers)) as (_, connection):
        assert result_sets(connection, batch) == [[(2,), (2,)], [(2,)], [], [(0,)], [(297,)], [(1,)], [(1,)]]
        assert values(connection, "SELECT @@ROWCOUNT AS n") == [1]
        connection.execute("SET LOCK_TIMEOUT 1")
        assert values(connection, "SELECT @@ROWCOUNT AS n") == [0]


def test_an_error_costs_its_statement_only(driver: Driver) -> None:
    """The server goes on; pyodbc however gives nothing more of a batch once it has raised."""
    with connected(driver, scripted(ANSWERS_THAT_FAIL)) as (server, connection):
        cursor = connection.execute(marked("first", "denied", "last"))
        assert [tuple(row) for row in cursor.fetchall()] == [(1,)]
        with pytest.raises(pyodbc.Error, match=r"\(229\)"):
            cursor.nextset()
        assert not cursor.nextset()
        assert [statement.check_id for statement in server.statements[-3:]] == ["first", "denied", "last"]
        assert values(connection, "SELECT @@SPID AS spid") == [51]


def test_caught_errors_come_back_as_rows(driver: Driver) -> None:
    batch = tried("denied") + tried("state") + tried("missing", inner=True) + tried("first") + marked("last")
    with connected(driver, scripted(ANSWERS_THAT_FAIL)) as (_, connection):
        denied, state, missing, first, last = result_sets(connection, f"SET NOCOUNT ON;\n{batch}")
    assert denied == [(229, 14, 5, "The SELECT permission was denied on the ")]
    assert state == [(297, 16, 1, "The user does not have permission to per")]
    assert missing == [(208, 16, 1, "Invalid object name 'sys.dm_db_log_info'")]
    assert (first, last) == ([(1,)], [(9,)])


def test_an_error_in_mid_result_is_caught_after_the_rows(driver: Driver) -> None:
    with connected(driver, scripted(ANSWERS_THAT_FAIL)) as (_, connection):
        rows, victim, last = result_sets(connection, tried("victim") + marked("last"))
    assert (rows, victim[0][0], last) == ([(1,)], 1205, [(9,)])


def test_an_error_that_is_caught_and_thrown_again(driver: Driver) -> None:
    batch = f"BEGIN TRY {marked('denied')} END TRY BEGIN CATCH THROW; END CATCH;" + marked("last")
    with connected(driver, scripted(ANSWERS_THAT_FAIL)) as (server, connection):
        with pytest.raises(pyodbc.Error, match=r"\(229\)"):
            connection.execute(batch)
        assert server.statements[-1].check_id == "denied"


def test_nothing_to_say(driver: Driver) -> None:
    answers: dict[str, Answer] = {"nothing": [], "talk": Error(0, "hm", 0), "last": ONE}
    with connected(driver, scripted(answers)) as (_, connection):
        assert result_sets(connection, marked("nothing", "talk", "last")) == [[(1,)]]
        assert result_sets(connection, marked("nothing")) == []


def test_a_missing_object_escapes_a_try_of_its_own_scope(driver: Driver) -> None:
    with connected(driver, scripted(ANSWERS_THAT_FAIL)) as (server, connection):
        with pytest.raises(pyodbc.Error, match=r"\(208\)"):
            result_sets(connection, tried("missing") + marked("last"))
        assert server.statements[-1].check_id == "missing"  # the batch ended there


def test_a_deadlock_victim_ends_the_batch(driver: Driver) -> None:
    with connected(driver, scripted(ANSWERS_THAT_FAIL)) as (server, connection):
        with pytest.raises(pyodbc.Error, match=r"\(1205\)"):
            result_sets(connection, marked("victim", "last"))
        assert server.statements[-1].check_id == "victim"


def test_a_fatal_error_ends_the_connection(driver: Driver) -> None:
    fatal = Error(21, "Warning: Fatal error 823 occurred.", 24)
    with connected(driver, scripted({"select 1": fatal})) as (_, connection):
        with pytest.raises(pyodbc.Error, match="Fatal error 823"):
            connection.execute("SELECT 1")
        with pytest.raises(pyodbc.Error):
            connection.execute("SELECT @@SPID")


class TestPieces:
    def test_a_text_without_marks_is_one(self) -> None:
        assert pieces("SELECT 1; SELECT 2") == [Piece("SELECT 1; SELECT 2")]

    def test_what_stands_before_the_first_mark(self) -> None:
        assert pieces("SET NOCOUNT ON;\n" + marked("a", "b")) == [
            Piece("SET NOCOUNT ON;"),
            Piece("SELECT 'a' AS x;", "a"),
            Piece("SELECT 'b' AS x;", "b"),
        ]

    @pytest.mark.parametrize(
        ("opening", "closing"),
        [
            ("EXEC sp_executesql N'", "'"),
            ("EXECUTE sys.sp_executesql @stmt = N'", "';"),
            ("EXEC('", "')"),
            ("exec (N'", "');"),
        ],
    )
    def test_a_string_that_is_executed(self, opening: str, closing: str) -> None:
        inside = f"{opening}/* checkup:a */ SELECT ''x''{closing}\n"
        outside = f"/* checkup:a */ {opening}SELECT ''x''{closing}\n"
        for batch in (inside, outside):
            assert pieces(batch + marked("b")) == [
                Piece("SELECT 'x'", "a", inner=True),
                Piece("SELECT 'b' AS x;", "b"),
            ]

    def test_try_and_catch(self) -> None:
        catch = "SELECT ERROR_NUMBER() AS n"
        inside = f"BEGIN TRY\n/* checkup:a */ SELECT 1\nEND TRY\nBEGIN CATCH {catch}; END CATCH\n"
        outside = f"/* checkup:a */ BEGIN TRY SELECT 1 END TRY BEGIN CATCH {catch} END CATCH;"
        assert pieces(inside + outside) == [Piece("SELECT 1", "a", catch=catch)] * 2
        both = f"BEGIN TRY EXEC('/* checkup:a */ SELECT 1') END TRY BEGIN CATCH {catch} END CATCH"
        assert pieces(both) == [Piece("SELECT 1", "a", inner=True, catch=catch)]

    def test_what_follows_in_a_try(self) -> None:
        batch = (
            "BEGIN TRY EXEC sp_executesql N'/* checkup:a */ SELECT ''x'';';\nSELECT @@ROWCOUNT AS n; END TRY "
            "BEGIN CATCH END CATCH;\n"
        )
        assert pieces(batch) == [
            Piece("SELECT 'x';", "a", inner=True, catch="", then="SELECT @@ROWCOUNT AS n")
        ]

    def test_semicolons_in_strings_names_and_comments_separate_nothing(self) -> None:
        text = "SELECT ';' ; SELECT [a;b] /* ; */ -- ;\n, \"c;\"; ;"
        assert separated(text) == ["SELECT ';'", 'SELECT [a;b] /* ; */ -- ;\n, "c;"']


# ---- time, cancelling, losses


def test_a_hundred_thousand_rows(driver: Driver) -> None:
    columns = [Column("id", types.INT, nullable=False), Column("name", types.nvarchar(60))]
    count = 100_000

    def rows() -> Iterator[tuple[object, ...]]:
        return ((number, None if number % 5 else f"database {number}") for number in range(count))

    with connected(driver, scripted({"select many": Rows(columns, rows)})) as (_, connection):
        cursor = connection.execute("SELECT many")
        fetched, last = 0, ()
        while some := cursor.fetchmany(5_000):
            fetched += len(some)
            last = some[-1]
        assert (fetched, tuple(last)) == (count, (count - 1, None))


def test_rows_that_nobody_reads_are_not_made(driver: Driver) -> None:
    made = 0

    def rows() -> Iterator[tuple[object, ...]]:
        nonlocal made
        for made in range(10_000_000):
            yield (made,)

    with connected(driver, scripted({"select many": Rows([INT], rows)})) as (_, connection):
        cursor = connection.execute("SELECT many")
        assert cursor.fetchval() == 0
        cursor.cancel()
        cursor.close()
        assert values(connection, "SELECT @@SPID AS spid") == [51]
    assert made < 5_000_000


@pytest.mark.slow
def test_a_statement_is_given_up_after_a_second(driver: Driver) -> None:
    with connected(driver, scripted({"select slow": [Pause(NEVER_S), ONE]})) as (_, connection):
        connection.timeout = 1  # pyodbc takes whole seconds
        with pytest.raises(pyodbc.Error) as raised:
            connection.execute("SELECT slow")
        assert raised.value.args[0] == "HYT00"
        connection.timeout = 0
        assert values(connection, "SELECT @@SPID AS spid") == [51]


def test_cancelled_from_another_thread(driver: Driver) -> None:
    with connected(driver, scripted({"select slow": [Pause(NEVER_S), ONE]})) as (server, connection):
        cursor = connection.cursor()

        def cancel() -> None:
            while not server.statements or server.statements[-1].text != "SELECT slow":
                time.sleep(0.01)
            time.sleep(0.05)  # the driver must be waiting for the answer
            cursor.cancel()

        cancelling = threading.Thread(target=cancel)
        cancelling.start()
        started = time.monotonic()
        with pytest.raises(pyodbc.Error) as raised:
            cursor.execute("SELECT slow").fetchall()
        cancelling.join()
        assert time.monotonic() - started < NEVER_S / 2
        assert driver.name != FREETDS or raised.value.args[0] == "HY008"
        assert values(connection, "SELECT @@SPID AS spid") == [51]


def test_a_delay(driver: Driver) -> None:
    with connected(driver, scripted({"select 1": [Pause(0.2), ONE]})) as (_, connection):
        started = time.monotonic()
        assert values(connection, "SELECT 1") == [1]
        connection.execute("WAITFOR DELAY '00:00:00.1'")
        assert time.monotonic() - started >= 0.3


def test_a_deadlock_in_mid_result(driver: Driver) -> None:
    rows = Rows([INT], [(number,) for number in range(3_000)], complete=False)
    with connected(driver, scripted({"select 1": [rows, errors.deadlock_victim()]})) as (_, connection):
        cursor = connection.execute("SELECT 1")
        with pytest.raises(pyodbc.Error, match=r"\(1205\)"):
            cursor.fetchall()


@pytest.mark.parametrize("abruptly", [False, True], ids=["closed", "reset"])
def test_the_connection_is_lost_in_mid_result(driver: Driver, abruptly: bool) -> None:
    rows = Rows([INT], [(number,) for number in range(200)], complete=False)
    with connected(driver, scripted({"select 1": [rows, HangUp(abruptly)]})) as (_, connection):
        with pytest.raises(pyodbc.Error) as raised:
            connection.execute("SELECT 1").fetchall()
        assert raised.value.args[0] in (("01000", "HY000", "08S01") if driver.name == FREETDS else ("08S01",))


def ask(address: tuple[str, int], message: bytes) -> bytes:
    """What a plain client gets within a tenth of a second."""
    with socket.create_connection(address, timeout=5) as client:
        client.sendall(message)
        client.settimeout(0.1)
        return client.recv(4096)


PRELOGIN = bytes.fromhex("120100140000010000000b00060100110001ff")  # options VERSION and ENCRYPTION
PRELOGIN += bytes(6) + b"\x02"
PRELOGIN = PRELOGIN[:2] + struct.pack(">H", len(PRELOGIN)) + PRELOGIN[4:]


def test_mute_after_the_connection(driver: Driver) -> None:
    with TdsServer(scripted(), mute="accepted") as server, pytest.raises(TimeoutError):
        ask((server.address, server.port), PRELOGIN)
    with TdsServer(scripted(), mute="accepted") as server:
        assert hangs(driver, server)
        assert not server.prelogins


def test_mute_after_prelogin(driver: Driver) -> None:
    with TdsServer(scripted(product=SQL_2008_R2), mute="prelogin") as server:
        answered = ask((server.address, server.port), PRELOGIN)
        assert answered[0] == 0x04
        assert bytes.fromhex("0a321770") in answered  # 10.50.6000
        assert hangs(driver, server)
        assert len(server.prelogins) == 2
        assert not server.logins


def hangs(driver: Driver, server: TdsServer) -> bool:
    """Whether a login is still under way after a moment; it ends when the server does."""
    failures: list[str] = []

    def try_it() -> None:
        try:
            connect(driver, server, timeout_s=2).close()
        except pyodbc.Error as error:
            failures.append(str(error))

    trying = threading.Thread(target=try_it)
    trying.start()
    time.sleep(0.3)
    hanging = trying.is_alive()
    server.stop()
    trying.join()
    return hanging and bool(failures)


# ---- encryption


def test_the_table_of_encryption() -> None:
    off, on, none, required = Encryption
    wanted = {
        "not supported": {off: none, on: none, none: none, required: none},
        "off": {off: off, on: on, none: none, required: on},
        "on": {off: required, on: on, none: required, required: on},
    }
    for server, answers in wanted.items():
        assert {client: agree(client, server) for client in Encryption} == answers  # type: ignore[arg-type]


def tls_server(certificate: Certificate, encrypts: Any = "on", **more: Any) -> TdsServer:
    script = scripted({"select 1": Rows([INT], [(number,) for number in range(5_000)])}, **more)
    return TdsServer(script, encrypts=encrypts, tls=server_context(certificate.file, certificate.key_file))


def encrypting(driver: Driver, how: str = "yes") -> dict[str, Any]:
    if driver.name == FREETDS:
        return {"Encryption": {"yes": "require", "no": "off"}[how]}
    return {"Encrypt": how, "TrustServerCertificate": "yes"}


@pytest.mark.parametrize("encrypts", ["off", "on"])
def test_everything_is_encrypted(driver: Driver, certificate: Certificate, encrypts: str) -> None:
    with tls_server(certificate, encrypts) as server:
        connection = connect(driver, server, **encrypting(driver))
        assert len(values(connection, "SELECT 1")) == 5_000
        connection.close()
        (attempt,) = server.logins
        assert (attempt.encrypted, attempt.tls_version) == (True, "TLSv1.2")
        assert server.prelogins[0].encryption is Encryption.ON


@needs_microsoft
def test_only_the_login_is_encrypted(certificate: Certificate) -> None:
    assert MICROSOFT is not None
    with tls_server(certificate, "off") as server:
        connection = connect(MICROSOFT, server)
        assert len(values(connection, "SELECT 1")) == 5_000
        connection.close()
        assert server.logins[0].encrypted
        assert server.prelogins[0].encryption is Encryption.OFF


def test_a_client_that_demands_what_the_server_has_not(driver: Driver) -> None:
    with TdsServer(scripted()) as server:
        with pytest.raises(pyodbc.Error) as raised:
            connect(driver, server, **encrypting(driver))
        assert raised.value.args[0] == "08001"
        assert not server.logins


@needs_freetds
def test_a_client_that_has_not_what_the_server_demands(certificate: Certificate) -> None:
    assert FREE is not None
    with tls_server(certificate) as server:
        with pytest.raises(pyodbc.Error) as raised:
            connect(FREE, server, **encrypting(FREE, "no"))
        assert raised.value.args[0] == "08001"
        assert not server.logins
    assert "demands" in server.violations[0]


@needs_microsoft
class TestCertificates:
    def test_self_signed(self, certificate: Certificate) -> None:
        assert self.refusal(certificate).count("self-signed certificate")

    def test_validated(self, certificate: Certificate, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("SSL_CERT_FILE", str(certificate.file))
        assert self.refusal(certificate, HostNameInCertificate="localhost") == ""
        assert "does not match host name" in self.refusal(certificate, HostNameInCertificate="srv-db")

    def test_expired(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        expired = make_certificate(tmp_path, expired=True)
        monkeypatch.setenv("SSL_CERT_FILE", str(expired.file))
        assert "expired" in self.refusal(expired, HostNameInCertificate="localhost")

    def test_tls_before_everything(self, certificate: Certificate) -> None:
        strict: dict[str, Any] = {"Encrypt": "strict", "ServerCertificate": str(certificate.file)}
        assert self.refusal(certificate, product=SQL_2022, **strict) == ""
        assert self.refusal(certificate, product=SQL_2019, **strict)

    def refusal(self, certificate: Certificate, product: Product = SQL_2019, **more: Any) -> str:
        """What the driver says against the server; nothing where it connects and reads."""
        assert MICROSOFT is not None
        with tls_server(certificate, product=product) as server:
            try:
                connection = connect(MICROSOFT, server, **{"Encrypt": "yes", **more})
            except pyodbc.Error as error:
                return error.args[1]
            assert len(values(connection, "SELECT 1")) == 5_000
            connection.close()
            assert server.logins[0].encrypted
            return ""


@needs_microsoft
def test_a_server_of_tls_1_0_only(certificate: Certificate) -> None:
    """OpenSSL 3 under Microsoft's driver refuses it; GnuTLS under FreeTDS takes it (Debian 12)."""
    assert MICROSOFT is not None
    old = server_context(certificate.file, certificate.key_file, "1.0")
    with TdsServer(scripted(product=SQL_2008_R2), encrypts="off", tls=old) as server:
        for how in ("yes", "no"):  # "no" still encrypts the login
            with pytest.raises(pyodbc.Error, match="SSL Provider") as raised:
                connect(MICROSOFT, server, **encrypting(MICROSOFT, how))
            assert raised.value.args[0] == "08001"
        assert not server.logins
    assert len(server.failed_handshakes) == 2


# ---- SQL Server Browser


@pytest.fixture
def own_address() -> str:
    """One of the sixteen million that all are this machine: the Browser's port is fixed."""
    return "127." + ".".join(str(1 + secrets.randbelow(254)) for _ in range(3))


def test_the_browser_tells_the_port_of_an_instance(driver: Driver, own_address: str) -> None:
    instance = express(SQL_2019)
    server = TdsServer(scripted(product=instance), address=own_address)
    hidden = express(SQL_2008_R2, "OLD")
    with server, Browser(own_address, {instance: server.port, hidden: None}) as browser:
        text = driver.connection_string(server, USER, PASSWORD, SERVER=f"{own_address}\\SQLEXPRESS")
        text = text.replace(f"PORT={server.port};", "")
        connection = pyodbc.connect(text, timeout=5, autocommit=True)
        assert values(connection, "SELECT @@SERVERNAME AS name") == ["WS-3\\SQLEXPRESS"]
        connection.close()
        assert [name.upper() for name in browser.asked] == ["SQLEXPRESS"]
        assert instances(own_address, b"\x04old\0") == (
            "ServerName;WS-3;InstanceName;OLD;IsClustered;No;Version;10.50.6000.34;;"
        )
        assert instances(own_address, b"\x03").count(";;") == 2
        with pytest.raises(TimeoutError):
            instances(own_address, b"\x04other\0")


def instances(address: str, request: bytes) -> str:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
        client.settimeout(0.2)
        client.sendto(request, (address, 1434))
        answer = client.recv(4096)
    kind, length = struct.unpack_from("<BH", answer)
    assert (kind, length) == (5, len(answer) - 3)
    return answer[3:].decode("ascii")


# ---- what no driver sends by itself


def test_windows_authentication_is_refused() -> None:
    with TdsServer(scripted()) as server:
        with socket.create_connection((server.address, server.port), timeout=5) as client:
            client.sendall(PRELOGIN)
            client.recv(4096)
            fixed = bytearray(94)
            struct.pack_into("<III", fixed, 0, 94, 0x74000004, 4096)
            fixed[25] = 0x80  # integrated security
            client.sendall(struct.pack(">BBHHBB", 0x10, 1, 8 + 94, 0, 1, 0) + fixed)
            answer = client.recv(4096)
        assert "untrusted domain".encode("utf-16-le") in answer
        assert [attempt.refused for attempt in server.logins] == [18452]


def test_what_is_not_tds_ends_the_connection() -> None:
    with TdsServer(scripted()) as server:
        assert ask((server.address, server.port), b"GET /x.y") == b""
    assert server.violations == ["a packet of type 0x47"]


def test_a_process_with_a_thousand_files_open_is_served() -> None:
    """select() refuses the descriptors above 1023: an answer in several packets was then never finished."""
    ours, theirs = socket.socketpair()
    with ours, theirs, socket.socket(fileno=fcntl.fcntl(ours, fcntl.F_DUPFD, 1500)) as high:
        assert not Wire(high).readable(0)
        theirs.send(b"x")
        assert Wire(high).readable(0)
