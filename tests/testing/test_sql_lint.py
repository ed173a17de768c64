"""Statements that only read, and every way of doing more that the lint refuses."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from checkup.api import JSON, Keep, Section, Shell, Sql, SqlFacts, SqlVariant
from checkup.sql.batching import Ask, batch, marked
from checkup.sql.engine import EngineName, Instance, Wants
from checkup.sql.engines import ENGINES
from checkup.testing.sql_lint import problems, text_problems, variant_problems
from checkup.testing.sql_names import VERBS
from checkup.testing.sql_words import tokens
from checkup.testing.stamp import section_problems, stamp


@dataclass(frozen=True, slots=True)
class Row:
    name: str
    count: int


FILES = """
SELECT d.name AS name, COUNT(*) AS count
FROM sys.databases AS d
JOIN sys.master_files AS f ON f.database_id = d.database_id
WHERE d.state = 0 AND f.physical_name NOT LIKE N'C:\\%'
GROUP BY d.name
"""


def said(
    engine: EngineName,
    text: str,
    *fields: str,
    reads: tuple[str, ...] = (),
    since: tuple[int, ...] = (),
    before: tuple[int, ...] = (),
    needs: tuple[str, ...] = (),
) -> str:
    """What the lint says of one statement."""
    variant = SqlVariant(text, reads=reads, since=since, before=before, needs=needs)
    return "\n".join(variant_problems(engine, variant, fields))


# --- what passes --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("engine", "text", "fields", "reads"),
    [
        ("sqlserver", FILES, "name count", "sys.databases sys.master_files"),
        (
            "sqlserver",
            "SELECT v.index_type_desc AS name, SUM(v.page_count) AS count FROM sys.tables AS t WITH (NOLOCK) "
            "CROSS APPLY sys.dm_db_index_physical_stats(DB_ID(), t.object_id, NULL, NULL, N'LIMITED') AS v "
            "GROUP BY v.index_type_desc OPTION (MAXDOP 1)",
            "name count",
            "sys.tables sys.dm_db_index_physical_stats",
        ),
        (
            "sqlserver",
            "WITH busy AS (SELECT s.session_id AS id FROM sys.dm_exec_sessions AS s WHERE s.reads > 0)"
            " SELECT TOP (5) N'now' AS name, COUNT(*) AS count FROM busy AS b UNION ALL "
            "SELECT N'ever', COUNT(*) FROM msdb.dbo.backupset AS b ORDER BY name",
            "name count",
            "sys.dm_exec_sessions msdb.dbo.backupset",
        ),
        (
            "sqlserver",
            "SELECT x.r.value('(./Record/@id)[1]', 'int') AS count FROM (SELECT CONVERT(xml, b.record) AS r "
            "FROM sys.dm_os_ring_buffers AS b WHERE b.ring_buffer_type = N'RING_BUFFER_EXCEPTION') AS x",
            "count",
            "sys.dm_os_ring_buffers",
        ),
        (
            "sqlserver",
            "SELECT j.name AS name FROM msdb.dbo.sysjobs AS j JOIN msdb.dbo.sysjobsteps AS s "
            "ON s.job_id = j.job_id WHERE UPPER(s.command) LIKE N'%DBCC CHECKDB; --%'",
            "name",
            "msdb.dbo.sysjobs msdb.dbo.sysjobsteps",
        ),
        (
            "postgresql",
            "SELECT d.datname::text AS name, EXTRACT(EPOCH FROM clock_timestamp() - a.xact_start)::bigint AS "
            "count FROM pg_database AS d JOIN pg_catalog.pg_stat_activity AS a ON a.datid = d.oid "
            "WHERE a.state = 'idle in transaction' AND a.query <> '<insufficient privilege>'",
            "name count",
            "pg_database pg_stat_activity",
        ),
        (
            "postgresql",
            "SELECT SUM(w.size)::bigint AS count FROM pg_ls_waldir() AS w",
            "count",
            "pg_ls_waldir()",
        ),
        (
            "postgresql",
            "SELECT s.setting AS name FROM pg_settings AS s WHERE s.name IN ('fsync', 'wal_level')",
            "name",
            "pg_settings",
        ),
        (
            "mariadb",
            "SELECT MAX(CASE WHEN v.VARIABLE_NAME = 'LOG_BIN' THEN v.VARIABLE_VALUE END) AS name, "
            "COUNT(*) AS count FROM information_schema.GLOBAL_VARIABLES AS v",
            "name count",
            "information_schema.GLOBAL_VARIABLES",
        ),
        (
            "mariadb",
            "SELECT u.User AS name, CASE WHEN u.authentication_string = '' THEN 1 ELSE 0 END AS count "
            "FROM mysql.user AS u",
            "name count",
            "mysql.user",
        ),
    ],
)
def test_a_statement_that_only_reads(engine: EngineName, text: str, fields: str, reads: str) -> None:
    assert said(engine, text, *fields.split(), reads=tuple(reads.split())) == ""


def test_the_logs_of_errors_are_read_by_an_approved_form() -> None:
    text = "EXEC master.sys.xp_readerrorlog 0, 1, N'Severity: ', N'State: ', NULL, NULL, N'desc'"
    columns = ("LogDate", "ProcessInfo", "Text")
    reads = ("master.sys.xp_readerrorlog",)
    assert said("sqlserver", text, *columns, reads=reads) == ""
    assert "the row class others" in said("sqlserver", text, "at", reads=reads)
    assert "`reads` of this form" in said("sqlserver", text, *columns)
    assert "begins with SELECT" in said("sqlserver", text.replace("Severity: ", ""), *columns, reads=reads)
    assert "begins with SELECT" in said("sqlserver", f"{text} DELETE FROM dbo.patients", *columns)


@dataclass(frozen=True)
class Line:
    LogDate: datetime
    ProcessInfo: str | None
    Text: str


UNKEPT = "Text may hold anything: say with `keep` which of its texts are stored"


@pytest.mark.parametrize("kind", ["xp", "sp"])
@pytest.mark.parametrize(
    ("keep", "expected"),
    [
        (None, [UNKEPT]),
        (Keep("ProcessInfo", r"spid\d+"), [UNKEPT]),
        (
            Keep("Text", ".*Severity: .*"),
            [
                "keep lets free text through: 'Severity:  State:  Ada Lovelace, born 1815'",
                "keep lets free text through: 'Ada Lovelace, born 1815 Severity:  State: '",
            ],
        ),
        (Keep("Text", r"Error: \d+, Severity: \d+, State: \d+\.?"), []),
    ],
)
def test_of_an_error_log_only_lines_of_a_form_are_kept(
    kind: str, keep: Keep | None, expected: list[str]
) -> None:
    text = f"EXEC master.sys.{kind}_readerrorlog 0, 1, N'Severity: ', N'State: '"
    variant = SqlVariant(text, (f"master.sys.{kind}_readerrorlog",))
    assert problems("sqlserver", Sql((variant, variant), row=Line, keep=keep)) == expected


# --- what acts ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("engine", "text"),
    [
        ("sqlserver", "DELETE FROM msdb.dbo.suspect_pages"),
        ("sqlserver", "EXEC sys.sp_configure"),
        ("sqlserver", "DBCC FREEPROCCACHE"),
        ("sqlserver", "SELECT d.name AS name FROM sys.databases AS d; DELETE FROM msdb.dbo.suspect_pages"),
        ("sqlserver", "SELECT d.name AS name FROM sys.databases AS d DELETE FROM msdb.dbo.suspect_pages"),
        ("sqlserver", "SELECT d.name AS name FROM sys.databases AS d SHUTDOWN"),
        (
            "sqlserver",
            "SELECT d.name AS name FROM sys.databases AS d SELECT d.name AS name FROM sys.databases",
        ),
        ("sqlserver", "SELECT d.name AS name INTO #t FROM sys.databases AS d"),
        ("sqlserver", "SELECT d.name AS name INTO t FROM sys.databases AS d"),
        ("sqlserver", "SELECT NEXT VALUE FOR dbo.s AS name"),
        ("sqlserver", "SELECT d.name AS name FROM sys.databases AS d WITH (TABLOCKX)"),
        ("sqlserver", "SELECT d.name AS name FROM sys.databases AS d WITH (UPDLOCK, NOLOCK)"),
        ("sqlserver", "SELECT x.name AS name FROM OPENROWSET('SQLNCLI', 'x', 'y') AS x"),
        ("sqlserver", "SELECT x.name AS name FROM OPENQUERY(other, 'DELETE') AS x"),
        ("sqlserver", "SELECT x.a.modify('delete /x') AS name FROM sys.dm_os_ring_buffers AS x"),
        ("sqlserver", "SELECT x.a AS name FROM sys.fn_get_audit_file('x', NULL, NULL) AS x"),
        ("sqlserver", "SELECT t.DatabaseName AS name FROM sys.fn_trace_gettable(N'C:\\x.trc', DEFAULT) AS t"),
        ("sqlserver", "SELECT dbo.f(d.name) AS name FROM sys.databases AS d"),
        ("sqlserver", "SELECT sys.fn_varbintohexstr(0x01) AS name"),
        ("sqlserver", "SELECT PWDCOMPARE(N'', l.password_hash) AS name FROM sys.sql_logins AS l"),
        ("sqlserver", "SELECT OBJECT_DEFINITION(1) AS name"),
        ("sqlserver", "SELECT dbo.value(d.name) AS name FROM sys.databases AS d"),
        ("sqlserver", "SELECT clinic.dbo.value(d.name) AS name FROM sys.databases AS d"),
        ("sqlserver", "SELECT x.a AS name FROM sys.databases AS d CROSS APPLY dbo.nodes(d.name) AS x"),
        ("sqlserver", "SELECT x.a AS name FROM sys.databases AS d CROSS APPLY dbo.nodes(d.name) AS x(a)"),
        ("sqlserver", "SELECT d.a AS name FROM sys.databases AS d(a)"),
        ("sqlserver", "SELECT @a = d.name FROM sys.databases AS d"),
        ("sqlserver", "SELECT d.name AS name FROM sys.databases AS d OPTION (USE PLAN N'x')"),
        ("sqlserver", "SELECT d.name AS name FROM otherserver.master.sys.databases AS d"),
        ("sqlserver", "SELECT d.name AS name FROM sys.databases AS d /* x */"),
        ("sqlserver", "SELECT d.name AS name FROM sys.databases AS d -- x"),
        ("postgresql", "SELECT pg_terminate_backend(a.pid) AS name FROM pg_stat_activity AS a"),
        ("postgresql", "SELECT pg_catalog.pg_terminate_backend(1) AS name"),
        ("postgresql", 'SELECT "pg_terminate_backend"(1) AS name'),
        ("postgresql", "SELECT pg_read_file('/etc/passwd') AS name"),
        ("postgresql", "SELECT x.a AS name FROM pg_read_file('/etc/passwd') AS x(a)"),
        ("postgresql", "SELECT x.a AS name FROM pg_catalog.pg_read_file('/etc/passwd') AS x(a)"),
        (
            "postgresql",
            "SELECT x.a AS name FROM pg_database AS d CROSS JOIN LATERAL public.query(d.oid) AS x",
        ),
        ("postgresql", "SELECT 1 AS pg_sleep, pg_sleep(5) AS name"),
        ("postgresql", "SELECT a.row_to_json AS name FROM pg_stat_activity AS a"),
        ("postgresql", "SELECT to_jsonb(a) AS name FROM pg_stat_activity AS a"),
        ("postgresql", "SELECT MAX(a) AS name FROM pg_stat_activity AS a"),
        ("postgresql", "SELECT x.c6 AS name FROM pg_stat_activity AS x(c1, c2, c3, c4, c5, c6)"),
        ("postgresql", "SELECT lo_export(1, '/x') AS name"),
        ("postgresql", "SELECT query_to_xml('x', true, true, '') AS name"),
        ("postgresql", "SELECT nextval('s') AS name"),
        ("postgresql", "SELECT pg_sleep(5) AS name"),
        ("postgresql", "SELECT pg_advisory_lock(5) AS name"),
        ("postgresql", "SELECT set_config('a', 'b', false) AS name"),
        ("postgresql", "SELECT d.datname AS name FROM pg_database AS d FOR UPDATE"),
        ("postgresql", "WITH x AS (DELETE FROM pg_class RETURNING oid) SELECT x.oid AS name FROM x"),
        ("postgresql", "SELECT $$x$$ AS name"),
        ("postgresql", "SELECT E'\\'' AS name"),
        ("postgresql", "SELECT 'x\\' AS name"),
        ("postgresql", "SELECT 1 OPERATOR(pg_catalog.+) 1 AS name"),
        ("mariadb", "SELECT SLEEP(5) AS name"),
        ("mariadb", "SELECT BENCHMARK(1000000, 1) AS name"),
        ("mariadb", "SELECT LOAD_FILE('/etc/passwd') AS name"),
        ("mariadb", "SELECT GET_LOCK('x', 1) AS name"),
        ("mariadb", "SELECT u.User AS name FROM mysql.user AS u INTO OUTFILE '/x'"),
        ("mariadb", "SELECT u.User AS name FROM mysql.user AS u LOCK IN SHARE MODE"),
        ("mariadb", "SELECT u.User AS name FROM mysql.user AS u FOR UPDATE"),
        ("mariadb", "SELECT u.User AS name FROM mysql.user AS u PROCEDURE ANALYSE()"),
        ("mariadb", "SELECT @a := u.User AS name FROM mysql.user AS u"),
        ("mariadb", "SELECT 1 /*! INTO OUTFILE '/x' */ AS name"),
        ("mariadb", "SELECT '\\' AS name"),
        ("mariadb", "SELECT 1 AS name # x"),
        ("mariadb", "CALL mysql.rds_kill(1)"),
        ("mariadb", "SHOW GRANTS"),
    ],
)
def test_what_does_more_than_reading(engine: EngineName, text: str) -> None:
    reads = ("sys.databases", "pg_database", "mysql.user", "sys.sql_logins", "sys.dm_os_ring_buffers")
    assert [line for line in said(engine, text, "name", reads=reads).splitlines() if "`reads`" not in line]


def test_a_listed_word_does_not_open_the_way_for_a_verb() -> None:
    """The words alone refuse it, before the parser is asked."""
    assert "EXEC is no good name" in said("sqlserver", "SELECT 1 AS exec exec sp_who", "exec")


PLACES = {"sqlserver": FILES, "postgresql": "SELECT d.datname AS name FROM pg_database AS d WHERE d.oid > 4"}


@settings(max_examples=200, deadline=None)
@given(st.sampled_from(sorted(PLACES)), st.data())
def test_no_verb_passes_wherever_it_stands(engine: EngineName, data: st.DataObject) -> None:
    words = PLACES[engine].split()
    verb = data.draw(st.sampled_from(sorted(VERBS)))
    place = data.draw(st.integers(0, len(words)))
    text = " ".join([*words[:place], verb, *words[place:]])
    assert text_problems(engine, text) != []


@settings(max_examples=200, deadline=None)
@given(st.sampled_from(sorted(ENGINES)), st.text(alphabet="aS'\"[]`;-/*#@?{}$\\\n ,.(", max_size=30))
def test_any_text_is_read_or_refused(engine: EngineName, text: str) -> None:
    try:
        read = tokens(engine, text)
    except ValueError:
        return
    assert all(token.kind == "text" or not set(token.text) & set(";#?{}$\\") for token in read)


# --- what it names ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("engine", "text", "expected"),
    [
        ("sqlserver", "SELECT * FROM sys.databases AS d", "name the columns"),
        ("sqlserver", "SELECT d.* FROM sys.databases AS d", "name the columns"),
        ("sqlserver", "SELECT name AS name FROM sys.databases AS d", "has no table before it"),
        ("sqlserver", "SELECT d.name FROM sys.databases AS d", "name the result with AS"),
        ("sqlserver", "SELECT d.name AS title FROM sys.databases AS d", "the fields of the row are name"),
        ("sqlserver", "SELECT d.name AS name,, d.state AS x FROM sys.databases AS d", "nothing after it"),
        (
            "sqlserver",
            "SELECT d.name AS name, d.state AS x FROM sys.databases AS d",
            "2 columns, the row class",
        ),
        ("sqlserver", "SELECT d.name AS name FROM sys.databases AS d UNION ALL SELECT 1, 2", "2 columns"),
        ("sqlserver", "SELECT e.name AS name FROM sys.databases AS d", "nothing here is called e"),
        ("sqlserver", "SELECT x.b AS name FROM (SELECT 1 AS a) AS x", "projects no such column"),
        ("sqlserver", "SELECT d.nmae AS name FROM sys.databases AS d", "no column nmae"),
        ("sqlserver", "SELECT d.name AS name FROM dbo.patients AS d", "not on the list of what may be read"),
        ("sqlserver", "SELECT d.name AS name FROM clinic.dbo.patients AS d", "clinic.dbo.patients is not"),
        ("sqlserver", "SELECT d.name AS name FROM msdb.dbo.sysproxies AS d", "not on the list"),
        (
            "sqlserver",
            "SELECT d.name AS name FROM sys.databases AS d WHERE d.name = N'?'",
            "like a parameter",
        ),
        (
            "sqlserver",
            "SELECT d.name AS name FROM sys.databases AS d WHERE d.name = '{db}'",
            "like a parameter",
        ),
        ("sqlserver", "SELECT d.name AS name FROM sys.databases AS d WHERE d.name = ?", "cannot be read"),
        ("sqlserver", "SELECT @@IDENTITY AS name", "not on the list VARIABLES"),
        (
            "sqlserver",
            "SELECT d.name AS name FROM sys.databases AS d\nWHERE d.name = N'a\n'",
            "end of a line",
        ),
        ("postgresql", "SELECT d.name AS name FROM patients AS d", "patients stands alone"),
        (
            "postgresql",
            "SELECT d.name AS name FROM public.patients AS d",
            "public.patients is not on the list",
        ),
        ("mariadb", "SELECT d.name AS name FROM clinic.patients AS d", "clinic.patients is not on the list"),
        ("mariadb", "SELECT d.name AS name FROM patients AS d", "stands alone"),
    ],
)
def test_what_a_statement_may_not_name(engine: EngineName, text: str, expected: str) -> None:
    assert expected in said(engine, text, "name", reads=("sys.databases",))


def test_the_objects_that_are_read_are_those_that_are_declared() -> None:
    assert "it reads sys.master_files, which" in said(
        "sqlserver", FILES, "name", "count", reads=("sys.databases",)
    )
    more = ("sys.databases", "sys.master_files", "sys.tables")
    assert "says sys.tables, which it does not" in said("sqlserver", FILES, "name", "count", reads=more)


@pytest.mark.parametrize(
    ("engine", "text"),
    [
        ("sqlserver", "SELECT t.text AS name FROM sys.dm_exec_query_stats AS q "
         "CROSS APPLY sys.dm_exec_sql_text(q.sql_handle) AS t"),
        ("sqlserver", "SELECT MAX(s.command) AS name FROM msdb.dbo.sysjobsteps AS s"),
        ("sqlserver", "SELECT x.a AS name FROM (SELECT h.message AS a "
         "FROM msdb.dbo.sysjobhistory AS h) AS x"),
        ("sqlserver", "SELECT s.step_name AS name FROM msdb.dbo.sysjobsteps AS s ORDER BY s.command"),
        ("sqlserver", "SELECT LEFT(i.filter_definition, 10) AS name FROM sys.indexes AS i"),
        ("sqlserver", "SELECT CONVERT(varchar(90), l.password_hash, 1) AS name FROM sys.sql_logins AS l"),
        ("postgresql", "SELECT a.query AS name FROM pg_stat_activity AS a"),
        ("postgresql", "SELECT s.query AS name FROM public.pg_stat_statements AS s"),
        ("postgresql", "SELECT s.histogram_bounds::text AS name FROM pg_stats AS s"),
        ("postgresql", "SELECT s.passwd AS name FROM pg_shadow AS s"),
        ("mariadb", "SELECT p.INFO AS name FROM information_schema.PROCESSLIST AS p"),
        ("mariadb", "SELECT u.authentication_string AS name FROM mysql.user AS u"),
        ("mariadb", "SELECT JSON_VALUE(g.Priv, '$.authentication_string') AS name "
         "FROM mysql.global_priv AS g"),
        ("mariadb", "SELECT t.trx_query AS name FROM information_schema.INNODB_TRX AS t"),
    ],
)  # fmt: skip
def test_texts_and_secrets_are_not_handed_out(engine: EngineName, text: str) -> None:
    assert "it holds texts, values or secrets" in said(engine, text, "name")


@pytest.mark.parametrize(
    ("engine", "text", "expected"),
    [
        ("postgresql", "SELECT s.setting AS name FROM pg_settings AS s", "only of settings"),
        (
            "postgresql",
            "SELECT s.setting AS name FROM pg_settings AS s WHERE s.name LIKE 'a%'",
            "only of settings",
        ),
        (
            "postgresql",
            "SELECT s.setting AS name FROM pg_settings AS s WHERE s.name = 'fsync' OR s.pending_restart",
            "only of settings",
        ),
        (
            "postgresql",
            "SELECT s.setting AS name FROM pg_settings AS s WHERE s.name = 'primary_conninfo'",
            "secret",
        ),
        ("postgresql", "SELECT current_setting('archive_command') AS name", "secret"),
        ("postgresql", "SELECT current_setting(s.name) AS name FROM pg_settings AS s", "as a constant"),
        (
            "mariadb",
            "SELECT v.VARIABLE_VALUE AS name FROM information_schema.GLOBAL_VARIABLES AS v",
            "only of settings",
        ),
        (
            "mariadb",
            "SELECT v.VARIABLE_VALUE AS name FROM performance_schema.global_variables AS v "
            "WHERE v.VARIABLE_NAME IN ('port', 'wsrep_sst_auth')",
            "wsrep_sst_auth may hold a secret",
        ),
    ],
)
def test_settings_are_read_by_name(engine: EngineName, text: str, expected: str) -> None:
    assert expected in said(engine, text, "name")


# --- SQL Server's versions ----------------------------------------------------------------------


REPLICA = "SELECT COUNT(d.replica_id) AS count FROM sys.databases AS d"
DUMPS = "SELECT CONVERT(datetime2(0), MAX(m.creation_time)) AS at FROM sys.dm_server_memory_dumps AS m"
MEMORY = "SELECT s.bpool_committed AS count FROM sys.dm_os_sys_info AS s"


def test_a_column_is_looked_up_in_every_version_that_the_variant_fits() -> None:
    reads = ("sys.databases",)
    assert "came with 11, and the variant is sent to 10.50" in said(
        "sqlserver", REPLICA, "count", reads=reads
    )
    assert said("sqlserver", REPLICA, "count", reads=reads, since=(11,)) == ""
    assert said("sqlserver", REPLICA, "count", reads=reads, needs=("sys.databases.replica_id",)) == ""
    reads = ("sys.dm_os_sys_info",)
    assert "went with 11" in said("sqlserver", MEMORY, "count", reads=reads)
    assert said("sqlserver", MEMORY, "count", reads=reads, before=(11,)) == ""


def test_an_object_is_looked_up_as_well() -> None:
    reads = ("sys.dm_server_memory_dumps",)
    assert "came with 10.50.2500" in said("sqlserver", DUMPS, "at", reads=reads)
    assert said("sqlserver", DUMPS, "at", reads=reads, since=(10, 50, 2500)) == ""
    assert said("sqlserver", DUMPS, "at", reads=reads, needs=reads) == ""


def test_a_function_has_a_first_version_too() -> None:
    text = "SELECT IIF(d.state = 0, 1, 0) AS count FROM sys.databases AS d"
    assert "IIF() came with version 11" in said("sqlserver", text, "count", reads=("sys.databases",))
    assert said("sqlserver", text, "count", reads=("sys.databases",), since=(11,)) == ""


@pytest.mark.parametrize(
    "text",
    [
        "SELECT c.value_in_use AS count FROM sys.configurations AS c",
        "SELECT MAX(m.creation_time) AS count FROM sys.dm_server_memory_dumps AS m",
        "SELECT x.v AS count FROM (SELECT ISNULL(c.value, 0) AS v FROM sys.configurations AS c) AS x",
        "SELECT SERVERPROPERTY('Edition') AS count",
        "SELECT q.query_hash AS count FROM sys.dm_exec_query_stats AS q",
        "SELECT MAX(p.sid) AS count FROM sys.server_principals AS p",
        "SELECT s.scheduler_address AS count FROM sys.dm_os_schedulers AS s",
        "SELECT 1 AS count UNION ALL SELECT c.value AS count FROM sys.configurations AS c",
    ],
)
def test_types_that_no_driver_hands_out_are_converted(text: str) -> None:
    assert "CONVERT it" in said("sqlserver", text, "count", since=(11,))


# --- a whole collector --------------------------------------------------------------------------


def sql(text: str = FILES, **more: Any) -> Sql:
    return Sql((SqlVariant(text, reads=("sys.databases", "sys.master_files")),), row=Row, **more)


def test_a_canary_gives_one_number() -> None:
    good = "SELECT COUNT(*) AS filtered FROM sys.databases AS d WHERE d.state = 0"
    assert problems("sqlserver", sql(canary=good)) == []
    for text, expected in (
        ("SELECT d.state AS filtered FROM sys.databases AS d", "is not inside of COUNT"),
        ("SELECT COUNT(*) AS a, 1 AS b FROM sys.databases AS d", "one SELECT of one number"),
        (f"{good} GROUP BY d.name", "no GROUP BY"),
        ("SELECT COUNT(*) AS filtered FROM dbo.patients AS p", "not on the list"),
        ("SELECT COUNT(d.replica_id) AS filtered FROM sys.databases AS d", "came with 11"),
    ):
        assert expected in "\n".join(problems("sqlserver", sql(canary=text)))


def test_at_database_scope_a_row_says_which_database() -> None:
    assert problems("sqlserver", sql(scope="database")) == [
        "at database scope the first field of the row is `database`"
    ]


class Facts(SqlFacts[Row]):
    pass


def section(collector: Any, source: Any = "sqlserver") -> Section[Facts]:
    def parse(raw: JSON, source: str, version: int) -> Facts:
        raise ValueError

    return Section(name="one", facts=Facts, collect={source: collector}, parse=parse)


def test_only_a_section_that_passes_gets_the_stamp() -> None:
    assert list(stamp([section(sql())])) == ["one"]
    assert section_problems(section(sql("DELETE FROM sys.databases"))) == [
        "one (sqlserver): variant 0: a statement begins with SELECT, or WITH and SELECT"
    ]
    assert section_problems(section(sql(), "posix")) == ["one (posix): no statement is sent to posix"]
    assert section_problems(section(Shell("echo a"), "posix")) == []


# --- what the engines say of themselves ---------------------------------------------------------


def wanted(engine: EngineName) -> Wants:
    rights: dict[EngineName, tuple[str, ...]] = {
        "sqlserver": ("VIEW SERVER STATE", "sysadmin", "SELECT ON msdb.dbo.backupset"),
        "postgresql": ("pg_monitor", "superuser", "SELECT ON pg_authid", "EXECUTE ON pg_hba_file_rules()"),
        "mariadb": ("PROCESS", "SELECT ON mysql.user"),
    }
    needs: dict[EngineName, tuple[str, ...]] = {
        "sqlserver": ("sys.dm_os_host_info", "sys.databases.replica_id", "msdb.dbo.backupset"),
        "postgresql": ("pg_stat_io", "pg_stat_io.reads", "public.pgstattuple_approx()"),
        "mariadb": ("mysql.global_priv", "information_schema.INNODB_TRX.trx_id"),
    }
    return Wants(rights=rights[engine], needs=needs[engine])


@pytest.mark.parametrize("engine", sorted(ENGINES))
def test_the_greeting_of_an_engine_only_reads(engine: EngineName) -> None:
    statements = ENGINES[engine].hello(wanted(engine))
    assert {
        one.name: text_problems(engine, one.text) for one in statements if text_problems(engine, one.text)
    } == {}


@pytest.mark.parametrize("engine", sorted(ENGINES))
def test_a_session_is_opened_by_approved_statements(engine: EngineName) -> None:
    one = ENGINES[engine]
    lines = [line for text in one.opening for line in text.splitlines()]
    limits = [one.limit(instance(engine, edition), 15) for edition in ("mysql", "mariadb")]
    for text in (
        *lines,
        *filter(None, limits),
        *([] if one.session_each else [f"USE {one.quoted('a b]c`d')}"]),
    ):
        assert text_problems(engine, text) == [], text


def instance(engine: EngineName, edition: str) -> Instance:
    from datetime import UTC, datetime

    return Instance(
        engine=engine, identity="", version=(10, 11), edition=edition, platform="", login="checkup_ro",
        asked_at=datetime(2026, 11, 20, tzinfo=UTC), started_at=None,
    )  # fmt: skip


def test_nothing_is_added_to_a_statement_but_its_mark_and_its_guard() -> None:
    ask = Ask(name="one", text="SELECT N'it''s' AS name")
    guarded = batch(ENGINES["sqlserver"], [ask])
    start, end = "BEGIN TRY EXEC sys.sp_executesql N'", "';\nSELECT N'one' AS checkup_done"
    assert guarded.startswith(start)
    inside = guarded[len(start) : guarded.index(end)].replace("''", "'")
    assert inside == marked(ask)
    assert inside.splitlines()[0] == "/* checkup:one */"
    assert text_problems("sqlserver", inside.split("\n", 1)[1]) == []
