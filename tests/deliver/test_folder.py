from __future__ import annotations

import dataclasses
import email
import hashlib
import re
import sys
from datetime import date
from email.message import EmailMessage
from email.policy import default
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from checkup.api import Visit
from checkup.assessment import Priority
from checkup.deliver import folder as folder_module
from checkup.deliver.draft import DeliveryError, DeliveryHeader, Person, draft
from checkup.deliver.folder import Delivered, deliver

PDF = b"%PDF-1.7 a report"
HEADER = DeliveryHeader(
    site_id="cedar-ridge",
    site_name="Cedar Ridge Heart Center",
    visit=Visit.SIX_MONTH,
    visit_title="Six-month check-up",
    date=date(2026, 11, 30),
    report_number="CR-2026-003",
    sender=Person("A. Novak", "a.novak@vendor.example", "+1-555-0100"),
    to=(Person("R. Alvarado", "manager@cedar-ridge.example"),),
    cc=(Person("S. Lindqvist", "am@vendor.example"), Person("J. Okafor")),
    findings={Priority.P2: 1, Priority.P3: 4, Priority.NOTE: 0},
    planned=120,
    not_checked=3,
)
NASTY = st.text(max_size=150) | st.text(
    st.sampled_from('\r\nBcc: x@y.example,;<>"\\()é=?../\u2028\x85'), max_size=150
)
DRAFT_HEADERS = {"X-Unsent", "Subject", "From", "To", "Cc", "MIME-Version", "Content-Type"}


def read_draft(raw: bytes) -> EmailMessage:
    message = email.message_from_bytes(raw, policy=default)
    assert isinstance(message, EmailMessage)
    return message


def body_of(raw: bytes) -> str:
    body = read_draft(raw).get_body()
    assert isinstance(body, EmailMessage)
    return body.get_content().replace("\r\n", "\n")


def delivery(to: Path, header: DeliveryHeader = HEADER, html: str | None = None) -> Delivered:
    return deliver(PDF, html, b"{}", header, to)


def test_the_folder_holds_the_report_its_data_the_draft_and_checksums(tmp_path: Path):
    done = delivery(tmp_path / "reports", html="<p>ä</p>")
    name = "cedar-ridge_2026-11_six-month_v1"
    assert done.folder == tmp_path / "reports" / name
    assert {path.name for path in done.folder.iterdir()} == {
        "checkup.json",
        *(f"{name}.{kind}" for kind in ("pdf", "html", "eml", "sha256")),
    }
    assert done.pdf.read_bytes() == PDF
    assert done.sha256 == hashlib.sha256(PDF).hexdigest()


def test_every_file_is_in_the_checksums(tmp_path: Path):
    done = delivery(tmp_path)
    lines = (done.folder / f"{done.folder.name}.sha256").read_text(encoding="utf-8").splitlines()
    sums = {name: digest for digest, _, name in (line.partition("  ") for line in lines)}
    files = {p.name: p.read_bytes() for p in done.folder.iterdir() if p.suffix != ".sha256"}
    assert sums == {name: hashlib.sha256(content).hexdigest() for name, content in files.items()}


def test_a_second_delivery_is_a_second_version(tmp_path: Path):
    first, second = delivery(tmp_path), delivery(tmp_path)
    assert first.folder.name.endswith("_v1")
    assert second.folder.name.endswith("_v2")
    assert first.pdf.read_bytes() == PDF


def test_the_number_of_a_removed_version_is_not_used_again(tmp_path: Path):
    (tmp_path / "CEDAR-RIDGE_2026-11_six-month_v7").mkdir()
    (tmp_path / "cedar-ridge_2026-11_six-month_v9.zip").write_bytes(b"")
    assert delivery(tmp_path).folder.name.endswith("_v8")


