"""Is the instance's release supported and up to date? The dates are a table that has an age itself."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta

from checkup.api import (
    RECOVERABILITY,
    SUPPORTABILITY,
    Context,
    Day,
    Duration,
    Finding,
    Impact,
    NoLevels,
    NotApplicable,
    NotChecked,
    Passed,
    PerTarget,
    Probe,
    Result,
    Scope,
    Text,
    Value,
    When,
    Worse,
)
from probes.lifecycle import judge_age, judge_support
from probes.sqlserver.builds import branch_of, number_of, table
from probes.sqlserver.instance import Instance

_UNKNOWN = "the table of releases does not know this version of SQL Server"


# --- support ----------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class SupportLevels:
    soon_days: int = 180  # time left until the maker's last security update; our own, half a year to move


def check_support(facts: Instance, levels: SupportLevels, ctx: Context) -> Iterator[Result]:
    branch = branch_of(facts.server.version)
    if branch is None:
        yield NotChecked(reason=_UNKNOWN)
        return
    evidence: dict[str, Value] = {
        "release": Text(branch.name),
        "ends": Day(branch.extended_ends),
        "mainstream_ends": Day(branch.mainstream_ends),
        "source": Text(branch.source),
        "table_as_of": Day(table().as_of),
    }
    yield judge_support(
        branch.extended_ends, levels.soon_days, ctx.now, evidence, ending_when=When.BEFORE_NEXT_VISIT
    )


support = Probe(
    id="sqlserver.support",
    title="The release of SQL Server gets security updates",
    check=check_support,
    levels=SupportLevels(),
    kind="sqlserver",
    messages={
        "ended": "{release} has had no security updates from Microsoft since {ends}.",
        "ends": "{release} gets its last security updates from Microsoft on {ends}.",
    },
    why=(
        "A hole that becomes known after that date stays open, and new versions of Windows and of our "
        "software stop working with it."
    ),
    remedy=(
        "Ask us which newer release our software is tested with. Have it installed beside the old instance, "
        "take a full back-up of each database, restore them there, and let us move the workstations. Keep "
        "the old instance, stopped, until the new one has worked for a month."
    ),
    verify=(
        "SELECT SERVERPROPERTY('ProductVersion') shows a release whose support ends in more than half a year."
    ),
    rights="any login",
    references=(
        "Microsoft Lifecycle; the table's rows name the page",
        "sp_Blitz check 128, First Responder Kit",
    ),
)


# --- updates ----------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class UpdateLevels:
    behind_days: int = 365  # between the release of the build installed and that of the newest; our own
    # dbachecks (build window) takes six months; a clinic has fewer hours to stop its server in.


def check_updates(facts: Instance, levels: UpdateLevels, ctx: Context) -> Iterator[Result]:
    branch = branch_of(facts.server.version)
    if branch is None:
        yield NotChecked(reason=_UNKNOWN)
        return
    number, newest = number_of(facts.server.version), branch.newest
    evidence: dict[str, Value] = {
        "installed": Text(".".join(map(str, facts.server.version))),
        "newest": Text(f"{branch.key}.{newest.number} ({newest.update})"),
        "released": Day(newest.released),
        "table_as_of": Day(table().as_of),
    }
    if number > branch.highest or number == newest.number:
        yield Passed(evidence=evidence)
        return
    installed = branch.build(number)
    if installed is None:
        yield NotChecked(reason=f"the table of releases does not know the build {branch.key}.{number}")
        return
    evidence["update"] = Text(installed.update)
    behind = newest.released - installed.released
    late = behind >= timedelta(days=levels.behind_days)
    if behind <= timedelta():
        yield Passed(evidence=evidence)
        return
    yield Finding(
        impact=Impact.LIMITED if late else Impact.NOTE,
        function=SUPPORTABILITY,
        when=When.BEFORE_NEXT_VISIT if late else When.LATER,
        message="behind",
        evidence={**evidence, "behind": Duration(behind.total_seconds())},
        value=Duration(behind.total_seconds()),
        worse=Worse.HIGHER,
    )


updates = Probe(
    id="sqlserver.updates",
    title="SQL Server has its newest update",
    check=check_updates,
    levels=UpdateLevels(),
    kind="sqlserver",
    messages={
        "behind": "The build {installed} ({update}) is {behind} older than the newest that we know, {newest}."
    },
    why=(
        "Updates close holes and mend faults that lose data or stop the server; some were found by damage "
        "done."
    ),
    remedy=(
        "Take a full back-up of all databases, master and msdb too. In a quiet hour install the newest "
        "cumulative update (or the newest security update, GDR) of this release from Microsoft's page of the "
        "latest updates for SQL Server; the instance restarts. The way back: uninstall it in Windows under "
        "installed updates."
    ),
    verify="SELECT SERVERPROPERTY('ProductVersion') shows the newest build.",
    rights="any login",
    references=(
        "Latest updates and version history for SQL Server, Microsoft Learn",
        "sp_Blitz check 217, First Responder Kit",
    ),
)


# --- builds not to be used --------------------------------------------------------------------


def check_dangerous(facts: Instance, levels: NoLevels, ctx: Context) -> Iterator[Result]:
    branch = branch_of(facts.server.version)
    if branch is None:
        yield NotChecked(reason=_UNKNOWN)
        return
    number = number_of(facts.server.version)
    evidence: dict[str, Value] = {"installed": Text(".".join(map(str, facts.server.version)))}
    found = next(
        (one for one in table().dangerous if one.branch == branch.key and one.first <= number <= one.last),
        None,
    )
    if found is None:
        yield Passed(evidence={**evidence, "table_as_of": Day(table().as_of)})
        return
    corrupts = found.kind == "corruption"
    yield Finding(
        impact=Impact.MAJOR if corrupts else Impact.LIMITED,
        function=RECOVERABILITY if corrupts else SUPPORTABILITY,
        when=When.NOW if corrupts else When.BEFORE_NEXT_VISIT,
        message="dangerous",
        evidence={**evidence, "fault": Text(found.why), "source": Text(found.source)},
    )


dangerous = Probe(
    id="sqlserver.dangerous-build",
    title="The build of SQL Server is not known to do damage",
    check=check_dangerous,
    levels=NoLevels(),
    kind="sqlserver",
    messages={"dangerous": "The build {installed} is known to be faulty: {fault} ({source})."},
    why="Some builds lost rows without a word, or were taken back by Microsoft after they were published.",
    remedy=(
        "Until it is updated rebuild no index ONLINE. Take a full back-up, run DBCC CHECKDB on each "
        "database, then install the newest cumulative update of this release in a quiet hour; the instance "
        "restarts. Send us the output of DBCC CHECKDB if it names an error."
    ),
    verify=(
        "SELECT SERVERPROPERTY('ProductVersion') shows a build outside the range, and DBCC CHECKDB is clean."
    ),
    rights="any login",
    references=(
        "the table's rows name Microsoft's page",
        "sp_Blitz checks 129 and 157, First Responder Kit",
    ),
)


# --- the table itself -------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class TableLevels:
    old_days: int = 180  # a cumulative update comes every one or two months; our own


def check_table(facts: PerTarget[Instance], levels: TableLevels, ctx: Context) -> Iterator[Result]:
    if not any(branch_of(one.server.version) for one in facts.values()):
        yield NotApplicable(reason="no instance is of a release that the table knows")
        return
    yield judge_age(table().as_of, levels.old_days, ctx.now, {"source": Text(table().source)})


table_age = Probe(
    id="sqlserver.build-data-age",
    title="The table of SQL Server's releases is recent",
    check=check_table,
    levels=TableLevels(),
    scope=Scope.SITE,
    kind="sqlserver",
    messages={"old": "The releases of SQL Server in this report were last looked up on {as_of}."},
    why="An old table calls a build the newest that is not, and knows no fault that was found since.",
    remedy="Update checkup to its current version before the next visit.",
    verify=(
        "`checkup probes show sqlserver.updates` is of a checkup whose table is less than half a year old."
    ),
    rights="any login",
    references=("host.lifecycle-data-age",),
)
