"""The server as a whole: its settings, its life, and what a test may look at."""

from __future__ import annotations

import socket
import ssl
import threading
from contextlib import suppress
from types import TracebackType
from typing import Literal

from .conversation import Conversation
from .packets import NotTds
from .prelogin import Encrypts, Prelogin
from .script import Scripted
from .seen import LoginAttempt, Request
from .statements import Statement
from .tls import HandshakeFailed
from .wire import ConnectionLost, Wire

Mute = Literal["accepted", "prelogin"]
_FIRST_SPID = 51  # the lower ones are the system's


class TdsServer:
    """A SQL Server on loopback, on a free port, for as long as `with` lasts.

    `encrypts`: see `prelogin.Encrypts`; "off" and "on" need `tls`, see `tls.server_context`. `mute`: says
    nothing more after the connection was accepted, or after its PRELOGIN.

    At the end of `with` it raises what a script or the server itself raised, and names the statements that
    were in no script, unless the test has cleared `unscripted`.
    """

    def __init__(
        self,
        script: Scripted,
        *,
        encrypts: Encrypts = "not supported",
        tls: ssl.SSLContext | None = None,
        mute: Mute | None = None,
        address: str = "127.0.0.1",
        port: int = 0,
    ) -> None:
        if encrypts != "not supported" and tls is None:
            raise ValueError(f"encryption {encrypts!r} needs a context for TLS")
        self.script = script
        self.encrypts: Encrypts = encrypts
        self.tls = tls
        self.mute = mute
        self.prelogins: list[Prelogin] = []
        self.logins: list[LoginAttempt] = []
        self.requests: list[Request] = []  # whole messages, one for each round trip after the login
        self.statements: list[Statement] = []  # their statements one by one
        self.unscripted: list[str] = []
        self.failed_handshakes: list[str] = []
        self.violations: list[str] = []  # what clients sent that is not TDS, or not supported here
        self.stopping = threading.Event()
        self._errors: list[BaseException] = []
        self._listening = socket.create_server((address, port))
        self.address = address
        self.port: int = self._listening.getsockname()[1]
        self._connections: dict[threading.Thread, socket.socket] = {}
        self._lock = threading.Lock()
        self._accepting = threading.Thread(target=self._accept, daemon=True, name=f"tds-{self.port}")

    @property
    def texts(self) -> list[str]:
        """Every text that any client has sent, whole."""
        return [request.text for request in self.requests]

    def __enter__(self) -> TdsServer:
        self._accepting.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()
        if error is None and self._errors:
            raise self._errors[0]
        if error is None and self.unscripted:
            raise AssertionError(f"not scripted: {self.unscripted}")

    def stop(self) -> None:
        """Closes every connection, and the port."""
        self.stopping.set()
        with suppress(OSError):
            self._listening.shutdown(socket.SHUT_RDWR)
        self._listening.close()
        self._accepting.join()
        with self._lock:
            connections = dict(self._connections)
        for connection in connections.values():
            with suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
        for thread in connections:
            thread.join()

    def _accept(self) -> None:
        spid = _FIRST_SPID
        while not self.stopping.is_set():
            try:
                connection, _ = self._listening.accept()
            except OSError:
                return  # closed
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            thread = threading.Thread(
                target=self._converse, args=(connection, spid), daemon=True, name=f"tds-{self.port}-{spid}"
            )
            with self._lock:
                self._connections[thread] = connection
            thread.start()
            spid += 1

    def _converse(self, connection: socket.socket, spid: int) -> None:
        try:
            with connection:
                Conversation(self, Wire(connection), spid).run()
        except ConnectionLost:
            pass  # how every connection ends
        except HandshakeFailed as failure:
            self.failed_handshakes.append(str(failure))
        except NotTds as violation:
            self.violations.append(str(violation))
        except Exception as error:  # noqa: BLE001 a test sees it at the end of `with`
            self._errors.append(error)
        finally:
            with self._lock:
                self._connections.pop(threading.current_thread(), None)
