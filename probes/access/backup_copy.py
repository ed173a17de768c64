"""A back-up copy against the file it was made of: could it take its place?

Of both only structure, counts and numbers over blocks of pages are known; no row is compared with a row.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import NamedTuple

from checkup.api import (
    JSON,
    RECOVERABILITY,
    AccessFile,
    Context,
    Duration,
    Finding,
    Impact,
    Instant,
    NotApplicable,
    NotChecked,
    Number,
    Passed,
    PerTarget,
    Probe,
    Ratio,
    Result,
    Scope,
    Section,
    Text,
    Value,
    When,
    Worse,
)
from probes.access import parts
from probes.access.parts import Part


class CopiedTable(NamedTuple):
    """`design`: its columns with their types and its indexes, in words that are alike where these are. `made`
    and `changed` are local times of the table's own, taken for UTC."""

    name: str
    rows: int
    design: frozenset[str]
    made: datetime | None
    changed: datetime | None


class Copyable(NamedTuple):
    """What of a file can be compared with another. `blocks`: a number for each `block_pages` pages, none
    where not every page was looked at."""

    version: str
    size_bytes: int
    modified: datetime | None
    tables: tuple[CopiedTable, ...]
    block_pages: int
    blocks: tuple[str, ...]


def parse(raw: JSON, source: str, version: int) -> Copyable:
    header, blocks = parts.part(raw, "header"), parts.part_or_none(raw, "blocks")
    return Copyable(
        version=parts.text(header, "version"),
        size_bytes=parts.whole(header, "size_bytes"),
        modified=parts.instant_or_none(header, "modified"),
        tables=tuple(_table(one) for one in parts.objects(raw, "tables")),
        block_pages=0 if blocks is None else parts.whole(blocks, "pages", 1),
        blocks=() if blocks is None else parts.texts(blocks, "digests"),
    )


def _table(one: Part) -> CopiedTable:
    columns = (
        f"{parts.text(item, 'name')}: {parts.text(item, 'type')}" for item in parts.objects(one, "columns")
    )
    indexes = (
        f"index {', '.join(parts.texts(item, 'columns'))}{' unique' if parts.flag(item, 'unique') else ''}"
        for item in parts.objects(one, "indexes")
    )
    return CopiedTable(
        parts.text(one, "name"),
        parts.whole(one, "rows"),
        frozenset(word.casefold() for word in (*columns, *indexes)),
        parts.instant_or_none(one, "created"),
        parts.instant_or_none(one, "updated"),
    )


comparable = Section(
    name="access-copy",
    facts=Copyable,
    collect={"access": AccessFile(("header", "tables", "blocks"), depth="catalogue")},
    parse=parse,
    privacy="names of tables and columns, counts of rows; a hash for each megabyte of pages, no page",
)


@dataclass(frozen=True, slots=True)
class CopyLevels:
    old_days: float = 2.0  # work that would be lost; a nightly back-up and one night that failed
    too_old_days: float = 8.0  # and a weekly one
    least_rows: int = 100  # smaller tables come and go
    few_rows: float = (
        0.5  # share of the live table's rows below which something is missing; our own experience
    )


# The tables' own times know no zone, and copying takes its time.
_SLACK = timedelta(days=1)
_SAME_TIME = timedelta(seconds=2)  # FAT keeps no finer one


def check_copies(facts: PerTarget[Copyable], levels: CopyLevels, ctx: Context) -> Iterator[Result]:
    copies = {name: target.copy_of for name, target in facts.targets.items() if target.copy_of}
    if not copies:
        yield NotApplicable(reason="no file is declared to be a back-up copy (`backup_of`)")
        return
    for name, original in copies.items():
        live = facts.get(original)
        if live is None:
            yield NotChecked(item=name, reason=f"{original}, which it is a copy of, could not be read")
        else:
            yield from _compared(_Pair(name, original, facts[name], live), levels, ctx.collected_at)


class _Pair(NamedTuple):
    """A copy and the file it was made of, with their names."""

    name: str
    original: str
    copy: Copyable
    live: Copyable

    def finding(
        self,
        message: str,
        impact: Impact,
        evidence: Mapping[str, Value],
        value: Duration | Number | None = None,
    ) -> Finding:
        return Finding(
            impact=impact,
            when=When.BEFORE_NEXT_VISIT,
            message=message,
            item=f"{self.name} {message}",
            function=RECOVERABILITY,
            evidence={"copy": Text(self.name), "original": Text(self.original), **evidence},
            value=value,
            worse=None if value is None else Worse.HIGHER,
            targets=(self.name, self.original),
        )

    @property
    def made(self) -> datetime | None:
        """The moment whose data the copy has; None where that is not known."""
        return self.copy.modified

    @property
    def behind(self) -> bool:
        """Was the live file changed after the copy was made? Not known counts as yes."""
        if self.copy.modified is None or self.live.modified is None:
            return True
        return self.live.modified > self.copy.modified + _SAME_TIME


def _compared(pair: _Pair, levels: CopyLevels, at: datetime) -> Iterator[Result]:
    found = [
        *_format(pair),
        *_age(pair, levels, at),
        *_missing(pair, levels),
        *_design(pair),
        *_rows(pair, levels),
        *_blocks(pair),
    ]
    yield from found
    if found:
        return
    rows = sum(table.rows for table in pair.live.tables)
    copied = sum(table.rows for table in pair.copy.tables)
    evidence: dict[str, Value] = {
        "original": Text(pair.original),
        "tables": Number(len(pair.copy.tables)),
        "rows": Number(copied),
        "rows_share": Ratio(copied / rows if rows else 1.0),
    }
    if pair.made is not None:
        evidence["made"] = Instant(pair.made)
    alike = _alike(pair)
    if alike is not None:
        evidence["pages_alike"] = Ratio(alike)
    if pair.made is None:
        yield NotChecked(item=pair.name, reason="the time of the copy is not known")
    else:
        yield Passed(item=pair.name, evidence=evidence)


