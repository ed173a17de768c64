"""What no sample shows of SQL Server's statements: what they would miss on a server of another setting."""

from __future__ import annotations

import contextlib
import re
import sqlite3
from collections.abc import Iterator

import pytest

import probes
from checkup.api import Sql, SqlVariant
from checkup.testing.package import contents


def _variants() -> Iterator[tuple[str, SqlVariant]]:
    for section in contents(probes).sections:
        collector = section.collect.get("sqlserver")
        if isinstance(collector, Sql):
            yield from ((section.name, one) for one in collector.variants)


VARIANTS = list(_variants())


def test_words_are_found_in_the_steps_of_jobs_in_either_case() -> None:
    # A server of a case-sensitive collation has an msdb of that collation.
    plain = [name for name, one in VARIANTS if re.search(r"\.command LIKE", one.text)]
    assert plain == []


def test_a_weekly_check_is_known_when_the_history_of_jobs_has_lost_it() -> None:
    texts = [one.text for name, one in VARIANTS if name == "sqlserver-check-jobs"]
    assert texts
    assert all("last_run_outcome = 1" in text for text in texts)


def test_administrators_whose_names_are_hidden_are_counted_as_left_out() -> None:
    (section,) = (one for one in contents(probes).sections if one.name == "sqlserver-administrators")
    collector = section.collect["sqlserver"]
    assert isinstance(collector, Sql)
    assert "p.principal_id IS NULL" in collector.canary


def test_trace_flags_are_the_only_thing_that_dbcc_is_asked() -> None:
    asked = {one.text.strip() for _, one in VARIANTS if one.text.strip().startswith("DBCC")}
    assert asked == {"DBCC TRACESTATUS (-1) WITH NO_INFOMSGS"}


def test_options_of_the_instance_are_read_once() -> None:
    assert [name for name, one in VARIANTS if "sys.configurations" in one.reads] == [
        "sqlserver-configuration"
    ]


@pytest.mark.parametrize(
    ("days", "weeks", "pause"),
    [(0b0000001, 1, 7), (0b0111110, 1, 3), (0b1111111, 1, 1), (0b0000001, 2, 14), (0b0111110, 2, 10)],
    ids=["Sunday", "Monday to Friday", "each day", "each second Sunday", "each second week"],
)
def test_a_job_of_several_weekdays_is_late_after_its_longest_pause(days: int, weeks: int, pause: int) -> None:
    (text,) = (one.text for name, one in VARIANTS if name == "sqlserver-jobs")
    found = re.search(r"WHEN 8 THEN (.*?)WHEN 16", text, re.DOTALL)
    assert found is not None
    asked = f"SELECT {found[1]} FROM (SELECT ? AS freq_interval, ? AS freq_recurrence_factor) AS e"
    with contextlib.closing(sqlite3.connect(":memory:")) as database:
        assert database.execute(asked, (days, weeks)).fetchone() == (pause,)
