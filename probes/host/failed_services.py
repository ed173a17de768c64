"""Services that failed."""

from __future__ import annotations

from collections.abc import Iterator

from checkup.api import (
    Context,
    ErrorClass,
    Finding,
    Impact,
    Metric,
    NoLevels,
    NotChecked,
    Number,
    Passed,
    Probe,
    Result,
    Text,
)
from probes.host.units import PART_ONLY, Units, state_of


def check_failed(facts: Units, levels: NoLevels, ctx: Context) -> Iterator[Result]:
    timed = {unit for _, unit in facts.timers}
    failed = [unit for unit in facts.failed if unit.name not in timed]
    yield Metric(name="failed", value=Number(len(failed)))
    for unit in failed:
        yield Finding(
            impact=Impact.LIMITED,
            message="failed",
            item=unit.name,
            evidence={"state": Text(state_of(unit))},
        )
    if not facts.complete:
        yield NotChecked(reason=PART_ONLY, error=ErrorClass.DENIED)
    elif not failed:
        yield Passed()


failed_services = Probe(
    id="host.failed-services",
    title="All services that were started are running or ended well",
    check=check_failed,
    levels=NoLevels(),
    messages={"failed": "{item} is not running as it should: {state}."},
    why="A failed service is work that silently is not done: a backup, a certificate renewal, an interface.",
    remedy="Read `systemctl status` of the unit, on Windows the entries of Service Control Manager in the "
    "System log; mend the cause and start the service; disable it if nobody needs it.",
    verify="`systemctl --failed` lists nothing; on Windows `services.msc` shows the service as running.",
    rights="an ordinary account; on Windows one that may list all services",
    references=("domain: server.services",),
)
