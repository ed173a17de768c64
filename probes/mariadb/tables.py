"""The clinic's tables: who keeps them, can their rows be told apart, do their numbers last, is there waste?

REFERENCES on *.* is the right that lets information_schema show tables and columns without their rows;
SHOW VIEW and TRIGGER show tables, but not columns (measured on MariaDB 10.11).
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from checkup.api import (
    RECOVERABILITY,
    Bytes,
    Context,
    Finding,
    Impact,
    Metric,
    NoLevels,
    NotApplicable,
    NotChecked,
    Number,
    Passed,
    Probe,
    Ratio,
    Result,
    Section,
    Sql,
    SqlFacts,
    SqlVariant,
    Step,
    Text,
    Value,
    Visit,
    When,
    Worse,
    judge,
)
from probes.mariadb.databases import OWN, SHOWN_TABLES, unless_granted
from probes.sql.rows import reader

TABLES_RIGHT = "REFERENCES ON *.* (shows tables and columns, none of their rows)"
MOST_NAMED = 5

# Engines that lose nothing in a crash.
_CRASH_SAFE = ("INNODB", "ROCKSDB", "TOKUDB", "NDBCLUSTER")

# Engines that keep nothing on this disk, or nothing that has to survive.
_NOTHING_TO_LOSE = ("MEMORY", "BLACKHOLE", "PERFORMANCE_SCHEMA", "FEDERATED", "CONNECT", "SPIDER", "SEQUENCE")


@dataclass(frozen=True, slots=True)
class Table:
    """`has_key`: a primary key, or a unique one without NULL, which serves as such. `next_number` is the next
    AUTO_INCREMENT value and `numbered_type` the type of its column, None where there is none. Sizes are
    InnoDB's estimates; MySQL 8 renews them once a day."""

    database_name: str
    table_name: str
    engine: str | None
    table_rows: int | None
    data_bytes: int
    index_bytes: int
    free_bytes: int
    has_key: bool
    next_number: int | None
    numbered_type: str | None

    @property
    def name(self) -> str:
        return f"{self.database_name}.{self.table_name}"

    @property
    def is_innodb(self) -> bool:
        return (self.engine or "").upper() == "INNODB"


class Tables(SqlFacts[Table]):
    pass


tables = Section(
    name="mariadb-tables",
    facts=Tables,
    collect={
        "mariadb": Sql(
            (
                SqlVariant(
                    f"""
SELECT t.TABLE_SCHEMA AS database_name, t.TABLE_NAME AS table_name, t.ENGINE AS engine,
       t.TABLE_ROWS AS table_rows, COALESCE(t.DATA_LENGTH, 0) AS data_bytes,
       COALESCE(t.INDEX_LENGTH, 0) AS index_bytes, COALESCE(t.DATA_FREE, 0) AS free_bytes,
       COALESCE(c.has_key, 0) AS has_key, t.AUTO_INCREMENT AS next_number, c.numbered_type AS numbered_type
FROM information_schema.TABLES AS t
LEFT JOIN (
  SELECT k.TABLE_SCHEMA AS table_schema, k.TABLE_NAME AS table_name,
         MAX(CASE WHEN k.COLUMN_KEY = 'PRI' THEN 1 ELSE 0 END) AS has_key,
         MAX(CASE WHEN k.EXTRA LIKE '%auto_increment%' THEN k.COLUMN_TYPE END) AS numbered_type
  FROM information_schema.COLUMNS AS k
  WHERE k.TABLE_SCHEMA NOT IN {OWN}
  GROUP BY k.TABLE_SCHEMA, k.TABLE_NAME
) AS c ON c.table_schema = t.TABLE_SCHEMA AND c.table_name = t.TABLE_NAME
WHERE t.TABLE_TYPE IN ('BASE TABLE', 'SYSTEM VERSIONED') AND t.TABLE_SCHEMA NOT IN {OWN}
""",  # noqa: S608  the parts are constants of the probes
                    reads=("information_schema.TABLES", "information_schema.COLUMNS"),
                    rights=("REFERENCES",),
                ),
            ),
            row=Table,
            canary=unless_granted("REFERENCES", "SELECT", shown=SHOWN_TABLES),
            most_rows=20_000,
            timeout_s=30,
            cost="medium",
        )
    },
    parse=reader(Tables, Table),
    privacy="names, sizes and engines of tables; types of numbering columns; no rows",
)


def _named(names: Sequence[str]) -> Text:
    more = len(names) - MOST_NAMED
    shown = ", ".join(names[:MOST_NAMED])
    return Text(f"{shown} and {more} more" if more > 0 else shown)


def _none() -> NotApplicable:
    return NotApplicable(reason="the databases have no table")


def _by_database(found: Sequence[Table]) -> dict[str, list[Table]]:
    grouped: dict[str, list[Table]] = defaultdict(list)
    for one in sorted(found, key=lambda table: table.name):
        grouped[one.database_name].append(one)
    return grouped


