"""The first page: what a file is, and what is none."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

import pytest

from checkup.jet.formats import JET3, JET4, Format
from checkup.jet.header import NotAccessError, read_header
from checkup.jet.opening import FIRST_BYTES, header_again, open_file
from tests.jet.corpora import access_files, corpus_file, corpus_params
from tests.jet.made import BytesSource, MadeFile, clinic_file, header, open_path

FOLDER_VERSIONS = {
    "V1997": ("Jet 3",),
    "V2000": ("Jet 4",),
    "V2003": ("Jet 4",),
    "V2007": ("ACE 12",),
    "V2010": ("ACE 14",),
    "V2016": ("ACE 12", "ACE 16"),  # Access 2016 writes the version that the contents need
    "V2019": ("ACE 17",),
}
ENCRYPTED = {
    "db-enc.mdb": "rc4",
    "db97-enc.mdb": "rc4",
    "db2007-enc.accdb": "office-agile",
    "db2007-oldenc.accdb": "cryptoapi",
    "office-agile-4.2.accdb": "cryptoapi",  # named for what it was to be
}
WITH_PASSWORD = ("V2000_with-password.mdb", "V2003_with-password.mdb")


@pytest.mark.parametrize("path", corpus_params())
def test_every_corpus_file_is_recognised(path: Path) -> None:
    file = open_path(path)
    found = file.header
    if path.parent.name in FOLDER_VERSIONS:
        assert found.version.name in FOLDER_VERSIONS[path.parent.name]
    if path.suffix == ".mny":
        assert found.encryption == "msisam"
    else:
        assert found.encryption == ENCRYPTED.get(path.name, found.encryption)
        assert found.readable == (found.encryption == "none")
    assert found.password == ("protects-nothing" if path.name in WITH_PASSWORD else found.password)
    if found.readable and path.name not in WITH_PASSWORD:
        assert found.password == "none"
    assert (found.created is None) == (found.layout is JET3)
    assert found.created is None or 1999 <= found.created.year <= 2030
    assert file.trailing_bytes == 0
    assert len(found.commit_words) == 256
    assert found.uneasy_slots == ()


@pytest.mark.parametrize("path", corpus_params())
def test_the_header_costs_at_most_20_kb_and_three_rounds_a_second_look_included(path: Path) -> None:
    file = open_path(path)
    assert header_again(file).commit_words == file.header.commit_words
    assert file.pages.counters.bytes <= 20_000
    assert file.pages.counters.rounds <= 3


def test_all_kinds_of_file_are_among_the_corpora() -> None:
    if not access_files():
        pytest.skip("needs the corpora of Access files")
    names = {open_path(path).header.version.name for path in access_files()}
    assert names >= {"Jet 3", "Jet 4", "ACE 12", "ACE 14", "ACE 16", "ACE 17"}


def test_a_password_is_told_of_and_never_shown() -> None:
    found = open_path(corpus_file("V2000_with-password.mdb")).header
    assert found.password == "protects-nothing"
    assert "'password'" not in repr(found)  # which is the password of that file


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "empty"),
        (bytes(5000), "zeros"),
        (b"Dear colleague,\r\nthe file you asked for is too large to send.\r\n", "text"),
        ("Прошу".encode() * 300, "text"),
        ("Backup läuft".encode("utf-16"), "text"),
        (b"PK\x03\x04" + bytes(range(256)) * 20, "other"),
        (b"\x00\x01\x00\x00Standard Jet", "truncated"),
        (header(JET4)[:3000], "truncated"),
        (header(JET3)[:2047], "truncated"),
        (header(JET4, version=7), "version"),
    ],
)
def test_what_is_no_access_file_is_told_apart(content: bytes, reason: str) -> None:
    with pytest.raises(NotAccessError) as caught:
        open_file(BytesSource(content))
    assert caught.value.reason == reason


def test_opening_is_one_round_of_twelve_kilobytes() -> None:
    source = clinic_file().source()
    file = open_file(source)
    assert source.rounds == [[(0, FIRST_BYTES)]]
    assert file.page_count == 7
    assert sorted(file.pages.get([0, 1, 2])) == [0, 1, 2]
    assert len(source.rounds) == 1


def test_an_odd_size_is_seen() -> None:
    file = open_file(BytesSource(clinic_file().data() + b"xyz"))
    assert (file.page_count, file.trailing_bytes) == (7, 3)


@pytest.mark.parametrize("layout", [JET3, JET4])
def test_password_and_key_of_a_made_file(layout: Format) -> None:
    assert read_header(header(layout)).password == "none"
    with_password = read_header(header(layout, changes={0x42: b"x"}))
    assert (with_password.password, with_password.encryption) == ("protects-nothing", "none")
    encoded = read_header(header(layout, changes={0x3E: b"\x01"}))
    assert (encoded.password, encoded.encryption, encoded.readable) == ("none", "rc4", False)


@pytest.mark.parametrize(
    ("information", "kind", "password"),
    [
        (b"\x04\x00\x04\x00\x40\x00\x00\x00", "office-agile", "set"),
        (b"\x03\x00\x02\x00\x24\x00\x00\x00", "office-standard", "set"),
        (b"\x04\x00\x02\x00\x04\x00\x00\x00", "cryptoapi", "set"),
        (b"\x01\x00\x01\x00\x00\x00\x00\x00", "cryptoapi", "set"),
        (b"\x04\x00\x03\x00\x10\x00\x00\x00", "extensible", "unknown"),
        (b"\x04\x00\x02\x00\x14\x00\x00\x00", "extensible", "unknown"),
        (b"\x09\x00\x09\x00\x00\x00\x00\x00", "unknown", "unknown"),
        (b"\x04\x00\x02\x00\x00\x00\x00\x00", "unknown", "unknown"),
    ],
)
def test_the_kinds_of_encryption_of_ace(information: bytes, kind: str, password: str) -> None:
    found = read_header(header(version=3, changes={0x3E: b"\x01\x02\x03\x04", 0x29B: information}))
    assert (found.encryption, found.password) == (kind, password)


def test_a_money_file_is_recognised() -> None:
    page = bytearray(header(JET4))
    page[4:20] = b"MSISAM Database\0"
    found = read_header(bytes(page))
    assert (found.engine, found.encryption, found.readable) == ("MSISAM", "msisam", False)


def test_dates_that_cannot_be_are_none() -> None:
    assert read_header(header()).created == datetime(2020, 1, 1)
    for days in (b"\xff" * 8, bytes(8), b"\x00\x00\x00\x00\x00\x00\xf0\xff"):
        assert read_header(header(changes={0x72: days})).created is None


@pytest.mark.parametrize("layout", [JET3, JET4])
def test_a_commit_word_below_the_neutral_one_is_uneasy(layout: Format) -> None:
    at = layout.commit_words
    found = read_header(header(layout, changes={at: b"\x07\x02", at + 6: b"\x00\x00", at + 510: b"\x01\x00"}))
    assert found.uneasy_slots == (3, 255)


def test_the_code_page_of_an_old_file_gives_the_codec() -> None:
    assert read_header(header(JET3, changes={0x3C: b"\xe3\x04"})).text_encoding == "cp1251"
    assert read_header(header(JET3, changes={0x3C: b"\xff\xff"})).text_encoding == "cp1252"


def test_a_file_that_becomes_none_while_it_is_read() -> None:
    source = MadeFile(JET4, {0: header(), 1: bytes(4096), 2: bytes(4096)}).source()
    file = open_file(source)
    source.data = b""
    with pytest.raises(NotAccessError) as caught:
        header_again(file)
    assert caught.value.reason == "empty"
