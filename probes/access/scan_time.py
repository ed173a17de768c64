"""How long it takes to read a table from end to end, from where people sit."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

from checkup.api import (
    JSON,
    AccessFile,
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
    Visit,
    When,
    Worse,
)
from probes.access import parts
from probes.access.table_pages import Placement


class ReadingTime(NamedTuple):
    """`round_trip_s`: of the quickest small answer while the file was read, None where no network was in
    between."""

    round_trip_s: float | None


def parse(raw: JSON, source: str, version: int) -> ReadingTime:
    found = parts.part(raw, "cost").get("round_trip_s")
    if found is None:
        return ReadingTime(None)
    if isinstance(found, bool) or not isinstance(found, int | float) or not 0 <= found < 3600:
        raise ValueError("round_trip_s is no time")
    return ReadingTime(float(found))


reading_time = Section(
    name="access-reading-time",
    facts=ReadingTime,
    collect={"access": AccessFile(("cost",))},
    parse=parse,
    parameters={
        "access_latency_us": Parameter(
            "integer",
            doc="microseconds there and back from the workstations to the server of this data file, as ping "
            "shows it at the slowest of them",
        ),
    },
    privacy="how long the server took to answer",
)


@dataclass(frozen=True, slots=True)
class ScanNeeds:
    placement: Placement
    time: ReadingTime


@dataclass(frozen=True, slots=True)
class ScanLevels:
    slow_s: float = 10.0  # seconds of waiting after which people turn away (Nielsen, response times)
    too_slow_s: float = 60.0


def check_scan(facts: ScanNeeds, levels: ScanLevels, ctx: Context) -> Iterator[Result]:
    declared = ctx.target.declare.get("access_latency_us")
    if isinstance(declared, int) and declared > 0:
        latency, whence = declared / 1e6, "as declared for the workstations"
    elif facts.time.round_trip_s is not None:
        latency, whence = facts.time.round_trip_s, "as measured from the check-up's own place"
    else:
        yield NotApplicable(reason="no latency is declared, and the file was not read over a network")
        return
    if not facts.placement.tables:
        yield (
            NotApplicable(reason="the file has no table of its own")
            if facts.placement.complete
            else NotChecked(reason="some maps of the file cannot be read, so not every page was counted")
        )
        return
    times = {table.name: table.data * latency for table in facts.placement.tables}
    slow = sorted((name for name in times if times[name] >= levels.slow_s), key=lambda name: -times[name])
    longest = max(times, key=lambda name: times[name])
    evidence: dict[str, Value] = {
        "latency": Number(round(latency * 1000, 3), "ms"),
        "whence": Text(whence),
        "longest": Text(longest),
        "time": Duration(times[longest]),
    }
    if slow:
        # Measured over the check-up's own line it says little of those who sit beside the server.
        felt = times[longest] >= levels.too_slow_s and isinstance(declared, int) and declared > 0
        yield Finding(
            impact=Impact.LIMITED if felt else Impact.NOTE,
            when=When.LATER,
            message="slow",
            evidence={**evidence, "count": Number(len(slow)), "names": Text(parts.named(slow))},
            value=Duration(times[longest]),
            worse=Worse.HIGHER,
        )
    elif facts.placement.complete:
        yield Passed(evidence=evidence)
    else:
        yield NotChecked(reason="some maps of the file cannot be read, so not every page was counted")


scan_time = Probe(
    id="access.scan-time",
    title="Every table can be read through in a few seconds",
    check=check_scan,
    levels=ScanLevels(),
    messages={
        "slow": "At {latency} a page ({whence}) a search without an index takes {time} in {longest}; slow "
        "tables ({count}): {names}. An index brings that to a few pages."
    },
    why=(
        "The engine runs at the workstation: a search that no index serves fetches every page of the table "
        "over the network, one after the other. Pages times the latency is how long that takes."
    ),
    remedy=(
        "See which screens search these tables without an index (access.foreign-key-indexes, "
        "access.whole-table-queries); connect the workstations concerned by wire; never by VPN or wireless."
    ),
    verify="The next tune-up shows a shorter time, by fewer pages or a lower latency.",
    kind="access",
    visits=frozenset({Visit.TUNE_UP, Visit.INTERIM}),
    roles=frozenset({"back-end"}),
)