def test_two_deliveries_at_once_get_two_versions(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    made = Path.mkdir

    def another_was_faster(
        path: Path, mode: int = 0o777, parents: bool = False, exist_ok: bool = False
    ) -> None:
        if path.name.endswith("_v1"):
            made(path, exist_ok=True)
        made(path, mode, parents, exist_ok)

    monkeypatch.setattr(Path, "mkdir", another_was_faster)
    assert delivery(tmp_path).folder.name.endswith("_v2")


def test_a_full_disk_leaves_nothing_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    def full(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(folder_module.os, "fsync", full)
    with pytest.raises(DeliveryError, match="No space left on device"):
        delivery(tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_cannot_be_made_is_an_error_for_people(tmp_path: Path):
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(DeliveryError, match="deliver to another"):
        delivery(tmp_path / "file")


def test_what_is_not_a_pdf_is_refused(tmp_path: Path):
    with pytest.raises(DeliveryError, match="not a PDF"):
        deliver(b"<html>", None, b"{}", HEADER, tmp_path)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no modes")
def test_the_folder_is_private(tmp_path: Path):
    assert delivery(tmp_path).folder.stat().st_mode & 0o077 == 0


def test_the_draft_opens_unsent_and_is_addressed(tmp_path: Path):
    done = delivery(tmp_path)
    message = read_draft(done.eml.read_bytes())
    assert message["X-Unsent"] == "1"
    assert (
        message["Subject"]
        == "Six-month check-up: Cedar Ridge Heart Center, 30 November 2026 (report CR-2026-003)"
    )
    assert message["To"] == '"R. Alvarado" <manager@cedar-ridge.example>'
    assert message["Cc"] == '"S. Lindqvist" <am@vendor.example>'
    [attached] = message.iter_attachments()
    assert attached.get_filename() == done.pdf.name
    assert attached.get_content() == PDF


def test_the_draft_speaks_to_the_practice_manager_in_counts_only():
    body = body_of(draft(PDF, "a.pdf", HEADER))
    assert body.startswith("Dear R. Alvarado,\n")
    assert "5 points were found: 1 of priority 2, 4 of priority 3." in body
    assert "3 of 120 planned checks could not be made; the report says why." in body
    assert "please answer this e-mail or call +1-555-0100 and name the report: CR-2026-003." in body
    assert "toolkit" not in body.lower()


def test_a_draft_without_contacts_is_left_for_the_engineer_to_address():
    raw = draft(PDF, "a.pdf", dataclasses.replace(HEADER, sender=Person(), to=(), cc=(), findings={}))
    assert not {"From", "To", "Cc"} & set(read_draft(raw).keys())
    assert body_of(raw).startswith("Good day,\n")
    assert "Nothing was found that needs attention. 3 of 120 planned checks could not be made" in body_of(raw)


@pytest.mark.parametrize(
    "address",
    [
        "manager",
        "a@b\r\nBcc: x@y.example",
        "a b@c.example",
        "a@b.example,c@d.example",
        "a..b@c.example",
        "é@c.example",
        "@",
    ],
)
def test_what_is_not_an_address_is_refused_before_anything_is_left(address: str, tmp_path: Path):
    with pytest.raises(DeliveryError, match=r"R\. Alvarado .* not one"):
        delivery(tmp_path, dataclasses.replace(HEADER, to=(Person("R. Alvarado", address),)))
    assert list(tmp_path.iterdir()) == []


@settings(deadline=None)
@given(NASTY, NASTY, NASTY, NASTY)
def test_no_name_adds_a_header_an_address_or_a_paragraph(site: str, name: str, number: str, phone: str):
    header = dataclasses.replace(
        HEADER,
        site_name=site,
        visit_title=number,
        report_number=number,
        to=(Person(name, "manager@cedar-ridge.example"),),
        cc=(Person(site, "one@vendor.example"), Person(name, "two@vendor.example")),
        sender=Person(name, "a.novak@vendor.example", phone),
    )
    raw = draft(PDF, "report.pdf", header)
    message = read_draft(raw)
    assert set(message.keys()) == DRAFT_HEADERS
    assert len(message.keys()) == len(DRAFT_HEADERS)
    assert [a.addr_spec for a in message["To"].addresses] == ["manager@cedar-ridge.example"]
    assert [a.addr_spec for a in message["Cc"].addresses] == ["one@vendor.example", "two@vendor.example"]
    assert [a.addr_spec for a in message["From"].addresses] == ["a.novak@vendor.example"]
    assert [part.get_content() for part in message.iter_attachments()] == [PDF]
    assert body_of(raw).count("\n\n") == 4
    assert max(map(len, raw.split(b"\r\n"))) < 998


@settings(deadline=None)
@given(st.emails() | st.text(min_size=1, max_size=300))
def test_any_e_mail_gives_a_draft_to_it_or_an_error_for_people(address: str):
    try:
        raw = draft(PDF, "report.pdf", dataclasses.replace(HEADER, to=(Person("R. Alvarado", address),)))
    except DeliveryError:
        return
    assert [a.addr_spec for a in read_draft(raw)["To"].addresses] == [address]


@settings(deadline=None, max_examples=30)
@given(
    st.text(max_size=200) | st.sampled_from(["..", "../../x", "CON", "con.x", "C:\\x", "", "a/b", "x" * 500])
)
def test_no_site_id_leaves_the_folder_or_breaks_windows(site_id: str):
    with TemporaryDirectory() as temporary:
        inside = Path(temporary) / "inside"
        done = delivery(inside, dataclasses.replace(HEADER, site_id=site_id))
        assert [path.name for path in Path(temporary).iterdir()] == ["inside"]
        assert done.folder.parent == inside
        assert all(
            re.fullmatch(r"[A-Za-z0-9_-]{1,80}(\.[a-z0-9]+)?", path.name) for path in inside.rglob("*")
        )
