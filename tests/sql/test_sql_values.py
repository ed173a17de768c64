"""Rows as they are kept: the columns that were promised, moments in UTC."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sql_examples import Rows, sql

from checkup.api import Keep, Sql
from checkup.sql.values import ColumnsDiffer, raw_rows, utc_text
from probes.sqlserver.error_log import earlier_error_log_begin, error_log_begin
from probes.sqlserver.logged_errors import (
    earlier_error_log,
    error_log,
)

COLUMNS = ("job", "last_run_at")


def test_a_wall_clock_becomes_utc():
    given_rows = Rows(COLUMNS, [["backup", "2026-06-01T02:00:00"], ["never", None]])
    assert raw_rows(given_rows, sql(), -360) == [
        {"job": "backup", "last_run_at": "2026-06-01T08:00:00+00:00"},
        {"job": "never", "last_run_at": None},
    ]


@given(
    st.datetimes(datetime(1900, 1, 1), datetime(2200, 1, 1)),
    st.integers(-48, 56).map(lambda quarters: quarters * 15),
)
def test_every_offset(moment: datetime, minutes: int):
    text = utc_text(moment.isoformat(), minutes)
    assert text is not None
    assert datetime.fromisoformat(text) == moment.replace(tzinfo=UTC) - timedelta(minutes=minutes)


def test_a_moment_with_an_offset_of_its_own_keeps_to_it():
    assert utc_text("2026-06-01T10:00:00+02:00", -360) == "2026-06-01T08:00:00+00:00"


@pytest.mark.parametrize("never", ["0001-01-01T00:00:00", "9999-12-31T23:59:59.997"])
def test_the_ends_of_time_are_no_error(never: str):
    for minutes in (-720, 720):
        assert utc_text(never, minutes)


@pytest.mark.parametrize("columns", [("last_run_at", "job"), ("job",), ("job", "last_run_at", "more"), ()])
def test_other_columns_than_promised_are_refused(columns: tuple[str, ...]):
    with pytest.raises(ColumnsDiffer):
        raw_rows(Rows(columns), sql(), 0)


def test_what_is_no_moment_is_refused():
    for value in ("yesterday", 5, True):
        with pytest.raises(ValueError, match=r"moment|isoformat"):
            raw_rows(Rows(COLUMNS, [["x", value]]), sql(), 0)


def test_no_more_rows_than_asked_for():
    assert len(raw_rows(Rows(COLUMNS, [["x", None]] * 50), sql(most_rows=7), 0)) == 7


def test_only_rows_of_the_declared_form_are_kept():
    wanted = sql(keep=Keep("job", r"backup \d+"))
    lines = ["backup 1", " backup 22 ", "backup", "backup 1 of Ada Lovelace", "backup 1\nAda", "", None, 7]
    found = raw_rows(Rows(COLUMNS, [[line, None] for line in lines]), wanted, 0)
    assert [row["job"] for row in found] == ["backup 1", " backup 22 "]


def test_a_form_that_cannot_be_matched_is_refused_where_it_is_written():
    with pytest.raises(re.error):
        Keep("job", "(")
    with pytest.raises(ValueError, match="no column"):
        sql(keep=Keep("jobs", "x"))


def test_the_error_log_keeps_no_message():
    for section in (error_log, earlier_error_log, error_log_begin, earlier_error_log_begin):
        collector = section.collect["sqlserver"]
        assert isinstance(collector, Sql)
        lines = [
            "Error: 823, Severity: 24, State: 2.",
            "Server process ID is 4711.",
            "Login failed for user 'Ada Lovelace'. Error: 18456, Severity: 14, State: 8.",
            "Error: 50000, Severity: 16, State: 1. Ada Lovelace, born 1815",
            "Server process ID is 4711. Ada Lovelace",
        ]
        given_rows = Rows(
            ("LogDate", "ProcessInfo", "Text"), [["2026-06-01T02:00:00", "x", one] for one in lines]
        )
        kept = [row["Text"] for row in raw_rows(given_rows, collector, 0)]
        assert kept == [lines[1] if "begin" in section.name else lines[0]]
