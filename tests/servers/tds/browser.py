"""The SQL Server Browser: which instance listens on which port ([MC-SQLR])."""

from __future__ import annotations

import socket
import struct
import threading
from collections.abc import Mapping
from types import TracebackType

from .products import Product

PORT = 1434  # no driver asks another one
_ALL_BROADCAST, _ALL, _ONE = 0x02, 0x03, 0x04
_ANSWER = 0x05
_LONGEST_REQUEST = 1 + 32 + 1


class Browser:
    """Answers on UDP 1434 of one address, for as long as `with` lasts.

    Take an address of 127.0.0.0/8 that no other test takes: all of them are this machine. `instances`:
    product -> TCP port; None where the instance listens on shared memory only.
    """

    def __init__(self, address: str, instances: Mapping[Product, int | None]) -> None:
        self._instances = instances
        self.asked: list[str] = []  # names, "*" for all
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.bind((address, PORT))
        self._answering = threading.Thread(target=self._answer, daemon=True, name="sql-browser")
        self._closing = False

    def __enter__(self) -> Browser:
        self._answering.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._closing = True
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as waking:
            waking.sendto(b"\0", self._socket.getsockname())
        self._answering.join()
        self._socket.close()

    def _answer(self) -> None:
        while True:
            request, client = self._socket.recvfrom(_LONGEST_REQUEST)
            if self._closing:
                return
            if answer := self._lines(request):
                data = answer.encode("ascii")
                self._socket.sendto(struct.pack("<BH", _ANSWER, len(data)) + data, client)

    def _lines(self, request: bytes) -> str:
        """Nothing for an instance that is not there: the real one is silent, too."""
        kind = request[0]
        if kind in (_ALL, _ALL_BROADCAST):
            self.asked.append("*")
            return "".join(_line(product, port) for product, port in self._instances.items())
        if kind != _ONE:
            return ""
        name = request[1:].split(b"\0")[0].decode("ascii", "replace")
        self.asked.append(name)
        return "".join(
            _line(product, port)
            for product, port in self._instances.items()
            if (product.instance or "MSSQLSERVER").casefold() == name.casefold()
        )


def _line(product: Product, port: int | None) -> str:
    fields = ["ServerName", product.machine, "InstanceName", product.instance or "MSSQLSERVER"]
    fields += ["IsClustered", "No", "Version", product.version]
    if port is not None:
        fields += ["tcp", str(port)]
    return ";".join(fields) + ";;"
