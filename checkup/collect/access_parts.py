"""What a reading of an Access file is kept as: named parts of plain JSON data, without anyone's values.

No text of a query, no connection text, no password and no user's name is in any part. Times of the file
system are ISO texts in UTC; times that the file itself holds are ISO texts without a zone, because it knows
none. A part is None where it could not be read.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime
from hashlib import blake2b
from typing import TYPE_CHECKING, Final, Literal, NamedTuple

from checkup.api import JSON, AccessFile, Depth, Quality
from checkup.collect.access_reading import COVERS, Reading, Refusal
from checkup.jet.problems import Problem

if TYPE_CHECKING:
    from checkup.jet.catalogue import Catalogue, Link, Table
    from checkup.jet.definition import Column, Definition, Index
    from checkup.jet.integrity import Integrity
    from checkup.jet.links import LinkTarget
    from checkup.jet.objects import AccessObject, ObjectKind
    from checkup.jet.partition import Share
    from checkup.jet.properties import Properties
    from checkup.jet.queries import Query
    from checkup.jet.relationships import Relationship

# What a new record gets by default where AutoNumbers are random (Access, "NewValues" property).
_RANDOM: Final = "genuniqueid"
# Tables that Access makes when an import, a paste or a compaction could not take everything over.
_ERROR_TABLE: Final = re.compile(r"MSysCompactError|.*_ImportErrors\d*|Paste Errors\d*|Conversion Errors\d*")
_KEPT_OBJECTS: Final = ("query", "form", "report", "macro", "module")
_STRUCTURE: Final = ("tables", "links", "queries", "relationships", "objects", "leftovers", "file")
_LATEST_S: Final = 253402300799  # the last second of the year 9999

BLOCK_PAGES: Final = 256  # pages of one digest: a megabyte in the files of today

# What may lack something where a part of the catalogue was not read. Of a table only what its properties say
# lies elsewhere: whether AutoNumbers are random is None then, what is to be shown below its rows nothing asks
# for that does not ask for the file as well.
_OF_CATALOGUE: Final[Mapping[str, tuple[str, ...]]] = {
    "definitions": ("tables", "leftovers"),
    "queries-and-relationships": ("queries", "relationships"),
    "links-and-properties": ("links", "file"),
}
# What is whole all the same where the list of objects has none of the kind.
_LISTED: Final[Mapping[str, tuple[ObjectKind, ...]]] = {
    "queries": ("query",),
    "relationships": ("relationship",),
    "links": ("link", "odbc-link"),
}

# The depth from which on a part is there. The lock file may be absent at any.
_NEEDED: Final[Mapping[str, Depth]] = {
    **dict.fromkeys(("header", "integrity", "cost"), "header"),
    **dict.fromkeys(_STRUCTURE, "catalogue"),
    "maps": "maps",
}

# By what kept a part from being read: what its sections are then.
_QUALITIES: Final[Mapping[str, Quality]] = {
    "encrypted": Quality.DENIED,
    "denied": Quality.DENIED,
    "timeout": Quality.TIMEOUT,
    "damaged": Quality.BAD_OUTPUT,
    "catalogue-unreadable": Quality.BAD_OUTPUT,
}


class Cut(NamedTuple):
    """One section cut from a reading: how good it is, why not better, and its raw data."""

    quality: Quality
    reason: str
    raw: JSON


def cut(reading: Reading, made: Mapping[str, JSON], collector: AccessFile) -> Cut:
    """The section that `collector` asks for, from the parts made of the reading.

    Not ok where a part could not be read, and partial where one could not be read whole or deep enough.
    """
    raw: dict[str, JSON] = {part: made.get(part) for part in collector.parts}
    missing = [
        part
        for part, content in raw.items()
        if content is None and part in _NEEDED and _NEEDED[part] in COVERS[collector.depth]
    ]
    if collector.depth not in COVERS[reading.depth]:
        why = f"was not looked at: that takes the depth {collector.depth!r}"
        return Cut(Quality.UNREACHABLE, why, None)
    if "lock" in collector.parts and reading.lock_unread:
        return Cut(Quality.DENIED, f"the lock file could not be read: {reading.lock_unread}", None)
    if missing:
        why = reading.refused or Refusal("broken", f"could not be read: {', '.join(missing)}")
        return Cut(_QUALITIES.get(why.kind, Quality.UNREACHABLE), why.detail, None)
    gaps = [*_gaps(reading, collector)]
    return Cut(Quality.PARTIAL if gaps else Quality.OK, "; ".join(dict.fromkeys(gaps)), raw)


def lacking(catalogue: Catalogue) -> dict[str, str]:
    """The parts that are not whole because pages of the catalogue were not read, and why these were not."""
    listed = {item.kind for item in catalogue.objects}
    return {
        part: f"{left.part} left out: {left.detail}"
        for left in catalogue.left_out
        for part in _OF_CATALOGUE[left.part]
        if part not in _LISTED or not listed.isdisjoint(_LISTED[part])
    }


def _gaps(reading: Reading, collector: AccessFile) -> Iterable[str]:
    if set(_STRUCTURE).intersection(collector.parts) and reading.catalogue is not None:
        unread = [table.name for table in reading.catalogue.user_tables() if table.definition is None]
        if unread and "tables" in collector.parts:
            yield f"the definitions of {len(unread)} tables cannot be read"
        if reading.catalogue.damages:
            yield "parts of the catalogue cannot be read"
        whys = lacking(reading.catalogue)
        yield from (whys[part] for part in collector.parts if part in whys)
    if "integrity" in collector.parts:
        for left in reading.left_out:
            yield f"{left.part} left out: {left.detail}"
    if "maps" in collector.parts and reading.integrity is not None:
        placed = reading.integrity.partition
        if placed is not None and not placed.complete:
            yield "some usage maps or definitions cannot be read"


def parts(reading: Reading) -> dict[str, JSON]:
    """Every part that the reading has."""
    catalogue = reading.catalogue

    def of_catalogue(make: Callable[[Catalogue], JSON]) -> JSON:
        return None if catalogue is None else make(catalogue)

    return {
        "header": _header(reading),
        "lock": _lock(reading),
        "tables": of_catalogue(_tables),
        "links": of_catalogue(lambda known: [_link(link) for link in known.links]),
        "queries": of_catalogue(lambda known: [_query(query) for query in known.queries]),
        "relationships": of_catalogue(_relationships),
        "objects": of_catalogue(_objects),
        "leftovers": of_catalogue(_leftovers),
        "file": of_catalogue(_file),
        "maps": _maps(reading),
        "integrity": _integrity(reading),
        "folder": _folder(reading),
        "blocks": _blocks(reading),
        "cost": {
            "bytes": reading.cost.bytes,
            "requests": reading.cost.requests,
            "rounds": reading.cost.rounds,
            "seconds": round(reading.timing.seconds, 6),
            "round_trip_s": _rounded(reading.timing.round_trip_s),
        },
    }


# --- the header and the lock file ---------------------------------------------------------------


def _header(reading: Reading) -> JSON:
    header = reading.header
    neutral = header.layout.neutral_commit_word
    return {
        "name": file_name(reading.name),
        "size_bytes": reading.stat.size_bytes,
        "trailing_bytes": reading.stat.size_bytes % header.page_size,
        "modified": _utc(reading.stat.modified),
        "engine": header.engine,
        "version": header.version.name.lower().replace(" ", ""),
        "year": 1997 if header.version.access == "97" else int(header.version.access),
        "page_size": header.page_size,
        "limit_bytes": header.layout.most_bytes,
        "created": _local(header.created),
        "encryption": header.encryption,
        "password": header.password,
        "collation": header.collation,
        "code_page": header.code_page,
        "commit_words": {
            "used": sum(word != neutral for word in header.commit_words),
            "below_neutral": list[JSON](header.uneasy_slots),
        },
        "depth": reading.done[-1],
        "refused": "" if reading.refused is None else str(reading.refused.kind),
    }


def file_name(name: str) -> str:
    """The last part of a path or an address."""
    return re.split(r"[/\\]", name.rstrip("/\\"))[-1]


def _lock(reading: Reading) -> JSON:
    from checkup.jet.lock_file import USUAL_USER

    if reading.lock is None:
        return None
    return {
        "size_bytes": reading.lock.size_bytes,
        "modified": _utc(reading.lock.modified),
        "created": _utc(reading.lock.created),
        "entries": [
            {
                "slot": entry.slot,
                "machine": entry.machine,
                "usual_user": entry.user.casefold() == USUAL_USER.casefold(),
            }
            for entry in reading.lock.content.entries
        ],
        "odd_bytes": reading.lock.content.odd_bytes,
    }


def _folder(reading: Reading) -> JSON:
    """`rights` is None where nothing tells them."""
    rights = reading.folder
    return {
        "file_read_only": reading.stat.read_only,
        "rights": None
        if rights is None
        else {
            "basis": rights.basis,
            "write": rights.write,
            "create": rights.create,
            "delete": rights.delete,
        },
    }


# --- the catalogue ------------------------------------------------------------------------------


def _tables(catalogue: Catalogue) -> JSON:
    """The users' tables that can be read; a table without a readable definition is a problem, not a table."""
    told = "file" not in lacking(catalogue)
    return [
        _table(table, table.definition, told)
        for table in catalogue.user_tables()
        if table.definition is not None
    ]


