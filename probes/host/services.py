"""Services: those that failed, those that must run, and jobs that run by the clock."""

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
    Metric,
    NoLevels,
    NotApplicable,
    NotChecked,
    Number,
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
    Wmi,
    WmiQuery,
)
from probes.windows.rows import Row, flag, number, rows, text


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
    """The units that systemd calls failed, and what each timer starts (timer, unit).

    On Windows the services that should have been started and ended with an error. `complete` is false
    where the account sees only some of the services, and those alone could be looked at.
    """

    failed: tuple[Unit, ...]
    timers: tuple[tuple[str, str], ...]
    manager: str = "systemd"
    complete: bool = True


UNITS = """
[ -d /run/systemd/system ] || absent "services are not run by systemd"
systemctl list-units --failed --all --plain --no-legend --no-pager || denied "systemd's list of units"
echo "== timers"
systemctl show -p Id -p Unit '*.timer' 2>/dev/null
exit 0
"""


# What ends a service without an error: 0, and 1077 for one that was not started since the last boot
# (winerror.h, ERROR_SERVICE_NEVER_STARTED), which is how delayed and triggered ones look.
ENDED_WELL = (0, 1077)
SPECIFIC = 1066  # ERROR_SERVICE_SPECIFIC_ERROR: the service's own number says more

# A network logon without rights gets only those services whose own list of rights lets it in, and no
# word of the others. The registry names them all.
UNITS_WINDOWS = """
$base = 'HKLM:\\SYSTEM\\CurrentControlSet\\Services\\'
$properties = 'Name', 'State', 'StartMode', 'ExitCode', 'ServiceSpecificExitCode'
$services = Wmi -Class 'Win32_Service' -Properties $properties
if ($services.Length -eq 0) {
  Denied 'the list of services is empty for this account'
}
$account = [System.Security.Principal.WindowsIdentity]::GetCurrent()
$principal = New-Object System.Security.Principal.WindowsPrincipal($account)
if (-not $principal.IsInRole([System.Security.Principal.WindowsBuiltInRole]::Administrator)) {
  $visible = @{}
  foreach ($service in $services) {
    $visible[[string] $service['Name']] = $true
  }
  $hidden = 0
  $names = RegistryKeys 'HKLM:\\SYSTEM\\CurrentControlSet\\Services'
  foreach ($name in $names) {
    if (-not $visible.ContainsKey($name)) {
      $type = 16
      try {
        $type = RegistryValue ($base + $name) 'Type'
      } catch {
        $type = 16
      }
      if (@(16, 32, 272, 288) -contains $type) {
        $hidden = $hidden + 1
      }
    }
  }
  if ($hidden -gt 0) {
    Partial ([string] $hidden + ' services are not visible to this account')
  }
}
$failed = @()
foreach ($service in $services) {
  if ($service['StartMode'] -ne 'Auto' -or $service['State'] -ne 'Stopped') {
    continue
  }
  if (@(0, 1077) -contains $service['ExitCode']) {
    continue
  }
  $triggered = $null
  try {
    $triggered = $null -ne (RegistryKeys ($base + $service['Name'] + '\\TriggerInfo'))
  } catch {
    $triggered = $null
  }
  $service['Triggered'] = $triggered
  $failed += $service
}
@{
  'failed' = $failed
  'services' = $services.Length
}
"""
SERVICE_PROPERTIES = ("Name", "DisplayName", "State", "StartMode", "ExitCode")
ALL_SERVICES = Wmi((WmiQuery("Win32_Service", SERVICE_PROPERTIES),), rights="service-rights", cost="medium")

# Services of every Windows: where one of them is not in the list, the list is not whole.
EVERYWHERE = frozenset({"eventlog", "profsvc", "rpcss", "schedule", "winmgmt"})


def parse_units(raw: JSON, source: str, version: int) -> Units:
    if source == "windows":
        failed = [row for row in rows(raw, "failed") if not flag(row.get("Triggered"))]
        return Units(tuple(map(_failed_service, failed)), (), "windows")
    if source == "cim":
        services = rows(raw, "Win32_Service")
        failed = [row for row in services if _should_run(row) and number(row["ExitCode"]) not in ENDED_WELL]
        return Units(tuple(map(_failed_service, failed)), (), "windows", _whole(services))
    return _systemd(raw)


def _should_run(service: Row) -> bool:
    return text(service["StartMode"]) == "Auto" and text(service["State"]) == "Stopped"


def _whole(services: list[Row]) -> bool:
    return {text(service["Name"]).lower() for service in services} >= EVERYWHERE


def _failed_service(service: Row) -> Unit:
    code = number(service["ExitCode"])
    own = number(service.get("ServiceSpecificExitCode"))
    ended = f"error {own} of its own" if code == SPECIFIC and own else f"error {code}"
    return Unit(text(service["Name"]), "automatic", text(service["State"]).lower(), ended)


def _systemd(raw: JSON) -> Units:
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
    collect={
        "posix": Shell(UNITS),
        "windows": PowerShell(UNITS_WINDOWS, timeout_s=30, rights="service-rights", cost="medium"),
        "cim": ALL_SERVICES,
    },
    parse=parse_units,
    privacy="names of failed services and of timers",
)

PART_ONLY = "this account sees only some of the services"


def _state(unit: Unit) -> str:
    return unit.active if unit.sub == unit.active else f"{unit.active} ({unit.sub})"


def check_failed(facts: Units, levels: NoLevels, ctx: Context) -> Iterator[Result]:
    timed = {unit for _, unit in facts.timers}
    failed = [unit for unit in facts.failed if unit.name not in timed]
    yield Metric(name="failed", value=Number(len(failed)))
    for unit in failed:
        yield Finding(
            impact=Impact.LIMITED,
            message="failed",
            item=unit.name,
            evidence={"state": Text(_state(unit))},
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
            evidence={"unit": Text(unit), "state": Text(_state(what))},
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
        return DeclaredServices(tuple(map(_listed_service, services)), every=True, complete=_whole(services))
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
