"""Collations: five bytes with every text column say how it is to be read ([MS-TDS] 2.2.5.1.2)."""

from __future__ import annotations

import struct
from dataclasses import dataclass

_IGNORES_CASE_KANA_WIDTH = 0xD << 20
_BINARY_2 = 1 << 25
_UTF8 = 1 << 26


@dataclass(frozen=True)
class Collation:
    """`sort_id` is that of a SQL collation, 0 of a Windows collation; `version` 2 has "_100_" in its name."""

    name: str
    lcid: int
    codec: str  # of char and varchar, in Python's words
    sort_id: int = 0
    version: int = 0
    flags: int = _IGNORES_CASE_KANA_WIDTH

    @property
    def wire(self) -> bytes:
        return struct.pack("<IB", self.lcid | self.flags | self.version << 28, self.sort_id)


LATIN = Collation("SQL_Latin1_General_CP1_CI_AS", 0x0409, "cp1252", sort_id=52)
LATIN_100 = Collation("Latin1_General_100_CI_AS", 0x0409, "cp1252", version=2)
BINARY_2 = Collation("Latin1_General_BIN2", 0x0409, "cp1252", flags=_BINARY_2)
TURKISH = Collation("Turkish_CI_AS", 0x041F, "cp1254")
CYRILLIC = Collation("Cyrillic_General_CI_AS", 0x0419, "cp1251")
UTF_8 = Collation(
    "Latin1_General_100_CI_AS_SC_UTF8", 0x0409, "utf-8", version=2, flags=_IGNORES_CASE_KANA_WIDTH | _UTF8
)
