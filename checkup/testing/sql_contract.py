"""What a section of a SQL engine owes its readers beside its probe's contract."""

from __future__ import annotations

import dataclasses
import re
import types
import typing
from collections import Counter
from collections.abc import Iterator, Mapping
from datetime import datetime
from functools import cache
from pathlib import Path
from typing import Any, Final, get_args

from checkup.api import Cost, Quality, Section, Sql, SqlFacts, SqlScope, SqlVariant
from checkup.sql.engine import EngineName
from checkup.testing import sql_lint
from checkup.testing.samples import Sample, SampleSection, load
from checkup.testing.sql_allowed import approved
from checkup.testing.sql_columns import Span, dotted
from checkup.testing.sql_samples import SQL_SOURCES

PRIVACY_LENGTH: Final = 160
MOST_ROWS: Final = 50_000
LONGEST_TIMEOUT_S: Final = 60
LONGEST_LARGE_S: Final = 600  # with --deep, in a quiet hour

# What a row may be made of, and how a driver hands it over.
TYPES: Final[Mapping[Any, str]] = {str: "str", int: "int", float: "float", bool: "bool", datetime: "datetime"}

_FIELD: Final = re.compile(r"[a-z][a-z0-9]*(_[a-z0-9]+)*")
# The last word of a number's name that leaves its reader to guess the unit.
_NEEDS_UNIT: Final = re.compile(
    r"(.*_)?((?<!by_)size|time|duration|latency|memory|space|length|wait|elapsed|delay|uptime|lag|free|used)"
)
_MOMENT: Final = re.compile(r"(.*_)?(at|since|until)")

# Major versions that were ever sold, where they are few.
_MAJORS: Final[Mapping[EngineName, range]] = {
    "sqlserver": range(10, 18),
    "postgresql": range(9, 30),
    "mariadb": range(5, 20),
}


def sql_problems(section: Section[Any]) -> list[str]:
    """What is wrong with a section's statements, rows, rights and privacy; empty without a SQL engine."""
    found: list[str] = []
    for source, collector in section.collect.items():
        engine = sql_lint.engine_of(source)
        where = f"{section.name} ({source})"
        if engine is None:
            if isinstance(collector, Sql):
                found.append(f"{where}: statements are asked of {', '.join(SQL_SOURCES)}")
        elif not isinstance(collector, Sql):
            found.append(f"{where}: {type(collector).__name__} cannot collect there")
        else:
            found += [f"{where}: {text}" for text in _section_problems(section)]
            found += [f"{where}: {text}" for text in _collector_problems(engine, collector)]
    return found


def _section_problems(section: Section[Any]) -> Iterator[str]:
    if not issubclass(section.facts, SqlFacts):
        yield f"its facts, {section.facts.__name__}, should be a subclass of SqlFacts"
    if section.parameters:
        yield "a statement has no parameters: put a fixed look-back into its text"
    if not 0 < len(section.privacy.strip()) <= PRIVACY_LENGTH:
        yield "privacy should say in a few words what leaves the server"


def _collector_problems(engine: EngineName, sql: Sql) -> Iterator[str]:
    yield from row_problems(engine, sql)
    if sql.scope not in get_args(SqlScope):
        yield f"scope {sql.scope!r} is none of {', '.join(get_args(SqlScope))}"
    if sql.cost not in get_args(Cost):
        yield f"cost {sql.cost!r} is none of {', '.join(get_args(Cost))}"
    if not 1 <= sql.most_rows <= MOST_ROWS:
        yield f"most_rows should be 1 to {MOST_ROWS}"
    longest = LONGEST_LARGE_S if sql.cost == "large" else LONGEST_TIMEOUT_S
    if not 1 <= sql.timeout_s <= longest:
        yield f"the timeout should be 1 to {longest} s"
    for number, variant in enumerate(sql.variants):
        yield from (f"variant {number}: {text}" for text in version_problems(engine, variant))
    yield from overlap_problems(sql.variants)


# --- the row ------------------------------------------------------------------------------------


def row_problems(engine: EngineName, sql: Sql) -> Iterator[str]:
    """A row is a frozen dataclass of plain values, whose names carry their units."""
    row = sql.row
    parameters = getattr(row, "__dataclass_params__", None)
    if not dataclasses.is_dataclass(row) or parameters is None or not parameters.frozen:
        yield f"the row, {row.__name__}, should be a frozen dataclass"
        return
    # What a procedure of the server gives has the procedure's own names.
    given_names = any(approved(engine, variant.text) is not None for variant in sql.variants)
    hints = typing.get_type_hints(row)
    for field in dataclasses.fields(row):
        kind = _type_of(hints[field.name])
        if kind is None:
            yield f"{field.name} should be one of {', '.join(TYPES.values())}, each with or without None"
        if not given_names:
            yield from _name_problems(field.name, kind)


