"""Access files of a site: read where they lie, judged and reported with the machines."""

from __future__ import annotations

import sys
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

import pytest

from checkup import access_depth
from checkup.api import Visit
from checkup.collect.opening import Opening
from checkup.transports.session import ConnectionFacts, TransportError
from checkup.workflow.collecting import plan_run
from checkup.workflow.prepare import prepare
from tests.servers.sshd import needs_sshd, sshd
from tests.workflow.conftest import Clinic, assert_adds_up, assert_clean, checkup, errors, outcomes

sys.path.insert(0, str(Path(__file__).parents[1] / "jet"))

from made import clinic_file  # pyright: ignore[reportMissingImports]
from sound import sound_file  # pyright: ignore[reportMissingImports]

pytestmark = pytest.mark.usefixtures("paper")

NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)


def listing(folder: Path) -> list[tuple[str, int, int]]:
    return sorted((path.name, path.stat().st_size, path.stat().st_mtime_ns) for path in folder.iterdir())


def put(folder: Path, name: str = "ledger.mdb") -> Path:
    folder.mkdir(exist_ok=True)
    path = folder / name
    path.write_bytes(clinic_file().data())
    return path


def assert_judged(found: dict[str, str]) -> None:
    """The made file's maps are not whole, which costs the checks that count every page, and no other."""
    assert found["access.column-limit"] == found["access.commit-words"] == "passed"
    missing = {probe for probe, outcome in found.items() if outcome == "not checked"}
    assert missing <= {
        "access.compaction-age",
        "access.compaction-safe",
        "access.folder-rights",
        "access.near-limit-tables",
        "access.reclaimable",
        "access.scattered-tables",
        "access.size-forecast",
        "access.size-limit",
    }


def add_sound(clinic: Clinic, **more: object) -> Path:
    """A file without any fault, on this machine."""
    file = clinic.folder / "ledger.mdb"
    file.write_bytes(sound_file().data())
    clinic.add_local()
    clinic.more["access"] = [{"id": "ledger", "host": "here", "path": str(file), **more}]
    return file


def ledger_texts(clinic: Clinic) -> str:
    """All that the ledger says was read."""
    with closing(clinic.store()) as store:
        (run,) = store.runs()
        return "".join(store.script(row.sha256).decode() for row in store.ledger([run.id]))


def test_a_file_on_this_machine_is_read_and_nothing_is_left_beside_it(clinic: Clinic):
    file = put(clinic.folder / "data")
    before = listing(file.parent)
    clinic.add_local()
    clinic.more["access"] = [{"id": "ledger", "host": "here", "path": str(file)}]
    ended = clinic.run("--host", "ledger", "--visit", "30-day")
    assert_clean(clinic.texts(ended))
    assert_adds_up(ended.assessment)
    found = outcomes(ended.assessment, "ledger")
    assert_judged(found)
    assert listing(file.parent) == before
    said = ledger_texts(clinic)
    assert "to the depth maps" in said and "no page of anyone's rows" in said


@needs_sshd
@pytest.mark.sshd
def test_a_file_on_a_server_is_read_by_sftp_over_its_ssh(clinic: Clinic, soon: None):
    file = put(clinic.folder / "data")
    before = listing(file.parent)
    with sshd(clinic.folder / "sshd", options={"Subsystem": "sftp internal-sftp"}) as server:
        clinic.add_ssh("srv", server)
        clinic.more["access"] = [{"id": "ledger", "host": "srv", "path": str(file)}]
        ended = clinic.run("--host", "ledger")
    assert_clean(clinic.texts(ended))
    found = outcomes(ended.assessment, "ledger")
    assert_judged(found)
    assert listing(file.parent) == before
    assert "to the depth maps; these pages cross the link" in ledger_texts(clinic)


@needs_sshd
@pytest.mark.sshd
def test_with_consent_pages_with_rows_cross_the_link_and_the_ledger_says_so(clinic: Clinic, soon: None):
    file = add_sound(clinic)
    with sshd(clinic.folder / "sshd", options={"Subsystem": "sftp internal-sftp"}) as server:
        clinic.add_ssh("srv", server)
        clinic.more["access"] = [
            {"id": "ledger", "host": "srv", "path": str(file), "depth": "rows", "consent": ["data-pages"]}
        ]
        ended = clinic.run("--host", "ledger")
    assert outcomes(ended.assessment, "ledger")["access.integrity"] == "passed"
    said = ledger_texts(clinic)
    assert "to the depth rows; these pages cross the link: the lock file and every page" in said


