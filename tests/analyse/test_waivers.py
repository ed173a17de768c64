from datetime import date

from checkup.analyse.waivers import Waiver, apply
from checkup.api import Ratio, Worse
from checkup.assessment import ItemResult, Outcome

IDS = {"host.space": "host.space", "disk.free": "host.space"}
TODAY = date(2026, 6, 1)


def finding(item: str = "/", value: float = 0.9) -> ItemResult:
    return ItemResult(
        probe="host.space",
        target="ws-1",
        item=item,
        outcome=Outcome.FINDING,
        value=Ratio(value),
        worse=Worse.HIGHER,
    )


def waiver(probe="host.space", target="ws-1", item=None, until=TODAY, accepted=None) -> Waiver:
    return Waiver(
        probe=probe,
        target=target,
        item=item,
        reason="ordered",
        approved_by="Alvarado",
        until=until,
        accepted=accepted,
    )


def waived(result: ItemResult, *waivers: Waiver, today: date = TODAY):
    return apply([result], waivers, IDS, today)[0][0].waived


def test_a_waiver_holds_on_its_last_day():
    kept = waived(finding(), waiver())
    assert kept is not None and kept.in_force


def test_a_lapsed_waiver_leaves_the_finding_marked_with_the_old_reason():
    lapsed = waived(finding(), waiver(), today=date(2026, 6, 2))
    assert lapsed is not None
    assert (lapsed.in_force, lapsed.reason) == (False, "ordered")


def test_a_finding_beyond_the_accepted_value_returns():
    accepted = waiver(accepted=0.95)
    states = [waived(finding(value=value), accepted) for value in (0.92, 0.96)]
    assert [state.in_force for state in states if state] == [True, False]


def test_an_alias_of_the_probe_still_matches():
    assert waived(finding(), waiver(probe="disk.free")) is not None


def test_item_and_target_must_match_where_they_are_given():
    assert waived(finding("/srv"), waiver(item="/")) is None
    assert waived(finding(), waiver(target="ws-2")) is None
    assert waived(finding(), waiver(target="*")) is not None


def test_a_waiver_that_meets_nothing_is_reported():
    other = waiver(item="/gone")
    assert apply([finding()], [other], IDS, TODAY)[1] == [other]


def test_only_findings_are_waived():
    passed = ItemResult(probe="host.space", target="ws-1", item="/", outcome=Outcome.PASSED)
    results, unused = apply([passed], [waiver()], IDS, TODAY)
    assert results == [passed] and unused
