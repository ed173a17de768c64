"""What the machine that owns the disk hands out of an Access file: enough to judge it, and nothing else."""

from __future__ import annotations

import base64
import json
import struct
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as some

from checkup.api import JSON
from checkup.collect.served_pages import ServedFile, served_files
from checkup.jet.catalogue import read_catalogue, read_table_counts
from checkup.jet.formats import JET3, JET4, Format
from checkup.jet.header import NotAccessError, read_header
from checkup.jet.integrity import Plan, examine
from checkup.jet.local import LocalSource
from checkup.jet.opening import open_file
from checkup.jet.source import Source, SourceError
from checkup.testing.powershell_lint import problems
from probes.access.server_pages import COLLECTOR, MOST_PAGE_BYTES, PARAMETERS
from tests.jet.corpora import corpus_file, corpus_params
from tests.jet.made import clinic_file, data_page, header, inline_value
from tests.probes.powershell_subset import Disk, run

AT = "D:\\Data\\clinic_be.accdb"


def answer(
    files: Mapping[str, Path], *, script: str = COLLECTOR.script, seconds: float = 0
) -> tuple[tuple[ServedFile, ...], list[str], dict[str, JSON]]:
    """What is read of the answer about these files, the reasons for it to be partial, and the answer."""
    output, partial = run(script, {"access_files": list(files)}, Disk(files), seconds=seconds)
    raw = json.loads(json.dumps(output))
    return served_files(raw), partial, raw


def served(path: Path, *, at: str = AT) -> ServedFile:
    (one,), partial, _ = answer({at: path})
    assert partial == []
    return one


def written(path: Path, data: bytes) -> Path:
    path.write_bytes(data)
    return path


def outcome(source: Source) -> object:
    """What the reader makes of the file by its first page, catalogue, definitions and maps.

    But for the catalogue's own index, whose pages do not leave the machine.
    """
    found = examine(source, Plan("maps"))
    left_out = [one for one in found.left_out if one.reason != "budget"]
    tables = read_table_counts(open_file(source)) if found.header.readable else None
    spread = found.partition
    if spread is not None:
        spread = (spread.owner.tobytes(), spread.role.tobytes(), spread.shares, spread.complete)
    return (found.header, found.problems, found.counts, spread, left_out, tables)


# --- enough -----------------------------------------------------------------------------------


def test_the_fragment_only_reads() -> None:
    assert problems(COLLECTOR.script, parameters=frozenset(PARAMETERS)) == []


@pytest.mark.parametrize("path", corpus_params())
def test_the_same_is_found_as_in_the_whole_file(path: Path) -> None:
    one = served(path)
    if one.state == "not-access":
        with pytest.raises(NotAccessError):
            open_file(LocalSource(path))
        return
    stat = LocalSource(path).stat()
    assert one.stat.size_bytes == stat.size_bytes
    assert one.stat.modified == pytest.approx(stat.modified, abs=0.002)
    assert outcome(one.source()) == outcome(LocalSource(path))
    assert (one.left_out, one.stopped, one.in_motion) == (0, False, False)
    assert one.changed == (0 if one.state == "read" else None)


@pytest.mark.parametrize("layout", [JET3, JET4], ids=lambda layout: layout.name)
def test_a_made_file_of_each_layout(tmp_path: Path, layout: Format) -> None:
    made = clinic_file(layout)
    one = served(written(tmp_path / "made", made.data()))
    local = open_file(made.source())
    assert read_table_counts(open_file(one.source())) == read_table_counts(local)
    assert [item.name for item in read_catalogue(open_file(one.source())).objects] == [
        item.name for item in read_catalogue(local).objects
    ]


# --- nothing else -----------------------------------------------------------------------------


