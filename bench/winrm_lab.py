"""Windows machines behind real WinRM messages, in a process of their own: no PowerShell runs anywhere.

`python -m bench.winrm_lab MACHINES SECTIONS DELAY_MS` prints the ports as JSON and ends with its input.
What a machine would compute costs nothing here; its start of PowerShell, half a second and more in
life, does not happen. A delay is spent before each answer.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

ACCOUNT, PASSWORD = "checkup", "bench"
ANSWER = {"rows": [{"name": f"value {number}", "size": number * 1024} for number in range(8)]}


@contextmanager
def winrm_lab(machines: int, sections: list[str], delay_ms: float = 0) -> Iterator[list[int]]:
    """The ports of running machines that know these sections."""
    command = [sys.executable, "-m", "bench.winrm_lab", str(machines), json.dumps(sections), str(delay_ms)]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert process.stdin is not None and process.stdout is not None
    try:
        yield json.loads(process.stdout.readline())
    finally:
        process.stdin.close()
        process.wait(20)


def _main(machines: int, sections: list[str], delay_ms: float) -> None:
    from tests.servers.windows_machine import WindowsMachine
    from tests.servers.winrm import Output, WinrmServer

    class Machine(WindowsMachine):
        """Answers our batch, and whatever else is run with a line."""

        def before_input(self, command: str, arguments: list[str]) -> Iterator[Output] | None:
            return None

        def run(self, command: str, arguments: list[str], stdin: bytes) -> Iterator[Output]:
            if stdin:
                return super().run(command, arguments, stdin)
            return iter([Output(stdout=json.dumps(ANSWER).encode(), exit_code=0)])

    with ExitStack() as running:
        ports: list[int] = []
        for number in range(machines):
            machine = Machine(
                name=f"WS-{number}",
                version="10" if number % 2 else "7",
                guid=f"5c1d0f5e-8a3b-4f21-9d61-{number:012x}",
                sections=dict.fromkeys(sections, ANSWER),
            )
            server = WinrmServer(machine, {ACCOUNT: PASSWORD}, delay_s=delay_ms / 1000)
            ports.append(running.enter_context(server).port)
        print(json.dumps(ports), flush=True)
        sys.stdin.read()


if __name__ == "__main__":
    _main(int(sys.argv[1]), json.loads(sys.argv[2]), float(sys.argv[3]))
