"""A database that could not be looked into is not checked, and then the instance as a whole does not pass."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from types import ModuleType
from typing import Any

from checkup.analyse.judge import Judged, World, judge_site, judge_target
from checkup.api import (
    JSON,
    Context,
    ErrorClass,
    Finding,
    Impact,
    NoLevels,
    Passed,
    PerTarget,
    Probe,
    Quality,
    Result,
    Scope,
    Section,
    Sql,
    SqlFacts,
    SqlVariant,
    Target,
)
from checkup.assessment import Outcome
from checkup.catalogue import Catalogue, LevelsInForce, build
from checkup.snapshot import SectionSnapshot
from probes.sql.rows import reader

NOW = datetime(2026, 6, 1, tzinfo=UTC)
SERVER: JSON = {"engine": "sqlserver", "version": "15.0", "asked_at": NOW.isoformat()}


@dataclass(frozen=True, slots=True)
class Row:
    database: str
    broken: int


class Rows(SqlFacts[Row]):
    pass


section = Section(
    name="rows",
    facts=Rows,
    collect={"sqlserver": Sql((SqlVariant("SELECT 1", reads=("x",)),), row=Row, scope="database")},
    parse=reader(Rows, Row),
)


def check(facts: Rows, levels: NoLevels, ctx: Context) -> Iterator[Result]:
    broken = [row for row in facts.rows if row.broken]
    for row in broken:
        yield Finding(impact=Impact.LIMITED, message="broken", item=row.database)
    if facts.rows and not broken:
        yield Passed()


def check_site(facts: PerTarget[Rows], levels: NoLevels, ctx: Context) -> Iterator[Result]:
    yield Passed()


def probe(check: Any, **more: Any) -> Probe[Any]:
    return Probe(
        id="own.rows",
        title="t",
        check=check,
        messages={"broken": "{item}"},
        why="w",
        remedy="r",
        verify="v",
        levels=NoLevels(),
        kind="sqlserver",
        **more,
    )


def catalogue(of: Probe[Any]) -> Catalogue:
    module = ModuleType("own")
    module.__dict__.update({"section": section, "probe": of})
    return build([module])


def world(of: Catalogue, raw: JSON) -> World:
    snapshot = SectionSnapshot(
        target="db",
        section="rows",
        version=1,
        source="sqlserver",
        quality=Quality.OK,
        collected_at=NOW,
        raw=raw,
    )
    return World(
        catalogue=of, targets={}, snapshots={("db", "rows"): snapshot}, now=NOW, history={}, previous={}
    )


def raw(rows: list[tuple[str, int]], *missing: str) -> JSON:
    data: dict[str, JSON] = {"server": SERVER, "variant": 0}
    data["rows"] = [{"database": name, "broken": broken} for name, broken in rows]
    data["missing"] = {name: {"reason": "it is offline", "error": "unreachable"} for name in missing}
    return data


def judged(rows: list[tuple[str, int]], *missing: str) -> dict[str, tuple[Outcome, str]]:
    of = catalogue(probe(check))
    made = judge_target(
        of.entries["own.rows"],
        Target(id="db", kind="sqlserver"),
        LevelsInForce(NoLevels(), {}),
        world(of, raw(rows, *missing)),
    )
    return outcomes(made)


def outcomes(made: Judged) -> dict[str, tuple[Outcome, str]]:
    return {one.item: (one.outcome, one.reason) for one in made.results}


OFFLINE = (Outcome.NOT_CHECKED, "it is offline")


def test_with_every_database_seen_it_passes():
    assert judged([("ledger", 0)]) == {"": (Outcome.PASSED, "")}


def test_one_that_is_missing_takes_the_pass_away():
    assert judged([("ledger", 0)], "old") == {
        "": (Outcome.NOT_CHECKED, "could not look into old"),
        "old": OFFLINE,
    }


def test_a_finding_stands_beside_what_is_missing():
    assert judged([("ledger", 1)], "old") == {"ledger": (Outcome.FINDING, ""), "old": OFFLINE}


def test_with_none_to_look_into_only_they_are_named():
    assert judged([], "a", "b") == {"a": OFFLINE, "b": OFFLINE}


def test_without_any_database_the_probe_itself_has_to_speak():
    assert judged([]) == {"": (Outcome.NOT_CHECKED, "the probe gave no result")}


def test_the_error_of_what_is_missing_is_kept():
    of = catalogue(probe(check))
    made = judge_target(
        of.entries["own.rows"],
        Target(id="db", kind="sqlserver"),
        LevelsInForce(NoLevels(), {}),
        world(of, raw([("ledger", 0)], "old")),
    )
    assert {one.error for one in made.results if one.item == "old"} == {ErrorClass.UNREACHABLE}


def test_a_comparison_of_instances_does_not_pass_either():
    of = catalogue(probe(check_site, scope=Scope.SITE))
    entry, target = of.entries["own.rows"], Target(id="db", kind="sqlserver")
    levels = LevelsInForce(NoLevels(), {})
    whole = judge_site(entry, [target], levels, world(of, raw([("ledger", 0)])))
    assert outcomes(whole) == {"": (Outcome.PASSED, "")}
    part = judge_site(entry, [target], levels, world(of, raw([("ledger", 0)], "old")))
    assert outcomes(part) == {"": (Outcome.NOT_CHECKED, "could not look into db: old")}