# --- how deep -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("visit", "more", "depth"),
    [
        ("30-day", {}, "maps"),
        ("interim", {}, "maps"),
        ("six-month", {}, "index"),
        ("tune-up", {}, "rows"),
        ("30-day", {"depth": "pages"}, "pages"),
    ],
)
def test_the_visit_and_the_site_file_say_how_deep(
    clinic: Clinic, visit: str, more: dict[str, object], depth: str
):
    add_sound(clinic, **more)
    ended = clinic.run("--host", "ledger", "--visit", visit)
    assert f"ledger: to the depth {depth} (" in ended.err
    assert f"to the depth {depth};" in ledger_texts(clinic)
    (sound,) = [item for item in ended.assessment.results if item.probe == "access.integrity"]
    assert sound.outcome == "passed" and sound.evidence["depth"].value == depth  # pyright: ignore[reportAttributeAccessIssue]


def test_the_plan_shows_depth_cost_and_kinds_and_knows_the_size_from_the_last_run(clinic: Clinic):
    file = add_sound(clinic)
    plan = ("plan", "--visit", "tune-up", "--host", "ledger", "--no-commands")
    before = checkup(plan[0], clinic.site_file, *plan[1:]).out
    assert "depth rows (a tune-up looks at every row)" in before
    assert "size unknown yet: settled when the header is read" in before
    assert "read, crossing no link: the lock file and every page" in before
    clinic.run("--host", "ledger")
    after = checkup(plan[0], clinic.site_file, *plan[1:]).out
    assert f"{file.stat().st_size // 1024}\N{NO-BREAK SPACE}KB by the last reading: about" in after


def test_a_size_in_the_site_file_serves_until_a_run_has_seen_the_file(clinic: Clinic):
    add_sound(clinic, size_mb=1900)
    plan = ("--visit", "tune-up", "--host", "ledger", "--no-commands")
    said = checkup("plan", clinic.site_file, *plan).out
    assert "1.86\N{NO-BREAK SPACE}GB by the site file" in said
    assert "depth index (a tune-up looks at every row, but rows would take about" in said


def test_what_would_take_too_long_is_left_out_and_not_called_sound(
    clinic: Clinic, monkeypatch: pytest.MonkeyPatch
):
    """The size that counts is the true one, seen when the file is open: nothing was known before."""
    monkeypatch.setattr(access_depth, "MOST_HERE_S", 0)
    add_sound(clinic)
    ended = clinic.run("--host", "ledger", "--visit", "tune-up")
    found = outcomes(ended.assessment, "ledger")
    assert found["access.integrity"] == "not checked"
    (left,) = [one.reason for one in ended.assessment.not_checked if one.probe == "access.integrity"]
    assert left.startswith("index, pages, rows: would take about 1 s of at most 0; write `depth: rows`")
    # What the maps show is whole, and judged.
    assert found["access.compaction-safe"] == found["access.size-limit"] == "passed"


# --- what cannot be read ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("content", "error"), [(None, "unreachable"), (b"Dear Sirs, ...", "bad_output"), (b"", "bad_output")]
)
def test_what_is_no_access_file_passes_nothing(clinic: Clinic, content: bytes | None, error: str):
    file = clinic.folder / "ledger.mdb"
    if content is not None:
        file.write_bytes(content)
    clinic.add_local()
    clinic.more["access"] = [{"id": "ledger", "host": "here", "path": str(file)}]
    ended = clinic.run("--host", "ledger")
    assert errors(ended.assessment, "ledger") == {error}
    assert set(outcomes(ended.assessment, "ledger").values()) == {"not checked"}


def test_a_file_of_a_machine_that_is_never_touched_is_not_touched_either(clinic: Clinic):
    file = put(clinic.folder / "data")
    clinic.add_local()
    clinic.hosts[0]["touch"] = "never"
    clinic.more["access"] = [{"id": "ledger", "host": "here", "path": str(file)}]
    ended = clinic.run("--host", "ledger")
    assert errors(ended.assessment, "ledger") == {"opted_out"}


