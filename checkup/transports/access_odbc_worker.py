"""Counts the tables of one Access file by an ODBC driver: a program of its own, because drivers crash.

Standard input is one JSON object, {"connection": the connection string}; standard output has a JSON object on
each line: first {"tables": [names]}, then {"table": name, "count": rows} or {"table": name, "error": text}
in that order; or {"error": text, "missing": true where there is no pyodbc or no driver manager}. Imports
nothing of checkup: it starts at once, and whatever the driver does to it stays here.
"""

from __future__ import annotations

import json
import sys
from typing import Any

MOST_TABLES = 2000
CONNECT_S = 20


def say(**what: Any) -> None:
    sys.stdout.write(json.dumps(what) + "\n")
    sys.stdout.flush()


def main() -> int:
    connection_string = json.load(sys.stdin)["connection"]
    try:
        import pyodbc
    except ImportError as error:  # also where the driver manager's library is missing
        say(error=str(error), missing=True)
        return 1
    try:
        connection = pyodbc.connect(connection_string, autocommit=True, readonly=True, timeout=CONNECT_S)
        cursor = connection.cursor()
        names = [str(row[2]) for row in cursor.tables() if str(row[3]) == "TABLE"][:MOST_TABLES]
    except pyodbc.Error as error:
        say(error=str(error))
        return 1
    say(tables=names)
    for name in names:
        try:
            say(table=name, count=count(connection, name))
        except (pyodbc.Error, ValueError) as error:
            say(table=name, error=str(error))
    return 0


def count(connection: Any, name: str) -> int:
    if "]" in name:  # Access lets nobody name a table so
        raise ValueError("its name has a bracket")
    row = connection.cursor().execute(f"SELECT COUNT(*) FROM [{name}]").fetchone()  # noqa: S608 - see above
    return int(row[0])  # MDBTools says it as a text


if __name__ == "__main__":
    sys.exit(main())
