"""The e-mail that goes with a report, as a draft: the engineer opens it, reads it and sends it.

It says that there is a report and how to ask about it. What was found stands in the report only:
an e-mail is read on telephones and forwarded. Of findings it gives the counts, no more.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import SMTP

from checkup.api import Visit
from checkup.assessment import Priority

LONGEST_NAME = 100
LONGEST_ADDRESS = 254
PRIORITY_WORDS = {
    Priority.P1: "of priority 1",
    Priority.P2: "of priority 2",
    Priority.P3: "of priority 3",
    Priority.NOTE: "for your information",
}
# strftime would follow the engineer's locale.
MONTHS = (
    *("January", "February", "March", "April", "May", "June"),
    *("July", "August", "September", "October", "November", "December"),
)

_UNPRINTABLE = {"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"}
_ATOM, _LABEL = r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+", r"[A-Za-z0-9]([A-Za-z0-9-]*[A-Za-z0-9])?"
_ADDRESS = re.compile(rf"{_ATOM}(\.{_ATOM})*@{_LABEL}(\.{_LABEL})*")


class DeliveryError(Exception):
    """A delivery that was not made; the text says what to change."""


@dataclass(frozen=True, slots=True)
class Person:
    """A contact of the site file. Without an e-mail address the person is greeted, but not addressed."""

    name: str = ""
    email: str = ""
    phone: str = ""


@dataclass(frozen=True, kw_only=True, slots=True)
class DeliveryHeader:
    """What stands on the envelope of a report.

    `visit_title` is the heading of the report, `date` the day of its clock at the site. `findings`
    are those of the report by priority, without waived ones; `planned` and `not_checked` count
    checks. `sender` is the engineer; the first of `to` is greeted.
    """

    site_id: str
    site_name: str
    visit: Visit
    visit_title: str
    date: date
    report_number: str
    sender: Person = Person()
    to: tuple[Person, ...] = ()
    cc: tuple[Person, ...] = ()
    findings: Mapping[Priority, int] = field(default_factory=dict[Priority, int])
    planned: int = 0
    not_checked: int = 0


def draft(pdf: bytes, pdf_name: str, header: DeliveryHeader) -> bytes:
    """The draft with the PDF attached, as bytes of an .eml file that mail programs open unsent."""
    message = EmailMessage(policy=SMTP)
    message["X-Unsent"] = "1"
    visit, site = _line(header.visit_title), _line(header.site_name)
    message["Subject"] = f"{visit}: {site}, {_day(header.date)} (report {_line(header.report_number)})"
    for field_name, people in (("From", (header.sender,)), ("To", header.to), ("Cc", header.cc)):
        addresses = [_address(person, field_name) for person in people if person.email]
        if addresses:
            message[field_name] = addresses
    message.set_content(_body(header))
    message.add_attachment(pdf, maintype="application", subtype="pdf", filename=pdf_name)
    return message.as_bytes()


def _body(header: DeliveryHeader) -> str:
    reader = _line(header.to[0].name) if header.to else ""
    sender, phone = _line(header.sender.name), _line(header.sender.phone)
    call = f" or call {phone}" if phone else ""
    paragraphs = (
        f"Dear {reader}," if reader else "Good day,",
        f"The report of the check-up of {_line(header.site_name)} on {_day(header.date)} is attached "
        f"({_line(header.visit_title)}). Its first page is written for you, the pages after it are for your "
        "IS staff.",
        f"{_found(header)} {_missed(header)}",
        f"If anything is unclear, please answer this e-mail{call} and name the report: "
        f"{_line(header.report_number)}. Please put no patient data in your answer.",
        f"Kind regards\n{sender}".rstrip(),
    )
    return "\n\n".join(paragraphs) + "\n"


def _found(header: DeliveryHeader) -> str:
    counts = [f"{header.findings[p]} {PRIORITY_WORDS[p]}" for p in Priority if header.findings.get(p)]
    total = sum(header.findings.values())
    if not total:
        return "Nothing was found that needs attention."
    return f"{total} {'point was' if total == 1 else 'points were'} found: {', '.join(counts)}."


def _missed(header: DeliveryHeader) -> str:
    if not header.not_checked:
        return f"All {header.planned} planned checks were made."
    return f"{header.not_checked} of {header.planned} planned checks could not be made; the report says why."


def _line(text: str) -> str:
    """One short line without control characters: no header and no paragraph starts within it."""
    plain = "".join(" " if unicodedata.category(c) in _UNPRINTABLE else c for c in text[: 10 * LONGEST_NAME])
    return " ".join(plain.split())[:LONGEST_NAME].rstrip()


def _address(person: Person, field_name: str) -> Address:
    name = _line(person.name)
    if len(person.email) > LONGEST_ADDRESS or not _ADDRESS.fullmatch(person.email):
        raise DeliveryError(
            f"contacts: the e-mail address of {name or 'a contact'} (for {field_name}) is not one; "
            "write it as name@clinic.example"
        )
    # Folding a long header may drop the quotes around a name; then these would separate addresses.
    name = " ".join(re.sub(r'[()<>\[\]:;@\\,"]', " ", name).split())
    return Address(name, addr_spec=person.email)


def _day(day: date) -> str:
    return f"{day.day} {MONTHS[day.month - 1]} {day.year}"
