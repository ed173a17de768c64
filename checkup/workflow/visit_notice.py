"""What the client's IS staff is told around a visit: beforehand on one page, and afterwards what ran."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from checkup.report.document import Block, Commands, Part, Points, Table, Text
from checkup.workflow.access_documents import ACCOUNT, accounts, way_in
from checkup.workflow.access_needs import SiteNeeds

NOT_SENT = "nothing is sent"


@dataclass(frozen=True, kw_only=True)
class Sent:
    """One command of a run, as the ledger has it; times as they shall be printed."""

    host: str
    began: str
    ended: str
    sent_bytes: int
    returned_bytes: int | None
    sha256: str
    outcome: str


def notice_parts(
    needs: SiteNeeds, hashes: Mapping[str, str], source: str, *, hashes_are_final: bool
) -> Iterator[Part]:
    """The notice. `hashes` are those of each host's script."""
    rows = tuple(
        (one.host, way_in(one), one.account or "nobody logs in", hashes.get(one.host, NOT_SENT))
        for one in needs.machines
    )
    blocks: list[Block] = [
        Table(
            heads=("Machine", "Way in", "Account", "SHA-256 of the script"),
            rows=rows,
            widths=("name", "long", "name", "rest"),
        )
    ]
    if not hashes_are_final:
        blocks.append(
            Text(
                "A script holds the moment from which on it counts events: that of the last visit. "
                "Machines without one yet count from thirty days before, so their scripts, and hashes, are "
                "those of the day of the visit."
            )
        )
    if needs.untouched:
        blocks.append(Text(f"Not touched, not even connected to: {', '.join(needs.untouched)}."))
    yield Part(heading="What will be read, and by which script", blocks=tuple(blocks))
    yield Part(heading="What your logs and your protection will show", blocks=tuple(_expected(needs, source)))


def how_to_stop(needs: SiteNeeds, person: str) -> str:
    used = ", ".join(accounts(needs.machines))
    disable = f"disable the account ({used}) or " if used else ""
    return (
        f"Call {person}. Or {disable}close the firewall: the check-up keeps what it has, and tries no "
        "password again."
    )


def _expected(needs: SiteNeeds, source: str) -> Iterator[Block]:
    where = f" from {source}" if source else ""
    transports = {(one.platform, one.transport) for one in needs.machines}
    points: list[str] = []
    if ("windows", "winrm") in transports:
        points += [
            f"Security 4624, log-on type 3 (network), by the account{where}, and 4634; one or two for each "
            "machine",
            "Security 4672 beside it where the account is an administrator at that time",
            "Microsoft-Windows-WinRM/Operational 91 (a shell is created) and 6, 8, 15, 16 around it",
        ]
    if ("windows", "ssh") in transports:
        points.append(f"OpenSSH/Operational 4: the log-on of the account{where}; Security 4624")
    if needs.windows:
        points += [
            "Windows PowerShell 400 and 403 (engine started, stopped) and, where they are switched on, "
            "Microsoft-Windows-PowerShell/Operational 4103 and 4104: the script's whole text is logged there",
            "where process creation is audited (Security 4688): powershell.exe, started by winrshost.exe or "
            "sshd.exe, with a readable command line; nothing is encoded",
            "protection software may report a remote PowerShell. The script can be approved by its SHA-256 "
            "above; if it is blocked on the first machine, the others are not tried",
        ]
    if ("posix", "ssh") in transports:
        points.append(
            f"on Linux: sshd 'Accepted' for the account{where}, and one session of sh that ends by itself"
        )
    if any(one.transport == "bundle" for one in needs.machines):
        points.append("where a script is run by hand: the account of whoever runs it")
    yield Points(tuple(points) or ("nothing: no machine is connected to",))


def after_parts(needs: SiteNeeds, sent: Sequence[Sent], by_hand: Sequence[str]) -> Iterator[Part]:
    """What ran in a run, and what is to be taken back now. `by_hand`: hosts whose answer was brought."""
    rows = tuple(
        (
            one.host,
            f"{one.began} to {one.ended}",
            f"{one.sent_bytes:,} / "
            f"{'no end seen' if one.returned_bytes is None else f'{one.returned_bytes:,}'}",
            one.outcome or "not known",
            one.sha256,
        )
        for one in sent
    )
    if rows:
        ran: list[Block] = [
            Table(
                heads=("Machine", "When", "Bytes sent / returned", "Ended", "SHA-256 of the script"),
                rows=rows,
                widths=("name", "name", "short", "short", "rest"),
            )
        ]
    else:
        ran = [Text("Nothing was sent to any machine.")]
    if by_hand:
        ran.append(Text(f"Run by you, and brought as a file: {', '.join(by_hand)}."))
    yield Part(heading="What ran", blocks=tuple(ran))
    yield Part(heading="What to take back now", blocks=tuple(_take_back(needs, {one.host for one in sent})))


def _take_back(needs: SiteNeeds, hosts: set[str]) -> Iterator[Block]:
    reached = [one for one in needs.machines if one.host in hosts]
    windows = [one for one in reached if one.platform == "windows"]
    linux = [one for one in reached if one.platform == "posix" and one.transport == "ssh"]
    if not (windows or linux):
        yield Text("Nothing: no account was used over the network.")
    for account in accounts(windows) or ((ACCOUNT,) if windows else ()):
        elevated = [one.host for one in windows if one.sections.get("administrator")]
        if elevated:
            yield Commands(
                f"Administrator for the visit, if it was granted, on {', '.join(elevated)} (in PowerShell):",
                (f"Remove-LocalGroupMember -SID S-1-5-32-544 -Member '{account}'",),
            )
        yield Commands("The account, until the next visit:", (f"net user {account} /active:no /domain",))
    for account in accounts(linux):
        yield Commands(
            f"On Linux ({', '.join(one.host for one in linux)}):",
            (f"usermod --lock --expiredate 1 {account}",),
        )
    if windows or linux:
        yield Text(
            "Groups, WMI rights and firewall rules of the access request can stay for the next visit: "
            "without the account they let nobody in. The access request says how each is taken back."
        )
