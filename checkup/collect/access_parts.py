"""What a reading of an Access file is kept as: named parts of plain JSON data, without anyone's values.

No text of a query, no connection text, no password and no user's name is in any part. Times of the file
system are ISO texts in UTC; times that the file itself holds are ISO texts without a zone, because it knows
none. A part is None where it could not be read.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import Final

from checkup.api import JSON
from checkup.collect.access_catalogue_parts import STRUCTURE, catalogue_parts, local_time
from checkup.collect.access_integrity_parts import blocks_part, integrity_part, maps_part
from checkup.collect.access_reading import Reading

_LATEST_S: Final = 253402300799  # the last second of the year 9999


def parts(reading: Reading) -> dict[str, JSON]:
    """Every part that the reading has."""
    told = {} if reading.catalogue is None else catalogue_parts(reading.catalogue)
    return {
        "header": _header(reading),
        "lock": _lock(reading),
        **{part: told.get(part) for part in STRUCTURE},
        "maps": maps_part(reading),
        "integrity": integrity_part(reading),
        "folder": _folder(reading),
        "blocks": blocks_part(reading),
        "cost": {
            "bytes": reading.cost.bytes,
            "requests": reading.cost.requests,
            "rounds": reading.cost.rounds,
            "seconds": round(reading.timing.seconds, 6),
            "round_trip_s": _rounded(reading.timing.round_trip_s),
        },
    }


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
        "created": local_time(header.created),
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


def _utc(seconds: float | None) -> str | None:
    if seconds is None or not 0 <= seconds <= _LATEST_S:
        return None
    return datetime.fromtimestamp(int(seconds), UTC).isoformat()


def _rounded(seconds: float | None) -> float | None:
    return None if seconds is None else round(seconds, 6)
