"""`checkup bundle`: what is written for people to run by hand."""

from __future__ import annotations

import re
import subprocess
from hashlib import sha256
from pathlib import Path

import pytest

from checkup.batch import posix, powershell
from checkup.batch.frames import FrameReader
from checkup.testing.powershell_allowed import PROLOGUE
from checkup.testing.powershell_code import parse
from checkup.testing.powershell_lint import problems, signatures
from tests.workflow.bundles import batches
from tests.workflow.conftest import SITE, Clinic, checkup

ROUND = f"{SITE}-from-srv.ps1"


@pytest.fixture
def practice(clinic: Clinic) -> Clinic:
    """A Windows server and workstations that nobody can get into, and a Linux machine."""
    clinic.more["contacts"] = {
        "engineer": {"name": "Adam Novák", "email": "adam@vendor.example", "phone": "+1-555-0100"}
    }
    nowhere = {"transport": "bundle", "file": "none"}
    for name in ("srv", "ws-3", "ws-4"):
        clinic.add(name, nowhere, platform="windows")
    clinic.add("quiet", nowhere, platform="windows", touch="quiet")
    clinic.add("cath", nowhere, platform="windows", touch="never")
    clinic.add("db", nowhere)
    return clinic


def written(clinic: Clinic, *arguments: str) -> dict[str, bytes]:
    ended = checkup("bundle", clinic.site_file, *arguments)
    assert ended.status == 0, ended.err
    paths = [Path(line) for line in ended.out.splitlines()]
    return {path.name: path.read_bytes() for path in paths}


def prologue(name: str) -> str:
    return (Path(__file__).parents[2] / "probes" / "powershell" / name).read_text(encoding="ascii")


def test_the_wrapper_does_no_more_than_its_table_permits() -> None:
    known = {**signatures(prologue("lib.ps1")), **signatures(prologue("boot.ps1"))}
    found = problems(
        prologue("bundle.ps1"),
        where="bundle.ps1",
        functions=known,
        variables=frozenset(),
        permissions=PROLOGUE["bundle.ps1"],
    )
    assert found == []


def test_the_wrapper_takes_no_name_of_the_batch_that_runs_within_it() -> None:
    own = set(signatures(prologue("bundle.ps1")))
    assert own & {*signatures(prologue("lib.ps1")), *signatures(prologue("boot.ps1"))} == set()


@pytest.mark.parametrize("arguments", [("--host", "ws-3"), ("--all", "--from", "srv")])
def test_a_script_for_windows_is_plain_ascii_that_parses(
    practice: Clinic, arguments: tuple[str, ...]
) -> None:
    ((_, script),) = written(practice, *arguments).items()
    text = script.decode("ascii")
    assert "\r" not in text
    broken = [node for node in parse(text).walk() if node.broken]
    assert broken == []
    code = [line for line in text.split("\n") if line and not line.startswith("#")]
    assert code[0] == "param([string] $Folder = '')"


def test_the_batch_stands_in_the_script_as_it_would_be_sent(practice: Clinic) -> None:
    ((name, script),) = written(practice, "--host", "ws-3").items()
    assert name == "ws-3.ps1"
    ((endpoint, batch),) = batches(script)
    assert endpoint == "ws-3"
    lines = [line for line in batch.split(b"\n") if not line.startswith(b"$CheckupBatch = ")]
    assert sha256(b"\n".join(lines)).hexdigest() == powershell.batch_of(batch)
    assert b"$CheckupChecksums = $true" in batch
    assert b"$CheckupPipeline = $true\n" + batch in script


def test_the_first_lines_tell_a_stranger_everything(practice: Clinic) -> None:
    ((_, script),) = written(practice, "--host", "ws-3").items()
    head = script.decode("ascii").split("\nparam(")[0]
    assert all(line.startswith("#") for line in head.splitlines() if line)
    words = " ".join(head.replace("#", " ").split())
    for told in (
        "Check-up of ws-3 at Harbour Clinic",
        "changes nothing else",
        "powershell.exe -NoProfile -ExecutionPolicy Bypass -File ws-3.ps1",
        "beside this file",
        "Adam Novak, adam@vendor.example, +1-555-0100",
        'schtasks /Create /TN "checkup ws-3"',
        'schtasks /Delete /TN "checkup ws-3"',
        f"batch {powershell.batch_of(script)} ws-3",
    ):
        assert told in words
    assert re.search(r"plan [0-9a-f]{64} ", words)


def test_the_same_day_makes_the_same_script(practice: Clinic) -> None:
    assert written(practice, "--host", "ws-3") == written(practice, "--host", "ws-3")


