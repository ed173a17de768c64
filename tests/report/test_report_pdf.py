"""The file itself: tags, fonts, attachment, links, and the same bytes twice."""

import os
import shutil
import subprocess
import sys
import time
from datetime import UTC, datetime
from functools import cache
from io import BytesIO
from pathlib import Path
from typing import Any

import access_samples
import pikepdf
import pytest
import samples
import sql_samples

from checkup.report import pdf as pdf_module
from checkup.report.html import render_html
from checkup.report.pdf import ReportError, render_pdf
from checkup.report.view import build_view

ATTACHMENT = b'{"findings": []}'
OWN_FONTS = ("Body", "Code", "Wide", "Inter", "Source-Code-Pro", "SourceCodePro", "DejaVu-Sans", "DejaVuSans")


SAMPLES = {
    "demo": samples.demo,
    "empty": samples.empty,
    "hostile": samples.hostile,
    "access": access_samples.several_files,
    "sql": sql_samples.several_instances,
}


@cache
def rendered(name: str) -> bytes:
    html = render_html(build_view(SAMPLES[name]()))
    return render_pdf(html, created=samples.CLOCK, attachment=ATTACHMENT)


@pytest.fixture(params=SAMPLES)
def document(request: pytest.FixtureRequest) -> pikepdf.Pdf:
    return pikepdf.open(BytesIO(rendered(request.param)))


def test_it_is_tagged_and_says_its_language_and_title(document: pikepdf.Pdf) -> None:
    root = document.Root
    assert bool(root.MarkInfo.Marked)
    assert str(root.Lang) == "en"
    assert bool(root.ViewerPreferences.DisplayDocTitle)
    assert "/StructTreeRoot" in root
    assert document.docinfo["/Title"]


def test_it_declares_both_standards(document: pikepdf.Pdf) -> None:
    with document.open_metadata() as meta:
        assert (meta["pdfaid:part"], meta["pdfaid:conformance"]) == ("3", "A")
    assert b'pdfuaid:part="1"' in document.Root.Metadata.read_bytes()


def test_only_the_bundled_fonts_are_used(document: pikepdf.Pdf) -> None:
    names = {
        str(obj.BaseFont).partition("+")[2]
        for obj in document.objects
        if isinstance(obj, pikepdf.Dictionary) and obj.get("/Type") == "/Font" and "/DescendantFonts" in obj
    }
    assert names
    assert all(name.startswith(OWN_FONTS) for name in names), names


def test_the_attachment_is_the_json_byte_for_byte(document: pikepdf.Pdf) -> None:
    assert list(document.attachments) == ["checkup.json"]
    assert document.attachments["checkup.json"].get_file().read_bytes() == ATTACHMENT
    assert str(document.Root.AF[0].AFRelationship) == "/Data"


def test_nothing_in_it_runs_or_points_outside(document: pikepdf.Pdf) -> None:
    actions = {"/JavaScript", "/Launch", "/URI", "/SubmitForm", "/GoToR"}
    for obj in document.objects:
        if isinstance(obj, pikepdf.Dictionary):
            assert str(obj.get("/S", "")) not in actions
            assert "/OpenAction" not in obj
            assert "/JS" not in obj


def test_every_link_and_bookmark_leads_somewhere(document: pikepdf.Pdf) -> None:
    names = _destinations(document)
    links = [str(a.Dest) for page in document.pages for a in page.get("/Annots", []) if a.Subtype == "/Link"]
    assert set(links) <= names
    with document.open_outline() as outline:
        assert outline.root


def _destinations(document: pikepdf.Pdf) -> set[str]:
    def walk(node: Any) -> set[str]:
        found = {str(name) for name in list(node.get("/Names", []))[::2]}
        return found.union(*(walk(kid) for kid in node.get("/Kids", [])))

    return walk(document.Root.get("/Names", {}).get("/Dests", {}))


def test_the_demo_is_no_longer_than_it_should_be() -> None:
    assert 8 <= len(pikepdf.open(BytesIO(rendered("demo"))).pages) <= 25


def test_hostile_text_is_rendered_in_bounded_time() -> None:
    before = time.monotonic()
    view = build_view(samples.hostile())
    html = render_html(view)
    assert len(html) < 1_000_000
    assert time.monotonic() - before < 20
    assert len(pikepdf.open(BytesIO(rendered("hostile"))).pages) < 60


