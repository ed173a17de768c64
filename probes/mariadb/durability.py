"""What a crash costs, and whether a loss can be made good: flushing, the double write, the binary log."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from checkup.api import (
    RECOVERABILITY,
    Bytes,
    Context,
    Duration,
    Finding,
    Impact,
    Metric,
    NoLevels,
    NotApplicable,
    NotChecked,
    Passed,
    Probe,
    Result,
    Text,
    Value,
    When,
    Worse,
)
from probes.mariadb.server import ANYONE, DAY_S, Server, unknown

# --- flushing ---------------------------------------------------------------------------------

_FLUSH, _SYNC, _DOUBLE = "innodb_flush_log_at_trx_commit", "sync_binlog", "innodb_doublewrite"


def check_durability(facts: Server, levels: NoLevels, ctx: Context) -> Iterator[Result]:
    yield from _judged(_FLUSH, facts, good=("1", "3"), impact=Impact.LIMITED)  # 3: MariaDB, even safer
    if facts.is_off("log_bin"):
        yield NotApplicable(item=_SYNC, reason="there is no binary log")
    else:
        yield from _judged(_SYNC, facts, good=("1",), impact=Impact.LIMITED)
    double = (facts.setting(_DOUBLE) or "").upper()
    if double in ("OFF", "0", "DETECT_ONLY"):
        yield _off(_DOUBLE, double, Impact.MAJOR)
    elif double == "FAST":  # MariaDB 11: the pages themselves are never flushed, MDEV-33545
        yield _off(_DOUBLE, double, Impact.LIMITED)
    elif double:
        yield Passed(item=_DOUBLE, evidence={"value": Text(double)})
    else:
        yield NotChecked(item=_DOUBLE, reason="the server shows no such setting")


def _judged(name: str, facts: Server, good: tuple[str, ...], impact: Impact) -> Iterator[Result]:
    value = facts.setting(name)
    if value is None:
        yield NotChecked(item=name, reason="the server shows no such setting")
    elif value in good:
        yield Passed(item=name, evidence={"value": Text(value)})
    else:
        yield _off(name, value, impact)


def _off(name: str, value: str, impact: Impact) -> Finding:
    return Finding(
        impact=impact,
        function=RECOVERABILITY,
        message=name.replace("_", "-"),
        item=name,
        evidence={"value": Text(value)},
    )


durability = Probe(
    id="mariadb.durability",
    title="What was saved survives a power failure",
    check=check_durability,
    levels=NoLevels(),
    kind="mariadb",
    messages={
        "innodb-flush-log-at-trx-commit": "{item} is {value}: a crash may lose the last second's entries.",
        "sync-binlog": "{item} is {value}: after a crash the binary log may lack what the tables hold.",
        "innodb-doublewrite": "{item} is {value}: a power failure may leave pages half written, past repair.",
    },
    why="These settings make a server look fast in tests; in a clinic they cost entries at the first crash.",
    remedy=(
        "As an administrator, for the setting named: SET GLOBAL innodb_flush_log_at_trx_commit = 1; SET "
        "GLOBAL sync_binlog = 1; and the same lines in my.cnf (my.ini), section [mysqld]. For "
        "innodb_doublewrite: the line innodb_doublewrite = ON there, and a restart out of hours. Saving "
        "takes some milliseconds more. The way back: the value above."
    ),
    verify="SHOW GLOBAL VARIABLES shows 1, 1 and ON, after a restart of the service too.",
    rights=ANYONE,
    references=("sql: MY-DURABLE (mysqltuner)", "MariaDB documentation: InnoDB System Variables"),
)


# --- the binary log ---------------------------------------------------------------------------


def check_binary_log(facts: Server, levels: NoLevels, ctx: Context) -> Iterator[Result]:
    if facts.setting("log_bin") is None:
        yield unknown("log_bin")
    elif facts.is_off("log_bin"):
        yield Finding(
            impact=Impact.LIMITED,
            function=RECOVERABILITY,
            message="off",
            evidence={"log_bin": Text(facts.setting("log_bin") or "")},
        )
    else:
        yield Passed()


binary_log = Probe(
    id="mariadb.binary-log",
    title="Changes since the last back-up are kept",
    check=check_binary_log,
    levels=NoLevels(),
    kind="mariadb",
    messages={"off": "There is no binary log: after a loss, all entries since the last back-up are gone."},
    why=(
        "With the binary log a restored back-up can be brought up to the minute, or to the minute before a "
        "mistake. Without it the day's work has to be typed in again."
    ),
    remedy=(
        "In my.cnf (my.ini), section [mysqld], add the lines log_bin = binlog, server_id = 1 (if there is "
        "none), sync_binlog = 1 and expire_logs_days = 14 (MySQL 8: binlog_expire_logs_seconds = 1209600). "
        "Restart the service out of hours, take a full back-up, and have the back-up copy these files too. "
        "The way back: skip_log_bin, restart."
    ),
    verify="SHOW GLOBAL VARIABLES LIKE 'log_bin' says ON.",
    rights=ANYONE,
    references=("sql: MY-BINLOG (mysqltuner)", "MariaDB documentation: Activating the Binary Log"),
)


@dataclass(frozen=True, slots=True)
class KeptLevels:
    least_days: float = 2.0  # logs of fewer days do not reach back over a weekend without a back-up; ours
    most_bytes: int = 50 * 1024**3  # on a clinic's disk, by what was written and how long it is kept; ours


def check_kept(facts: Server, levels: KeptLevels, ctx: Context) -> Iterator[Result]:
    if facts.setting("log_bin") is None:
        yield unknown("log_bin")
        return
    if facts.is_off("log_bin"):
        yield NotApplicable(reason="there is no binary log")
        return
    seconds = facts.number("binlog_expire_logs_seconds") or 0.0
    seconds = seconds or (facts.number("expire_logs_days") or 0.0) * DAY_S
    if facts.is_off("binlog_expire_logs_auto_purge"):  # MySQL 8.0.29 and newer: then the rest means nothing
        seconds = 0.0
    most = facts.number("max_binlog_total_size") or 0.0
    on_disk = _on_disk(facts, seconds)
    evidence: dict[str, Value] = {"kept": Duration(seconds)}
    if on_disk is not None:
        evidence["on_disk"] = Bytes(int(on_disk))
        yield Metric(name="binary_log_bytes", value=Bytes(int(on_disk)))
    if not seconds and not most:
        yield Finding(impact=Impact.LIMITED, message="forever", evidence=evidence)
    elif seconds and seconds < levels.least_days * DAY_S:
        yield Finding(
            impact=Impact.LIMITED,
            function=RECOVERABILITY,
            message="short",
            evidence=evidence,
            value=Duration(seconds),
            worse=Worse.LOWER,
        )
    elif on_disk is not None and on_disk > levels.most_bytes:
        yield Finding(
            impact=Impact.LIMITED,
            when=When.LATER,
            message="large",
            evidence=evidence | {"limit": Bytes(levels.most_bytes)},
            value=Bytes(int(on_disk)),
            worse=Worse.HIGHER,
        )
    else:
        yield Passed(evidence=evidence)


def _on_disk(facts: Server, kept_s: float) -> float | None:
    """What the logs take: as the server says (MariaDB 11.4), else what was written a day, for the days that
    it is kept."""
    told = facts.counter("binlog_disk_use")
    if told:
        return told
    written, counted = facts.counter("binlog_bytes_written"), facts.counted_s
    if written is None or counted is None or counted < DAY_S or not kept_s:
        return None
    return written / counted * kept_s


binary_log_kept = Probe(
    id="mariadb.binary-log-kept",
    title="Binary logs are kept long enough, and not for ever",
    check=check_kept,
    levels=KeptLevels(),
    kind="mariadb",
    messages={
        "forever": "Binary logs are never deleted: they grow until the disk is full.",
        "short": "Binary logs are deleted after {kept}.",
        "large": "Binary logs take {on_disk} of disk space (kept for {kept}), more than {limit}.",
    },
    why=(
        "Logs that nobody deletes fill the disk, and the server stops; logs that go too soon bring nothing "
        "back."
    ),
    remedy=(
        "SET GLOBAL expire_logs_days = 14 (MySQL 8: SET GLOBAL binlog_expire_logs_seconds = 1209600), and "
        "the same line in my.cnf (my.ini), section [mysqld]; then FLUSH BINARY LOGS, which deletes the old "
        "ones. Have a back-up and let replicas catch up first. The way back: the value before."
    ),
    verify="SHOW GLOBAL VARIABLES LIKE '%expire%' shows it; the oldest file of SHOW BINARY LOGS is no older.",
    rights=ANYONE,
    references=("sql: MY-BINLOG (mysqltuner)", "MariaDB documentation: Using and Maintaining the Binary Log"),
)