def _table(table: Table, definition: Definition, told: bool) -> JSON:
    """`told`: were its properties read?"""
    return {
        "name": table.name,
        "page": definition.page,
        "rows": definition.row_count,
        "columns": [_column(column, table.properties if told else None) for column in definition.columns],
        "most_columns": definition.most_columns,
        "indexes": [_index(index, definition) for index in definition.indexes],
        "last_autonumber": definition.last_autonumber,
        "subdatasheet": _text(table.properties.own.get("SubdatasheetName")),
        "created": _local(table.object.created),
        "updated": _local(table.object.updated),
    }


def _column(column: Column, properties: Properties | None) -> JSON:
    return {
        "name": column.name,
        "type": column.type_name,
        "length": column.length,
        "autonumber": column.is_autonumber or column.is_auto_guid,
        "random": column.is_auto_guid or (column.is_autonumber and _is_random(column, properties)),
    }


def _is_random(column: Column, properties: Properties | None) -> bool | None:
    if properties is None:
        return None
    default = properties.columns.get(column.name, {}).get("DefaultValue")
    return isinstance(default, str) and _RANDOM in default.casefold()


def _index(index: Index, definition: Definition) -> JSON:
    data = definition.index_data[index.data_number]
    named = [(definition.column_by_number.get(one.number), one.ascending) for one in data.columns]
    columns = [(column.name, ascending) for column, ascending in named if column is not None]
    return {
        "name": index.name,
        "columns": [name for name, _ in columns],
        "descending": [name for name, ascending in columns if not ascending],
        "unique": data.is_unique,
        "kind": index.kind,
        "data": index.data_number,
    }


