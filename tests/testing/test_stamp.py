from __future__ import annotations

import pytest

from checkup.api import JSON, Section, Shell
from checkup.lint_stamp import collector_digest, read_stamp
from checkup.testing.stamp import psutil_problems, section_problems, stamp, stamp_text


def section(script: str) -> Section[str]:
    def parse(raw: JSON, source: str, version: int) -> str:
        return str(raw)

    return Section(name="one", facts=str, collect={"posix": Shell(script)}, parse=parse)


def test_a_section_that_writes_gets_no_stamp() -> None:
    assert stamp([section("rm /x")]) == {}
    assert section_problems(section("rm /x")) == [
        "one (posix): line 1: rm is not on the list of programs that only read"
    ]


def test_the_digest_follows_the_script() -> None:
    assert collector_digest(section("echo a")) == collector_digest(section("echo a"))
    assert collector_digest(section("echo a")) != collector_digest(section("echo b"))


def test_a_stamp_file_reads_back() -> None:
    assert read_stamp(stamp_text([section("echo a")])) == stamp([section("echo a")])


@pytest.mark.parametrize("text", ["[]", "1", "{", ""])
def test_what_is_no_stamp_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r".+"):
        read_stamp(text)


@pytest.mark.parametrize(
    "body",
    [
        "psutil.Process(1).kill()",
        "psutil.Process(1)",
        "open('x', 'w')",
        "import os",
        "os.remove('x')",
        "__import__('os').remove('x')",
        "getattr(psutil, 'x')()",
        "psutil.os.remove('x')",
        "eval('1')",
        "psutil._common.sys.exit()",
        "[f() for f in [psutil.os.remove]]",
        "psutil.os",
        "sorted([], key=psutil.os.remove)",
    ],
)
def test_a_local_function_may_call_nothing_but_psutil(body: str) -> None:
    assert psutil_problems(f"def read():\n    {body}\n")


def test_a_local_function_may_shape_what_psutil_says() -> None:
    code = "return [[n, c.errin == psutil.X] for n, c in psutil.net_io_counters(pernic=True).items()]"
    assert psutil_problems(f"def read():\n    {code}\n") == []
