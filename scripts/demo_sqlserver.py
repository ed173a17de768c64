"""The clinic's SQL Server: what it has to say to each section, today and at an earlier visit.

Names and numbers are invented.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from demo_answers import grown

from checkup.api import JSON

Row = Mapping[str, JSON]
GIB, MIB = 1024**3, 1024**2
BUILD = "15.0.4375.4"
INSTALLED_DAYS = 430  # before today
UP_DAYS = 61.0  # before each visit: its updates are put in every few months
PROCESSORS = 8


@dataclass(frozen=True)
class Database:
    """As it is today. `full_days` is how old the last full back-up is, `logs_h` the last log back-up (None:
    there never was one), `checked_days` the last look for damage."""

    name: str
    number: int
    model: str
    data_gib: float
    used_gib: float
    log_gib: float
    log_used: float  # share
    a_month_gib: float
    full_days: float
    full_minutes: float
    checked_days: float
    logs_h: float | None = None
    restored_days: float | None = None  # before today
    tables: int = 0
    enters: bool = True


DATABASES = (
    Database("CardioLedger", 5, "FULL", 206, 188, 12, 0.06, 7.8, 0.62, 41, 3.5, logs_h=0.4,
             restored_days=290, tables=412),
    Database("CardioForms", 6, "SIMPLE", 18, 13.4, 2, 0.11, 0.3, 0.61, 4, 3.5, tables=96),
    Database("CardioArchive", 7, "FULL", 64, 61.2, 38, 0.91, 1.1, 5.6, 16, 76, tables=58),
    Database("RegistryStage", 8, "SIMPLE", 6, 3.1, 1, 0.04, 0.1, 0.6, 1.5, 3.5, tables=31, enters=False),
)  # fmt: skip
SYSTEM = (("master", 1, "SIMPLE"), ("tempdb", 2, "SIMPLE"), ("model", 3, "FULL"), ("msdb", 4, "SIMPLE"))
DATA, LOGS, BACKUPS = "/srv/mssql/data", "/srv/mssql/log", "/srv/mssql/backup"


@dataclass
class Instance:
    """The instance as it was at `at`, which is `days` before today."""

    at: datetime
    days: int
    sections: dict[str, list[Row]] = field(default_factory=dict[str, list[Row]])

    def __post_init__(self) -> None:
        for part in PARTS:
            self.sections |= part(self)

    def ago(self, days: float) -> str:
        """A moment so long before the visit, on the server's clock, which goes by UTC."""
        return (self.at - timedelta(days=days)).replace(tzinfo=None).isoformat(timespec="milliseconds")

    def before_today(self, days: float) -> str | None:
        """A moment that does not move with the visits; None where it was not yet."""
        return self.ago(days - self.days) if days > self.days else None

    def less(self, a_month_gib: float) -> float:
        """How much less there was of what grows so."""
        return grown(a_month_gib, self.days)


DOORS = ("xp_cmdshell", "Ole Automation Procedures", "Ad Hoc Distributed Queries", "clr enabled")
DOORS += ("cross db ownership chaining", "remote access", "scan for startup procs")


# --- what it says of itself -------------------------------------------------------------------


