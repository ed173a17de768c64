"""Services: those that failed, those that must run, and jobs that run by the clock."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from checkup.api import (
    JSON,
    RECOVERABILITY,
    Context,
    Finding,
    Impact,
    Metric,
    NoLevels,
    NotApplicable,
    Number,
    Parameter,
    Passed,
    Probe,
    Result,
    Section,
    Shell,
    Text,
    Value,
    When,
)


@dataclass(frozen=True, slots=True)
class Unit:
    name: str
    load: str
    active: str
    sub: str

    @property
    def kind(self) -> str:
        return self.name.rpartition(".")[2]


@dataclass(frozen=True, slots=True)
class Units:
    """The units that systemd calls failed, and what each timer starts (timer, unit)."""

    failed: tuple[Unit, ...]
    timers: tuple[tuple[str, str], ...]


UNITS = """
[ -d /run/systemd/system ] || absent "services are not run by systemd"
systemctl list-units --failed --all --plain --no-legend --no-pager || denied "systemd's list of units"
echo "== timers"
systemctl show -p Id -p Unit '*.timer' 2>/dev/null
exit 0
"""


def parse_units(raw: JSON, source: str, version: int) -> Units:
    failed, mark, shown = str(raw).partition("== timers\n")
    if not mark:
        raise ValueError("the list of units has no end")
    units: list[Unit] = []
    for line in failed.splitlines():
        # Old versions print a dot before the name even with --plain.
        words = line.lstrip("●*× ").split(maxsplit=4)
        if len(words) >= 4 and "." in words[0]:
            units.append(Unit(*words[:4]))
    timers: list[tuple[str, str]] = []
    for block in shown.split("\n\n"):
        values = dict(line.split("=", 1) for line in block.splitlines() if "=" in line)
        if values.get("Unit"):
            timers.append((values.get("Id", ""), values["Unit"]))
    return Units(tuple(units), tuple(timers))


units = Section(
    name="units",
    facts=Units,
    collect={"posix": Shell(UNITS)},
    parse=parse_units,
    privacy="names of failed services and of timers",
)


def check_failed(facts: Units, levels: NoLevels, ctx: Context) -> Iterator[Result]:
    timed = {unit for _, unit in facts.timers}
    failed = [unit for unit in facts.failed if unit.name not in timed]
    yield Metric(name="failed", value=Number(len(failed)))
    for unit in failed:
        yield Finding(
            impact=Impact.LIMITED,
            message="failed",
            item=unit.name,
            evidence={"state": Text(f"{unit.active} ({unit.sub})")},
        )
    if not failed:
        yield Passed()


failed_services = Probe(
    id="host.failed-services",
    title="All services that were started are running or ended well",
    check=check_failed,
    levels=NoLevels(),
    messages={"failed": "Unit {item} has failed: {state}."},
    why="A failed service is work that silently is not done: a backup, a certificate renewal, an interface.",
    remedy="Read `systemctl status` of the unit, mend the cause, start it; disable it if nobody needs it.",
    verify="`systemctl --failed` lists nothing.",
    references=("domain: server.services",),
)


def check_jobs(facts: Units, levels: NoLevels, ctx: Context) -> Iterator[Result]:
    broken = {unit.name: unit for unit in facts.failed}
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
            evidence={"unit": Text(unit), "state": Text(f"{what.active} ({what.sub})")},
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


# --- services that the site file declares -----------------------------------------------------


@dataclass(frozen=True, slots=True)
class DeclaredService:
    """`state` as the manager calls it; `starts` is how it starts at boot ("" where not known)."""

    name: str
    manager: str
    known: bool
    running: bool
    state: str
    starts: str


@dataclass(frozen=True, slots=True)
class DeclaredServices:
    services: tuple[DeclaredService, ...]


# Asking an init script for its status would run it; OpenRC and process names are read instead.
DECLARED = """
[ -n "$P_services" ] || absent "no services are declared for this machine"
if [ -d /run/systemd/system ]; then
  echo "manager systemd"
  printf '%s\\n' "$P_services" | while IFS= read -r name; do
    echo "service $name"
    systemctl show -p LoadState -p ActiveState -p SubState -p UnitFileState -- "$name"
  done
