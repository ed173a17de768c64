"""Copies that take over: availability groups, log shipping, failover clusters."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

from checkup.api import (
    RECOVERABILITY,
    Context,
    Duration,
    Finding,
    Impact,
    Instant,
    NoLevels,
    NotApplicable,
    NotChecked,
    Number,
    Passed,
    Probe,
    Result,
    Section,
    Sql,
    SqlFacts,
    SqlVariant,
    Step,
    Text,
    Value,
    When,
    Worse,
    judge,
)
from probes.sql.rows import reader

# --- availability groups ----------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class ReplicaDatabase:
    """A database on one replica, as this instance sees it: the primary sees all, a secondary only itself.

    `lag_s` is how far its last commit lies behind the primary's; None where either is not known.
    """

    group_name: str
    replica_name: str
    database_name: str
    is_local: bool
    role: str
    connection_state: str
    synchronization_state: str
    health: str
    is_suspended: bool
    lag_s: int | None


class ReplicaDatabases(SqlFacts[ReplicaDatabase]):
    pass


# Moments before 2000 mean "never"; the difference to them would not fit into DATEDIFF's number of seconds.
replicas = Section(
    name="sqlserver-availability-groups",
    facts=ReplicaDatabases,
    collect={
        "sqlserver": Sql(
            (
                SqlVariant(
                    """
SELECT g.name AS group_name, r.replica_server_name AS replica_name,
       ISNULL(DB_NAME(d.database_id), N'') AS database_name, d.is_local AS is_local,
       ISNULL(s.role_desc, N'') AS role, ISNULL(s.connected_state_desc, N'') AS connection_state,
       ISNULL(d.synchronization_state_desc, N'') AS synchronization_state,
       ISNULL(d.synchronization_health_desc, N'') AS health, ISNULL(d.is_suspended, 0) AS is_suspended,
       CASE WHEN d.last_commit_time >= '20000101' AND p.last_commit_time >= '20000101'
            THEN DATEDIFF(second, d.last_commit_time, p.last_commit_time) END AS lag_s
