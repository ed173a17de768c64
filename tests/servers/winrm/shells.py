"""Remote shells: Create, Command, Send, Receive, Signal and Delete ([MS-WSMV] 3.1.4.10 to 3.1.4.17)."""

from __future__ import annotations

import base64
import binascii
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Literal
from xml.sax.saxutils import escape, quoteattr

from . import faults
from .faults import Refused
from .programs import Killed, Machine, Nothing, Program
from .soap import PREFIXES, SHELL, TRANSFER, Message, new_id

RESOURCE = SHELL + "/cmd"
RECEIVE_BYTES = 32 * 1024  # what one Receive brings at most
_ENVELOPE_OVERHEAD_BYTES = 4096

Access = Literal["allowed", "denied", "off"]


@dataclass(frozen=True)
class Quotas:
    """What one account may have open, and the largest request."""

    shells: int
    operations: int
    request_bytes: int


OLD_QUOTAS = Quotas(shells=5, operations=15, request_bytes=150 * 1024)  # Windows 7, 2008 R2
NEW_QUOTAS = Quotas(shells=30, operations=1500, request_bytes=500 * 1024)


@dataclass
class Shell:
    shell_id: str
    owner: str
    options: dict[str, str]
    environment: dict[str, str]
    working_directory: str
    idle_timeout: str
    input_streams: str
    output_streams: str
    programs: dict[str, Program] = field(default_factory=dict[str, Program])
    # [MS-WSMV] 3.1.4.1.34: a text shell counts its commands until it is deleted, ended ones too.
    operations: int = 0


