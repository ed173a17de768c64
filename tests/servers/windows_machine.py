"""A Windows machine that answers our batches from recorded facts: behind WinRM, behind SSH, or as a program.

There is no PowerShell in the tests, so nothing of a script is executed. The machine checks that the
batch was started as ours is, reads its token and its calls of Section, and prints what
`probes/powershell/boot.ps1` would print for the facts given, or fails the way real machines do.

As a program it stands in for powershell.exe: `python -m tests.servers.windows_machine --recording FILE`
with PowerShell's own arguments after it.
"""

from __future__ import annotations

import base64
import json
import math
import os
import re
import sys
import time
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field, fields
from datetime import UTC, datetime
from hashlib import sha1, sha256
from pathlib import Path
from typing import Any

from checkup.batch.powershell import (
    ARGUMENTS,
    BOOTSTRAP,
    LANGUAGE_MARK,
    PROGRAM,
    SSH_COMMAND,
    SSH_FIRST_LINE,
    batch_of,
)
from tests.servers.winrm import Output

REPOSITORY = Path(__file__).resolve().parents[2]
GROUP_BYTES = 32_000  # as in boot.ps1

_SECTION = re.compile(r"^Section '([^']+)' '([^']+)' ([0-9]+) ([0-9]+) @\{$", re.MULTILINE)
_HELLO = re.compile(r"^Hello '([^']+)' '([^']+)'$", re.MULTILINE)
_CHECKSUMS = re.compile(r"^\$CheckupChecksums = \$(true|false)$", re.MULTILINE)
_BATCH_LINE = re.compile(rb"^\$CheckupBatch = '[0-9a-f]{64}'\n", re.MULTILINE)
_WMI_CLASS = re.compile(r"(?:Win32|CIM|MSFT|MS[A-Z]\w*)_\w+|\w*Product")

CLIXML = "#< CLIXML\r\n"
_OBJECTS = '<Objs Version="1.1.0.1" xmlns="http://schemas.microsoft.com/powershell/2004/04">'
PROGRESS = (
    f'{CLIXML}{_OBJECTS}<Obj S="progress" RefId="0"><TN RefId="0"><T>System.Management.Automation.'
    'PSCustomObject</T><T>System.Object</T></TN><MS><I64 N="SourceId">1</I64><PR N="Record"><AV>Preparing'
    " modules for first use.</AV><AI>0</AI><Nil /><PI>-1</PI><PC>-1</PC><T>Completed</T><SR>-1</SR><SD> </SD>"
    "</PR></MS></Obj></Objs>"
)
_MALICIOUS = (
    "At line:1 char:1",
    "+ & {",
    "+ ~~~",
    "This script contains malicious content and has been blocked by your antivirus software.",
    "    + CategoryInfo          : ParserError: (:) [], ParentContainsErrorRecordException",
    "    + FullyQualifiedErrorId : ScriptContainedMaliciousContent",
)
_CUT_SCRIPT = (
    "Missing closing '}' in statement block or type definition.",
    "    + CategoryInfo          : ParserError: (:) [], ParentContainsErrorRecordException",
    "    + FullyQualifiedErrorId : MissingEndCurlyBrace",
)


@dataclass(frozen=True)
class _Release:
    number: str  # 10.0.22631
    kind: str  # client, server
    powershell: str
    revision: str = ""  # none where the registry of that release has no UBR

    @property
    def build(self) -> str:
        return self.number.rsplit(".", 1)[-1]


RELEASES: Mapping[str, _Release] = {
    "7": _Release("6.1.7601", "client", "2.0"),
    "2008r2": _Release("6.1.7601", "server", "2.0"),
    "8.1": _Release("6.3.9600", "client", "4.0"),
    "2012r2": _Release("6.3.9600", "server", "4.0", "22102"),
    "10": _Release("10.0.19045", "client", "5.1.19041.5007", "5011"),
    "11": _Release("10.0.22631", "client", "5.1.22621.4391", "4317"),
    "2016": _Release("10.0.14393", "server", "5.1.14393.7426", "7428"),
    "2019": _Release("10.0.17763", "server", "5.1.17763.6414", "6414"),
    "2022": _Release("10.0.20348", "server", "5.1.20348.2760", "2762"),
    "2025": _Release("10.0.26100", "server", "5.1.26100.1882", "1882"),
}


