"""The JSON Schema that editors use says the same as the models."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from checkup.site import schema
from checkup.transports import CONNECTS

COMMITTED = Path(__file__).parents[2] / "docs" / "site.schema.json"


def test_the_committed_schema_is_up_to_date() -> None:
    """If not: python -m checkup.site > docs/site.schema.json"""
    assert json.loads(COMMITTED.read_text(encoding="utf-8")) == schema()


def test_the_schema_uses_nothing_that_editors_do_not_know() -> None:
    text = json.dumps(schema())
    assert "prefixItems" not in text
    assert "unevaluatedProperties" not in text


def test_every_transport_may_be_written_short() -> None:
    connect: dict[str, Any] = schema()["$defs"]["Host"]["properties"]["connect"]
    assert connect["anyOf"][0] == {"enum": sorted(CONNECTS)}
    assert len(connect["anyOf"]) == 1 + len(CONNECTS)


def test_unknown_keys_are_refused_by_the_schema_too() -> None:
    assert schema()["additionalProperties"] is False
