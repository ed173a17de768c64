"""The view as HTML: for the PDF, or as one file for the screen that fetches nothing.

Everything is escaped. The templates put only our own anchors and styles into attributes, and our
own numbers into SVG; a test reads them to make sure.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

import report_templates
from checkup.report.model import ReportView

TEMPLATES = Path(report_templates.__file__).resolve().parent


def render_html(view: ReportView, *, screen: bool = False) -> str:
    """The report as HTML; `screen` makes it complete in itself, its style sheets included."""
    styles = [_stylesheet("report.css"), _stylesheet("screen.css")] if screen else []
    return _environment().get_template("report.html").render(view=view, screen=screen, styles=styles)


@cache
def _environment() -> Environment:
    return Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )


@cache
def _stylesheet(name: str) -> Markup:
    # Our own file, and style sheets know no HTML escapes.
    return Markup((TEMPLATES / name).read_text(encoding="utf-8"))  # noqa: S704 - not foreign text
