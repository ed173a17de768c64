"""The options of the instance (sp_configure): against the machine that it runs on, and against themselves."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from checkup.api import (
    SUPPORTABILITY,
    Bytes,
    Context,
    Finding,
    Impact,
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
    Value,
    Visit,
    When,
)
from probes.sql.rows import reader
from probes.sqlserver.memory import Memory
from probes.sqlserver.processors import UNTOLD, Processors

GIB = 1024**3
MIB = 1024**2


@dataclass(frozen=True, slots=True)
class Option:
    """`configured` is what was set, `in_use` what the running instance goes by."""

    option_name: str
    configured: int
    in_use: int
    is_dynamic: bool


class Configuration(SqlFacts[Option]):
    def in_use(self, name: str) -> int | None:
        return next((one.in_use for one in self.rows if one.option_name == name), None)


configuration = Section(
    name="sqlserver-configuration",
    facts=Configuration,
    collect={
        "sqlserver": Sql(
            (
                SqlVariant(
                    """
SELECT c.name AS option_name, CONVERT(bigint, c.value) AS configured,
       CONVERT(bigint, c.value_in_use) AS in_use, c.is_dynamic AS is_dynamic
FROM sys.configurations AS c
""",
                    reads=("sys.configurations",),
                ),
            ),
            row=Option,
        )
    },
    parse=reader(Configuration, Option),
    privacy="the numbers of the instance's options",
)


def _unknown(name: str) -> NotChecked:
    return NotChecked(reason=f"the server has no option {name!r}, or does not show it")


# --- memory -----------------------------------------------------------------------------------

MAX_MEMORY = "max server memory (MB)"
NO_LIMIT = 2_147_483_647  # what a new instance has ("Server memory configuration options")


@dataclass(frozen=True, slots=True)
class MemoryNeeds:
    configuration: Configuration
    memory: Memory


@dataclass(frozen=True, slots=True)
class MaxMemoryLevels:
    left_share: float = 0.10  # of the machine's memory, for Windows and the rest; our own experience
    left_gib: float = 4.0  # and at least this much, but never more than a quarter


def _for_the_system(total: int, levels: MaxMemoryLevels) -> int:
    """A quarter is the most: of a small machine 4 GB would be half."""
    return int(max(levels.left_share * total, min(levels.left_gib * GIB, total / 4)))


def check_max_memory(facts: MemoryNeeds, levels: MaxMemoryLevels, ctx: Context) -> Iterator[Result]:
    limit, machine = facts.configuration.in_use(MAX_MEMORY), facts.memory.one
    if facts.configuration.server.edition == "express":
        yield NotApplicable(reason="Express takes little memory by itself")
        return
    if limit is None or machine is None:
        yield _unknown(MAX_MEMORY) if machine is not None else NotChecked(reason="the server tells no memory")
        return
    fitting = machine.total_bytes - _for_the_system(machine.total_bytes, levels)
    evidence: dict[str, Value] = {"memory": Bytes(machine.total_bytes), "fitting": Bytes(fitting)}
    if limit == NO_LIMIT:
        yield Finding(impact=Impact.LIMITED, message="none", evidence=evidence)
        return
    evidence["most"] = Bytes(limit * MIB)
    if limit * MIB > machine.total_bytes:
        yield Finding(impact=Impact.LIMITED, message="above", evidence=evidence)
    elif limit * MIB > fitting:
        yield Finding(impact=Impact.NOTE, when=When.LATER, message="tight", evidence=evidence)
    else:
        yield Passed(evidence=evidence)


max_memory = Probe(
    id="sqlserver.max-memory",
    title="The instance leaves memory to the machine",
    check=check_max_memory,
    levels=MaxMemoryLevels(),
    kind="sqlserver",
    visits=frozenset({Visit.TUNE_UP}),
    messages={
        "none": "The instance may take all {memory} of the machine: no limit is set. {fitting} would fit.",
        "above": "The instance may take {most}, more than the machine's {memory}. {fitting} would fit.",
        "tight": "The instance may take {most} of the machine's {memory}; {fitting} would leave the system "
        "enough.",
    },
    why=(
        "SQL Server takes what it may and gives back late. When nothing is left for Windows, the machine "
        "swaps memory to disk, and everybody waits."
    ),
    remedy=(
        "One instance and nothing else on the machine: EXEC sp_configure 'show advanced options', 1; "
        "RECONFIGURE; EXEC sp_configure 'max server memory (MB)', what is said to fit, in MB; RECONFIGURE. "
        "Less where other programs run. At once, no restart. Gain: no swapping. The way back: the same with "
        "the old number."
    ),
    verify="SELECT value_in_use FROM sys.configurations WHERE name = 'max server memory (MB)'.",
    rights="VIEW SERVER STATE",
    references=("Server memory configuration options, Microsoft Learn", "sp_Blitz check 50"),
)


# --- parallel work ----------------------------------------------------------------------------

MAX_PARALLELISM = "max degree of parallelism"
THRESHOLD = "cost threshold for parallelism"


@dataclass(frozen=True, slots=True)
class ParallelNeeds:
    configuration: Configuration
    processors: Processors


@dataclass(frozen=True, slots=True)
class ParallelLevels:
    most: int = 8  # processors for one statement ("Configure the max degree of parallelism")


def check_parallelism(facts: ParallelNeeds, levels: ParallelLevels, ctx: Context) -> Iterator[Result]:
    degree, machine = facts.configuration.in_use(MAX_PARALLELISM), facts.processors.one
    if degree is None or machine is None:
        yield _unknown(MAX_PARALLELISM) if degree is None else UNTOLD
        return
    if machine.online == 1:
        yield NotApplicable(reason="there is one processor")
        return
    fitting = max(min(levels.most, machine.online // max(machine.nodes, 1)), 1)
    evidence = {
        "degree": Number(degree),
        "fitting": Number(fitting),
        "processors": Number(machine.online),
        "nodes": Number(machine.nodes),
    }
    # 0 is all there are, and so is a number beyond them.
    unset = degree == 0
    if min(degree or machine.online, machine.online) > fitting:
        yield Finding(
            impact=Impact.NOTE, when=When.LATER, message="unset" if unset else "above", evidence=evidence
        )
    else:
        yield Passed(evidence=evidence)


max_parallelism = Probe(
    id="sqlserver.max-parallelism",
    title="One statement cannot take all processors",
    check=check_parallelism,
    levels=ParallelLevels(),
    kind="sqlserver",
    visits=frozenset({Visit.TUNE_UP}),
    messages={
        "unset": "One statement may take all {processors} processors ({nodes} nodes); {fitting} is advised.",
        "above": "One statement may take {degree} processors at once; {fitting} is advised here.",
    },
    why="A report that takes every processor makes all others wait, and is rarely faster than with eight.",
    remedy=(
        "In a quiet hour: EXEC sp_configure 'show advanced options', 1; RECONFIGURE; EXEC sp_configure 'max "
        "degree of parallelism', the number advised; RECONFIGURE. It empties the plan cache once. Gain: "
        "steadier times while reports run. The way back: the same with the old number."
    ),
    verify="SELECT value_in_use FROM sys.configurations WHERE name = 'max degree of parallelism'.",
    rights="VIEW SERVER STATE",
    references=("Configure the max degree of parallelism, Microsoft Learn", "sp_Blitz check 188"),
)


@dataclass(frozen=True, slots=True)
class ThresholdLevels:
    least: int = 6  # above the default of 5, which is from the time of one slow core (sp_Blitz check 188)


def check_threshold(facts: ParallelNeeds, levels: ThresholdLevels, ctx: Context) -> Iterator[Result]:
    threshold = facts.configuration.in_use(THRESHOLD)
    degree, machine = facts.configuration.in_use(MAX_PARALLELISM), facts.processors.one
    if threshold is None or machine is None:
        yield _unknown(THRESHOLD) if threshold is None else UNTOLD
        return
    if machine.online == 1 or degree == 1:
        yield NotApplicable(reason="no statement runs on several processors here")
        return
    evidence = {"cost": Number(threshold)}
    if threshold < levels.least:
        yield Finding(impact=Impact.NOTE, when=When.LATER, message="low", evidence=evidence)
    else:
        yield Passed(evidence=evidence)


parallelism_threshold = Probe(
    id="sqlserver.parallelism-threshold",
    title="Only large statements run on several processors",
    check=check_threshold,
    levels=ThresholdLevels(),
    kind="sqlserver",
    visits=frozenset({Visit.TUNE_UP}),
    messages={"low": "Statements of an estimated cost of {cost} and more are spread over processors."},
    why=(
        "The default of 5 spreads small statements too, and putting them together again costs more than it "
        "gains."
    ),
    remedy=(
        "In a quiet hour: EXEC sp_configure 'show advanced options', 1; RECONFIGURE; EXEC sp_configure 'cost "
        "threshold for parallelism', 50; RECONFIGURE. It empties the plan cache once. Gain: less processor "
        "time for small statements. The way back: the same with 5."
    ),
    verify="SELECT value_in_use FROM sys.configurations WHERE name = 'cost threshold for parallelism'.",
    rights="VIEW SERVER STATE",
    references=("Configure the cost threshold for parallelism, Microsoft Learn", "sp_Blitz check 188"),
)


# --- options that do harm ---------------------------------------------------------------------

PRIORITY_BOOST = "priority boost"


def check_boost(facts: Configuration, levels: NoLevels, ctx: Context) -> Iterator[Result]:
    value = facts.in_use(PRIORITY_BOOST)
    if value is None:
        yield _unknown(PRIORITY_BOOST)
    elif value:
        yield Finding(impact=Impact.MAJOR, message="on")
    else:
        yield Passed()


priority_boost = Probe(
    id="sqlserver.priority-boost",
    title="The instance does not push the system aside",
    check=check_boost,
    levels=NoLevels(),
    kind="sqlserver",
    messages={"on": "The option `priority boost` is on: SQL Server goes before the system it runs on."},
    why=(
        "Windows' own work, the network's among it, then waits for SQL Server, and the machine may stand "
        "still."
    ),
    remedy=(
        "EXEC sp_configure 'show advanced options', 1; RECONFIGURE; EXEC sp_configure 'priority boost', 0; "
        "RECONFIGURE. Restart the SQL Server service in a quiet hour, with everybody out. The way back is "
        "the same with 1."
    ),
    verify="SELECT value_in_use FROM sys.configurations WHERE name = 'priority boost' shows 0.",
    rights="any login",
    references=("Configure the priority boost option, Microsoft Learn", "sp_Blitz check 126"),
)

LIGHTWEIGHT_POOLING = "lightweight pooling"


def check_pooling(facts: Configuration, levels: NoLevels, ctx: Context) -> Iterator[Result]:
    value = facts.in_use(LIGHTWEIGHT_POOLING)
    if value is None:
        if facts.server.platform == "linux":
            yield NotApplicable(reason="the option is one of Windows")
        else:
            yield _unknown(LIGHTWEIGHT_POOLING)
    elif value:
        yield Finding(impact=Impact.LIMITED, message="on")
    else:
        yield Passed()


lightweight_pooling = Probe(
    id="sqlserver.lightweight-pooling",
    title="The instance works with threads",
    check=check_pooling,
    levels=NoLevels(),
    kind="sqlserver",
    messages={"on": "The option `lightweight pooling` is on: the instance works with fibers."},
    why=(
        "Fibers are for rare machines; with them parts of SQL Server do not work, and errors are hard to "
        "trace."
    ),
    remedy=(
        "EXEC sp_configure 'show advanced options', 1; RECONFIGURE; EXEC sp_configure 'lightweight pooling', "
        "0; RECONFIGURE. Restart the SQL Server service in a quiet hour, with everybody out. The way back is "
        "the same with 1."
    ),
    verify="SELECT value_in_use FROM sys.configurations WHERE name = 'lightweight pooling' shows 0.",
    rights="any login",
    references=(
        "Server configuration: lightweight pooling, Microsoft Learn",
        "SQL Assessment API, rule LightweightPooling",
    ),
)


# --- set, and not in use ----------------------------------------------------------------------

# Configured as 0 the server shows what it makes of it: at least 16 MB ("min server memory").
_OWN_MINIMUM = "min server memory (MB)"


def check_pending(facts: Configuration, levels: NoLevels, ctx: Context) -> Iterator[Result]:
    if not facts.rows:
        yield NotChecked(reason="the server shows no option")
        return
    waiting = [
        one
        for one in facts.rows
        if one.configured != one.in_use and not (one.option_name == _OWN_MINIMUM and one.in_use <= 16)
    ]
    for one in waiting:
        yield Finding(
            impact=Impact.NOTE,
            when=When.LATER,
            message="reconfigure" if one.is_dynamic else "restart",
            item=one.option_name,
            evidence={"configured": Number(one.configured), "used": Number(one.in_use)},
        )
    if not waiting:
        yield Passed(evidence={"options": Number(len(facts.rows))})


pending = Probe(
    id="sqlserver.pending-options",
    title="The instance runs as it is configured",
    check=check_pending,
    levels=NoLevels(),
    kind="sqlserver",
    messages={
        "reconfigure": "The option `{item}` is set to {configured}, and {used} is in use until RECONFIGURE.",
        "restart": "The option `{item}` is set to {configured}, and {used} is in use until the next restart.",
    },
    why="The next restart changes how the instance behaves, and nobody will remember why.",
    remedy=(
        "Ask who set it. If it is meant: RECONFIGURE, or a restart in a quiet hour. If not: EXEC "
        "sp_configure 'name of the option', the number in use; RECONFIGURE."
    ),
    verify="SELECT name FROM sys.configurations WHERE value <> value_in_use shows no row.",
    rights="any login",
    references=(
        "sys.configurations (Transact-SQL), Microsoft Learn",
        "SQL Assessment API, rule CompareRunConfigured",
    ),
)


# --- what is noted for the day of trouble -----------------------------------------------------

DEFAULT_TRACE = "default trace enabled"


def check_trace(facts: Configuration, levels: NoLevels, ctx: Context) -> Iterator[Result]:
    value = facts.in_use(DEFAULT_TRACE)
    if value is None:
        yield _unknown(DEFAULT_TRACE)
    elif value:
        yield Passed()
    else:
        yield Finding(impact=Impact.NOTE, when=When.LATER, function=SUPPORTABILITY, message="off")


default_trace = Probe(
    id="sqlserver.default-trace",
    title="The instance notes who changes what in its structure",
    check=check_trace,
    levels=NoLevels(),
    kind="sqlserver",
    messages={"off": "The default trace is off."},
    why=(
        "It is the only note of who dropped a table or changed an option, and of files that grew; it costs "
        "nothing."
    ),
    remedy=(
        "EXEC sp_configure 'show advanced options', 1; RECONFIGURE; EXEC sp_configure 'default trace "
        "enabled', 1; RECONFIGURE. At once, no restart. The way back is the same with 0."
    ),
    verify="SELECT value_in_use FROM sys.configurations WHERE name = 'default trace enabled' shows 1.",
    rights="any login",
    references=(
        "Server configuration: default trace enabled, Microsoft Learn",
        "SQL Assessment API, rule DefaultTrace",
    ),
)