def _itself(one: Instance) -> dict[str, list[Row]]:
    return {
        "sqlserver-instance": [
            {
                "product_version": BUILD,
                "product_level": "RTM",
                "edition_name": "Standard Edition (64-bit)",
                "is_64_bit": 1,
                "takes_windows_logins_only": 0,
                "installed_at": one.before_today(INSTALLED_DAYS),
            }
        ],
        "sqlserver-configuration": [
            _option("max server memory (MB)", 49152),
            _option("min server memory (MB)", 0, in_use=16),
            _option("max degree of parallelism", 0 if one.days else 4),
            _option("cost threshold for parallelism", 5 if one.days else 50),
            _option("priority boost", 0),
            _option("lightweight pooling", 0),
            _option("default trace enabled", 1),
            _option("backup checksum default", 1),
            *(_option(name, int(name == "remote access")) for name in DOORS),
        ],
        "sqlserver-services": [
            _service("SQL Server (MSSQLSERVER)", "mssql"),
            _service("SQL Server Agent (MSSQLSERVER)", "mssql"),
        ],
        "sqlserver-instant-file-initialization": [
            {"service_name": "SQL Server (MSSQLSERVER)", "is_instant": 1}
        ],
        "sqlserver-startup-flags": [{"parameters": 3, "trace_flag": None}],
        "sqlserver-health-session": [{"running": 1}],
        "sqlserver-memory-dumps": [{"dumps": 0, "last_at": None}],
        "sqlserver-processors": [{"schedulers": PROCESSORS, "online": PROCESSORS, "nodes": 1}],
        "sqlserver-cluster-nodes": [],
        "sqlserver-availability-groups": [],
        "sqlserver-log-shipping": [],
        "sqlserver-linked-servers": [],
        "sqlserver-server-certificates": [],
        "sqlserver-database-certificates": [],
        "sqlserver-certificates": [],
    }


def _option(name: str, configured: int, in_use: int | None = None) -> Row:
    used = configured if in_use is None else in_use
    return {"option_name": name, "configured": configured, "in_use": used, "is_dynamic": 1}


def _service(name: str, account: str) -> Row:
    return {"service_name": name, "startup_type": 2, "status": 4, "account": account, "is_clustered": 0}


# --- databases and their files ----------------------------------------------------------------


def _databases(one: Instance) -> dict[str, list[Row]]:
    names = [(name, number, model, "NOTHING") for name, number, model in SYSTEM]
    names += [
        (each.name, each.number, each.model, "LOG_BACKUP" if each.log_used > 0.5 else "NOTHING")
        for each in DATABASES
    ]
    checked: list[Row] = [
        {"database_name": name, "checked_at": one.ago(3.5)} for name, _, _ in SYSTEM if name != "tempdb"
    ]
    for each in DATABASES:
        days = each.checked_days if one.days == 0 else min(each.checked_days, 3.5)
        checked.append({"database_name": each.name, "checked_at": one.ago(days)})
    return {
        "sqlserver-databases": [
            {
                "database_name": name,
                "database_id": number,
                "source_database_id": None,
                "created_at": one.ago(UP_DAYS) if name == "tempdb" else one.before_today(INSTALLED_DAYS - 4),
                "state": "ONLINE",
                "user_access": "MULTI_USER",
                "is_read_only": 0,
                "is_in_standby": 0,
                "recovery_model": model,
                "page_verify": "CHECKSUM",
                "is_auto_close": 0,
                "is_auto_shrink": int(name == "CardioForms" and one.days > 0),
                "is_auto_create_statistics": 1,
                "is_auto_update_statistics": 1,
                "is_trustworthy": int(name == "msdb"),
                "compatibility_level": 130 if name == "CardioArchive" else 150,
                "collation_name": "SQL_Latin1_General_CP1_CI_AS",
                "log_reuse_wait": wait,
                "server_collation": "SQL_Latin1_General_CP1_CI_AS",
            }
            for name, number, model, wait in names
        ],
        "sqlserver-recovery-status": [
            {
                "database_name": each.name,
                "is_open": 1,
                "has_log_chain": int(each.model == "FULL"),
                "is_in_group": 0,
            }
            for each in DATABASES
        ],
        "sqlserver-database-owners": [
            {"database_name": each.name, "owner_name": "sa", "is_owned_by_sa": 1} for each in DATABASES
        ],
        "sqlserver-last-checks": checked,
    }