def test_the_same_report_is_the_same_bytes_in_another_process() -> None:
    script = (
        "import sys; sys.path.insert(0, sys.argv[1]); import samples;"
        "from checkup.report.html import render_html; from checkup.report.pdf import render_pdf;"
        "from checkup.report.view import build_view;"
        "html = render_html(build_view(samples.demo()));"
        f"sys.stdout.buffer.write(render_pdf(html, created=samples.CLOCK, attachment={ATTACHMENT!r}))"
    )
    other = subprocess.run(
        [sys.executable, "-c", script, str(Path(__file__).parent)],
        capture_output=True,
        check=True,
        env={**os.environ, "PYTHONHASHSEED": "77", "TZ": "Asia/Tokyo"},
    )
    assert other.stdout == rendered("demo")


def test_its_only_date_is_the_one_given() -> None:
    created = datetime(2031, 1, 2, 3, 4, 5, tzinfo=UTC)
    html = render_html(build_view(samples.empty()))
    document = pikepdf.open(BytesIO(render_pdf(html, created=created, attachment=b"{}")))
    assert "20310102030405" in str(document.attachments["checkup.json"].get_file().obj.Params.CreationDate)
    assert "20261122173000" in str(document.docinfo["/CreationDate"])


@pytest.mark.parametrize(
    "markup",
    [
        '<img src="file:///etc/hostname" alt="x">',
        '<img src="http://127.0.0.1:9/x" alt="x">',
        '<link rel="stylesheet" href="asset:../pyproject.toml">',
        '<link rel="stylesheet" href="asset:__init__.py">',
        '<p style="background: url(http://127.0.0.1:9/x)">x</p>',
    ],
)
def test_a_foreign_address_is_an_error(markup: str) -> None:
    html = f"<!doctype html><html lang='en'><title>t</title><body>{markup}</body></html>"
    with pytest.raises(ReportError, match="none of the report's own files"):
        render_pdf(html, created=samples.CLOCK, attachment=b"{}")


def test_an_attachment_that_the_html_asks_for_is_left_out() -> None:
    html = "<!doctype html><title>t</title><link rel='attachment' href='file:///etc/hostname'><p>x"
    document = pikepdf.open(BytesIO(render_pdf(html, created=samples.CLOCK, attachment=b"{}")))
    assert list(document.attachments) == ["checkup.json"]


def test_a_render_that_takes_too_long_is_given_up() -> None:
    with pytest.raises(ReportError, match="HTML report is complete"):
        render_pdf("<p>x", created=samples.CLOCK, attachment=b"{}", time_limit_s=0.05)


@pytest.mark.skipif(sys.platform != "linux", reason="only there a process can be held to its memory")
def test_a_render_that_takes_too_much_memory_is_given_up() -> None:
    html = "<p>x" * 15_000
    with pytest.raises(ReportError, match="HTML report is complete"):
        render_pdf(html, created=samples.CLOCK, attachment=b"{}", memory_limit_bytes=250 * 1024**2)


@pytest.mark.parametrize(
    ("platform", "package"), [("linux", "libpango"), ("darwin", "brew install pango"), ("win32", "MSYS2")]
)
def test_a_missing_library_is_named_for_the_system(
    platform: str, package: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    failed = subprocess.CompletedProcess([], pdf_module.LIBRARY_MISSING, b"", b"noise\ncannot load 'pango'\n")
    monkeypatch.setattr(subprocess, "run", lambda *_, **__: failed)
    monkeypatch.setattr(sys, "platform", platform)
    with pytest.raises(ReportError, match=package):
        render_pdf("<p>x", created=samples.CLOCK, attachment=b"{}")


@pytest.mark.skipif(shutil.which("pdftotext") is None, reason="poppler's pdftotext is not installed")
def test_the_summary_reads_in_order(tmp_path: Path) -> None:
    file = tmp_path / "report.pdf"
    file.write_bytes(rendered("demo"))
    done = subprocess.run(["pdftotext", "-f", "2", "-l", "2", file, "-"], capture_output=True, check=True)
    text = " ".join(done.stdout.decode("utf-8").split())
    order = [
        "Summary",
        "One matter can stop your work",
        "What to do",
        "F-01, page",
        "What we could not check",
    ]
    assert [part for part in order if part in text] == order
    assert sorted(order, key=text.index) == order
    assert "Page 2 of" in text


@pytest.mark.skipif(shutil.which("qpdf") is None, reason="qpdf is not installed")
def test_the_syntax_is_right(tmp_path: Path) -> None:
    file = tmp_path / "report.pdf"
    file.write_bytes(rendered("demo"))
    subprocess.run(["qpdf", "--check", file], capture_output=True, check=True)
