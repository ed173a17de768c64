from itertools import product

import pytest

from checkup.analyse.priority import Function, classify
from checkup.api import RECOVERABILITY, SUPPORTABILITY, Impact, When
from checkup.assessment import Priority

ENTRY = {"case-entry": Function(frozenset({"srv"}), "")}
ADT = {"adt": Function(frozenset({"srv"}), "register by hand")}


def priority(impact: Impact, when: When = When.NOW, functions=ENTRY, function: str = ""):
    return classify(impact, when, ["srv"], function, functions)


def test_only_all_four_tests_of_the_contract_make_a_p1():
    p1 = [
        (impact, when, functions is ENTRY)
        for impact, when, functions in product(Impact, When, (ENTRY, ADT))
        if priority(impact, when, functions).priority is Priority.P1
    ]
    assert p1 == [(Impact.DOWN, When.NOW, True), (Impact.DOWN, When.BEFORE_NEXT_VISIT, True)]


def test_a_forecast_is_a_predicted_p1_without_clocks():
    assert not priority(Impact.DOWN, When.NOW).predicted
    assert priority(Impact.DOWN, When.BEFORE_NEXT_VISIT).predicted


def test_a_stale_backup_is_a_p2_because_one_can_be_taken_now():
    ranking = priority(Impact.MAJOR, When.NOW, function=RECOVERABILITY)
    assert (ranking.priority, ranking.workaround) == (Priority.P2, "take a back-up now")


def test_no_way_in_is_a_p2_with_a_workaround():
    ranking = priority(Impact.MAJOR, When.NOW, functions={}, function=SUPPORTABILITY)
    assert (ranking.priority, ranking.needs_decision) == (Priority.P2, False)


def test_a_major_function_down_without_workaround_is_for_the_engineer_to_decide():
    ranking = priority(Impact.MAJOR, When.NOW)
    assert (ranking.priority, ranking.needs_decision) == (Priority.P2, True)


def test_the_workaround_of_a_function_lowers_an_outage_to_p2():
    assert priority(Impact.DOWN, functions=ADT).priority is Priority.P2


def test_a_machine_that_no_function_needs_is_a_p3():
    assert classify(Impact.MAJOR, When.NOW, ["spare"], "", ENTRY).priority is Priority.P3


def test_without_declared_functions_the_application_as_a_whole_is_meant():
    assert classify(Impact.MAJOR, When.NOW, ["spare"], "", {}).priority is Priority.P2


@pytest.mark.parametrize(
    ("impact", "expected"), [(Impact.LIMITED, Priority.P3), (Impact.NOTE, Priority.NOTE)]
)
def test_small_things_stay_small(impact: Impact, expected: Priority):
    assert {priority(impact, when, f).priority for when in When for f in (ENTRY, ADT, {})} == {expected}


def test_every_ranking_says_why():
    assert all(priority(i, w, f).because for i, w, f in product(Impact, When, (ENTRY, ADT, {})))


def test_a_finding_of_the_whole_site_hits_what_its_machines_are_needed_for():
    assert classify(Impact.MAJOR, When.NOW, ["", "srv"], "", ENTRY).priority is Priority.P2
    assert classify(Impact.MAJOR, When.NOW, ["", "spare"], "", ENTRY).priority is Priority.P3
