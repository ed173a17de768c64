"""What an engine's error numbers mean for a section.

Numbers: SQL Server's `sys.messages` ("Database Engine events and errors"), PostgreSQL's appendix A "Error
codes" (SQLSTATE), MariaDB's "Error codes" with MySQL's where they differ.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from checkup.api import ErrorClass, Quality
from checkup.sql.batching import Failure
from checkup.sql.engine import EngineName


@dataclass(frozen=True, slots=True)
class Meaning:
    """`names_only`: the server's own sentence names objects, logins and databases and nothing else, so that
    it may be shown. All other sentences may hold values of someone's rows."""

    quality: Quality
    error: ErrorClass
    reason: str
    names_only: bool = False


_DENIED = Meaning(Quality.DENIED, ErrorClass.DENIED, "the login may not see this", names_only=True)
# Whether it is there was asked before, so a statement that names what is not there is no reason to say that
# the check does not apply.
_MISSING = Meaning(
    Quality.BAD_OUTPUT, ErrorClass.UNSUPPORTED, "the server does not know what was asked for", names_only=True
)
_LOCKED = Meaning(
    Quality.TIMEOUT, ErrorClass.TIMEOUT, "somebody else's lock was in the way; run it again at a quiet hour"
)
_DEADLOCK = Meaning(
    Quality.TIMEOUT,
    ErrorClass.TIMEOUT,
    "it gave way to the site's own work in a deadlock; run it again at a quiet hour",
)
_TIMEOUT = Meaning(
    Quality.TIMEOUT, ErrorClass.TIMEOUT, "it took longer than its time; run it again at a quiet hour"
)
_CLOSED = Meaning(
    Quality.UNREACHABLE, ErrorClass.UNREACHABLE, "the database is not open for reading", names_only=True
)
_FULL = Meaning(Quality.UNREACHABLE, ErrorClass.QUOTA, "the server takes no further connection")

# 916: the login has no user in the database; 8189: sys.traces and fn_trace_gettable; 27219: sp_enumerrorlogs.
_SQLSERVER: Final = {
    **dict.fromkeys((229, 230, 262, 297, 300, 371, 916, 8189, 15247, 27219), _DENIED),
    **dict.fromkeys((102, 156, 195, 207, 208, 2812, 4121, 15151), _MISSING),
    1205: _DEADLOCK,
    1222: _LOCKED,
    # gone, offline, recovering, single user, restoring, not started, replica that is not read, suspect
    **dict.fromkeys((911, 921, 922, 924, 926, 927, 942, 945, 946, 952, 954, 976, 978, 982), _CLOSED),
}
_MARIADB: Final = {
    **dict.fromkeys((1044, 1045, 1142, 1143, 1227, 1370), _DENIED),
    **dict.fromkeys((1049, 1051, 1054, 1064, 1109, 1146, 1193, 1305), _MISSING),
    1205: _LOCKED,
    1213: _DEADLOCK,
    1317: _TIMEOUT,
    1969: _TIMEOUT,  # max_statement_time
    3024: _TIMEOUT,  # MySQL's max_execution_time
    1040: _FULL,
    1203: _FULL,
}
_SQLSTATES: Final = {
    "42501": _DENIED,
    "28000": _DENIED,
    **dict.fromkeys(("42P01", "42703", "42883", "42704", "42601", "3F000"), _MISSING),
    **dict.fromkeys(("42S02", "42S22"), _MISSING),
    "55P03": _LOCKED,
    "40P01": _DEADLOCK,
    "40001": _DEADLOCK,
    **dict.fromkeys(("57014", "HYT00", "HYT01", "HY018", "HY008"), _TIMEOUT),
    **dict.fromkeys(("57P03", "55000", "3D000", "57P01"), _CLOSED),
    "53300": _FULL,
}

MOST_OF_A_SENTENCE = 160
_DRIVER = re.compile(r"^(\s*\[[^\]]*\])+|(\s*\([^()]*\))+\s*$")


@dataclass(frozen=True, kw_only=True, slots=True)
class Refusal:
    """Why a section has no rows."""

    quality: Quality
    reason: str
    error: ErrorClass | None = None


def refusal(engine: EngineName, failure: Failure) -> Refusal:
    """What a server's error means. Its own words are kept only where they can hold nothing but names."""
    meaning = meaning_of(engine, failure)
    code = f"error {failure.number}" if failure.number else f"SQLSTATE {failure.sqlstate or 'none'}"
    if meaning is None:
        return Refusal(
            quality=Quality.BAD_OUTPUT,
            error=ErrorClass.BAD_OUTPUT,
            reason=f"the server answered with {code}",
        )
    said = f": {_sentence(failure.text)}" if meaning.names_only and failure.text else ""
    return Refusal(quality=meaning.quality, error=meaning.error, reason=f"{meaning.reason} ({code}{said})")


def meaning_of(engine: EngineName, failure: Failure) -> Meaning | None:
    """The engine's own number first, SQLSTATE second: drivers give one number several states."""
    numbers = {"sqlserver": _SQLSERVER, "mariadb": _MARIADB}.get(engine, {})
    return numbers.get(failure.number) or _SQLSTATES.get(failure.sqlstate)


def _sentence(text: str) -> str:
    """The sentence alone, without the driver's names before and its numbers behind it."""
    return _DRIVER.sub("", " ".join(text.split())).strip(" .")[:MOST_OF_A_SENTENCE]
