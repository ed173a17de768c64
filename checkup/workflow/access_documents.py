"""The access request: what the client's IS staff is asked to grant, level by level, and to take back.

Sources of the settings, all from Microsoft's documentation: groups and their SIDs (Well-known SIDs),
`Enable-ServerManagerStandardUserRemoting` (Windows Server 2012 and newer), the access control of WinRM
(`winrm configSDDL`), of WMI namespaces (WMI Control) and of the service manager (`sc sdset`, KB 907460),
the filtered token of local accounts (KB 951016).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from checkup.api import Rights
from checkup.report.document import Block, Commands, Part, Points, Table, Text
from checkup.workflow.access_needs import MachineNeeds, SiteNeeds
from checkup.workflow.access_sql import sql_parts

ACCOUNT = "CLINIC\\checkup"  # where the site file names none yet

# What a right is called, and the group that brings it: name and SID, for it is translated.
GROUPS: dict[Rights, tuple[str, str]] = {
    "user": ("Remote Management Users", "S-1-5-32-580"),
    "event-log-reader": ("Event Log Readers", "S-1-5-32-573"),
    "performance-monitor-user": ("Performance Monitor Users", "S-1-5-32-558"),
}
NAMES: dict[Rights, str] = {
    "user": "an ordinary account",
    "event-log-reader": "member of Event Log Readers",
    "performance-monitor-user": "member of Performance Monitor Users",
    "service-rights": "may list all services",
    "administrator": "local administrator",
}
MOST_TITLES = 40


def request_parts(needs: SiteNeeds, source: str) -> Iterator[Part]:
    """The request. `source` is the address that the check-up comes from, "" where that is not known."""
    yield _machines(needs)
    if needs.by("winrm"):
        yield _winrm(needs, source)
    if any(one.transport == "ssh" for one in needs.windows):
        yield _ssh_on_windows(needs, source)
    remote = [one for one in needs.windows if one.transport not in ("bundle", "local")]
    if remote:
        yield _level_0(needs, remote)
        yield _level_1()
    if needs.needing("administrator"):
        yield _level_2(needs)
    if any(one.transport == "bundle" for one in needs.machines):
        yield _by_hand(needs)
    if any(one.transport == "ssh" for one in needs.posix):
        yield _linux(needs, source)
    yield from sql_parts(needs)
    yield _what_is_lost(needs)
    yield _promises(needs)


def accounts(machines: Sequence[MachineNeeds]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(one.account for one in machines if one.account))


# --- the machines -------------------------------------------------------------------------------


def _machines(needs: SiteNeeds) -> Part:
    rows = tuple(
        (one.host, one.title or _kind(one), way_in(one), one.account or "nobody logs in", _level(one))
        for one in needs.machines
    )
    blocks: list[Block] = [
        Table(
            heads=("Machine", "What it is", "Way in", "Account", "Right needed for everything"),
            rows=rows,
            widths=("name", "name", "rest", "name", "rest"),
        )
    ]
    if needs.untouched:
        blocks.append(Text(f"Never touched, not even connected to: {', '.join(needs.untouched)}."))
    return Part(heading="The machines, and what each check-up needs there", blocks=tuple(blocks))


def way_in(machine: MachineNeeds) -> str:
    where = f" at {machine.address}" if machine.address else ""
    match machine.transport:
        case "winrm":
            how = "HTTPS" if machine.encrypted else "HTTP, each message encrypted by the login"
            return f"WinRM{where}, TCP {machine.port} ({how}, {machine.login})"
        case "ssh":
            return f"SSH{where}, TCP {machine.port}"
        case "bundle":
            return "none: a script is run there by hand"
        case _:
            return "none: the check-up runs on it"


def _kind(machine: MachineNeeds) -> str:
    return "Windows" if machine.platform == "windows" else "Linux or Unix"


def _level(machine: MachineNeeds) -> str:
    if machine.platform == "posix":
        return "; ".join(machine.remarks) or NAMES["user"]
    if "administrator" not in machine.rights:
        return "; ".join(NAMES[right] for right in machine.rights) or NAMES["user"]
    return "level 0 for most; level 2 (local administrator) for everything"


# --- ways in ------------------------------------------------------------------------------------


def _winrm(needs: SiteNeeds, source: str) -> Part:
    machines = needs.by("winrm")
    ports = sorted({one.port for one in machines if one.port})
    from_ = source or "ADDRESS-OF-THE-CHECK-UP"
    blocks: list[Block] = [
        Text(
            f"On {_names(machines)}. Servers from 2012 on have Windows Remote Management switched on; "
            "workstations have it off. In a domain a group policy does the same for all of them: Windows "
            "Remote Management service, Allow remote server management; Windows Firewall, inbound rule."
        ),
        Commands(
            "Where it is off, switch it on, in an administrator's Command Prompt (`winrm quickconfig` "
            "would also open the firewall to more than the check-up needs):",
            (
                "sc.exe config WinRM start= auto",
                "sc.exe start WinRM",
                "winrm create winrm/config/Listener?Address=*+Transport=HTTP",
            ),
        ),
        Commands(
            "Let only the check-up's address in (these rules are the only ones that are needed):",
            tuple(
                f'netsh advfirewall firewall add rule name="checkup {port}" dir=in action=allow protocol=TCP '
                f"localport={port} remoteip={from_}"
                for port in ports
            ),
        ),
    ]
    if any(one.encrypted for one in machines):
        blocks.append(
            Text(
                "The HTTPS listener needs a certificate of the machine. Send us the certificate of its "
                "authority, or, of a self-signed one, its SHA-256 fingerprint; it is checked at each "
                "connection."
            )
        )
    blocks += [
        Commands("To verify:", ("winrm enumerate winrm/config/listener", "winrm get winrm/config/service")),
        Commands(
            "To take back (the last three only where it was off before):",
            (
                *(f'netsh advfirewall firewall delete rule name="checkup {port}"' for port in ports),
                "winrm delete winrm/config/Listener?Address=*+Transport=HTTP",
                "sc.exe stop WinRM",
                "sc.exe config WinRM start= demand",
            ),
        ),
        Text(
            "Not asked for, and please do not set it: AllowUnencrypted, Basic over HTTP, TrustedHosts, "
            "CredSSP, LocalAccountTokenFilterPolicy."
        ),
    ]
    return Part(heading="The way in: Windows Remote Management", blocks=tuple(blocks))


def _ssh_on_windows(needs: SiteNeeds, source: str) -> Part:
    machines = [one for one in needs.windows if one.transport == "ssh"]
    ports = sorted({one.port for one in machines if one.port})
    return Part(
        heading="The way in: OpenSSH on Windows",
        blocks=(
            Text(
                f"On {_names(machines)}: the optional feature OpenSSH Server, TCP port "
                f"{', '.join(map(str, ports))}, open for {source or 'the address of the check-up'} only. "
                "Any shell will do; nothing is copied to the machine. To take back: stop and disable the "
                "service sshd."
            ),
        ),
    )


# --- levels -------------------------------------------------------------------------------------


def _level_0(needs: SiteNeeds, machines: Sequence[MachineNeeds]) -> Part:
    account = (accounts(machines) or (ACCOUNT,))[0]
    wanted: list[Rights] = [right for right in GROUPS if right == "user" or _any(machines, right)]
    services = _any(machines, "service-rights")
    blocks: list[Block] = [
        Text(
            f"One account for the check-up alone ({account}), an ordinary user, no administrator, with a "
            "long password that is changed or the account disabled between visits. In these groups on each "
            "machine:"
        ),
        Table(
            heads=("Group", "SID (the name is translated)", "What it is for"),
            rows=tuple((GROUPS[right][0], GROUPS[right][1], _purpose(right)) for right in wanted),
            widths=("long", "long", "rest"),
        ),
        Commands(
            "To grant, in PowerShell, on Windows 10, Server 2016 and newer:",
            tuple(f"Add-LocalGroupMember -SID {GROUPS[right][1]} -Member '{account}'" for right in wanted),
        ),
        Commands(
            "On older Windows (before 8 and Server 2012 the first group does not exist: grant level 2 "
            "there):",
            tuple(f'net localgroup "{GROUPS[right][0]}" "{account}" /add' for right in wanted),
        ),
        Commands(
            "On servers from 2012 on one step does these groups, the first WMI namespace and the services, "
            "and one takes all of it back:",
            (
                f"Enable-ServerManagerStandardUserRemoting -User '{account}'",
                f"Disable-ServerManagerStandardUserRemoting -User '{account}'",
            ),
        ),
        Text(
            "WMI namespaces, of which the checks read these (wmimgmt.msc, WMI Control, Properties, "
            "Security: add the account with Enable Account and Remote Enable; a namespace that a machine "
            "lacks is left out):"
        ),
        Points(needs.namespaces),
    ]
    if needs.by("winrm"):
        blocks += [
            Text(
                "Starting PowerShell through WinRM needs more than the group: Read and Execute in the "
                "access list of the WinRM service itself (its RootSDDL). Without it the core facts are "
                "still asked from WMI, and the report names what is missing."
            ),
            Commands(
                "Note the old value, then add the account with Read and Execute in the window that opens:",
                ("winrm get winrm/config/service", "winrm configSDDL default"),
            ),
            Commands(
                "To take back, in PowerShell, with the value that was noted:",
                ("Set-Item WSMan:\\localhost\\Service\\RootSDDL -Value 'OLD VALUE' -Force",),
            ),
        ]
    if services:
        blocks += [
            Text(
                f"Services, on {_names([one for one in machines if one.sections.get('service-rights')])}: "
                "over the network only administrators may list them. The step for servers above does it; "
                "elsewhere:"
            ),
            Commands(
                "Note the old value, and set it with the account's entry added behind D: (its SID is told by "
                "`whoami /user`):",
                (
                    "sc.exe sdshow scmanager",
                    "sc.exe sdset scmanager D:(A;;CCLCRPRC;;;SID-OF-THE-ACCOUNT)REST-OF-THE-OLD-VALUE",
                ),
            ),
            Commands("To take back:", ("sc.exe sdset scmanager OLD-VALUE",)),
        ]
    blocks += [
        Commands(
            "To verify, in PowerShell, as the account, from any machine that may connect:",
            (
                "winrs -r:MACHINE whoami /groups",
                "Get-WmiObject Win32_OperatingSystem -Namespace root\\cimv2 -ComputerName MACHINE",
            ),
        ),
        Commands(
            "To take the groups back, in PowerShell:",
            tuple(f"Remove-LocalGroupMember -SID {GROUPS[right][1]} -Member '{account}'" for right in wanted),
        ),
    ]
    return Part(heading="Level 0: an account that only reads the inventory", blocks=tuple(blocks))


def _purpose(right: Rights) -> str:
    match right:
        case "user":
            return "to log in through WinRM or WMI at all"
        case "event-log-reader":
            return "errors, restarts and crashes since the last visit, as counts; no texts of messages"
        case _:
            return "load, memory, and how fast disks and shares have been"


def _level_1() -> Part:
    return Part(
        heading="Level 1: a restricted endpoint (for your information)",
        blocks=(
            Text(
                "Just Enough Administration could offer our functions under a virtual account, with "
                "transcripts, and no administrator would be needed. This version of the check-up cannot "
                "use such an endpoint (it starts PowerShell through the WinRM service, not through "
                "PowerShell remoting), so nothing is asked for here. Please never make one on a domain "
                "controller for it: the virtual account would be a domain administrator."
            ),
        ),
    )


def _level_2(needs: SiteNeeds) -> Part:
    machines = needs.needing("administrator")
    remote = [one for one in machines if one.transport not in ("bundle", "local")]
    account = (accounts(remote) or (ACCOUNT,))[0]
    return Part(
        heading="Level 2: an administrator for the hours of a visit",
        blocks=(
            Text(
                f"Some facts Windows shows to administrators only (on {_names(machines)}). If you want them "
                "checked, make the account a local administrator for the hours of the visit, and take that "
                "back afterwards. If not, the report says of each of these that it was not checked:"
            ),
            Points(needs.lost_without("administrator")),
            Commands(
                "To grant for the visit:", (f"Add-LocalGroupMember -SID S-1-5-32-544 -Member '{account}'",)
            ),
            Commands(
                "To take back after it:", (f"Remove-LocalGroupMember -SID S-1-5-32-544 -Member '{account}'",)
            ),
            Commands("To verify that it is taken back:", ("Get-LocalGroupMember -SID S-1-5-32-544",)),
            Text(
                "A local account (other than the built-in Administrator) has no administrator's rights "
                "over the network: Windows filters them. Please use an account of the domain rather than "
                "switching that filter off."
            ),
        ),
    )


def _by_hand(needs: SiteNeeds) -> Part:
    machines = [one for one in needs.machines if one.transport == "bundle"]
    return Part(
        heading="By hand: a script that you run",
        blocks=(
            Text(
                f"On {_names(machines)} nobody logs in. You get a readable script for each, run it as an "
                "administrator (root on Linux) when it suits you, and send back the one file it writes. "
                "Its first lines explain it. Run by an ordinary user it works too; what that user may not "
                "see is reported as not checked."
            ),
        ),
    )


def _linux(needs: SiteNeeds, source: str) -> Part:
    machines = [one for one in needs.posix if one.transport == "ssh"]
    account = (accounts(machines) or ("checkup",))[0]
    remarks = tuple(dict.fromkeys(remark for one in machines for remark in one.remarks))
    where = source or "ADDRESS-OF-THE-CHECK-UP"
    return Part(
        heading="Linux",
        blocks=(
            Text(
                f"On {_names(machines)}: an ordinary account ({account}) with a shell and our public key, "
                "nothing else. The batch is read from standard input; no file is written."
            ),
            Commands(
                "To grant (the key is bound to the address it comes from):",
                (
                    f"useradd --create-home --shell /bin/sh {account}",
                    f"usermod --append --groups adm,systemd-journal {account}",
                    f"# in ~{account}/.ssh/authorized_keys, in front of the key that we send you:",
                    f'restrict,from="{where}" ssh-ed25519 ...',
                ),
            ),
            *([Text("More than that is needed for:"), Points(remarks)] if remarks else []),
            Commands("To verify:", (f"id {account}", f"last {account}")),
            Commands("To take back:", (f"usermod --lock --expiredate 1 {account}",)),
        ),
    )


# --- what it is good for ------------------------------------------------------------------------


def _what_is_lost(needs: SiteNeeds) -> Part:
    rows: list[tuple[str, str, str]] = []
    for right in NAMES:
        titles = needs.lost_without(right)
        if titles:
            more = f"; and {len(titles) - MOST_TITLES} more" if len(titles) > MOST_TITLES else ""
            where = _names(needs.needing(right))
            rows.append((NAMES[right], where, "; ".join(titles[:MOST_TITLES]) + more))
    if not rows:
        return Part(
            heading="What is lost without a right",
            blocks=(Text("Nothing: an ordinary account is enough for all checks of this site."),),
        )
    return Part(
        heading="What is lost without a right",
        blocks=(
            Text(
                "Nothing fails for the lack of a right: what could not be seen is reported as not checked, "
                "with the reason. These checks depend on:"
            ),
            Table(
                heads=("Right", "On", "Not checked without it"),
                rows=tuple(rows),
                widths=("name", "name", "rest"),
            ),
        ),
    )


def _promises(needs: SiteNeeds) -> Part:
    return Part(
        heading="What we promise",
        blocks=(
            Points(
                (
                    "The check-up only reads. Every command is listed in the report, byte for byte known "
                    "by its SHA-256, and may be seen beforehand.",
                    "One connection and one script for each machine; a wrong password is tried once, not "
                    "on all machines.",
                    "No patient data, no contents of documents, no texts of log messages leave a machine: "
                    "versions, counts, sizes and ages do.",
                    "Before each visit you get a notice with time, address, account and the scripts' hashes; "
                    "after it, what ran and what to take back.",
                )
            ),
        ),
    )


def _names(machines: Sequence[MachineNeeds]) -> str:
    return ", ".join(one.host for one in machines)


def _any(machines: Sequence[MachineNeeds], right: Rights) -> bool:
    return any(one.sections.get(right) for one in machines)
