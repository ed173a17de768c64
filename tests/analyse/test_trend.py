from dataclasses import replace
from datetime import UTC, datetime

from checkup.analyse import trend
from checkup.api import Ratio, Visit, Worse
from checkup.assessment import Assessment, ItemResult, Outcome, Priority, Ranking, Trend


def result(outcome=Outcome.FINDING, value=0.9, source="posix", item="/", priority=Priority.P3, **more):
    return ItemResult(
        probe="host.space",
        target="srv",
        item=item,
        outcome=outcome,
        source=source,
        value=Ratio(value) if outcome is Outcome.FINDING else None,
        worse=Worse.HIGHER,
        ranking=Ranking(priority=priority) if outcome is Outcome.FINDING else None,
        **more,
    )


def visit(*results: ItemResult, month: int = 1) -> Assessment:
    return Assessment(
        site="s",
        visit=Visit.SIX_MONTH,
        clock=datetime(2026, month, 1, tzinfo=UTC),
        tool_version="0",
        targets=(),
        checks=(),
        results=results,
        metrics=(),
    )


PASSED = result(Outcome.PASSED)
UNKNOWN = result(Outcome.NOT_CHECKED)


def state(now: ItemResult, *earlier: Assessment) -> Trend | None:
    return trend.compare([now], earlier)[0].trend


def test_states():
    now = result()
    assert state(now) is Trend.FIRST
    assert state(now, visit(PASSED)) is Trend.NEW
    assert state(now, visit(result())) is Trend.PERSISTS
    assert state(now, visit(result(value=0.8))) is Trend.WORSENED
    assert state(now, visit(result(value=0.97))) is Trend.IMPROVED
    assert state(now, visit(result(priority=Priority.P2, value=0.5))) is Trend.IMPROVED
    assert state(now, visit(PASSED), visit(result())) is Trend.REOPENED
    assert state(now, visit()) is Trend.NOT_COMPARABLE
    assert state(now, visit(result(source="local"))) is Trend.NOT_COMPARABLE


def test_a_visit_that_could_not_look_is_passed_over():
    assert state(result(), visit(UNKNOWN), visit(result(visits_seen=2))) is Trend.PERSISTS
    seen = trend.compare([result()], [visit(UNKNOWN), visit(result(visits_seen=2))])[0]
    assert seen.visits_seen == 3


def test_resolved_only_when_the_same_probe_passed_by_the_same_method():
    before = [visit(result())]
    assert [r.item for r in trend.resolved([PASSED], before)] == ["/"]
    assert not list(trend.resolved([UNKNOWN], before))
    assert not list(trend.resolved([replace(PASSED, source="local")], before))
    assert not list(trend.resolved([], before))
    assert not list(trend.resolved([replace(PASSED, item="/other")], before))


def test_a_pass_of_the_whole_target_resolves_its_items():
    assert list(trend.resolved([replace(PASSED, item="")], [visit(result(item="unit-x"))]))


def test_what_was_resolved_a_visit_ago_is_not_news():
    assert not list(trend.resolved([PASSED], [visit(PASSED), visit(result())]))


def test_a_partial_run_in_between_does_not_hide_what_was_resolved():
    assert list(trend.resolved([PASSED], [visit(UNKNOWN), visit(result())]))


def test_the_comparison_counts_what_is_not_waived():
    compared = trend.comparison([visit(result(), result(item="/b", priority=Priority.P2))])
    assert compared is not None
    assert compared.counts == {"P1": 0, "P2": 1, "P3": 1, "note": 0}
