"""Where a linked table points to, without what would let anyone in.

Of a connection text only known harmless parts are kept; whatever else it holds, passwords and user names
among it, is dropped here and goes no further.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final, NamedTuple

from checkup.jet.definition import Definition

_KEPT: Final = {
    "DATABASE": "database",
    "DBQ": "database",
    "INITIAL CATALOG": "database",
    "SERVER": "server",
    "DATA SOURCE": "server",
    "ADDRESS": "server",
    "DSN": "data_source",
    "FILEDSN": "data_source",
    "DRIVER": "driver",
}
_PASSWORDS: Final = frozenset({"PWD", "PASSWORD"})
_USERS: Final = frozenset({"UID", "USER ID", "USER"})
_USER_IN_ADDRESS: Final = re.compile(r"(?<=://)[^/@\\]*@")
_HIDDEN_IN_ADDRESS: Final = re.compile(r"[?#].*", re.DOTALL)


class LinkTarget(NamedTuple):
    """`format` is "Access", "ODBC", or what the connection text names first ("Excel 12.0 Xml", "Text").

    `database` is the path of a file or the name of a database; empty where not said. `keeps_password`: a
    password lies in the file, readable for all; `keeps_user` likewise a user's name.
    """

    format: str
    database: str
    server: str
    data_source: str
    driver: str
    table: str
    keeps_password: bool
    keeps_user: bool


def link_target(connect: str, database: str, table: str) -> LinkTarget:
    """From the three fields of a link: connection text, database, name of the table there."""
    first, _, _ = connect.partition(";")
    kept: dict[str, str] = {}
    seen: set[str] = set()
    for key, value in _pairs(connect):
        if value:
            seen.add(key)
        kept.setdefault(_KEPT.get(key, ""), value)
    named = first.strip() if "=" not in first else ""
    return LinkTarget(
        format="Access" if named.upper() in ("", "MS ACCESS") else named,
        database=_harmless(database or kept.get("database", "")),
        server=_harmless(kept.get("server", "")),
        data_source=_harmless(kept.get("data_source", "")),
        driver=kept.get("driver", ""),
        table=table,
        keeps_password=bool(seen & _PASSWORDS),
        keeps_user=bool(seen & _USERS),
    )


def local_definition_page(object_id: int, page_count: int) -> int | None:
    """Where the file keeps its own definition of a table on a server, by the id of the link in the catalogue.

    It is the id itself, as with a table of the file's own (jackcess DatabaseImpl readTable, of tables linked
    by ODBC). A link that another program made may have an id that is no page: then there is none.
    """
    return object_id if 0 < object_id < page_count else None


def has_key(definition: Definition) -> bool:
    """Whether Access knows of a unique index of the linked table, by which it can name a single record."""
    return any(
        index.kind == "primary" or definition.index_data[index.data_number].is_unique
        for index in definition.indexes
    )


def _pairs(connect: str) -> Iterator[tuple[str, str]]:
    """The parts "key=value" between semicolons; a value in braces may hold semicolons, "}}" is a brace."""
    at = 0
    while at < len(connect):
        end = connect.find(";", at)
        end = len(connect) if end < 0 else end
        equals = connect.find("=", at, end)
        if equals < 0:
            at = end + 1
            continue
        key = connect[at:equals].strip().upper()
        start = equals + 1
        if connect[start : start + 1] == "{":
            closing = _closing_brace(connect, start + 1)
            # Without its closing brace everything that follows belongs to the value.
            end = len(connect) if closing < 0 else closing
            yield key, connect[start + 1 : end].replace("}}", "}")
            after = connect.find(";", end)
            at = len(connect) if after < 0 or closing < 0 else after + 1
            continue
        yield key, connect[start:end].strip()
        at = end + 1


def _closing_brace(connect: str, at: int) -> int:
    while True:
        at = connect.find("}", at)
        if at < 0 or connect[at + 1 : at + 2] != "}":
            return at
        at += 2


def _harmless(address: str) -> str:
    """A path or address without a user, a password or parameters in it."""
    if "://" not in address:
        return address
    return _HIDDEN_IN_ADDRESS.sub("", _USER_IN_ADDRESS.sub("", address))
