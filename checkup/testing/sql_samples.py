"""Short ways to write what a SQL server said, in samples."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any, Final, cast

from checkup.api import JSON

SQL_SOURCES: Final = ("sqlserver", "postgresql", "mariadb")

# Version and edition of the server where a sample says nothing of it.
_USUAL: Final = {
    "sqlserver": ("15.0.4430.1", "standard", "windows"),
    "postgresql": ("15.18", "", "linux"),
    "mariadb": ("10.11.19", "mariadb", "linux"),
}
_UP = timedelta(days=60)


def completed(source: str, raw: Any, now: datetime) -> JSON:
    """The raw data of a SQL section with its server in full.

    `server` may be left out, or be "16.0.4135.4 express", with "up 3 days" after it. Without more the
    server asked at `now` was started sixty days before.
    """
    if not isinstance(raw, dict):
        return cast("JSON", raw)
    data = cast("dict[str, JSON]", raw)
    given = data.get("server", "")
    if not isinstance(given, str):
        return data
    told, _, up = given.partition(" up ")
    words = told.split()
    version, edition, platform = _USUAL[source]
    days = float(up.split()[0]) if up else None
    started = now - (timedelta(days=days) if days is not None else _UP)
    server: Mapping[str, JSON] = {
        "engine": source,
        "version": words[0] if words else version,
        "edition": words[1] if words[1:] else edition,
        "platform": platform,
        "asked_at": now.isoformat(),
        "started_at": started.isoformat(),
    }
    return {**data, "server": dict(server)}
