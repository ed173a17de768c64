"""Packets and messages ([MS-TDS] 2.2.3): a message is one or several packets of one type."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from enum import IntEnum

from .wire import Wire

HEADER_BYTES = 8
END_OF_MESSAGE = 0x01
RESET_CONNECTION = 0x08
LOGIN_PACKET_BYTES = 4096  # until another size is agreed on in the login
_SMALLEST_PACKET_BYTES = 512
_LARGEST_PACKET_BYTES = 32_767


class PacketType(IntEnum):
    """[MS-TDS] 2.2.3.1.1."""

    SQL_BATCH = 0x01
    RPC = 0x03
    TABULAR_RESULT = 0x04
    ATTENTION = 0x06
    BULK_LOAD = 0x07
    TRANSACTION_MANAGER = 0x0E
    LOGIN7 = 0x10
    SSPI = 0x11
    PRELOGIN = 0x12


class NotTds(Exception):
    """What the client sent breaks the protocol, or is a part of it that this server does not know."""


@dataclass(frozen=True)
class Message:
    type: PacketType
    data: bytes
    reset_connection: bool = False


def packet_size(wished: int) -> int:
    """Bytes of a packet as the server grants them to a login that asks for `wished` (0: the default)."""
    if not wished:
        return LOGIN_PACKET_BYTES
    return min(max(wished, _SMALLEST_PACKET_BYTES), _LARGEST_PACKET_BYTES)


class Packets:
    """Reads and writes messages on a wire."""

    def __init__(self, wire: Wire, spid: int) -> None:
        self.wire = wire
        self.size = LOGIN_PACKET_BYTES
        self._spid = spid
        self._number = 0

    def read(self) -> Message:
        """The next whole message."""
        data = b""
        first: PacketType | None = None
        reset = False
        while True:
            kind, status, payload = self.read_packet()
            if first is not None and kind != first:
                raise NotTds(f"a packet of type {kind!r} inside a message of type {first!r}")
            first = kind
            reset = reset or bool(status & RESET_CONNECTION)
            data += payload
            if status & END_OF_MESSAGE:
                return Message(kind, data, reset)

    def read_packet(self) -> tuple[PacketType, int, bytes]:
        """Type, status and payload of the next packet."""
        kind, status, length = struct.unpack(">BBH4x", self.wire.receive(HEADER_BYTES))
        if kind not in set(PacketType):
            raise NotTds(f"a packet of type 0x{kind:02X}")
        if length < HEADER_BYTES:
            raise NotTds(f"a packet of {length} bytes")
        return PacketType(kind), status, self.wire.receive(length - HEADER_BYTES)

    def begin_message(self) -> None:
        self._number = 0  # the numbers of a message's packets start at 1

    def write_packet(self, kind: PacketType, payload: bytes, last: bool) -> None:
        self._number = (self._number + 1) % 256
        status = END_OF_MESSAGE if last else 0
        header = struct.pack(
            ">BBHHBB", kind, status, HEADER_BYTES + len(payload), self._spid, self._number, 0
        )
        self.wire.send(header + payload)

    def write(self, kind: PacketType, payload: bytes) -> None:
        """One whole message."""
        reply = Reply(self, kind)
        reply.add(payload)
        reply.end()


class Reply:
    """One message of the server, sent packet by packet while it grows."""

    def __init__(self, packets: Packets, kind: PacketType = PacketType.TABULAR_RESULT) -> None:
        self._packets = packets
        self._kind = kind
        self._waiting = bytearray()
        packets.begin_message()

    def add(self, tokens: bytes) -> bool:
        """Appends to the message; true where that filled at least one packet, which was sent."""
        self._waiting += tokens
        room = self._packets.size - HEADER_BYTES
        sent = False
        while len(self._waiting) > room:  # the last packet, however full, is that of `end`
            self._packets.write_packet(self._kind, bytes(self._waiting[:room]), last=False)
            del self._waiting[:room]
            sent = True
        return sent

    def flush(self) -> None:
        """Sends what waits, in a packet that is not the last."""
        if self._waiting:
            self._packets.write_packet(self._kind, bytes(self._waiting), last=False)
            self._waiting.clear()

    def end(self) -> None:
        self._packets.write_packet(self._kind, bytes(self._waiting), last=True)
        self._waiting.clear()
