"""What each engine says before anybody logs in: that it is there, its version, and whether it has TLS."""

from __future__ import annotations

import struct
from collections.abc import Callable
from dataclasses import dataclass

from checkup.sql.engine import EngineName
from checkup.transports.odbc.line import Line


class NotThisEngine(Exception):
    """What came is no greeting of this engine; `said` is what it was, if it was text."""


class TurnedAway(Exception):
    """The server wants nothing of this station: its number and words."""

    def __init__(self, number: int, text: str) -> None:
        super().__init__(number, text)
        self.number, self.text = number, text


@dataclass(frozen=True, kw_only=True)
class Greeting:
    """`product` is "" where the server tells none. With `has_tls`, a handshake may follow by `send` and
    `receive`, which wrap what TLS writes; `demands_tls`: it takes no login without."""

    product: str
    has_tls: bool
    demands_tls: bool
    send: Callable[[bytes], None]
    receive: Callable[[], bytes]


def greet(engine: EngineName, line: Line, *, tls: bool) -> Greeting:
    """Say what a client says first; `tls`: as one that wants TLS. Raises what Line raises, too."""
    match engine:
        case "sqlserver":
            return _sql_server(line, tls=tls)
        case "postgresql":
            return _postgresql(line)
        case "mariadb":
            return _mariadb(line, tls=tls)


# --- SQL Server: [MS-TDS] 2.2.3.1 (packet header), 2.2.6.5 (PRELOGIN) ----------------------------

_PRELOGIN, _RESPONSE = 0x12, 0x04
_LAST_PACKET = 0x01
_HEADER = struct.Struct(">BBHHBB")  # type, status, length with header, process, number, window
_LARGEST = 4096
_VERSION, _ENCRYPTION, _END = 0x00, 0x01, 0xFF
_TLS_OFF, _TLS_ON, _TLS_NONE, _TLS_DEMANDED = 0, 1, 2, 3


def _sql_server(line: Line, *, tls: bool) -> Greeting:
    options = {_VERSION: bytes(6), _ENCRYPTION: bytes([_TLS_ON if tls else _TLS_NONE])}
    head, body = b"", b""
    start = 5 * len(options) + 1
    for token, value in options.items():
        head += struct.pack(">BHH", token, start + len(body), len(value))
        body += value

    def send(data: bytes) -> None:
        for packet in _packets(data):
            line.write(packet)

    send(head + bytes([_END]) + body)
    kind, payload = _packet(line)
    if kind != _RESPONSE:
        raise NotThisEngine
    try:
        found = _options(payload)
        major, minor, build = struct.unpack_from(">BBH", found[_VERSION])
        encryption = found[_ENCRYPTION][0]
    except (struct.error, LookupError):
        raise NotThisEngine from None
    return Greeting(
        product=f"Microsoft SQL Server {major}.{minor}.{build}",
        has_tls=encryption != _TLS_NONE,
        demands_tls=encryption == _TLS_DEMANDED,
        send=send,
        receive=lambda: _packet(line)[1],
    )


def _packets(data: bytes) -> list[bytes]:
    size = _LARGEST - _HEADER.size
    pieces = [data[at : at + size] for at in range(0, len(data), size)]
    return [
        _HEADER.pack(
            _PRELOGIN,
            _LAST_PACKET if piece is pieces[-1] else 0,
            len(piece) + _HEADER.size,
            0,
            number % 256,
            0,
        )
        + piece
        for number, piece in enumerate(pieces, 1)
    ]


def _packet(line: Line) -> tuple[int, bytes]:
    kind, _, length, *_ = _HEADER.unpack(line.read(_HEADER.size))
    if kind not in (_PRELOGIN, _RESPONSE) or not _HEADER.size < length <= 32767:
        raise NotThisEngine
    return kind, line.read(length - _HEADER.size)


def _options(payload: bytes) -> dict[int, bytes]:
    found: dict[int, bytes] = {}
    at = 0
    while payload[at] != _END:
        token, start, length = struct.unpack_from(">BHH", payload, at)
        found[token] = payload[start : start + length]
        at += 5
    return found


# --- PostgreSQL: "Frontend/Backend Protocol", SSLRequest ------------------------------------------

_SSL_REQUEST = struct.pack(">II", 8, 80877103)


def _postgresql(line: Line) -> Greeting:
    """It tells no version before the login, and not whether it takes one without TLS."""
    line.write(_SSL_REQUEST)
    answer = line.read(1)
    # One letter and no more: what follows it in clear would pass for part of the TLS connection.
    if answer not in (b"S", b"N") or line.has_more:
        raise NotThisEngine
    return Greeting(
        product="PostgreSQL",
        has_tls=answer == b"S",
        demands_tls=False,
        send=line.write,
        receive=line.read_some,
    )


# --- MariaDB and MySQL: "Connection phase", initial handshake packet ------------------------------

_PROTOCOL, _ERROR = 10, 0xFF
_CLIENT_SSL = 0x0800
# PROTOCOL_41, SECURE_CONNECTION, PLUGIN_AUTH and CLIENT_SSL: as little as a client of today can say.
_OURS = 0x0200 | 0x8000 | 0x0008_0000 | _CLIENT_SSL
_UTF8 = 33
_REPLICATION_PREFIX = "5.5.5-"  # MariaDB's version, for the sake of old replicas


def _mariadb(line: Line, *, tls: bool) -> Greeting:
    head = line.read(4)
    length = int.from_bytes(head[:3], "little")
    if not 10 <= length <= 4096 or head[3] not in (0, 1):
        raise NotThisEngine
    payload = line.read(length)
    if payload[0] == _ERROR:
        text = payload[3:].decode("utf-8", "replace")
        if text.startswith("#"):  # and a SQLSTATE of five
            text = text[6:]
        raise TurnedAway(int.from_bytes(payload[1:3], "little"), text)
    version, zero, rest = payload[1:].partition(b"\0")
    if payload[0] != _PROTOCOL or not zero or len(rest) < 15:
        raise NotThisEngine
    # thread 4, first part of the challenge 8, a zero, then the lower half of the capabilities
    has_tls = bool(int.from_bytes(rest[13:15], "little") & _CLIENT_SSL)
    if tls and has_tls:
        request = struct.pack("<IIB23x", _OURS, 1 << 24, _UTF8)
        line.write(len(request).to_bytes(3, "little") + b"\1" + request)
    text = version.decode("ascii", "replace").removeprefix(_REPLICATION_PREFIX)
    return Greeting(
        product=text if "mariadb" in text.casefold() else f"MySQL {text}",
        has_tls=has_tls,
        demands_tls=False,
        send=line.write,
        receive=line.read_some,
    )