FROM sys.dm_hadr_database_replica_states AS d
JOIN sys.availability_groups AS g ON g.group_id = d.group_id
JOIN sys.availability_replicas AS r ON r.replica_id = d.replica_id
LEFT JOIN sys.dm_hadr_availability_replica_states AS s ON s.replica_id = d.replica_id
LEFT JOIN (
    SELECT x.group_database_id, MAX(x.last_commit_time) AS last_commit_time
    FROM sys.dm_hadr_database_replica_states AS x
    JOIN sys.dm_hadr_availability_replica_states AS y ON y.replica_id = x.replica_id
    WHERE y.role = 1
    GROUP BY x.group_database_id
) AS p ON p.group_database_id = d.group_database_id
""",
                    reads=(
                        "sys.dm_hadr_database_replica_states",
                        "sys.availability_groups",
                        "sys.availability_replicas",
                        "sys.dm_hadr_availability_replica_states",
                    ),
                    since=(11,),
                    rights=("VIEW SERVER STATE", "VIEW ANY DEFINITION"),
                ),
            ),
            row=ReplicaDatabase,
            most_rows=2000,
        )
    },
    parse=reader(ReplicaDatabases, ReplicaDatabase),
    privacy="names of groups, replicas and databases, their state",
)


@dataclass(frozen=True, slots=True)
class LagLevels:
    lag_s: int = 60  # sp_Blitz check 268


def check_replicas(facts: ReplicaDatabases, levels: LagLevels, ctx: Context) -> Iterator[Result]:
    if not facts.rows:
        yield NotApplicable(reason="no database of this instance is in an availability group")
    for one in sorted(facts.rows, key=lambda row: (row.database_name, row.replica_name)):
        item = f"{one.database_name or one.group_name} on {one.replica_name}"
        evidence: dict[str, Value] = {
            "group": Text(one.group_name),
            "state": Text(one.synchronization_state),
            "connection": Text(one.connection_state or "unknown"),
        }
        if one.is_suspended or one.connection_state == "DISCONNECTED":
            yield Finding(
                impact=Impact.MAJOR,
                when=When.NOW,
                function=RECOVERABILITY,
                message="suspended" if one.is_suspended else "disconnected",
                item=item,
                evidence=evidence,
            )
        elif one.health == "NOT_HEALTHY":
            yield Finding(
                impact=Impact.MAJOR,
                function=RECOVERABILITY,
                message="unhealthy",
                item=item,
                evidence=evidence,
            )
        elif one.role == "PRIMARY":
            yield Passed(item=item, evidence=evidence)
        elif one.lag_s is None:
            yield NotChecked(item=item, reason="only the primary replica tells how far this one is behind")
        else:
            yield from judge(
                "lag",
                Duration(max(one.lag_s, 0)),
                (Step(levels.lag_s, Impact.LIMITED),),
                worse=Worse.HIGHER,
                message="behind",
                item=item,
                function=RECOVERABILITY,
                evidence=evidence,
            )


availability_groups = Probe(
    id="sqlserver.availability-groups",
    title="The replicas of availability groups keep up",
    check=check_replicas,
    levels=LagLevels(),
    kind="sqlserver",
    messages={
        "suspended": "{item} is suspended ({state}): nothing is copied to it.",
        "disconnected": "{item} is not connected to its group {group}.",
        "unhealthy": "{item} is not healthy ({state}).",
        "behind": "{item} is {lag} behind the primary.",
    },
    why=(
        "A replica that does not keep up loses what it lacks when it has to take over, and the primary's log "
        "grows until its disk is full."
    ),
    remedy=(
        "Suspended: find out who suspended it and why, then ALTER DATABASE [name] SET HADR RESUME on that "
        "replica. Disconnected: see that the machine runs and port 5022 is open between the two. Behind: "
        "look at the network and the replica's disk. Call us before a failover."
    ),
    verify=(
        "SELECT synchronization_health_desc, is_suspended FROM sys.dm_hadr_database_replica_states on the "
        "primary shows HEALTHY and 0."
    ),
    rights="VIEW SERVER STATE, VIEW ANY DEFINITION",
    references=(
        "sys.dm_hadr_database_replica_states (Transact-SQL), Microsoft Learn",
        "sp_Blitz check 268, First Responder Kit",
    ),
)


# --- log shipping -----------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Shipping:
    """`side` is "primary" (back-ups are taken) or "secondary" (they are restored)."""

    side: str
    database_name: str
    threshold_min: int
    last_done_at: datetime | None

    @property
    def is_copy(self) -> bool:
        return self.side == "secondary"


class LogShipping(SqlFacts[Shipping]):
    pass


log_shipping = Section(
    name="sqlserver-log-shipping",
    facts=LogShipping,
    collect={
        "sqlserver": Sql(
            (
                SqlVariant(
                    """
SELECT N'primary' AS side, p.primary_database AS database_name, p.backup_threshold AS threshold_min,
       p.last_backup_date AS last_done_at
FROM msdb.dbo.log_shipping_monitor_primary AS p
UNION ALL
SELECT N'secondary' AS side, s.secondary_database AS database_name, s.restore_threshold AS threshold_min,
       s.last_restored_date AS last_done_at