def _files(one: Instance) -> dict[str, list[Row]]:
    files: list[Row] = []
    spaces: list[Row] = []
    logs: list[Row] = []
    for each in DATABASES:
        data, used = _data(one, each), _used(one, each)
        parts = (
            (each.name, "ROWS", f"{DATA}/{each.name}.mdf", 1, data, used),
            (
                f"{each.name}_log",
                "LOG",
                f"{LOGS}/{each.name}_log.ldf",
                0,
                _log(one, each),
                _log_used(one, each),
            ),
        )
        for name, kind, path, group, size, filled in parts:
            files.append(_file(each.name, name, kind, path, size, 256 * MIB))
            spaces.append(
                {
                    "database": each.name,
                    "file_name": name,
                    "kind": kind,
                    "path": path,
                    "filegroup": group,
                    "size_bytes": size,
                    "used_bytes": filled,
                    "most_bytes": None,
                    "growth": 32768,
                }
            )
        logs.append(
            {"database_name": each.name, "size_bytes": _log(one, each), "used_bytes": _log_used(one, each)}
        )
    for number in range(1, 9):
        files.append(
            _file("tempdb", f"tempdev{number}", "ROWS", f"{DATA}/tempdb{number}.mdf", 2 * GIB, 256 * MIB)
        )
    files.append(_file("tempdb", "templog", "LOG", f"{LOGS}/templog.ldf", GIB, 256 * MIB))
    for name, _, _ in SYSTEM:
        if name != "tempdb":
            files.append(_file(name, name, "ROWS", f"{DATA}/{name}.mdf", 96 * MIB, 64 * MIB))
            files.append(_file(name, f"{name}log", "LOG", f"{LOGS}/{name}log.ldf", 24 * MIB, 64 * MIB))
    full = round((431 - grown(12.6, one.days)) * GIB)
    return {
        "sqlserver-files": files,
        "sqlserver-file-space": spaces,
        "sqlserver-log-space": logs,
        "sqlserver-log-fragments": [
            {"database": each.name, "fragments": 812 if each.log_gib > 30 else 48} for each in DATABASES
        ],
        "sqlserver-volumes": [
            {
                "mount": "/srv",
                "size_bytes": 500 * GIB,
                "free_bytes": 500 * GIB - full,
                "files": len(files),
                "file_bytes": sum(int(str(row["size_bytes"])) for row in files),
            }
        ],
    }


def _data(one: Instance, each: Database) -> int:
    return round((each.data_gib - one.less(each.a_month_gib)) * GIB)


def _used(one: Instance, each: Database) -> int:
    return round((each.used_gib - one.less(each.a_month_gib)) * GIB)


def _log(one: Instance, each: Database) -> int:
    """A log that nobody backs up grows as long as it is there."""
    return round(each.log_gib * (1 - (one.days / 480 if each.log_used > 0.5 else 0)) * GIB)


def _log_used(one: Instance, each: Database) -> int:
    return round(_log(one, each) * each.log_used)


def _file(database: str, name: str, kind: str, path: str, size: int, step: int) -> Row:
    return {
        "database_name": database,
        "file_name": name,
        "kind": kind,
        "path": path,
        "size_bytes": size,
        "most_bytes": None,
        "growth_bytes": step,
        "growth_percent": 0,
    }


