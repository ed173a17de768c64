"""What the reader is told, and that the numbers agree with the lists."""

from dataclasses import replace
from datetime import timedelta

import pytest
import samples
from samples import GB, assessment, demo, finding, not_checked, passed, space

from checkup.api import ErrorClass, Ratio, Target, Visit, Worse
from checkup.assessment import Comparison, Priority, Ranking, Trend
from checkup.report.input import ReportInput
from checkup.report.model import ReportView
from checkup.report.systems import what_it_takes
from checkup.report.view import build_view

P1, P2, P3 = Priority.P1, Priority.P2, Priority.P3


def view(*results: object, **changes: object) -> ReportView:
    return build_view(replace(ReportInput(assessment=assessment(results), site=samples.site()), **changes))  # type: ignore[arg-type]


@pytest.mark.parametrize("given", [demo(), samples.empty(), samples.hostile(), samples.many_findings(60)])
def test_the_numbers_agree_with_the_lists(given: ReportInput) -> None:
    shown = build_view(given)
    totals = shown.totals
    assert totals.planned == totals.passed + totals.findings + totals.not_applicable + totals.not_checked
    for row in shown.counts:
        cards = [card for card in shown.cards if card.priority == row.priority]
        assert row.cards == len(cards)
        assert row.findings == sum(card.findings for card in cards)
        assert all(card.findings == len(card.places) + card.places_left_out for card in cards)
    assert len(shown.actions) + shown.actions_left == len(shown.cards)
    now = shown.before_and_now.rows[-1]
    assert now.total == str(sum(row.findings for row in shown.counts))
    assert len({card.anchor for card in shown.cards}) == len(shown.cards)


def test_every_check_of_the_demo_is_found_on_a_system() -> None:
    shown = build_view(demo())
    on_pages = sum(len(page.rows) + page.named_only + page.in_shared_rows for page in shown.systems)
    lines = sum(line.passed + line.not_applicable + line.not_checked for line in shown.quiet_systems)
    shared = sum(len(line.shared) for line in shown.quiet_systems)
    # Workstation 1 has an accepted finding beside the shared one.
    assert on_pages + lines + shared + 1 == shown.totals.planned


def test_the_same_matter_on_many_systems_is_one_card() -> None:
    shown = view(*(finding("host.updates", f"ws-{n}") for n in range(1, 8)))
    (card,) = shown.cards
    assert card.findings == len(card.places) == 7
    assert card.where == "Workstation 1 and 6\u00a0more"


def test_cards_come_in_the_order_of_urgency() -> None:
    shown = view(finding("a", "ws-1", P3), finding("b", "ws-1", P2), finding("c", "ws-2", P1))
    assert [card.priority for card in shown.cards] == ["P1", "P2", "P3"]
    assert [card.number for card in shown.cards] == ["F-01", "F-02", "F-03"]


def test_a_waiver_in_force_leaves_the_counts_and_a_lapsed_one_does_not() -> None:
    accepted = samples.Waived(
        reason="disk ordered", approved_by="R. Alvarado", until=samples.date(2027, 1, 31)
    )
    lapsed = replace(accepted, lapsed=True)
    shown = view(finding("a", "ws-1", P2, waived=accepted), finding("b", "ws-1", P2, waived=lapsed))
    assert [(row.reason, row.approved_by, row.until) for row in shown.waived] == [
        ("disk ordered", "R. Alvarado", "31\u00a0Jan\u00a02027")
    ]
    (card,) = shown.cards
    assert "this has lapsed" in card.places[0].marks[0]
    assert shown.totals.findings == 2


def test_an_outgrown_waiver_is_named_on_its_finding() -> None:
    waiver = samples.Waived(
        reason="known", approved_by="R. Alvarado", until=samples.date(2027, 1, 31), outgrown=True
    )
    (card,) = view(finding("a", "ws-1", waived=waiver)).cards
    assert "grown beyond" in card.places[0].marks[0]


def test_the_verdict_says_act_this_week_for_a_foreseen_standstill() -> None:
    shown = view(finding("a", "ws-1", P1, predicted=True))
    assert shown.verdict.urgent == "One matter can stop your work before the next visit: act this week."


def test_the_verdict_says_today_for_what_has_happened() -> None:
    assert "today" in view(finding("a", "ws-1", P1, predicted=False)).verdict.urgent


def test_without_findings_the_verdict_still_names_what_was_not_checked() -> None:
    refused = not_checked("b", "ws-2", "no answer", ErrorClass.UNREACHABLE)
    verdict = view(passed("a", "ws-1"), refused).verdict
    assert verdict.opening.startswith("Nothing that needs action was found in the 1\u00a0check made.")
    assert "could not be made" in verdict.opening


