"""An Access file of a site that a driver counts as well."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.jet.made import clinic_file
from tests.transports.test_access_odbc import listing, needs_mdbtools
from tests.workflow.conftest import Clinic, assert_clean, checkup, outcomes

pytestmark = pytest.mark.usefixtures("paper")


def put(clinic: Clinic) -> Path:
    path = clinic.folder / "data" / "ledger.mdb"
    path.parent.mkdir()
    path.write_bytes(clinic_file().data())
    clinic.add_local()
    return path


def reach(clinic: Clinic, file: str, **more: Any) -> None:
    place = {"transport": "odbc", **more}
    clinic.more["access"] = [{"id": "ledger", "host": "here", "path": file, "reach": place}]


@needs_mdbtools
def test_reader_and_driver_judge_the_file_and_leave_it_as_it_was(clinic: Clinic) -> None:
    path = put(clinic)
    reach(clinic, "D:\\Data\\ledger.mdb", path=str(path))
    before = listing(path.parent)
    ended = clinic.run("--host", "ledger")
    assert listing(path.parent) == before
    found = outcomes(ended.assessment, "ledger")
    assert found["access.driver-counts"] == found["access.column-limit"] == "passed"
    assert_clean(clinic.texts(ended))
    assert "counting by its driver" in checkup("plan", clinic.site_file, "--host", "ledger").out


def test_a_driver_that_may_not_be_used_costs_its_own_check_only(clinic: Clinic) -> None:
    path = put(clinic)
    reach(clinic, str(path), driver="Nobody's Access driver")
    ended = clinic.run("--host", "ledger")
    found = outcomes(ended.assessment, "ledger")
    assert found["access.driver-counts"] == "not checked"
    assert found["access.column-limit"] == "passed"
    reasons = {result.reason for result in ended.assessment.not_checked}
    assert any("allow_lock_file" in str(reason) for reason in reasons)


def test_without_a_driver_there_is_nothing_to_compare(clinic: Clinic) -> None:
    path = put(clinic)
    clinic.more["access"] = [{"id": "ledger", "host": "here", "path": str(path)}]
    ended = clinic.run("--host", "ledger")
    assert outcomes(ended.assessment, "ledger")["access.driver-counts"] == "not applicable"
