"""What only a site knows of its Access files: where they lie, what they are copies of, what was shipped."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from checkup.api import Impact
from checkup.assessment import ItemResult, Outcome
from tests.jet.sound import sound_file
from tests.workflow.conftest import Clinic, assert_adds_up, assert_clean, checkup

pytestmark = pytest.mark.usefixtures("paper")

A_DAY = 86400


def put(path: Path, days_ago: float) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(sound_file().data())
    path.chmod(0o664)
    path.parent.chmod(0o775)
    when = path.stat().st_mtime - days_ago * A_DAY
    os.utime(path, (when, when))
    return path


def results(clinic: Clinic, probe: str) -> dict[str, ItemResult]:
    ended = clinic.run("--visit", "30-day")
    assert_clean(clinic.texts(ended))
    assert_adds_up(ended.assessment)
    found = {one.item: one for one in ended.assessment.results if one.probe == probe}
    assert found
    return found


def test_a_copy_is_compared_with_its_original(clinic: Clinic) -> None:
    live = put(clinic.folder / "data" / "ledger.mdb", 0.1)
    copy = put(clinic.folder / "night" / "ledger.mdb", 0.5)
    clinic.add_local()
    clinic.more["access"] = [
        {"id": "ledger", "host": "here", "path": str(live)},
        {
            "id": "ledger-night",
            "host": "here",
            "path": str(copy),
            "role": "backup-copy",
            "backup_of": "ledger",
            "depth": "pages",
        },
    ]
    (result,) = results(clinic, "access.backup-copy").values()
    assert (result.item, result.outcome) == ("ledger-night", Outcome.PASSED)
    when = copy.stat().st_mtime - 20 * A_DAY
    os.utime(copy, (when, when))
    (result,) = results(clinic, "access.backup-copy").values()
    assert (result.item, result.impact) == ("ledger-night old", Impact.MAJOR)
    assert set(result.targets) == {"ledger", "ledger-night"}


def test_the_declared_path_is_judged(clinic: Clinic) -> None:
    live = put(clinic.folder / "Dropbox (Clinic)" / "ledger.mdb", 0.1)
    clinic.add_local()
    clinic.more["access"] = [{"id": "ledger", "host": "here", "path": str(live)}]
    found = results(clinic, "access.placement")
    assert found["synchronised"].impact is Impact.MAJOR
    (rights,) = results(clinic, "access.folder-rights").values()
    assert rights.outcome is Outcome.PASSED


def test_what_was_shipped_is_read_from_a_file_made_by_this_tool(clinic: Clinic) -> None:
    live = put(clinic.folder / "data" / "ledger.mdb", 0.1)
    shipped = checkup("access", live, "--depth", "catalogue", "--json")
    document = json.loads(shipped.out)
    document["parts"]["objects"] = [{"kind": "form", "name": "Orders", "updated": "2026-01-31T10:00:00"}]
    (clinic.folder / "shipped.json").write_text(json.dumps(document))
    clinic.add_local()
    clinic.more["access"] = [
        {"id": "ledger", "host": "here", "path": str(live), "declare": {"access_shipped": "shipped.json"}}
    ]
    found = results(clinic, "access.customised")
    assert {item: one.message for item, one in found.items()} == {"removed": "removed"}