def _link(link: Link) -> JSON:
    from checkup.jet.links import has_key

    target = link.target
    return {
        "name": link.name,
        "kind": _link_kind(link.object, target),
        "target": "" if target is None else _place(target),
        "table": link.object.foreign_name,
        "saves_password": target is not None and target.keeps_password,
        "has_key": None if link.definition is None else has_key(link.definition),
    }


def _link_kind(item: AccessObject, target: LinkTarget | None) -> Literal["access", "odbc", "other"]:
    if item.kind == "odbc-link" or (target is not None and target.format.casefold() == "odbc"):
        return "odbc"
    return "access" if target is None or target.format == "Access" else "other"


def _place(target: LinkTarget) -> str:
    """The file, else the server, else the name under which the machine knows the server."""
    return target.server or target.database or target.data_source


def _query(query: Query) -> JSON:
    return {
        "name": query.name,
        "kind": query.kind,
        "sources": [source.name for source in query.sources if source.name],
        "cartesian": query.is_cartesian,
        "criteria": query.has_criteria,
        "limited": query.is_limited,
        "hidden_source": query.belongs_to_object,
    }


def _relationships(catalogue: Catalogue) -> JSON:
    def one(relationship: Relationship) -> JSON:
        return {
            "name": relationship.name,
            "child": relationship.child,
            "child_columns": list[JSON](relationship.child_columns),
            "parent": relationship.parent,
            "parent_columns": list[JSON](relationship.parent_columns),
            "enforced": relationship.is_enforced,
            "cascades_deletes": relationship.cascades_deletes,
        }

    return [one(known) for known in catalogue.relationships if not known.concerns_system]


def _objects(catalogue: Catalogue) -> JSON:
    return [
        {"kind": item.kind, "name": item.name, "updated": _local(item.updated)}
        for item in catalogue.customisations()
        if item.kind in _KEPT_OBJECTS
    ]


def _file(catalogue: Catalogue) -> JSON:
    own = catalogue.file_properties.own
    return {
        "properties": {
            "AccessVersion": _text(own.get("AccessVersion")),
            "name_autocorrect": _switch(own.get("Track Name AutoCorrect Info")),
            "auto_compact": _switch(own.get("Auto Compact")),
        },
    }


def _leftovers(catalogue: Catalogue) -> JSON:
    names = [table.name for table in catalogue.tables if _ERROR_TABLE.fullmatch(table.name)]
    return {"lost_by_compaction": catalogue.lost_by_compaction(), "error_tables": list[JSON](names)}


# --- the maps and the integrity -----------------------------------------------------------------


