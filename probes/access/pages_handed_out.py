"""How much came of the pages that a Windows machine hands out of its Access files, and what did not."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from checkup.api import (
    JSON,
    SUPPORTABILITY,
    Bytes,
    Context,
    Finding,
    Impact,
    NoLevels,
    NotApplicable,
    NotChecked,
    Passed,
    Probe,
    Result,
    Section,
    Text,
    When,
)
from probes.access.server_pages import COLLECTOR, PARAMETERS, PRIVACY
from probes.windows.rows import Row, number, rows, text


class HandedFile(NamedTuple):
    """`state`: read, encrypted (its first page only), not-access, missing, elsewhere, denied, unreadable.

    `left_out` pages were too many for the answer; `stopped`: time ran out, or the disk failed.
    """

    path: str
    state: str
    size_bytes: int
    handed_bytes: int
    left_out: int
    stopped: bool


class HandedOut(NamedTuple):
    files: tuple[HandedFile, ...]


def parse(raw: JSON, source: str, version: int) -> HandedOut:
    return HandedOut(tuple(_file(row) for row in rows(raw, "files")))


def _file(row: Row) -> HandedFile:
    state = text(row["state"])
    if state not in ("read", "encrypted", "not-access", *_NOT_READ):
        raise ValueError("a state that is none")
    return HandedFile(
        path=text(row["path"]),
        state=state,
        size_bytes=_whole(row, "size"),
        handed_bytes=_whole(row, "bytes"),
        left_out=_whole(row, "left_out"),
        stopped=row["stopped"] is True,
    )


def _whole(row: Row, name: str) -> int:
    found = number(row[name])
    if found is None or found < 0:
        raise ValueError(f"{name} is no size")
    return found


pages = Section(
    name="access-pages",
    facts=HandedOut,
    collect={"windows": COLLECTOR},
    parse=parse,
    parameters=PARAMETERS,
    privacy=PRIVACY,
)


_NOT_READ = {
    "missing": "there is no such file",
    "elsewhere": "it is on no disk of this machine",
    "denied": "the account may not read it",
    "unreadable": "it could not be read; somebody may have it open for himself alone",
}


def check(facts: HandedOut, levels: NoLevels, ctx: Context) -> Iterator[Result]:
    if not facts.files:
        yield NotApplicable(reason="no Access file is declared on this machine's disks")
    for file in facts.files:
        if file.state in _NOT_READ:
            yield Finding(
                impact=Impact.LIMITED,
                function=SUPPORTABILITY,
                when=When.BEFORE_NEXT_VISIT,
                message="not-read",
                item=file.path,
                evidence={"why": Text(_NOT_READ[file.state])},
            )
        elif file.left_out or file.stopped:
            why = "reading took too long, or the disk failed" if file.stopped else "it has too many of them"
            yield NotChecked(item=file.path, reason=f"not all pages of structure came: {why}")
        elif file.state == "not-access":
            yield NotApplicable(item=file.path, reason="it does not begin like an Access file")
        else:
            yield Passed(
                item=file.path, evidence={"size": Bytes(file.size_bytes), "handed": Bytes(file.handed_bytes)}
            )


probe = Probe(
    id="access.pages-handed-out",
    title="The machine hands out what its Access files are judged by",
    check=check,
    levels=NoLevels(),
    messages={"not-read": "{item} could not be read on the machine that owns its disk: {why}."},
    why="Where no other way leads to a data file, all that is known of it comes from these pages.",
    remedy="Correct the path in the site file, or let the account of the check-up read file and folder.",
    verify="The next check-up reads the file.",
    rights="read access to the data file and its folder",
)