FROM msdb.dbo.log_shipping_monitor_secondary AS s
""",
                    reads=(
                        "msdb.dbo.log_shipping_monitor_primary",
                        "msdb.dbo.log_shipping_monitor_secondary",
                    ),
                    rights=(
                        "SELECT ON msdb.dbo.log_shipping_monitor_primary",
                        "SELECT ON msdb.dbo.log_shipping_monitor_secondary",
                    ),
                ),
            ),
            row=Shipping,
            most_rows=1000,
        )
    },
    parse=reader(LogShipping, Shipping),
    privacy="names of databases, when their log was shipped last",
)


def check_shipping(facts: LogShipping, levels: NoLevels, ctx: Context) -> Iterator[Result]:
    if not facts.rows:
        yield NotApplicable(reason="no log is shipped from or to this instance")
    for one in facts.rows:
        item = f"{one.database_name} ({one.side})"
        allowed = Duration(one.threshold_min * 60)
        if one.last_done_at is None:
            yield Finding(
                impact=Impact.MAJOR,
                when=When.NOW,
                function=RECOVERABILITY,
                message="never",
                item=item,
                evidence={"allowed": allowed},
            )
            continue
        age = Duration((facts.server.asked_at - one.last_done_at).total_seconds())
        evidence: dict[str, Value] = {
            "age": age,
            "allowed": allowed,
            "last": Instant(one.last_done_at),
        }
        if age.value > allowed.value:
            yield Finding(
                impact=Impact.MAJOR,
                when=When.NOW,
                function=RECOVERABILITY,
                message="late",
                item=item,
                evidence=evidence,
                value=age,
                worse=Worse.HIGHER,
            )
        else:
            yield Passed(item=item, evidence=evidence)


shipping = Probe(
    id="sqlserver.log-shipping",
    title="Log shipping keeps within its own limit",
    check=check_shipping,
    levels=NoLevels(),
    kind="sqlserver",
    messages={
        "never": "The log of {item} is set up to be shipped, and never was.",
        "late": "The log of {item} was shipped last on {last}, {age} ago; its own limit is {allowed}.",
    },
    why="The copy is meant to take over. What was not shipped is lost when it has to.",
    remedy=(
        "On the instance named, in Management Studio, open SQL Server Agent, Jobs, and read the history of "
        "the LSBackup, LSCopy or LSRestore job of this database. Mend what it names (disk, share, rights), "
        "and start it. If a log back-up is missing in between, set the secondary up anew from a full "
        "back-up."
    ),
    verify="The report Transaction Log Shipping Status of the instance shows the state Good.",
    rights="SELECT on msdb.dbo.log_shipping_monitor_primary and log_shipping_monitor_secondary",
    references=("Monitor log shipping, Microsoft Learn", "sp_Blitz check 111, First Responder Kit"),
)


# --- failover clusters ------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class ClusterNode:
    node_name: str
    status: int | None
    is_owner: bool


class ClusterNodes(SqlFacts[ClusterNode]):
    pass


cluster_nodes = Section(
    name="sqlserver-cluster-nodes",
    facts=ClusterNodes,
    collect={
        "sqlserver": Sql(
            (
                SqlVariant(
                    """
SELECT n.NodeName AS node_name, n.status AS status, ISNULL(n.is_current_owner, 0) AS is_owner
FROM sys.dm_os_cluster_nodes AS n
""",
                    reads=("sys.dm_os_cluster_nodes",),
                    since=(11,),
                    rights=("VIEW SERVER STATE",),
                ),
            ),
            row=ClusterNode,
            most_rows=100,
        )
    },
    parse=reader(ClusterNodes, ClusterNode),
    privacy="names and state of the cluster's machines",
)

_UP = 0  # status, "sys.dm_os_cluster_nodes (Transact-SQL)"


def check_nodes(facts: ClusterNodes, levels: NoLevels, ctx: Context) -> Iterator[Result]:
    if not facts.rows:
        yield NotApplicable(reason="the instance is no failover cluster")
        return
    up = sum(1 for one in facts.rows if one.status == _UP)
    down = ", ".join(sorted(one.node_name for one in facts.rows if one.status != _UP))
    evidence: dict[str, Value] = {"up": Number(up), "nodes": Number(len(facts.rows))}
    if up >= 2:
        yield Passed(evidence=evidence)
        return
    yield Finding(
        impact=Impact.MAJOR if down else Impact.LIMITED,
        message="alone" if down else "single",
        evidence={**evidence, "down": Text(down or "none")},
    )


nodes = Probe(
    id="sqlserver.cluster-nodes",
    title="The failover cluster has a machine to spare",
    check=check_nodes,
    levels=NoLevels(),
    kind="sqlserver",
    messages={
        "alone": "Of {nodes} machines of the cluster {up} is up; not up: {down}.",
        "single": "The cluster consists of a single machine: nothing can take over.",
    },
    why="A cluster without a second machine stops as any single server does.",
    remedy=(
        "In Failover Cluster Manager, Nodes, see what the missing machine says; bring it up, or resume it if "
        "it is paused. Do not move the instance for a test in working hours. A cluster that was never meant "
        "to have a second machine: tell us, and it is noted."
    ),
    verify="SELECT NodeName, status_description FROM sys.dm_os_cluster_nodes shows two machines that are up.",
    rights="VIEW SERVER STATE",
    references=(
        "sys.dm_os_cluster_nodes (Transact-SQL), Microsoft Learn",
        "sp_Blitz check 184, First Responder Kit",
    ),
)
