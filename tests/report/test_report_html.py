import re
from itertools import pairwise
from pathlib import Path

import pytest
import samples

from checkup.report.html import render_html
from checkup.report.templates import TEMPLATES
from checkup.report.view import build_view

FILES = sorted(path for path in TEMPLATES.rglob("*.html"))
# An attribute that could carry an address or a style, with a value put in by the template.
RISKY = re.compile(r'\b(?:style|href|src|class|id|on\w+)="([^"]*\{[\{%][^"]*)"')
# Our own anchors and styles.
ALLOWED = {
    "#{{ card.anchor }}",
    "#{{ file.anchor }}",
    "#{{ change.anchor }}",
    "#{{ reference.anchor }}",
    "#{{ key | replace('_', '-') }}",
    "{{ card.anchor }}",
    "#{{ instance.anchor }}",
    "{{ page.anchor }}",
    "{{ file.sound_style }}",
    "{{ instance.recoverable_style }}",
    "number {{ one.style }}",
    "{{ system.anchor }}",
    "{{ row.style }}",
    "figure {{ figure.style }}",
    "priority {{ row.style }}",
    "figure {{ row.style if row.findings else 'none' }}",
    "card{{ ' long' if card.places | length > 5 }}",
    "number{{ ' warn' if line.not_checked }}",
}


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_only_own_anchors_and_styles_reach_an_attribute(path: Path) -> None:
    assert set(RISKY.findall(path.read_text(encoding="utf-8"))) <= ALLOWED


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_templates_are_short_and_escape_everything(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    assert len(text.splitlines()) < 300
    assert not re.search(r"\|\s*safe|autoescape|style=", text)


def test_nothing_foreign_becomes_markup() -> None:
    for screen in (False, True):
        html = render_html(build_view(samples.hostile()), screen=screen)
        assert "<script" not in html
        assert "<img" not in html
        assert set(re.findall(r'(?:href|src)="([^"#]*)"', html)) <= {"asset:report.css", "asset:print.css"}
        assert html.encode("utf-8")
        assert "toolkit" not in html.lower()


def test_the_screen_file_is_complete_and_fetches_nothing() -> None:
    html = render_html(build_view(samples.demo()), screen=True)
    assert "url(" not in html
    assert "asset:" not in html
    assert "default-src &#39;none&#39;" in html or "default-src 'none'" in html
    assert '<meta name="viewport"' in html


@pytest.mark.parametrize("given", [samples.demo(), samples.empty()], ids=["demo", "empty"])
def test_every_link_has_its_target(given: samples.ReportInput) -> None:
    html = render_html(build_view(given))
    anchors = re.findall(r' id="([^"]+)"', html)
    assert len(anchors) == len(set(anchors))
    assert set(re.findall(r'href="#([^"]+)"', html)) <= set(anchors)


def test_no_heading_level_is_skipped() -> None:
    levels = [int(level) for level in re.findall(r"<h(\d)", render_html(build_view(samples.demo())))]
    assert levels[0] == 1
    assert all(after <= before + 1 for before, after in pairwise(levels))
