"""Printers: those declared are there and ready, and no queue is stuck."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from checkup.api import (
    JSON,
    Context,
    Duration,
    Finding,
    Impact,
    NotApplicable,
    NotChecked,
    Number,
    Parameter,
    Passed,
    Probe,
    Result,
    Section,
    Text,
    Value,
    Wmi,
    WmiQuery,
    Worse,
)
from probes.windows.declaration import declared_texts
from probes.windows.rows import flag, instant, number, rows, text


@dataclass(frozen=True, slots=True)
class Printer:
    """`error` is DetectedErrorState, `oldest` when the first job that still waits was sent."""

    name: str
    driver: str
    port: str
    offline: bool
    error: int
    jobs: int
    oldest: datetime | None


@dataclass(frozen=True, slots=True)
class Printers:
    printers: tuple[Printer, ...]


# A print server that does not answer can hold up the answer: hence the long deadline. Of a job neither
# document nor owner is asked.
WINDOWS = Wmi(
    (
        WmiQuery("Win32_Printer", ("Name", "DriverName", "PortName", "WorkOffline", "DetectedErrorState")),
        WmiQuery("Win32_PrintJob", ("Name", "TimeSubmitted")),
    ),
    timeout_s=45,
    rights="user",
    cost="medium",
)


def parse(raw: JSON, source: str, version: int) -> Printers:
    waiting: dict[str, list[datetime]] = {}
    counted = Counter[str]()
    for row in rows(raw, "Win32_PrintJob"):
        # "Label printer, 17": the printer, and the number of the job.
        name = text(row["Name"]).rpartition(",")[0].lower()
        counted[name] += 1
        if sent := instant(row["TimeSubmitted"]):
            waiting.setdefault(name, []).append(sent)
    return Printers(
        tuple(
            Printer(
                name=text(row["Name"]),
                driver=text(row["DriverName"]),
                port=text(row["PortName"]),
                offline=bool(flag(row["WorkOffline"])),
                error=number(row["DetectedErrorState"]) or 0,
                jobs=counted[text(row["Name"]).lower()],
                oldest=min(waiting.get(text(row["Name"]).lower(), ()), default=None),
            )
            for row in rows(raw, "Win32_Printer")
        )
    )


printers = Section(
    name="printers",
    facts=Printers,
    collect={"windows": WINDOWS},
    parse=parse,
    parameters={
        "printers": Parameter("texts", (), "printers that this machine needs, by the name Windows gives them")
    },
    privacy="names, drivers, ports and states of printers, number and age of waiting jobs",
)

# Win32_Printer.DetectedErrorState; 0 unknown, 1 other and 2 none say nothing, 3 and 5 (low paper, low
# toner) stop nobody. https://learn.microsoft.com/windows/win32/cimwin32prov/win32-printer
ERRORS: Mapping[int, str] = {
    4: "no paper",
    6: "no toner",
    7: "a door is open",
    8: "paper is jammed",
    9: "offline",
    10: "asks for service",
    11: "its output tray is full",
}

# Many drivers never report more.
NO_ERROR = "no error reported"

# Printers that make files: nobody waits for their paper.
FILE_PORTS = ("PORTPROMPT:", "NUL:", "XPSPORT:", "SHRFAX:", "FILE:", "ONENOTE", "MICROSOFT.OFFICE", "PDF")


@dataclass(frozen=True, slots=True)
class PrinterLevels:
    stuck_minutes: int = 60  # a job that waits longer is stuck; our own experience


def check(facts: Printers, levels: PrinterLevels, ctx: Context) -> Iterator[Result]:
    declared = {name.lower(): name for name in declared_texts(ctx, "printers")}
    known = {printer.name.lower(): printer for printer in facts.printers}
    for key, name in declared.items():
        if key not in known:
            yield _missing(name)
    judged = [one for one in facts.printers if one.name.lower() in declared or not _makes_files(one)]
    for printer in judged:
        yield _judged(printer, printer.name.lower() in declared, levels, ctx)
    if not declared and not judged:
        yield NotApplicable(reason="this machine has no printer")


def _makes_files(printer: Printer) -> bool:
    return printer.port.upper().startswith(FILE_PORTS)


def _missing(name: str) -> Result:
    if name.startswith("\\\\"):
        # A printer of another machine is connected for each user, who sees it alone.
        return NotChecked(item=name, reason="printers that a user has connected are not seen by others")
    evidence: dict[str, Value] = {"state": Text("not installed")}
    return Finding(impact=Impact.LIMITED, message="missing", item=name, evidence=evidence)


def _judged(printer: Printer, declared: bool, levels: PrinterLevels, ctx: Context) -> Result:
    state = ERRORS.get(printer.error, "offline" if printer.offline else NO_ERROR)
    evidence: dict[str, Value] = {
        "state": Text(state),
        "driver": Text(printer.driver),
        "port": Text(printer.port),
        "jobs": Number(printer.jobs),
    }
    impact = Impact.LIMITED if declared else Impact.NOTE
    if printer.oldest is not None:
        age = ctx.collected_at - printer.oldest
        evidence["oldest"] = Duration(age.total_seconds())
        if age >= timedelta(minutes=levels.stuck_minutes):
            return Finding(
                impact=impact,
                message="stuck",
                item=printer.name,
                evidence={**evidence, "limit": Duration(levels.stuck_minutes * 60)},
                value=Duration(age.total_seconds()),
                worse=Worse.HIGHER,
            )
    if state != NO_ERROR:
        return Finding(impact=impact, message="not_ready", item=printer.name, evidence=evidence)
    return Passed(item=printer.name, evidence=evidence)


probe = Probe(
    id="workstation.printers",
    title="Printers are ready, and their queues move",
    check=check,
    levels=PrinterLevels(),
    messages={
        "missing": "Printer {item} is declared, but not installed on this machine.",
        "not_ready": "Printer {item} is not ready: {state}.",
        "stuck": "{jobs} jobs wait for printer {item}; the oldest was sent {oldest} before the visit.",
    },
    why="Labels and reports that do not come out stop the work at this place, and a stuck job can hold up "
    "the program that sent it.",
    remedy="Switch the printer on, clear what it reports, and delete the stuck jobs in its queue; take the "
    "mark from Use Printer Offline; install the printer again where it is missing.",
    verify="A test page from the printer's properties comes out.",
    references=("the vendor's support experience",),
)