def _contents(one: Instance) -> dict[str, list[Row]]:
    tables = (
        ("CardioLedger", "Observation", 61_400_000, 96.0),
        ("CardioLedger", "Document", 2_310_000, 54.0),
        ("CardioLedger", "AuditTrail", 88_200_000, 21.0),
        ("CardioForms", "Answer", 14_900_000, 9.1),
        ("CardioArchive", "Observation2018", 41_000_000, 44.0),
    )
    scale = 1 - one.days / 900
    return {
        "sqlserver-tables": [
            {
                "database": database,
                "schema_name": "dbo",
                "table_name": name,
                "table_rows": round(rows * scale),
                "reserved_bytes": round(gib * scale * GIB),
            }
            for database, name, rows, gib in tables
        ],
        "sqlserver-identity-columns": [
            {
                "database": "CardioLedger",
                "schema_name": "dbo",
                "table_name": "AuditTrail",
                "column_name": "AuditId",
                "type_name": "int",
                "first_number": 1.0,
                "last_number": round(1_640_000_000 * (1 - one.days / 1500)) * 1.0,
                "end_number": 2147483647.0,
            }
        ],
        "sqlserver-schema-flaws": [_flaw(each.name, "tables", count=each.tables) for each in DATABASES]
        + [_flaw("CardioArchive", "untrusted", "Observation2018", f"FK_Observation2018_{to}")
           for to in ("Patient", "Device")],
        "sqlserver-query-store": [
            {
                "database": each.name,
                "desired_state": 2,
                "actual_state": 2,
                "readonly_reason": 0,
                "current_mib": 212,
                "most_mib": 1024,
                "cleans_by_size": 1,
            }
            for each in DATABASES
        ],
        "sqlserver-readable-tables": [
            {"database": each.name, "visible": each.tables, "readable": 0} for each in DATABASES
        ],
        "sqlserver-database-users": [
            {
                "database": each.name,
                "users": 4,
                "orphans": int(each.name == "CardioArchive"),
                "first_orphan": "ledger_old" if each.name == "CardioArchive" else None,
            }
            for each in DATABASES
        ],
    }  # fmt: skip


def _flaw(database: str, kind: str, table: str = "", name: str = "", count: int = 1) -> Row:
    return {
        "database": database,
        "kind": kind,
        "schema_name": "dbo" if table else "",
        "table_name": table,
        "object_name": name,
        "count_of": count,
    }


# --- back-ups and damage ----------------------------------------------------------------------


def _backups(one: Instance) -> dict[str, list[Row]]:
    groups: list[Row] = []
    lasts: list[Row] = []
    for each in (*DATABASES, *(_small(*row) for row in SYSTEM if row[0] != "tempdb")):
        groups.append(_group(one, each.name, "D", each.full_days, every_days=1 if each.full_days < 1 else 7))
        lasts.append(_last(one, each, "D", each.full_days, each.full_minutes, each.used_gib))
        if each.logs_h is not None:
            groups.append(_group(one, each.name, "L", each.logs_h / 24, every_days=1 / 24))
            lasts.append(_last(one, each, "L", each.logs_h / 24, 0.2, 0.12))
    restored = [
        (each.name, moment)
        for each in DATABASES
        if each.restored_days and (moment := one.before_today(each.restored_days))
    ]
    return {
        "sqlserver-backups": groups,
        "sqlserver-last-backups": lasts,
        "sqlserver-backup-history": [{"sets": 3214, "oldest_at": one.ago(92)}],
        "sqlserver-log-chains": [
            {"database_name": each.name, "sets": 336, "gaps": 0, "last_gap_at": None}
            for each in DATABASES if each.logs_h is not None
        ],
        "sqlserver-restores": [
            {"database_name": name, "destination_name": f"{name}_Test", "restores": 1, "last_at": moment}
            for name, moment in restored
        ],
        "sqlserver-check-jobs": [
            {"job_name": "Weekly check", "is_enabled": 1, "is_plan": 0, "last_done_at": one.ago(3.5)}
        ],
        "sqlserver-suspect-pages": [],
        "sqlserver-page-repairs": [],
    }  # fmt: skip


def _small(name: str, number: int, model: str) -> Database:
    return Database(name, number, model, 0.1, 0.06, 0.02, 0.1, 0, 0.63, 0.2, 3.5)


def _group(one: Instance, database: str, kind: str, age_days: float, every_days: float) -> Row:
    return {
        "database_name": database,
        "kind": kind,
        "is_copy_only": 0,
        "is_snapshot": 0,
        "device_type": 2,
        "folder": f"{BACKUPS}/",
        "sets": round(30 / every_days),
        "first_finished_at": one.ago(age_days + 29),
        "last_finished_at": one.ago(age_days),
    }


