"""Sequences: how far they have counted of what their column can hold."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass

from checkup.api import (
    Context,
    Finding,
    Impact,
    NotApplicable,
    Number,
    Passed,
    Probe,
    Ratio,
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
from probes.postgresql.counting import hidden, identifier
from probes.sql.rows import reader


@dataclass(frozen=True, slots=True)
class Sequence:
    """`last_value` is None before the first use, and where the login may not see it (`is_visible`).
    `highest` is what both the sequence and the column that it fills can hold; `column_name` is
    schema.table.column, "" for a sequence that stands alone."""

    database: str
    schema_name: str
    sequence_name: str
    column_name: str
    last_value: int | None
    highest: int
    goes_down: bool
    starts_again: bool
    is_visible: bool
    login: str


class Sequences(SqlFacts[Sequence]):
    pass


sequences = Section(
    name="postgresql-sequences",
    facts=Sequences,
    collect={
        "postgresql": Sql(
            (
                SqlVariant(
                    """
SELECT current_database()::text AS database, q.schemaname::text AS schema_name,
       q.sequencename::text AS sequence_name,
       COALESCE(u.nspname || '.' || t.relname || '.' || a.attname, '') AS column_name,
       q.last_value AS last_value,
       LEAST(q.max_value, CASE a.atttypid WHEN 21 THEN 32767 WHEN 23 THEN 2147483647 END)::bigint AS highest,
       q.increment_by < 0 AS goes_down, q.cycle AS starts_again,
       has_sequence_privilege(c.oid, 'SELECT,USAGE') AS is_visible, current_user::text AS login
FROM pg_sequences AS q
JOIN pg_namespace AS n ON n.nspname = q.schemaname
JOIN pg_class AS c ON c.relnamespace = n.oid AND c.relname = q.sequencename
LEFT JOIN pg_depend AS d
       ON d.classid = 'pg_class'::regclass AND d.objid = c.oid AND d.objsubid = 0
          AND d.refclassid = 'pg_class'::regclass AND d.refobjsubid > 0 AND d.deptype IN ('a', 'i')
LEFT JOIN pg_attribute AS a ON a.attrelid = d.refobjid AND a.attnum = d.refobjsubid
LEFT JOIN pg_class AS t ON t.oid = d.refobjid
LEFT JOIN pg_namespace AS u ON u.oid = t.relnamespace
WHERE c.relpersistence <> 't'
""",
                    reads=("pg_sequences", "pg_namespace", "pg_class", "pg_depend", "pg_attribute"),
                    since=(10,),
                ),
            ),
            row=Sequence,
            scope="database",
            most_rows=20_000,
        )
    },
    parse=reader(Sequences, Sequence),
    privacy="names of sequences and the last number that each gave out",
)


@dataclass(frozen=True, slots=True)
class SequenceLevels:
    end: float = 0.95  # share used; check_pgactivity sequences_exhausted
    near: float = 0.8  # PgHero sequence_danger is 0.9; a change of the column needs a quiet day; ours


def check_sequences(facts: Sequences, levels: SequenceLevels, ctx: Context) -> Iterator[Result]:
    if not facts.rows:
        yield NotApplicable(reason="the databases that were looked into have no sequence")
        return
    kept = list(_hidden(facts))
    yield from kept
    found = False
    fullest = 0.0
    for one in facts.rows:
        if one.last_value is None or one.goes_down or one.starts_again:
            continue
        used = Ratio(round(one.last_value / one.highest, 4))
        fullest = max(fullest, used.value)
        if used.value < levels.near:
            continue
        found = True
        end = used.value >= levels.end
        evidence: dict[str, Value] = {
            "used": used,
            "left": Number(one.highest - one.last_value),
            "column": Text(one.column_name or "no column of its own"),
        }
        yield Finding(
            impact=Impact.MAJOR if end else Impact.LIMITED,
            when=When.NOW if end else When.BEFORE_NEXT_VISIT,
            message="end",
            item=f"{one.database}.{one.schema_name}.{one.sequence_name}",
            evidence=evidence,
            value=used,
            worse=Worse.HIGHER,
        )
    if not found and not kept:
        yield Passed(evidence={"sequences": Number(len(facts.rows)), "fullest": Ratio(fullest)})


def _hidden(facts: Sequences) -> Iterator[Result]:
    """The server shows the numbers to nobody who may not read the sequence, and says NULL in their place."""
    kept: dict[str, set[str]] = defaultdict(set)
    for one in facts.rows:
        if not one.is_visible:
            kept[one.database].add(one.schema_name)
    for database, schemas in sorted(kept.items()):
        login = identifier(facts.rows[0].login)
        grants = "; ".join(
            f"GRANT SELECT ON ALL SEQUENCES IN SCHEMA {identifier(schema)} TO {login}"
            for schema in sorted(schemas)
        )
        yield hidden(f"in the database {database}: {grants}", database)


sequence_ends = Probe(
    id="postgresql.sequences",
    title="Numbers for new records do not run out",
    check=check_sequences,
    levels=SequenceLevels(),
    kind="postgresql",
    messages={"end": "{item} has used {used} of its numbers; {left} are left (column {column})."},
    why="When the last number is given out, no new record of this kind can be entered.",
    remedy=(
        "Tell us now: the program must know the larger numbers too. With our consent, out of hours: ALTER "
        "TABLE schema.table ALTER COLUMN column TYPE bigint; ALTER SEQUENCE schema.sequence AS bigint NO "
        "MAXVALUE; the table is rewritten, so take a back-up first. There is no way back once larger numbers "
        "are given out."
    ),
    verify="SELECT last_value, max_value FROM pg_sequences shows less than 80 % used.",
    rights="SELECT on the sequences; it shows a number, and no record",
    references=("check_pgactivity: sequences_exhausted", "PgHero: sequence_danger"),
)