# --- engines ----------------------------------------------------------------------------------


def check_engine(facts: Tables, levels: NoLevels, ctx: Context) -> Iterator[Result]:
    if not facts.rows:
        yield _none()
    for database, looked in _by_database(facts.rows).items():
        odd = [
            one
            for one in looked
            if one.engine is not None and one.engine.upper() not in (*_CRASH_SAFE, *_NOTHING_TO_LOSE)
        ]
        unreadable = [one.table_name for one in looked if one.engine is None]
        if unreadable:
            yield Finding(
                impact=Impact.MAJOR,
                when=When.NOW,
                message="unreadable",
                item=database,
                evidence={"count": Number(len(unreadable)), "names": _named(unreadable)},
                value=Number(len(unreadable)),
                worse=Worse.HIGHER,
            )
        elif odd:
            yield Finding(
                impact=Impact.MAJOR,
                function=RECOVERABILITY,
                message="engine",
                item=database,
                evidence={
                    "count": Number(len(odd)),
                    "names": _named([f"{one.table_name} ({one.engine})" for one in odd]),
                },
                value=Number(len(odd)),
                worse=Worse.HIGHER,
            )
        else:
            yield Passed(item=database, evidence={"tables": Number(len(looked))})


engines = Probe(
    id="mariadb.storage-engines",
    title="All tables survive a crash",
    check=check_engine,
    levels=NoLevels(),
    kind="mariadb",
    messages={
        "engine": "Tables of {item} are not kept by InnoDB ({count}): {names}.",
        "unreadable": "The server cannot say who keeps these tables of {item} ({count}): {names}.",
    },
    why=(
        "MyISAM and Aria know no transactions: after a crash such a table may be damaged or half changed, "
        "and a back-up that runs while people work holds a mixture of before and after. A table without an "
        "engine cannot be opened at all."
    ),
    remedy=(
        "Ask us whether our release is tested so; take a back-up; out of hours run for each table ALTER "
        "TABLE `database`.`table` ENGINE = InnoDB. It rewrites the table: free disk space of its size is "
        "needed. The way back: the same with ENGINE = MyISAM (the engine named). A table without an engine: "
        "run CHECK TABLE on it, and call us."
    ),
    verify="SELECT TABLE_NAME, ENGINE FROM information_schema.TABLES shows InnoDB.",
    rights=TABLES_RIGHT,
    references=(
        "sql: MY-ENGINE (mysqltuner)",
        "MariaDB documentation: Converting Tables from MyISAM to InnoDB",
    ),
)


# --- keys -------------------------------------------------------------------------------------


def check_keys(facts: Tables, levels: NoLevels, ctx: Context) -> Iterator[Result]:
    if not facts.rows:
        yield _none()
    for database, looked in _by_database(facts.rows).items():
        without = [one.table_name for one in looked if not one.has_key]
        if without:
            yield Finding(
                impact=Impact.NOTE,
                when=When.LATER,
                message="without",
                item=database,
                evidence={"count": Number(len(without)), "names": _named(without)},
                value=Number(len(without)),
                worse=Worse.HIGHER,
            )
        else:
            yield Passed(item=database, evidence={"tables": Number(len(looked))})


primary_keys = Probe(
    id="mariadb.primary-keys",
    title="Every table has a primary key",
    check=check_keys,
    levels=NoLevels(),
    kind="mariadb",
    messages={"without": "Tables of {item} have no primary key ({count}): {names}."},
    why=(
        "Without a key a row cannot be told from its double, a replica reads the whole table for each "
        "changed row, and a cluster refuses the table."
    ),
    remedy=(
        "This is addressed to us, the vendor, or to whoever made the table: send us the names. Where we "
        "agree: ALTER TABLE `database`.`table` ADD COLUMN id BIGINT UNSIGNED NOT NULL AUTO_INCREMENT PRIMARY "
        "KEY, out of hours. The way back: ALTER TABLE ... DROP COLUMN id."
    ),
    verify="SHOW CREATE TABLE shows PRIMARY KEY for each table named.",
    rights=TABLES_RIGHT,
    references=("sql: MY-NOPK (mysqltuner)", "MariaDB documentation: Getting Started with Indexes"),
)


# --- numbers that run out ---------------------------------------------------------------------

_BITS = {"tinyint": 8, "smallint": 16, "mediumint": 24, "int": 32, "bigint": 64}
_TYPE = re.compile(r"(tinyint|smallint|mediumint|int|bigint)\b(?:\(\d+\))?( unsigned)?")


@dataclass(frozen=True, slots=True)
class NumberLevels:
    soon: float = 0.90  # of the numbers used: mysqltuner
    urgent: float = 0.95  # ours
    end: float = 1.0  # the next row cannot be saved


