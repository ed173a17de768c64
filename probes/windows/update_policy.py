"""How Windows was told to update itself."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

from checkup.api import (
    JSON,
    Context,
    Finding,
    Impact,
    Instant,
    NoLevels,
    Passed,
    PowerShell,
    Probe,
    Result,
    Section,
    Text,
    Value,
    When,
)
from probes.windows.rows import flag, instant, number


@dataclass(frozen=True, slots=True)
class UpdatePolicy:
    """`option` is the policy's AUOptions: 2 tells before the download, 3 before the installation, 4 installs
    by the clock, 5 leaves it to the local administrator, 7 (servers) tells before the installation and
    restart; None: no policy, which on today's Windows installs by itself."""

    service_disabled: bool
    switched_off: bool
    option: int | None
    own_server: bool
    no_access: bool
    paused_until: datetime | None


# learn.microsoft.com, windows/deployment/update/waas-wu-settings. Of an update server of the site only that
# there is one leaves the machine.
WINDOWS = r"""
$policy = 'HKLM:\SOFTWARE\Policies\Microsoft\Windows\WindowsUpdate'
$automatic = $policy + '\AU'
$settings = 'HKLM:\SOFTWARE\Microsoft\WindowsUpdate\UX\Settings'
$server = RegistryValue $policy 'WUServer'
@{
  'start' = (RegistryValue 'HKLM:\SYSTEM\CurrentControlSet\Services\wuauserv' 'Start')
  'off' = (RegistryValue $automatic 'NoAutoUpdate')
  'option' = (RegistryValue $automatic 'AUOptions')
  'server' = ($server -and (RegistryValue $automatic 'UseWUServer') -eq 1)
  'closed' = (RegistryValue $policy 'DisableWindowsUpdateAccess')
  'paused' = (RegistryValue $settings 'PauseUpdatesExpiryTime')
}
"""
DISABLED = 4  # Start of a service


def parse(raw: JSON, source: str, version: int) -> UpdatePolicy:
    if not isinstance(raw, dict):
        raise ValueError("not the settings of Windows Update")
    return UpdatePolicy(
        service_disabled=number(raw["start"]) == DISABLED,
        switched_off=number(raw["off"]) == 1,
        option=number(raw["option"]),
        own_server=flag(raw["server"]) is True,
        no_access=number(raw["closed"]) == 1,
        paused_until=instant(raw["paused"]),
    )


update_policy = Section(
    name="update-policy",
    facts=UpdatePolicy,
    collect={"windows": PowerShell(WINDOWS)},
    parse=parse,
    privacy="settings of Windows Update; no names",
)

OPTIONS = {
    2: "it tells before it downloads",
    3: "it tells before it installs",
    4: "it installs by the clock",
    5: "the local administrator decides",
    7: "it tells before it installs",
}


def check(facts: UpdatePolicy, levels: NoLevels, ctx: Context) -> Iterator[Result]:
    option = OPTIONS.get(facts.option, f"option {facts.option}") if facts.option else "as Windows decides"
    evidence: dict[str, Value] = {
        "option": Text(option),
        "server": Text("the site's own" if facts.own_server else "Microsoft's"),
    }
    if facts.service_disabled:
        yield Finding(impact=Impact.LIMITED, message="service", evidence=evidence)
    elif facts.no_access and not facts.own_server:
        yield Finding(impact=Impact.LIMITED, message="closed", evidence=evidence)
    elif facts.paused_until is not None and facts.paused_until > ctx.collected_at:
        evidence["until"] = Instant(facts.paused_until)
        yield Finding(impact=Impact.NOTE, when=When.LATER, message="paused", evidence=evidence)
    elif facts.switched_off:
        # Others may install for it: host.updates sees whether anybody does.
        yield Finding(impact=Impact.NOTE, when=When.LATER, message="off", evidence=evidence)
    else:
        yield Passed(evidence=evidence)


windows_update_policy = Probe(
    id="windows.update-policy",
    title="Windows looks for its updates by itself",
    check=check,
    levels=NoLevels(),
    messages={
        "service": "The service of Windows Update (wuauserv) is disabled.",
        "closed": "A policy keeps the machine from Windows Update, and names no other source of updates.",
        "paused": "Updates are paused until {until}.",
        "off": "A policy has switched automatic updates off.",
    },
    why="A machine that does not look for updates by itself is forgotten sooner or later.",
    remedy="Switch automatic updates on, with active hours that spare the clinic's work, or name who "
    "installs updates and how often.",
    verify="The Windows Update page of the settings shows when it last looked, and nothing that stops it.",
    references=("learn.microsoft.com: Manage additional Windows Update settings",),
)
