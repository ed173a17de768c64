"""All built-in checks of SQL Server: through both drivers, on five versions, with rights and without."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from functools import cache
from typing import Any

import pytest

from checkup.api import ErrorClass, Quality
from checkup.assessment import ItemResult, Outcome
from checkup.sql.batching import CANARY
from checkup.sql.sqlserver import SQLSERVER
from checkup.testing.sql_lint import text_problems
from tests.servers.sql_server_answers import (
    PASSWORD,
    USER,
    all_permissions,
    login,
    sections,
    sql_server,
    wanted,
)
from tests.servers.tds import (
    PRODUCTS,
    SQL_2008_R2,
    SQL_2019,
    SQL_2022,
    Answer,
    Column,
    Product,
    Rows,
    Statement,
    TdsServer,
    data_types,
)
from tests.servers.tds.batches import separated
from tests.servers.tds.drivers import Driver, freetds, microsoft
from tests.sql.scenarios import CATALOGUE, Examiner, Results
from tests.workflow.conftest import SITE, Clinic, assert_adds_up, assert_clean, checkup

LEAST_CHECKS = 89
DATABASES = ("clinic", "a]b'c \U0001f600<b>")
SECTIONS = sections()


def driver_named(name: str) -> Driver:
    pyodbc: Any = pytest.importorskip("pyodbc", reason="pyodbc or unixODBC is missing", exc_type=ImportError)
    found = freetds(pyodbc.drivers()) if name == "FreeTDS" else microsoft(pyodbc.drivers())
    if found is None:
        pytest.skip(f"this machine has no driver of {name}")
    return found


# --- the whole of it, as a visit does it --------------------------------------------------------

# What they ask by themselves as they connect.
OF_DRIVERS = re.compile(r"sp_datatype_info_(?:90|100) -?\d+,\d")
NOT_THERE = {Quality.UNSUPPORTED, Quality.ABSENT}
EXAMINER = Examiner(SQLSERVER)


@pytest.mark.usefixtures("paper")
@pytest.mark.parametrize("driver", ["FreeTDS", "Microsoft"])
@pytest.mark.parametrize(
    "product",
    [pytest.param(one, marks=() if one is SQL_2019 else pytest.mark.slow) for one in PRODUCTS],
    ids=str,
)
def test_the_set_runs_unmodified(clinic: Clinic, product: Product, driver: str):
    library = driver_named(driver).location
    account = login(product, all_permissions(product), DATABASES)
    now = datetime.now(timezone(timedelta(hours=1)))
    (clinic.folder / "ms.password").write_text(PASSWORD, encoding="utf-8")
    (clinic.folder / "ms.password").chmod(0o600)
    clinic.credentials["ms"] = {"user": USER, "password": f"file:{clinic.folder}/ms.password"}
    clinic.add_local()
    with TdsServer(sql_server(DATABASES, product=product, accounts={USER: account}, now=now)) as server:
        where = {"id": "ms", "engine": "sqlserver", "server": "127.0.0.1", "port": server.port}
        clinic.more["sql"] = [{**where, "credential": "ms", "encryption": "clear", "driver": library}]
        ended = checkup("run", clinic.site_file, "--visit", "tune-up", "--deep", "--host", "ms", "--json")
    texts = clinic.texts(ended)
    assert_clean(texts)
    assert not [where for where, text in texts.items() if PASSWORD in text]

    # Every check is planned, and told of.
    assert_adds_up(ended.assessment)
    checks = {one.probe for one in ended.assessment.checks if one.target in ("ms", "")}
    planned = {name for name, one in CATALOGUE.entries.items() if one.probe.kind == "sqlserver"}
    assert {name for name in checks if name.startswith("sqlserver.")} == planned
    assert len(planned) >= LEAST_CHECKS

    # What was asked was answered, or is not there in this version, which is said.
    with clinic.store() as store:
        (run,) = store.runs(SITE)
        (snapshot,) = store.snapshots([run.id])
    asked = {one.section: one for one in snapshot.sections if one.section in SECTIONS}
    assert asked.keys() == SECTIONS.keys()
    lost = {name: one.reason for name, one in asked.items() if one.quality not in {Quality.OK, *NOT_THERE}}
    assert lost == {}
    not_there = {name for name, one in asked.items() if one.quality in NOT_THERE}
    assert not_there == {name for name, sql in SECTIONS.items() if not wanted(sql, product)}
    assert all(product.version in asked[name].reason for name in not_there)
    mine = [one for one in ended.assessment.results if one.target == "ms"]
    assert [one.probe for one in mine if one.outcome is Outcome.NOT_APPLICABLE and not one.reason] == []
    failed = {one.probe for one in mine if one.outcome is Outcome.NOT_CHECKED and one.error is not None}
    sampled = {name for name, section in CATALOGUE.sections.items() if "sampled" in section.collect}
    assert failed == planned & of_sections(sampled)  # for nobody has sampled a busy hour here

    # Nothing was written: what the server saw is what the lint lets pass.
    assert not server.violations
    assert {one.session.user for one in server.statements} == {USER}
    texts_seen = {part for one in server.statements for part in separated(one.text)}
    assert {text for text in texts_seen if not OF_DRIVERS.fullmatch(text) and problems(text)} == set()


@cache
def problems(text: str) -> tuple[str, ...]:
    return tuple(text_problems("sqlserver", text))


# --- without rights -----------------------------------------------------------------------------

ENTERING = "CONNECT ANY DATABASE"
# Either opens the error log, the newer one since 2022.
NEWER_LOG, OLDER_LOG = LOGS = "VIEW ANY ERROR LOG", "master.sys.xp_readerrorlog: EXECUTE"
LOG_SECTIONS = {name for name in SECTIONS if name.startswith("sqlserver-error-log")} | {
    "sqlserver-slow-requests",
    "sqlserver-paged-out",
}
JOBS = "msdb.dbo.sysjobs: SELECT"
HIDING = frozenset({"VIEW ANY DEFINITION", "VIEW ANY DATABASE"})  # for want of them rows are left out


@dataclass(frozen=True)
class Place:
    """As the examiner wants it."""

    address: str
    port: int
    password: str = PASSWORD

    def run(self, sql: str, *, database: str = "") -> list[list[str]]:
        raise NotImplementedError("this server executes nothing")


def examined(
    product: Product,
    permissions: Iterable[str],
    answers: Mapping[str, Answer] | None = None,
    entered: bool = True,
) -> Results:
    """What all probes say through a login that has these permissions."""
    driver_named("FreeTDS")
    account = login(product, permissions, DATABASES if entered else ())
    script = sql_server(DATABASES, product=product, accounts={USER: account}, answers=answers)
    with TdsServer(script) as server:
        return EXAMINER.examined(Place(server.address, server.port), *EXAMINER.probes)


@cache
def with_all_rights(product: Product) -> Results:
    return examined(product, all_permissions(product))


def grant(permission: str) -> str:
    """The last statement of what gives a permission of the test server's."""
    where, _, verb = permission.rpartition(": ")
    if not where:
        return f"GRANT {permission} TO [{USER}]"
    return f"GRANT {verb} ON {where.partition('.')[2]} TO [{USER}]"


