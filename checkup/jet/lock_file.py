"""The lock file beside a data file (.ldb, .laccdb): which machines have been in it.

At most 255 records of a machine's name and a user's name, 32 bytes each. A record stays when its user
leaves and is used again by the next, so a name here has been in the file since the lock file was made, and
may be in it now; who is in it now shows only in byte locks, which reading does not see. The last user
deletes the file. The place of a record is the place of its commit word in the header.

Source: Microsoft, "Understanding Microsoft Jet Locking" and "Introduction to lock files".
"""

from __future__ import annotations

from typing import Final, NamedTuple

from checkup.jet.formats import MOST_USERS

RECORD_BYTES: Final = 64
NAME_BYTES: Final = 32
MOST_BYTES: Final = MOST_USERS * RECORD_BYTES
SUFFIXES: Final = {
    ".mdb": ".ldb",
    ".mde": ".ldb",
    ".mda": ".ldb",
    ".mdw": ".ldb",
    ".accdb": ".laccdb",
    ".accde": ".laccdb",
}

USUAL_USER: Final = "Admin"  # everyone's name where no workgroup security is set up


class LockEntry(NamedTuple):
    """`slot` counts from 0; `user` is the name in the workgroup, nearly always "Admin"."""

    slot: int
    machine: str
    user: str


class LockFile(NamedTuple):
    """`size_bytes` as given; `odd_bytes` after the last whole record, none in a sound file."""

    entries: tuple[LockEntry, ...]
    odd_bytes: int


def parse_lock_file(data: bytes, text_encoding: str = "cp1252") -> LockFile:
    """Records without a machine's name are left out; what exceeds 255 records is not looked at."""
    entries: list[LockEntry] = []
    for slot in range(min(len(data) // RECORD_BYTES, MOST_USERS)):
        record = data[slot * RECORD_BYTES : (slot + 1) * RECORD_BYTES]
        machine = _name(record[:NAME_BYTES], text_encoding)
        if machine:
            entries.append(LockEntry(slot, machine, _name(record[NAME_BYTES:], text_encoding)))
    return LockFile(tuple(entries), len(data) % RECORD_BYTES)


def _name(field: bytes, text_encoding: str) -> str:
    """Up to the first zero byte: what follows is left over from a longer name."""
    decoded = field.split(b"\0", 1)[0].decode(text_encoding, "replace")
    return "".join(character for character in decoded if character.isprintable()).strip()
