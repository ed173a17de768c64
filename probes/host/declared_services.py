"""The services that the site file declares for a machine."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

from checkup.api import (
    JSON,
    RECOVERABILITY,
    Context,
    ErrorClass,
    Finding,
    Impact,
    NoLevels,
    NotApplicable,
    NotChecked,
    Parameter,
    Passed,
    PowerShell,
    Probe,
    Result,
    Section,
    Shell,
    Text,
    Value,
    When,
)
from probes.host.units import ALL_SERVICES, ENDED_WELL, PART_ONLY, whole
from probes.windows.rows import Row, flag, number, rows, text


@dataclass(frozen=True, slots=True)
class DeclaredService:
    """`state` as the manager calls it; `starts` is how it starts at boot ("" where not known); `title`
    is what Windows shows in place of the name. A `hidden` one is there, but this account may not see it."""

    name: str
    manager: str
    known: bool
    running: bool
    state: str
    starts: str
    title: str = ""
    hidden: bool = False


@dataclass(frozen=True, slots=True)
class DeclaredServices:
    """`every`: all services that the account sees were listed, `complete` tells whether these are all;
    those that were declared are still to be picked."""

    services: tuple[DeclaredService, ...]
    every: bool = False
    complete: bool = True


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

# A service whose key is in the registry and that is not in the list is there, and not visible.
DECLARED_WINDOWS = """
$base = 'HKLM:\\SYSTEM\\CurrentControlSet\\Services\\'
$wanted = @($P.services)
if ($wanted.Length -eq 0) {
  Absent 'no services are declared for this machine'
}
$properties = 'Name', 'DisplayName', 'State', 'StartMode', 'ExitCode'
$services = Wmi -Class 'Win32_Service' -Properties $properties
$answers = @()
foreach ($name in $wanted) {
  $found = $null
  foreach ($service in $services) {
    if ($service['Name'] -eq $name -or $service['DisplayName'] -eq $name) {
      $found = $service
    }
  }
  if ($null -eq $found) {
    $found = @{ 'Hidden' = ($null -ne (RegistryKeys ($base + $name))) }
  } else {
    $key = $base + $found['Name']
    try {
      $found['Triggered'] = $null -ne (RegistryKeys ($key + '\\TriggerInfo'))
      $found['Delayed'] = (RegistryValue $key 'DelayedAutostart') -eq 1
    } catch {
      # Some security products keep their keys to themselves.
      $found['Triggered'] = $null
      $found['Delayed'] = $null
    }
  }
  $found['Asked'] = $name
  $answers += $found
}
@{ 'services' = $answers }
"""

COMM_LENGTH = 15  # the kernel cuts the names of processes here


def parse_declared(raw: JSON, source: str, version: int) -> DeclaredServices:
    if source == "windows":
        return DeclaredServices(tuple(_asked_service(row) for row in rows(raw, "services")))
    if source == "cim":
        services = rows(raw, "Win32_Service")
        return DeclaredServices(tuple(map(_listed_service, services)), every=True, complete=whole(services))
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


def _asked_service(row: Row) -> DeclaredService:
    name = text(row["Asked"])
    if "State" not in row:
        hidden = flag(row["Hidden"]) is True
        return DeclaredService(name, "windows", hidden, False, "not visible", "", hidden=hidden)
    starts = text(row["StartMode"]).lower()
    triggered = flag(row["Triggered"])
    if triggered:
        starts = "by a trigger"
    elif starts == "auto":
        starts = "automatic, delayed" if flag(row["Delayed"]) else "automatic"
    elif triggered is None and starts == "manual":
        starts = ""
    state = text(row["State"])
    return DeclaredService(name, "windows", True, state == "Running", _windows_state(row), starts)


def _listed_service(row: Row) -> DeclaredService:
    """Triggers are not to be seen in this list: how a manual service starts is not known."""
    starts = {"Auto": "automatic", "Manual": ""}.get(text(row["StartMode"]), text(row["StartMode"]).lower())
    running = text(row["State"]) == "Running"
    name, title = text(row["Name"]), text(row["DisplayName"])
    return DeclaredService(name, "windows", True, running, _windows_state(row), starts, title)


def _windows_state(row: Row) -> str:
    state, code = text(row["State"]).lower(), number(row["ExitCode"])
    return f"{state} (error {code})" if state == "stopped" and code not in (*ENDED_WELL, None) else state


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
    collect={
        "posix": Shell(DECLARED),
        "windows": PowerShell(DECLARED_WINDOWS, timeout_s=30, rights="service-rights", cost="medium"),
        "cim": ALL_SERVICES,
    },
    parse=parse_declared,
    parameters={"services": Parameter("texts", (), "services that must run on this machine")},
    privacy="state of the declared services",
)


def check_declared(facts: DeclaredServices, levels: NoLevels, ctx: Context) -> Iterator[Result]:
    services = tuple(_picked(facts, ctx)) if facts.every else facts.services
    if not services:
        yield NotApplicable(reason="no services are declared for this machine")
    for service in services:
        evidence: dict[str, Value] = {
            "state": Text(service.state),
            "starts": Text(service.starts or "not known"),
        }
        if service.hidden:
            yield NotChecked(item=service.name, reason=PART_ONLY, error=ErrorClass.DENIED)
        elif not service.running:
            message = "stopped" if service.known else "unknown"
            yield Finding(
                impact=Impact.MAJOR, when=When.NOW, message=message, item=service.name, evidence=evidence
            )
        elif service.manager == "windows" and not service.starts:
            reason = "it runs; how it would start after a restart cannot be seen here"
            yield NotChecked(item=service.name, reason=reason)
        elif service.starts in ("disabled", "masked", "manual"):
            yield Finding(
                impact=Impact.LIMITED,
                function=RECOVERABILITY,
                message="manual",
                item=service.name,
                evidence=evidence,
            )
        else:
            yield Passed(item=service.name, evidence=evidence)


def _picked(facts: DeclaredServices, ctx: Context) -> Iterable[DeclaredService]:
    """The declared ones of all services; names are compared as Windows does, without regard to case."""
    wanted = ctx.target.declare.get("services", ())
    known = {name.lower(): one for one in facts.services for name in (one.title, one.name)}
    for name in wanted if isinstance(wanted, tuple) else (str(wanted),):
        found = known.get(name.lower())
        if found is not None:
            yield replace(found, name=name)
        else:
            yield DeclaredService(name, "windows", False, False, "none", "", hidden=not facts.complete)


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
    verify="`systemctl is-active` and `systemctl is-enabled` of the service say active and enabled; on "
    "Windows `services.msc` shows it as running, with an automatic start.",
    rights="an ordinary account; on Windows one that may list all services",
    references=("domain: server.services",),
)
