"""An SSH server in this process: passwords, counted attempts, and trouble at chosen points."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field

import paramiko
from paramiko import common
from paramiko.server import InteractiveQuery

Handler = Callable[[paramiko.Channel, bytes], None]
"""What answers a batch: gets the channel, and the whole script from its standard input."""


def echo_script_length(channel: paramiko.Channel, script: bytes) -> None:
    channel.sendall(b"%d bytes\n" % len(script))
    channel.send_exit_status(0)


@dataclass
class FakeSsh:
    """One server for any number of clients. `hold` stalls at "auth" or "exec" until it is stopped.

    `attempts` are the logins offered, as (method, user). `login` opens by "password" or by
    "keyboard-interactive"; `further` names a step that is asked for after a right password.
    """

    password: str = "right"
    login: str = "password"
    further: str = ""
    hold: str = ""
    refuse: Sequence[str] = ()  # "session", "exec"
    handler: Handler = echo_script_length
    host_key: paramiko.PKey = field(default_factory=lambda: paramiko.ECDSAKey.generate())
    port: int = 0
    attempts: list[tuple[str, str]] = field(default_factory=list[tuple[str, str]])
    commands: list[str] = field(default_factory=list[str])
    stopped: threading.Event = field(default_factory=threading.Event)

    def serve(self, client: socket.socket) -> None:
        transport = paramiko.Transport(client)
        transport.add_server_key(self.host_key)
        with suppress(paramiko.SSHException, EOFError, OSError):
            transport.start_server(event=threading.Event(), server=_Behaviour(self))
        self.stopped.wait()
        transport.close()
        transport.packetizer.complete_handshake()
        transport.join(5)


class _Behaviour(paramiko.ServerInterface):
    def __init__(self, server: FakeSsh) -> None:
        self.server = server

    def get_allowed_auths(self, username: str) -> str:
        return self.server.login

    def check_auth_password(self, username: str, password: str) -> int:
        self._attempt("password", username)
        if self.server.login != "password" or password != self.server.password:
            return common.AUTH_FAILED
        return self._right()

    def check_auth_publickey(self, username: str, key: paramiko.PKey) -> int:
        self._attempt("publickey", username)
        return common.AUTH_FAILED

    def check_auth_interactive(self, username: str, submethods: str) -> int | InteractiveQuery:
        self._attempt("keyboard-interactive", username)
        return InteractiveQuery("", "", ("Password: ", False))

    def check_auth_interactive_response(self, responses: list[str]) -> int | InteractiveQuery:
        return self._right() if responses == [self.server.password] else common.AUTH_FAILED

    def check_channel_request(self, kind: str, chanid: int) -> int:
        if "session" in self.server.refuse:
            return common.OPEN_FAILED_ADMINISTRATIVELY_PROHIBITED
        return common.OPEN_SUCCEEDED

    def check_channel_exec_request(self, channel: paramiko.Channel, command: bytes) -> bool:
        self.server.commands.append(command.decode())
        if self.server.hold == "exec":
            self.server.stopped.wait()
        if "exec" in self.server.refuse:
            return False
        threading.Thread(target=self._answer, args=(channel,), daemon=True).start()
        return True

    def _answer(self, channel: paramiko.Channel) -> None:
        script = b""
        with suppress(OSError, EOFError, paramiko.SSHException):
            while chunk := channel.recv(65536):
                script += chunk
            self.server.handler(channel, script)
            channel.close()

    def _attempt(self, method: str, username: str) -> None:
        self.server.attempts.append((method, username))
        if self.server.hold == "auth":
            self.server.stopped.wait()

    def _right(self) -> int:
        return common.AUTH_PARTIALLY_SUCCESSFUL if self.server.further else common.AUTH_SUCCESSFUL


@contextmanager
def fake_ssh(server: FakeSsh | None = None) -> Iterator[FakeSsh]:
    server = server or FakeSsh()
    with listening(server.serve) as port:
        server.port = port
        try:
            yield server
        finally:
            server.stopped.set()


@contextmanager
def listening(serve: Callable[[socket.socket], None]) -> Iterator[int]:
    """A port whose connections are handed to `serve`, one thread each; for servers that are none."""
    threads: list[threading.Thread] = []
    clients: list[socket.socket] = []

    def accept(listener: socket.socket) -> None:
        with suppress(OSError):
            while True:
                client, _ = listener.accept()
                clients.append(client)
                threads.append(threading.Thread(target=serve, args=(client,), daemon=True))
                threads[-1].start()

    with socket.create_server(("127.0.0.1", 0), backlog=100) as listener:
        accepting = threading.Thread(target=accept, args=(listener,), daemon=True)
        accepting.start()
        try:
            yield listener.getsockname()[1]
        finally:
            listener.shutdown(socket.SHUT_RDWR)
            accepting.join(5)
            for client in clients:
                with suppress(OSError):
                    client.shutdown(socket.SHUT_RDWR)
            for thread in threads:
                thread.join(5)
            for client in clients:
                client.close()
