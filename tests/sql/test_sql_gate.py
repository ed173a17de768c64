"""Which statement is sent, and what is said where none may be."""

from __future__ import annotations

from dataclasses import replace

import pytest
from sql_examples import instance, sql

from checkup.api import ErrorClass, Quality, SqlVariant
from checkup.sql.errors import Refusal
from checkup.sql.gate import Chosen, choose, filtered, wants_of


def variant(text: str = "SELECT 1", **more: object) -> SqlVariant:
    return SqlVariant(text, reads=("sys.x",), **more)  # pyright: ignore[reportArgumentType]


OLD = variant("old", before=(11,))
NEW = variant("new", since=(11,))


@pytest.mark.parametrize(("version", "number"), [((10, 50, 6000), 0), ((11, 0), 1), ((16, 0, 1), 1)])
def test_the_first_variant_that_fits_the_version_is_sent(version: tuple[int, ...], number: int):
    found = choose(sql(OLD, NEW), instance(version=version))
    assert isinstance(found, Chosen) and found.number == number


def refused(section: object, on: object) -> Refusal:
    found = choose(section, on)  # pyright: ignore[reportArgumentType]
    assert isinstance(found, Refusal)
    return found


def test_what_a_version_or_an_edition_lacks_is_not_applicable():
    too_old = refused(sql(NEW), instance(version=(10, 50, 6000)))
    assert (too_old.quality, too_old.error) == (Quality.UNSUPPORTED, ErrorClass.UNSUPPORTED)
    assert "SQL Server 10.50.6000" in too_old.reason and "11 and newer" in too_old.reason
    too_new = refused(sql(OLD), instance())
    assert too_new.quality is Quality.UNSUPPORTED
    express = refused(sql(variant(editions=("standard", "enterprise"))), instance(edition="express"))
    assert (express.quality, express.reason) == (Quality.ABSENT, "the edition express has none of this")


@pytest.mark.parametrize("edition", ["developer", "evaluation", "enterprise"])
def test_editions_that_have_all_of_enterprise(edition: str):
    assert isinstance(choose(sql(variant(editions=("enterprise",))), instance(edition=edition)), Chosen)


def test_an_object_that_is_not_there_leads_to_the_next_variant():
    section = sql(variant("a", needs=("sys.dm_x.y",)), variant("b"))
    found = choose(section, instance())
    assert isinstance(found, Chosen) and found.variant.text == "b"
    found = choose(section, instance(objects=["sys.dm_x.y"]))
    assert isinstance(found, Chosen) and found.variant.text == "a"
    missing = refused(sql(variant(needs=("sys.dm_x",))), instance())
    assert (missing.quality, missing.reason) == (
        Quality.UNSUPPORTED,
        "SQL Server 15.0.4430.1 has no sys.dm_x",
    )


def test_a_right_that_lacks_is_denied_with_the_very_grant():
    section = sql(variant(rights=("VIEW SERVER STATE", "SELECT ON msdb.dbo.backupset")))
    both = refused(section, instance(login="CEDAR\\check]up"))
    assert (both.quality, both.error) == (Quality.DENIED, ErrorClass.DENIED)
    assert both.reason == (
        "GRANT VIEW SERVER STATE TO [CEDAR\\check]]up]; USE [msdb]; "
        "IF DATABASE_PRINCIPAL_ID(N'CEDAR\\check]up') IS NULL CREATE USER [CEDAR\\check]]up] "
        "FOR LOGIN [CEDAR\\check]]up]; GRANT SELECT ON dbo.backupset TO [CEDAR\\check]]up]"
    )
    one = refused(section, instance(rights=["SELECT ON msdb.dbo.backupset"]))
    assert one.reason == "GRANT VIEW SERVER STATE TO [checkup_ro]"
    newer = refused(section, instance(version=(16, 0), rights=["SELECT ON msdb.dbo.backupset"]))
    assert newer.reason == "GRANT VIEW SERVER PERFORMANCE STATE TO [checkup_ro]"


def test_a_table_that_a_login_without_rights_does_not_see_is_a_matter_of_rights():
    """To lack the right may be to see nothing; the engine's own views everybody sees."""
    hidden = variant(needs=("mysql.global_priv",), rights=("SELECT ON mysql.global_priv",))
    on = instance("mariadb", (10, 11, 19), edition="mariadb", login="checkup@%")
    assert refused(sql(hidden), on).quality is Quality.DENIED
    seen = instance(
        "mariadb", (10, 3, 1), edition="mariadb", login="checkup@%", rights=["SELECT ON mysql.global_priv"]
    )
    assert refused(sql(hidden), seen).quality is Quality.UNSUPPORTED
    own = variant(needs=("sys.dm_x",), rights=("VIEW SERVER STATE",))
    assert refused(sql(own), instance()).quality is Quality.UNSUPPORTED


def test_what_a_server_would_not_tell_of_is_not_said_to_be_missing():
    section = sql(variant(needs=("msdb.dbo.x",)))
    assert refused(section, instance()).quality is Quality.UNSUPPORTED
    untold = replace(instance(), untold=frozenset({"msdb.dbo.x"}))
    assert refused(section, untold).quality is Quality.BAD_OUTPUT
    without_right = sql(variant(needs=("msdb.dbo.x",), rights=("SELECT ON msdb.dbo.x",)))
    assert refused(without_right, untold).quality is Quality.DENIED
    assert isinstance(choose(sql(variant(needs=("msdb.dbo.x",)), variant("b")), untold), Chosen)


def test_a_right_beats_a_version_as_the_reason():
    """An older server could never; what lacks here can be granted."""
    section = sql(variant("a", since=(17,)), variant("b", rights=("VIEW SERVER STATE",)))
    assert refused(section, instance()).quality is Quality.DENIED


def test_entering_is_said_database_by_database():
    section = sql(variant(rights=("CONNECT ANY DATABASE",)), scope="database")
    assert isinstance(choose(section, instance()), Chosen)
    assert refused(sql(variant(rights=("CONNECT ANY DATABASE",))), instance()).quality is Quality.DENIED


def test_rows_that_were_left_out_are_told_with_the_right():
    found = filtered(instance(), variant(rights=("VIEW ANY DEFINITION",)), 3)
    assert found.quality is Quality.FILTERED
    assert found.reason == (
        "the server left 3 rows out without a word: GRANT VIEW ANY DEFINITION TO [checkup_ro]"
    )


def test_a_greeting_asks_for_each_thing_once():
    sections = [
        sql(variant(rights=("PROCESS", "SLAVE MONITOR", "nonsense"), needs=("x",))),
        sql(variant(rights=("PROCESS",), needs=("x",))),
    ]
    wants = wants_of("mariadb", sections)
    assert (wants.rights, wants.needs) == (("PROCESS", "SLAVE MONITOR"), ("x",))


def test_a_word_that_is_no_right_is_held_by_nobody():
    found = refused(sql(variant(rights=("nonsense",))), instance())
    assert (found.quality, found.reason) == (
        Quality.DENIED,
        "it wants the right nonsense, which the check-up never asks for",
    )
