"""PRELOGIN: versions and encryption are agreed on before any name is sent ([MS-TDS] 2.2.6.5)."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from enum import IntEnum
from typing import Literal

from .packets import NotTds

Encrypts = Literal["not supported", "off", "on"]
"""The server's setting. "off": encrypts where the client asks, and else the login only; "on": everything,
or there is no connection ("Force Encryption")."""

_VERSION, _ENCRYPTION, _INSTANCE, _THREAD, _MARS, _TRACE, _FEDERATED = range(7)
_TERMINATOR = 0xFF


class Encryption(IntEnum):
    """The values of the option ENCRYPTION."""

    OFF = 0
    ON = 1
    NOT_SUPPORTED = 2
    REQUIRED = 3


@dataclass(frozen=True)
class Prelogin:
    """What a client says first."""

    version: tuple[int, int, int]
    encryption: Encryption
    instance: str
    mars: bool


def parse(data: bytes) -> Prelogin:
    options: dict[int, bytes] = {}
    position = 0
    try:
        while data[position] != _TERMINATOR:
            token, offset, length = struct.unpack_from(">BHH", data, position)
            options[token] = data[offset : offset + length]
            position += 5
        version = struct.unpack_from(">BBH", options[_VERSION])
        encryption = Encryption(options[_ENCRYPTION][0])
    except (IndexError, KeyError, struct.error, ValueError) as error:
        raise NotTds(f"a PRELOGIN that cannot be read: {data.hex()}") from error
    instance = options.get(_INSTANCE, b"").split(b"\0")[0].decode("ascii", "replace")
    return Prelogin(version, encryption, instance, mars=options.get(_MARS, b"\0")[:1] == b"\x01")


def answer(version: tuple[int, int, int], encryption: Encryption) -> bytes:
    """The server's message: its version (major, minor, build) and what it makes of the encryption."""
    options = {
        _VERSION: struct.pack(">BBHH", *version, 0),
        _ENCRYPTION: bytes([encryption]),
        _INSTANCE: b"\0",
        _THREAD: b"",
        _MARS: b"\0",
    }
    offset = 5 * len(options) + 1
    head, body = b"", b""
    for token, value in options.items():
        head += struct.pack(">BHH", token, offset + len(body), len(value))
        body += value
    return head + bytes([_TERMINATOR]) + body


def agree(client: Encryption, server: Encrypts) -> Encryption:
    """What a server answers: the table of [MS-TDS] 2.2.6.5."""
    if server == "not supported":
        return Encryption.NOT_SUPPORTED
    if client in (Encryption.ON, Encryption.REQUIRED):
        return Encryption.ON
    if server == "on":
        return Encryption.REQUIRED
    return client  # OFF: the login only; NOT_SUPPORTED: nothing
