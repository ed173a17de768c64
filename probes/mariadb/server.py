"""Settings and counters of an instance, read once for many probes, and since when the counters run.

Every login sees all of them ("Information Schema GLOBAL_VARIABLES and GLOBAL_STATUS Tables" in MariaDB,
"Performance Schema System Variable Tables" in MySQL). Names that a version does not have are simply absent.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from checkup.api import (
    Duration,
    Impact,
    NotChecked,
    Result,
    Section,
    Sql,
    SqlFacts,
    SqlVariant,
    Step,
    Value,
    When,
    Worse,
    judge,
)
from checkup.api import Ratio as Share
from probes.sql.rows import reader

DAY_S = 86_400
YOUNG_S = 7 * DAY_S  # a clinic's week: counters of less are a hint only
ANYONE = "an ordinary login"


@dataclass(frozen=True, slots=True)
class Reading:
    """`kind` is "setting" or "counter"; `name` is in small letters. Values are texts, whatever they mean."""

    kind: str
    name: str
    value: str | None


class Server(SqlFacts[Reading]):
    def setting(self, name: str) -> str | None:
        """None where this version has no such setting."""
        return self._value("setting", name)

    def counter(self, name: str) -> float | None:
        return _number(self._value("counter", name))

    def number(self, name: str) -> float | None:
        """A setting that is a number; None where it is none, or not there."""
        return _number(self.setting(name))

    def is_off(self, name: str) -> bool:
        return (self.setting(name) or "").upper() in ("OFF", "0", "NO", "DISABLED")

    def counts(self, *names: str) -> list[float] | None:
        """Several counters; None where one of them is not there."""
        found = [self.counter(name) for name in names]
        known = [one for one in found if one is not None]
        return known if len(known) == len(names) else None

    @property
    def counted_s(self) -> float | None:
        """How long the counters have run: since the start, or since somebody set them back."""
        flushed = self.counter("uptime_since_flush_status")
        known = [one for one in (self.server.up_s, self.counter("uptime"), flushed) if one is not None]
        return min(known, default=None)

    @property
    def title(self) -> str:
        """The product with its version, as people say it."""
        product = "MySQL" if self.server.edition == "mysql" else "MariaDB"
        return f"{product} {'.'.join(map(str, self.server.version[:3]))}"

    def _value(self, kind: str, name: str) -> str | None:
        return next((one.value for one in self.rows if one.kind == kind and one.name == name), None)


def _number(text: str | None) -> float | None:
    try:
        return None if text is None else float(text)
    except ValueError:
        return None


_SETTINGS = """(
    'aria_pagecache_buffer_size', 'binlog_cache_size', 'binlog_expire_logs_auto_purge',
    'binlog_expire_logs_seconds', 'expire_logs_days', 'have_ssl',
    'innodb_buffer_pool_size', 'innodb_doublewrite', 'innodb_flush_log_at_trx_commit',
    'innodb_log_buffer_size', 'innodb_log_file_size', 'innodb_log_files_in_group',
    'innodb_redo_log_capacity', 'join_buffer_size', 'key_buffer_size', 'log_bin', 'long_query_time',
    'max_binlog_total_size', 'max_connections', 'max_heap_table_size', 'open_files_limit',
    'query_cache_size', 'query_cache_type', 'read_buffer_size', 'read_only', 'read_rnd_buffer_size',
    'require_secure_transport', 'slow_query_log', 'sort_buffer_size', 'sync_binlog', 'table_open_cache',
    'thread_stack', 'tls_version', 'tmp_table_size')"""
_COUNTERS = """(
    'aborted_clients', 'aborted_connects', 'aria_pagecache_read_requests', 'aria_pagecache_reads',
    'binlog_bytes_written', 'binlog_disk_use', 'com_backup', 'com_show_create_table', 'connections',
    'created_tmp_disk_tables', 'created_tmp_tables', 'innodb_buffer_pool_pages_free',
    'innodb_buffer_pool_pages_total', 'innodb_buffer_pool_read_requests', 'innodb_buffer_pool_reads',
    'innodb_log_waits', 'key_read_requests', 'key_reads', 'max_used_connections',
    'open_files', 'questions', 'select_full_join', 'slow_queries',
    'sort_merge_passes', 'sort_range', 'sort_scan', 'table_locks_immediate', 'table_locks_waited',
    'table_open_cache_hits', 'table_open_cache_misses', 'uptime', 'uptime_since_flush_status')"""


def _text(schema: str) -> str:
    return f"""
