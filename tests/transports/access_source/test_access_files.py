"""Access files on real file servers: what is read, at what cost, and that nothing there changes."""

from __future__ import annotations

import os
import random
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from checkup.jet.formats import JET4
from checkup.jet.pages import Pages
from checkup.jet.source import Source
from tests.servers.relay import relay
from tests.transports.access_source.conftest import Disk, Opener

SIZE = 3 * 1024**2 + 100
CONTENT = random.Random(4).randbytes(SIZE)
SCATTERED = [(place * 4096, 4096) for place in random.Random(5).sample(range(SIZE // 4096), 300)]


def opened(connect: Opener, disk: Disk, path: Path, *, port: int = 0) -> Source:
    files, at = connect(disk, path, port=port)
    return files.open(at)


def test_every_range_comes_back_as_it_is_in_the_file(disk: Disk, connect: Opener) -> None:
    source = opened(connect, disk, disk.put("clinic_be.accdb", CONTENT))
    ranges = [(0, 4096), (0, SIZE), (SIZE - 10, 10), (SIZE - 10, 4096), (SIZE, 1), (SIZE + 9999, 50), (7, 0)]
    ranges += [(4095, 2), (1_000_000, 32_768), (1_000_000, 32_769), (1, SIZE + 5), *SCATTERED]
    assert source.read(ranges) == [CONTENT[start : start + length] for start, length in ranges]
    assert source.read([]) == []


def test_stat_tells_size_and_time(disk: Disk, connect: Opener) -> None:
    path = disk.put("clinic_be.accdb", CONTENT)
    os.utime(path, (1_790_000_000, 1_790_000_000))
    stat = opened(connect, disk, path).stat()
    assert (stat.size_bytes, stat.modified) == (SIZE, 1_790_000_000)


def test_names_of_other_languages(disk: Disk, connect: Opener) -> None:
    path = disk.put("Ärzte #1 100% 日本.mdb", b"x" * 10)
    assert opened(connect, disk, path).read([(0, 99)]) == [b"x" * 10]


def test_each_read_is_one_round_trip_however_many_ranges(disk: Disk, connect: Opener) -> None:
    path = disk.put("clinic_be.accdb", CONTENT)
    with relay(("127.0.0.1", disk.server.port), delay_s=0.025) as link:  # 50 ms there and back
        source = opened(connect, disk, path, port=link.port)
        pages = Pages(source, JET4)
        before = link.round_trips
        for numbers in ([0], [1, 2], random.Random(6).sample(range(3, SIZE // 4096), 300)):
            assert len(pages.get(numbers)) == len(numbers)
        assert (pages.counters.rounds, link.round_trips - before) == (3, 3)
        source.stat()
        assert link.round_trips - before == 4


@pytest.mark.parametrize(("name", "lock"), [("clinic_be.accdb", "clinic_be.laccdb"), ("old.MDB", "old.ldb")])
def test_the_lock_file_is_read_where_there_is_one(disk: Disk, connect: Opener, name: str, lock: str) -> None:
    files, at = connect(disk, disk.put(name, CONTENT))
    assert files.lock_file(at) is None
    content = b"WS-3".ljust(32, b"\0") + b"Admin".ljust(32, b"\0")
    os.utime(disk.put(lock, content), (1_790_000_000, 1_790_000_000))
    found = files.lock_file(at)
    assert found is not None
    assert (found.name, found.content, found.stat.size_bytes, found.stat.modified) == (
        lock,
        content,
        64,
        1_790_000_000,
    )
    disk.put(lock, bytes(99_999))
    found = files.lock_file(at)
    assert found is not None
    assert (len(found.content), found.stat.size_bytes) == (255 * 64, 99_999)


def test_a_name_that_does_not_say_which_kind_is_looked_for_under_both(disk: Disk, connect: Opener) -> None:
    files, at = connect(disk, disk.put("clinic.dat", CONTENT))
    disk.put("clinic.ldb", b"x")
    found = files.lock_file(at)
    assert found is not None
    assert found.name == "clinic.ldb"


def test_nothing_is_created_or_changed(disk: Disk, connect: Opener) -> None:
    path = disk.put("clinic_be.accdb", CONTENT)
    disk.put("clinic_be.laccdb", b"WS-3")
    disk.put("other.accdb", b"")
    before = disk.everything()
    files, at = connect(disk, path)
    source = files.open(at)
    while_open = disk.everything()
    source.stat()
    source.read(SCATTERED)
    files.lock_file(at)
    files.open(str(Path(at).parent / "other.accdb")).close()
    source.close()
    files.close()
    assert before == while_open == disk.everything()


def test_somebody_else_goes_on_writing(disk: Disk, connect: Opener) -> None:
    path = disk.put("clinic_be.accdb", CONTENT)
    source = opened(connect, disk, path)
    assert source.read([(0, 10)]) == [CONTENT[:10]]
    with path.open("r+b") as other:
        other.write(b"0123456789")
        other.seek(0, os.SEEK_END)
        other.write(b"more")
    assert source.read([(0, 10), (SIZE - 2, 100)]) == [b"0123456789", CONTENT[-2:] + b"more"]
    assert source.stat().size_bytes == SIZE + 4


def test_a_file_cut_short_gives_short_answers(disk: Disk, connect: Opener) -> None:
    path = disk.put("clinic_be.accdb", CONTENT)
    source = opened(connect, disk, path)
    os.truncate(path, 100_000)
    ranges = [(0, 4096), (98_304, 4096), (98_304, 200_000), (200_000, 4096)]
    assert source.read(ranges) == [CONTENT[start : min(100_000, start + n)] for start, n in ranges]
    assert source.stat().size_bytes == 100_000


def test_many_threads_each_with_a_connection(disk: Disk, connect: Opener) -> None:
    path = disk.put("clinic_be.accdb", CONTENT)

    def read(seed: int) -> bool:
        source = opened(connect, disk, path)
        chosen = random.Random(seed)
        for _ in range(5):
            ranges = [(chosen.randrange(SIZE), chosen.randrange(50_000)) for _ in range(40)]
            if source.read(ranges) != [CONTENT[start : start + n] for start, n in ranges]:
                return False
        source.close()
        return True

    with ThreadPoolExecutor(6) as threads:
        assert all(threads.map(read, range(6)))


def test_several_files_and_threads_on_one_connection(disk: Disk, connect: Opener) -> None:
    contents = [bytes([number]) * 200_000 for number in range(4)]
    paths = [disk.put(f"{number}.mdb", content) for number, content in enumerate(contents)]
    files, at = connect(disk, paths[0])
    sources = [files.open(str(Path(at).parent / path.name)) for path in paths]
    before = threading.active_count()

    def read(number: int) -> bool:
        return all(
            sources[number].read([(0, 200_000), (9, 9)]) == [contents[number], contents[number][:9]]
            for _ in range(10)
        )

    with ThreadPoolExecutor(4) as threads:
        assert all(threads.map(read, range(4)))
    assert threading.active_count() == before