@dataclass
class WindowsMachine:
    """`sections`: section -> its raw data, or "target/section" where targets differ.

    `qualities`: section -> (quality, reason) of one that brings no data, or partial data. A section
    of which nothing is said is `unsupported`. `late` sections are answered as timed out by the machine
    itself after `late_s`; at a `stuck` one it hangs until it is killed, and with `dumb` before its first
    word. `pause_s` passes before each frame, which are printed one by one then. `cut_at`: only
    so many bytes come, and the program ends with exit code 1.
    """

    name: str = "WS-3"
    version: str = "10"
    sections: Mapping[str, Any] = field(default_factory=dict[str, Any])
    qualities: Mapping[str, tuple[str, str]] = field(default_factory=dict[str, "tuple[str, str]"])
    classes: Mapping[str, list[dict[str, Any]]] = field(default_factory=dict[str, "list[dict[str, Any]]"])
    late: tuple[str, ...] = ()
    late_s: float = 0
    stuck: tuple[str, ...] = ()
    dumb: bool = False
    language: str = "FullLanguage"
    slow_to_refuse: bool = False  # of another language: the whole input was taken before it says so
    antivirus: bool = False
    filtered: bool = False  # a local administrator, who has no more rights over the network than a user
    banner: str = ""  # before the first frame
    noise: str = ""  # after every frame
    cut_at: int | None = None
    pause_s: float = 0
    clock_offset_s: float = 0
    powershell: str = ""  # instead of the release's own
    codepage: int = 437
    user: str = "WS-3\\checkup"
    guid: str = "5c1d0f5e-8a3b-4f21-9d61-2b7f0c9a4e10"
    chatty: bool = True  # progress reports on standard error, as PowerShell's first start brings
    scripts: list[bytes] = field(default_factory=list[bytes])  # every batch that came, in order

    # --- behind WinRM

    def before_input(self, command: str, arguments: list[str]) -> Iterator[Output] | None:
        """Under a restricted language the program ends before it reads anything."""
        if command.lower() not in (PROGRAM, "powershell"):
            raise FileNotFoundError(command)
        if " ".join(arguments) != " ".join((*ARGUMENTS, BOOTSTRAP)):
            raise AssertionError(f"PowerShell was not started as our batch is: {arguments}")
        return self._refuse() if self.language != "FullLanguage" and not self.slow_to_refuse else None

    def run(self, command: str, arguments: list[str], stdin: bytes) -> Iterator[Output]:
        if self.language != "FullLanguage":
            return self._refuse()
        return self._answer(stdin, clixml=True)

    # --- behind SSH

    def over_ssh(self, command: str, stdin: bytes) -> Iterator[Output]:
        """What our one command line over SSH prints, given its whole standard input."""
        if command != SSH_COMMAND:
            raise AssertionError(f"PowerShell was not started as our batch is: {command}")
        if self.language != "FullLanguage":
            yield from self._refuse()
            return
        line, script = stdin[: len(SSH_FIRST_LINE)], stdin[len(SSH_FIRST_LINE) :]
        if line != SSH_FIRST_LINE:
            raise AssertionError(f"the first line is not ours: {line[:80]!r}")
        yield from self._answer(script, clixml=False)

    # --- management classes

    @property
    def instances(self) -> Mapping[tuple[str, str], list[dict[str, Any]]]:
        r"""For queries over WS-Management: what the recorded sections hold of them, and `classes`.

        A key of `classes` is a class of root\cimv2, or "namespace:class".
        """
        release = RELEASES[self.version]
        local = datetime.fromtimestamp(time.time() + self.clock_offset_s, UTC)
        system: dict[str, Any] = {
            "CSName": self.name,
            "Version": release.number,
            "BuildNumber": release.build,
            "ProductType": 1 if release.kind == "client" else 3,
            "LocalDateTime": f"{local:%Y%m%d%H%M%S.%f}+000",
        }
        found: dict[tuple[str, str], list[dict[str, Any]]] = {
            ("root\\cimv2", "Win32_OperatingSystem"): [system],
            ("root\\cimv2", "Win32_ComputerSystemProduct"): [{"UUID": self.guid.upper()}],
        }
        recorded = [raw for raw in self.sections.values() if isinstance(raw, dict)]
        for classes in (*recorded, self.classes):
            for name, rows in classes.items():
                namespace, _, wmi_class = name.rpartition(":")
                if not _WMI_CLASS.fullmatch(wmi_class) or not isinstance(rows, list):
                    continue
                key = (namespace or "root\\cimv2", wmi_class)
                known = found.get(key, [])
                found[key] = [
                    {**(known[at] if at < len(known) else {}), **row} for at, row in enumerate(rows)
                ]
        return found

    # --- the batch

    def _refuse(self) -> Iterator[Output]:
        yield Output(stdout=LANGUAGE_MARK + self.language.encode() + b"\r\n", exit_code=86)

    def _answer(self, script: bytes, *, clixml: bool) -> Iterator[Output]:
        self.scripts.append(script)
        if self.chatty and clixml:
            yield Output(stderr=PROGRESS.encode())
        if self.antivirus:
            yield Output(stderr=_errors(_MALICIOUS, clixml=clixml), exit_code=1)
        elif not script.startswith(b"& {\n") or not script.endswith(b"\n}\n"):
            yield Output(stderr=_errors(_CUT_SCRIPT, clixml=clixml), exit_code=1)
        elif self.dumb:
            yield Output(delay_s=math.inf)
        else:
            yield from self._cut(self._groups(script))

    def _cut(self, outputs: Iterator[Output]) -> Iterator[Output]:
        said = 0
        for output in outputs:
            if self.cut_at is not None and said + len(output.stdout) >= self.cut_at:
                rest = output.stdout[: self.cut_at - said]
                yield Output(stdout=rest, delay_s=output.delay_s, exit_code=1)
                return
            said += len(output.stdout)
            yield output

    def _groups(self, script: bytes) -> Iterator[Output]:
        noise = f"{self.noise}\r\n".encode(_code_page(self.codepage), "replace") if self.noise else b""
        waiting = self.banner.encode(_code_page(self.codepage), "replace")
        for delay_s, frame in self._frames(script):
            if delay_s and waiting:  # boot.ps1 prints what it has while a section takes its time
                yield Output(stdout=waiting)
                waiting = b""
            waiting += frame + noise
            if delay_s or len(waiting) >= GROUP_BYTES:
                yield Output(stdout=waiting, delay_s=delay_s)
                waiting = b""
        yield Output(stdout=waiting, exit_code=0)

    def _frames(self, script: bytes) -> Iterator[tuple[float, bytes]]:
        """(seconds that it takes, frame)."""
        batch = _checked_batch(script)
        text = script.decode("ascii")
        greeting, checks = _HELLO.search(text), _CHECKSUMS.search(text)
        if greeting is None or checks is None:
            raise AssertionError("the batch has no Hello, or no $CheckupChecksums")
        writer = _Writer(batch[:12], checksums=checks[1] == "true")
        nothing = "target=- section=- version=0"
        yield (
            self.pause_s,
            writer.frame("HELLO", nothing, "ok", "", self._hello(greeting[1], greeting[2], batch)),
        )
        for target, name, version, timeout_s in _SECTION.findall(text):
            if name in self.stuck:
                yield math.inf, b""
            status, reason, payload = self._section(target, name, int(timeout_s))
            about = f"target={target} section={name} version={version}"
            delay_s = self.late_s if name in self.late else self.pause_s
            yield delay_s, writer.frame("SECTION", about, status, reason, payload, spent_ms=12)
        end = f"frames={writer.count}\nutc={self._utc()}\n"
        yield self.pause_s, writer.frame("END", nothing, "ok", "", end)

    def _section(self, target: str, name: str, timeout_s: int) -> tuple[str, str, str]:
        if name in self.late:
            return "timeout", f"not done within {timeout_s} s", ""
        if self.filtered:
            return "denied", "UnauthorizedAccessException: Access is denied.", ""
        quality, reason = self.qualities.get(name, ("", ""))
        recorded = {**self.sections}
        raw = recorded.get(f"{target}/{name}", recorded.get(name))
        if raw is None:
            return quality or "unsupported", reason or "nothing was recorded", ""
        return quality or "ok", reason, json.dumps(raw, separators=(",", ":"))

    def _hello(self, site: str, endpoint: str, batch: str) -> str:
        release = RELEASES[self.version]
        pairs = {
            "protocol": "1",
            "platform": "windows",
            "site": site,
            "endpoint": endpoint,
            "batch": batch,
            "hostname": self.name,
            "kernel": f"Windows {release.number}",
            "os_id": release.kind,
            "os_version": f"{release.build}.{release.revision}",
            "identity": f"machine-guid:{self.guid}",
            "user": self.user,
            "elevated": "no" if self.filtered else "yes",
            "utc": self._utc(),
            "powershell": self.powershell or release.powershell,
            "language": self.language,
            "bits": "64",
            "codepage": str(self.codepage),
            "timeout": "yes",
        }
        return "".join(f"{key}={value}\n" for key, value in pairs.items())

    def _utc(self) -> str:
        return f"{time.time() + self.clock_offset_s:.3f}"


