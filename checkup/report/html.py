"""The view as HTML: for the PDF, or as one file for the screen that fetches nothing.

Everything is escaped. The templates put only our own anchors and styles into attributes, and our
own numbers into SVG; a test reads them to make sure.
"""

from __future__ import annotations

from checkup.report.model import ReportView
from checkup.report.templates import environment, stylesheet


def render_html(view: ReportView, *, screen: bool = False) -> str:
    """The report as HTML; `screen` makes it complete in itself, its style sheets included."""
    styles = [stylesheet("report.css"), stylesheet("screen.css")] if screen else []
    return environment().get_template("report.html").render(view=view, screen=screen, styles=styles)