def test_nothing_examined_is_never_good_news() -> None:
    verdict = view(not_checked("a", "ws-1", "no answer", ErrorClass.UNREACHABLE)).verdict
    assert "Nothing could be examined" in verdict.opening
    assert "says nothing about the state of the site" in verdict.urgent
    assert "says nothing about the site" in build_view(samples.empty()).verdict.opening


def test_what_could_not_be_checked_is_grouped_with_what_it_would_take() -> None:
    rows = view(
        not_checked("a", "ws-1", "no answer", ErrorClass.UNREACHABLE),
        not_checked("b", "ws-1", "no answer", ErrorClass.UNREACHABLE),
        passed("a", "ws-2"),
        not_checked("b", "ws-2", "needs the group adm", ErrorClass.DENIED),
    ).not_checked
    assert [(row.where, row.checks, row.count) for row in rows] == [
        ("Workstation 1", "all 2\u00a0checks", 2),
        ("Workstation 2", "b", 1),
    ]
    assert rows[0].takes.startswith("Switch the machine on")
    assert rows[1].takes.startswith("The right to read this")


@pytest.mark.parametrize(
    ("kind", "error", "item", "reason", "takes"),
    [
        ("host", ErrorClass.UNREACHABLE, "", "no answer", "Switch the machine on"),
        ("sqlserver", ErrorClass.UNREACHABLE, "", "no answer", "Start the server, and open its port"),
        ("sqlserver", ErrorClass.UNREACHABLE, "old", "it is offline", "Bring the database online"),
        (
            "postgresql",
            ErrorClass.DENIED,
            "",
            'GRANT pg_monitor TO "x"',
            "Let the database administrator run",
        ),
        ("mariadb", ErrorClass.DENIED, "", "it may not", "The right to read this, for the login"),
        (
            "sqlserver",
            ErrorClass.UNSUPPORTED,
            "",
            "pip install pyodbc",
            "What the reason names, on the station",
        ),
        ("sqlserver", ErrorClass.QUOTA, "…", "7 more databases", "A look of its own"),
        ("sqlserver", ErrorClass.AUTH, "", "refused", "A valid login"),
        ("sqlserver", ErrorClass.DROPPED, "", "it broke", "A steadier connection"),
        ("sqlserver", None, "", "no rows", "See the reason"),
    ],
)
def test_what_it_takes_is_said_in_the_words_of_what_was_asked(
    kind: str, error: ErrorClass | None, item: str, reason: str, takes: str
) -> None:
    result = replace(not_checked("a", "x", reason, error), item=item)
    assert what_it_takes(kind, result).startswith(takes)


def test_an_item_not_checked_beside_a_finding_is_listed_too() -> None:
    rows = view(
        finding("a", "ws-1", item="/"), replace(not_checked("a", "ws-1", "stale", None), item="/mnt")
    ).not_checked
    assert [row.checks for row in rows] == ["a (/mnt)"]


def test_changes_come_worst_first_and_resolved_ones_are_named() -> None:
    shown = build_view(demo())
    assert [group.title for group in shown.changes] == [
        "Got worse",
        "Came back",
        "New",
        "Still open",
        "Better, still open",
        "Resolved",
    ]
    assert shown.changes[0].changes[0].state == "Worse (was 84\u00a0%)"
    counted = sum(group.findings for group in shown.changes if group.title != "Resolved")
    assert counted == sum(row.findings for row in shown.counts)


def test_a_first_check_up_has_nothing_to_compare_with() -> None:
    given = replace(demo(), assessment=replace(demo().assessment, compared_with=None))
    shown = build_view(given)
    assert not shown.changes
    assert "changes" not in shown.headings
    assert len(shown.before_and_now.rows) == 1
    assert "none before it" in shown.before_and_now_caption


def test_fewer_findings_than_before_are_said_to_have_fallen() -> None:
    judged = replace(
        assessment([finding("a", "ws-1")]),
        compared_with=Comparison(visit=Visit.TUNE_UP, at=samples.LAST_VISIT, counts={"P2": 3}),
    )
    caption = build_view(ReportInput(assessment=judged, site=samples.site())).before_and_now_caption
    assert caption.startswith("Findings fell from 3 to 1")


def test_an_unranked_finding_is_shown_for_decision() -> None:
    shown = view(replace(finding("a", "ws-1"), ranking=None))
    assert shown.cards[0].priority == "P2"
    assert "to be decided" in shown.cards[0].ranking
    assert shown.changes[0].changes[0].number == "F-01"


def test_the_state_tells_how_long_it_is_open() -> None:
    shown = view(replace(finding("a", "ws-1"), trend=Trend.PERSISTS, visits_seen=3))
    assert shown.cards[0].state == "Open, 3\u00a0visits"