def _maps(reading: Reading) -> JSON:
    placed = None if reading.integrity is None else reading.integrity.partition
    if placed is None:
        return None
    from checkup.jet.partition import FREE, KINDS, ORPHAN

    tables = () if reading.catalogue is None else reading.catalogue.user_tables()
    users = {table.object.definition_page for table in tables}
    shares: dict[int, list[Share]] = {}
    for share in placed.shares:
        if share.owner in users:
            shares.setdefault(share.owner, []).append(share)
    return {
        "pages": len(placed),
        "free": placed.count(FREE),
        "orphan": placed.count(ORPHAN),
        "by_kind": {kind: placed.count(role) for role, kind in enumerate(KINDS)},
        "complete": placed.complete,
        "tables": [_placed(page, owned) for page, owned in shares.items()],
    }


def _placed(page: int, shares: Iterable[Share]) -> JSON:
    pages = {"data": 0, "index": 0, "long-values": 0}
    runs = 0
    for share in shares:
        if share.kind in pages:
            pages[share.kind] += share.pages
        if share.kind == "data":
            runs += share.runs
    return {
        "page": page,
        "data_pages": pages["data"],
        "index_pages": pages["index"],
        "long_value_pages": pages["long-values"],
        "runs": runs,
    }


def _integrity(reading: Reading) -> JSON:
    names: dict[int, str] = {}
    if reading.catalogue is not None:
        names = {page: table.name for page, table in reading.catalogue.table_by_page.items()}
    return {
        "depth": reading.done[-1],
        "problems": [_problem(problem, names) for problem in reading.problems],
        "counts": dict[str, JSON](_counts(reading)),
        "in_motion": list[JSON](sorted({problem.page for problem in reading.in_motion})),
        "left_out": [{"part": left.part, "detail": left.detail} for left in reading.left_out],
        "sampled": None if reading.integrity is None else _sampled(reading.integrity),
        "complete": _complete(reading),
    }


def _complete(reading: Reading) -> bool:
    """Everything that the depth asks for was looked at."""
    reached = set(COVERS[reading.depth]) <= set(reading.done)
    return reached and reading.refused is None and not reading.left_out


def _counts(reading: Reading) -> dict[str, int]:
    """Of each code, those that were not kept one by one included."""
    counts: dict[str, int] = {}
    for problem in reading.problems:
        counts[problem.code] = counts.get(problem.code, 0) + 1
    if reading.integrity is not None:
        for code, count in reading.integrity.counts.items():
            counts[code] = max(count, counts.get(code, 0))
    return counts


def _problem(problem: Problem, names: Mapping[int, str]) -> JSON:
    return {
        "code": problem.code,
        "page": problem.page,
        "pages": problem.pages,
        "kind": problem.kind,
        "owner": problem.owner,
        "owner_name": None if problem.owner is None else names.get(problem.owner),
        "part": problem.part,
        "depth": problem.depth,
        "numbers": list[JSON](problem.numbers),
    }


def _sampled(integrity: Integrity) -> JSON:
    if "sample" not in integrity.done:
        return None
    return {
        "owners": [
            {
                "page": one.share.owner,
                "kind": one.share.kind,
                "part": one.share.part,
                "pages": one.share.pages,
                "sampled": one.sampled,
                "free_ratio": one.free_ratio.mean,
                "free_ratio_error": one.free_ratio.error,
                "deleted_ratio": one.deleted_ratio.mean,
                "deleted_ratio_error": one.deleted_ratio.error,
                "unsound": one.unsound,
                "unsound_most_ratio": one.unsound_most_ratio,
            }
            for one in integrity.estimates
        ]
    }


def _blocks(reading: Reading) -> JSON:
    """A number of eight bytes for every BLOCK_PAGES pages, from a look at every page, to compare files by.

    It is a hash of sums over the pages: nothing can be had back from it.
    """
    sums = None if reading.integrity is None else reading.integrity.page_sums
    if sums is None:
        return None
    blocks = (sums[first : first + BLOCK_PAGES] for first in range(0, len(sums), BLOCK_PAGES))
    return {
        "pages": BLOCK_PAGES,
        "digests": [blake2b(block.astype("<u8").tobytes(), digest_size=8).hexdigest() for block in blocks],
    }


# --- values -------------------------------------------------------------------------------------


def _utc(seconds: float | None) -> str | None:
    if seconds is None or not 0 <= seconds <= _LATEST_S:
        return None
    return datetime.fromtimestamp(int(seconds), UTC).isoformat()


def _local(when: datetime | None) -> str | None:
    return None if when is None else when.replace(microsecond=0).isoformat()


def _rounded(seconds: float | None) -> float | None:
    return None if seconds is None else round(seconds, 6)


def _text(value: object) -> str | None:
    return value if isinstance(value, str) else None


def _switch(value: object) -> bool | None:
    """Access keeps a switch as a number or as a boolean."""
    return bool(value) if isinstance(value, bool | int) else None