def _type_of(hint: Any) -> type[Any] | None:
    """The type of a field without its None; None for one that no row may have."""
    if isinstance(hint, types.UnionType):
        kinds = [one for one in get_args(hint) if one is not type(None)]
        hint = kinds[0] if len(kinds) == 1 else None
    return hint if hint in TYPES else None


def _name_problems(name: str, kind: type[Any] | None) -> Iterator[str]:
    if not _FIELD.fullmatch(name):
        yield f"{name} should be in lower case, words joined by underscores"
    if kind in (int, float) and _NEEDS_UNIT.fullmatch(name):
        yield f"{name} should end with its unit, like {name}_bytes or {name}_s"
    if kind is datetime and not _MOMENT.fullmatch(name):
        yield f"{name} should end with at, since or until: it is a moment"


# --- versions -----------------------------------------------------------------------------------


def version_problems(engine: EngineName, variant: SqlVariant) -> Iterator[str]:
    for version in (variant.since, variant.before):
        if version and version[0] not in _MAJORS[engine]:
            yield f"there is no version {dotted(version)} of {engine}"
    if variant.since and variant.before and variant.since >= variant.before:
        yield f"no version is both since {dotted(variant.since)} and before {dotted(variant.before)}"


def overlap_problems(variants: tuple[SqlVariant, ...]) -> Iterator[str]:
    """Of two variants for one version the first is sent; the second is for where the first cannot be.

    So the first must ask for something that the second does without: an edition, an object, a right.
    """
    for later in range(len(variants)):
        for earlier in range(later):
            first, second = variants[earlier], variants[later]
            if _meet(first, second) and _always_before(first, second):
                yield (
                    f"variants {earlier} and {later} fit the same versions, and the first asks for nothing "
                    "that the second does without"
                )


def _meet(one: SqlVariant, other: SqlVariant) -> bool:
    spans = [Span(variant.since, variant.before) for variant in (one, other)]
    return max(span.since for span in spans) < min(span.highest for span in spans)


def _always_before(first: SqlVariant, second: SqlVariant) -> bool:
    editions = not first.editions or bool(set(first.editions) & set(second.editions))
    return editions and set(first.needs) <= set(second.needs) and set(first.rights) <= set(second.rights)


# --- samples ------------------------------------------------------------------------------------


def sql_sample_problems(section: Section[Any], folder: Path) -> list[str]:
    """Which recorded rows are missing below `folder`, or are not what the statements would bring."""
    asked = {source: one for source, one in section.collect.items() if isinstance(one, Sql)}
    return list(_sample_problems(section, asked, folder)) if asked else []


def _sample_problems(section: Section[Any], asked: Mapping[str, Sql], folder: Path) -> Iterator[str]:
    with_rows: set[str] = set()
    for path, given in _recorded(section, folder):
        sql = asked.get(given.source)
        if sql is None:
            yield f"{path}: {section.name} is not collected from {given.source}"
            continue
        rows = given.raw.get("rows") if isinstance(given.raw, dict) else None
        if not isinstance(rows, list):
            yield f"{path}: {section.name}: the raw data are an object with a list of rows"
            continue
        if rows:
            with_rows.add(given.source)
        if given.version == section.version:
            yield from (f"{path}: {section.name}: {text}" for text in _rows_problems(sql, rows))
    for source in asked.keys() - with_rows:
        yield f"{section.name}: no sample with rows of {source}"


def _recorded(section: Section[Any], folder: Path) -> Iterator[tuple[Path, SampleSection]]:
    for sample in _samples(folder):
        for one in sample.targets:
            given = one.sections.get(section.name)
            good = given is not None and given.quality in (Quality.OK, Quality.PARTIAL)
            if given is not None and good and given.raw is not None:
                yield sample.path, given


@cache
def _samples(folder: Path) -> tuple[Sample, ...]:
    """All samples below the folder, read once for all sections."""
    return tuple(load(path) for path in sorted(folder.glob("*/*.json")))


def _rows_problems(sql: Sql, rows: list[Any]) -> Iterator[str]:
    """The first row that has other columns than the statement projects."""
    fields = [field.name for field in dataclasses.fields(sql.row)]
    at_once = Counter(str(row.get("database")) if sql.scope == "database" else "" for row in _objects(rows))
    if max(at_once.values(), default=0) > sql.most_rows:
        yield f"more rows than the {sql.most_rows} that are fetched at once"
    for row in rows:
        if not isinstance(row, dict) or set(typing.cast("dict[str, Any]", row)) != set(fields):
            yield f"a row has {', '.join(fields)}"
            return


def _objects(rows: list[Any]) -> Iterator[dict[str, Any]]:
    return (typing.cast("dict[str, Any]", row) for row in rows if isinstance(row, dict))
