"""A delivered report: one folder with the PDF, its data, checksums and an e-mail draft.

    cedar-ridge_2026-11_six-month_v1/
        cedar-ridge_2026-11_six-month_v1.pdf     what the client gets
        cedar-ridge_2026-11_six-month_v1.eml     the draft it goes with
        checkup.json                             the assessment it was made from
        cedar-ridge_2026-11_six-month_v1.html    the same report for a screen, where one was made
        cedar-ridge_2026-11_six-month_v1.sha256  for `sha256sum -c`; written last: with it, all is there

A folder that exists is never written to again: a report delivered twice is two versions.
"""

from __future__ import annotations

import hashlib
import os
import re
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from checkup.deliver.draft import DeliveryError, DeliveryHeader, draft

JSON_NAME = "checkup.json"
LONGEST_SITE = 40  # the name stands twice in every path, and Windows takes 260 characters


@dataclass(frozen=True, kw_only=True, slots=True)
class Delivered:
    """Where the report lies. `sha256` is that of the PDF, in hexadecimal."""

    folder: Path
    pdf: Path
    sha256: str
    eml: Path


def deliver(pdf: bytes, html: str | None, json_: bytes, header: DeliveryHeader, folder: Path) -> Delivered:
    """Lay the report down in a new folder of its own under `folder`; raises DeliveryError."""
    if not pdf.startswith(b"%PDF-"):
        raise DeliveryError("the report is not a PDF: make it again with `checkup report`")
    stem = f"{_site(header.site_id)}_{header.date:%Y-%m}_{header.visit}"
    try:
        target = _claim(folder, stem)
    except OSError as error:
        raise DeliveryError(
            f"no folder could be made in {folder}: {error.strerror}; deliver to another"
        ) from error
    try:
        return _fill(target, pdf, html, json_, header)
    except BaseException as error:
        shutil.rmtree(target, ignore_errors=True)
        if isinstance(error, OSError):
            raise DeliveryError(
                f"{target} could not be written: {error.strerror}; nothing is left there"
            ) from error
        raise


def _fill(target: Path, pdf: bytes, html: str | None, json_: bytes, header: DeliveryHeader) -> Delivered:
    pdf_name = f"{target.name}.pdf"
    files: dict[str, bytes] = {pdf_name: pdf, JSON_NAME: json_}
    if html is not None:
        files[f"{target.name}.html"] = html.encode(errors="replace")
    files[f"{target.name}.eml"] = draft(pdf, pdf_name, header)
    files[f"{target.name}.sha256"] = _checksums(files)
    for name, content in files.items():
        _write(target / name, content)
    return Delivered(
        folder=target,
        pdf=target / pdf_name,
        sha256=hashlib.sha256(pdf).hexdigest(),
        eml=target / f"{target.name}.eml",
    )


def _claim(folder: Path, stem: str) -> Path:
    """Make the folder of the next version; two deliveries at once get two versions."""
    folder.mkdir(parents=True, exist_ok=True)
    version = re.compile(rf"{re.escape(stem)}_v([0-9]{{1,6}})", re.IGNORECASE)
    taken = [int(found[1]) for entry in folder.iterdir() if (found := version.fullmatch(entry.name))]
    number = max(taken, default=0) + 1
    while True:
        target = folder / f"{stem}_v{number}"
        try:
            target.mkdir(mode=0o700)
        except FileExistsError:
            number += 1
        else:
            return target


def _write(path: Path, content: bytes) -> None:
    """Whole or not at all, also when the power fails in between."""
    part = path.with_name(path.name + ".part")
    with part.open("xb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    part.replace(path)


def _checksums(files: Mapping[str, bytes]) -> bytes:
    lines = (f"{hashlib.sha256(content).hexdigest()}  {name}\n" for name, content in files.items())
    return "".join(lines).encode()


def _site(site_id: str) -> str:
    """A part of a file name on every system: no dot, so that "con.x" is not the console on Windows."""
    return re.sub(r"[^A-Za-z0-9-]+", "-", site_id).strip("-")[:LONGEST_SITE] or "site"
