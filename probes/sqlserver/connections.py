"""Who is connected, how, and from how far: encryption, programs, rights, round trips."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from checkup.api import (
    SUPPORTABILITY,
    Context,
    Duration,
    Finding,
    Impact,
    Metric,
    NotChecked,
    Number,
    Passed,
    Probe,
    Ratio,
    Result,
    Section,
    Sql,
    SqlFacts,
    SqlVariant,
    Step,
    Text,
    Value,
    Visit,
    When,
    Worse,
    judge,
)
from probes.host.connection import Reached
from probes.sql.rows import reader

# --- encryption -------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class ConnectionGroup:
    """Connections that are alike. `is_local`: from the machine itself; `is_ours`: the check-up's own."""

    transport: str
    is_encrypted: bool
    authentication: str
    is_local: bool
    is_ours: bool
    connections: int
    computers: int


class ConnectionGroups(SqlFacts[ConnectionGroup]):
    pass


# "Session" is a further session within a connection that is counted already (MARS).
connection_groups = Section(
    name="sqlserver-connections",
    facts=ConnectionGroups,
    collect={
        "sqlserver": Sql(
            (
                SqlVariant(
                    """
SELECT d.transport AS transport, d.is_encrypted AS is_encrypted, d.authentication AS authentication,
       d.is_local AS is_local, d.is_ours AS is_ours, COUNT(*) AS connections,
       COUNT(DISTINCT d.client_net_address) AS computers
FROM (
    SELECT c.net_transport AS transport,
           CASE WHEN c.encrypt_option = N'TRUE' THEN 1 ELSE 0 END AS is_encrypted,
           c.auth_scheme AS authentication,
           CASE WHEN c.net_transport = N'Shared memory' OR c.client_net_address = c.local_net_address
                  OR c.client_net_address IN ('<local machine>', '127.0.0.1', '::1') THEN 1 ELSE 0 END
               AS is_local,
           CASE WHEN c.session_id = @@SPID THEN 1 ELSE 0 END AS is_ours, c.client_net_address
    FROM sys.dm_exec_connections AS c
    WHERE c.net_transport <> N'Session' AND c.session_id IS NOT NULL
) AS d
GROUP BY d.transport, d.is_encrypted, d.authentication, d.is_local, d.is_ours
""",
                    reads=("sys.dm_exec_connections",),
                    rights=("VIEW SERVER SECURITY STATE",),
                ),
            ),
            row=ConnectionGroup,
            most_rows=200,
        )
    },
    parse=reader(ConnectionGroups, ConnectionGroup),
    privacy="counts of connections and computers by protocol; no addresses",
)


@dataclass(frozen=True, slots=True)
class EncryptionLevels:
    clear: float = 0.0  # share of the connections over the network that may be readable; none


def check_encryption(facts: ConnectionGroups, levels: EncryptionLevels, ctx: Context) -> Iterator[Result]:
    remote = [one for one in facts.rows if not one.is_local and not one.is_ours]
    total = sum(one.connections for one in remote)
    if not total:
        yield NotChecked(reason="nobody was connected over the network; ask in working hours")
        return
    clear = [one for one in remote if not one.is_encrypted]
    readable = sum(one.connections for one in clear)
    share = Ratio(readable / total)
    evidence: dict[str, Value] = {
        "clear": Number(readable),
        "connections": Number(total),
        "ntlm": Number(sum(one.connections for one in remote if one.authentication == "NTLM")),
    }
    yield Metric(name="clear_share", value=share)
    if share.value <= levels.clear:
        yield Passed(evidence=evidence)
        return
    yield Finding(
        impact=Impact.LIMITED,
        function=SUPPORTABILITY,
        message="clear",
        evidence={**evidence, "computers": Number(max(one.computers for one in clear))},
        value=share,
        worse=Worse.HIGHER,
    )


encryption = Probe(
    id="sqlserver.connection-encryption",
    title="Connections over the network are encrypted",
    check=check_encryption,
    levels=EncryptionLevels(),
    kind="sqlserver",
    messages={
        "clear": "Readable connections over the network: {clear} of {connections}. Computers that they come "
        "from, at least: {computers}."
    },
    why="Whoever is on the same network, or on its Wi-Fi, reads the patients' data as they pass.",
    remedy=(
        "Have a certificate made that the workstations trust, with the server's full name; let the service's "
        "account read its private key (certlm.msc, Manage Private Keys), or the instance will not start. In "
        "SQL Server Configuration Manager, Protocols, Properties, choose it, set Force Encryption to Yes, "
        "restart in a quiet hour and try all programs; old drivers may fail. The way back: No, and a restart."
    ),
    verify="SELECT DISTINCT encrypt_option FROM sys.dm_exec_connections shows TRUE, in working hours.",
    rights="VIEW SERVER STATE (since 2022 VIEW SERVER SECURITY STATE)",
    references=(
        "Configure SQL Server Database Engine for encrypting connections, Microsoft Learn",
        "sys.dm_exec_connections (Transact-SQL), Microsoft Learn",
    ),
)