def test_a_measured_value_is_drawn_against_its_level() -> None:
    result = replace(
        finding("host.volume-space", "srv-db", P2, item="/", evidence=space(0.93, 400 * GB)),
        value=Ratio(0.93),
        worse=Worse.HIGHER,
    )
    (page,) = view(result).systems
    (row,) = page.rows
    assert row.bar is not None
    assert row.level == "90\u00a0%"
    assert row.found == "Volume / is 93\u00a0% full: 28\u00a0GB free of 400\u00a0GB."


def test_the_clock_is_not_judged_within_its_error_bar() -> None:
    clocks = {row.endpoint: row.clock for row in build_view(demo()).reached}
    assert clocks["srv-db"] == "right, within\u00a050\u00a0ms"
    assert clocks["srv-if"] == "4.2\u00a0s ahead ± 50\u00a0ms"
    assert clocks["ws-9"] == ""


def test_probes_without_the_stamp_are_named() -> None:
    assert build_view(demo()).unlinted == ("host.accounts",)


def test_the_ledger_says_the_date_once_a_day() -> None:
    (day,) = build_view(demo()).ledger
    assert len(day.lines) == 13
    assert "sent    23,480" in day.lines[0]
    assert "no end" in next(line for line in day.lines if "ws-9" in line)


def test_what_was_sent_again_and_again_is_one_line_that_says_how_often() -> None:
    given = demo()
    line = given.ledger[0]
    again = [replace(line, at=line.at + timedelta(minutes=minute)) for minute in range(60)]
    (day,) = build_view(replace(given, ledger=tuple(again))).ledger
    (only,) = day.lines
    assert f"sent {60 * line.sent_bytes:>9,}" in only and ", 60 times until " in only


def test_many_runs_of_one_kind_are_one_line_and_each_endpoint_one_row() -> None:
    given = demo()
    run = given.runs[0]
    runs = [
        replace(run, run_id=f"r-{hour}", started_at=run.started_at + timedelta(hours=hour))
        for hour in range(9)
    ]
    view = build_view(replace(given, runs=tuple(runs)))
    (said,) = view.runs
    assert said.startswith("9\u00a0runs (") and "r-0 to r-8" in said
    assert len(view.reached) == len(run.endpoints)
    assert all(row.when.startswith("9\u00a0times, ") for row in view.reached)


@pytest.mark.parametrize(
    ("remedy", "action"),
    [
        ("Ask the maker. Then wait.", "Ask the maker."),
        ("BACKUP LOG [name] TO DISK = N'x' every hour.", "See to it that all is well."),
        ("Every week: DBCC CHECKDB ([name]).", "See to it that all is well."),
        ("In my.cnf set sync_binlog to 1.", "See to it that all is well."),
        ("", "See to it that all is well."),
    ],
)
def test_the_summary_shows_no_commands(remedy: str, action: str) -> None:
    given = demo()
    probes = {
        name: replace(probe, title="All is well", remedy=remedy)
        for name, probe in given.assessment.probes.items()
    }
    view = build_view(replace(given, assessment=replace(given.assessment, probes=probes)))
    assert {card.action for card in view.cards} == {action}


def test_a_chart_needs_three_measurements() -> None:
    long, *_ = samples.history()
    short = replace(long, points=long.points[:2])
    assert view(passed("a", "ws-1"), history=(long,)).trends
    shown = view(passed("a", "ws-1"), history=(short,))
    assert not shown.trends
    assert len(shown.key_figures) == 1


def test_the_caption_of_a_forecast_gives_a_range() -> None:
    (trend,) = build_view(demo()).trends
    assert (
        "reaches 400\u00a0GB about 28\u00a0Mar\u00a02027 (between 28\u00a0Feb\u00a02027 and" in trend.caption
    )


def test_site_wide_findings_have_a_place() -> None:
    shown = view(finding("site.drift", ""))
    assert shown.cards[0].where == "the whole site"
    assert any(page.title == "the whole site" for page in shown.systems)


def test_a_finding_that_all_share_makes_no_table_for_each() -> None:
    targets = [Target(id=f"ws-{n}") for n in range(10)]
    judged = assessment([finding("host.updates", target.id) for target in targets], targets=targets)
    shown = build_view(ReportInput(assessment=judged, site=samples.site()))
    assert not shown.systems
    assert all([r.number for r in line.shared] == ["F-01"] for line in shown.quiet_systems)


def test_own_ranking_words_reach_the_card() -> None:
    ranked = replace(
        finding("a", "ws-1", P2),
        ranking=Ranking(priority=P2, because="adt-lookup is prevented", workaround="register by hand"),
    )
    (card,) = view(ranked).cards
    assert card.ranking == "Adt-lookup is prevented"
    assert card.workaround == "register by hand"
