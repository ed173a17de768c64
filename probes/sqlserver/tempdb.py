"""tempdb, which all databases share: its files."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from checkup.api import (
    Bytes,
    Context,
    Finding,
    Impact,
    NotApplicable,
    NotChecked,
    Number,
    Passed,
    Probe,
    Result,
    Text,
    Value,
    Visit,
    When,
)
from probes.sqlserver.files import File, Files
from probes.sqlserver.processors import UNTOLD, Processors

GIB = 1024**3
MIB = 1024**2

_UNSEEN = NotChecked(reason="the server does not show the files of tempdb")


def _data_files(files: Files) -> list[File]:
    return [one for one in files.rows if one.database_name == "tempdb" and one.kind == "ROWS"]


# --- how many ---------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class TempdbNeeds:
    files: Files
    processors: Processors


@dataclass(frozen=True, slots=True)
class CountLevels:
    advised: int = 8  # one for each processor up to this ("tempdb database", Microsoft Learn)
    most: int = 8  # more only where there are more processors (sp_Blitz check 175)


def check_count(facts: TempdbNeeds, levels: CountLevels, ctx: Context) -> Iterator[Result]:
    files, machine = _data_files(facts.files), facts.processors.one
    if not files or machine is None:
        yield _UNSEEN if not files else UNTOLD
        return
    advised = min(levels.advised, machine.online)
    evidence = {
        "files": Number(len(files)),
        "processors": Number(machine.online),
        "advised": Number(advised),
    }
    if machine.online == 1:
        yield NotApplicable(reason="there is one processor")
    elif len(files) == 1:
        yield Finding(impact=Impact.NOTE, when=When.LATER, message="one", evidence=evidence)
    elif len(files) > max(levels.most, machine.online):
        yield Finding(impact=Impact.NOTE, when=When.LATER, message="many", evidence=evidence)
    else:
        yield Passed(evidence=evidence)


count = Probe(
    id="sqlserver.tempdb-files",
    title="tempdb has files for several processors",
    check=check_count,
    levels=CountLevels(),
    kind="sqlserver",
    visits=frozenset({Visit.TUNE_UP}),
    messages={
        "one": "tempdb has one data file for {processors} processors; {advised} are advised.",
        "many": "tempdb has {files} data files for {processors} processors; {advised} are advised.",
    },
    why=(
        "Temporary tables of all users are made in the same few pages of each file: with one file they queue."
    ),
    remedy=(
        "In a quiet hour, until there are as many as advised: ALTER DATABASE tempdb ADD FILE (NAME = "
        "N'temp2', FILENAME = N'path\\temp2.ndf', SIZE = as the first, FILEGROWTH = 64MB). At once. Gain: "
        "less queueing. The way back, after a restart: ALTER DATABASE tempdb REMOVE FILE temp2."
    ),
    verify="SELECT COUNT(*) FROM tempdb.sys.database_files WHERE type = 0 shows the number advised.",
    rights="VIEW SERVER STATE, VIEW ANY DEFINITION",
    references=("tempdb database, Microsoft Learn", "sp_Blitz checks 40 and 175, First Responder Kit"),
)


# --- alike ------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class AlikeLevels:
    spread_gib: float = 1.0  # between the largest and the smallest (sp_Blitz check 183)
    spread_share: float = 0.10  # or this share of the largest; our own experience
    least_mib: float = 8.0  # a file should begin with ("tempdb database", Microsoft Learn)


def check_alike(facts: Files, levels: AlikeLevels, ctx: Context) -> Iterator[Result]:
    files = _data_files(facts)
    if not files:
        yield _UNSEEN
        return
    sizes = [one.size_bytes for one in files]
    largest, smallest = max(sizes), min(sizes)
    steps = sorted({_step(one) for one in files})
    evidence: dict[str, Value] = {
        "files": Number(len(files)),
        "largest": Bytes(largest),
        "smallest": Bytes(smallest),
        "steps": Text(", ".join(steps)),
    }
    if largest - smallest > min(levels.spread_gib * GIB, levels.spread_share * largest):
        message = "sizes"
    elif len(steps) > 1:
        message = "steps"
    elif smallest < levels.least_mib * MIB:
        message = "small"
    else:
        yield Passed(evidence=evidence)
        return
    yield Finding(impact=Impact.NOTE, when=When.LATER, message=message, evidence=evidence)


def _step(one: File) -> str:
    if one.growth_percent:
        return f"{one.growth_percent} %"
    return f"{one.growth_bytes // MIB} MB" if one.growth_bytes else "none"


alike = Probe(
    id="sqlserver.tempdb-equal",
    title="The files of tempdb are alike",
    check=check_alike,
    levels=AlikeLevels(),
    kind="sqlserver",
    visits=frozenset({Visit.TUNE_UP}),
    messages={
        "sizes": "The {files} data files of tempdb begin with sizes from {smallest} to {largest}.",
        "steps": "The {files} data files of tempdb grow by different steps: {steps}.",
        "small": "The data files of tempdb begin with {smallest}, and grow anew after each start.",
    },
    why="The server writes most into the file with the most room: unequal files work like one.",
    remedy=(
        "In a quiet hour, for each file: ALTER DATABASE tempdb MODIFY FILE (NAME = N'file', SIZE = the size "
        "of the largest, FILEGROWTH = 64MB). It holds from the next start. Gain: the load is shared. The way "
        "back is the same statement with the old numbers."
    ),
    verify="After a restart SELECT name, size, growth FROM tempdb.sys.database_files shows equal numbers.",
    rights="VIEW ANY DEFINITION",
    references=("tempdb database, Microsoft Learn", "sp_Blitz check 183, First Responder Kit"),
)