def test_a_file_that_no_way_leads_to_says_what_to_write(clinic: Clinic):
    clinic.add_bundle("srv")  # of a machine that is no Windows
    clinic.more["access"] = [{"id": "ledger", "host": "srv", "path": "/srv/data/ledger.mdb"}]
    ended = clinic.run("--host", "ledger")
    assert errors(ended.assessment, "ledger") == {"unsupported"}
    assert "give the file a `reach:` by smb" in ended.err


@pytest.mark.parametrize(
    ("entry", "said"),
    [
        ({"id": "here", "host": "here", "path": "x.mdb"}, "has this id"),
        ({"id": "ledger", "host": "gone", "path": "x.mdb"}, "there is no such host"),
        ({"id": "ledger", "host": "here", "path": "x.mdb", "declare": {"userz": 3}}, "no probe asks"),
        ({"id": "ledger", "host": "here", "path": "x.mdb", "role": "backup-copy"}, "backup_of"),
        ({"id": "ledger", "host": "here", "path": "x.mdb", "depth": "row"}, "did you mean"),
        ({"id": "ledger", "host": "here", "path": "x.mdb", "consent": ["rows"]}, "must be data-pages"),
        ({"id": "ledger", "host": "here", "path": "x.mdb", "consent": "data-pages"}, "must be a list"),
        ({"id": "ledger", "host": "here", "path": "\\\\srv\\data\\x.mdb", "depth": "rows"}, "write `consent"),
        (
            {"id": "ledger", "host": "here", "path": "\\\\srv\\data\\x.mdb", "reach": {"transport": "odbc"}},
            "the driver would read",
        ),
        ({"id": "ledger", "host": "here", "path": "x.mdb", "size_mb": 0}, "must be at least 1"),
    ],
)
def test_a_mistake_is_told_with_its_place(clinic: Clinic, entry: dict[str, object], said: str):
    clinic.add_local()
    clinic.more["access"] = [entry]
    ended = clinic.run()
    assert ended.status == 2 and said in ended.err, ended.err


@pytest.mark.parametrize("depth", ["sample", "index", "pages", "rows"])
def test_pages_with_rows_cross_a_link_only_with_consent(clinic: Clinic, depth: str):
    clinic.add("srv", {"transport": "ssh", "host": "srv.example", "credential": "a"})
    clinic.credentials["a"] = {"user": "admin", "agent": True}
    file = {"id": "ledger", "host": "srv", "path": "/srv/x.mdb", "depth": depth}
    clinic.more["access"] = [file]
    ended = checkup("validate", clinic.site_file)
    assert ended.status == 2
    assert (
        "site.yaml:" in ended.err and "access.0.depth: at this depth pages with patients' values" in ended.err
    )
    assert "write `consent: [data-pages]`" in ended.err
    clinic.more["access"] = [file | {"consent": ["data-pages"]}]
    assert checkup("validate", clinic.site_file).status == 0


def test_a_server_that_hands_out_pages_hands_out_none_with_rows_whatever_was_agreed(clinic: Clinic):
    clinic.add_bundle("srv")
    file = {"id": "ledger", "host": "srv", "path": "D:\\x.mdb", "consent": ["data-pages"], "depth": "pages"}
    clinic.more["access"] = [file]
    ended = checkup("validate", clinic.site_file)
    assert ended.status == 2 and "a server hands out no pages with patients' values" in ended.err
    clinic.more["access"] = [file | {"depth": "maps"}]
    assert checkup("validate", clinic.site_file).status == 0


def test_a_run_that_is_resumed_after_consent_was_withdrawn_reads_nothing(clinic: Clinic):
    clinic.add("srv", {"transport": "ssh", "host": "srv.example", "credential": "a"})
    clinic.credentials["a"] = {"user": "admin", "agent": True}
    file = {"id": "ledger", "host": "srv", "path": "/srv/x.mdb"}
    clinic.more["access"] = [file | {"depth": "rows", "consent": ["data-pages"]}]
    prepared = prepare(clinic.site_file, NOW)
    (planned,) = plan_run(prepared, None, Visit.TUNE_UP, NOW, hosts=["ledger"]).endpoints
    clinic.more["access"] = [file]
    now = prepare(clinic.site_file, NOW).site
    with (
        Opening(now, clinic.folder) as opening,
        pytest.raises(TransportError, match="no longer has `consent"),
        opening.open_file(planned, ConnectionFacts(transport="sftp")),
    ):
        pytest.fail("it was opened")
