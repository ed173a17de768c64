"""A paper beside the report, such as the access request: headings, paragraphs, tables, commands.

Everything is text and is escaped; the look is the report's own.
"""

from __future__ import annotations

import dataclasses
import json
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal

from checkup.report.templates import environment, stylesheet

Width = Literal["name", "short", "long", "rest"]


@dataclass(frozen=True, slots=True)
class Text:
    """One paragraph."""

    text: str
    kind: str = "text"


@dataclass(frozen=True, slots=True)
class Points:
    items: tuple[str, ...]
    kind: str = "points"


@dataclass(frozen=True, slots=True)
class Commands:
    """To be typed as they stand, a line each; `what` is said above them."""

    what: str
    lines: tuple[str, ...]
    kind: str = "commands"


@dataclass(frozen=True, slots=True)
class Table:
    """A width for each column: "name", "short", "long", or "rest" for its share of what is left."""

    heads: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    widths: tuple[Width, ...]
    kind: str = "table"


Block = Text | Points | Commands | Table


@dataclass(frozen=True, kw_only=True, slots=True)
class Part:
    heading: str
    blocks: tuple[Block, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class Document:
    """`facts` are label and text on top; `created` is the only date in the file."""

    title: str
    site: str
    dateline: str
    author: str
    tool: str
    created: datetime
    lead: str
    facts: tuple[tuple[str, str], ...] = ()
    parts: tuple[Part, ...] = field(default_factory=tuple[Part, ...])


@dataclass(frozen=True, kw_only=True)
class WrittenDocument:
    """`pdf` is None where it could not be made; `problem` says why and what to do."""

    html: Path
    pdf: Path | None
    problem: str = ""


def render_document(document: Document, *, screen: bool) -> str:
    """The document as HTML; `screen` makes it complete in itself, its style sheets included."""
    styles = [stylesheet(name) for name in ("report.css", "screen.css")] if screen else []
    created = f"{document.created.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}"
    return (
        environment()
        .get_template("document.html")
        .render(document=document, screen=screen, styles=styles, created=created)
    )


def write_document(document: Document, pdf: Path) -> WrittenDocument:
    """Write the PDF, and the HTML beside it. Raises OSError where the folder cannot be written."""
    from checkup.report.pdf import ReportError, render_pdf

    html = pdf.with_suffix(".html")
    html.parent.mkdir(parents=True, exist_ok=True)
    html.write_text(render_document(document, screen=True), encoding="utf-8")
    try:
        content = render_pdf(
            render_document(document, screen=False),
            created=document.created,
            attachment=json.dumps(dataclasses.asdict(document), indent=1, default=str).encode(),
            attachment_name=f"{pdf.stem}.json",
        )
    except ReportError as error:
        return WrittenDocument(html=html, pdf=None, problem=str(error))
    pdf.write_bytes(content)
    return WrittenDocument(html=html, pdf=pdf)
