"""The page of a SQL instance: the back-up story, room, what to do, blind spots; there only where one is."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest
import samples
import sql_samples
from sql_samples import CLINIC, CONNECT, damaged, instance, never_saved, plain, report, safe, unreachable

from checkup.api import Bytes, Impact, Instant, Target, Text, Visit, When
from checkup.assessment import (
    CheckOutcome,
    ItemResult,
    Outcome,
    Priority,
    ProbeText,
    Ranking,
    Trend,
)
from checkup.report.html import render_html
from checkup.report.input import ReportInput
from checkup.report.model import SqlPage
from checkup.report.sql_blind_spots import grants_in
from checkup.report.view import build_view

ONCE = report((CLINIC, plain))


def page(given: ReportInput) -> SqlPage:
    (only,) = build_view(given).sql
    return only


def of(change: sql_samples.Change, **how: object) -> SqlPage:
    return page(report((CLINIC, change), visits=1, **how))  # pyright: ignore[reportArgumentType]


def words(text: str) -> str:
    return text.replace("\u00a0", " ")


# --- for the practice manager -----------------------------------------------------------------


def test_the_headline_says_what_could_be_restored_how_long_there_is_room_and_what_comes_first() -> None:
    said = words(page(ONCE).headline)
    assert said.startswith(
        "3 of 4 databases could be restored with at most a day of work lost, as long as the disk of the data"
    )
    assert "the volume /srv has room until about" in said
    assert said.endswith("matters to settle, F-01 first.")


def test_the_back_up_story_is_told_in_plain_words_and_by_database() -> None:
    found = page(ONCE)
    said = words(found.restore_text)
    assert "the last 6 days of work in CardioArchive would be lost" in said
    assert "All back-ups lie on the disk that also holds the data" in said
    first, *rest = found.restore
    assert (first.database, first.answer, first.style, words(first.lost)) == (
        "CardioArchive",
        "Not all of it",
        "bad",
        "6 days",
    )
    ledger = next(row for row in rest if row.database == "CardioLedger")
    assert (ledger.answer, words(ledger.takes), words(ledger.lost)) == ("Yes", "1 h 22 min", "24 min")
    assert ledger.tried and next(row for row in rest if row.database == "CardioForms").tried == "never"


def test_without_back_ups_nothing_could_be_restored_and_it_says_so() -> None:
    found = of(never_saved)
    assert {(row.answer, row.until, row.takes) for row in found.restore} == {("No", "–", "–")}
    assert words(found.headline).startswith("None of its 4 databases could be restored")
    assert "could not be brought back at all" in found.restore_text
    assert "no restore is on record" in found.restore_text
    assert found.figures[0].style == "bad"


def test_with_back_ups_elsewhere_the_disk_of_the_data_is_not_spoken_of() -> None:
    found = of(safe)
    assert "every database could be brought back with at most a day of work lost" in found.restore_text
    assert "disk of the data" not in found.headline + found.restore_text
    assert {row.place for row in found.restore} == {"a share of another machine"}
    assert found.recoverable_style == "ok"


def test_damage_comes_first() -> None:
    assert of(damaged).headline.startswith("Damage was found in its data; ")


def test_an_instance_that_does_not_answer_has_a_headline_and_no_empty_tables() -> None:
    found = of(unreachable)
    assert not found.examined
    assert found.headline == "The instance could not be examined: no answer from srv-db:1433."
    assert not (found.figures or found.restore or found.databases or found.facts or found.topics)
    assert not found.blind_spots and found.not_checked


# --- for IS -----------------------------------------------------------------------------------


def test_every_database_has_its_size_growth_and_room() -> None:
    found = page(ONCE)
    ledger, archive, forms, stage = found.databases
    assert [one.name for one in found.databases] == [
        "CardioLedger",
        "CardioArchive",
        "CardioForms",
        "RegistryStage",
    ]
    assert (words(ledger.data), words(ledger.log)) == ("206 GB", "12 GB")
    assert ledger.bar is not None and ledger.room and ledger.a_month and ledger.full_on
    assert forms.full_on == "not in ten years" and archive.full_on
    assert (words(stage.data), stage.bar, stage.room, stage.full_on) == ("6 GB", None, "not seen", "–")
    assert [(one.name, words(one.size)) for one in found.volumes] == [("/srv", "500 GB")]
    assert found.growth is not None and "/srv" in found.growth_text


def test_the_first_visit_says_from_when_on_growth_is_known() -> None:
    found = of(plain)
    assert found.growth is None
    assert "will be known from later visits on" in found.growth_text
    assert {one.full_on for one in found.databases} == {"–"}


def test_the_limit_of_express_is_named() -> None:
    found = of(plain, edition="express")
    assert "SQL Server Express allows 10 GB of data for each database." in words(found.databases_note)
    assert "it allows 10 GB of data" in words(dict(found.facts)["Edition"])


def test_counters_since_a_recent_start_are_marked() -> None:
    assert "low confidence" not in dict(of(plain).facts)["Started"]
    recent = of(plain, up_days=2)
    assert "marked as of low confidence" in dict(recent.facts)["Started"]
    assert "low confidence" in recent.statements_note


def test_a_release_is_told_with_its_end_and_its_updates() -> None:
    facts = dict(page(ONCE).facts)
    assert "SQL Server 2019, 15.0.4375.4" in words(facts["Release"]) and "newest" in facts["Release"]
    assert "until 8 Jan 2030" in words(facts["Security updates"])
    assert "as checkup_ro; nothing was written" in facts["Asked"]


def test_who_may_do_what_says_that_patients_tables_are_closed_to_us() -> None:
    topics = {topic.title: {row.check: row for row in topic.rows} for topic in page(ONCE).topics}
    rights = topics["Who may do what"]
    assert rights["The check-up's login can only look"].result == "Passed"
    assert rights["The check-up's own connection to SQL Server is encrypted and checked"].style == "ok"
    closed = rights["The check-up's login cannot read patients' tables"]
    assert closed.result == "Not checked" and "RegistryStage" in closed.found and "GRANT" not in closed.found
    assert "Databases are looked through for damage every week" in topics["Soundness of the data"]


def test_the_tune_up_shows_statements_by_hash_with_their_share_then_and_now() -> None:
    found = page(ONCE)
    first = found.statements[0]
    assert (first.name, words(first.share), words(first.change)) == ("0x9A41C07E52D3B818", "31 %", "31 %")
    assert "usp_FindCase" in first.remark
    assert [one.share for one in found.statements] == sorted(
        (one.share for one in found.statements), key=lambda share: -float(words(share).split()[0])
    )
    assert any("dbo.Document" in text for text in found.indexes)
    assert any("Gain: quicker screens." in action.found for action in found.actions)


def test_another_visit_has_no_tune_up() -> None:
    found = page(report((CLINIC, plain), visits=1, visit=Visit.SIX_MONTH))
    assert not found.statements and not found.indexes and not found.statements_note


# --- blind spots ------------------------------------------------------------------------------


def test_blind_spots_name_their_checks_and_the_script_opens_each_once() -> None:
    found = page(ONCE)
    spots = {spot.right: spot.checks for spot in found.blind_spots}
    assert "Every alert tells somebody" in spots["SELECT ON msdb.dbo.sysalerts"]
    assert "The check-up's login cannot read patients' tables" in spots["CONNECT ANY DATABASE"]
    assert found.grants == (
        "GRANT CONNECT ANY DATABASE TO [checkup_ro];",
        "GRANT EXECUTE ON sys.xp_readerrorlog TO [checkup_ro];",
        "USE [msdb];",
        "IF DATABASE_PRINCIPAL_ID(N'checkup_ro') IS NULL CREATE USER [checkup_ro] FOR LOGIN [checkup_ro];",
        "GRANT SELECT ON dbo.sysalerts TO [checkup_ro];",
    )
    assert not any("GRANT" in reason for _, reason in found.not_checked)


@pytest.mark.parametrize(
    ("reason", "rights"),
    [
        (CONNECT, ["CONNECT ANY DATABASE"]),
        (f"the server left 3 rows out without a word: {CONNECT}", ["CONNECT ANY DATABASE"]),
        (f"{CONNECT}; the server refused it (error 229)", ["CONNECT ANY DATABASE"]),
        (sql_samples.ALERTS, ["SELECT ON dbo.sysalerts"]),
        ('GRANT pg_monitor TO "check;up"', ["pg_monitor"]),
        ('GRANT CONNECT ON DATABASE "a; b" TO "checkup"', ['CONNECT ON DATABASE "a; b"']),
        ("GRANT PROCESS ON *.* TO 'checkup'@'10.1.%'", ["PROCESS ON *.*"]),
        ("GRANT SELECT ON mysql.`user` TO 'checkup'@'%'", ["SELECT ON mysql.`user`"]),
        ("only a member of sysadmin may see this, which the check-up never asks to be", []),
        ("the server said: GRANT CONTROL SERVER TO [checkup_ro]", []),
        ("GRANT SELECT ON dbo.sysalerts TO [checkup_ro] WITH GRANT OPTION", []),
        ("GRANT SELECT ON dbo.sysnoti … (cut)", []),
    ],
)
def test_only_statements_that_the_check_up_asks_for_are_taken_from_a_reason(
    reason: str, rights: list[str]
) -> None:
    assert [one.right for one in grants_in(reason)] == rights


# --- other engines ----------------------------------------------------------------------------

POSTGRES = Target(id="pg", kind="postgresql", endpoint="pg", title="Archive")
MARIADB = Target(id="my", kind="mariadb", endpoint="my", title="Web shop")


def _result(target: Target, check: str, outcome: Outcome, **more: object) -> ItemResult:
    probe = f"{target.kind}.{check}"
    return ItemResult(probe=probe, target=target.id, item="", outcome=outcome, **more)  # pyright: ignore[reportArgumentType]


def other_engines() -> ReportInput:
    results = [
        _result(POSTGRES, "reachable", Outcome.PASSED),
        _result(POSTGRES, "supported-release", Outcome.PASSED, evidence={"release": Text("PostgreSQL 15")}),
        _result(
            POSTGRES,
            "backup-evidence",
            Outcome.FINDING,
            message="none",
            function="recoverability",
            impact=Impact.MAJOR,
            when=When.NOW,
            trend=Trend.FIRST,
            ranking=Ranking(priority=Priority.P2),
        ),
        _result(POSTGRES, "superusers", Outcome.NOT_CHECKED, reason='GRANT pg_monitor TO "checkup"'),
        _result(MARIADB, "binary-log", Outcome.PASSED),
        _result(MARIADB, "no-patient-access", Outcome.PASSED),
    ]
    known = load_texts(results)
    assessed = replace(
        samples.demo().assessment,
        targets=(POSTGRES, MARIADB),
        checks=tuple(CheckOutcome(probe=r.probe, target=r.target, outcome=r.outcome) for r in results),
        results=tuple(results),
        metrics=(),
        tables=(),
        resolved=(),
        probes=known,
        unused_waivers=(),
    )
    return ReportInput(assessment=assessed, site=samples.site(), runs=samples.demo().runs)


def load_texts(results: list[ItemResult]) -> dict[str, ProbeText]:
    return {
        one.probe: ProbeText(
            id=one.probe,
            title=f"Title of {one.probe}",
            why="",
            remedy="Switch it on.",
            verify="",
            messages={"none": "Nothing on this server shows that it is backed up."},
            levels={},
        )
        for one in results
    }


def test_an_engine_that_records_no_back_ups_says_so_and_claims_nothing() -> None:
    archive, shop = build_view(other_engines()).sql
    assert archive.headline.startswith("Nothing on it shows that it is backed up")
    assert "PostgreSQL keeps no full record of its back-ups" in archive.restore_text
    assert not archive.restore and archive.recoverable_style == "bad"
    questions = [question for question, _ in archive.restore_answers]
    assert questions == ["Could you restore?", "To when?", "From where?", "How long?", "Was it tried?"]
    assert archive.restore_answers[0][1].startswith("Nothing on this server shows")
    assert archive.grants == ('GRANT pg_monitor TO "checkup";',)
    assert archive.release == "PostgreSQL 15"
    assert shop.headline.startswith("Whether it is backed up was not seen")
    assert "Its binary log is on" in dict(shop.restore_answers)["To when?"]
    assert shop.headline.endswith("please ask whoever makes the back-ups.")
    assert (archive.figures[3].number, archive.figures[3].label) == (
        "1",
        "check not made, for want of a right",
    )
    # Sound as far as one saw is no "yes".
    assert shop.recoverable_style == "warn"
    assert shop.kind == "MariaDB or MySQL"
    html = render_html(build_view(other_engines()))
    assert "Could you restore?" in html and "Room for its data" not in html


def told(target: Target, *results: ItemResult, kernel: str = "") -> SqlPage:
    """The page of one instance that has these results and answered."""
    given = other_engines()
    endpoint = replace(samples.endpoint("srv-db"), endpoint=target.id, targets=(target.id,))
    run = replace(given.runs[0], endpoints=(replace(endpoint, hello={"kernel": kernel, "user": "x"}),))
    assessed = replace(
        given.assessment,
        targets=(target,),
        checks=tuple(CheckOutcome(probe=r.probe, target=r.target, outcome=r.outcome) for r in results),
        results=results,
        probes=load_texts(list(results)),
    )
    return page(replace(given, assessment=assessed, runs=(run,)))


def answers(*results: ItemResult) -> dict[str, str]:
    seen = _result(MARIADB, "durability", Outcome.PASSED)
    return {question: words(answer) for question, answer in told(MARIADB, seen, *results).restore_answers}


LAST = {"last": Instant(samples.CLOCK - timedelta(days=60)), "noted_in": Text("mysql.mariabackup_history")}
LOG_ON = _result(MARIADB, "binary-log", Outcome.PASSED)
LOG_OFF = replace(LOG_ON, outcome=Outcome.FINDING, message="none", ranking=Ranking(priority=Priority.P3))
BACKED_UP = _result(MARIADB, "backup-evidence", Outcome.PASSED, evidence=LAST)
UNSEEN = _result(MARIADB, "backup-evidence", Outcome.NOT_CHECKED, reason="the file says: `dump`")
TESTED = _result(MARIADB, "restore-test", Outcome.PASSED, evidence=LAST)
NO_RIGHT = replace(UNSEEN, reason="GRANT PROCESS ON *.* TO 'x'@'%'")


@pytest.mark.parametrize(
    ("results", "question", "answer"),
    [
        ([BACKED_UP], "Could you restore?", "Probably: "),
        ([BACKED_UP, LOG_ON], "To when?", "To 23 Sep"),
        ([BACKED_UP, LOG_OFF], "To when?", "To 23 Sep 2026: what was entered since would be lost."),
        ([LOG_OFF], "To when?", "To the last full back-up at best: nothing on this server shows"),
        ([UNSEEN], "Could you restore?", "Not seen: the file says: dump."),
        ([NO_RIGHT], "Could you restore?", "Not seen: the check-up's login lacks a right"),
        ([TESTED], "Was it tried?", "On 23 Sep 2026"),
        ([], "Was it tried?", "Not seen: the server records no restore."),
    ],
)
def test_each_question_of_the_back_up_story_has_an_answer(
    results: list[ItemResult], question: str, answer: str
) -> None:
    said = answers(*results)
    assert said[question].startswith(answer)
    assert all(said.values()) and len(said) == 5


def test_a_back_up_that_stopped_is_told_apart_from_none_at_all() -> None:
    ranked = Ranking(priority=Priority.P2)
    late = _result(MARIADB, "backup-evidence", Outcome.FINDING, message="late", ranking=ranked, evidence=LAST)
    assert told(MARIADB, late).recoverable == "at risk"
    assert told(MARIADB, replace(late, message="none")).recoverable == "no sign"


def test_where_the_story_was_not_seen_no_question_stays_open() -> None:
    story = _result(CLINIC, "restore-story", Outcome.NOT_CHECKED, reason=sql_samples.ALERTS)
    found = told(CLINIC, story, _result(CLINIC, "agent-running", Outcome.PASSED))
    assert "lacks a right" in found.restore_text and "GRANT" not in found.restore_text
    assert len(found.restore_answers) == 5 and found.figures[0].number == "not seen"


def test_a_database_that_is_not_judged_is_named_beside_the_others() -> None:
    def story(item: str, outcome: Outcome, **more: object) -> ItemResult:
        return replace(_result(CLINIC, "restore-story", outcome, **more), item=item)

    found = told(
        CLINIC,
        story("Ledger", Outcome.PASSED, evidence={"restorable_to": Instant(samples.CLOCK)}),
        story("Fresh", Outcome.NOT_APPLICABLE, reason="it was made less than a day ago"),
    )
    assert found.figures[0].number == "1 of 1"
    fresh = found.restore[-1]
    assert (fresh.database, fresh.answer) == ("Fresh", "Not judged")
    assert fresh.until == "It was made less than a day ago"


@pytest.mark.parametrize(
    ("target", "named", "kernel", "said"),
    [
        (MARIADB, "MariaDB 10.11.19", "MariaDB or MySQL 10.11.19", "MariaDB 10.11.19."),
        (MARIADB, "MySQL 8.4", "MariaDB or MySQL 8.4.3", "MySQL 8.4.3."),
        (POSTGRES, "PostgreSQL 15", "PostgreSQL 15.6", "PostgreSQL 15.6."),
        (POSTGRES, "PostgreSQL 15", "", "PostgreSQL 15."),
        (CLINIC, "SQL Server 2019", "SQL Server 15.0.4375.4", "SQL Server 2019, 15.0.4375.4."),
    ],
)
def test_the_release_says_its_name_once(target: Target, named: str, kernel: str, said: str) -> None:
    check = "support" if target is CLINIC else "supported-release"
    release = _result(target, check, Outcome.PASSED, evidence={"release": Text(named)})
    found = told(target, release, kernel=kernel)
    assert dict(found.facts)["Release"] == said
    assert found.kind == named.split()[0] if target is not CLINIC else found.kind == "SQL Server"


def test_databases_without_a_known_room_promise_none() -> None:
    size = Bytes(6 * 1024**3)
    grown = _result(MARIADB, "database-growth", Outcome.PASSED)
    evidence = {"size": size, "growth_a_month": Bytes(1024**3)}
    found = told(MARIADB, replace(grown, item="shop", evidence=evidence))
    assert [words(one.a_month) for one in found.databases] == ["1 GB"]
    assert not found.with_room and "limit" not in found.growth_text
    assert words(found.growth_text) == "Together its databases grow by 1 GB a month."
    assert "cannot see its disk" in found.figures[2].label


# --- the report as a whole --------------------------------------------------------------------


def test_every_check_of_the_page_adds_up() -> None:
    found = page(ONCE)
    planned = [check for check in ONCE.assessment.checks if check.target == CLINIC.id]
    assert found.totals.startswith(f"{len(planned)}\u00a0checks: ")


def test_an_instance_stands_on_its_page_only_and_its_numbers_too() -> None:
    view = build_view(ONCE)
    assert not view.systems and not view.quiet_systems
    assert not view.trends and not view.key_figures


def test_what_lacks_a_right_names_it_and_leaves_the_statement_to_the_page_of_the_instance() -> None:
    rows = [row for row in build_view(ONCE).not_checked if "lacks" in row.reason]
    assert any(row.reason.endswith("lacks SELECT ON dbo.sysalerts in msdb") for row in rows)
    assert all("GRANT" not in row.reason and "script" in row.takes for row in rows)


def test_several_instances_are_compared_first() -> None:
    view = build_view(sql_samples.several_instances())
    assert [one.recoverable for one in view.sql] == [
        "3 of 4",
        "0 of 4",
        "4 of 4",
        "3 of 4",
        "3 of 4",
        "not examined",
    ]
    html = render_html(view)
    assert "Could be restored" in html
    assert "<b>x</b>" not in html and "\u202e" not in html


def test_without_an_instance_there_is_nothing() -> None:
    view = build_view(samples.demo())
    assert view.sql == () and "sql" not in view.headings
    assert 'id="sql"' not in render_html(view)


def test_a_second_instance_of_the_same_name_has_an_anchor_of_its_own() -> None:
    given = report((CLINIC, plain), (instance("sql-2", "Clinical databases"), safe), visits=1)
    assert [one.anchor for one in build_view(given).sql] == ["sql-1", "sql-2"]