def check_numbers(facts: Tables, levels: NumberLevels, ctx: Context) -> Iterator[Result]:
    numbered = [one for one in facts.rows if one.next_number is not None]
    if not numbered:
        yield NotApplicable(reason="no table numbers its rows")
        return
    near = 0
    highest = 0.0
    for one in sorted(numbered, key=lambda table: table.name):
        last = _last_number(one.numbered_type or "")
        if last is None or one.next_number is None:
            yield NotChecked(item=one.name, reason="the type of its numbering column is not told")
            near += 1
            continue
        # The next number may be one past the last, or be the last one again, once that is used.
        share = min(max(one.next_number - 1, 0) / (last - 1), 1.0)
        highest = max(highest, share)
        if share < levels.soon:
            continue
        near += 1
        evidence: dict[str, Value] = {
            "next": Number(one.next_number),
            "last": Number(last),
            "type": Text(one.numbered_type or ""),
        }
        yield from judge(
            "used",
            Ratio(share),
            (
                Step(levels.end, Impact.MAJOR, When.NOW, "end"),
                Step(levels.urgent, Impact.MAJOR),
                Step(levels.soon, Impact.LIMITED),
            ),
            worse=Worse.HIGHER,
            message="near",
            item=one.name,
            evidence=evidence,
        )
    if not near:
        yield Metric(name="used", value=Ratio(highest))
        yield Passed(evidence={"tables": Number(len(numbered)), "used": Ratio(highest)})


def _last_number(column_type: str) -> int | None:
    """The largest number that the column holds; None for a type that is no whole number."""
    found = _TYPE.match(column_type.lower())
    if found is None:
        return None
    bits = _BITS[found[1]]
    return 2**bits - 1 if found[2] else 2 ** (bits - 1) - 1


numbers = Probe(
    id="mariadb.auto-increment",
    title="Tables have numbers left for new rows",
    check=check_numbers,
    levels=NumberLevels(),
    kind="mariadb",
    messages={
        "near": "{item} has used {used} of its numbers: the next is {next}, the last {last} ({type}).",
        "end": "{item} has no number left for another row: the last is {last} ({type}).",
    },
    why="When the last number is used, nothing new can be saved in that table.",
    remedy=(
        "Tell us at once; other tables may refer to the column and have to change with it. Where we agree, "
        "with a fresh back-up, out of hours: ALTER TABLE `database`.`table` MODIFY `column` BIGINT UNSIGNED "
        "NOT NULL AUTO_INCREMENT. It rewrites the table. The way back: MODIFY with the type named, while the "
        "numbers still fit."
    ),
    verify="SHOW CREATE TABLE shows the new type, and the next check-up passes here.",
    rights=TABLES_RIGHT,
    references=("sql: MY-AUTOINC (mysqltuner)", "MariaDB documentation: AUTO_INCREMENT"),
)


# --- space inside files -----------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class FreeLevels:
    least_bytes: int = 100 * 1024**2  # less is not worth the work: mysqltuner
    most: float = 0.10  # of data, indexes and free space together: mysqltuner


def check_free(facts: Tables, levels: FreeLevels, ctx: Context) -> Iterator[Result]:
    if not facts.rows:
        yield _none()
        return
    found = 0
    for one in sorted(facts.rows, key=lambda table: table.name):
        whole = one.data_bytes + one.index_bytes + one.free_bytes
        if one.free_bytes < levels.least_bytes or one.free_bytes < levels.most * whole:
            continue
        found += 1
        yield Finding(
            impact=Impact.NOTE,
            when=When.LATER,
            message="free",
            item=one.name,
            evidence={"free": Bytes(one.free_bytes), "whole": Bytes(whole)},
            value=Bytes(one.free_bytes),
            worse=Worse.HIGHER,
        )
    if not found:
        yield Passed(evidence={"tables": Number(len(facts.rows))})


free_space = Probe(
    id="mariadb.table-space",
    title="Files of tables hold little empty space",
    check=check_free,
    levels=FreeLevels(),
    kind="mariadb",
    visits=frozenset({Visit.TUNE_UP}),
    messages={"free": "{free} of the {whole} of {item} are empty."},
    why=(
        "Space of deleted rows stays in the file: back-ups and scans carry it along, and other tables lack "
        "it."
    ),
    remedy=(
        "After a back-up, out of hours: OPTIMIZE TABLE `database`.`table`. It rewrites the table, needs free "
        "disk space of its size, and takes a minute for each GB or so. Gain: disk space, shorter scans. "
        "There is no need of a way back: the rows stay the same."
    ),
    verify="SELECT DATA_FREE FROM information_schema.TABLES shows less for the table.",
    rights=TABLES_RIGHT,
    references=("sql: MY-FRAG (mysqltuner)", "MariaDB documentation: OPTIMIZE TABLE"),
)
