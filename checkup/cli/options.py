"""Arguments that several commands share."""

from __future__ import annotations

from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer


class VisitName(StrEnum):
    auto = "auto"
    thirty_day = "30-day"
    six_month = "six-month"
    tune_up = "tune-up"
    interim = "interim"


class FailOn(StrEnum):
    none = "none"
    p1 = "p1"
    p2 = "p2"
    p3 = "p3"


SiteFile = Annotated[Path, typer.Argument(metavar="SITE.YAML", help="The site file.", show_default=False)]
RunName = Annotated[
    str, typer.Argument(metavar="RUN|SITE", help="A run's id, or a site's id for its newest visit.")
]
Store = Annotated[
    str | None,
    typer.Option(
        "--store",
        metavar="URL",
        envvar="CHECKUP_STORE",
        help="Database of the runs; by default a file in your own data folder.",
        show_default=False,
    ),
]
Visit = Annotated[
    VisitName, typer.Option("--visit", help="The visit this run belongs to; auto: the one due.")
]
Only = Annotated[
    list[str] | None,
    typer.Option("--only", metavar="PROBE|AREA", help="Only this probe or area; may be repeated."),
]
Host = Annotated[
    list[str] | None, typer.Option("--host", metavar="NAME", help="Only this host; may be repeated.")
]
Deep = Annotated[
    bool,
    typer.Option("--deep", help="Also what reads much of a SQL database's tables; at a quiet hour."),
]
Json = Annotated[bool, typer.Option("--json", help="Print the result as JSON on standard output.")]
NoProgress = Annotated[bool, typer.Option("--no-progress", help="Plain lines instead of live bars.")]
Parallel = Annotated[
    int, typer.Option("--parallel", min=1, max=256, help="How many machines at the same time.")
]
AsOf = Annotated[
    datetime | None,
    typer.Option(
        "--as-of",
        formats=["%Y-%m-%d", "%Y-%m-%dT%H:%M:%S"],
        help="Use this date as today (UTC).",
        show_default=False,
    ),
]
Pdf = Annotated[
    Path | None,
    typer.Option("--pdf", metavar="FILE", help="Where to write the PDF; HTML and JSON go beside it."),
]
FailOnOption = Annotated[
    FailOn, typer.Option("--fail-on", help="Exit with 1 on findings of this priority or above.")
]


def clock_of(as_of: datetime | None) -> datetime:
    """`--as-of`, or now."""
    from checkup.workflow.prepare import utc_now

    return as_of.replace(tzinfo=UTC) if as_of else utc_now()
