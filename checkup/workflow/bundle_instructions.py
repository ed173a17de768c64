"""What stands above a bundle's script, for the person at the client's who runs it."""

from __future__ import annotations

import textwrap
import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from checkup import __version__
from checkup.site import Site
from checkup.site.models import Contact

WIDTH = 100
SUFFIX = ".bundle"


@dataclass(frozen=True, kw_only=True)
class Script:
    """What the instructions are about. `hashes` are lines of where it comes from."""

    title: str
    reads: str
    remarks: tuple[str, ...]
    where: str
    name: str
    answer: str
    windows: bool
    task: str
    hashes: tuple[str, ...]

    @property
    def command(self) -> str:
        """What is typed to run it."""
        if self.windows:
            return f"powershell.exe -NoProfile -ExecutionPolicy Bypass -File {self.name}"
        return f"sh {self.name} > {self.answer}"


def instructions(script: Script, site: Site) -> list[str]:
    """The lines, to be made comments of."""
    parts = [
        _paragraph(script.title),
        _paragraph(
            f"WHAT IT DOES. It reads {script.reads}: versions, space, settings, services, counts of events. "
            f"It writes one file, {script.answer}, and changes nothing else: it installs nothing, sets "
            "nothing, sends nothing. It reads no patient data and no contents of documents. All of it stands "
            "below, readable."
        ),
        *map(_paragraph, script.remarks),
        [*_how_to_run(script)],
        [*_where_it_goes(script, site)],
        [*_every_week(script)],
        [f"Made by checkup {__version__}.", *script.hashes],
    ]
    return [line for part in parts if part for line in (*part, "")]


def _paragraph(text: str) -> list[str]:
    return textwrap.wrap(text, WIDTH, break_long_words=False, break_on_hyphens=False)


def _how_to_run(script: Script) -> Iterator[str]:
    if not script.windows:
        yield from _paragraph(
            f"HOW TO RUN IT. On {script.where}. Copy this file there and type, as root (with any other "
            "account some facts will be missing):"
        )
        yield f"    {script.command}"
        return
    yield from _paragraph(
        f"HOW TO RUN IT. On {script.where}. Copy this file there, for example into C:\\checkup, open a "
        "Command Prompt as an administrator (with any other account some facts will be missing) and type:"
    )
    yield "    cd /d C:\\checkup"
    yield f"    {script.command}"
    yield from _paragraph(
        "It says what it does and when it is done, mostly within a few minutes. If protection software or a "
        "policy stops it, please leave that as it is and write to us."
    )


def _where_it_goes(script: Script, site: Site) -> Iterator[str]:
    place = "beside this file, or with -Folder D:\\folder in another folder" if script.windows else "there"
    yield from _paragraph(f"WHERE THE ANSWER GOES. Into {script.answer}, {place}. Please send it to:")
    yield f"    {contact_line(site)}"
    yield from _paragraph(
        "Send it as it is, as an attachment; do not open and save it in an editor, for it carries check "
        "sums. Questions go to the same person."
    )


def _every_week(script: Script) -> Iterator[str]:
    if not script.task:
        return
    yield from _paragraph(
        "TO HAVE IT RUN EVERY WEEK, only if that was agreed. This is for you to set up; we never do it."
    )
    if script.windows:
        run = f"{script.command.replace(script.name, 'C:' + chr(92) + 'checkup' + chr(92) + script.name)}"
        yield f'    schtasks /Create /TN "{script.task}" /SC WEEKLY /D SUN /ST 06:00 /RU SYSTEM'
        yield f'      /TR "{run} -Folder C:\\checkup"'
        yield f'(as one line; to end it: schtasks /Delete /TN "{script.task}")'
    else:
        name = script.name.removesuffix(".sh")
        yield "In root's crontab, as one line:"
        yield f"    0 6 * * 0  cd /root/checkup && sh {script.name}"
        yield f"      > {name}_$(date +\\%Y\\%m\\%d-\\%H\\%M\\%S){SUFFIX}"


def contact_line(site: Site) -> str:
    """Whom the client's people write to."""
    person = site.contacts.engineer or site.contacts.account_manager or Contact(name=site.report.prepared_by)
    parts = (person.name, person.email, person.phone)
    return ", ".join(part for part in parts if part) or "the support engineer who gave you this file"


def as_comments(lines: Sequence[str]) -> list[str]:
    """Comments of every shell, in 7-bit ASCII: letters lose their accents, other characters become `?`."""
    return [f"# {_plain(line)}".rstrip() for line in lines]


def _plain(line: str) -> str:
    apart = unicodedata.normalize("NFKD", line)
    kept = "".join(c for c in apart if not unicodedata.combining(c))
    return kept.encode("ascii", "replace").decode("ascii")
