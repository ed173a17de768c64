"""One visit's assessment: every planned check closed, ranked, waived and compared."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, cast

from checkup.analyse import trend, waivers
from checkup.analyse.facts import newest
from checkup.analyse.judge import History, Judged, World, judge_site, judge_target, scope_targets
from checkup.analyse.priority import Function, classify
from checkup.api import Impact, Point, Scope, Target, Visit, When
from checkup.assessment import (
    Assessment,
    CheckOutcome,
    ItemResult,
    Outcome,
    ProbeText,
    worst,
)
from checkup.catalogue import Catalogue, Entry, levels_in_force
from checkup.plan import PlannedCheck
from checkup.site import Site
from checkup.snapshot import SectionSnapshot


@dataclass(frozen=True, kw_only=True)
class Evidence:
    """What a visit left in the store: the union of its runs, and what came before it.

    `earlier` are the assessments of earlier visits, the newest first; `previous` the sections of
    the newest of them.
    """

    site: Site
    visit: Visit
    clock: datetime
    checks: Sequence[PlannedCheck]
    targets: Sequence[Target]
    sections: Sequence[SectionSnapshot]
    earlier: Sequence[Assessment] = ()
    previous: Sequence[SectionSnapshot] = ()


def assess(evidence: Evidence, catalogue: Catalogue, tool_version: str) -> Assessment:
    world = World(
        catalogue=catalogue,
        targets={target.id: target for target in evidence.targets},
        snapshots=newest(evidence.sections),
        now=evidence.clock,
        history=metric_history(evidence.earlier),
        previous=newest(evidence.previous),
        previous_at=evidence.earlier[0].clock if evidence.earlier else None,
    )
    judged = {check: _judge(check, world, evidence.site) for check in evidence.checks}
    results = [result for one in judged.values() for result in one.results]
    metrics = [metric for one in judged.values() for metric in one.metrics]
    tables = [table for one in judged.values() for table in one.tables]
    results = _ranked(results, evidence.site)
    results, unused = waivers.apply(
        results, _waivers(evidence.site), _ids(catalogue), evidence.site.day(evidence.clock)
    )
    results = trend.compare(results, evidence.earlier)
    return Assessment(
        site=evidence.site.site.id,
        visit=evidence.visit,
        clock=evidence.clock,
        tool_version=tool_version,
        targets=tuple(evidence.targets),
        checks=_outcomes(evidence, results, catalogue),
        results=tuple(results),
        metrics=tuple(metrics),
        tables=tuple(tables),
        resolved=tuple(trend.resolved(results, evidence.earlier)),
        compared_with=trend.comparison(evidence.earlier),
        unused_waivers=tuple(str(waiver) for waiver in unused),
        probes=_texts(evidence.checks, catalogue),
    )


def _judge(check: PlannedCheck, world: World, site: Site) -> Judged:
    entry = world.catalogue.entries.get(check.probe)
    if entry is None:
        gone = ItemResult(
            probe=check.probe,
            target=check.target,
            item="",
            outcome=Outcome.NOT_CHECKED,
            reason="this probe is no longer installed",
        )
        return Judged((gone,), ())
    if entry.probe.scope is Scope.SITE:
        levels = levels_in_force(entry.probe, site, Target(id="", kind="site"))
        return judge_site(entry, scope_targets(entry, world.targets.values()), levels, world)
    target = world.targets[check.target]
    return judge_target(entry, target, levels_in_force(entry.probe, site, target), world)


def _outcomes(
    evidence: Evidence, results: Sequence[ItemResult], catalogue: Catalogue
) -> tuple[CheckOutcome, ...]:
    items: dict[tuple[str, str], list[ItemResult]] = {}
    for result in results:
        items.setdefault((result.probe, result.target), []).append(result)
    targets = {target.id: target for target in evidence.targets}
    return tuple(
        CheckOutcome(
            probe=check.probe,
            target=check.target,
            outcome=worst(item.outcome for item in items.get((check.probe, check.target), ())),
            waived=_all_waived(items.get((check.probe, check.target), ())),
            levels=_own_levels(check, catalogue, evidence.site, targets),
        )
        for check in evidence.checks
    )


def _all_waived(items: Iterable[ItemResult]) -> bool:
    findings = [item for item in items if item.outcome is Outcome.FINDING]
    return bool(findings) and all(f.waived is not None and f.waived.in_force for f in findings)


def _own_levels(
    check: PlannedCheck, catalogue: Catalogue, site: Site, targets: Mapping[str, Target]
) -> dict[str, str]:
    """The levels in force that differ from the probe's defaults, for the annex of the report."""
    entry = catalogue.entries.get(check.probe)
    if entry is None:
        return {}
    target = targets.get(check.target, Target(id="", kind="site"))
    levels = levels_in_force(entry.probe, site, target)
    own = _different("", entry.probe.levels, levels.base)
    for item, in_force in levels.items.items():
        own |= _different(f"{item}: ", levels.base, in_force)
    return own


def _different(prefix: str, defaults: object, in_force: object) -> dict[str, str]:
    before, after = _level_texts(defaults), _level_texts(in_force)
    return {prefix + name: text for name, text in after.items() if before[name] != text}


def _level_texts(levels: Any) -> dict[str, str]:
    return {field.name: _level_text(getattr(levels, field.name)) for field in dataclasses.fields(levels)}


def _level_text(value: object) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return ", ".join(map(str, cast("tuple[object, ...]", value))) if isinstance(value, tuple) else str(value)


def _ranked(results: Iterable[ItemResult], site: Site) -> list[ItemResult]:
    functions = {
        name: Function(frozenset(function.needs), function.workaround or "")
        for name, function in site.functions.items()
    }
    return [
        replace(
            result,
            ranking=classify(
                result.impact or Impact.NOTE,
                result.when or When.LATER,
                (result.target, *result.targets),
                result.function,
                functions,
            ),
        )
        if result.outcome is Outcome.FINDING
        else result
        for result in results
    ]


def _waivers(site: Site) -> list[waivers.Waiver]:
    return [
        waivers.Waiver(
            probe=waiver.probe,
            target=waiver.target,
            item=waiver.item or None,
            reason=waiver.reason,
            approved_by=waiver.approved_by,
            until=waiver.until,
            accepted=waiver.accepted,
        )
        for waiver in site.waivers
    ]


def _ids(catalogue: Catalogue) -> Mapping[str, str]:
    return {
        name: entry.probe.id
        for entry in catalogue.entries.values()
        for name in (entry.probe.id, *entry.probe.aliases)
    }


def metric_history(assessments: Sequence[Assessment]) -> History:
    """Every metric's points, the oldest first; the assessments come newest first."""
    points: dict[tuple[str, str, str, str], list[Point]] = {}
    for assessment in reversed(assessments):
        for metric in assessment.metrics:
            points.setdefault(metric.key, []).append(Point(metric.collected_at, metric.value.value))
    return points


def _texts(checks: Sequence[PlannedCheck], catalogue: Catalogue) -> dict[str, ProbeText]:
    planned = dict.fromkeys(check.probe for check in checks)
    return {name: _text(catalogue.entries[name]) for name in planned if name in catalogue.entries}


def _text(entry: Entry) -> ProbeText:
    probe = entry.probe
    return ProbeText(
        id=probe.id,
        title=probe.title,
        why=probe.why,
        remedy=probe.remedy,
        verify=probe.verify,
        messages=dict(probe.messages),
        levels=_level_texts(probe.levels),
        references=probe.references,
        aliases=probe.aliases,
        linted=entry.linted,
    )