def lacking(product: Product, taken: Collection[str]) -> set[str]:
    """The sections that have no variant left for whoever lacks these permissions."""
    return {
        name
        for name, sql in SECTIONS.items()
        if (variants := wanted(sql, product)) and all(one & set(taken) for one in variants)
    }


def of_sections(names: Collection[str], optional: bool = False) -> set[str]:
    """The probes that cannot do without one of these; with `optional`, those that look at one at all."""
    return {
        probe
        for probe, entry in CATALOGUE.entries.items()
        for need in entry.needs
        if need.section.name in names and (optional or not need.optional)
    }


def told(results: Results, probe: str) -> dict[str, ItemResult]:
    return {item: one for (name, item), one in results.items() if name == probe}


def passed(results: Results) -> set[tuple[str, str]]:
    return {key for key, one in results.items() if one.outcome is Outcome.PASSED}


def assert_costs(product: Product, taken: Collection[str], found: Results, words: str) -> None:
    """The checks that need what was taken are not checked, with these words; no other check says anything
    else."""
    before, gone = with_all_rights(product), lacking(product, taken)
    assert gone, f"nothing needs {taken}"
    assert passed(found) <= passed(before)
    for probe in EXAMINER.probes:
        now, then = told(found, probe), told(before, probe)
        if probe in of_sections(gone):
            if all(one.error is ErrorClass.UNSUPPORTED for one in then.values()):
                continue  # something else that it needs is not there in this version
            assert {one.outcome for one in now.values()} == {Outcome.NOT_CHECKED}, (probe, now)
            assert any(words in one.reason for one in now.values()), (probe, now)
        elif probe not in of_sections(gone, optional=True):
            assert now == then, probe