def _format(pair: _Pair) -> Iterator[Finding]:
    if pair.copy.version != pair.live.version:
        versions = {"format": Text(pair.copy.version), "live_format": Text(pair.live.version)}
        yield pair.finding("format", Impact.LIMITED, versions)


def _age(pair: _Pair, levels: CopyLevels, at: datetime) -> Iterator[Finding]:
    if pair.made is None or not pair.behind:
        return
    age = Duration(max(0.0, (at - pair.made).total_seconds()))
    if age.value >= levels.old_days * 86400:
        too_old = age.value >= levels.too_old_days * 86400
        yield pair.finding(
            "old",
            Impact.MAJOR if too_old else Impact.LIMITED,
            {"age": age, "made": Instant(pair.made)},
            age,
        )


def _missing(pair: _Pair, levels: CopyLevels) -> Iterator[Finding]:
    there = {table.name.casefold() for table in pair.copy.tables}
    lacking = [
        table.name
        for table in pair.live.tables
        if table.rows and table.name.casefold() not in there and _before(table.made, pair.made)
    ]
    if lacking:
        yield pair.finding("missing", Impact.MAJOR, _list(lacking), Number(len(lacking)))


def _design(pair: _Pair) -> Iterator[Finding]:
    other = [
        table.name
        for table, live in _both(pair)
        if table.design != live.design and _before(live.changed, pair.made)
    ]
    if other:
        yield pair.finding("design", Impact.LIMITED, _list(other), Number(len(other)))


def _rows(pair: _Pair, levels: CopyLevels) -> Iterator[Finding]:
    few = [
        f"{table.name} ({table.rows} of {live.rows})"
        for table, live in _both(pair)
        if live.rows >= levels.least_rows and table.rows < live.rows * levels.few_rows
    ]
    if few:
        yield pair.finding("few-rows", Impact.MAJOR, _list(few), Number(len(few)))


def _blocks(pair: _Pair) -> Iterator[Finding]:
    """Of the same size and time, a copy has the same pages, or it is no good copy."""
    copy, live = pair.copy, pair.live
    if copy.modified is None or live.modified is None or copy.size_bytes != live.size_bytes:
        return
    if abs(copy.modified - live.modified) > _SAME_TIME or _alike(pair) is None:
        return
    other = [
        place for place, (one, two) in enumerate(zip(copy.blocks, live.blocks, strict=True)) if one != two
    ]
    if other:
        first = Number(other[0] * copy.block_pages)
        count = Number(len(other))
        yield pair.finding(
            "pages", Impact.MAJOR, {"count": count, "of": Number(len(copy.blocks)), "first": first}, count
        )


def _alike(pair: _Pair) -> float | None:
    """The share of blocks that are the same at the same place; None where they cannot be compared."""
    copy, live = pair.copy, pair.live
    if not copy.blocks or copy.block_pages != live.block_pages or len(copy.blocks) != len(live.blocks):
        return None
    return sum(one == two for one, two in zip(copy.blocks, live.blocks, strict=True)) / len(copy.blocks)


def _both(pair: _Pair) -> Iterator[tuple[CopiedTable, CopiedTable]]:
    """The tables that both have, the copy's first."""
    known = {table.name.casefold(): table for table in pair.live.tables}
    for table in pair.copy.tables:
        if table.name.casefold() in known:
            yield table, known[table.name.casefold()]


def _before(when: datetime | None, made: datetime | None) -> bool:
    """Had it been so for a day when the copy was made? Where nothing tells, it may have come later."""
    return when is not None and made is not None and when < made - _SLACK


def _list(names: Sequence[str]) -> dict[str, Value]:
    return {"count": Number(len(names)), "names": Text(parts.named(names))}


backup_copy = Probe(
    id="access.backup-copy",
    title="Back-up copies of data files could take their place",
    check=check_copies,
    levels=CopyLevels(),
    messages={
        "format": "The back-up copy {copy} has the format {format}, and {original} the format {live_format}.",
        "old": "The back-up copy {copy} of {original} has the data of {made}: {age} of work would be lost.",
        "missing": "Tables of {original} are not in its back-up copy {copy} ({count}): {names}.",
        "design": "Tables have other columns or indexes in the back-up copy {copy} than in {original} "
        "({count}): {names}.",
        "few-rows": "Tables hold far fewer rows in the back-up copy {copy} than in {original} ({count}): "
        "{names}.",
        "pages": "The back-up copy {copy} has the size and time of {original} but not its content: {count} "
        "of {of} blocks differ, the first at page {first}.",
    },
    why=(
        "A copy that was never compared with what it is a copy of is a hope. One that has the tables, the "
        "design and the counts, and is itself sound (access.integrity of the copy), can be restored."
    ),
    remedy=(
        "Make a new copy with everyone out of the file, or by a back-up program that takes open files whole; "
        "see why the old one is short; then restore it to another folder and open it once."
    ),
    verify="The next check-up passes for the copy.",
    scope=Scope.SITE,
    kind="access",
)
