"""The page file: is there one, and does it suffice?"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from checkup.api import (
    JSON,
    Bytes,
    Context,
    Finding,
    Impact,
    Metric,
    Passed,
    Probe,
    Ratio,
    Result,
    Section,
    Text,
    Value,
    When,
    Wmi,
    WmiQuery,
    Worse,
)
from probes.windows.rows import first, flag, number, rows, text

MIB = 1024**2


@dataclass(frozen=True, slots=True)
class PageFile:
    """`maximum_bytes` is 0 where Windows chooses the size; `temporary`: made at the start because the
    one that was wished for could not be."""

    path: str
    allocated_bytes: int
    peak_bytes: int
    maximum_bytes: int
    temporary: bool


@dataclass(frozen=True, slots=True)
class PageFiles:
    files: tuple[PageFile, ...]
    automatic: bool
    memory_bytes: int


WINDOWS = Wmi(
    (
        WmiQuery("Win32_PageFileUsage", ("Name", "AllocatedBaseSize", "PeakUsage", "TempPageFile")),
        WmiQuery("Win32_PageFileSetting", ("Name", "MaximumSize")),
        WmiQuery("Win32_ComputerSystem", ("AutomaticManagedPagefile", "TotalPhysicalMemory")),
    ),
    rights="user",
    cost="small",
)


def parse(raw: JSON, source: str, version: int) -> PageFiles:
    """Sizes of page files are in MiB; settings exist only where somebody chose them."""
    system = first(raw, "Win32_ComputerSystem")
    chosen = {
        text(row["Name"]).casefold(): (number(row["MaximumSize"]) or 0) * MIB
        for row in rows(raw, "Win32_PageFileSetting")
    }
    files: list[PageFile] = []
    for row in rows(raw, "Win32_PageFileUsage"):
        path, allocated = text(row["Name"]), number(row["AllocatedBaseSize"])
        if not path or allocated is None:
            raise ValueError("a page file without a name or a size")
        peak = (number(row["PeakUsage"]) or 0) * MIB
        temporary = flag(row["TempPageFile"]) is True
        files.append(PageFile(path, allocated * MIB, peak, chosen.get(path.casefold(), 0), temporary))
    return PageFiles(
        files=tuple(files),
        automatic=flag(system["AutomaticManagedPagefile"]) is True,
        memory_bytes=number(system["TotalPhysicalMemory"]) or 0,
    )


page_files = Section(
    name="page-file",
    facts=PageFiles,
    collect={"windows": WINDOWS},
    parse=parse,
    privacy="places and sizes of page files",
)


@dataclass(frozen=True, slots=True)
class Levels:
    used: float = 0.90  # share of a fixed page file that was once in use; our own experience


def check(facts: PageFiles, levels: Levels, ctx: Context) -> Iterator[Result]:
    chosen_by = Text("Windows" if facts.automatic else "an administrator")
    evidence: dict[str, Value] = {"memory": Bytes(facts.memory_bytes), "chosen_by": chosen_by}
    if not facts.files:
        yield Finding(impact=Impact.LIMITED, when=When.LATER, message="none", evidence=evidence)
    for file in facts.files:
        limit = file.maximum_bytes or file.allocated_bytes
        used = file.peak_bytes / limit if limit else 0.0
        about = {
            **evidence,
            "size": Bytes(file.allocated_bytes),
            "peak": Bytes(file.peak_bytes),
            "peak_share": Ratio(used),
        }
        yield Metric(name="peak", value=Bytes(file.peak_bytes), item=file.path)
        if file.temporary:
            yield Finding(impact=Impact.LIMITED, message="temporary", item=file.path, evidence=about)
        elif file.maximum_bytes and used >= levels.used:
            yield Finding(
                impact=Impact.LIMITED,
                message="small",
                item=file.path,
                evidence={**about, "limit": Ratio(levels.used)},
                value=Ratio(used),
                worse=Worse.HIGHER,
            )
        else:
            yield Passed(item=file.path, evidence=about)


probe = Probe(
    id="windows.page-file",
    title="Windows has a page file that suffices",
    check=check,
    levels=Levels(),
    messages={
        "none": "Windows has no page file: when its {memory} of memory are promised, programs fail.",
        "temporary": "The page file {item} is a makeshift: Windows could not make the one that is set.",
        "small": "The page file {item} has a fixed size, of which {peak_share} was once in use.",
    },
    why="Without room in the page file programs are refused memory and end, and a crash leaves no trace to "
    "learn from.",
    remedy="Let Windows manage the size of the page file (System, Advanced, Performance), on a drive with "
    "room.",
    verify="After a restart the settings show a size chosen by the system.",
    references=("domain: workstation.memory-pressure", "Win32_PageFileUsage, Win32_PageFileSetting"),
)
