"""When this machine was started, and whether it was shut down properly before."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import pairwise

from checkup.api import (
    JSON,
    Context,
    Duration,
    Finding,
    Impact,
    Instant,
    Metric,
    NotChecked,
    Number,
    Passed,
    Probe,
    Result,
    Section,
    Shell,
    Step,
    When,
    Worse,
    judge,
)
from probes.host.system import OperatingSystem


@dataclass(frozen=True, slots=True)
class UptimeLevels:
    long_days: int = 180  # longer than two cycles of updates: the running kernel lacks their fixes


def check_uptime(facts: OperatingSystem, levels: UptimeLevels, ctx: Context) -> Iterator[Result]:
    if facts.uptime_s is None:
        yield NotChecked(reason="the machine does not tell how long it has run")
        return
    yield from judge(
        "uptime",
        Duration(facts.uptime_s),
        (Step(levels.long_days * 86400, Impact.LIMITED, When.LATER),),
        worse=Worse.HIGHER,
        message="long",
    )


uptime = Probe(
    id="host.uptime",
    title="The machine was restarted within the last half year",
    check=check_uptime,
    levels=UptimeLevels(),
    messages={"long": "The machine has run for {uptime} without a restart."},
    why="A machine that never restarts runs an old kernel, and nobody knows whether it would start again.",
    remedy="Plan a restart in the next quiet window, with someone at hand who can reach the machine.",
    verify="`uptime` shows a recent start, and all services are back.",
    references=("domain: workstation.reboot-pending",),
)


# --- restarts ---------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Record:
    kind: str  # "boot" or "shutdown"
    at: datetime


@dataclass(frozen=True, slots=True)
class Boots:
    """The machine's own record of starts and shutdowns, oldest first."""

    records: tuple[Record, ...]
    begins_at: datetime | None

    @property
    def unclean(self) -> tuple[datetime, ...]:
        """Starts that follow a start without a shutdown between them."""
        return tuple(b.at for a, b in pairwise(self.records) if (a.kind, b.kind) == ("boot", "boot"))


# Named records only, so that no user's login leaves the machine. TZ: old versions print no zone.
BOOTS = """
command -v last >/dev/null || absent "no last command: starts are not recorded in a form that can be read"
[ -e /var/log/wtmp ] || absent "no /var/log/wtmp: starts are not recorded"
[ -r /var/log/wtmp ] || denied "/var/log/wtmp"
TZ=UTC last -xF -n 400 reboot shutdown 2>/dev/null || unsupported "this last command cannot list starts"
"""

MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
MOMENT = r"[A-Z][a-z]{2} ([A-Z][a-z]{2}) +(\d{1,2}) (\d{2}):(\d{2}):(\d{2}) (\d{4})"


def parse_boots(raw: JSON, source: str, version: int) -> Boots:
    records: list[Record] = []
    begins: datetime | None = None
    for line in str(raw).splitlines():
        moment = re.search(MOMENT, line, re.A)
        if moment is None:
            continue
        if line.startswith("reboot ") and "system boot" in line:
            records.append(Record("boot", _instant(moment)))
        elif line.startswith("shutdown ") and "system down" in line:
            records.append(Record("shutdown", _instant(moment)))
        elif " begins " in line:
            begins = _instant(moment)
    if not records and begins is None:
        raise ValueError("neither a start nor the beginning of the record")
    return Boots(tuple(reversed(records)), begins)


def _instant(moment: re.Match[str]) -> datetime:
    day, hour, minute, second, year = (int(moment[n]) for n in (2, 3, 4, 5, 6))
    return datetime(year, MONTHS.index(moment[1]) + 1, day, hour, minute, min(second, 59), tzinfo=UTC)


boots = Section(
    name="boots",
    facts=Boots,
    collect={"posix": Shell(BOOTS)},
    parse=parse_boots,
    privacy="times of starts and shutdowns; no logins",
)


@dataclass(frozen=True, slots=True)
class RestartLevels:
    some: int = 1  # starts without a shutdown before them, since the last visit (server.unexpected-restart)
    many: int = 3
    window_days: int = 180  # looked at where there was no earlier visit
    least_days: int = 7  # a record shorter than this says nothing


def check_restarts(facts: Boots, levels: RestartLevels, ctx: Context) -> Iterator[Result]:
    since = ctx.previous_at or ctx.collected_at - timedelta(days=levels.window_days)
    known = [at for at in (facts.begins_at, *(record.at for record in facts.records)) if at]
    begins = min(known)
    seen_from = max(since, begins)
    unclean = [at for at in facts.unclean if at >= since]
    evidence = {"since": Instant(seen_from), "restarts": Number(len(unclean))}
    yield Metric(name="restarts", value=Number(len(unclean)))
    if len(unclean) >= levels.some:
        many = len(unclean) >= levels.many
        yield Finding(
            impact=Impact.MAJOR if many else Impact.LIMITED,
            message="unclean",
            evidence={
                **evidence,
                "last": Instant(unclean[-1]),
                "limit": Number(levels.many if many else levels.some),
            },
            value=Number(len(unclean)),
            worse=Worse.HIGHER,
        )
    elif ctx.collected_at - seen_from < timedelta(days=levels.least_days) and begins > since:
        yield NotChecked(reason=f"the machine's record of starts begins only on {begins:%Y-%m-%d}")
    else:
        yield Passed(evidence=evidence)


restarts = Probe(
    id="host.restarts",
    title="The machine stops only by a proper shutdown",
    check=check_restarts,
    levels=RestartLevels(),
    messages={
        "unclean": "Starts without a shutdown before them since {since}: {restarts}, the last on {last}."
    },
    why="A machine that loses power or crashes may leave half-written data, and will do so again.",
    remedy="Check power supply and UPS, and test that the UPS shuts the machine down; then look for crashes.",
    verify="`last -x reboot shutdown` shows a shutdown before each new start.",
    references=("domain: server.unexpected-restart",),
)
