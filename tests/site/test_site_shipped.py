"""The list of what a maker shipped with an Access file, written out into the site."""

from __future__ import annotations

import json
from datetime import date
from pathlib import Path

import pytest

from checkup.api import JSON
from checkup.site.loader import load_text
from checkup.site.problems import SiteFileError

SITE = """
version: 1
site: {id: cedar-ridge, name: Cedar Ridge, timezone: America/Denver, country: US}
contract: {package: premium, installed: 2025-01-01}
hosts: [{id: srv, connect: local}]
access:
  - {id: ledger, host: srv, path: /srv/ledger.mdb, declare: {access_shipped: SHIPPED}}
"""
OBJECTS: list[JSON] = [
    {"kind": "form", "name": "Orders", "updated": "2026-01-31T10:00:00"},
    {"kind": "query", "name": "Open: all", "updated": None},
]


def loaded(folder: Path, shipped: str) -> object:
    site = load_text(
        SITE.replace("SHIPPED", shipped), path=folder / "site.yaml", today=date(2026, 11, 20)
    ).site
    return site.targets()[1].declare["access_shipped"]


@pytest.mark.parametrize("document", [{"parts": {"objects": OBJECTS}}, {"objects": OBJECTS}])
def test_a_file_beside_the_site_file_is_written_out(tmp_path: Path, document: JSON) -> None:
    (tmp_path / "shipped.json").write_text(json.dumps(document))
    assert loaded(tmp_path, "shipped.json") == ("form Orders 2026-01-31T10:00:00", "query Open: all")


def test_a_list_in_the_site_file_stays(tmp_path: Path) -> None:
    assert loaded(tmp_path, "[form Orders]") == ("form Orders",)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (None, "cannot be read"),
        ("{", "no JSON"),
        ("{}", "lists no objects"),
        ('{"objects": [{"kind": "form"}]}', "no kind or no name"),
        ('{"objects": ["form Orders"]}', "no kind or no name"),
    ],
)
def test_what_is_wrong_with_it_is_said_where_it_is_named(
    tmp_path: Path, content: str | None, said: str
) -> None:
    if content is not None:
        (tmp_path / "shipped.json").write_text(content)
    with pytest.raises(SiteFileError) as caught:
        loaded(tmp_path, "shipped.json")
    (problem,) = caught.value.problems
    assert said in problem.message and "access --json" not in problem.message
    assert problem.position is not None and problem.position.line == 7
