"""Query Store: the database's own memory of how its statements ran."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from checkup.api import (
    SUPPORTABILITY,
    Bytes,
    Context,
    Finding,
    Impact,
    NoLevels,
    NotApplicable,
    Passed,
    Probe,
    Result,
    Section,
    Sql,
    SqlFacts,
    SqlVariant,
    Text,
    Value,
    Visit,
    When,
)
from probes.sql.rows import reader

MIB = 1024**2
RIGHTS = "VIEW SERVER STATE, CONNECT ANY DATABASE"

OFF, READ_ONLY, READ_WRITE, ERROR = 0, 1, 2, 3  # states ("sys.database_query_store_options")
SECONDARY = 4  # since 2022: it keeps what a secondary replica runs
_STATES = {OFF: "off", READ_ONLY: "read only", READ_WRITE: "read and write", ERROR: "error"}
_STATES[SECONDARY] = "of a secondary replica"
# Bits of readonly_reason that are the database's own state, and no fault: it is read-only, has a single user,
# or is a secondary replica.
_BY_NATURE = 1 | 2 | 8


@dataclass(frozen=True, slots=True)
class Store:
    """One database's. `readonly_reason` is a set of bits; `cleans_by_size` is 0 where nothing is removed as
    the store fills."""

    database: str
    desired_state: int
    actual_state: int
    readonly_reason: int
    current_mib: int
    most_mib: int
    cleans_by_size: int


class Stores(SqlFacts[Store]):
    pass


stores = Section(
    name="sqlserver-query-store",
    facts=Stores,
    collect={
        "sqlserver": Sql(
            (
                SqlVariant(
                    """
SELECT DB_NAME() AS [database], CONVERT(int, o.desired_state) AS desired_state,
       CONVERT(int, o.actual_state) AS actual_state,
       ISNULL(CONVERT(int, o.readonly_reason), 0) AS readonly_reason,
       ISNULL(CONVERT(bigint, o.current_storage_size_mb), 0) AS current_mib,
       ISNULL(CONVERT(bigint, o.max_storage_size_mb), 0) AS most_mib,
       CONVERT(int, o.size_based_cleanup_mode) AS cleans_by_size
