from __future__ import annotations

from pathlib import Path

import pytest

from checkup.api import JSON, Collector, Parameter, PowerShell, Section, Shell, Source, Wmi, WmiQuery
from checkup.lint_stamp import STAMP_FILE, collector_digest, read_stamp
from checkup.testing.__main__ import main
from checkup.testing.stamp import psutil_problems, section_problems, stamp, stamp_text


def section(script: str) -> Section[str]:
    return collected({"posix": Shell(script)})


def collected(collect: dict[Source, Collector]) -> Section[str]:
    def parse(raw: JSON, source: str, version: int) -> str:
        return str(raw)

    return Section(
        name="one", facts=str, collect=collect, parse=parse, parameters={"since": Parameter("instant")}
    )


def test_a_section_that_writes_gets_no_stamp() -> None:
    assert stamp([section("rm /x")]) == {}
    assert section_problems(section("rm /x")) == [
        "one (posix): line 1: rm is not on the list of programs that only read"
    ]


def test_the_digest_follows_the_script() -> None:
    assert collector_digest(section("echo a")) == collector_digest(section("echo a"))
    assert collector_digest(section("echo a")) != collector_digest(section("echo b"))


@pytest.mark.parametrize(
    ("collector", "said"),
    [
        (PowerShell("Remove-Item x"), "one (windows): line 1: Remove-Item is not on the list"),
        (PowerShell("$P.sinec"), "one (windows): line 1: the section has no parameter sinec"),
        (Wmi((WmiQuery("Win32_Product", ("Name",)),)), "one (windows): Win32_Product is refused"),
    ],
)
def test_a_windows_section_that_does_more_gets_no_stamp(collector: Collector, said: str) -> None:
    one = collected({"windows": collector})
    assert stamp([one]) == {}
    assert section_problems(one)[0].startswith(said)


def test_the_digest_follows_everything_that_is_asked() -> None:
    queries = [
        WmiQuery("Win32_BIOS", ("Name",)),
        WmiQuery("Win32_BIOS", ("Name", "Version")),
        WmiQuery("Win32_BIOS", ("Name",), where="Name='x'"),
        WmiQuery("Win32_BIOS", ("Name",), namespace="root\\wmi"),
        WmiQuery("Win32_BIOS", ("Name",), optional=True),
    ]
    collectors: list[Collector] = [Wmi((query,)) for query in queries]
    collectors += [Wmi((queries[0], queries[0])), PowerShell("1"), PowerShell("2")]
    digests = {collector_digest(collected({"windows": one})) for one in collectors}
    assert len(digests) == len(collectors)


def test_the_lint_command_names_the_problems(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    package = tmp_path / "linted_probes"
    package.mkdir()
    (package / "__init__.py").write_text("", encoding="utf-8")
    (package / "one.py").write_text(PROBE, encoding="utf-8")
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(tmp_path)
        assert main(["lint", "linted_probes"]) == 1
        assert not (package / STAMP_FILE).exists()
        assert "one (windows): line 1: Clear-Log is not" in capsys.readouterr().err
        assert main(["stamp", "linted_probes"]) == 1
        assert read_stamp((package / STAMP_FILE).read_text(encoding="utf-8")) == {}
    assert main(["lint", "no_such_package_here"]) == 2


PROBE = """
from dataclasses import dataclass
from checkup.api import Context, NoLevels, Passed, PowerShell, Probe, Section

@dataclass(frozen=True)
class Facts:
    count: int

def check(facts: Facts, levels: NoLevels, ctx: Context):
    yield Passed()

one = Section(
    name="one", facts=Facts, collect={"windows": PowerShell("Clear-Log")}, parse=lambda *given: Facts(1)
)
probe = Probe(
    id="clinic.one", title="One", check=check, messages={}, why="", remedy="", verify="", levels=NoLevels()
)
"""


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
