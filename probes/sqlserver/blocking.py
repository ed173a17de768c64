"""Who keeps whom waiting at this moment."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from checkup.api import (
    Context,
    Duration,
    Finding,
    Impact,
    Metric,
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
from probes.sql.rows import reader

RIGHTS = "VIEW SERVER STATE"


@dataclass(frozen=True, slots=True)
class Blocked:
    """A request that waits for another session; the program is that of the session it waits for."""

    session_id: int
    blocking_session_id: int
    database_name: str
    wait_ms: int
    blocking_program: str


class BlockedRequests(SqlFacts[Blocked]):
    pass


# A session that waits for itself runs on several processors; -2 is a transaction without a session, the other
# negative numbers are latches ("sys.dm_exec_requests (Transact-SQL)").
blocked_requests = Section(
    name="sqlserver-blocked-requests",
    facts=BlockedRequests,
    collect={
        "sqlserver": Sql(
            (
                SqlVariant(
                    """
SELECT CONVERT(int, r.session_id) AS session_id, CONVERT(int, r.blocking_session_id) AS blocking_session_id,
       ISNULL(DB_NAME(r.database_id), N'') AS database_name, r.wait_time AS wait_ms,
       ISNULL(s.program_name, N'') AS blocking_program
FROM sys.dm_exec_requests AS r
LEFT JOIN sys.dm_exec_sessions AS s ON s.session_id = r.blocking_session_id
WHERE (r.blocking_session_id > 0 OR r.blocking_session_id = -2) AND r.blocking_session_id <> r.session_id
""",
                    reads=("sys.dm_exec_requests", "sys.dm_exec_sessions"),
                    rights=("VIEW SERVER STATE",),
                ),
            ),
            row=Blocked,
            most_rows=1000,
            sampled=True,
        )
    },
    parse=reader(BlockedRequests, Blocked),
    privacy="numbers of sessions, names of programs and databases, times",
)


@dataclass(frozen=True, slots=True)
class BlockingLevels:
    requests: int = 5  # more that wait at once (SQL Assessment API, BlockingChains)
    longest_s: float = 30.0  # where users give up; our own experience


def check_blocking(facts: BlockedRequests, levels: BlockingLevels, ctx: Context) -> Iterator[Result]:
    rows = facts.rows
    longest = Duration(max((one.wait_ms for one in rows), default=0) / 1000)
    waiting = {one.session_id for one in rows}
    heads = sorted(
        {one.blocking_program or "unknown" for one in rows if one.blocking_session_id not in waiting}
    )
    evidence: dict[str, Value] = {"requests": Number(len(rows)), "longest": longest}
    yield Metric(name="blocked", value=Number(len(rows)))
    if len(rows) <= levels.requests and longest.value <= levels.longest_s:
        yield Passed(evidence=evidence)
        return
    yield Finding(
        impact=Impact.LIMITED,
        when=When.NOW,
        message="blocked",
        evidence={**evidence, "programs": Text(", ".join(heads) or "each other")},
        value=longest,
        worse=Worse.HIGHER,
    )


blocking = Probe(
    id="sqlserver.blocking",
    title="Nobody waits long for another user",
    check=check_blocking,
    levels=BlockingLevels(),
    kind="sqlserver",
    messages={
        "blocked": "As we looked, users waited for other users (requests: {requests}), up to {longest}; in "
        "front: {programs}."
    },
    why="One session that holds its locks stops all who need the same rows, and the next behind them.",
    remedy=(
        "Find who is in front: EXEC sp_who2, the session that blocks others and is blocked by none; its "
        "HostName is the workstation. Ask that user to save and close. Only if nobody answers: KILL and its "
        "number; that entry is lost. Send us the time and the program's name."
    ),
    verify="SELECT COUNT(*) FROM sys.dm_exec_requests WHERE blocking_session_id > 0 shows 0.",
    rights=RIGHTS,
    references=(
        "Understand and resolve blocking problems, Microsoft Learn",
        "SQL Assessment API, rule BlockingChains",
    ),
)


# --- transactions that were left open ---------------------------------------------------------


@dataclass(frozen=True, slots=True)
class OpenTransaction:
    """Of a session that does nothing: how long it has been open, and since when nothing was asked. One that
    has not written keeps the log from nothing, and rarely a lock: programs that open one for each question
    leave such ones all the time."""

    session_id: int
    program_name: str
    open_minutes: int
    idle_minutes: int
    has_written: bool


class OpenTransactions(SqlFacts[OpenTransaction]):
    pass


# In minutes: seconds since 1900, which stands where nothing is known, are too many for DATEDIFF.
open_transactions = Section(
    name="sqlserver-open-transactions",
    facts=OpenTransactions,
    collect={
        "sqlserver": Sql(
            (
                SqlVariant(
                    """
