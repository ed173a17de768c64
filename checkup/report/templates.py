"""The templates and style sheets of everything that is printed."""

from __future__ import annotations

from functools import cache
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

import report_templates
from checkup.clean import clean, clean_line

TEMPLATES = Path(report_templates.__file__).resolve().parent


@cache
def environment() -> Environment:
    made = Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    # What is printed may quote a machine, or a site file.
    made.filters |= {"plain": clean_line, "block": clean}  # pyright: ignore[reportUnknownMemberType]
    return made


@cache
def stylesheet(name: str) -> Markup:
    # Our own file, and style sheets know no HTML escapes.
    return Markup((TEMPLATES / name).read_text(encoding="utf-8"))  # noqa: S704 - not foreign text
