"""Where a finding's thresholds come from: the probe's own, or the site file's in their place."""

from __future__ import annotations

from dataclasses import replace

from samples import assessment, finding

from checkup.report.levels import levels_in_force, levels_text

PROBE = "host.volume-space"
DEFAULT = "default: tight\u00a00.8 · full\u00a00.9"


def said(targets: list[str], own: dict[str, dict[str, str]]) -> str:
    made = assessment([finding(PROBE, target) for target in targets])
    checks = [
        replace(one, levels=own.get(one.target, {})) if one.probe == PROBE else one for one in made.checks
    ]
    return levels_in_force(PROBE, targets, replace(made, checks=tuple(checks)), str.upper)


def test_thresholds_are_the_defaults_where_the_site_file_says_nothing() -> None:
    assert said(["ws-1", "ws-2"], {}) == DEFAULT


def test_those_of_the_site_file_are_named_with_the_places_that_they_hold_for() -> None:
    own = {"tight": "0.5"}
    assert said(["ws-1", "ws-2"], {"ws-1": own, "ws-2": own}) == f"{DEFAULT}; site file: tight\u00a00.5"
    assert said(["ws-1", "ws-2"], {"ws-2": own}) == f"{DEFAULT}; site file for WS-2: tight\u00a00.5"
    # What holds for another machine is no matter of this finding.
    assert said(["ws-1"], {"ws-2": own}) == DEFAULT


def test_a_probe_without_thresholds_says_nothing() -> None:
    made = assessment([finding("host.reachable", "ws-1")])
    assert levels_in_force("host.reachable", ["ws-1"], made, str.upper) == ""


def test_a_whole_number_has_no_decimals() -> None:
    levels = {"late_days": "14.0", "tight": "0.05", "release": "10.0.1", "least": "2000"}
    shown = levels_text(levels.items()).replace("\u00a0", " ")
    assert shown == "late days 14 · tight 0.05 · release 10.0.1 · least 2000"