def structure_pages(data: bytes, layout: Format) -> Iterator[int]:
    """By another way than the fragment's: what kind each page is by itself."""
    size = layout.page_size
    for number in range(len(data) // size):
        page = data[number * size : (number + 1) * size]
        owner = int.from_bytes(page[4:8], "little")
        if number == 0 or page[0] in (2, 5) or (page[0] == 1 and owner in (0, 2, number)):
            yield number


@pytest.mark.parametrize("path", corpus_params())
def test_only_pages_of_structure_leave(path: Path) -> None:
    data = path.read_bytes()
    one = served(path)
    if one.state == "read":
        layout = read_header(data[:4096]).layout
        assert set(one.pages) <= set(structure_pages(data, layout))
        same = [data[n * one.page_bytes : (n + 1) * one.page_bytes] == page for n, page in one.pages.items()]
        # The first page and the catalogue's may have lost a password.
        assert same.count(False) <= 2
    elif one.state == "encrypted":
        assert set(one.pages) == {0}
    else:
        assert not one.pages


ROW = b"\x01\x00Jane Doe, born 1961-03-02, hypertension"


@pytest.mark.parametrize(
    "page",
    [
        data_page(JET4, 5, [ROW]),
        data_page(JET4, b"LVAL", [ROW]),
        data_page(JET4, 0, [ROW]),  # the owner overwritten with zeros
        data_page(JET4, 0, [b"\x00" * 69, ROW.ljust(69)]),
        data_page(JET4, 0, [b"\x00" * 69, ROW[1:].ljust(69)]),
        data_page(JET4, 0, [b"\x00" * 69, b"\x01\x00\x00\x00\x00" + ROW.ljust(64)]),
        data_page(JET4, 0, [b"\x00" * 69, ROW * 5]),
        data_page(JET4, 0, [ROW * 5], flags={0: 0xC000}),
        data_page(JET4, 0, [b"\x00" * 69, ROW], flags={1: 0x4000}),
        data_page(JET4, 0, []),
        b"\x01\x01" + bytes(10) + b"\xff\xff" + ROW + bytes(4096 - 14 - len(ROW)),
        b"\x03\x01" + ROW + bytes(4094 - len(ROW)),
        b"\x04\x01" + ROW + bytes(4094 - len(ROW)),
        b"\x09\x01" + ROW + bytes(4094 - len(ROW)),
        b"\x00\x01" + ROW + bytes(4094 - len(ROW)),
    ],
)
def test_a_page_with_values_stays(tmp_path: Path, page: bytes) -> None:
    made = clinic_file()
    last = max(made.pages) + 1
    made.pages[last] = page
    one = served(written(tmp_path / "made", made.data()))
    assert last not in one.pages
    assert b"Jane Doe" not in b"".join(one.pages.values())
    with pytest.raises(SourceError) as caught:
        one.source().read([(last * 4096, 4096)])
    assert caught.value.kind == "budget"


@pytest.mark.parametrize("begin", [b"", b"Jane Doe", b"Jane Doe;1961-03-02\r\n" * 1000, bytes(9000)])
def test_what_is_no_access_file_stays_whole(tmp_path: Path, begin: bytes) -> None:
    path = written(tmp_path / "file", begin)
    one = served(path)
    assert (one.state, one.pages, one.stat.size_bytes) == ("not-access", {}, len(begin))
    if begin:
        with pytest.raises(SourceError) as caught:
            one.source().read([(0, 4096)])
        assert caught.value.kind == "budget"


@pytest.mark.parametrize(
    "password", ["a", "geheim", "12345678901234567890", "\u65e5\u672c\u8a9e", ""], ids=len
)
@pytest.mark.parametrize("layout", [JET3, JET4], ids=lambda layout: layout.name)
def test_a_password_stays_and_that_there_is_one_does_not(
    tmp_path: Path, layout: Format, password: str
) -> None:
    made = clinic_file(layout)
    size = layout.password_length
    raw = (password.encode("cp1252", "replace") if layout is JET3 else password.encode("utf-16-le"))[:size]
    empty = bytes(20) if layout is JET3 else (43831).to_bytes(4, "little") * 10
    field = bytes(a ^ b for a, b in zip(raw.ljust(size, b"\0"), empty, strict=True))
    made.pages[0] = header(layout, changes={0x42: field})
    one = served(written(tmp_path / "made", made.data()))
    before, after = read_header(made.pages[0]), read_header(one.pages[0])
    assert after == before
    assert (after.password == "none") == (not password)
    hidden = one.pages[0][0x42 : 0x42 + size]
    others = clinic_file(layout)
    other = bytes(a ^ b for a, b in zip(b"z".ljust(size, b"\0"), empty, strict=True))
    others.pages[0] = header(layout, changes={0x42: other if password else empty})
    assert hidden == served(written(tmp_path / "other", others.data())).pages[0][0x42 : 0x42 + size]


@pytest.mark.parametrize(
    "days", [0.0, 43831.75, -3.5, 1e300, -1e300, float("nan"), float("inf"), 0.3, 2.0**31]
)
def test_a_day_of_creation_that_is_none(tmp_path: Path, days: float) -> None:
    made = clinic_file()
    whole = int(days) if abs(days) < 2**31 else 0
    field = whole.to_bytes(4, "little", signed=True) * 10
    made.pages[0] = header(JET4, changes={0x72: struct.pack("<d", days), 0x42: field})
    one = served(written(tmp_path / "made", made.data()))
    assert one.pages[0] == made.pages[0]
    assert read_header(one.pages[0]).password == "none"


@pytest.mark.parametrize("name", ["office-agile-4.2.accdb", "db2007-enc.accdb", "db2007-oldenc.accdb"])
def test_an_encrypted_file_keeps_what_a_password_could_be_tried_on(name: str) -> None:
    path = corpus_file(name)
    one = served(path)
    whole = path.read_bytes()[:4096]
    assert (one.state, set(one.pages)) == ("encrypted", {0})
    assert read_header(one.pages[0]) == read_header(whole)
    assert any(whole[0x2A3:0xE00])
    assert not any(one.pages[0][0x2A3:0xE00])


SECRET = "S3cret"


@pytest.mark.parametrize(
    "connect",
    [
        f"ODBC;PWD={SECRET};SERVER=srv-db",
        f"ODBC;pwd = {SECRET} ;SERVER=srv-db",
        f"ODBC;PWD={{{SECRET};SERVER=x}};SERVER=srv-db",
        f"ODBC;PWD={{a}}}};{SECRET};SERVER=x}};SERVER=srv-db",
        f"ODBC;PWD={{{SECRET};DATABASE=x",
        f"ODBC;SERVER=srv-db;PASSWORD={SECRET}",
        f"MS Access;PWD={SECRET};DATABASE=D:\\b.mdb",
        f"PWD={SECRET}",
        f"ODBC;UID={SECRET};DATABASE=x",
        f"ODBC;Access Token={SECRET};DATABASE=x",
        f"WSS;DATABASE=https://me:{SECRET}@portal.example/clinic",
    ],
)
@pytest.mark.parametrize("form", ["utf-16-le", "compressed", "cp1252"])
def test_credentials_of_links_stay(tmp_path: Path, connect: str, form: str) -> None:
    data = {
        "utf-16-le": connect.encode("utf-16-le"),
        "compressed": b"\xff\xfe" + connect.encode("cp1252"),
        "cp1252": connect.encode("cp1252"),
    }[form]
    link = {"Id": 77, "ParentId": 1, "Name": "Linked", "Type": 4, "Connect": inline_value(data), "Flags": 0}
    layout = JET3 if form == "cp1252" else JET4
    made = clinic_file(layout, [link])
    before = made.data()
    one = served(written(tmp_path / "made", before))
    came = b"".join(one.pages.values())
    assert SECRET.encode() in before or SECRET.encode("utf-16-le") in before
    assert SECRET.encode() not in came
    assert SECRET.encode("utf-16-le") not in came
    mine = read_catalogue(open_file(one.source()))
    theirs = read_catalogue(open_file(made.source()))
    assert mine == theirs


def test_properties_that_speak_of_keys_are_left_as_they_are(tmp_path: Path) -> None:
    value = inline_value(b"MR2\0" + b"PrimaryKey\x3d\x01\x02\x03 password=of a field")
    link = {"Id": 77, "ParentId": 1, "Name": "Linked", "Type": 4, "LvProp": value, "Flags": 0}
    made = clinic_file(JET4, [link])
    one = served(written(tmp_path / "made", made.data()))
    assert one.pages[4] == made.pages[4]


# --- limits and trouble -----------------------------------------------------------------------


def test_what_is_too_much_is_left_out_and_said_so(tmp_path: Path) -> None:
    made = clinic_file()
    path = written(tmp_path / "made", made.data())
    whole = served(path)
    small = COLLECTOR.script.replace(str(MOST_PAGE_BYTES), str(2 * 4096))
    (one, other), partial, _ = answer({AT: path, "D:\\Data\\b.mdb": path}, script=small)
    assert len(one.pages) == 3  # the first page is always there
    assert one.left_out == len(whole.pages) - 3
    assert (len(other.pages), other.left_out) == (1, len(whole.pages) - 1)
    assert len(partial) == 2
    with pytest.raises(SourceError) as caught:
        one.source().read([(5 * 4096, 4096)])
    assert caught.value.kind == "budget"


def test_the_largest_answer_fits_in_a_frame() -> None:
    from checkup.batch.frames import MOST_PAYLOAD_BYTES
    from probes.access.server_pages import MOST_FILES

    pages = MOST_PAGE_BYTES // 2048
    json_bytes = (
        MOST_PAGE_BYTES * 4 / 3 + pages * len('"",1234567,') + MOST_FILES * (4096 + 16_320 + 4000) * 4 / 3
    )
    assert json_bytes * 4 / 3 * 77 / 76 < MOST_PAYLOAD_BYTES


def test_no_time_left_is_said_so(tmp_path: Path) -> None:
    path = written(tmp_path / "made", clinic_file().data() + bytes(600_000))
    (one,), partial, _ = answer({AT: path}, seconds=10_000)
    assert one.stopped
    assert 0 < one.scanned < one.stat.size_bytes // 4096
    assert len(partial) == 1


def test_files_that_cannot_be_had(tmp_path: Path) -> None:
    path = written(tmp_path / "made", clinic_file().data())
    disk = Disk({AT: path, "N:\\x.mdb": path}, network=frozenset({"N"}))
    asked = ["\\\\srv\\data\\x.mdb", "x.mdb", "D:\\*.mdb", "N:\\x.mdb", "D:\\Data\\none.mdb"]
    output, partial = run(COLLECTOR.script, {"access_files": asked}, disk)
    found = served_files(output)
    assert [one.state for one in found] == ["elsewhere"] * 4 + ["missing"]
    assert (partial, disk.opened) == ([], [])
    for one in found:
        with pytest.raises(SourceError) as caught:
            one.source()
        assert caught.value.kind == "gone"


@pytest.mark.parametrize(
    ("refused", "state", "kind"),
    [(PermissionError("denied"), "denied", "denied"), (OSError("sharing violation"), "unreadable", "broken")],
)
def test_a_file_that_may_not_be_opened(tmp_path: Path, refused: OSError, state: str, kind: str) -> None:
    path = written(tmp_path / "made", clinic_file().data())
    disk = Disk({AT: path, "D:\\Data\\clinic_be.laccdb": path}, refused=refused)
    (one,) = served_files(run(COLLECTOR.script, {"access_files": [AT]}, disk)[0])
    assert (one.state, one.pages) == (state, {})
    assert one.lock is not None
    assert (one.lock.state, one.lock.stat, one.lock.content) == (state, None, b"")
    with pytest.raises(SourceError) as caught:
        one.source()
    assert caught.value.kind == kind


def test_a_disk_that_fails_in_the_middle(tmp_path: Path) -> None:
    made = clinic_file().data()
    path = written(tmp_path / "made", made + bytes(600_000))
    output, partial = run(COLLECTOR.script, {"access_files": [AT]}, Disk({AT: path}, broken_at=300_000))
    (one,) = served_files(output)
    assert (one.state, one.stopped, one.scanned, len(partial)) == ("read", True, 64, 1)
    assert read_table_counts(open_file(one.source())).tables
    output, partial = run(COLLECTOR.script, {"access_files": [AT]}, Disk({AT: path}, broken_at=100))
    (one,) = served_files(output)
    assert (one.state, one.pages) == ("unreadable", {})


@pytest.mark.parametrize(("place", "changed"), [(5, 1), (6, 0)])
def test_pages_of_structure_are_looked_at_twice(tmp_path: Path, place: int, changed: int) -> None:
    made = clinic_file()
    made.pages[6] = data_page(JET4, 5, [ROW])
    path = written(tmp_path / "made", made.data())
    lock = written(tmp_path / "lock", b"WS-3")

    def somebody_writes() -> None:
        with path.open("r+b") as file:
            file.seek(place * 4096 + 100)
            file.write(b"\xff\xff")

    disk = Disk({AT: path, "D:\\Data\\clinic_be.laccdb": lock}, sleeping=somebody_writes)
    (one,) = served_files(run(COLLECTOR.script, {"access_files": [AT]}, disk)[0])
    assert (5 in one.pages, 6 in one.pages, one.changed) == (True, False, changed)


def test_everybody_else_may_go_on(tmp_path: Path) -> None:
    path = written(tmp_path / "made", clinic_file().data())
    disk = Disk({AT: path, "D:\\Data\\clinic_be.laccdb": written(tmp_path / "lock", b"WS-3")})
    run(COLLECTOR.script, {"access_files": [AT]}, disk)
    assert [how for _, *how in disk.opened] == [["Open", "Read", "ReadWrite, Delete"]] * 2


@pytest.mark.parametrize(
    ("at", "lock"),
    [
        ("D:\\a.b\\x.accdb", "x.laccdb"),
        ("D:\\x.ACCDE", "x.laccdb"),
        ("D:\\x.mdb", "x.ldb"),
        ("D:\\x.dat", "x.ldb"),
        ("D:\\x", "x.laccdb"),
    ],
)
def test_the_lock_file_comes_along(tmp_path: Path, at: str, lock: str) -> None:
    path = written(tmp_path / "made", clinic_file().data())
    beside = at.rpartition("\\")[0] + "\\" + lock
    content = b"WS-3".ljust(64, b"\0") * 300
    disk = Disk({at: path, beside: written(tmp_path / "lock", content)})
    (one,) = served_files(run(COLLECTOR.script, {"access_files": [at]}, disk)[0])
    assert one.lock is not None
    assert one.lock.stat is not None
    assert (one.lock.name, one.lock.state, one.lock.stat.size_bytes) == (lock, "read", len(content))
    assert one.lock.content == content[: 255 * 64]


def test_more_files_than_are_looked_at(tmp_path: Path) -> None:
    path = written(tmp_path / "made", clinic_file().data())
    found, partial, _ = answer({f"D:\\{number}.mdb": path for number in range(9)})
    assert len(found) == 8
    assert len(partial) == 1


# --- an answer from somewhere -----------------------------------------------------------------


@pytest.fixture(scope="module")
def raw(tmp_path_factory: pytest.TempPathFactory) -> Any:
    path = written(tmp_path_factory.mktemp("made") / "made", clinic_file().data())
    return answer({AT: path})[2]


@pytest.mark.parametrize(
    "change",
    [
        {"state": "fine"},
        {"page_bytes": 100},
        {"page_bytes": 0},
        {"numbers": [0]},
        {"numbers": None},
        {"size": -1},
        {"size": 4096},
        {"size": "much"},
        {"pages": "AA=="},
        {"modified": "yesterday"},
        {"lock": "PC-1"},
        {"lock": {"state": "read"}},
        {"scanned": None},
    ],
    ids=str,
)
def test_an_answer_that_cannot_be_is_refused(raw: Any, change: Any) -> None:
    with pytest.raises((ValueError, KeyError)):
        served_files({"files": [{**raw["files"][0], **change}]})


def test_pages_that_cannot_be_are_refused(raw: Any) -> None:
    one: dict[str, JSON] = raw["files"][0]
    first: list[JSON] = raw["files"][0]["pages"]
    cases: list[tuple[list[JSON], list[JSON]]] = [
        ([0, 0], first[:2]),
        ([1], first[:1]),
        ([0, 10_000], first[:2]),
        ([0], ["no base64!"]),
        ([0], [base64.b64encode(bytes(5000)).decode()]),
        ([0], [None]),
    ]
    for numbers, pages in cases:
        with pytest.raises(ValueError, match=r"."):
            served_files({"files": [{**one, "numbers": numbers, "pages": pages}]})


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=100, deadline=None)
@given(
    some.lists(some.tuples(some.integers(0, 60_000), some.integers(0, 20_000)), max_size=5), some.booleans()
)
def test_a_range_is_what_the_file_has_or_refused(
    raw: Any, ranges: list[tuple[int, int]], first: bool
) -> None:
    data = clinic_file().data()
    one = served_files(raw)[0]
    source = one.source()
    if first:
        ranges = [(0, 12_288), *ranges]
    for start, length in ranges:
        end = min(start + length, len(data))
        there = all(number in one.pages for number in range(start // 4096, -(-end // 4096)))
        if start == 0:
            (came,) = source.read([(start, length)])
            assert came == data[: len(came)]
        elif there:
            assert source.read([(start, length)]) == [data[start:end]]
        else:
            with pytest.raises(SourceError, match="budget"):
                source.read([(start, length)])
