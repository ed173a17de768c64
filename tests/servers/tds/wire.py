"""Bytes of one connection, in the clear or inside TLS."""

from __future__ import annotations

import select
import socket
import ssl

_PIECE = 65_536


class ConnectionLost(Exception):
    """The client has closed the connection, or the server is being closed."""


class Wire:
    """A connected socket; TLS is put on and taken off while it is open (TDS may protect the login only)."""

    def __init__(self, connection: socket.socket) -> None:
        self._connection = connection
        self._tls: ssl.SSLObject | None = None
        self._from_client = ssl.MemoryBIO()
        self._to_client = ssl.MemoryBIO()

    @property
    def encrypted(self) -> bool:
        return self._tls is not None

    @property
    def tls_version(self) -> str | None:
        """As Python names it: "TLSv1.2"."""
        return self._tls.version() if self._tls else None

    def use_tls(self, tls: ssl.SSLObject, from_client: ssl.MemoryBIO, to_client: ssl.MemoryBIO) -> None:
        self._tls, self._from_client, self._to_client = tls, from_client, to_client

    def drop_tls(self) -> None:
        self._tls = None

    def first_byte(self) -> int:
        """What comes first, left where it is."""
        try:
            first = self._connection.recv(1, socket.MSG_PEEK)
        except OSError as error:
            raise ConnectionLost from error
        if not first:
            raise ConnectionLost
        return first[0]

    def receive_some(self) -> bytes:
        """What has come, at least a byte, before there is TLS."""
        return self._receive_raw(_PIECE)

    def receive(self, length: int) -> bytes:
        """So many bytes, neither fewer nor more."""
        received = bytearray()
        while len(received) < length:
            received += self._receive_some(length - len(received))
        return bytes(received)

    def send(self, data: bytes) -> None:
        if self._tls:
            self._tls.write(data)
            data = self._to_client.read()
        try:
            self._connection.sendall(data)
        except OSError as error:
            raise ConnectionLost from error

    def readable(self, timeout_s: float) -> bool:
        """Whether something comes from the client within this time; also true when the client is gone."""
        if self._tls and (self._tls.pending() or self._from_client.pending):
            return True
        try:
            watched = select.poll()  # select() itself knows no descriptor above 1023
            watched.register(self._connection, select.POLLIN)
            return bool(watched.poll(timeout_s * 1000))
        except (OSError, ValueError) as error:  # closed under our feet
            raise ConnectionLost from error

    def reset(self) -> None:
        """Closes the connection the hard way: what was not yet read by the client is lost, too."""
        linger_0_s = b"\x01\0\0\0\0\0\0\0"
        self._connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger_0_s)
        self._connection.close()

    def _receive_some(self, at_most: int) -> bytes:
        if not self._tls:
            return self._receive_raw(at_most)
        while True:
            try:
                if data := self._tls.read(at_most):
                    return data
                raise ConnectionLost
            except ssl.SSLWantReadError:
                self._from_client.write(self._receive_raw(_PIECE))

    def _receive_raw(self, at_most: int) -> bytes:
        try:
            data = self._connection.recv(at_most)
        except OSError as error:
            raise ConnectionLost from error
        if not data:
            raise ConnectionLost
        return data
