"""The power plan: does the machine save energy at the wrong time, or fall asleep at work?"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from checkup.api import (
    JSON,
    Context,
    Duration,
    Finding,
    Impact,
    NotChecked,
    Passed,
    PowerShell,
    Probe,
    Result,
    Section,
    Text,
    Value,
    When,
    Worse,
)
from probes.windows.hardware import looks_virtual
from probes.windows.rows import first, number, text


@dataclass(frozen=True, slots=True)
class PowerPlan:
    """`plan` is the GUID of the plan in force, in lower case. Times are for a machine on mains power; 0 is
    never, None not known.
    A virtual machine never sleeps of itself, whatever its plan says."""

    plan: str
    server: bool
    virtual: bool
    sleep_after_s: int | None
    disk_off_after_s: int | None


# A policy goes first, then what was set in the plan, then the plan's default. The GUIDs are those of
# "Sleep after" and "Turn off hard disk after" (powercfg /aliases: SUB_SLEEP STANDBYIDLE, SUB_DISK DISKIDLE).
WINDOWS = r"""
$control = 'HKLM:\SYSTEM\CurrentControlSet\Control'
$schemes = $control + '\Power\User\PowerSchemes'
$settings = $control + '\Power\PowerSettings'
$policies = 'HKLM:\SOFTWARE\Policies\Microsoft\Power\PowerSettings'
$plan = RegistryValue $policies 'ActivePowerScheme'
if ($null -eq $plan) {
  $plan = RegistryValue $schemes 'ActivePowerScheme'
}
if ($null -eq $plan) {
  Unsupported 'no power plan is in force'
}
$plan = ([string] $plan).Trim('{}')
$wanted = @{
  'sleep' = '238c9fa8-0aad-41ed-83f4-97be242c8f20', '29f6c1db-86da-48c5-9fdb-f2b67b1f44da'
  'disk' = '0012ee47-9041-4b5d-9b77-535fba8b1442', '6738e2c4-e8a5-4a42-b16a-e040e769756e'
}
$found = @{ 'plan' = $plan }
foreach ($name in @($wanted.Keys)) {
  $group = $wanted[$name][0]
  $setting = $wanted[$name][1]
  $value = RegistryValue ($policies + '\' + $setting) 'ACSettingIndex'
  if ($null -eq $value) {
    $value = RegistryValue ($schemes + '\' + $plan + '\' + $group + '\' + $setting) 'ACSettingIndex'
  }
  if ($null -eq $value) {
    $default = $settings + '\' + $group + '\' + $setting + '\DefaultPowerSchemeValues\' + $plan
    $value = RegistryValue $default 'ACSettingIndex'
  }
  $found[$name] = $value
}
$found['Win32_ComputerSystem'] = Wmi -Class 'Win32_ComputerSystem' -Properties @('Manufacturer', 'Model')
$found['type'] = RegistryValue ($control + '\ProductOptions') 'ProductType'
$found
"""


def parse(raw: JSON, source: str, version: int) -> PowerPlan:
    if not isinstance(raw, dict):
        raise ValueError("not an object of settings")
    kind = text(raw["type"]).casefold()
    if kind not in ("winnt", "servernt", "lanmannt"):
        raise ValueError("neither a workstation nor a server")
    system = first(raw, "Win32_ComputerSystem")
    return PowerPlan(
        plan=text(raw["plan"]).casefold(),
        server=kind != "winnt",
        virtual=looks_virtual(text(system["Manufacturer"]), text(system["Model"])),
        sleep_after_s=number(raw["sleep"]),
        disk_off_after_s=number(raw["disk"]),
    )


power_plan = Section(
    name="power-plan",
    facts=PowerPlan,
    collect={"windows": PowerShell(WINDOWS, timeout_s=10, rights="user", cost="small")},
    parse=parse,
    privacy="the identifier of the plan, two times, maker and model of the machine",
)

# The plans that every Windows has; others were made by the machine's maker or on site.
PLANS = {
    "381b4222-f694-41f0-9685-ff5bb260df2e": "balanced",
    "8c5e7fda-e8bf-4a96-9a85-a6e23a8c635c": "high performance",
    "a1841308-3541-4fab-bc81-f71556f20b4a": "power saver",
    "e9a42b02-d5df-448d-aa00-03f14749eb61": "ultimate performance",
}


@dataclass(frozen=True, slots=True)
class Levels:
    server_balanced: bool = True  # whether a physical server on the balanced plan is worth a note


def check(facts: PowerPlan, levels: Levels, ctx: Context) -> Iterator[Result]:
    plan = PLANS.get(facts.plan, "another plan")
    evidence: dict[str, Value] = {"plan": Text(plan)}
    if facts.sleep_after_s is not None:
        evidence["sleep_after"] = Duration(facts.sleep_after_s)
    if facts.disk_off_after_s is not None:
        evidence["disk_off_after"] = Duration(facts.disk_off_after_s)
    found = False
    if facts.sleep_after_s and not facts.virtual:
        found = True
        yield Finding(
            impact=Impact.LIMITED,
            message="sleeps",
            item="sleep",
            evidence=evidence,
            value=Duration(facts.sleep_after_s),
            worse=Worse.LOWER,
        )
    if plan == "power saver":
        found = True
        yield Finding(impact=Impact.LIMITED, when=When.LATER, message="saver", item="plan", evidence=evidence)
    elif facts.server and not facts.virtual and plan == "balanced" and levels.server_balanced:
        found = True
        yield Finding(impact=Impact.NOTE, when=When.LATER, message="balanced", item="plan", evidence=evidence)
    if found:
        return
    if facts.sleep_after_s is None and not facts.virtual:
        yield NotChecked(reason=f"the registry does not tell when the machine sleeps ({plan})")
    else:
        yield Passed(evidence=evidence)


probe = Probe(
    id="windows.power-plan",
    title="The machine stays awake and fast while it is in use",
    check=check,
    levels=Levels(),
    messages={
        "sleeps": "On mains power the machine falls asleep after {sleep_after} without a key pressed.",
        "saver": "The power saver plan is in force: the processor runs slowly all the time.",
        "balanced": "The server runs on the balanced plan, which slows its processors down between requests.",
    },
    why="A machine that falls asleep tears its open database connections and shared files apart; one that "
    "saves energy all day makes everything slow.",
    remedy="Choose a plan without sleep on mains power (Power options), by group policy for all "
    "workstations; high performance for servers.",
    verify="`powercfg /getactivescheme` names the plan, and its settings show Never for sleep on mains "
    "power.",
    references=("domain: workstation.nic-power (sleep on mains power)", "powercfg: aliases of the settings"),
)
