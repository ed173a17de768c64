"""Jobs that run by the clock."""

from __future__ import annotations

from collections.abc import Iterator

from checkup.api import (
    Context,
    Finding,
    Impact,
    NoLevels,
    NotApplicable,
    Number,
    Passed,
    Probe,
    Result,
    Text,
)
from probes.host.units import Units, state_of


def check_jobs(facts: Units, levels: NoLevels, ctx: Context) -> Iterator[Result]:
    broken = {unit.name: unit for unit in facts.failed}
    if facts.manager == "windows":
        yield NotApplicable(reason="Windows has a scheduler of its own: see windows.scheduled-tasks")
        return
    if not facts.timers:
        yield NotApplicable(reason="no job is run by a systemd timer")
        return
    failed = [(timer, unit) for timer, unit in facts.timers if unit in broken or timer in broken]
    for timer, unit in failed:
        what = broken.get(unit) or broken[timer]
        yield Finding(
            impact=Impact.LIMITED,
            message="failed",
            item=timer or unit,
            evidence={"unit": Text(unit), "state": Text(state_of(what))},
        )
    if not failed:
        yield Passed(evidence={"timers": Number(len(facts.timers))})


scheduled_jobs = Probe(
    id="host.scheduled-jobs",
    title="Jobs that systemd runs by the clock end well",
    check=check_jobs,
    levels=NoLevels(),
    messages={"failed": "The last run of {unit}, started by {item}, failed: {state}."},
    why="Jobs run at night: clean-up, certificate renewal, backups. Nobody sees when one stops working.",
    remedy="Read `journalctl -u` of the unit, mend the cause, and run the job once by hand.",
    verify="`systemctl list-timers` shows a run after the repair, and `systemctl --failed` does not list it.",
    references=("domain: sql.jobs, for jobs of the system",),
)