FROM sys.database_query_store_options AS o
""",
                    reads=("sys.database_query_store_options",),
                    since=(13,),
                    rights=("VIEW DATABASE STATE", "CONNECT ANY DATABASE"),
                ),
            ),
            row=Store,
            scope="database",
            most_rows=10,
        )
    },
    parse=reader(Stores, Store),
    privacy="settings and size of Query Store; nothing that is in it",
)


def _each(
    asked: Callable[[Store], bool], bad: Callable[[Store], bool], message: str, none: str
) -> Callable[[Stores, NoLevels, Context], Iterator[Result]]:
    """A check of the stores that are asked for; `none` is the reason where there is none of them."""

    def check(facts: Stores, levels: NoLevels, ctx: Context) -> Iterator[Result]:
        looked = [one for one in facts.rows if asked(one)]
        if not looked:
            yield NotApplicable(reason=none)
        for one in looked:
            if bad(one):
                yield Finding(
                    impact=Impact.NOTE,
                    when=When.LATER,
                    function=SUPPORTABILITY,
                    message=message,
                    item=one.database,
                    evidence=_evidence(one),
                )
            else:
                yield Passed(item=one.database, evidence=_evidence(one))

    return check


def _evidence(one: Store) -> dict[str, Value]:
    return {
        "desired": Text(_STATES.get(one.desired_state, "unknown")),
        "state": Text(_STATES.get(one.actual_state, "unknown")),
        "reason": Text(str(one.readonly_reason)),
        "size": Bytes(one.current_mib * MIB),
        "most": Bytes(one.most_mib * MIB),
    }


_NONE_ON = "Query Store is on in no database"


def _stopped(one: Store) -> bool:
    if one.desired_state == one.actual_state or one.actual_state == SECONDARY:
        return False
    return one.actual_state != READ_ONLY or not one.readonly_reason & _BY_NATURE


query_store = Probe(
    id="sqlserver.query-store",
    title="Databases remember how their statements ran",
    check=_each(
        lambda one: True,
        lambda one: one.desired_state == OFF and one.actual_state == OFF,
        "off",
        "no database of the clinic could be looked into",
    ),
    levels=NoLevels(),
    kind="sqlserver",
    visits=frozenset({Visit.TUNE_UP}),
    messages={"off": "Query Store of {item} is {state}."},
    why=(
        "Without it nobody can tell, after something got slow overnight, which statement changed, and to "
        "what."
    ),
    remedy=(
        "Ask us first whether our software is tested with it. Then: ALTER DATABASE [name] SET QUERY_STORE = "
        "ON (OPERATION_MODE = READ_WRITE, QUERY_CAPTURE_MODE = AUTO, MAX_STORAGE_SIZE_MB = 1000). At once. "
        "Gain: we find the cause in minutes. The way back: SET QUERY_STORE = OFF."
    ),
    verify="SELECT actual_state_desc FROM sys.database_query_store_options in the database shows READ_WRITE.",
    rights=RIGHTS,
    references=(
        "Best practices with Query Store, Microsoft Learn",
        "sp_Blitz check 163, First Responder Kit",
    ),
)

query_store_state = Probe(
    id="sqlserver.query-store-state",
    title="Query Store works where it was turned on",
    check=_each(
        lambda one: one.desired_state != OFF or one.actual_state != OFF,
        _stopped,
        "differs",
        _NONE_ON,
    ),
    levels=NoLevels(),
    kind="sqlserver",
    visits=frozenset({Visit.TUNE_UP}),
    messages={
        "differs": "Query Store of {item} was set to {desired} and is in the state {state} (reason {reason})"
        "; it holds {size} of {most}."
    },
    why="It stopped recording, mostly because it is full: what happened since is not known.",
    remedy=(
        "Full (reason 65536): ALTER DATABASE [name] SET QUERY_STORE (MAX_STORAGE_SIZE_MB = twice as much, "
        "SIZE_BASED_CLEANUP_MODE = AUTO). 524288: the database's disk is full. Then ALTER DATABASE [name] "
        "SET QUERY_STORE (OPERATION_MODE = READ_WRITE). In the state `error` call us. Gain: it records "
        "again. The way back: the old numbers."
    ),
    verify="actual_state and desired_state of sys.database_query_store_options agree in the database.",
    rights=RIGHTS,
    references=(
        "sys.database_query_store_options (Transact-SQL), Microsoft Learn",
        "sp_Blitz check 264, First Responder Kit",
    ),
)

query_store_cleanup = Probe(
    id="sqlserver.query-store-cleanup",
    title="Query Store makes room for itself",
    check=_each(
        lambda one: one.actual_state in (READ_ONLY, READ_WRITE),
        lambda one: not one.cleans_by_size,
        "off",
        _NONE_ON,
    ),
    levels=NoLevels(),
    kind="sqlserver",
    visits=frozenset({Visit.TUNE_UP}),
    messages={"off": "Query Store of {item} removes nothing when it fills: it holds {size} of {most}."},
    why="Full, it stops recording without a word, mostly just before it would be needed.",
    remedy=(
        "ALTER DATABASE [name] SET QUERY_STORE (SIZE_BASED_CLEANUP_MODE = AUTO). At once. Gain: it goes on "
        "recording. The way back: the same with OFF."
    ),
    verify="SELECT size_based_cleanup_mode_desc FROM sys.database_query_store_options shows AUTO.",
    rights=RIGHTS,
    references=(
        "Best practices with Query Store, Microsoft Learn",
        "sp_Blitz check 182, First Responder Kit",
    ),
)