class Shells:
    """The open shells of a machine. `programs` are all that were ever started, in order."""

    def __init__(
        self,
        machine: Machine,
        *,
        address: str,
        quotas: Quotas,
        old: bool,
        access: Access,
        wait_s: float | None,
        report: Callable[[BaseException], None],
    ) -> None:
        self.open: dict[str, Shell] = {}
        self.programs: list[Program] = []
        self.access = access
        self._machine = machine
        self._address = address
        self._quotas = quotas
        self._old = old
        self._wait_s = wait_s
        self._report = report
        self._lock = threading.Lock()

    def answer(self, message: Message, account: str) -> tuple[str, str]:
        """The action and body of the answer. Raises Refused."""
        if message.action == f"{TRANSFER}/Create":
            return f"{message.action}Response", self._create(message, account)
        shell = self._shell(message, account)
        if message.action == f"{TRANSFER}/Delete":
            self._drop(shell)
            return f"{message.action}Response", ""
        operations = {
            "Command": self._command,
            "Send": self._send,
            "Receive": self._receive,
            "Signal": self._signal,
        }
        operation = operations.get(message.operation)
        if operation is None or message.action != f"{SHELL}/{message.operation}":
            raise Refused(faults.ACTION_NOT_SUPPORTED)
        return f"{message.action}Response", operation(message, shell)

    def lose(self) -> None:
        """All shells go, as when the service is restarted."""
        for shell in list(self.open.values()):
            self._drop(shell)

    def end(self) -> None:
        """Nothing that was started runs on."""
        self.lose()
        for program in self.programs:
            program.kill()
        for program in self.programs:
            program.join()

    def _drop(self, shell: Shell) -> None:
        self.open.pop(shell.shell_id, None)
        for program in shell.programs.values():
            program.kill()

    def _shell(self, message: Message, account: str) -> Shell:
        shell_id = message.selectors.get("ShellId", "")
        shell = self.open.get(shell_id)
        if shell is None or shell.owner.lower() != account.lower():
            raise Refused(faults.unknown_shell(shell_id))
        return shell

    def _create(self, message: Message, account: str) -> str:
        if self.access == "off":
            raise Refused(faults.SHELLS_NOT_ALLOWED)
        if self.access == "denied":
            raise Refused(faults.ACCESS_DENIED)
        asked = message.body.find("rsp:Shell", PREFIXES)
        if asked is None:
            raise Refused(faults.INVALID_BODY)
        shell = Shell(
            shell_id=new_id(),
            owner=account,
            options=dict(message.options),
            environment={
                variable.get("Name", ""): variable.text or ""
                for variable in asked.findall("rsp:Environment/rsp:Variable", PREFIXES)
            },
            working_directory=asked.findtext("rsp:WorkingDirectory", "", PREFIXES),
            idle_timeout=asked.findtext("rsp:IdleTimeOut", "PT7200.000S", PREFIXES),
            input_streams=asked.findtext("rsp:InputStreams", "", PREFIXES),
            output_streams=asked.findtext("rsp:OutputStreams", "", PREFIXES),
        )
        with self._lock:
            if (
                sum(other.owner.lower() == account.lower() for other in self.open.values())
                >= self._quotas.shells
            ):
                raise Refused(faults.too_many_shells(self._quotas.shells, old=self._old))
            self.open[shell.shell_id] = shell
        return self._created(shell)

    def _created(self, shell: Shell) -> str:
        environment = "".join(
            f"<rsp:Variable Name={quoteattr(name)}>{escape(value)}</rsp:Variable>"
            for name, value in shell.environment.items()
        )
        directory = escape(shell.working_directory)
        return (
            f"<x:ResourceCreated><a:Address>{self._address}</a:Address><a:ReferenceParameters>"
            f"<w:ResourceURI>{RESOURCE}</w:ResourceURI><w:SelectorSet>"
            f'<w:Selector Name="ShellId">{shell.shell_id}</w:Selector></w:SelectorSet>'
            f'</a:ReferenceParameters></x:ResourceCreated><rsp:Shell xmlns:rsp="{SHELL}">'
            f"<rsp:ShellId>{shell.shell_id}</rsp:ShellId><rsp:ResourceUri>{RESOURCE}</rsp:ResourceUri>"
            f"<rsp:Owner>{escape(shell.owner)}</rsp:Owner><rsp:ClientIP>127.0.0.1</rsp:ClientIP>"
            + (f"<rsp:Environment>{environment}</rsp:Environment>" if environment else "")
            + (f"<rsp:WorkingDirectory>{directory}</rsp:WorkingDirectory>" if directory else "")
            + f"<rsp:IdleTimeOut>{escape(shell.idle_timeout)}</rsp:IdleTimeOut>"
            f"<rsp:InputStreams>{escape(shell.input_streams)}</rsp:InputStreams>"
            f"<rsp:OutputStreams>{escape(shell.output_streams)}</rsp:OutputStreams>"
            "<rsp:ShellRunTime>P0DT0H0M0S</rsp:ShellRunTime>"
            "<rsp:ShellInactivity>P0DT0H0M0S</rsp:ShellInactivity></rsp:Shell>"
        )

    def _command(self, message: Message, shell: Shell) -> str:
        line = message.body.find("rsp:CommandLine", PREFIXES)
        command = "" if line is None else line.findtext("rsp:Command", "", PREFIXES)
        if line is None or not command:
            raise Refused(faults.INVALID_BODY)
        with self._lock:
            mine = sum(other.operations for other in self.open.values() if other.owner == shell.owner)
            if mine >= self._quotas.operations:
                raise Refused(faults.too_many_operations(self._quotas.operations, old=self._old))
            shell.operations += 1
        arguments = [argument.text or "" for argument in line.findall("rsp:Arguments", PREFIXES)]
        try:
            program = Program(self._machine, command, arguments, message.options, self._report)
        except FileNotFoundError as error:
            raise Refused(faults.FILE_NOT_FOUND) from error
        command_id = new_id()
        self.programs.append(program)
        shell.programs[command_id] = program
        return f"<rsp:CommandResponse><rsp:CommandId>{command_id}</rsp:CommandId></rsp:CommandResponse>"

    def _send(self, message: Message, shell: Shell) -> str:
        streams = message.body.findall("rsp:Send/rsp:Stream", PREFIXES)
        if not streams:
            raise Refused(faults.INVALID_BODY)
        for stream in streams:
            program = _program(shell, stream.get("CommandId", ""))
            if stream.get("Name") != "stdin":
                raise Refused(faults.INVALID_PARAMETER)
            if not program.reads_input or program.ended or program.input_ended:
                raise Refused(faults.PIPE_CLOSED)
            try:
                data = base64.b64decode(stream.text or "", validate=True)
            except binascii.Error as error:
                raise Refused(faults.INVALID_BODY) from error
            program.send(data, end=stream.get("End", "").lower() == "true")
        return "<rsp:SendResponse/>"

    def _receive(self, message: Message, shell: Shell) -> str:
        desired = message.body.find("rsp:Receive/rsp:DesiredStream", PREFIXES)
        if desired is None:
            raise Refused(faults.INVALID_BODY)
        command_id = desired.get("CommandId", "")
        if not command_id:
            raise Refused(faults.INVALID_PARAMETER)
        program = _program(shell, command_id)
        if program.told:
            raise Refused(faults.UNKNOWN_COMMAND)
        wait_s = message.timeout_s if self._wait_s is None else self._wait_s
        room = min(RECEIVE_BYTES, (message.most_bytes - _ENVELOPE_OVERHEAD_BYTES) * 3 // 4)
        try:
            pieces, ended = program.receive(wait_s, room)
        except Nothing as error:
            raise Refused(faults.TIMED_OUT) from error
        except Killed as error:
            raise Refused(faults.ABORTED) from error
        said = ""
        for name, data in pieces:
            encoded = base64.b64encode(data).decode()
            said += f'<rsp:Stream Name="{name}" CommandId="{command_id}">{encoded}</rsp:Stream>'
        state = f'<rsp:CommandState CommandId="{command_id}" State="{SHELL}/CommandState'
        if ended:
            for name in ("stdout", "stderr"):
                said += f'<rsp:Stream Name="{name}" CommandId="{command_id}" End="true"></rsp:Stream>'
            said += f'{state}/Done"><rsp:ExitCode>{program.exit_code}</rsp:ExitCode></rsp:CommandState>'
        else:
            said += f'{state}/Running"></rsp:CommandState>'
        return f"<rsp:ReceiveResponse>{said}</rsp:ReceiveResponse>"

    def _signal(self, message: Message, shell: Shell) -> str:
        signal = message.body.find("rsp:Signal", PREFIXES)
        if signal is None:
            raise Refused(faults.INVALID_BODY)
        command_id = signal.get("CommandId", "")
        program = _program(shell, command_id)
        code = signal.findtext("rsp:Code", "", PREFIXES).rsplit("/", 1)[-1]
        if code not in ("terminate", "ctrl_c", "ctrl_break"):
            raise Refused(faults.INVALID_PARAMETER)
        program.kill()
        if code == "terminate":
            del shell.programs[command_id]
        return "<rsp:SignalResponse/>"


def _program(shell: Shell, command_id: str) -> Program:
    program = shell.programs.get(command_id)
    if program is None:
        raise Refused(faults.UNKNOWN_COMMAND)
    return program
