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


def completed_series(raw: Any) -> JSON:
    """The raw data of a section of samples in full; see checkup.testing.samples for the short form.

    The server of all samples was started before the first, unless one says how long it is up.
    """
    if not isinstance(raw, dict) or "from" not in raw:
        return cast("JSON", raw)
    data = cast("dict[str, Any]", raw)
    source, first = str(data["source"]), datetime.fromisoformat(data["from"])
    taken: list[JSON] = []
    for number, one in enumerate(data["samples"]):
        at = first + timedelta(seconds=number * data["every_s"])
        given = cast("JSON", one)
        if source in SQL_SOURCES:
            own = isinstance(one, dict) and " up " in str(cast("dict[str, Any]", one).get("server", ""))
            given = _asked_at(completed(source, one, at if own else first), at)
        taken.append({"at": at.isoformat(), "source": source, "version": 1, "raw": given})
    return {"samples": taken, "missed": data.get("missed", 0)}


def _asked_at(raw: JSON, at: datetime) -> JSON:
    if isinstance(raw, dict) and isinstance(server := raw.get("server"), dict):
        return {**raw, "server": {**server, "asked_at": at.isoformat()}}
    return raw


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
