"""The `checkup` command on the fictional clinic, whose SQL Server answers from a recording."""

from __future__ import annotations

from datetime import UTC, datetime

import demo_sql_session

from checkup.catalogue import load
from checkup.cli import main as command


def main() -> None:
    with demo_sql_session.in_place_of_odbc(datetime.now(UTC), 0, lambda: load().sections):
        command()


if __name__ == "__main__":
    main()
