"""Whether data files grow without being filled with zeros first."""

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
    Visit,
    When,
)
from probes.sql.rows import reader


@dataclass(frozen=True, slots=True)
class Initialization:
    service_name: str
    is_instant: bool | None


class Initializations(SqlFacts[Initialization]):
    pass


_COLUMN = "sys.dm_server_services.instant_file_initialization_enabled"

initializations = Section(
    name="sqlserver-instant-file-initialization",
    facts=Initializations,
    collect={
        "sqlserver": Sql(
            (
                SqlVariant(
                    """
SELECT s.servicename AS service_name,
       CASE s.instant_file_initialization_enabled WHEN N'Y' THEN 1 WHEN N'N' THEN 0 END AS is_instant
FROM sys.dm_server_services AS s
WHERE s.servicename LIKE N'SQL Server (%'
""",
                    reads=("sys.dm_server_services",),
                    since=(11,),
                    needs=(_COLUMN,),  # 2012 SP4, 2016 SP1 and later
                    rights=("VIEW SERVER SECURITY STATE",),
                ),
            ),
            row=Initialization,
            most_rows=5,
        )
    },
    parse=reader(Initializations, Initialization),
    privacy="one setting of the instance's service",
)


def check(facts: Initializations, levels: NoLevels, ctx: Context) -> Iterator[Result]:
    if facts.server.platform == "linux":
        yield NotApplicable(reason="on Linux files are never filled beforehand")
        return
    told = [one.is_instant for one in facts.rows if one.is_instant is not None]
    if not told:
        yield NotChecked(reason="the server does not say how its service makes room in files")
    elif all(told):
        yield Passed()
    else:
        yield Finding(impact=Impact.LIMITED, when=When.LATER, message="off")


probe = Probe(
    id="sqlserver.instant-file-initialization",
    title="Data files grow at once",
    check=check,
    levels=NoLevels(),
    kind="sqlserver",
    visits=frozenset({Visit.TUNE_UP}),
    messages={"off": "SQL Server fills each new part of a data file with zeros before it is used."},
    why="While a file grows everybody who saves waits, and a restore after a loss writes each file twice.",
    remedy=(
        "On the machine: secpol.msc, Local Policies, User Rights Assignment, 'Perform volume maintenance "
        "tasks', add the account of the SQL Server service (services.msc names it). Restart the service in a "
        "quiet hour. Gain: growth in an instant, shorter restores. The way back: remove the account there."
    ),
    verify="SELECT instant_file_initialization_enabled FROM sys.dm_server_services shows Y.",
    rights="VIEW SERVER STATE (since 2022 VIEW SERVER SECURITY STATE)",
    references=(
        "Database instant file initialization, Microsoft Learn",
        "sp_Blitz check 192, First Responder Kit",
    ),
)
