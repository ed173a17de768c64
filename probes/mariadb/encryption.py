"""Whether connections can be, and must be, encrypted."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from checkup.api import Context, Finding, Impact, NotChecked, Passed, Probe, Result, Text, Value, When
from probes.mariadb.server import ANYONE, Server


@dataclass(frozen=True, slots=True)
class TlsLevels:
    weak: tuple[str, ...] = ("TLSv1", "TLSv1.0", "TLSv1.1")  # RFC 8996 takes them out of use


def check(facts: Server, levels: TlsLevels, ctx: Context) -> Iterator[Result]:
    have, versions = facts.setting("have_ssl"), facts.setting("tls_version")
    if have is None and versions is None:
        yield NotChecked(reason="the server does not say whether it can encrypt")
        return
    # MySQL 8.4 has no have_ssl; without TLS its tls_version is empty.
    if have.upper() != "YES" if have is not None else not versions:
        said = {"have_ssl": Text(have)} if have is not None else {"tls_version": Text("none")}
        yield Finding(impact=Impact.LIMITED, message="none", evidence=said)
        return
    evidence: dict[str, Value] = {"versions": Text(versions or "not told")}
    spoken = {one.strip() for one in (versions or "").split(",")}
    weak = sorted(one for one in levels.weak if one in spoken)
    if weak:
        yield Finding(
            impact=Impact.LIMITED, message="weak", evidence=evidence | {"weak": Text(", ".join(weak))}
        )
    elif (facts.setting("require_secure_transport") or "OFF").upper() in ("OFF", "0"):
        yield Finding(impact=Impact.NOTE, when=When.LATER, message="optional", evidence=evidence)
    else:
        yield Passed(evidence=evidence)


probe = Probe(
    id="mariadb.encryption",
    title="The server takes encrypted connections only, by safe versions of TLS",
    check=check,
    levels=TlsLevels(),
    kind="mariadb",
    messages={
        "none": "The server cannot encrypt: it has no certificate, or was built without TLS.",
        "weak": "The server still takes {weak} (all: {versions}).",
        "optional": "The server takes connections that are not encrypted, beside encrypted ones.",
    },
    why=(
        "What is not encrypted, or by versions long broken, can be read on the clinic's network: patients' "
        "data."
    ),
    remedy=(
        "In my.cnf (my.ini), section [mysqld]: ssl_cert and ssl_key (files of the site's own authority), "
        "tls_version = TLSv1.2,TLSv1.3, restart out of hours. When our programs connect encrypted (ask us): "
        "SET GLOBAL require_secure_transport = ON, and the line in the file (MariaDB before 10.5: ALTER USER "
        "name REQUIRE SSL). The way back: take the lines out."
    ),
    verify=(
        "SHOW GLOBAL VARIABLES LIKE 'require_secure_transport' says ON, tls_version names 1.2 and 1.3 only."
    ),
    rights=ANYONE,
    references=("sql: MY-TLS (mysqltuner)", "RFC 8996", "MariaDB documentation: Securing Connections"),
)