elif [ -d /run/openrc/started ]; then
  echo "manager openrc"
  printf '%s\\n' "$P_services" | while IFS= read -r name; do
    echo "service $name"
    [ -e "/etc/init.d/$name" ] && echo "LoadState=loaded"
    [ -e "/run/openrc/started/$name" ] && echo "ActiveState=active"
    for level in /etc/runlevels/*; do [ -e "$level/$name" ] && echo "UnitFileState=enabled"; done
  done
else
  echo "manager processes"
  for file in /proc/[0-9]*/comm; do
    read -r name <"$file" && case "$P_services" in *"$name"*) echo "process $name" ;; esac
  done 2>/dev/null
  printf '%s\\n' "$P_services" | while IFS= read -r name; do echo "service $name"; done
fi
exit 0
"""

COMM_LENGTH = 15  # the kernel cuts the names of processes here


def parse_declared(raw: JSON, source: str, version: int) -> DeclaredServices:
    lines = str(raw).splitlines()
    if not lines or not lines[0].startswith("manager "):
        raise ValueError("it is not said who runs the services")
    manager = lines[0].split()[1]
    processes = {line[8:] for line in lines if line.startswith("process ")}
    asked: dict[str, dict[str, str]] = {}
    values: dict[str, str] = {}
    for line in lines:
        if line.startswith("service "):
            values = asked.setdefault(line[8:], {})
        elif "=" in line:
            key, _, value = line.partition("=")
            values[key] = value
    if manager == "processes":
        made = [_by_process(name, name[:COMM_LENGTH] in processes) for name in asked]
    else:
        made = [_by_manager(manager, name, values) for name, values in asked.items()]
    return DeclaredServices(tuple(made))


def _by_process(name: str, running: bool) -> DeclaredService:
    return DeclaredService(name, "processes", True, running, "running" if running else "no such process", "")


def _by_manager(manager: str, name: str, values: dict[str, str]) -> DeclaredService:
    active = values.get("ActiveState", "inactive")
    return DeclaredService(
        name=name,
        manager=manager,
        known=values.get("LoadState", "not-found") not in ("not-found", ""),
        running=active in ("active", "reloading"),
        state=f"{active} ({values['SubState']})" if values.get("SubState") else active,
        starts=values.get("UnitFileState", "" if manager == "systemd" else "disabled"),
    )


declared = Section(
    name="declared-services",
    facts=DeclaredServices,
    collect={"posix": Shell(DECLARED)},
    parse=parse_declared,
    parameters={"services": Parameter("texts", (), "services that must run on this machine")},
    privacy="state of the declared services",
)


def check_declared(facts: DeclaredServices, levels: NoLevels, ctx: Context) -> Iterator[Result]:
    if not facts.services:
        yield NotApplicable(reason="no services are declared for this machine")
    for service in facts.services:
        evidence: dict[str, Value] = {
            "state": Text(service.state),
            "starts": Text(service.starts or "not known"),
        }
        if not service.running:
            message = "stopped" if service.known else "unknown"
            yield Finding(
                impact=Impact.MAJOR, when=When.NOW, message=message, item=service.name, evidence=evidence
            )
        elif service.starts in ("disabled", "masked"):
            yield Finding(
                impact=Impact.LIMITED,
                function=RECOVERABILITY,
                message="manual",
                item=service.name,
                evidence=evidence,
            )
        else:
            yield Passed(item=service.name, evidence=evidence)


declared_services = Probe(
    id="host.declared-services",
    title="The services this machine is there for are running",
    check=check_declared,
    levels=NoLevels(),
    messages={
        "stopped": "Service {item} does not run: {state}.",
        "unknown": "Service {item} is declared, but this machine does not know it.",
        "manual": "Service {item} runs, but would not start by itself after a restart ({starts}).",
    },
    why="These services were named as necessary for the work of the site.",
    remedy="Start the service and let it start by itself; or correct `declare: services` in the site file.",
    verify="`systemctl is-active` and `systemctl is-enabled` of the service say active and enabled.",
    references=("domain: server.services",),
)
