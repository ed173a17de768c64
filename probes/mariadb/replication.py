"""A server that follows another one: does it, how far behind, and can it be written to?

SHOW REPLICA STATUS would bring texts of errors with values of rows, so that the threads themselves are
looked at: in MariaDB by the list of processes, in MySQL by performance_schema.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from checkup.api import (
    RECOVERABILITY,
    Context,
    Duration,
    Finding,
    Impact,
    Metric,
    NoLevels,
    NotApplicable,
    Number,
    Passed,
    Probe,
    Result,
    Section,
    Sql,
    SqlFacts,
    SqlVariant,
    Text,
    Value,
    When,
    Worse,
)
from probes.mariadb.databases import SHOWN_SESSIONS, unless_granted
from probes.mariadb.server import Server, unknown
from probes.sql.rows import reader


@dataclass(frozen=True, slots=True)
class Channel:
    """One connection to a source. `receiver` and `applier` are "running", "connecting" or "stopped";
    `lag_s` is None where nothing tells it; `error_number` 0 for none."""

    channel: str
    receiver: str
    applier: str
    lag_s: int | None
    error_number: int


class Channels(SqlFacts[Channel]):
    pass


# A server that ever applied somebody else's changes has a position; START and STOP do not touch it, RESET
# does. Threads of several sources cannot be told apart here: one of them that stands still shows.
_MARIADB = """
SELECT '' AS channel,
       CASE WHEN r.receiving > 0 AND r.waiting = 0 THEN 'running'
            WHEN r.receiving > 0 THEN 'connecting' ELSE 'stopped' END AS receiver,
       CASE WHEN r.applying > 0 THEN 'running' ELSE 'stopped' END AS applier,
       r.lag_s AS lag_s, 0 AS error_number
FROM (
  SELECT SUM(CASE WHEN p.COMMAND = 'Slave_IO' OR (p.COMMAND = 'Connect' AND p.STATE LIKE '%master%')
                  THEN 1 ELSE 0 END) AS receiving,
         SUM(CASE WHEN (p.COMMAND = 'Slave_IO' OR p.COMMAND = 'Connect')
                   AND (p.STATE LIKE 'Reconnecting%' OR p.STATE LIKE 'Connecting to master%'
                        OR p.STATE LIKE 'Waiting to reconnect%') THEN 1 ELSE 0 END) AS waiting,
         SUM(CASE WHEN p.COMMAND = 'Slave_SQL' OR (p.COMMAND = 'Connect' AND p.STATE LIKE '%relay log%')
                  THEN 1 ELSE 0 END) AS applying,
         MAX(CASE WHEN p.COMMAND = 'Slave_SQL' AND p.STATE NOT LIKE '%has read all relay log%'
                  THEN p.TIME END) AS lag_s
  FROM information_schema.PROCESSLIST AS p
  WHERE p.USER = 'system user'
) AS r
WHERE r.receiving > 0 OR r.applying > 0 OR @@GLOBAL.gtid_slave_pos <> ''
"""

_MYSQL = """
SELECT c.CHANNEL_NAME AS channel,
       CASE c.SERVICE_STATE WHEN 'ON' THEN 'running' WHEN 'CONNECTING' THEN 'connecting'
            ELSE 'stopped' END AS receiver,
       CASE a.SERVICE_STATE WHEN 'ON' THEN 'running' ELSE 'stopped' END AS applier,
       NULL AS lag_s, COALESCE(c.LAST_ERROR_NUMBER, 0) AS error_number