@pytest.mark.parametrize("product", [SQL_2019, SQL_2022], ids=str)
def test_with_no_right_at_all_nothing_passes_that_needs_one(product: Product):
    found = examined(product, ())
    blind = of_sections(lacking(product, all_permissions(product)))
    assert len(blind) >= LEAST_CHECKS
    assert passed(found) <= passed(with_all_rights(product))
    assert {probe for probe, _ in passed(found)}.isdisjoint(blind)
    for probe in blind:
        unsupported = all(one.error is ErrorClass.UNSUPPORTED for one in told(found, probe).values())
        assert unsupported or any("GRANT " in one.reason for one in told(found, probe).values()), probe


LIKE_OTHERS = {one for one in all_permissions(SQL_2019) if one.startswith("msdb.dbo.sys")} - {JOBS}
NEW_WORDS = ("VIEW SERVER PERFORMANCE STATE", "VIEW SERVER SECURITY STATE")  # of 2022


@pytest.mark.parametrize(
    ("product", "permission"),
    [
        pytest.param(SQL_2019, one, marks=pytest.mark.slow if one in LIKE_OTHERS else ())
        for one in sorted(all_permissions(SQL_2019) - {ENTERING})
    ]
    + [(SQL_2022, one) for one in NEW_WORDS]
    + [
        pytest.param(product, one, marks=pytest.mark.slow)
        for product, either in ((SQL_2008_R2, ()), (SQL_2022, LOGS))
        for one in sorted(all_permissions(product) - {ENTERING, *either, *NEW_WORDS})
    ],
    ids=str,
)
def test_a_right_that_is_missing_costs_what_needs_it_and_is_named(product: Product, permission: str):
    found = examined(product, all_permissions(product) - {permission})
    assert_costs(product, [permission], found, grant(permission))


@pytest.mark.parametrize("right", LOGS)
def test_a_right_in_whose_place_another_will_do_costs_nothing_alone(right: str):
    assert LOG_SECTIONS.isdisjoint(lacking(SQL_2022, [right]))
    assert examined(SQL_2022, all_permissions(SQL_2022) - {right}) == with_all_rights(SQL_2022)


def test_the_error_log_is_not_checked_without_either_right():
    assert lacking(SQL_2022, LOGS) == LOG_SECTIONS
    found = examined(SQL_2022, all_permissions(SQL_2022) - {*LOGS})
    assert_costs(SQL_2022, LOGS, found, grant(OLDER_LOG))


def test_the_old_word_opens_as_much_as_the_new_ones():
    permissions = {*all_permissions(SQL_2022) - {*NEW_WORDS}, "VIEW SERVER STATE"}
    assert examined(SQL_2022, permissions) == with_all_rights(SQL_2022)


