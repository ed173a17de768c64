"""The services of a machine that failed, and what its timers start: read once, for several probes."""

from __future__ import annotations

from dataclasses import dataclass

from checkup.api import (
    JSON,
    PowerShell,
    Section,
    Shell,
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
        return Units(tuple(map(_failed_service, failed)), (), "windows", whole(services))
    return _systemd(raw)


def _should_run(service: Row) -> bool:
    return text(service["StartMode"]) == "Auto" and text(service["State"]) == "Stopped"


def whole(services: list[Row]) -> bool:
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


def state_of(unit: Unit) -> str:
    return unit.active if unit.sub == unit.active else f"{unit.active} ({unit.sub})"