def _checked_batch(script: bytes) -> str:
    """The hash that the script carries, proven against the script as it arrived."""
    batch = batch_of(script)
    if sha256(_BATCH_LINE.sub(b"", script, count=1)).hexdigest() != batch:
        raise AssertionError("the batch did not arrive as it was assembled")
    return batch


@dataclass
class _Writer:
    """Frames as boot.ps1 writes them: always base64, in lines of 76 characters."""

    token: str
    checksums: bool
    count: int = 0

    def frame(
        self, kind: str, about: str, status: str, reason: str, payload: str, spent_ms: int = -1
    ) -> bytes:
        self.count += 1
        encoded = base64.b64encode(payload.encode("utf-8"))
        lines = b"\n".join(encoded[at : at + 76] for at in range(0, len(encoded), 76))
        checksum = f"sha1:{sha1(lines, usedforsecurity=False).hexdigest()}" if self.checksums else "-"
        header = (
            f"#CHECKUP {self.token} {kind} {about} status={status} ms={spent_ms} encoding=b64"
            f" bytes={len(lines)} cksum={checksum} reason={reason}"
        )
        return header.encode("ascii", "replace") + b"\n" + lines + b"\n"


def _errors(lines: tuple[str, ...], *, clixml: bool) -> bytes:
    if not clixml:
        return "".join(f"{line}\r\n" for line in lines).encode()
    nodes = "".join(f'<S S="Error">{line.replace("&", "&amp;")}_x000D__x000A_</S>' for line in lines)
    return f"{CLIXML}{_OBJECTS}{nodes}</Objs>".encode()