def _last(one: Instance, each: Database, kind: str, age_days: float, minutes: float, gib: float) -> Row:
    size = max(gib - one.less(each.a_month_gib), 0.05) if kind == "D" else gib
    return {
        "database_name": each.name,
        "kind": kind,
        "is_copy_only": 0,
        "is_snapshot": 0,
        "started_at": one.ago(age_days + minutes * size / max(gib, 0.05) / 1440),
        "finished_at": one.ago(age_days),
        "size_bytes": round(size * GIB),
        "compressed_bytes": round(size * GIB * 0.31),
        "has_checksums": int(each.name != "CardioArchive"),
        "is_damaged": 0,
        "software": "Microsoft SQL Server",
    }


def _jobs(one: Instance) -> dict[str, list[Row]]:
    failures = 0 if one.days else 4
    jobs = [
        _job(one, "Nightly back-up", 0.61, runs=30, average=2880, period=1, backs_up=1),
        _job(one, "Hourly log back-up", 0.02, runs=720, average=12, period=1, backs_up=1),
        _job(one, "Weekly archive back-up", 5.6, runs=4, average=980, period=7, backs_up=1),
        _job(one, "Weekly check", 3.5, runs=4, average=6600, period=7, checks_integrity=1),
        _job(one, "Statistics", 0.55, runs=30, average=1900, period=1, keeps_statistics=1),
        _job(one, "Registry export", 0.45, runs=30, average=240, period=1, failures=failures),
    ]
    return {
        "sqlserver-jobs": jobs,
        "sqlserver-job-owners": [
            {"job_name": row["job_name"], "is_enabled": 1, "owner_name": "sa", "is_owned_by_sa": 1,
             "is_disabled": 1}
            for row in jobs
        ],
        "sqlserver-shrink-jobs": [],
        "sqlserver-alerts": [],
    }  # fmt: skip


def _job(
    one: Instance, name: str, ran_days: float, *, runs: int, average: float, period: int, failures: int = 0,
    **does: int,
) -> Row:  # fmt: skip
    return {
        "job_name": name,
        "is_enabled": 1,
        "created_at": one.before_today(INSTALLED_DAYS - 6),
        "backs_up": does.get("backs_up", 0),
        "checks_integrity": does.get("checks_integrity", 0),
        "keeps_statistics": does.get("keeps_statistics", 0),
        "runs_plan": 0,
        "schedules": 1,
        "shortest_period_days": period,
        "last_run_at": one.ago(ran_days),
        "last_outcome": 1,
        "runs": runs,
        "failures": failures,
        "last_failed_at": one.ago(2.45) if failures else None,
        "seen_since": one.ago(30),
        "average_s": average,
        "running_since": None,
    }


# --- who works on it --------------------------------------------------------------------------


def _people(one: Instance) -> dict[str, list[Row]]:
    administrators = ["CEDARRIDGE\\okafor", *([] if one.days else ["CEDARRIDGE\\tbright"])]
    return {
        "sqlserver-administrators": [
            *(_administrator(name, "WINDOWS_LOGIN") for name in administrators),
            _administrator("interface_engine", "SQL_LOGIN", policy=1),
            _administrator("sa", "SQL_LOGIN", policy=1, disabled=1, sa=1),
        ],
        "sqlserver-own-rights": [
            {
                "login_name": "checkup_ro",
                "is_sysadmin": 0,
                "is_securityadmin": 0,
                "controls_server": 0,
                "alters_logins": 0,
                "alters_databases": 0,
                "reads_all_tables": 0,
            }
        ],
        "sqlserver-connections": [
            _connections("TCP", encrypted=1, connections=34, computers=8),
            _connections("TCP", encrypted=0, connections=4, computers=1),
            _connections("TCP", encrypted=1, connections=1, computers=1, ours=1),
            _connections("Shared memory", encrypted=0, connections=3, computers=1, local=1),
        ],
        "sqlserver-programs": [
            _program("CardioLedger", 31, 9),
            _program("Interface engine", 6, 1, administrators=6),
            _program("SQLAgent - Job Manager", 2, 1),
        ],
    }


