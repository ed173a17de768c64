"""The truth table of design section 7: what the engine makes of each quality, and of bad probes."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from types import ModuleType
from typing import Any

import pytest

from checkup.analyse.judge import World, judge_site, judge_target
from checkup.api import (
    JSON,
    Context,
    Finding,
    Impact,
    Metric,
    NotApplicable,
    Number,
    Passed,
    PerTarget,
    Probe,
    Quality,
    Ratio,
    Result,
    Scope,
    Section,
    Shell,
    Step,
    Target,
    Text,
    Worse,
    judge,
)
from checkup.assessment import ItemResult, Outcome
from checkup.catalogue import LevelsInForce, build
from checkup.snapshot import SectionSnapshot

NOW = datetime(2026, 6, 1, tzinfo=UTC)


@dataclass(frozen=True)
class Load:
    value: float


@dataclass(frozen=True)
class Name:
    text: str


@dataclass(frozen=True)
class Both:
    load: Load
    name: Name | None


@dataclass(frozen=True)
class Levels:
    high: float = 5.0


def parse_load(raw: JSON, source: str, version: int) -> Load:
    return Load(float(str(raw)))


def parse_name(raw: JSON, source: str, version: int) -> Name:
    return Name(str(raw))


load = Section(name="load", facts=Load, collect={"posix": Shell("uptime")}, parse=parse_load)
name = Section(name="name", facts=Name, collect={"posix": Shell("hostname")}, parse=parse_name)


def check_load(facts: Load, levels: Levels, ctx: Context) -> Iterator[Result]:
    steps = (Step(levels.high, Impact.LIMITED),)
    yield from judge("load", Number(facts.value), steps, worse=Worse.HIGHER, message="high")


def probe(check: Any = check_load, **more: Any) -> Probe[Any]:
    return Probe(
        id="test.load",
        title="The load is low",
        check=check,
        levels=more.pop("levels", Levels()),
        messages={"high": "{load}"},
        why="w",
        remedy="r",
        verify="v",
        **more,
    )


def section(
    section: str = "load", raw: JSON = "1", quality: Quality = Quality.OK, target: str = "a", **more: Any
):
    return SectionSnapshot(
        target=target,
        section=section,
        version=1,
        source="posix",
        quality=quality,
        collected_at=NOW,
        raw=raw,
        **more,
    )


def world(*sections: SectionSnapshot, the_probe: Probe[Any] | None = None) -> tuple[World, Any]:
    module = ModuleType("sample")
    vars(module).update(load=load, name=name, probe=the_probe or probe())
    catalogue = build([module])
    snapshots = {(s.target, s.section): s for s in sections}
    made = World(catalogue=catalogue, targets={}, snapshots=snapshots, now=NOW, history={}, previous={})
    return made, catalogue.entries["test.load"]


def judged(
    *sections: SectionSnapshot, the_probe: Probe[Any] | None = None, levels: Any = None
) -> list[ItemResult]:
    made, entry = world(*sections, the_probe=the_probe)
    in_force = levels or LevelsInForce(entry.probe.levels, {})
    return list(judge_target(entry, Target(id="a"), in_force, made).results)


def only(*sections: SectionSnapshot, **more: Any) -> ItemResult:
    (result,) = judged(*sections, **more)
    return result


def test_ok_facts_pass_or_are_a_finding():
    assert only(section(raw="1")).outcome is Outcome.PASSED
    found = only(section(raw="7"))
    assert (found.outcome, found.impact, found.message) == (Outcome.FINDING, Impact.LIMITED, "high")
    assert found.evidence["limit"] == Number(5.0)


@pytest.mark.parametrize(
    "quality",
    [Quality.DENIED, Quality.FILTERED, Quality.TIMEOUT, Quality.BAD_OUTPUT, Quality.UNREACHABLE],
)
def test_could_not_look_is_not_checked(quality: Quality):
    result = only(section(raw="1", quality=quality, reason="because"))
    assert (result.outcome, result.reason) == (Outcome.NOT_CHECKED, "because")
    assert result.error is not None


@pytest.mark.parametrize("quality", [Quality.ABSENT, Quality.UNSUPPORTED])
def test_what_is_not_there_is_not_applicable(quality: Quality):
    assert only(section(quality=quality, reason="no such thing")).outcome is Outcome.NOT_APPLICABLE


def test_partial_facts_keep_findings_and_never_pass():
    assert only(section(raw="7", quality=Quality.PARTIAL)).outcome is Outcome.FINDING
    assert only(section(raw="1", quality=Quality.PARTIAL)).outcome is Outcome.NOT_CHECKED


def without(facts: Load, levels: Levels, ctx: Context) -> Iterator[Result]:
    yield NotApplicable(reason="there is none")


def test_what_was_not_seen_in_partial_facts_may_be_there():
    whole = only(section(), the_probe=probe(without))
    part = only(section(quality=Quality.PARTIAL, reason="one list is missing"), the_probe=probe(without))
    assert whole.outcome is Outcome.NOT_APPLICABLE
    assert (part.outcome, part.reason) == (Outcome.NOT_CHECKED, "there is none; one list is missing")


def test_a_missing_section_is_not_checked():
    assert only().outcome is Outcome.NOT_CHECKED


def test_what_the_parser_cannot_read_is_bad_output():
    result = only(section(raw="<html>"))
    assert (result.outcome, result.error) == (Outcome.NOT_CHECKED, "bad_output")
    assert "<html>" not in result.reason


def raises(facts: Load, levels: Levels, ctx: Context) -> Iterator[Result]:
    yield Passed()
    raise RuntimeError("patient 4711")


def silent(facts: Load, levels: Levels, ctx: Context) -> Iterator[Result]:
    return iter(())


def twice(facts: Load, levels: Levels, ctx: Context) -> Iterator[Result]:
    yield Passed(item="x")
    yield Passed(item="x")


def endless(facts: Load, levels: Levels, ctx: Context) -> Iterator[Result]:
    n = 0
    while True:
        n += 1
        yield Passed(item=str(n))


def test_a_probe_that_raises_is_not_checked_and_its_words_stay_out():
    result = only(section(), the_probe=probe(raises))
    assert result.outcome is Outcome.NOT_CHECKED
    assert "4711" not in str(result)


def test_a_probe_that_says_nothing_is_not_checked():
    assert only(section(), the_probe=probe(silent)).outcome is Outcome.NOT_CHECKED


def test_two_results_for_one_item_are_not_checked():
    assert only(section(), the_probe=probe(twice)).outcome is Outcome.NOT_CHECKED


def test_a_probe_without_end_is_cut_off_and_says_so():
    results = judged(section(), the_probe=probe(endless))
    assert len(results) < 600
    assert results[-1].outcome is Outcome.NOT_CHECKED


def takes_both(facts: Both, levels: Levels, ctx: Context) -> Iterator[Result]:
    yield Passed(evidence={"name": Text(facts.name.text if facts.name else "unknown")})


def test_an_optional_section_does_not_block_a_pass():
    both = probe(takes_both)
    assert only(section(), the_probe=both).evidence["name"] == Text("unknown")
    assert only(section(), section("name", "srv"), the_probe=both).evidence["name"] == Text("srv")
    assert only(section("name", "srv"), the_probe=both).outcome is Outcome.NOT_CHECKED


def per_item(facts: Load, levels: Levels, ctx: Context) -> Iterator[Result]:
    for item in ("x", "y"):
        yield from judge(
            "load",
            Number(facts.value),
            (Step(levels.high, Impact.LIMITED),),
            worse=Worse.HIGHER,
            message="high",
            item=item,
        )


def test_levels_of_one_item_hold_for_that_item_only():
    levels = LevelsInForce(Levels(5), {"y": Levels(9)})
    results = judged(section(raw="7"), the_probe=probe(per_item), levels=levels)
    assert {r.item: r.outcome for r in results} == {"x": Outcome.FINDING, "y": Outcome.PASSED}


def hostile(facts: Load, levels: Levels, ctx: Context) -> Iterator[Result]:
    yield Finding(
        impact=Impact.NOTE,
        message="high",
        item="\x1b[31m<b>\u202e" + "x" * 9999,
        evidence={"t": Text("\x00\ud800")},
    )


def test_what_a_machine_says_is_cleaned_and_bounded():
    result = only(section(), the_probe=probe(hostile))
    assert "\x1b" not in result.item and len(result.item) <= 300
    assert result.evidence["t"] == Text("‹U+0000›‹U+D800›")


def test_metrics_are_kept_apart():
    made, entry = world(section(raw="7"))
    metrics = judge_target(entry, Target(id="a"), LevelsInForce(Levels(), {}), made).metrics
    assert [(m.name, m.value) for m in metrics] == [("load", Number(7.0))]


def compare_all(facts: PerTarget[Load], levels: Levels, ctx: Context) -> Iterator[Result]:
    if len({f.value for f in facts.values()}) > 1:
        yield Finding(impact=Impact.LIMITED, message="high", item="load")
    else:
        yield Passed(item="load")


SITE = probe(compare_all, scope=Scope.SITE)


def site(*sections: SectionSnapshot) -> dict[str, Outcome]:
    made, entry = world(*sections, the_probe=SITE)
    targets = [Target(id="a"), Target(id="b")]
    return {r.item: r.outcome for r in judge_site(entry, targets, LevelsInForce(Levels(), {}), made).results}


def test_a_site_check_passes_only_when_no_target_is_missing():
    assert site(section(), section(target="b")) == {"load": Outcome.PASSED}
    assert site(section(), section(target="b", raw="2")) == {"load": Outcome.FINDING}
    assert site(section(), section(target="b", quality=Quality.DENIED)) == {
        "load": Outcome.NOT_CHECKED,
        "b": Outcome.NOT_CHECKED,
    }
    assert site(section(quality=Quality.ABSENT), section(target="b", quality=Quality.ABSENT)) == {
        "": Outcome.NOT_APPLICABLE
    }


def remembers(facts: Load, levels: Levels, ctx: Context) -> Iterator[Result]:
    before = ctx.previous(Load)
    yield NotApplicable(reason=f"before: {before.value if before else None}")


def test_a_check_sees_the_facts_of_the_visit_before_only_by_the_same_method():
    made, entry = world(section(), the_probe=probe(remembers))
    same = replace(made, previous={("a", "load"): section(raw="3")})
    other = replace(made, previous={("a", "load"): replace(section(raw="3"), source="local")})
    for seen, expected in ((same, "before: 3.0"), (other, "before: None"), (made, "before: None")):
        (result,) = judge_target(entry, Target(id="a"), LevelsInForce(Levels(), {}), seen).results
        assert result.reason == expected


def test_metric_and_ratio_values_keep_their_unit():
    assert Metric(name="m", value=Ratio(0.5)).value.kind == "ratio"