def _code_page(number: int) -> str:
    return "utf-8" if number == 65001 else f"cp{number}"


# --- as a program


def install(folder: Path, machine: WindowsMachine) -> Path:
    """Writes an executable `powershell.exe` that is this machine's; for the PATH of a real sshd."""
    folder.mkdir(parents=True, exist_ok=True)
    recording = folder / "recording.json"
    recording.write_text(json.dumps(asdict(machine) | {"scripts": []}), encoding="utf-8")
    program = folder / PROGRAM
    program.write_text(
        f"#!/bin/sh\nPYTHONPATH='{REPOSITORY}' exec '{sys.executable}' -m tests.servers.windows_machine"
        f" --recording '{recording}' \"$@\"\n",
        encoding="utf-8",
    )
    program.chmod(0o755)
    return program


def read_recording(path: Path) -> WindowsMachine:
    stored = json.loads(path.read_text(encoding="utf-8"))
    unknown = set(stored) - {each.name for each in fields(WindowsMachine)}
    if unknown:
        raise ValueError(f"{path}: a Windows machine has no {', '.join(sorted(unknown))}")
    stored["qualities"] = {name: tuple(value) for name, value in stored.get("qualities", {}).items()}
    return WindowsMachine(**stored)


def main(arguments: list[str]) -> int:
    """Reads standard input to its end, as PowerShell would, and answers on standard output."""
    if len(arguments) < 2 or arguments[0] != "--recording":
        raise SystemExit(
            "usage: python -m tests.servers.windows_machine --recording FILE [PowerShell's arguments]"
        )
    machine = read_recording(Path(arguments[1]))
    command = " ".join((PROGRAM, *arguments[2:]))
    stdin = b"" if machine.language != "FullLanguage" else sys.stdin.buffer.read()
    for output in machine.over_ssh(command if arguments[2:] else SSH_COMMAND, stdin):
        if output.delay_s:
            time.sleep(min(output.delay_s, 86_400))
        _write(1, output.stdout)
        _write(2, output.stderr)
        if output.exit_code is not None:
            return output.exit_code
    return 0


def _write(descriptor: int, data: bytes) -> None:
    while data:
        data = data[os.write(descriptor, data) :]


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
