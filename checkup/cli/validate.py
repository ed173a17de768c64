"""checkup validate: is the site file in order?"""

from __future__ import annotations

import typer

from checkup.cli.options import SiteFile


def validate(site: SiteFile) -> None:
    """Check a site file against the schema and the installed probes. Contacts nothing.

    Every problem is given with file:line:column, the key's path and a hint. Exit 2 if there is one.
    """
    from checkup.workflow.prepare import prepare, utc_now

    prepared = prepare(site, utc_now())
    made = prepared.site
    counts = {"hosts": len(made.hosts), "Access files": len(made.access), "SQL instances": len(made.sql)}
    told = ", ".join(f"{count} {name}" for name, count in counts.items() if count)
    typer.echo(f"{site} is in order: {made.site.name}, {told}")
