"""What a recording of a SQL instance tells, and what not."""

from __future__ import annotations

import json

from checkup.api import JSON
from checkup.workflow.scrubbing import Scrubber
from checkup.workflow.sql_scrubbing import cleaned, names_in

FILES: JSON = {
    "server": {"engine": "sqlserver", "version": "15.0.4430.1"},
    "variant": 0,
    "rows": [
        {
            "database": "CedarRidge",
            "state": "ONLINE",
            "path": "E:\\Cedar Data\\CedarRidge_log.ldf",
            "used_bytes": 4096,
            "written_at": "2026-06-01T08:00:00+00:00",
            "owner_name": "sa",
            "something_new": "Ada Lovelace",
        },
        {
            "database": "msdb",
            "state": "ONLINE",
            "owner_name": "NT SERVICE\\MSSQLSERVER",
            "something_new": None,
        },
    ],
    "missing": {
        "Old [1]": {"reason": "the database is not open: offline", "error": "unreachable"},
        "x": {"reason": "GRANT CONNECT ON DATABASE CedarRidge", "error": "denied"},
    },
}
JOBS: JSON = {"rows": [{"job_name": "Backup of CedarRidge", "database_name": "CedarRidge"}]}


def test_names_become_the_same_stand_in_everywhere_and_the_engines_own_words_stay():
    scrubber = Scrubber(words=names_in([FILES, JOBS]))
    found, jobs = cleaned(FILES, scrubber), cleaned(JOBS, scrubber)
    assert isinstance(found, dict) and isinstance(jobs, dict)
    assert found["rows"] == [
        {
            "database": "database-1",
            "state": "ONLINE",
            "path": "E:\\part-1\\part-2.ldf",
            "used_bytes": 4096,
            "written_at": "2026-06-01T08:00:00+00:00",
            "owner_name": "sa",
            "something_new": "something-new-1",
        },
        {
            "database": "msdb",
            "state": "ONLINE",
            "owner_name": "NT SERVICE\\MSSQLSERVER",
            "something_new": None,
        },
    ]
    assert found["missing"] == {
        "database-2": {"reason": "the database is not open: offline", "error": "unreachable"},
        "database-3": {"reason": "GRANT CONNECT ON DATABASE database-1", "error": "denied"},
    }
    assert jobs["rows"] == [{"job_name": "job-1", "database_name": "database-1"}]
    for name in ("Cedar", "Old", "Ada", "Backup"):
        assert name not in json.dumps([found, jobs])


def test_what_has_no_rows_is_left_as_it_is():
    assert cleaned(None, Scrubber()) is None and names_in([None, {}, {"rows": None}, {"rows": [1]}]) == {}
