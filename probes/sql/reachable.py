"""The way to a SQL instance: does it answer, is it the one it should be, and who can listen on the line?

The same questions for each engine; a probe is asked of one kind of target, so each engine has its own.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, cast

from checkup.api import (
    JSON,
    SUPPORTABILITY,
    Connection,
    Context,
    Duration,
    ErrorClass,
    Finding,
    Impact,
    NoLevels,
    NotChecked,
    Parameter,
    Passed,
    Probe,
    Result,
    Section,
    Text,
    Value,
    When,
)


@dataclass(frozen=True, kw_only=True, slots=True)
class SqlReached:
    """What the connection says about itself, reached or not. Empty texts and None: not known.

    `via`: the SSH host that it goes through, "" for none. `encryption` is that of the SQL connection itself,
    from the server to this station or to `via`: "validated" (the server's certificate was checked),
    "encrypted" (by whoever answered), "clear".
    """

    address: str
    via: str
    reached: bool
    error: ErrorClass | None
    detail: str
    server: str
    round_trip_s: float | None
    identity: str
    identity_check: str
    encryption: str


def parse(raw: JSON, source: str, version: int) -> SqlReached:
    if not isinstance(raw, dict):
        raise ValueError("the connection's facts are no object")
    given = cast(Mapping[str, Any], raw)
    error, round_trip = given.get("error"), given.get("round_trip_s")
    return SqlReached(
        address=_text(given, "address"),
        via=_text(given, "jump"),
        reached=bool(given["reached"]),
        error=ErrorClass(error) if error else None,
        detail=_text(given, "detail"),
        server=_text(given, "server"),
        round_trip_s=None if round_trip is None else float(round_trip),
        identity=_text(given, "identity"),
        identity_check=_text(given, "identity_check"),
        encryption=_text(given, "encryption"),
    )


def _text(given: Mapping[str, Any], key: str) -> str:
    return str(given.get(key) or "")


sql_connection = Section(
    name="sql-connection",
    facts=SqlReached,
    collect={"connection": Connection()},
    parse=parse,
    # What only people know of an instance. Nobody is asked for it, so it stands with what is always there.
    parameters={
        "restore_tested": Parameter("text", doc='the day of the last test restore, as "2026-09-01"'),
        "backups_copied_by": Parameter("text", doc="what copies the back-ups to another machine"),
        "backup": Parameter("text", doc="what backs the instance up without the server's knowledge"),
        "standbys": Parameter("texts", doc="names of the standbys that follow this PostgreSQL"),
        "memory_gib": Parameter("integer", doc="memory of the machine that runs this MariaDB or MySQL"),
    },
    privacy="address, version, round trip and encryption of the connection",
)


def _shown(facts: SqlReached) -> dict[str, Value]:
    shown: dict[str, Value] = {"address": Text(facts.address), "detail": Text(facts.detail)}
    if facts.round_trip_s is not None:
        shown["round_trip"] = Duration(facts.round_trip_s)
    if facts.identity:
        shown["identity"] = Text(facts.identity)
    return shown


def check_reachable(facts: SqlReached, levels: NoLevels, ctx: Context) -> Iterator[Result]:
    if facts.error is ErrorClass.OPTED_OUT:
        yield NotChecked(reason=facts.detail or "this instance is never contacted", error=facts.error)
    elif facts.error is not None:
        yield Finding(
            impact=Impact.MAJOR,
            function=SUPPORTABILITY,
            when=When.NOW,
            message=facts.error.value,
            evidence=_shown(facts),
        )
    elif not facts.reached:
        yield NotChecked(reason=facts.detail or "no connection was tried")
    else:
        yield Passed(evidence=_shown(facts))


# As the SSH host sees it: the server runs there itself, and nothing leaves that machine but through SSH.
_LOOPBACK = re.compile(r"^(127\.[0-9.]+|localhost|\[::1\]):")


def check_encrypted(facts: SqlReached, levels: NoLevels, ctx: Context) -> Iterator[Result]:
    evidence: dict[str, Value] = {"address": Text(facts.address)}
    match facts.encryption:
        case "validated":
            yield Passed(evidence=evidence)
        case "encrypted":
            yield Finding(
                impact=Impact.NOTE, function=SUPPORTABILITY, message="unvalidated", evidence=evidence
            )
        case "clear" if facts.via and _LOOPBACK.match(facts.address):
            yield Passed(evidence={**evidence, "via": Text(facts.via)})
        case "clear" if facts.via:
            yield Finding(
                impact=Impact.NOTE,
                function=SUPPORTABILITY,
                message="clear_behind",
                evidence={**evidence, "via": Text(facts.via)},
            )
        case "clear":
            yield Finding(impact=Impact.LIMITED, message="clear", evidence=evidence)
        case _:
            reason = facts.detail or "the connection does not tell whether it is encrypted"
            yield NotChecked(reason=reason, error=facts.error)


def _reachable(kind: str, title: str) -> Probe[NoLevels]:
    return Probe(
        id=f"{kind}.reachable",
        title=f"{title} can be reached and examined",
        check=check_reachable,
        levels=NoLevels(),
        kind=kind,
        messages={
            "unreachable": "No answer from {address}: {detail}",
            "tls": "No encrypted connection to {address} that can be trusted: {detail}",
            "auth": "{address} answers, but refuses the login: {detail}",
            "denied": "The login to {address} succeeds, but may not do what the check-up needs: {detail}",
            "disabled": "The way in to {address} is switched off: {detail}",
            "quota": "{address} takes no further connection: {detail}",
            "timeout": "{address} answered, but not in time: {detail}",
            "dropped": "The connection to {address} broke off: {detail}",
            "blocked_by_av": "Protection software stopped the check-up of {address}: {detail}",
            "constrained": "What {address} lets the check-up do is too little: {detail}",
            "bad_output": "The answer of {address} could not be read: {detail}",
            "unsupported": "{address} cannot be examined from here: {detail}",
            "protocol": "{address} answered in an unexpected way: {detail}",
            "host_key": "The way to {address} leads over a machine that is not the one on record: {detail}",
            "identity": "The instance at {address} is not the one on record: {detail}",
        },
        why="An instance that support cannot look into is not examined, and gets no help in an emergency.",
        remedy=(
            "Restore the way in as the access request describes: service running, TCP/IP switched on, "
            "firewall open for the check-up's address, account enabled. If the instance was reinstalled, "
            "record its new identity in the site file."
        ),
        verify="`checkup run SITE.YAML --host NAME` reports nothing under this heading.",
        rights="a login",
        references=("sql: connection and driver facts",),
    )


def _encrypted(kind: str, title: str) -> Probe[NoLevels]:
    return Probe(
        id=f"{kind}.own-connection",
        title=f"The check-up's own connection to {title} is encrypted and checked",
        check=check_encrypted,
        levels=NoLevels(),
        kind=kind,
        messages={
            "clear": "The check-up's connection to {address} is not encrypted.",
            "clear_behind": "The check-up's connection goes through SSH as far as {via}; from there to "
            "{address}, within the site, it is not encrypted.",
            "unvalidated": "The connection to {address} is encrypted, but its certificate was not checked.",
        },
        why=(
            "What is not encrypted can be read on the way, patients' data of the application's own "
            "connections included; without a check of the certificate somebody else may answer in the "
            "server's place."
        ),
        remedy=(
            "Give the server a certificate of the site's own authority and let it insist on encryption; then "
            "write `encryption: validated` in the site file."
        ),
        verify="The next run passes with `encryption: validated` in the site file.",
        rights="a login",
        references=("sql: SEC-ENCRYPT",),
    )


sqlserver_reachable = _reachable("sqlserver", "SQL Server")
postgresql_reachable = _reachable("postgresql", "PostgreSQL")
mariadb_reachable = _reachable("mariadb", "MariaDB or MySQL")
sqlserver_encrypted = _encrypted("sqlserver", "SQL Server")
postgresql_encrypted = _encrypted("postgresql", "PostgreSQL")
mariadb_encrypted = _encrypted("mariadb", "MariaDB")