def _administrator(name: str, kind: str, policy: int | None = None, disabled: int = 0, sa: int = 0) -> Row:
    return {
        "login_name": name,
        "kind": kind,
        "is_disabled": disabled,
        "is_policy_checked": policy,
        "is_sa": sa,
        "is_everybody": 0,
    }


def _connections(
    transport: str, *, encrypted: int, connections: int, computers: int, ours: int = 0, local: int = 0
) -> Row:
    return {
        "transport": transport,
        "is_encrypted": encrypted,
        "authentication": "SQL",
        "is_local": local,
        "is_ours": ours,
        "connections": connections,
        "computers": computers,
    }


def _program(name: str, sessions: int, computers: int, administrators: int = 0) -> Row:
    return {
        "program": name,
        "sessions": sessions,
        "computers": computers,
        "logins": 1,
        "administrator_sessions": administrators,
        "group_sessions": 0,
    }


# --- how it works -----------------------------------------------------------------------------


def _work(one: Instance) -> dict[str, list[Row]]:
    up_ms = round(UP_DAYS * 86_400_000)
    return {
        "sqlserver-busy-minutes": [
            {"age_s": 60 * minute, "own_percent": 22 + minute % 7, "idle_percent": 71 - minute % 7}
            for minute in range(60)
        ],
        "sqlserver-counters": [{"deadlocks": 14, "page_life_s": 9_400}],
        "sqlserver-memory": [
            {
                "total_bytes": 64 * GIB,
                "available_bytes": 11 * GIB,
                "used_bytes": 48 * GIB,
                "locked_bytes": 0,
                "is_physical_low": 0,
            }
        ],
        "sqlserver-memory-grants": [{"forced": 3, "timed_out": 0, "waiting": 0}],
        "sqlserver-token-cache": [{"token_bytes": 41 * MIB, "all_bytes": 48 * GIB}],
        "sqlserver-pending-requests": [{"requests": 0, "longest_ms": 0}],
        "sqlserver-file-latency": [
            {
                "database_name": each.name,
                "file_name": name,
                "kind": kind,
                "reads": reads,
                "read_stall_ms": reads * (31 if each.name == "CardioArchive" else 6),
                "writes": reads // 3,
                "write_stall_ms": reads // 3 * 4,
            }
            for each in DATABASES
            for name, kind, reads in (
                (each.name, "ROWS", round(each.used_gib * 1_200_000)),
                (f"{each.name}_log", "LOG", 40_000),
            )
        ],
        "sqlserver-waits": [
            _wait("LAZYWRITER_SLEEP", up_ms, 1),
            _wait("PAGEIOLATCH_SH", round(up_ms * 0.11), 9),
            _wait("WRITELOG", round(up_ms * 0.05), 2),
            _wait("CXPACKET", round(up_ms * 0.03), 3),
            _wait("LCK_M_X", round(up_ms * 0.004), 400),
        ],
        "sqlserver-growth-events": [],
    }


