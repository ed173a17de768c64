"""Runs the planned checks on the facts and closes every one of them.

The engine, not the probe's author, says what "not checked" is: a section that is missing, denied,
timed out, filtered or unreadable, a probe that raised, and a probe that said nothing. `Passed`
stands only on facts of quality ok.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from itertools import islice
from typing import Any, cast

from checkup.analyse.facts import Facts, Snapshots, read
from checkup.analyse.forecast import forecast
from checkup.api import (
    ErrorClass,
    Finding,
    Forecast,
    Matrix,
    Metric,
    Missing,
    NotApplicable,
    NotChecked,
    NotEnoughHistory,
    Passed,
    PerTarget,
    Point,
    Quality,
    Result,
    Scope,
    SqlFacts,
    Target,
    Text,
    Value,
)
from checkup.assessment import ItemResult, MetricPoint, Outcome, Table
from checkup.catalogue import AnySection, Catalogue, Entry, LevelsInForce, applies
from checkup.clean import clean, clean_line

# A probe that finds more than this on one target is cut off, and says so.
MOST_RESULTS = 500
MOST_COLUMNS = 40
MOST_NAMED = 5
NO_RESULT = "the probe gave no result"

History = Mapping[tuple[str, str, str, str], Sequence[Point]]  # by probe, target, metric, item


@dataclass(frozen=True, kw_only=True, slots=True)
class World:
    """All that the checks of one analysis are judged on."""

    catalogue: Catalogue
    targets: Mapping[str, Target]
    snapshots: Snapshots
    now: datetime
    history: History
    previous: Snapshots
    previous_at: datetime | None = None
    parsed: dict[tuple[str, str], Facts] = field(default_factory=dict[tuple[str, str], Facts])

    def facts(self, section: AnySection, target: str) -> Facts:
        """Parsed once, however many probes ask."""
        key = (target, section.name)
        if key not in self.parsed:
            self.parsed[key] = read(section, self.snapshots.get(key))
        return self.parsed[key]


@dataclass(frozen=True, kw_only=True, slots=True)
class CheckContext:
    """What api.Context promises, for one probe on one target."""

    world: World
    probe: str
    target: Target
    collected_at: datetime
    sources: Mapping[str, str]

    @property
    def now(self) -> datetime:
        return self.world.now

    @property
    def previous_at(self) -> datetime | None:
        return self.world.previous_at

    def history(self, metric: str, item: str = "") -> Sequence[Point]:
        return self.world.history.get((self.probe, self.target.id, metric, item), ())

    def previous(self, facts: type[Any]) -> Any:
        section = next((s for s in self.world.catalogue.sections.values() if s.facts is facts), None)
        if section is None:
            return None
        before = read(section, self.world.previous.get((self.target.id, section.name)))
        comparable = before.usable and before.source == self.sources.get(section.name)
        return before.value if comparable else None

    def forecast(
        self, metric: str, current: float, limit: float, item: str = ""
    ) -> Forecast | NotEnoughHistory:
        return forecast([*self.history(metric, item), Point(self.collected_at, current)], limit)


@dataclass(frozen=True, slots=True)
class Judged:
    results: tuple[ItemResult, ...]
    metrics: tuple[MetricPoint, ...]
    tables: tuple[Table, ...] = ()


def judge_target(entry: Entry, target: Target, levels: LevelsInForce, world: World) -> Judged:
    """One target-scope check."""
    facts = {need.section.name: world.facts(need.section, target.id) for need in entry.needs}
    blocked = _blocked(entry, target.id, facts)
    if blocked is not None:
        return Judged((blocked,), ())
    values = {
        need.field: facts[need.section.name].value if facts[need.section.name].usable else None
        for need in entry.needs
    }
    given = entry.needs_type(**values) if entry.needs_type else values[""]
    sources = {name: f.source for name, f in facts.items() if f.usable}
    context = _context(entry, target, facts.values(), sources, world)
    partial = any(f.quality is Quality.PARTIAL for f in facts.values())
    judged = _closed(entry, target.id, given, levels, context, partial, _reason(facts.values()))
    return _without_databases(entry, target.id, judged, facts.values())


def judge_site(entry: Entry, targets: Sequence[Target], levels: LevelsInForce, world: World) -> Judged:
    """One site-scope check: each target without facts is a not-checked item, and then nothing passes."""
    section = entry.needs[0].section
    facts = {target.id: world.facts(section, target.id) for target in targets}
    usable = {name: f.value for name, f in facts.items() if f.usable}
    missing = [
        _not_checked(entry, "", name, f)
        for name, f in facts.items()
        if not f.usable and f.quality not in (Quality.ABSENT, Quality.UNSUPPORTED)
    ]
    if not usable:
        nothing = ItemResult(
            probe=entry.probe.id,
            target="",
            item="",
            outcome=Outcome.NOT_APPLICABLE,
            reason="no target has these facts",
        )
        return Judged(tuple(missing) or (nothing,), ())
    site = Target(id="", kind="site")
    sources = {section.name: "+".join(sorted({f.source for f in facts.values() if f.usable}))}
    context = _context(entry, site, facts.values(), sources, world)
    databases = {f"{name}: {database}": why for name, f in facts.items() for database, why in _missing(f)}
    partial = bool(missing or databases) or any(f.quality is Quality.PARTIAL for f in facts.values())
    names = ", ".join(result.item for result in missing[:MOST_NAMED]) + (
        ", …" if len(missing) > MOST_NAMED else ""
    )
    reason = f"not compared with {names}" if missing else _reason(facts.values())
    if databases and not missing:
        reason = f"could not look into {_some(databases)}"
    known = {target.id: target for target in targets if target.id in usable}
    judged = _closed(entry, "", PerTarget(usable, known), levels, context, partial, reason)
    return replace(judged, results=(*judged.results, *missing))


def _missing(facts: Facts) -> Iterable[tuple[str, Missing]]:
    """The databases that these facts lack."""
    value: Any = facts.value
    return cast("SqlFacts[Any]", value).missing.items() if isinstance(value, SqlFacts) else ()


def _some(names: Iterable[str]) -> str:
    listed = list(names)
    return ", ".join(listed[:MOST_NAMED]) + (", …" if len(listed) > MOST_NAMED else "")


def _without_databases(entry: Entry, target: str, judged: Judged, facts: Iterable[Facts]) -> Judged:
    """A database that could not be looked into is not checked, and then nothing good is said of the
    instance as a whole."""
    missing: dict[str, tuple[Facts, Missing]] = {}
    for one in facts:
        for database, why in _missing(one):
            missing.setdefault(clean_line(database), (one, why))
    if not missing:
        return judged
    reason = f"could not look into {_some(missing)}"
    results = {
        result.item: replace(result, outcome=Outcome.NOT_CHECKED, reason=reason)
        if result.outcome in (Outcome.PASSED, Outcome.NOT_APPLICABLE) and not result.item
        else result
        for result in judged.results
        if result.item or result.reason != NO_RESULT
    }
    for database, (one, why) in missing.items():
        unknown = _not_checked(entry, target, database, replace(one, reason=why.reason, error=why.error))
        found = results.get(database)
        # What another section of the check saw of the database stands, but for a pass.
        if found is None or found.outcome is Outcome.PASSED:
            results[database] = unknown
    return replace(judged, results=tuple(results.values()))


def _context(
    entry: Entry, target: Target, facts: Iterable[Facts], sources: Mapping[str, str], world: World
) -> CheckContext:
    times = [f.collected_at for f in facts if f.usable and f.collected_at]
    return CheckContext(
        world=world,
        probe=entry.probe.id,
        target=target,
        collected_at=min(times, default=world.now),
        sources=sources,
    )


def _reason(facts: Iterable[Facts]) -> str:
    return "; ".join(dict.fromkeys(f.reason for f in facts if f.quality is Quality.PARTIAL and f.reason))


def _blocked(entry: Entry, target: str, facts: Mapping[str, Facts]) -> ItemResult | None:
    """The result of a check that lacks facts it cannot do without; None if it can run."""
    required = [facts[need.section.name] for need in entry.needs if not need.optional]
    lacking = [f for f in required if not f.usable]
    if not lacking:
        return None
    absent = (Quality.ABSENT, Quality.UNSUPPORTED)
    unknown = next((f for f in lacking if f.quality not in absent), None)
    if unknown is not None:
        return _not_checked(entry, target, "", unknown)
    first = lacking[0]
    return ItemResult(
        probe=entry.probe.id,
        target=target,
        item="",
        outcome=Outcome.NOT_APPLICABLE,
        collected_at=first.collected_at,
        source=first.source,
        reason=first.reason or f"{first.quality} on this machine",
        error=ErrorClass.UNSUPPORTED if first.quality is Quality.UNSUPPORTED else None,
    )


def _not_checked(entry: Entry, target: str, item: str, facts: Facts) -> ItemResult:
    return ItemResult(
        probe=entry.probe.id,
        target=target,
        item=item,
        outcome=Outcome.NOT_CHECKED,
        collected_at=facts.collected_at,
        source=facts.source,
        reason=facts.reason or str(facts.quality),
        error=facts.error,
    )


def _closed(
    entry: Entry,
    target: str,
    given: object,
    levels: LevelsInForce,
    context: CheckContext,
    partial: bool,
    partial_reason: str,
) -> Judged:
    """The probe's own results, checked, cleaned and closed."""
    source = "+".join(dict.fromkeys(context.sources.values())) or "site"
    made = ItemResult(
        probe=entry.probe.id,
        target=target,
        item="",
        outcome=Outcome.NOT_CHECKED,
        collected_at=context.collected_at,
        source=source,
    )
    try:
        yielded = _with_item_levels(entry, given, levels, context)
    except Exception as error:  # noqa: BLE001 - whatever a probe raises, the check is not checked
        failed = f"the probe failed ({type(error).__name__})"
        return Judged((replace(made, reason=failed, error=ErrorClass.BAD_OUTPUT),), ())
    results: dict[str, ItemResult] = {}
    metrics: list[MetricPoint] = []
    tables: list[Table] = []
    for result in yielded:
        if isinstance(result, Matrix):
            tables.append(_table(entry.probe.id, result))
            continue
        item = clean_line(result.item)
        if isinstance(result, Metric):
            metrics.append(
                MetricPoint(
                    probe=entry.probe.id,
                    target=target,
                    name=result.name,
                    item=item,
                    value=result.value,
                    collected_at=context.collected_at,
                    limit=result.limit,
                )
            )
            continue
        closed = _item_result(replace(made, item=item), result, partial, partial_reason)
        if item in results:
            closed = replace(made, item=item, reason="the probe gave two results for one item")
        results[item] = closed
    if len(yielded) > MOST_RESULTS:
        results["…"] = replace(
            made, item="…", reason=f"more than {MOST_RESULTS} results; the rest was cut off"
        )
    if not results:
        results[""] = replace(made, reason=NO_RESULT)
    return Judged(tuple(results.values()), tuple(metrics), tuple(tables))


