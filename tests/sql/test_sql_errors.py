"""Errors by their numbers, and no word of theirs that could be somebody's data."""

from __future__ import annotations

import pytest

from checkup.api import ErrorClass, Quality
from checkup.sql.batching import Failure
from checkup.sql.engine import EngineName
from checkup.sql.errors import refusal


@pytest.mark.parametrize(
    ("engine", "number", "sqlstate", "quality", "error"),
    [
        ("sqlserver", 229, "42000", Quality.DENIED, ErrorClass.DENIED),
        ("sqlserver", 300, "42000", Quality.DENIED, ErrorClass.DENIED),
        ("sqlserver", 916, "42000", Quality.DENIED, ErrorClass.DENIED),
        ("sqlserver", 208, "42S02", Quality.BAD_OUTPUT, ErrorClass.UNSUPPORTED),
        ("sqlserver", 1222, "42000", Quality.TIMEOUT, ErrorClass.TIMEOUT),
        ("sqlserver", 1205, "40001", Quality.TIMEOUT, ErrorClass.TIMEOUT),
        ("sqlserver", 0, "HYT00", Quality.TIMEOUT, ErrorClass.TIMEOUT),
        ("sqlserver", 942, "42000", Quality.UNREACHABLE, ErrorClass.UNREACHABLE),
        ("sqlserver", 8134, "22012", Quality.BAD_OUTPUT, ErrorClass.BAD_OUTPUT),
        ("postgresql", 0, "42501", Quality.DENIED, ErrorClass.DENIED),
        ("postgresql", 0, "57014", Quality.TIMEOUT, ErrorClass.TIMEOUT),
        ("postgresql", 0, "55P03", Quality.TIMEOUT, ErrorClass.TIMEOUT),
        ("postgresql", 1, "42703", Quality.BAD_OUTPUT, ErrorClass.UNSUPPORTED),
        ("mariadb", 1227, "42000", Quality.DENIED, ErrorClass.DENIED),
        ("mariadb", 1205, "HY000", Quality.TIMEOUT, ErrorClass.TIMEOUT),
        ("mariadb", 1969, "70100", Quality.TIMEOUT, ErrorClass.TIMEOUT),
        ("mariadb", 0, "HY018", Quality.TIMEOUT, ErrorClass.TIMEOUT),
    ],
)
def test_what_a_number_means(
    engine: EngineName, number: int, sqlstate: str, quality: Quality, error: ErrorClass
):
    found = refusal(engine, Failure(number=number, sqlstate=sqlstate, text="said"))
    assert (found.quality, found.error) == (quality, error)
    assert found.reason


def test_the_servers_own_words_are_kept_where_they_only_name_objects():
    said = "The SELECT permission was denied on the object 'backupset'"
    text = f"[42000] [FreeTDS][SQL Server]{said}. (229) (SQLExecDirectW)"
    found = refusal("sqlserver", Failure(number=229, text=text))
    assert said in found.reason
    assert "FreeTDS" not in found.reason


@pytest.mark.parametrize("engine", ["sqlserver", "postgresql", "mariadb"])
@pytest.mark.parametrize("number", [245, 2627, 8152, 1366, 1062, 1205, 0])
def test_a_value_of_someones_row_is_not_repeated(engine: EngineName, number: int):
    text = "Conversion failed when converting the nvarchar value 'Wilhelmina Ashgrove' to data type int."
    assert "Ashgrove" not in refusal(engine, Failure(number=number, sqlstate="22018", text=text)).reason
