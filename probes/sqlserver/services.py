"""The services of an instance: do they run, do they start by themselves, as whom."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from checkup.api import (
    Context,
    Finding,
    Impact,
    NoLevels,
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
    Value,
)
from probes.sql.rows import reader

RIGHTS = "VIEW SERVER STATE (since 2022 VIEW SERVER SECURITY STATE)"

AUTOMATIC = 2  # startup_type, "sys.dm_server_services (Transact-SQL)"
RUNNING = 4  # status


@dataclass(frozen=True, slots=True)
class Service:
    service_name: str
    startup_type: int | None
    status: int | None
    account: str | None
    is_clustered: bool

    @property
    def is_agent(self) -> bool:
        """The name is in the language of the installation: Agent, Agente, SQL Server-Agent."""
        return "agent" in self.service_name.casefold()

    @property
    def is_engine(self) -> bool:
        return self.service_name.startswith("SQL Server (")


class Services(SqlFacts[Service]):
    @property
    def agent(self) -> Service | None:
        return next((one for one in self.rows if one.is_agent), None)


services = Section(
    name="sqlserver-services",
    facts=Services,
    collect={
        "sqlserver": Sql(
            (
                SqlVariant(
                    """
SELECT s.servicename AS service_name, s.startup_type AS startup_type, s.status AS status,
       s.service_account AS account, CASE WHEN s.is_clustered = N'Y' THEN 1 ELSE 0 END AS is_clustered
FROM sys.dm_server_services AS s
""",
                    reads=("sys.dm_server_services",),
                    since=(10, 50, 2500),  # 2008 R2 SP1
                    rights=("VIEW SERVER SECURITY STATE",),
                ),
            ),
            row=Service,
            most_rows=20,
        )
    },
    parse=reader(Services, Service),
    privacy="names, state and accounts of the instance's services",
)


# --- as whom ----------------------------------------------------------------------------------

# LocalSystem has that name in every language here; "NT AUTHORITY\SYSTEM" is what some setups wrote.
_MASTERS = ("localsystem", "nt authority\\system")


def check_account(facts: Services, levels: NoLevels, ctx: Context) -> Iterator[Result]:
    if facts.server.platform == "linux":
        yield NotApplicable(reason="on Linux the server has an account of its own by installation")
        return
    looked = [one for one in facts.rows if one.is_engine or one.is_agent]
    if not looked:
        yield NotChecked(reason="the server names no service of its own")
    for one in looked:
        if one.account is None:
            yield NotChecked(item=one.service_name, reason="the server does not name the service's account")
            continue
        evidence: dict[str, Value] = {"account": Text(one.account)}
        if one.account.casefold() in _MASTERS:
            yield Finding(impact=Impact.LIMITED, message="system", item=one.service_name, evidence=evidence)
        else:
            yield Passed(item=one.service_name, evidence=evidence)


service_account = Probe(
    id="sqlserver.service-account",
    title="The services of SQL Server run with few rights",
    check=check_account,
    levels=NoLevels(),
    kind="sqlserver",
    messages={"system": "{item} runs as {account}, which may do everything on its machine."},
    why="Whoever gets into the database with rights enough owns the whole machine, and what it can reach.",
    remedy=(
        "In SQL Server Configuration Manager, not in Windows' list of services, give the service its virtual "
        "account: NT SERVICE\\MSSQLSERVER and NT SERVICE\\SQLSERVERAGENT, for a named instance NT "
        "SERVICE\\MSSQL$NAME and NT SERVICE\\SQLAgent$NAME. "
        "It restarts. Let the account write to the back-up folder. The way back is the "
        "same page."
    ),
    verify="SELECT servicename, service_account FROM sys.dm_server_services shows the new account.",
    rights=RIGHTS,
    references=(
        "Configure Windows service accounts and permissions, Microsoft Learn",
        "sp_Blitz checks 258 and 259, First Responder Kit",
    ),
)