def _table(probe: str, matrix: Matrix) -> Table:
    columns = tuple(clean_line(column) for column in matrix.columns[:MOST_COLUMNS])
    return Table(
        probe=probe,
        name=clean_line(matrix.name),
        columns=columns,
        rows={
            target: tuple(clean_line(text) for text in texts[: len(columns)])
            for target, texts in list(matrix.rows.items())[:MOST_RESULTS]
        },
    )


def _with_item_levels(
    entry: Entry, given: object, levels: LevelsInForce, context: CheckContext
) -> list[Result]:
    """The check on the base levels; items with levels of their own are taken from a second look."""

    def run(in_force: object) -> Iterator[Result]:
        return islice(entry.probe.check(given, in_force, context), MOST_RESULTS + 1)

    results = [result for result in run(levels.base) if _item_of(result) not in levels.items]
    for item, own in levels.items.items():
        results += [result for result in run(own) if _item_of(result) == item]
    return results


def _item_of(result: Result) -> str | None:
    return None if isinstance(result, Matrix) else result.item


def _item_result(
    made: ItemResult, result: Finding | Passed | NotApplicable | NotChecked, partial: bool, reason: str
) -> ItemResult:
    match result:
        case Finding():
            return replace(
                made,
                outcome=Outcome.FINDING,
                message=result.message,
                impact=result.impact,
                when=result.when,
                function=result.function,
                evidence=_cleaned(result.evidence),
                value=result.value,
                worse=result.worse,
                targets=result.targets,
            )
        case Passed() if partial:
            return replace(
                made, evidence=_cleaned(result.evidence), reason=reason or "only part could be seen"
            )
        case Passed():
            return replace(made, outcome=Outcome.PASSED, evidence=_cleaned(result.evidence))
        case NotApplicable() if partial:  # what was not seen may be there
            seen = reason or "only part could be seen"
            return replace(made, reason=f"{clean_line(result.reason)}; {seen}")
        case NotApplicable():
            return replace(made, outcome=Outcome.NOT_APPLICABLE, reason=clean_line(result.reason))
        case NotChecked():
            return replace(made, reason=clean_line(result.reason), error=result.error)


def _cleaned(evidence: Mapping[str, Value]) -> dict[str, Value]:
    return {
        name: Text(clean(value.value)) if isinstance(value, Text) else value
        for name, value in evidence.items()
    }


def scope_targets(entry: Entry, targets: Iterable[Target]) -> list[Target]:
    """The targets a site-scope probe compares."""
    assert entry.probe.scope is Scope.SITE
    return [target for target in targets if applies(entry, target)]
