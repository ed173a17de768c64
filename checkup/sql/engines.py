"""The engines by name."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from checkup.sql.engine import Engine, EngineName
from checkup.sql.mariadb import MARIADB
from checkup.sql.postgresql import POSTGRESQL
from checkup.sql.sqlserver import SQLSERVER

ENGINES: Final[Mapping[EngineName, Engine]] = {
    engine.name: engine for engine in (SQLSERVER, POSTGRESQL, MARIADB)
}
