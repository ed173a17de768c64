"""The site file's JSON Schema, for editors: completion and a red line while one types."""

from __future__ import annotations

from typing import Any

from checkup.site.models import Site
from checkup.transports import CONNECTS


def schema() -> dict[str, Any]:
    """The schema of a site file as it is written: short forms allowed."""
    schema = Site.model_json_schema()
    schema["$schema"] = "https://json-schema.org/draft/2020-12/schema"
    schema["title"] = "checkup site file"
    _allow_short_connect(schema)
    return schema


def _allow_short_connect(schema: dict[str, Any]) -> None:
    """`connect: local` is enough, and `transport` may come from the site's defaults."""
    connect = schema["$defs"]["Host"]["properties"]["connect"]
    options: list[Any] = connect.pop("oneOf")
    connect.pop("discriminator")
    connect["anyOf"] = [{"enum": sorted(CONNECTS)}, *options]
    for option in options:
        model = schema["$defs"][option["$ref"].rpartition("/")[2]]
        model["required"] = [key for key in model["required"] if key != "transport"]