FROM performance_schema.replication_connection_status AS c
LEFT JOIN performance_schema.replication_applier_status AS a ON a.CHANNEL_NAME = c.CHANNEL_NAME
WHERE c.CHANNEL_NAME NOT IN ('group_replication_applier', 'group_replication_recovery')
"""

_STATUS = (
    "performance_schema.replication_connection_status",
    "performance_schema.replication_applier_status",
)

channels = Section(
    name="mariadb-replication",
    facts=Channels,
    collect={
        "mariadb": Sql(
            (
                SqlVariant(
                    _MARIADB,
                    reads=("information_schema.PROCESSLIST",),
                    editions=("mariadb",),
                    rights=("PROCESS",),
                ),
                SqlVariant(
                    _MYSQL,
                    reads=_STATUS,
                    since=(5, 7),
                    editions=("mysql",),
                    rights=tuple(f"SELECT ON {one}" for one in _STATUS),
                ),
            ),
            row=Channel,
            # Without PROCESS the threads are left out, and a replica looks like none.
            canary=unless_granted("PROCESS", shown=SHOWN_SESSIONS, needless="VERSION() NOT LIKE '%MariaDB%'"),
        )
    },
    parse=reader(Channels, Channel),
    privacy="names and states of replication channels",
)

_RIGHTS = "PROCESS (MySQL: SELECT on two tables of performance_schema)"
_NONE = NotApplicable(reason="this server follows no other one")


@dataclass(frozen=True, slots=True)
class ReplicaLevels:
    late_s: int = 300  # behind the source; what a clinic would type in again: ours


def check_running(facts: Channels, levels: ReplicaLevels, ctx: Context) -> Iterator[Result]:
    if not facts.rows:
        yield _NONE
    for one in facts.rows:
        if one.lag_s is not None:
            yield Metric(name="behind_s", value=Duration(one.lag_s), item=one.channel)
        evidence: dict[str, Value] = {
            "receiver": Text(one.receiver),
            "applier": Text(one.applier),
            "behind": Text("not told") if one.lag_s is None else Duration(one.lag_s),
        }
        if one.receiver != "running" or one.applier != "running":
            yield Finding(
                impact=Impact.MAJOR,
                when=When.NOW,
                function=RECOVERABILITY,
                message="stopped",
                item=one.channel,
                evidence=evidence | {"error": Number(one.error_number)},
            )
        elif one.lag_s is not None and one.lag_s >= levels.late_s:
            yield Finding(
                impact=Impact.LIMITED,
                function=RECOVERABILITY,
                message="late",
                item=one.channel,
                evidence={"behind": Duration(one.lag_s), "limit": Duration(levels.late_s)},
                value=Duration(one.lag_s),
                worse=Worse.HIGHER,
            )
        else:
            yield Passed(item=one.channel, evidence=evidence)


running = Probe(
    id="mariadb.replication",
    title="The replica follows its source",
    check=check_running,
    levels=ReplicaLevels(),
    kind="mariadb",
    messages={
        "stopped": "Replication stands still: receiving is {receiver}, applying is {applier}.",
        "late": "The replica is {behind} behind its source, more than {limit}.",
    },
    why=(
        "A replica that stands still holds yesterday's data: it is no second copy, and no place to go on "
        "from."
    ),
    remedy=(
        "SHOW REPLICA STATUS (before MariaDB 10.5, MySQL 8.0.22: SHOW SLAVE STATUS) names the cause; do not "
        "send its texts, they may hold data. If it was only stopped: START REPLICA (START SLAVE). After an "
        "error do not skip anything: call us; the copy has to be made anew. If this is no replica any more: "
        "RESET REPLICA ALL, and on MariaDB SET GLOBAL gtid_slave_pos = ''."
    ),
    verify="SHOW REPLICA STATUS says Yes for both threads and a few seconds behind.",
    rights=_RIGHTS,
    references=("sql: MY-REPL (mysqltuner)", "MariaDB documentation: Replication Threads"),
)


# --- written to -------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Replica:
    server: Server
    channels: Channels


def check_read_only(facts: Replica, levels: NoLevels, ctx: Context) -> Iterator[Result]:
    setting = facts.server.setting("read_only")
    if not facts.channels.rows:
        yield _NONE
    elif setting is None:
        yield unknown("read_only")
    elif facts.server.is_off("read_only"):
        yield Finding(impact=Impact.LIMITED, message="writable")
    else:
        yield Passed(evidence={"value": Text(setting)})


read_only = Probe(
    id="mariadb.replica-read-only",
    title="The replica takes changes from its source only",
    check=check_read_only,
    levels=NoLevels(),
    kind="mariadb",
    messages={"writable": "This replica can be written to by anybody: read_only is off."},
    why=(
        "What is entered on the replica by mistake is lost, or stops replication when the source says "
        "otherwise."
    ),
    remedy=(
        "SET GLOBAL read_only = ON, and the line read_only = 1 in my.cnf (my.ini), section [mysqld]. "
        "Programs that write here by mistake get an error then: point them to the source. The way back: SET "
        "GLOBAL read_only = OFF, which is also needed when this server takes over."
    ),
    verify="SHOW GLOBAL VARIABLES LIKE 'read_only' says ON.",
    rights=_RIGHTS,
    references=("sql: MY-READONLY (mysqltuner)", "MariaDB documentation: Read-Only Replicas"),
)
