"""Who is at work on an instance now, and what holds them up: transactions left open, locks, a full disk.

No text of a statement is read. INNODB_TRX is a picture that may be a tenth of a second old: who is at rest
does not wait for a row any more, whatever it says. Its moments are on the clock of the machine, whatever the
session's time zone is, so that their ages are made in SQL.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass

from checkup.api import (
    Context,
    Duration,
    Finding,
    Impact,
    NoLevels,
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
from probes.mariadb.databases import SHOWN_SESSIONS, unless_granted
from probes.sql.rows import reader

_RIGHT = "PROCESS"

# The state of a session that waits for room on the disk: MariaDB, and MySQL.
_FULL = ("waiting for someone to free space", "waiting for disk space")


@dataclass(frozen=True, slots=True)
class Session:
    """`state_s` is how long it has been in its state; `transaction_s` how long its transaction is open and
    `lock_wait_s` how long that has waited for a row, None where there is none. `blocked_by` is a session,
    where the server tells it."""

    session_id: int
    user_name: str
    host_name: str
    database_name: str | None
    command: str
    state: str
    state_s: int
    transaction_s: int | None
    lock_wait_s: int | None
    changed_rows: int | None
    blocked_by: int | None

    @property
    def who(self) -> str:
        return f"{self.user_name}@{self.host_name}"

    @property
    def waits_for_table_s(self) -> int | None:
        """How long it has waited for a table, or for its definition to be free."""
        state = self.state.casefold()
        waits = state.startswith("waiting for") and state.endswith(("lock", "table flush"))
        return self.state_s if waits else None


class Sessions(SqlFacts[Session]):
    pass


_AGE = "TIMESTAMPDIFF(SECOND, CONVERT_TZ({}, 'SYSTEM', '+00:00'), UTC_TIMESTAMP())"

_BLOCKED_BY = """(
         SELECT MIN(b.trx_mysql_thread_id) FROM information_schema.INNODB_LOCK_WAITS AS w
         JOIN information_schema.INNODB_TRX AS b ON b.trx_id = w.blocking_trx_id
         WHERE w.requesting_trx_id = x.trx_id)"""


def _text(blocked_by: str) -> str:
    return f"""
SELECT p.ID AS session_id, p.USER AS user_name,
       CASE WHEN p.HOST LIKE '%:%'
            THEN LEFT(p.HOST, CHAR_LENGTH(p.HOST) - CHAR_LENGTH(SUBSTRING_INDEX(p.HOST, ':', -1)) - 1)
            ELSE p.HOST END AS host_name,
       p.DB AS database_name, p.COMMAND AS command, COALESCE(p.STATE, '') AS state,
       COALESCE(p.TIME, 0) AS state_s,
       {_AGE.format("x.trx_started")} AS transaction_s,
       CASE WHEN x.trx_state = 'LOCK WAIT' AND p.COMMAND <> 'Sleep'
            THEN {_AGE.format("x.trx_wait_started")} END AS lock_wait_s,
       x.trx_rows_modified AS changed_rows, {blocked_by} AS blocked_by