# --- programs ---------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class ProgramSessions:
    """`administrator_sessions` are those whose login is itself a member of sysadmin; `group_sessions` are of
    other Windows accounts, where a Windows group is a member to which they may belong."""

    program: str
    sessions: int
    computers: int
    logins: int
    administrator_sessions: int
    group_sessions: int


class ConnectedPrograms(SqlFacts[ProgramSessions]):
    pass


connected_programs = Section(
    name="sqlserver-programs",
    facts=ConnectedPrograms,
    collect={
        "sqlserver": Sql(
            (
                SqlVariant(
                    """
SELECT d.program AS program, COUNT(*) AS sessions, COUNT(DISTINCT d.host_name) AS computers,
       COUNT(DISTINCT d.login_name) AS logins, SUM(d.as_administrator) AS administrator_sessions,
       SUM(CASE WHEN d.as_administrator = 0 AND d.nt_user_name <> N'' THEN d.by_group ELSE 0 END)
           AS group_sessions
FROM (
    SELECT CASE WHEN s.program_name LIKE N'SQLAgent%' THEN N'SQLAgent'
                ELSE ISNULL(s.program_name, N'') END AS program,
           s.host_name, s.login_name, s.nt_user_name,
           CASE WHEN EXISTS (SELECT 1 FROM sys.server_role_members AS n
                             JOIN sys.server_principals AS o ON o.principal_id = n.role_principal_id
                             JOIN sys.server_principals AS g ON g.principal_id = n.member_principal_id
                             WHERE o.name = N'sysadmin' AND g.type = 'G')
                THEN 1 ELSE 0 END AS by_group,
           CASE WHEN EXISTS (SELECT 1 FROM sys.server_role_members AS m
                             JOIN sys.server_principals AS r ON r.principal_id = m.role_principal_id
                             JOIN sys.server_principals AS p ON p.principal_id = m.member_principal_id
                             WHERE r.name = N'sysadmin' AND p.sid = s.security_id)
                THEN 1 ELSE 0 END AS as_administrator
    FROM sys.dm_exec_sessions AS s
    WHERE s.is_user_process = 1 AND s.session_id <> @@SPID
) AS d
GROUP BY d.program
""",
                    reads=("sys.dm_exec_sessions", "sys.server_role_members", "sys.server_principals"),
                    rights=("VIEW SERVER STATE", "VIEW ANY DEFINITION"),
                ),
            ),
            row=ProgramSessions,
            most_rows=1000,
        )
    },
    parse=reader(ConnectedPrograms, ProgramSessions),
    privacy="names of programs, counts of their sessions, computers and logins",
)

MOST_NAMED = 15


@dataclass(frozen=True, slots=True)
class ProgramLevels:
    known: tuple[str, ...] = ()  # beginnings of names of programs that belong here; without any, all do


def check_programs(facts: ConnectedPrograms, levels: ProgramLevels, ctx: Context) -> Iterator[Result]:
    if not facts.rows:
        yield NotChecked(reason="nobody but the check-up was connected; ask in working hours")
        return
    sessions = Number(sum(one.sessions for one in facts.rows))
    yield Metric(name="sessions", value=sessions)
    biggest = sorted(facts.rows, key=lambda one: -one.sessions)[:MOST_NAMED]
    evidence: dict[str, Value] = {
        "sessions": sessions,
        "programs": Text(", ".join(f"{one.program or '(no name)'} {one.sessions}" for one in biggest)),
    }
    known = tuple(name.casefold() for name in levels.known)
    strange = [one for one in facts.rows if known and not one.program.casefold().startswith(known)]
    for one in strange:
        yield Finding(
            impact=Impact.NOTE,
            function=SUPPORTABILITY,
            when=When.LATER,
            message="strange",
            item=one.program or "(no name)",
            evidence={"sessions": Number(one.sessions), "computers": Number(one.computers)},
        )
    if not strange:
        yield Passed(evidence=evidence)


