"""What only people know of an instance: a site file may say all that the probes of SQL engines read."""

from __future__ import annotations

import json
from datetime import date
from pathlib import Path

import pytest
from scenarios import CATALOGUE

from checkup.catalogue import check_site
from checkup.site import SiteFileError, load_text

ROOT = Path(__file__).parents[2]
ENGINES = ("sqlserver", "postgresql", "mariadb")


def declared_in_samples() -> dict[str, tuple[str, object]]:
    """Each key that a sample of a SQL probe declares, with the engine and a value."""
    found: dict[str, tuple[str, object]] = {}
    for file in sorted((ROOT / "tests/probes").glob("*/*.json")):
        engine = file.parent.name.partition(".")[0]
        if engine in ENGINES:
            target = json.loads(file.read_text(encoding="utf-8")).get("target", {})
            for key, value in target.get("declare", {}).items():
                found.setdefault(key, (engine, value))
    del found["databases"]  # a key of the instance itself
    return found


def site(engine: str, declare: dict[str, object]) -> str:
    return json.dumps(
        {
            "version": 1,
            "site": {"id": "cedar", "name": "Cedar Ridge", "timezone": "America/Denver", "country": "US"},
            "contract": {"package": "premium", "installed": "2020-01-01"},
            "hosts": [{"id": "srv-db", "connect": {"transport": "bundle", "file": "none"}}],
            "credentials": {"sql": {"user": "checkup_ro", "password": "env:X"}},
            "sql": [
                {"id": "db", "engine": engine, "server": "srv-db", "credential": "sql", "declare": declare}
            ],
        }
    )


def test_what_the_samples_declare_can_be_written_and_stands_in_the_documentation() -> None:
    known = declared_in_samples()
    assert {"restore_tested", "backups_copied_by", "backup", "standbys", "memory_gib"} <= known.keys()
    documentation = (ROOT / "docs/sql-databases.md").read_text(encoding="utf-8")
    for key, (engine, value) in known.items():
        text = site(engine, {key: value})
        loaded = load_text(text, path=Path("site.yaml"), today=date(2026, 11, 20))
        check_site(loaded, CATALOGUE)
        (instance,) = [one for one in loaded.site.targets() if one.id == "db"]
        assert instance.declare[key] == (tuple(value) if isinstance(value, list) else value)
        assert f"`{key}`" in documentation


def test_a_key_that_nobody_reads_is_told() -> None:
    loaded = load_text(site("mariadb", {"memory_gb": 64}), path=Path("site.yaml"), today=date(2026, 11, 20))
    with pytest.raises(SiteFileError, match="did you mean 'memory_gib'"):
        check_site(loaded, CATALOGUE)


@pytest.mark.parametrize(
    ("key", "value", "told"),
    [
        (
            "memory_gib",
            "64 GB",
            "must be a whole number (memory of the machine that runs this MariaDB or MySQL)",
        ),
        ("memory_gib", ["64"], "(write digits alone, without quotes or a unit)"),
        ("standbys", "srv-2", 'write it in brackets, like ["one", "two"]'),
        ("backup", 7, "must be text"),
        ("backups_copied_by", ["robocopy"], "(write it in quotes)"),
    ],
)
def test_a_value_of_another_kind_is_told_with_its_place_and_what_to_write(
    key: str, value: object, told: str
) -> None:
    text = site("mariadb", {key: value}).replace(f'"{key}": ', f'"{key}":\n  ')
    loaded = load_text(text, path=Path("site.yaml"), today=date(2026, 11, 20))
    with pytest.raises(SiteFileError) as caught:
        check_site(loaded, CATALOGUE)
    (line,) = str(caught.value).splitlines()
    assert line.startswith(f"site.yaml:2:3: sql.0.declare.{key}: ") and told in line
