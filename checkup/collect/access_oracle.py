"""The part `oracle` of a reading: what an ODBC driver counts in each table, beside what the file declares."""

from __future__ import annotations

from typing import TYPE_CHECKING

from checkup.api import JSON

if TYPE_CHECKING:
    from checkup.jet.catalogue import Catalogue
    from checkup.transports.access_odbc import Counts


def oracle(catalogue: Catalogue | None, counts: Counts) -> JSON:
    """The users' tables by name, those of only one of the two included; null where a number is not known."""
    declared: dict[str, int | None] = {}
    error = counts.error
    if catalogue is None:
        error = error or "the file's own list of tables could not be read"
    else:
        for table in catalogue.user_tables():
            declared[table.name] = None if table.definition is None else table.definition.row_count
    names = () if error else sorted({*declared, *counts.rows, *counts.errors})
    return {
        "driver": counts.driver,
        "error": error,
        "tables": [
            {
                "table": name,
                "listed": name in declared,
                "declared": declared.get(name),
                "listed_by_driver": name in counts.rows or name in counts.errors,
                "by_driver": counts.rows.get(name),
                "error": counts.errors.get(name, ""),
            }
            for name in names
        ],
    }
