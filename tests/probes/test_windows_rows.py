"""Values of management classes, typed or as texts; and what is none of them."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime

import pytest

from checkup.api import JSON
from probes.windows.rows import decimal, first, flag, instant, number, rows, rows_or_none, text, texts


@pytest.mark.parametrize(
    ("read", "given", "wanted"),
    [
        (number, "18446744073709551615", 2**64 - 1),
        (number, 3.0, 3),
        (number, " ", None),
        (decimal, "1.5E2", 150.0),
        (flag, "TRUE", True),
        (flag, "false", False),
        (text, "Microsoft Windows 7 Professionnel ", "Microsoft Windows 7 Professionnel"),
        (text, 5, "5"),
        (texts, "only", ("only",)),
        (texts, [3, "4"], ("3", "4")),
        (instant, "20261120103000.000000-420", datetime(2026, 11, 20, 17, 30, tzinfo=UTC)),
        (instant, "20190520000000.******+***", datetime(2019, 5, 20, tzinfo=UTC)),
        (instant, "2026-11-20T10:30:00.000Z", datetime(2026, 11, 20, 10, 30, tzinfo=UTC)),
        (instant, "16010101000000.000000+000", None),
        (instant, None, None),
    ],
)
def test_value(read: Callable[[JSON], object], given: JSON, wanted: object) -> None:
    assert read(given) == wanted


@pytest.mark.parametrize(
    ("read", "given"),
    [
        (number, "٣"),
        (number, True),
        (number, 1.5),
        (decimal, "1e999"),
        (flag, 1),
        (text, True),
        (texts, {"a": 1}),
        (instant, "2026-11-20T10:30:00"),
        (instant, "20.11.2026"),
        (instant, 20261120),
    ],
)
def test_nonsense(read: Callable[[JSON], object], given: JSON) -> None:
    with pytest.raises(ValueError, match=r"."):
        read(given)


def test_rows_that_are_not_there() -> None:
    raw: JSON = {"Win32_Volume": None, "Win32_BIOS": []}
    assert rows_or_none(raw, "Win32_Volume") is None
    assert rows_or_none(raw, "Win32_Fan") is None
    assert rows(raw, "Win32_BIOS") == []
    with pytest.raises(KeyError):
        rows(raw, "Win32_Volume")
    with pytest.raises(ValueError, match="Win32_BIOS"):
        first(raw, "Win32_BIOS")
