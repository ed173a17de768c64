"""LOGIN7: who comes, from where, with what ([MS-TDS] 2.2.6.4)."""

from __future__ import annotations

import struct
from dataclasses import dataclass

from .packets import NotTds

TDS_7_3A = 0x730A0003
TDS_7_3B = 0x730B0003
TDS_7_4 = 0x74000004
TDS_8_0 = 0x08000000  # 7.4 after TLS

_FIXED_BYTES = 94
_INTEGRATED_SECURITY = 0x80  # OptionFlags2
_READ_ONLY_INTENT = 0x20  # TypeFlags
_EXTENSION = 0x10  # OptionFlags3
_LAST_FEATURE = 0xFF


@dataclass(frozen=True)
class Login:
    """What the client said of itself."""

    tds: int  # as in the message: 0x74000004
    packet_size: int
    host: str
    user: str
    password: str
    application: str
    server: str
    library: str
    language: str
    database: str
    read_only: bool
    integrated: bool  # Windows authentication, SSPI
    features: frozenset[int]  # ids of 2.2.6.4, FeatureExt


def parse(data: bytes) -> Login:
    if len(data) < _FIXED_BYTES:
        raise NotTds(f"a LOGIN7 of {len(data)} bytes")
    _, tds, packet_size = struct.unpack_from("<III", data)
    _, flags2, type_flags, flags3 = data[24:28]

    def text(at: int) -> bytes:
        position, characters = struct.unpack_from("<HH", data, at)
        return data[position : position + 2 * characters]

    def string(at: int) -> str:
        return text(at).decode("utf-16-le")

    return Login(
        tds=tds,
        packet_size=packet_size,
        host=string(36),
        user=string(40),
        password=_plain(text(44)).decode("utf-16-le"),
        application=string(48),
        server=string(52),
        library=string(60),
        language=string(64),
        database=string(68),
        read_only=bool(type_flags & _READ_ONLY_INTENT),
        integrated=bool(flags2 & _INTEGRATED_SECURITY),
        features=_features(data) if flags3 & _EXTENSION else frozenset(),
    )


def _plain(hidden: bytes) -> bytes:
    """Each byte was swapped by halves, then exclusive-or'ed with 0xA5."""
    return bytes((byte ^ 0xA5) >> 4 | ((byte ^ 0xA5) & 0x0F) << 4 for byte in hidden)


def _features(data: bytes) -> frozenset[int]:
    (pointer,) = struct.unpack_from("<H", data, 56)
    (position,) = struct.unpack_from("<I", data, pointer)
    found: set[int] = set()
    try:
        while (feature := data[position]) != _LAST_FEATURE:
            found.add(feature)
            (length,) = struct.unpack_from("<I", data, position + 1)
            position += 5 + length
    except (IndexError, struct.error) as error:
        raise NotTds("a LOGIN7 whose feature list does not end") from error
    return frozenset(found)
