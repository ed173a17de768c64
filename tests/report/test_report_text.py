import math
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from checkup.api import Bytes, Day, Duration, Instant, Number, Ratio, Text
from checkup.report.text import (
    BREAK,
    LONGEST_TEXT,
    LONGEST_TOKEN,
    Formats,
    bytes_text,
    clean,
    clean_block,
    count,
    duration_text,
    fill,
    number_text,
    ratio_text,
    within_sentence,
)

NOW = datetime(2026, 11, 22, 17, 30, tzinfo=UTC)
FORMATS = Formats(ZoneInfo("America/Denver"), NOW)


def plain(text: str) -> str:
    return text.replace("\u00a0", " ")


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (0, "0 bytes"),
        (1023, "1,023 bytes"),
        (512, "512 bytes"),
        (1536, "1.5 KB"),
        (372 * 1024**3, "372 GB"),
        (round(1.41 * 1024**3), "1.41 GB"),
        (2 * 1024**3, "2 GB"),
        (5 * 1024**4, "5 TB"),
    ],
)
def test_bytes_have_three_sensible_digits(value: int, shown: str) -> None:
    assert plain(bytes_text(value)) == shown


@pytest.mark.parametrize(
    ("value", "shown"),
    [(0, "0 %"), (0.25, "25 %"), (0.0512, "5.1 %"), (0.9996, "99.9 %"), (1, "100 %"), (0.00001, "0.001 %")],
)
def test_almost_full_is_never_printed_as_full(value: float, shown: str) -> None:
    assert plain(ratio_text(value)) == shown


@pytest.mark.parametrize(
    ("seconds", "shown"),
    [
        (0, "0 s"),
        (0.012, "12 ms"),
        (45, "45 s"),
        (7500, "2 h 5 min"),
        (7200, "2 h"),
        (3 * 86400, "3 days"),
        (-90, "−2 min"),
    ],
)
def test_durations_use_the_two_largest_units(seconds: float, shown: str) -> None:
    assert plain(duration_text(seconds)) == shown


def test_numbers_keep_their_unit() -> None:
    assert plain(number_text(1234.0, "errors/day")) == "1,234 errors/day"
    assert plain(number_text(math.nan)) == "unknown"
    assert plain(count(1, "check")) == "1 check"
    assert plain(count(2, "check")) == "2 checks"


def test_an_instant_shows_time_and_zone_only_near_the_analysis() -> None:
    assert plain(FORMATS.instant(NOW - timedelta(hours=2))) == "22 Nov 2026, 08:30 MST"
    assert plain(FORMATS.instant(NOW + timedelta(days=60))) == "21 Jan 2027"


def test_a_day_is_a_date_without_time_or_zone_however_near() -> None:
    assert plain(FORMATS.value(Day(NOW.date()))) == "22 Nov 2026"
    with pytest.raises(ValueError, match="an Instant"):
        Day(NOW)


def test_the_last_day_there_is_can_be_printed() -> None:
    assert "9999" in FORMATS.instant(datetime.max.replace(tzinfo=UTC))
    assert FORMATS.instant(datetime.min.replace(tzinfo=UTC))


def test_every_kind_of_value_has_a_text() -> None:
    values = [Bytes(1), Ratio(0.5), Number(2), Duration(3), Instant(NOW), Day(NOW.date()), Text("x")]
    assert all(FORMATS.value(value) for value in values)


def test_a_missing_field_is_visible_and_a_value_is_no_template() -> None:
    assert fill("{item} is {used} full", {"item": "{used}"}) == "{used} is ? full"
    assert fill("{item.__class__} {0}", {"item": "x"}) == "{item.__class__} {0}"


def test_invisible_and_reversing_characters_become_visible() -> None:
    assert clean("a\u202eb") == "a‹U+202E›b"
    assert clean("\ud800") == "‹U+D800›"
    assert clean("a\x00\x1b[31m") == "a‹U+0000›‹U+001B›[31m"
    assert clean("na\u0131\u0308ve") != "naïve"
    assert clean("nai\u0308ve Ω Ж") == "naïve Ω Ж"


def test_line_ends_are_kept_in_blocks_only() -> None:
    assert clean("a\r\nb") == "a ⏎ b"
    assert clean_block("a\r\n\tb\n") == "a\n    b"


def test_a_long_text_is_cut_and_says_so() -> None:
    shown = clean("x" * 10_000_000).replace(BREAK, "")
    assert shown == "x" * LONGEST_TEXT + " (cut; full text in checkup.json)"


@given(st.text(st.characters(), max_size=300), st.integers(1, 200))
def test_clean_text_is_bounded_printable_and_breakable(text: str, limit: int) -> None:
    shown = clean(text, limit)
    assert len(shown.replace(BREAK, "")) <= limit + 40
    assert all(len(word) <= LONGEST_TOKEN for word in shown.replace(BREAK, " ").split())
    assert all(c.isprintable() or c == "\u00a0" for c in shown.replace(BREAK, ""))


@given(st.text(), st.dictionaries(st.sampled_from(["item", "used"]), st.text()))
def test_any_template_can_be_filled(template: str, values: dict[str, str]) -> None:
    assert fill(template, {name: clean(value) for name, value in values.items()}) is not None


@given(st.floats())
def test_any_number_can_be_printed(value: float) -> None:
    for printed in (bytes_text(value), ratio_text(value), duration_text(value), number_text(value, "x")):
        assert printed


@pytest.mark.parametrize(
    ("title", "shown"),
    [
        ("Databases can be restored", "databases can be restored"),
        ("A back-up was restored", "a back-up was restored"),
        ("SQL Server has its newest update", "SQL Server has its newest update"),
        ("PostgreSQL has room", "PostgreSQL has room"),
        ("Windows starts within a minute", "Windows starts within a minute"),
        ("", ""),
    ],
)
def test_a_name_keeps_its_capital_within_a_sentence(title: str, shown: str) -> None:
    assert within_sentence(title) == shown
