"""checkup schema: the JSON Schema of the site file, for editors."""

from __future__ import annotations

import json

import typer


def schema() -> None:
    """Print the JSON Schema of the site file (docs/site.schema.json is made with it)."""
    from checkup.site import schema as site_schema

    typer.echo(json.dumps(site_schema(), indent=2))
