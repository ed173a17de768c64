"""Which statement is sent, and what is said where none may be."""

from __future__ import annotations

from dataclasses import replace

import pytest
from sql_examples import instance, sql

from checkup.api import ErrorClass, Quality, SqlVariant
from checkup.sql.batching import Failure
from checkup.sql.errors import Refusal
from checkup.sql.gate import Chosen, choose, database_refused, filtered, statement_refused, wants_of
from checkup.sql.rights import ENTERING

USER = "IF DATABASE_PRINCIPAL_ID(N'checkup_ro') IS NULL CREATE USER [checkup_ro] FOR LOGIN [checkup_ro]"


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


def test_rows_that_were_left_out_are_told_with_the_rights_that_are_missing():
    wanted = variant(rights=("VIEW SERVER STATE", "VIEW ANY DEFINITION", ENTERING))
    found = filtered(instance(rights=["VIEW SERVER STATE"]), wanted, 3)
    assert found.quality is Quality.FILTERED
    assert found.reason == (
        "the server left 3 rows out without a word: GRANT VIEW ANY DEFINITION TO [checkup_ro]"
    )
    assert filtered(instance(), variant(), 3).reason == found.reason
    postgresql = filtered(instance("postgresql", rights=["pg_monitor"]), variant(rights=("pg_monitor",)), 1)
    assert postgresql.reason == "the server left 1 row out without a word, though the login has pg_monitor"


def test_rows_that_were_left_out_though_all_rights_are_held_are_no_matter_of_a_grant():
    held = ("VIEW SERVER STATE", "VIEW ANY DEFINITION")
    found = filtered(instance(rights=held), variant(rights=held), 3)
    assert (found.quality, found.error) == (Quality.FILTERED, ErrorClass.DENIED)
    assert "though the login has VIEW SERVER STATE and VIEW ANY DEFINITION;" in found.reason
    assert "GRANT" not in found.reason and "DENY" in found.reason


def denied(rights: tuple[str, ...], text: str, number: int = 229, **on: object) -> str:
    """The reason, for a login that was said to hold all of them."""
    there = instance(rights=rights, **on)  # pyright: ignore[reportArgumentType]
    found = statement_refused(there, variant(rights=rights), Failure(number=number, text=text))
    assert (found.quality, found.error) == (Quality.DENIED, ErrorClass.DENIED)
    return found.reason


JOBS = ("VIEW ANY DEFINITION", "SELECT ON msdb.dbo.sysjobs", "SELECT ON msdb.dbo.sysjobsteps")


def test_a_refused_statement_names_the_right_that_the_server_speaks_of():
    one = denied(JOBS, "SELECT im Objekt 'sysjobs', Datenbank 'msdb', Schema 'dbo' verweigert.")
    assert "GRANT SELECT ON dbo.sysjobs TO" in one and one.count("GRANT ") == 1
    state = ("VIEW SERVER STATE", "VIEW ANY DEFINITION")
    word = "VIEW SERVER PERFORMANCE STATE permission was denied on object 'server', database 'master'."
    newer = denied(state, word, 300, version=(16, 0))
    assert newer.startswith("GRANT VIEW SERVER PERFORMANCE STATE TO [checkup_ro]; the login may not see this")
    inside = "VIEW DATABASE PERFORMANCE STATE permission denied in database 'ledger'."
    assert denied(("VIEW ANY DEFINITION", "VIEW DATABASE STATE"), inside, 262).count("GRANT ") == 1


def test_a_refused_statement_names_the_rights_in_the_database_that_may_not_be_entered():
    text = 'The server principal "checkup_ro" is not able to access the database "msdb".'
    found = denied(JOBS, text, 916)
    assert found.startswith("USE [msdb]; IF DATABASE_PRINCIPAL_ID(N'checkup_ro') IS NULL CREATE USER")
    assert found.count("GRANT ") == 2 and "DEFINITION" not in found


def test_a_refused_statement_names_all_rights_where_nobody_tells_which():
    assert denied(JOBS, "The user does not have permission to perform this action.", 297).count("GRANT ") == 3
    missing = statement_refused(
        instance(rights=JOBS[:2]), variant(rights=(*JOBS, ENTERING)), Failure(number=297)
    )
    assert missing.reason.count("GRANT ") == 1 and "sysjobsteps" in missing.reason


def test_what_is_no_matter_of_rights_names_none():
    assert (
        statement_refused(instance(), variant(rights=JOBS), Failure(number=1222)).quality is Quality.TIMEOUT
    )
    assert "GRANT" not in statement_refused(instance(), variant(rights=JOBS), Failure(number=1222)).reason
    assert (
        "GRANT" not in statement_refused(instance(), variant(rights=(ENTERING,)), Failure(number=229)).reason
    )


@pytest.mark.parametrize(
    ("version", "rights", "grants"),
    [
        ((11, 0), (), f"USE [led]]ger]; {USER}; "),
        ((15, 0), (), "GRANT CONNECT ANY DATABASE TO [checkup_ro]; "),
        # It is let into all of them, and this one says no.
        ((15, 0), (ENTERING,), f"USE [led]]ger]; {USER}; GRANT CONNECT TO [checkup_ro]; "),
    ],
)
def test_a_database_that_cannot_be_entered_after_all(
    version: tuple[int, ...], rights: tuple[str, ...], grants: str
):
    on = instance(version=version, rights=rights)
    found = database_refused(on, "led]ger", Failure(number=916, text="No access."))
    assert (found.quality, found.error) == (Quality.DENIED, ErrorClass.DENIED)
    assert found.reason == f"{grants}the login may not see this (error 916: No access)"
    closed = database_refused(on, "led]ger", Failure(number=942))
    assert closed.quality is Quality.UNREACHABLE and "USE" not in closed.reason


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
