"""Every section of MariaDB's probes has a statement for each version that clinics run, and which one."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

import probes
from checkup.api import Sql
from checkup.sql.engine import Instance
from checkup.sql.gate import Chosen, choose
from checkup.testing.package import contents

SECTIONS = {
    section.name: sql
    for section in contents(probes).sections
    if section.name.startswith("mariadb-") and isinstance(sql := section.collect.get("mariadb"), Sql)
}
MARIADB = [(10, 3, 39), (10, 4, 34), (10, 6, 21), (10, 11, 19), (11, 4, 8), (11, 8, 6)]
MYSQL = [(5, 7, 44), (8, 0, 45), (8, 4, 9)]
VERSIONS = [("mariadb", one) for one in MARIADB] + [("mysql", one) for one in MYSQL]


def reads_of(section: str, edition: str, version: tuple[int, ...]) -> tuple[str, ...]:
    sql = SECTIONS[section]
    instance = Instance(
        engine="mariadb",
        identity="",
        version=version,
        edition=edition,
        platform="linux",
        login="checkup_ro@%",
        asked_at=datetime(2026, 11, 20, tzinfo=UTC),
        started_at=None,
        rights=frozenset(right for variant in sql.variants for right in variant.rights),
    )
    chosen = choose(sql, instance)
    assert isinstance(chosen, Chosen), chosen
    return chosen.variant.reads


@pytest.mark.parametrize(("edition", "version"), VERSIONS)
@pytest.mark.parametrize("section", sorted(SECTIONS))
def test_a_statement_for_each_version(section: str, edition: str, version: tuple[int, ...]) -> None:
    assert reads_of(section, edition, version)


@pytest.mark.parametrize(
    ("section", "edition", "version", "place"),
    [
        ("mariadb-server", "mariadb", (10, 3, 39), "information_schema.GLOBAL_STATUS"),
        ("mariadb-server", "mysql", (5, 7, 44), "performance_schema.global_status"),
        ("mariadb-accounts", "mariadb", (10, 3, 39), "mysql.user"),
        ("mariadb-accounts", "mariadb", (10, 4, 34), "mysql.global_priv"),
        ("mariadb-accounts", "mysql", (8, 4, 9), "mysql.user"),
        ("mariadb-sessions", "mysql", (5, 7, 44), "information_schema.INNODB_LOCK_WAITS"),
        ("mariadb-own-rights", "mariadb", (10, 3, 39), "information_schema.APPLICABLE_ROLES"),
        ("mariadb-own-rights", "mysql", (8, 0, 19), "information_schema.APPLICABLE_ROLES"),
        ("mariadb-replication", "mysql", (8, 4, 9), "performance_schema.replication_applier_status"),
    ],
)
def test_where_a_version_keeps_it(section: str, edition: str, version: tuple[int, ...], place: str) -> None:
    assert place in reads_of(section, edition, version)


@pytest.mark.parametrize("version", [(5, 7, 44), (8, 0, 18)])
def test_mysql_before_8_0_19_has_no_list_of_roles(version: tuple[int, ...]) -> None:
    assert "information_schema.APPLICABLE_ROLES" not in reads_of("mariadb-own-rights", "mysql", version)


def test_mysql_8_has_no_list_of_lock_waits() -> None:
    assert "information_schema.INNODB_LOCK_WAITS" not in reads_of("mariadb-sessions", "mysql", (8, 0, 45))
