"""Rows as they are kept: the columns that were promised, moments in UTC."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sql_examples import Job, Rows

from checkup.sql.values import ColumnsDiffer, raw_rows, utc_text

COLUMNS = ("job", "last_run_at")


def test_a_wall_clock_becomes_utc():
    given_rows = Rows(COLUMNS, [["backup", "2026-06-01T02:00:00"], ["never", None]])
    assert raw_rows(given_rows, Job, -360, 10) == [
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
        raw_rows(Rows(columns), Job, 0, 10)


def test_what_is_no_moment_is_refused():
    for value in ("yesterday", 5, True):
        with pytest.raises(ValueError, match=r"moment|isoformat"):
            raw_rows(Rows(COLUMNS, [["x", value]]), Job, 0, 10)


def test_no_more_rows_than_asked_for():
    assert len(raw_rows(Rows(COLUMNS, [["x", None]] * 50), Job, 0, 7)) == 7
