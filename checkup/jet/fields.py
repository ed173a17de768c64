"""Numbers out of bytes that may be too few: every access is bounds-checked and fails in one known way.

All integers are little-endian (observed); only index entries are not.
"""

from __future__ import annotations

import struct


class CutError(Exception):
    """The bytes end before the field; `at` is where it would start."""

    def __init__(self, at: int, there_are: int) -> None:
        super().__init__(f"no field at {at} in {there_are} bytes")
        self.at = at
        self.there_are = there_are


def u8(data: bytes, at: int) -> int:
    if not 0 <= at < len(data):
        raise CutError(at, len(data))
    return data[at]


def u16(data: bytes, at: int) -> int:
    return int.from_bytes(piece(data, at, 2), "little")


def u32(data: bytes, at: int) -> int:
    return int.from_bytes(piece(data, at, 4), "little")


def i16(data: bytes, at: int) -> int:
    return int.from_bytes(piece(data, at, 2), "little", signed=True)


def i32(data: bytes, at: int) -> int:
    return int.from_bytes(piece(data, at, 4), "little", signed=True)


def f64(data: bytes, at: int) -> float:
    return float(struct.unpack("<d", piece(data, at, 8))[0])


def piece(data: bytes, at: int, length: int) -> bytes:
    """Exactly `length` bytes from `at`."""
    if at < 0 or length < 0 or at + length > len(data):
        raise CutError(at, len(data))
    return data[at : at + length]