@pytest.mark.parametrize(
    ("product", "words"),
    [
        (SQL_2019, f"GRANT {ENTERING} TO [{USER}]"),
        (SQL_2008_R2, f"IF DATABASE_PRINCIPAL_ID(N'{USER}') IS NULL CREATE USER [{USER}] FOR LOGIN [{USER}]"),
    ],
    ids=str,
)
def test_a_database_that_may_not_be_entered_is_not_checked(product: Product, words: str):
    found = examined(product, all_permissions(product) - {ENTERING}, entered=False)
    before, inside = (
        with_all_rights(product),
        {name for name, sql in SECTIONS.items() if sql.scope == "database"},
    )
    assert passed(found) <= passed(before)
    looking = of_sections({name for name in inside if wanted(SECTIONS[name], product)})
    assert looking
    for probe in EXAMINER.probes:
        now, then = told(found, probe), told(before, probe)
        if probe in looking:
            for database in DATABASES:
                assert now[database].outcome is Outcome.NOT_CHECKED, (probe, now)
                assert words in now[database].reason, (probe, now)
            # What it knows from the instance as a whole stands.
            rest = {item: one for item, one in now.items() if item and item not in DATABASES}
            assert rest.items() <= then.items(), probe
        elif probe not in of_sections(inside, optional=True):
            assert now == then, probe


def test_of_databases_that_were_not_seen_nothing_is_said_as_a_whole():
    found = examined(SQL_2019, all_permissions(SQL_2019) - {ENTERING})
    blind = {probe for probe, item in found if item == DATABASES[0]}
    assert {found[probe, ""].outcome for probe in blind if (probe, "") in found} == {Outcome.NOT_CHECKED}


def test_the_statements_of_many_rights_are_told_whole():
    tables = {one for one in all_permissions(SQL_2019) if one.startswith("msdb.dbo.sys")}
    found = examined(SQL_2019, all_permissions(SQL_2019) - tables)
    (needed,) = wanted(SECTIONS["sqlserver-jobs"], SQL_2019)
    assert len(needed) > 4 and tables.issuperset(needed)
    for probe in of_sections(["sqlserver-jobs"]):
        (one,) = told(found, probe).values()
        assert [name for name in needed if grant(name) not in one.reason] == [], probe


def test_a_right_whose_lack_only_the_statement_tells_is_named_too():
    """Where asking beforehand says that all is well: it is denied on one view, say."""
    held = {ENTERING, *HIDING}
    found = examined(SQL_2019, held, {"hello-rights": all_held})
    blind = of_sections(lacking(SQL_2019, all_permissions(SQL_2019) - held))
    assert {probe for probe, _ in passed(found)}.isdisjoint(blind)
    for probe in blind:
        lost = [one for one in told(found, probe).values() if one.outcome is Outcome.NOT_CHECKED]
        supported = [one for one in lost if one.error is not None]
        assert {one.error for one in supported} <= {ErrorClass.DENIED}, (probe, lost)
        assert all("GRANT " in one.reason for one in supported), (probe, lost)


def all_held(statement: Statement) -> Rows:
    names = re.findall(r" AS (r\d+)", statement.text)
    return Rows([Column(name, data_types.INT) for name in names], [tuple(1 for _ in names)])


# --- rows left out without a word ---------------------------------------------------------------


@pytest.mark.parametrize("section", sorted(name for name, sql in SECTIONS.items() if sql.canary))
def test_what_is_left_out_without_a_word_is_not_checked(section: str):
    left_out = Rows((Column("filtered", data_types.INT),), [(3,)])
    before = with_all_rights(SQL_2019)
    found = examined(SQL_2019, all_permissions(SQL_2019), {section + CANARY: left_out})
    assert of_sections([section])
    for probe in EXAMINER.probes:
        now = told(found, probe)
        if probe in of_sections([section]):
            assert {one.outcome for one in now.values()} == {Outcome.NOT_CHECKED}, (probe, now)
            # It has all rights: none is named that would not help.
            assert all("left 3 rows out without a word, though" in one.reason for one in now.values()), now
            assert not any("GRANT" in one.reason for one in now.values()), now
        elif probe not in of_sections([section], optional=True):
            assert now == told(before, probe), probe
    assert passed(found) <= passed(before)