def test_a_script_for_posix_runs_and_answers_with_check_sums(practice: Clinic) -> None:
    scripts = written(practice, "--host", "db", "--only", "host.uptime")
    script = scripts["db.sh"]
    done = subprocess.run(["sh"], input=script, capture_output=True, check=True)
    assert b" cksum=- " not in done.stdout
    reader = FrameReader(posix.token_of(script))
    hello, *_ = reader.feed(done.stdout)
    assert reader.ended
    assert b"endpoint=db\n" in hello.payload
    assert b"#     sh db.sh > db.bundle\n" in script


def test_a_round_reads_the_server_then_each_neighbour_in_two_ways(practice: Clinic) -> None:
    ((name, script),) = written(practice, "--all", "--from", "srv").items()
    assert name == ROUND
    text = script.decode("ascii")
    assert re.findall(r"^Collect(Here|There) '([a-z0-9-]+)'", text, re.MULTILINE) == [
        ("Here", "srv"),
        ("There", "ws-3"),
        ("There", "ws-4"),
        ("There", "quiet"),
    ]
    assert f"DeliverBundle '{SITE}' 4 {{" in text
    names = [endpoint for endpoint, _ in batches(script)]
    assert names == ["srv", "ws-3", "ws-3", "ws-4", "ws-4", "quiet", "quiet"]


def test_what_is_not_to_be_touched_is_left_out_and_quiet_hours_are_kept_there(practice: Clinic) -> None:
    ended = checkup("bundle", practice.site_file, "--all", "--from", "srv")
    assert "not in it: cath, it is not touched" in ended.err
    assert "not in it: db, it is no Windows machine" in ended.err
    text = (practice.folder / "bundles" / ROUND).read_text(encoding="ascii")
    assert "'cath'" not in text
    assert "CollectThere 'quiet' 'quiet' '07:00' '19:00' {" in text
    assert "CollectThere 'ws-3' 'ws-3' '' '' {" in text


def test_whoever_runs_it_by_hand_is_asked_to_keep_the_quiet_hours(practice: Clinic) -> None:
    scripts = written(practice, "--host", "quiet", "--host", "ws-3")
    assert b"Please not from 07:00 to 19:00" in scripts["quiet.ps1"]
    assert b"Please not from" not in scripts["ws-3.ps1"]


def test_a_neighbours_second_batch_only_asks_and_says_so(practice: Clinic) -> None:
    ((_, script),) = written(practice, "--all", "--from", "srv").items()
    (_, full), (_, asking) = [one for one in batches(script) if one[0] == "ws-3"]
    assert b"\nHelloFrom 'harbour' 'ws-3'\n" in asking
    assert b"\nHello 'harbour' 'ws-3'\n" not in asking
    lines = [line for line in asking.split(b"\n") if not line.startswith(b"$CheckupBatch = ")]
    assert sha256(b"\n".join(lines)).hexdigest() == powershell.batch_of(asking)
    assert powershell.batch_of(asking) != powershell.batch_of(full)
    body = asking.decode("ascii").split("\nHelloFrom ")[1]
    called = set(re.findall(r"(?m)^(?:\$rows\[[^]]*\] = )?([A-Z][A-Za-z]+)\b", body))
    assert called <= {"Section", "Wmi", "Goodbye"}
    assert "Win32_OperatingSystem" in body


def test_a_neighbours_address_is_that_of_the_site_file(practice: Clinic) -> None:
    practice.credentials["admin"] = {"user": "admin", "password": "env:CLINIC_PASSWORD"}
    practice.hosts[1]["connect"] = {
        "transport": "winrm",
        "host": "WS-3.harbour.example",
        "credential": "admin",
    }
    ((_, script),) = written(practice, "--all", "--from", "srv").items()
    assert b"CollectThere 'ws-3' 'WS-3.harbour.example' '' '' {" in script


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ([], "--host NAME (may be repeated), or --all --from SERVER"),
        (["--host", "ws-33"], "no host 'ws-33'"),
        (["--host", "cath"], "cath is not touched"),
        (["--all"], "--from NAME"),
        (["--all", "--from", "db"], "db is `platform: posix`"),
        (["--from", "srv"], "--all --from NAME"),
    ],
)
def test_a_wish_that_makes_no_script_says_what_to_write(
    practice: Clinic, arguments: list[str], said: str
) -> None:
    ended = checkup("bundle", practice.site_file, *arguments)
    assert ended.status == 2
    assert said in ended.err
    assert not (practice.folder / "bundles").exists()


def test_the_next_steps_are_told_and_nothing_is_kept(practice: Clinic) -> None:
    ended = checkup("bundle", practice.site_file, "--host", "ws-3", "--host", "db")
    assert "on ws-3, type  powershell.exe" in ended.err
    assert "on db, type  sh db.sh > db.bundle" in ended.err
    assert "checkup import" in ended.err
    assert not practice.store_file.exists()
