"""A recording of a SQL instance without its names: of databases, tables, logins, jobs, files.

What a column means is told by its name. Only columns that are known to hold an engine's own words are kept as
they are, so that a new one gives nothing away.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Final, cast

from checkup.api import JSON
from checkup.workflow.scrubbing import Scrubber

# Columns whose values are words of the engine itself (states, kinds, settings), the same at every site.
_OF_THE_ENGINE: Final = frozenset({
    "applier", "archive_mode", "authentication", "available", "channel", "character_set", "classes",
    "collation_name", "collations", "command", "connection_state", "directions", "edition_name",
    "engine", "extension_name", "health", "installed", "kind", "log_reuse_wait", "method", "name",
    "numbered_type", "option_name", "page_verify", "product_level", "product_version", "provider",
    "receiver", "recovery_model", "role", "server_collation", "service_name", "side", "software",
    "state", "status", "synchronization_state", "trace_flag", "transport", "type_name", "unit",
    "user_access", "value", "wait_kind", "wait_type", "ProcessInfo", "Text", "Variable_name", "Value",
})  # fmt: skip
_PLACES: Final = frozenset({"path", "folder", "mount", "destination_name"})

# What every instance has.
_COMMON: Final = frozenset({
    "master", "tempdb", "model", "msdb", "postgres", "template0", "template1", "mysql", "sys",
    "information_schema", "performance_schema", "dbo", "public", "guest", "sa", "root", "mariadb.sys",
    "localhost", "%", "_total",
})  # fmt: skip
_COMMON_BEGINNINGS: Final = ("nt authority\\", "nt service\\", "builtin\\", "##ms_", "pg_", "mariadb.")

_MOMENT: Final = re.compile(r"\d{4}-\d{2}-\d{2}T[\d:.]+(\+00:00)?")
_SHORTEST_WORD: Final = 3  # shorter ones would be found in the midst of other texts


def names_in(raws: Iterable[JSON]) -> dict[str, str]:
    """The site's names in the rows of SQL sections, each with what it is, to be replaced wherever they
    stand."""
    return {
        value: _kind(column)
        for raw in raws
        for row in _rows(raw)
        for column, value in row.items()
        if isinstance(value, str) and len(value) >= _SHORTEST_WORD and _telling(column, value)
        if column not in _PLACES
    }


def cleaned(raw: JSON, scrubber: Scrubber) -> JSON:
    """The raw data of one SQL section with stand-ins."""
    if not isinstance(raw, dict):
        return scrubber.clean(raw)
    rest = {key: value for key, value in raw.items() if key not in ("rows", "missing")}
    found: dict[str, JSON] = {key: scrubber.clean(value, key) for key, value in rest.items()}
    if "rows" in raw:
        found["rows"] = [
            {column: _cleaned(column, value, scrubber) for column, value in row.items()} for row in _rows(raw)
        ]
    missing = raw.get("missing")
    if isinstance(missing, dict):
        found["missing"] = {
            scrubber.name("database", name) if _telling("database", name) else name: scrubber.clean(why)
            for name, why in missing.items()
        }
    return found


def _rows(raw: JSON) -> Iterator[Mapping[str, JSON]]:
    rows = raw.get("rows") if isinstance(raw, dict) else None
    for row in rows if isinstance(rows, list) else ():
        if isinstance(row, dict):
            yield cast(Mapping[str, JSON], row)


def _cleaned(column: str, value: JSON, scrubber: Scrubber) -> JSON:
    if not isinstance(value, str) or not _telling(column, value):
        return scrubber.clean(value, column)
    if column in _PLACES:
        return _place(value, scrubber)
    return scrubber.name(_kind(column), value)


def _telling(column: str, value: str) -> bool:
    low = value.strip().lower()
    return (
        bool(low)
        and column not in _OF_THE_ENGINE
        and low not in _COMMON
        and not _MOMENT.fullmatch(value)
        and not low.startswith(_COMMON_BEGINNINGS)
    )


def _kind(column: str) -> str:
    """`database_name` and `database` are one kind, so that a name has one stand-in."""
    return column.lower().removesuffix("_name").replace("_", "-")


def _place(path: str, scrubber: Scrubber) -> str:
    """The drive, how deep, and the kind of file are kept."""
    parts = re.split(r"([\\/])", path)
    for index, part in enumerate(parts):
        if part in ("", "\\", "/") or re.fullmatch(r"[A-Za-z]:", part):
            continue
        stem, dot, kind = part.rpartition(".") if index == len(parts) - 1 else (part, "", "")
        parts[index] = scrubber.name("part", stem or kind) + (dot + kind if stem else "")
    return "".join(parts)
