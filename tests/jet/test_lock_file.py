"""Lock files: who has been in a file."""

from __future__ import annotations

from checkup.jet.lock_file import MOST_BYTES, LockEntry, parse_lock_file


def record(machine: bytes, user: bytes = b"Admin") -> bytes:
    return machine.ljust(32, b"\0") + user.ljust(32, b"\0")


def test_machines_and_users_by_slot() -> None:
    found = parse_lock_file(record(b"WS-3") + record(b"") + record(b"FRONTDESK-1\0junk", b"anna\0min"))
    assert found.entries == (LockEntry(0, "WS-3", "Admin"), LockEntry(2, "FRONTDESK-1", "anna"))
    assert found.odd_bytes == 0


def test_an_empty_file_a_cut_one_and_one_that_is_too_long() -> None:
    assert parse_lock_file(b"").entries == ()
    cut = parse_lock_file(record(b"WS-3") + b"WS-4")
    assert (len(cut.entries), cut.odd_bytes) == (1, 4)
    assert len(parse_lock_file(record(b"WS-3") * 300).entries) == 255 == MOST_BYTES // 64


def test_names_are_cleaned() -> None:
    found = parse_lock_file(record(b"WS\x1b[31m-3 ", b"\x81\x00"), "cp1252").entries
    assert found == (LockEntry(0, "WS[31m-3", "\ufffd"),)
    assert parse_lock_file(record("Größe".encode("cp1252"))).entries[0].machine == "Größe"
    assert parse_lock_file(record(b"\x07\x08")).entries == ()