FROM information_schema.PROCESSLIST AS p
LEFT JOIN information_schema.INNODB_TRX AS x ON x.trx_mysql_thread_id = p.ID
WHERE p.ID <> CONNECTION_ID() AND p.USER NOT IN ('system user', 'event_scheduler')
"""  # noqa: S608  the parts are constants of this file


_SESSIONS = ("information_schema.PROCESSLIST", "information_schema.INNODB_TRX")
_WITH_LOCKS = (*_SESSIONS, "information_schema.INNODB_LOCK_WAITS")

sessions = Section(
    name="mariadb-sessions",
    facts=Sessions,
    collect={
        "mariadb": Sql(
            (
                SqlVariant(_text(_BLOCKED_BY), reads=_WITH_LOCKS, editions=("mariadb",), rights=(_RIGHT,)),
                # MySQL 8 tells who blocks in performance_schema only, which is one more right to ask for.
                SqlVariant(_text("NULL"), reads=_SESSIONS, since=(8,), editions=("mysql",), rights=(_RIGHT,)),
                SqlVariant(
                    _text(_BLOCKED_BY),
                    reads=_WITH_LOCKS,
                    since=(5, 7),
                    before=(8,),
                    editions=("mysql",),
                    rights=(_RIGHT,),
                ),
            ),
            row=Session,
            # Without PROCESS a login sees its own sessions only.
            canary=unless_granted("PROCESS", shown=SHOWN_SESSIONS),
            most_rows=5000,
            sampled=True,
        )
    },
    parse=reader(Sessions, Session),
    privacy="accounts, addresses, states and ages of sessions; no statements",
)


# --- transactions left open -------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class TransactionLevels:
    long_s: int = 3600  # mysqltuner


def check_transactions(facts: Sessions, levels: TransactionLevels, ctx: Context) -> Iterator[Result]:
    oldest: dict[str, Session] = {}
    ages: dict[str, int] = defaultdict(int)
    for one in facts.rows:
        if one.transaction_s is not None and one.transaction_s >= ages[one.who]:
            oldest[one.who], ages[one.who] = one, one.transaction_s
    long = {who: one for who, one in oldest.items() if ages[who] >= levels.long_s}
    for who, one in sorted(long.items()):
        yield from judge(
            "age",
            Duration(ages[who]),
            (Step(levels.long_s, Impact.LIMITED),),
            worse=Worse.HIGHER,
            message="idle" if one.command == "Sleep" else "working",
            item=who,
            evidence={
                "session": Number(one.session_id),
                "database": Text(one.database_name or "no database"),
                "changed": Number(one.changed_rows or 0),
            },
        )
    if not long:
        longest = max(ages.values(), default=0)
        yield Passed(evidence={"transactions": Number(len(oldest)), "longest": Duration(longest)})


transactions = Probe(
    id="mariadb.long-transactions",
    title="No transaction is left open",
    check=check_transactions,
    levels=TransactionLevels(),
    kind="mariadb",
    messages={
        "idle": (
            "{item} began a transaction {age} ago in {database} and does nothing now (session {session}, "
            "{changed} rows changed)."
        ),
        "working": (
            "{item} has been in one transaction in {database} for {age} (session {session}, {changed} rows "
            "changed)."
        ),
    },
    why=(
        "An open transaction keeps its rows locked, what it changed is not saved yet, and the server has to "
        "keep all old rows since then."
    ),
    remedy=(
        "Ask at the workstation named what is open there, and have it saved and closed. Is it a back-up, "
        "wait. If nobody knows: run, as an administrator, KILL with the number of the session; what was not "
        "saved there is lost. If it comes back, tell us the screen that was open."
    ),
    verify="SELECT trx_started FROM information_schema.INNODB_TRX shows nothing that old.",
    rights=_RIGHT,
    references=("sql: MY-LONGTRX (mysqltuner)", "MariaDB documentation: Information Schema INNODB_TRX Table"),
)


# --- locks ------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class WaitLevels:
    felt_s: int = 10  # a person in front of a screen has given up by then; ours
    long_s: int = 60  # InnoDB gives up on a row after 50 seconds: what waits longer waits for a table


def check_waits(facts: Sessions, levels: WaitLevels, ctx: Context) -> Iterator[Result]:
    by_id = {one.session_id: one for one in facts.rows}
    found = 0
    worst: dict[str, tuple[int, Session]] = {}
    for one in facts.rows:
        waited = one.lock_wait_s if one.lock_wait_s is not None else one.waits_for_table_s
        if waited is not None and waited >= worst.get(one.who, (levels.felt_s, one))[0]:
            worst[one.who] = (waited, one)
    for who, (waited, one) in sorted(worst.items()):
        found += 1
        blocker = by_id.get(one.blocked_by or -1)
        evidence: dict[str, Value] = {
            "session": Number(one.session_id),
            "state": Text("waiting for a row" if one.lock_wait_s is not None else one.state),
        }
        if blocker is not None:
            evidence |= {"blocker": Number(blocker.session_id), "holder": Text(blocker.who)}
        yield from judge(
            "waited",
            Duration(waited),
            (
                Step(levels.long_s, Impact.MAJOR, When.NOW),
                Step(levels.felt_s, Impact.LIMITED, When.NOW),
            ),
            worse=Worse.HIGHER,
            message="waits" if blocker is None else "blocked",
            item=who,
            evidence=evidence,
        )
    if not found:
        yield Passed(evidence={"sessions": Number(len(facts.rows))})


lock_waits = Probe(
    id="mariadb.lock-waits",
    title="Nobody waits for somebody else's lock",
    check=check_waits,
    levels=WaitLevels(),
    kind="mariadb",
    messages={
        "blocked": "{item} has waited {waited} (session {session}) for {holder} (session {blocker}).",
        "waits": "{item} has waited {waited} for a lock (session {session}: {state}).",
    },
    why="Somebody sits in front of a screen that does not answer, because another one has not been finished.",
    remedy=(
        "Ask at the workstation that holds the lock to save and close. Where no holder is named: SHOW "
        "PROCESSLIST, and the session that is longest at work. If nobody knows: run, as an administrator, "
        "KILL with the number of the holder's session; what was not saved there is lost. If it comes back, "
        "tell us both screens."
    ),
    verify="SHOW PROCESSLIST shows no state 'Waiting for ... lock', and the screen answers.",
    rights=_RIGHT,
    references=("MariaDB documentation: Information Schema INNODB_LOCK_WAITS Table", "Thread States"),
)


# --- a full disk ------------------------------------------------------------------------------


def check_disk(facts: Sessions, levels: NoLevels, ctx: Context) -> Iterator[Result]:
    waiting = [one for one in facts.rows if one.state.casefold().startswith(_FULL)]
    if not waiting:
        yield Passed(evidence={"sessions": Number(len(facts.rows))})
        return
    yield Finding(
        impact=Impact.DOWN,
        when=When.NOW,
        message="full",
        evidence={
            "sessions": Number(len(waiting)),
            "waited": Duration(max(one.state_s for one in waiting)),
        },
        value=Number(len(waiting)),
        worse=Worse.HIGHER,
    )


disk_full = Probe(
    id="mariadb.disk-full",
    title="Nobody waits for room on the server's disk",
    check=check_disk,
    levels=NoLevels(),
    kind="mariadb",
    messages={
        "full": "The server's disk is full. Sessions that wait for room: {sessions}, the first for {waited}."
    },
    why=(
        "Tables of MyISAM and Aria and the binary log wait until there is room; saving in InnoDB fails at "
        "once. Nobody can work."
    ),
    remedy=(
        "Free space on the disk of the data directory (SHOW GLOBAL VARIABLES LIKE 'datadir' names it): move "
        "old back-ups and downloads elsewhere. Touch no file of the data directory; old binary logs go by "
        "PURGE BINARY LOGS BEFORE NOW() - INTERVAL 7 DAY. The server goes on by itself within a minute. Then "
        "run CHECK TABLE on the MyISAM tables."
    ),
    verify=(
        "SHOW PROCESSLIST shows no state 'Waiting for someone to free space', and there is room on the disk."
    ),
    rights=_RIGHT,
    references=("MySQL documentation: How MySQL Handles a Full Disk",),
)