SELECT s.session_id AS session_id, ISNULL(s.program_name, N'') AS program_name,
       DATEDIFF(minute, MIN(a.transaction_begin_time), GETDATE()) AS open_minutes,
       DATEDIFF(minute, MAX(ISNULL(s.last_request_end_time, s.last_request_start_time)), GETDATE())
           AS idle_minutes,
       MAX(ISNULL(w.has_written, 0)) AS has_written
FROM sys.dm_exec_sessions AS s
JOIN sys.dm_tran_session_transactions AS t ON t.session_id = s.session_id
JOIN sys.dm_tran_active_transactions AS a ON a.transaction_id = t.transaction_id
LEFT JOIN (
    SELECT d.transaction_id, 1 AS has_written
    FROM sys.dm_tran_database_transactions AS d
    WHERE d.database_transaction_begin_time IS NOT NULL
    GROUP BY d.transaction_id
) AS w ON w.transaction_id = t.transaction_id
WHERE s.is_user_process = 1 AND s.status = N'sleeping' AND t.is_user_transaction = 1
GROUP BY s.session_id, s.program_name
""",
                    reads=(
                        "sys.dm_exec_sessions",
                        "sys.dm_tran_session_transactions",
                        "sys.dm_tran_active_transactions",
                        "sys.dm_tran_database_transactions",
                    ),
                    rights=("VIEW SERVER STATE",),
                ),
            ),
            row=OpenTransaction,
            most_rows=1000,
        )
    },
    parse=reader(OpenTransactions, OpenTransaction),
    privacy="numbers of sessions, names of programs, times",
)


@dataclass(frozen=True, slots=True)
class OpenLevels:
    longest_minutes: int = 10  # open and idle; our own: nobody reads a question for ten minutes


def check_open(facts: OpenTransactions, levels: OpenLevels, ctx: Context) -> Iterator[Result]:
    old = [one for one in facts.rows if min(one.open_minutes, one.idle_minutes) > levels.longest_minutes]
    evidence: dict[str, Value] = {"transactions": Number(len(old))}
    if not old:
        yield Passed(evidence={"transactions": Number(len(facts.rows))})
        return
    longest = Duration(60 * max(one.open_minutes for one in old))
    written = any(one.has_written for one in old)
    yield Finding(
        impact=Impact.LIMITED if written else Impact.NOTE,
        when=When.NOW if written else When.LATER,
        message="open" if written else "read",
        evidence={
            **evidence,
            "longest": longest,
            "programs": Text(", ".join(sorted({one.program_name or "unknown" for one in old}))),
        },
        value=longest,
        worse=Worse.HIGHER,
    )


left_open = Probe(
    id="sqlserver.open-transactions",
    title="Programs close what they began",
    check=check_open,
    levels=OpenLevels(),
    kind="sqlserver",
    messages={
        "open": "Transactions left open and idle ({transactions}), the oldest for {longest}: {programs}.",
        "read": (
            "Transactions left open and idle ({transactions}), the oldest for {longest}: {programs}. None "
            "has written anything."
        ),
    },
    why=(
        "An open transaction that has written holds its locks, and the log cannot be emptied: it grows until "
        "the disk is full."
    ),
    remedy=(
        "For us, if the program is ours: send us this line. Now: EXEC sp_who2 shows the session and its "
        "workstation (HostName); ask that user to save and close the program. Only if nobody answers: KILL "
        "and its number; what was not saved is lost."
    ),
    verify="DBCC OPENTRAN in the database shows no transaction that is older than ten minutes.",
    rights=RIGHTS,
    references=(
        "sys.dm_tran_session_transactions (Transact-SQL), Microsoft Learn",
        "sp_BlitzFirst check 8, First Responder Kit",
    ),
)
