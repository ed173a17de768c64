"""Bundles run by hand, without a PowerShell: what bundle.ps1 would do with the batches in a script."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from datetime import UTC, datetime

from checkup.batch.frames import Frame, encode_frame
from tests.servers.windows_machine import WindowsMachine
from tests.workflow.conftest import SITE

_BATCH = re.compile(rb"^& \{\n# A check-up of ([a-z0-9-]+), .*?^Goodbye\n\}\n", re.MULTILINE | re.DOTALL)
_MACHINES = re.compile(rb"^DeliverBundle '[a-z0-9-]+' ([0-9]+) \{", re.MULTILINE)

Answers = Callable[[bytes], bytes]


def batches(script: bytes) -> list[tuple[str, bytes]]:
    """The batches of a script, in order, each with the machine it is for."""
    return [(found[1].decode("ascii"), found[0]) for found in _BATCH.finditer(script)]


def by_winrm(machine: WindowsMachine) -> Answers:
    """The machine runs its batch."""

    def answer(script: bytes) -> bytes:
        return b"".join(output.stdout for output in machine.run("", [], script))

    return answer


def run_by_hand(script: bytes, machines: Mapping[str, Answers | str]) -> bytes:
    """The file that the script leaves. A text in place of a machine is its UNREACHED line."""
    announced = _MACHINES.search(script)
    assert announced is not None
    parts = [b"#CHECKUP-BUNDLE machines=" + announced[1]]
    done: set[str] = set()
    for name, batch in batches(script):
        if name in done:
            continue  # the second batch of a neighbour is for where the first could not be run
        done.add(name)
        machine = machines[name]
        said = f"#CHECKUP-UNREACHED {name} {machine}".encode() if isinstance(machine, str) else machine(batch)
        parts.append(said)
    # Out-File ends lines as Windows does.
    return b"\n".join(parts).replace(b"\n", b"\r\n")


def by_queries(script: bytes, name: str, sections: Mapping[str, bytes], *, uuid: str) -> bytes:
    """What a neighbour's batch answers that asks management classes, for `script` holding it."""
    _, batch = [one for one in batches(script) if one[0] == name][1]
    found = re.search(rb"^\$CheckupBatch = '([0-9a-f]{64})'$", batch, re.MULTILINE)
    assert found is not None
    hash_ = found[1].decode("ascii")
    hello = {
        "platform": "windows",
        "way": "wmi",
        "site": SITE,
        "endpoint": name,
        "batch": hash_,
        "identity": f"smbios-uuid:{uuid}",
        "utc": str(datetime.now(UTC).timestamp()),
    }
    lines = "".join(f"{key}={value}\n" for key, value in hello.items())
    frames = [Frame(kind="HELLO", payload=lines.encode())]
    frames += [
        Frame(kind="SECTION", target=name, section=section, version=1, payload=payload)
        for section, payload in sections.items()
    ]
    frames.append(Frame(kind="END", payload=b"frames=%d\n" % len(frames)))
    return b"".join(encode_frame(frame, hash_[:12]) for frame in frames)
