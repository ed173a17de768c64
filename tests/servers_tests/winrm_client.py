"""An unmodified pywinrm, and plain sockets, for the tests of the servers."""

from __future__ import annotations

import base64
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any
from xml.etree import ElementTree
from xml.etree.ElementTree import Element

import xmltodict
from winrm.protocol import Protocol

from tests.servers.winrm import Output, WinrmServer

PASSWORD = "correct horse"
ACCOUNTS = {"checkup": PASSWORD}
WQL = "http://schemas.microsoft.com/wbem/wsman/1/WQL"
WSMAN = "http://schemas.dmtf.org/wbem/wsman/1/wsman.xsd"
ENUMERATION = "http://schemas.xmlsoap.org/ws/2004/09/enumeration"


@dataclass
class Saying:
    """A machine that says the same whatever it is started as; `heard` is what it was given."""

    outputs: tuple[Output, ...] = (Output(stdout=b"ready\r\n", stderr=b"hm"),)
    heard: bytes = b""
    closed: bool = False

    def run(self, command: str, arguments: list[str], stdin: bytes) -> Iterator[Output]:
        self.heard = stdin
        try:
            yield from self.outputs
        finally:
            self.closed = True


def client(server: WinrmServer, transport: Any = "ntlm", **more: Any) -> Protocol:
    """Seals over HTTP; trusts the server's own certificate over HTTPS."""
    settings: dict[str, Any] = {
        "username": "checkup",
        "password": PASSWORD,
        "operation_timeout_sec": 1,
        "read_timeout_sec": 3,
        "proxy": None,
        "ca_trust_path": str(server.ca_file) if server.certificate else None,
        "message_encryption": "always" if transport == "ntlm" and not server.certificate else "auto",
    }
    return Protocol(server.url, transport=transport, **(settings | more))


@contextmanager
def command(protocol: Protocol, stdin: bytes | None = b"data") -> Iterator[tuple[str, str]]:
    """The ids of a shell and of a command in it that was given its input."""
    shell = protocol.open_shell()
    started = protocol.run_command(shell, "powershell.exe", ["-Command", "-"], False, skip_cmd_shell=True)
    if stdin is not None:
        protocol.send_command_input(shell, started, stdin, end=True)
    yield shell, started
    protocol.cleanup_command(shell, started)
    protocol.close_shell(shell)


def query(protocol: Protocol, wql: str, *, namespace: str = "root/cimv2", most: int = 100) -> Element:
    """The answer to an Enumerate."""
    body = {
        "n:Enumerate": {
            "w:OptimizeEnumeration": None,
            "w:MaxElements": str(most),
            "w:Filter": {"@Dialect": WQL, "#text": wql},
        }
    }
    return _ask(protocol, "Enumerate", f"{namespace}/*", body)


def pull(protocol: Protocol, context: str, *, namespace: str = "root/cimv2", most: int = 100) -> Element:
    body = {"n:Pull": {"n:EnumerationContext": context, "n:MaxElements": str(most)}}
    return _ask(protocol, "Pull", f"{namespace}/*", body)


def release(protocol: Protocol, context: str) -> Element:
    return _ask(protocol, "Release", "root/cimv2/*", {"n:Release": {"n:EnumerationContext": context}})


def fragments(answer: Element) -> list[Element]:
    """The rows of a projection."""
    return list(answer.iter(f"{{{WSMAN}}}XmlFragment"))


def enumerate_class(protocol: Protocol, wmi_class: str) -> Element:
    body = {"n:Enumerate": {"w:OptimizeEnumeration": None, "w:MaxElements": "100"}}
    return _ask(protocol, "Enumerate", f"root/cimv2/{wmi_class}", body)


def _ask(protocol: Protocol, operation: str, path: str, body: dict[str, Any]) -> Element:
    uri = f"http://schemas.microsoft.com/wbem/wsman/1/wmi/{path}"
    header = protocol.build_wsman_header(f"{ENUMERATION}/{operation}", uri)
    message = {"env:Envelope": header | {"env:Body": body}}
    return ElementTree.fromstring(protocol.send_message(xmltodict.unparse(message)))


def post(server: WinrmServer, body: bytes, **headers: str) -> bytes:
    """Everything that comes back over one plain connection, which the client never closes."""
    login = base64.b64encode(f"checkup:{PASSWORD}".encode()).decode()
    given = {"Host": "ws-3", "Authorization": f"Basic {login}", "Content-Type": "application/soap+xml"}
    lines = [f"{name}: {value}" for name, value in {**given, **headers}.items()]
    head = "\r\n".join(["POST /wsman HTTP/1.1", *lines, f"Content-Length: {len(body)}", "", ""]).encode()
    with socket.create_connection(("127.0.0.1", server.port), timeout=5) as connection:
        connection.sendall(head + body)
        received = b""
        while not _whole(received) and (data := connection.recv(65536)):
            received += data
    return received


def _whole(received: bytes) -> bool:
    head, found, body = received.partition(b"\r\n\r\n")
    length = next((int(line[15:]) for line in head.split(b"\r\n") if line.startswith(b"Content-Length:")), 0)
    return bool(found) and len(body) >= length