programs = Probe(
    id="sqlserver.connected-programs",
    title="Only known programs are connected",
    check=check_programs,
    levels=ProgramLevels(),
    kind="sqlserver",
    visits=frozenset({Visit.TUNE_UP}),
    messages={
        "strange": "{item} is not among the programs known (sessions: {sessions}, computers: {computers})."
    },
    why=(
        "Reports and spreadsheets that ask the clinic's database directly slow everybody, and are not ours "
        "to mend."
    ),
    remedy=(
        "Ask who uses the program, and for what; let its work be done by a report of our software, or at "
        "night. Gain: answers as quick as before. A program that belongs here: tell us, and it goes into the "
        "list of known ones; that is the way back as well."
    ),
    verify=(
        "SELECT DISTINCT program_name FROM sys.dm_exec_sessions WHERE is_user_process = 1 shows known names "
        "only."
    ),
    rights="VIEW SERVER STATE, VIEW ANY DEFINITION",
    references=("sys.dm_exec_sessions (Transact-SQL), Microsoft Learn",),
)


@dataclass(frozen=True, slots=True)
class AsAdministratorLevels:
    # Beginnings of names of programs that administer by their nature: the server's own, and its tools.
    tools: tuple[str, ...] = (
        "SQLAgent",
        "Microsoft SQL Server Management Studio",
        "Microsoft SQL Server VSS Writer",
        "SQLServerCEIP",
        "Microsoft SQL Server",
        "SQLCMD",
        "azdata",
        "dbatools",
    )


def check_as_administrator(
    facts: ConnectedPrograms, levels: AsAdministratorLevels, ctx: Context
) -> Iterator[Result]:
    tools = tuple(name.casefold() for name in levels.tools)
    looked = [one for one in facts.rows if not one.program.casefold().startswith(tools)]
    if not looked:
        yield NotChecked(reason="no program of the clinic was connected; ask in working hours")
    for one in looked:
        evidence: dict[str, Value] = {
            "sessions": Number(one.sessions),
            "administrators": Number(one.administrator_sessions),
        }
        item = one.program or "(no name)"
        if one.administrator_sessions:
            yield Finding(
                impact=Impact.LIMITED, function=SUPPORTABILITY, message="all", item=item, evidence=evidence
            )
        elif one.group_sessions:
            yield NotChecked(
                item=item,
                reason="its users have Windows accounts, a Windows group is a member of sysadmin, and the "
                "server does not tell who belongs to the group",
            )
        else:
            yield Passed(item=item, evidence=evidence)


as_administrator = Probe(
    id="sqlserver.programs-as-administrator",
    title="Programs work without the rights of an administrator",
    check=check_as_administrator,
    levels=AsAdministratorLevels(),
    kind="sqlserver",
    messages={"all": "{item} works as a member of sysadmin in {administrators} of {sessions} sessions."},
    why="A fault in the program, or whoever reads its password, then has all databases and the back-ups.",
    remedy=(
        "For our software: call us, we give its login the rights that it needs and no more. For another: ask "
        "its vendor which rights it needs; give them, try, then ALTER SERVER ROLE sysadmin DROP MEMBER "
        "[login]. The way back: ADD MEMBER."
    ),
    verify="The program works, and SELECT IS_SRVROLEMEMBER('sysadmin', 'login') shows 0.",
    rights="VIEW SERVER STATE, VIEW ANY DEFINITION",
    references=("Server-level roles, Microsoft Learn", "sp_Blitz check 4, First Responder Kit"),
)


# --- round trip -------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class LatencyLevels:
    slow_ms: int = 40  # dbachecks, policy.network.latencymaxms


def check_latency(facts: Reached, levels: LatencyLevels, ctx: Context) -> Iterator[Result]:
    if facts.round_trip_s is None:
        yield NotChecked(reason="the round trip was not measured", error=facts.error)
        return
    limit_s = levels.slow_ms / 1000
    if facts.via and facts.round_trip_s >= limit_s:
        yield NotChecked(
            reason=f"measured through {facts.via}: most of it may be the check-up's own way into the site. "
            "Declare the instance under backends: of a workstation; network.client-rtt measures it from there"
        )
        return
    yield from judge(
        "round_trip",
        Duration(facts.round_trip_s),
        # Whether we are in the clinic or come by a VPN of ours is not known, so it may be no fault of its.
        (Step(limit_s, Impact.NOTE, When.LATER),),
        worse=Worse.HIGHER,
        message="slow",
    )


latency = Probe(
    id="sqlserver.latency",
    title="The instance answers at once",
    check=check_latency,
    levels=LatencyLevels(),
    kind="sqlserver",
    messages={"slow": "The smallest question takes {round_trip} until its answer is there."},
    why="A case is hundreds of small questions: each waits that long, whatever the server's speed.",
    remedy=(
        "Measured from where the check-up runs: if that is outside the clinic, measure again from a "
        "workstation. There: a cable instead of Wi-Fi, no VPN between workstation and server, network cards "
        "with the maker's driver and without energy saving, a switch without errors on its ports."
    ),
    verify="The next check-up from the same place shows less than the limit.",
    rights="any login",
    references=("dbachecks NetworkLatency",),
)