def _wait(kind: str, wait_ms: int, each_ms: int) -> Row:
    return {
        "wait_type": kind,
        "waits": max(1, wait_ms // each_ms),
        "wait_ms": wait_ms,
        "signal_ms": wait_ms // 20,
    }


# Hash, procedure, and share of the processor's time, of all duration and of all pages read, today.
STATEMENTS = (
    ("0x9A41C07E52D3B818", "usp_FindCase", 0.31, 0.27, 0.36),
    ("0x1F07BB46E90C2A55", "", 0.14, 0.11, 0.09),
    ("0xC3580D91A7714EF2", "usp_DayList", 0.09, 0.08, 0.12),
    ("0x62E9A4417B0FD330", "", 0.06, 0.13, 0.04),
    ("0x7D10E8265CB9F14A", "usp_SaveObservation", 0.05, 0.07, 0.02),
    ("0x08B2F76D3A95C0E1", "usp_QuarterReport", 0.04, 0.03, 0.07),
)


def _statements(one: Instance) -> dict[str, list[Row]]:
    """What the tune-up looks at; the search for a case was slower before the last release."""
    total_ms, pages = 41_000_000, 9_800_000_000
    slower = 1.6 if one.days > 200 else 1.0
    indexes = (
        ("Observation", 1, "PK_Observation", "ObservationId", 41_000_000, 1_900_000),
        ("Observation", 2, "IX_Observation_Case", "CaseId", 18_400_000, 1_900_000),
        ("Document", 1, "PK_Document", "DocumentId", 2_100_000, 240_000),
        ("AuditTrail", 1, "PK_AuditTrail", "AuditId", 12_000, 4_100_000),
    )
    return {
        "sqlserver-statements": [
            {
                "statement_hash": name,
                "database_name": "CardioLedger",
                "object_name": procedure,
                "plans": 1 if procedure else 140,
                "runs": round(total_ms * processor / 38),
                "processor_ms": round(total_ms * processor * (slower if number == 0 else 1)),
                "elapsed_ms": round(total_ms * 1.7 * elapsed),
                "page_reads": round(pages * reads),
                "first_at": one.ago(9),
                "total_processor_ms": total_ms,
                "total_elapsed_ms": round(total_ms * 1.7),
                "total_page_reads": pages,
            }
            for number, (name, procedure, processor, elapsed, reads) in enumerate(STATEMENTS)
        ],
        "sqlserver-stored-statements": [],
        "sqlserver-trace-flags": [],
        "sqlserver-plan-cache": [
            {"plans": 9_400, "plan_bytes": 2 * GIB, "single_plans": 1_900, "single_bytes": 210 * MIB}
        ],
        "sqlserver-indexes": [
            {
                "database": "CardioLedger",
                "schema_name": "dbo",
                "table_name": table,
                "index_id": number,
                "index_name": name,
                "is_unique": int(number == 1),
                "is_constraint": int(number == 1),
                "is_off": 0,
                "is_filtered": 0,
                "key_columns": key,
                "key_count": 1,
                "included_columns": "",
                "included_count": 0,
                "reads": reads,
                "writes": writes,
                "index_rows": 61_400_000,
                "used_bytes": 18 * GIB,
            }
            for table, number, name, key, reads, writes in indexes
        ],
        "sqlserver-missing-indexes": [
            {
                "database": "CardioLedger",
                "schema_name": "dbo",
                "table_name": "Document",
                "equality_columns": "[CaseId]",
                "inequality_columns": "",
                "included_columns": "",
                "uses": 214_000,
                "cost": 420.0,
                "impact_percent": 96.0,
                "last_at": one.ago(0.1),
            }
        ],
        "sqlserver-index-operations": [],
        "sqlserver-fragments": [],
        "sqlserver-statistics": [
            {
                "database": "CardioLedger",
                "schema_name": "dbo",
                "table_name": table,
                "statistic_name": name,
                "table_rows": 61_400_000,
                "updated_at": one.ago(0.55),
                "changed_rows": 41_000,
                "counted_rows": 61_300_000,
                "sampled_rows": 3_100_000,
            }
            for table, _, name, *_ in indexes
        ],
    }


def _now(one: Instance) -> dict[str, list[Row]]:
    """What goes on at the moment of the visit."""
    return {
        "sqlserver-blocked-requests": [],
        "sqlserver-open-transactions": [],
        "sqlserver-processor-time": [
            {"kernel_ms": 41_000_000, "user_ms": 1_290_000_000, "processors": PROCESSORS}
        ],
    }


PARTS: tuple[Callable[[Instance], dict[str, list[Row]]], ...] = (
    _itself,
    _databases,
    _files,
    _contents,
    _backups,
    _jobs,
    _people,
    _work,
    _statements,
    _now,
)
