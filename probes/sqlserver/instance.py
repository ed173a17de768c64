"""What an instance says of itself: version, edition, how it was installed, when it was started."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

from checkup.api import (
    SUPPORTABILITY,
    Context,
    Duration,
    Finding,
    Impact,
    Instant,
    NoLevels,
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
    Visit,
    When,
    Worse,
)
from probes.sql.rows import reader


@dataclass(frozen=True, slots=True)
class InstanceRow:
    """`installed_at` is when the server's own row of sys.servers was written: at installation, or when the
    instance was renamed."""

    product_version: str
    product_level: str
    edition_name: str
    is_64_bit: bool
    takes_windows_logins_only: bool
    installed_at: datetime


class Instance(SqlFacts[InstanceRow]):
    @property
    def one(self) -> InstanceRow | None:
        return self.rows[0] if self.rows else None


instance = Section(
    name="sqlserver-instance",
    facts=Instance,
    collect={
        "sqlserver": Sql(
            (
                SqlVariant(
                    """
SELECT CONVERT(nvarchar(128), SERVERPROPERTY(N'ProductVersion')) AS product_version,
       CONVERT(nvarchar(128), SERVERPROPERTY(N'ProductLevel')) AS product_level,
       CONVERT(nvarchar(128), SERVERPROPERTY(N'Edition')) AS edition_name,
       CASE WHEN CONVERT(nvarchar(128), SERVERPROPERTY(N'Edition')) LIKE N'%64-bit%' THEN 1 ELSE 0 END
           AS is_64_bit,
       CONVERT(int, SERVERPROPERTY(N'IsIntegratedSecurityOnly')) AS takes_windows_logins_only,
       s.modify_date AS installed_at
FROM sys.servers AS s
WHERE s.server_id = 0
""",
                    reads=("sys.servers",),
                ),
            ),
            row=InstanceRow,
            most_rows=2,
        )
    },
    parse=reader(Instance, InstanceRow),
    privacy="version, edition, kind of logins, day of installation",
)

_SILENT = NotChecked(reason="the server said nothing of itself")


# --- evaluation -------------------------------------------------------------------------------

EVALUATION_DAYS = 180  # "Editions and supported features of SQL Server", Microsoft Learn


def check_evaluation(facts: Instance, levels: NoLevels, ctx: Context) -> Iterator[Result]:
    one = facts.one
    if one is None:
        yield _SILENT
        return
    evidence: dict[str, Value] = {"edition": Text(one.edition_name)}
    if facts.server.edition not in ("evaluation", "developer"):
        yield Passed(evidence=evidence)
        return
    if facts.server.edition == "developer":
        yield Finding(impact=Impact.LIMITED, function=SUPPORTABILITY, message="developer", evidence=evidence)
        return
    ends = one.installed_at + timedelta(days=EVALUATION_DAYS)
    left = ends - ctx.now
    yield Finding(
        impact=Impact.MAJOR,
        when=When.NOW,
        message="evaluation",
        evidence={**evidence, "ends": Instant(ends)},
        value=Duration(left.total_seconds()),
        worse=Worse.LOWER,
    )


evaluation = Probe(
    id="sqlserver.edition",
    title="The instance is licensed for daily work",
    check=check_evaluation,
    levels=NoLevels(),
    kind="sqlserver",
    messages={
        "evaluation": "The instance is an {edition}; it stops working 180 days after it was installed, "
        "by its own dates on {ends}.",
        "developer": "The instance is a {edition}, which may not be used for a clinic's work.",
    },
    why=(
        "An evaluation edition stops at its end, and then nobody works until a licence is bought and "
        "entered. A developer edition is not licensed for daily work."
    ),
    remedy=(
        "Buy a licence, or ask us whether Express is enough for the size of the data. Then start SQL Server "
        "Setup, Maintenance, Edition Upgrade, and enter the key: the data stay as they are. Take a full "
        "back-up before."
    ),
    verify="SELECT SERVERPROPERTY('Edition') shows the edition that was bought.",
    rights="any login",
    references=(
        "Upgrade to a different edition of SQL Server, Microsoft Learn",
        "sp_Blitz check 229, First Responder Kit",
    ),
)


# --- 32-bit -----------------------------------------------------------------------------------


def check_bits(facts: Instance, levels: NoLevels, ctx: Context) -> Iterator[Result]:
    one = facts.one
    if one is None:
        yield _SILENT
        return
    evidence: dict[str, Value] = {"edition": Text(one.edition_name)}
    if one.is_64_bit:
        yield Passed(evidence=evidence)
    else:
        yield Finding(impact=Impact.NOTE, when=When.LATER, message="small", evidence=evidence)


bits = Probe(
    id="sqlserver.64-bit",
    title="The instance is a 64-bit program",
    check=check_bits,
    levels=NoLevels(),
    kind="sqlserver",
    visits=frozenset({Visit.TUNE_UP}),
    messages={"small": "The instance ({edition}) is a 32-bit program, which uses less than 4 GB of memory."},
    why=(
        "A 32-bit server cannot use the memory of its machine, and reads from the disk what could be at hand."
    ),
    remedy=(
        "Plan the move to a 64-bit instance of a supported release: install it beside, restore a back-up of "
        "each database there, and let us point our software to it. Gain: the machine's memory holds the "
        "data. The way back: the old instance stays as it is until the new one has proved itself."
    ),
    verify="SELECT SERVERPROPERTY('Edition') ends in (64-bit).",
    rights="any login",
    references=("sp_Blitz check 154, First Responder Kit",),
)


# --- restarts ---------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class RestartLevels:
    recent_hours: int = 24  # sp_Blitz check 221


def check_restart(facts: Instance, levels: RestartLevels, ctx: Context) -> Iterator[Result]:
    started, up_s = facts.server.started_at, facts.server.up_s
    if started is None or up_s is None:
        yield NotChecked(reason="the server does not say when it was started")
        return
    evidence: dict[str, Value] = {"started": Instant(started), "up": Duration(up_s)}
    before = ctx.previous(Instance)
    ran_on = ctx.previous_at is not None and started <= ctx.previous_at
    updated = before is not None and before.server.version != facts.server.version
    if ran_on or updated:
        yield Passed(evidence=evidence)
    elif up_s < levels.recent_hours * 3600:
        yield Finding(impact=Impact.LIMITED, message="recent", evidence=evidence)
    elif ctx.previous_at is None:
        yield Passed(evidence=evidence)
    else:
        yield Finding(impact=Impact.NOTE, message="restarted", evidence=evidence)


restart = Probe(
    id="sqlserver.restart",
    title="The instance stops only for its updates",
    check=check_restart,
    levels=RestartLevels(),
    kind="sqlserver",
    messages={
        "recent": "The instance was started on {started}, {up} before the check-up: its counters say little.",
        "restarted": "The instance was started anew on {started}, after the last check-up, and not for an "
        "update of SQL Server.",
    },
    why=(
        "A stop that nobody meant throws everybody out and may damage data; it points to power, memory or "
        "the machine. And what the server counts begins anew."
    ),
    remedy=(
        "Ask who restarted it and why: an update of Windows, work on the machine, a power cut? If nobody "
        "knows, look in the Windows event log, System, for the events 41 and 6008 on that day, and send us "
        "the instance's error log of the hours before."
    ),
    verify="SELECT create_date FROM sys.databases WHERE name = 'tempdb' is before the last check-up.",
    rights="any login",
    references=("sys.dm_os_sys_info (Transact-SQL), Microsoft Learn", "sp_Blitz check 221"),
)
