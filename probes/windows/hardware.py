"""The machine itself: virtual or not, its memory, its processors and its age."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

from checkup.api import (
    JSON,
    Bytes,
    Context,
    Duration,
    Finding,
    Impact,
    Instant,
    Metric,
    NoLevels,
    NotApplicable,
    NotChecked,
    Number,
    Passed,
    Probe,
    Result,
    Section,
    Text,
    Value,
    When,
    Wmi,
    WmiQuery,
    Worse,
)
from probes.windows.rows import first, instant, number, rows, text

GIB = 1024**3


@dataclass(frozen=True, slots=True)
class Hardware:
    """`memory_bytes` is what is built in; `windows_bits` and `processor_bits` are None where not told.
    `firmware_at` is the day of the firmware: the machine is at least that old."""

    maker: str
    model: str
    virtual: bool
    server: bool
    memory_bytes: int
    processor: str
    cores: int
    windows_bits: int | None
    processor_bits: int | None
    firmware_at: datetime | None


# No serial numbers.
WINDOWS = Wmi(
    (
        WmiQuery(
            "Win32_ComputerSystem",
            ("Manufacturer", "Model", "DomainRole", "TotalPhysicalMemory", "NumberOfLogicalProcessors"),
        ),
        WmiQuery("Win32_PhysicalMemory", ("Capacity",)),
        WmiQuery("Win32_Processor", ("Name", "AddressWidth", "DataWidth", "NumberOfCores")),
        WmiQuery("Win32_BIOS", ("ReleaseDate",)),
    ),
    rights="user",
    cost="small",
)

# Makers and models that hypervisors give their machines.
VIRTUAL = re.compile(
    r"vmware|virtual ?machine|virtualbox|innotek|qemu|kvm|^xen|hvm domu|bochs|parallels|nutanix|openstack"
    r"|rhev|ovirt|amazon ec2|google compute|standard pc \(|virtual platform",
    re.I | re.A,
)
WORKSTATIONS = frozenset({0, 1})  # Win32_ComputerSystem.DomainRole; the others are servers


def looks_virtual(maker: str, model: str) -> bool:
    return any(VIRTUAL.search(word) for word in (maker, model))


def parse(raw: JSON, source: str, version: int) -> Hardware:
    system, processors = first(raw, "Win32_ComputerSystem"), rows(raw, "Win32_Processor")
    maker, model = text(system["Manufacturer"]), text(system["Model"])
    modules = sum(number(row["Capacity"]) or 0 for row in rows(raw, "Win32_PhysicalMemory"))
    processor = processors[0] if processors else {}
    bios = rows(raw, "Win32_BIOS")
    role = number(system["DomainRole"])
    if role is None:
        raise ValueError("neither a workstation nor a server")
    return Hardware(
        maker=maker,
        model=model,
        virtual=looks_virtual(maker, model),
        server=role not in WORKSTATIONS,
        # Some virtual machines show no modules. Windows itself sees a little less than is built in.
        memory_bytes=modules or number(system["TotalPhysicalMemory"]) or 0,
        processor=re.sub(r"\s+", " ", text(processor.get("Name"))),
        cores=sum(number(row["NumberOfCores"]) or 0 for row in processors),
        windows_bits=number(processor.get("AddressWidth")),
        processor_bits=number(processor.get("DataWidth")),
        firmware_at=instant(bios[0]["ReleaseDate"]) if bios else None,
    )


hardware = Section(
    name="hardware",
    facts=Hardware,
    collect={"windows": WINDOWS},
    parse=parse,
    privacy="maker, model, memory and processor; no serial numbers",
)


def _about(facts: Hardware) -> dict[str, Value]:
    return {
        "machine": Text(f"{facts.maker} {facts.model}".strip()),
        "kind": Text("virtual" if facts.virtual else "physical"),
        "processor": Text(facts.processor),
        "cores": Number(facts.cores),
        "memory": Bytes(facts.memory_bytes),
    }


# --- memory -----------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class MemoryLevels:
    least_gib: float = 8.0  # GiB built into a workstation (workstation.memory-pressure)
    kept_gib: float = 0.5  # GiB that graphics and firmware may hide of it


def check_memory(facts: Hardware, levels: MemoryLevels, ctx: Context) -> Iterator[Result]:
    if facts.server:
        yield NotApplicable(reason="a server's memory is judged by its use")
        return
    if facts.memory_bytes <= 0:
        yield NotChecked(reason="the machine gives no size of its memory")
        return
    evidence = {**_about(facts), "limit": Bytes(round(levels.least_gib * GIB))}
    yield Metric(name="memory", value=Bytes(facts.memory_bytes))
    if facts.memory_bytes >= (levels.least_gib - levels.kept_gib) * GIB:
        yield Passed(evidence=evidence)
        return
    yield Finding(
        impact=Impact.LIMITED,
        when=When.LATER,
        message="little",
        evidence=evidence,
        value=Bytes(facts.memory_bytes),
        worse=Worse.LOWER,
    )


memory_size = Probe(
    id="windows.memory-size",
    title="The workstation has memory enough for today's programs",
    check=check_memory,
    levels=MemoryLevels(),
    messages={"little": "The workstation has only {memory} of memory; {limit} is the least for daily work."},
    why="With little memory Windows moves programs to the disk whenever another window is opened.",
    remedy="Add memory when the machine is next opened, or replace the machine.",
    verify="The task manager (Performance, Memory) shows the new size.",
    references=("domain: workstation.memory-pressure (< 8 GB)",),
)


# --- 32-bit Windows ---------------------------------------------------------------------------


def check_bits(facts: Hardware, levels: NoLevels, ctx: Context) -> Iterator[Result]:
    if facts.windows_bits is None:
        yield NotChecked(reason="the machine does not tell whether its Windows is of 32 or 64 bits")
        return
    evidence = {**_about(facts), "windows_bits": Number(facts.windows_bits, "bits")}
    if facts.windows_bits >= 64:
        yield Passed(evidence=evidence)
    else:
        possible = facts.processor_bits is not None and facts.processor_bits >= 64
        yield Finding(
            impact=Impact.LIMITED,
            when=When.LATER,
            message="could_be_64" if possible else "only_32",
            evidence=evidence,
        )


architecture = Probe(
    id="windows.architecture",
    title="Windows is a 64-bit system",
    check=check_bits,
    levels=NoLevels(),
    messages={
        "could_be_64": "A 32-bit Windows runs on a processor that could run the 64-bit one.",
        "only_32": "The processor can run only a 32-bit Windows.",
    },
    why="A 32-bit Windows uses at most 4 GB of memory, gets no new release, and current programs and drivers "
    "do not exist for it.",
    remedy="Replace it by a 64-bit Windows with the next machine; check first which 32-bit drivers (ODBC, "
    "devices) the programs on it need.",
    verify="The settings of Windows (System, About) show a 64-bit operating system.",
    references=("Win32_Processor.AddressWidth",),
)


# --- age --------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class AgeLevels:
    old_years: float = 7.0  # age of the firmware: beyond the usual life of a machine; our own experience


def check_age(facts: Hardware, levels: AgeLevels, ctx: Context) -> Iterator[Result]:
    if facts.virtual:
        yield NotApplicable(reason=f"a virtual machine ({facts.maker} {facts.model})")
        return
    if facts.firmware_at is None or facts.firmware_at > ctx.collected_at:
        yield NotChecked(reason="the machine does not tell the day of its firmware")
        return
    age = ctx.collected_at - facts.firmware_at
    evidence: dict[str, Value] = {
        **_about(facts),
        "firmware": Instant(facts.firmware_at),
        "age": Duration(age.total_seconds()),
    }
    if age < timedelta(days=levels.old_years * 365.25):
        yield Passed(evidence=evidence)
        return
    yield Finding(
        impact=Impact.NOTE,
        when=When.LATER,
        message="old",
        evidence=evidence,
        value=Duration(age.total_seconds()),
        worse=Worse.HIGHER,
    )


hardware_age = Probe(
    id="windows.hardware-age",
    title="The machine is within its usual life",
    check=check_age,
    levels=AgeLevels(),
    messages={"old": "This machine ({machine}) is at least {age} old, as its firmware is."},
    why="Old machines fail without warning, their parts are hard to get, and new releases of Windows refuse "
    "them.",
    remedy="Plan its replacement; until then keep a spare machine and a proven backup of what is on it.",
    verify="The new machine's firmware is younger.",
    references=("Win32_BIOS.ReleaseDate",),
)