SELECT 'setting' AS kind, LOWER(v.VARIABLE_NAME) AS name, v.VARIABLE_VALUE AS value
FROM {schema}.GLOBAL_VARIABLES AS v
WHERE LOWER(v.VARIABLE_NAME) IN {_SETTINGS}
UNION ALL
SELECT 'counter' AS kind, LOWER(s.VARIABLE_NAME) AS name, s.VARIABLE_VALUE AS value
FROM {schema}.GLOBAL_STATUS AS s
WHERE LOWER(s.VARIABLE_NAME) IN {_COUNTERS}
"""  # noqa: S608  the parts are constants of this file


settings_and_counters = Section(
    name="mariadb-server",
    facts=Server,
    collect={
        "mariadb": Sql(
            (
                SqlVariant(
                    _text("information_schema"),
                    reads=("information_schema.GLOBAL_VARIABLES", "information_schema.GLOBAL_STATUS"),
                    editions=("mariadb",),
                ),
                # Names of tables are small letters there, and compared by the letter on Linux.
                SqlVariant(
                    _text("performance_schema")
                    .replace("GLOBAL_VARIABLES", "global_variables")
                    .replace("GLOBAL_STATUS", "global_status"),
                    reads=("performance_schema.global_variables", "performance_schema.global_status"),
                    since=(5, 7),
                    editions=("mysql",),
                ),
            ),
            row=Reading,
        )
    },
    parse=reader(Server, Reading),
    privacy="some settings and counters of the server: sizes, limits, switches, numbers",
)


# --- judging what was counted -----------------------------------------------------------------

EARLY = "-early"


def with_early(messages: Mapping[str, str]) -> dict[str, str]:
    """The messages, and each of them once more for counters that have not run for a week."""
    hint = " Counted over {counted} only, so no more than a hint."
    return {**messages, **{name + EARLY: text + hint for name, text in messages.items()}}


def too_young(facts: Server) -> NotChecked | None:
    """What to say where the counters have not run for a day (mysqltuner: 24 hours)."""
    counted = facts.counted_s
    if counted is None:
        return NotChecked(reason="the server does not say since when it counts")
    if counted < DAY_S:
        return NotChecked(reason="what the server counts goes back less than a day; to judge it takes a day")
    return None


@dataclass(frozen=True, kw_only=True, slots=True)
class Counted:
    """A share made of counters: `part` of `whole`, once the whole is at least `least`."""

    metric: str
    part: float
    whole: float
    least: float
    what: str  # the things counted, for the sentence that there are too few of them


def judge_share(
    facts: Server,
    counted: Counted,
    limit: float,
    *,
    worse: Worse = Worse.HIGHER,
    impact: Impact = Impact.NOTE,
    when: When = When.LATER,
    message: str,
    evidence: Mapping[str, Value] | None = None,
) -> Iterator[Result]:
    """The share against its limit; a finding of less than a week is a note for later."""
    if counted.whole < counted.least:
        yield NotChecked(
            reason=f"the server counted {counted.whole:,.0f} {counted.what}; {counted.least:,.0f} are needed"
        )
        return
    seconds = facts.counted_s or 0.0
    young = seconds < YOUNG_S
    yield from judge(
        counted.metric,
        Share(counted.part / counted.whole),
        (Step(limit, Impact.NOTE if young else impact, When.LATER if young else when),),
        worse=worse,
        message=message + EARLY if young else message,
        evidence={**(evidence or {}), "counted": Duration(seconds)},
    )


def unknown(*names: str) -> NotChecked:
    return NotChecked(reason=f"the server shows no {' or '.join(names)}")
