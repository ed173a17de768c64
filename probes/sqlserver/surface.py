"""What the instance offers beyond tables: options that let code out of the database, linked servers."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from checkup.api import (
    SUPPORTABILITY,
    Context,
    Finding,
    Impact,
    NotApplicable,
    NotChecked,
    Passed,
    Probe,
    Result,
    Section,
    Sql,
    SqlFacts,
    SqlVariant,
    Text,
    When,
)
from probes.sql.rows import reader
from probes.sqlserver.configuration import Configuration

# Those that let code or data out of the database (dbachecks' CIS set, SQL Assessment API).
_DOORS = (
    *("xp_cmdshell", "Ole Automation Procedures", "Ad Hoc Distributed Queries", "clr enabled"),
    *("cross db ownership chaining", "remote access", "scan for startup procs"),
)


@dataclass(frozen=True, slots=True)
class SurfaceLevels:
    needed: tuple[str, ...] = ()  # options that our software, or the clinic's, is known to need


# Runs programs of the machine: worth more than the rest.
_SHELL = "xp_cmdshell"


def check_surface(facts: Configuration, levels: SurfaceLevels, ctx: Context) -> Iterator[Result]:
    needed = {name.casefold() for name in levels.needed}
    known = [(name, facts.in_use(name)) for name in _DOORS]
    if all(value is None for _, value in known):
        yield NotChecked(reason="the server showed none of these options")
    for name, value in known:
        if value is None:
            continue
        if not value or name.casefold() in needed:
            yield Passed(item=name, evidence={"setting": Text("on" if value else "off")})
            continue
        shell = name == _SHELL
        yield Finding(
            impact=Impact.LIMITED if shell else Impact.NOTE,
            function=SUPPORTABILITY,
            when=When.BEFORE_NEXT_VISIT if shell else When.LATER,
            message="shell" if shell else "on",
            item=name,
            evidence={"setting": Text("on")},
        )


surface = Probe(
    id="sqlserver.surface",
    title="Doors out of the database are shut",
    check=check_surface,
    levels=SurfaceLevels(),
    kind="sqlserver",
    messages={
        "shell": "{item} is {setting}: whoever administers the instance runs programs on its machine.",
        "on": "{item} is {setting}.",
    },
    why="Each of these options helps an intruder from the database into the machine, or to other servers.",
    remedy=(
        "Ask us whether our software needs it. If not: EXEC sp_configure 'show advanced options', 1; "
        "RECONFIGURE; EXEC sp_configure 'name of the option', 0; RECONFIGURE. `remote access` and `scan for "
        "startup procs` take effect at the next restart. The way back: the same with 1."
    ),
    verify="SELECT name, value_in_use FROM sys.configurations shows 0.",
    rights="any login",
    references=("Server configuration options, Microsoft Learn", "dbachecks CIS checks"),
)


# --- linked servers ---------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class LinkedServer:
    """`logs_in_as_sa`: some login works there as sa. `same_for_all`: every login that is not named otherwise
    works there as one and the same."""

    server_name: str
    provider: str
    logs_in_as_sa: bool
    same_for_all: bool


class LinkedServers(SqlFacts[LinkedServer]):
    pass


linked_servers = Section(
    name="sqlserver-linked-servers",
    facts=LinkedServers,
    collect={
        "sqlserver": Sql(
            (
                SqlVariant(
                    """
SELECT s.name AS server_name, s.provider AS provider,
       MAX(CASE WHEN l.remote_name = N'sa' THEN 1 ELSE 0 END) AS logs_in_as_sa,
       MAX(CASE WHEN l.local_principal_id = 0 AND l.uses_self_credential = 0 AND l.remote_name IS NOT NULL
                THEN 1 ELSE 0 END) AS same_for_all
FROM sys.servers AS s
LEFT JOIN sys.linked_logins AS l ON l.server_id = s.server_id
WHERE s.is_linked = 1
GROUP BY s.name, s.provider
""",
                    reads=("sys.servers", "sys.linked_logins"),
                    rights=("VIEW ANY DEFINITION",),
                ),
            ),
            row=LinkedServer,
            most_rows=500,
        )
    },
    parse=reader(LinkedServers, LinkedServer),
    privacy="names of linked servers, whether sa is used there; no passwords",
)


@dataclass(frozen=True, slots=True)
class LinkLevels:
    known: tuple[str, ...] = ()  # linked servers that are agreed on


def check_linked(facts: LinkedServers, levels: LinkLevels, ctx: Context) -> Iterator[Result]:
    if not facts.rows:
        # One whose default login was taken away is seen by its own users and by who may alter linked servers.
        yield NotApplicable(
            reason="our login sees no linked server: none, or none that is open to all logins"
        )
    known = {name.casefold() for name in levels.known}
    for one in facts.rows:
        if one.logs_in_as_sa or one.same_for_all:
            yield Finding(
                impact=Impact.LIMITED if one.logs_in_as_sa else Impact.NOTE,
                function=SUPPORTABILITY,
                when=When.BEFORE_NEXT_VISIT if one.logs_in_as_sa else When.LATER,
                message="sa" if one.logs_in_as_sa else "same",
                item=one.server_name,
                evidence={"provider": Text(one.provider)},
            )
        elif known and one.server_name.casefold() not in known:
            yield Finding(
                impact=Impact.NOTE,
                function=SUPPORTABILITY,
                when=When.LATER,
                message="unknown",
                item=one.server_name,
                evidence={"provider": Text(one.provider)},
            )
        else:
            yield Passed(item=one.server_name, evidence={"provider": Text(one.provider)})


linked = Probe(
    id="sqlserver.linked-servers",
    title="Linked servers are entered with few rights",
    check=check_linked,
    levels=LinkLevels(),
    kind="sqlserver",
    messages={
        "sa": "On the linked server {item} logins of this instance work as sa.",
        "same": "On the linked server {item} every login of this instance works as one and the same.",
        "unknown": "The linked server {item} is not among those agreed on.",
    },
    why="Whoever may log in here may do there what the stored login may, without knowing its password.",
    remedy=(
        "Ask us if the link is ours. Else make a login with few rights on the other server, and use it: EXEC "
        "sp_addlinkedsrvlogin N'server', N'FALSE', NULL, N'login', N'password'. A link that nobody needs: "
        "EXEC sp_dropserver N'server', 'droplogins'. The way back is the old mapping; note it first."
    ),
    verify="SELECT remote_name FROM sys.linked_logins shows no sa.",
    rights="VIEW ANY DEFINITION",
    references=("Linked servers, Microsoft Learn", "sp_Blitz check 49, First Responder Kit"),
)
