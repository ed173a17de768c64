"""Access files whose pages the machine handed out that owns their disk: its answer, read and turned at once.

The answer of the section `plan.PAGES_SECTION` holds pages of structure, never pages of rows. They are here
in memory only: each file is made a source, read like any other, and what is stored of the answer is
`summary`, which says what came and holds no byte of a page.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import TYPE_CHECKING, Final

from checkup.access_cost import HANDED_OUT
from checkup.access_depth import WITH_ROWS, WITHOUT_ROWS, deepest
from checkup.api import JSON, AccessFile, Depth, ErrorClass, Quality
from checkup.collect.access_target import ERROR_OF, ReadFile
from checkup.jet.lock_file import MOST_BYTES as MOST_LOCK_BYTES
from checkup.jet.source import Range, SourceError, SourceErrorKind, Stat
from checkup.plan import EndpointPlan
from checkup.snapshot import SectionSnapshot
from checkup.transports.session import TransportError

if TYPE_CHECKING:
    from checkup.collect.access_reading import Reading

MOST_FILES: Final = 64  # the fragment looks at eight
MOST_PATH_CHARACTERS: Final = 2000

_NOT_THERE: Final[Mapping[str, tuple[SourceErrorKind, str]]] = {
    "missing": ("gone", "there is no such file"),
    "elsewhere": ("gone", "this is no path on a disk of the machine itself"),
    "denied": ("denied", "the account may not read it"),
    "unreadable": ("broken", "it could not be read: somebody may have it open for himself alone"),
}
_STATES: Final = frozenset({*_NOT_THERE, "read", "encrypted", "not-access"})
_LOCK_STATES: Final = frozenset({"read", "denied", "unreadable"})

# What kept the section from coming: what its files are not checked for then.
_ERRORS: Final[Mapping[Quality, ErrorClass]] = {
    Quality.DENIED: ErrorClass.DENIED,
    Quality.TIMEOUT: ErrorClass.TIMEOUT,
    Quality.BAD_OUTPUT: ErrorClass.BAD_OUTPUT,
    Quality.UNSUPPORTED: ErrorClass.UNSUPPORTED,
}


@dataclass(frozen=True, kw_only=True)
class ServedLock:
    """The lock file beside a data file; `state` is read, denied or unreadable."""

    name: str
    state: str
    stat: Stat | None
    content: bytes


@dataclass(frozen=True, kw_only=True)
class ServedFile:
    """What the machine answered about one file.

    `state`: read; encrypted (the first page only); not-access (no page: it does not begin like an Access
    file); missing, elsewhere, denied, unreadable. `left_out` pages of structure exceeded the answer's size,
    `doubtful` ones could have been usage maps and were not; with `stopped`, time ran out or reading failed,
    and nothing is known of what follows the first `scanned` pages. `in_motion`: size or time changed
    meanwhile; `changed`: so many of the pages were others when they were looked at again, None where they
    were not.
    """

    path: str
    state: str
    stat: Stat
    page_bytes: int
    scanned: int
    left_out: int
    doubtful: int
    stopped: bool
    in_motion: bool
    changed: int | None
    lock: ServedLock | None
    pages: Mapping[int, bytes]

    def source(self) -> PagesSource:
        """The file as far as its pages came. Raises SourceError where none could."""
        if self.state in _NOT_THERE:
            kind, why = _NOT_THERE[self.state]
            raise SourceError(kind, f"{self.path}: {why}")
        return PagesSource(self)


class PagesSource:
    """See `jet.source.Source`; what did not come raises SourceError of kind "budget"."""

    def __init__(self, served: ServedFile) -> None:
        self._served = served

    @property
    def name(self) -> str:
        return self._served.path

    def stat(self) -> Stat:
        return self._served.stat

    def read(self, ranges: Sequence[Range]) -> list[bytes]:
        return [self._piece(offset, length) for offset, length in ranges]

    def close(self) -> None:
        """There is nothing to let go of."""

    def _piece(self, offset: int, length: int) -> bytes:
        size = self._served.page_bytes
        if not size:
            if self._served.stat.size_bytes:
                raise SourceError(
                    "budget", f"{self.name} begins like no Access file and stays on the machine"
                )
            return b""
        whole = self._served.stat.size_bytes // size * size  # what follows the last whole page is no page
        end = min(offset + length, whole)
        taken = bytearray()
        for place in range(offset // size, -(-end // size)):
            page = self._served.pages.get(place)
            if page is None:
                # The first look at a file asks for more than its first page, and takes what there is.
                if offset == 0 and place:
                    break
                raise SourceError("budget", f"{self.name}: page {place} stays on the machine")
            taken += page
        skipped = offset % size
        return bytes(taken[skipped : skipped + max(0, end - offset)])


# --- the answer ---------------------------------------------------------------------------------


def served_files(raw: JSON) -> tuple[ServedFile, ...]:
    """What the section's output says, by file. Raises ValueError or KeyError on what it cannot be."""
    files = raw["files"] if isinstance(raw, dict) else None
    if isinstance(files, dict):  # PowerShell makes one of a list of one
        files = [files]
    if not isinstance(files, list):
        raise ValueError("no list of files")
    return tuple(_served(_object(row)) for row in files[:MOST_FILES])


def _served(row: Mapping[str, JSON]) -> ServedFile:
    state = _word(row["state"], _STATES)
    size, page_bytes = _whole(row, "size"), _whole(row, "page_bytes")
    if page_bytes not in ((0,) if state not in ("read", "encrypted") else (2048, 4096)):
        raise ValueError("pages of a size that no version has")
    modified = _instant(row["modified"])
    pages = _pages(row, page_bytes, size)
    lock = row["lock"]
    return ServedFile(
        path=_text(row["path"]),
        state=state,
        stat=Stat(size_bytes=size, modified=modified),
        page_bytes=page_bytes,
        scanned=_whole(row, "scanned"),
        left_out=_whole(row, "left_out"),
        doubtful=_whole(row, "doubtful"),
        stopped=row["stopped"] is True,
        in_motion="size_after" in row
        and (_whole(row, "size_after"), _instant(row["modified_after"])) != (size, modified),
        changed=None if row.get("changed") is None else _whole(row, "changed"),
        lock=None if lock is None else _lock(_object(lock)),
        pages=pages,
    )


def _pages(row: Mapping[str, JSON], page_bytes: int, size: int) -> Mapping[int, bytes]:
    numbers, contents = row["numbers"], row["pages"]
    if not isinstance(numbers, list) or not isinstance(contents, list) or len(numbers) != len(contents):
        raise ValueError("not a number for each page")
    pages: dict[int, bytes] = {}
    for place, content in zip(numbers, contents, strict=True):
        at = _number(place)
        if not 0 <= at < size // max(1, page_bytes) or at in pages:
            raise ValueError("a page that the file does not have, or twice")
        pages[at] = _decoded(content, page_bytes).ljust(page_bytes, b"\0")
    if (0 in pages) != bool(page_bytes):
        raise ValueError("pages without the first one")
    return pages


def _lock(lock: Mapping[str, JSON]) -> ServedLock:
    state = _word(lock["state"], _LOCK_STATES)
    stat = None
    if state == "read":
        stat = Stat(size_bytes=_whole(lock, "size"), modified=_instant(lock["modified"]))
    content = _decoded(lock["data"], MOST_LOCK_BYTES)
    return ServedLock(name=_text(lock["name"]), state=state, stat=stat, content=content)


def _object(value: JSON) -> Mapping[str, JSON]:
    if not isinstance(value, dict):
        raise ValueError("not an object")
    return value


def _text(value: JSON) -> str:
    if not isinstance(value, str) or len(value) > MOST_PATH_CHARACTERS:
        raise ValueError("not a text, or too long")
    return value


def _word(value: JSON, known: Collection[str]) -> str:
    if not isinstance(value, str) or value not in known:
        raise ValueError("a state that is none")
    return value


def _number(value: JSON) -> int:
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if isinstance(value, bool) or not isinstance(value, int) or abs(value) >= 2**63:
        raise ValueError("not a whole number")
    return value


def _whole(row: Mapping[str, JSON], name: str) -> int:
    found = _number(row[name])
    if found < 0:
        raise ValueError(f"{name} is no size")
    return found


def _instant(value: JSON) -> float | None:
    """Seconds since 1970; null, and the first day of Windows' own calendar, are no time."""
    if value is None:
        return None
    moment = datetime.fromisoformat(_text(value))
    if moment.tzinfo is None:
        raise ValueError("a date without a time zone")
    return None if moment.year <= 1601 else moment.timestamp()


def _decoded(value: JSON, most: int) -> bytes:
    if not isinstance(value, str):
        raise ValueError("not base64")
    try:
        decoded = base64.b64decode(value.encode("ascii"), validate=True)
    except (binascii.Error, UnicodeEncodeError):
        raise ValueError("not base64") from None
    if len(decoded) > most:
        raise ValueError("longer than it can be")
    return decoded


# --- what is stored of it -----------------------------------------------------------------------


def summary(files: Sequence[ServedFile]) -> JSON:
    """What was handed out, by kind and size; no byte of any page."""
    return {"files": [_summed_up(one) for one in files]}


def _summed_up(file: ServedFile) -> JSON:
    kinds = {"first": 0, "definitions": 0, "maps": 0, "catalogue": 0}
    for number, page in file.pages.items():
        kinds[_kind(number, page)] += 1
    return {
        "path": file.path,
        "state": file.state,
        "size": file.stat.size_bytes,
        "page_bytes": file.page_bytes,
        "pages": dict[str, JSON](kinds),
        "bytes": _bytes(file),
        "scanned": file.scanned,
        "left_out": file.left_out,
        "doubtful": file.doubtful,
        "stopped": file.stopped,
        "in_motion": file.in_motion,
        "changed": file.changed,
        "lock": None if file.lock is None else file.lock.state,
    }


def _kind(number: int, page: bytes) -> str:
    """Pages of rows are maps where they do not belong to the catalogue: nothing else is handed out."""
    if number == 0:
        return "first"
    if page[0] == 2:
        return "definitions"
    owner = int.from_bytes(page[4:8], "little")
    return "catalogue" if page[0] == 1 and owner == 2 else "maps"


def _bytes(file: ServedFile) -> int:
    return len(file.pages) * file.page_bytes


# --- one file of it -----------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True)
class HandedOut:
    """What a machine's answer came to, for the files that it hands out.

    `section` is the answer's own, None where it was not even asked; `error` is what ended the connection.
    """

    host: str
    by: str  # "batch" or "bundle"
    files: tuple[ServedFile, ...] = ()
    section: SectionSnapshot | None = None
    error: TransportError | None = None
    collected_at: datetime | None = None

    def file_of(self, plan: EndpointPlan) -> ServedFile:
        """The plan's file. Raises TransportError with the reason why there is none."""
        section = self.section
        if section is None or section.quality not in (Quality.OK, Quality.PARTIAL):
            raise self._not_handed_out(section)
        found = next((file for file in self.files if file.path == plan.path), None)
        if found is None:
            raise TransportError(
                ErrorClass.BAD_OUTPUT,
                f"the answer of {self.host} says nothing of {plan.path}"
                + (f" ({section.reason})" if section.reason else ""),
            )
        return found

    def _not_handed_out(self, section: SectionSnapshot | None) -> TransportError:
        if section is not None and section.quality in _ERRORS:
            why = section.reason or str(section.quality)
            return TransportError(
                section.error or _ERRORS[section.quality], f"{self.host} did not hand out its pages: {why}"
            )
        if self.error is not None:
            return TransportError(self.error.error, f"{self.host}: {self.error.detail}")
        why = section.reason if section is not None and section.reason else "it was not asked for them"
        return TransportError(
            (section.error if section is not None else None) or ErrorClass.UNREACHABLE,
            f"{self.host} did not hand out its pages: {why}",
        )


def handed_out_text(
    plan: EndpointPlan, handed: HandedOut, file: ServedFile, collectors: Collection[AccessFile]
) -> str:
    """What the ledger keeps of it."""
    return (
        f"{plan.endpoint}: {len(file.pages)} pages ({_bytes(file)} bytes) handed out by {handed.host}'s "
        f"{handed.by}, read to the depth {_depth(plan, collectors)}: {HANDED_OUT}\n"
    )


def read_served(file: ServedFile, plan: EndpointPlan, collectors: Collection[AccessFile]) -> ReadFile:
    """Raises TransportError where the file could not be had, or is no Access file."""
    from checkup.collect.access_parts import parts
    from checkup.collect.access_reading import read_access
    from checkup.jet.header import NotAccessError

    if file.state == "not-access":
        raise TransportError(
            ErrorClass.BAD_OUTPUT, f"{file.path} is no Access file: nothing of it left the machine"
        )
    lock = file.lock if file.lock is not None and file.lock.state == "read" else None
    try:
        reading = read_access(
            file.source(),
            depth=_depth(plan, collectors),
            lock=None if lock is None else lock.content,
            lock_stat=None if lock is None else lock.stat,
            lock_unread="" if file.lock is None or lock is not None else file.lock.state,
        )
    except NotAccessError as error:
        raise TransportError(ErrorClass.BAD_OUTPUT, f"this is no Access file: {error}") from None
    except SourceError as error:
        raise TransportError(ERROR_OF.get(error.kind, ErrorClass.PROTOCOL), error.detail) from None
    made = reading if _stands_still(file) else _in_motion(reading)
    return _as_far_as_it_came(ReadFile(made, parts(made)))


def _as_far_as_it_came(file: ReadFile) -> ReadFile:
    """Without the parts of which the pages stayed on the machine: a link whose target was not read would
    pass for one without a target."""
    from checkup.collect.access_catalogue_parts import lacking
    from checkup.collect.access_reading import Refusal

    catalogue = file.reading.catalogue
    untold = {} if catalogue is None else lacking(catalogue)
    if not untold:
        return file
    why = Refusal("budget", "what tells it lies in pages that stay on the machine")
    return replace(
        file,
        reading=replace(file.reading, refused=why),
        parts={name: None if name in untold else part for name, part in file.parts.items()},
    )


def _depth(plan: EndpointPlan, collectors: Collection[AccessFile]) -> Depth:
    """What lies deeper than the maps is in pages that stay on the machine."""
    asked = plan.look.wanted if plan.look is not None else deepest(collectors)
    return WITHOUT_ROWS if asked in WITH_ROWS else asked


def _stands_still(file: ServedFile) -> bool:
    """Were the pages the same twice? Where they were looked at once, can somebody have written meanwhile?"""
    if file.changed is not None:
        return file.changed == 0
    return not file.in_motion and file.lock is None


def _in_motion(reading: Reading) -> Reading:
    """What is wrong with pages that somebody is writing can be right a moment later, and is no damage."""
    damages = tuple(problem for problem in reading.problems if problem.is_damage)
    if not damages:
        return reading
    codes = {problem.code for problem in damages}
    harmless = tuple(problem for problem in reading.problems if not problem.is_damage)
    found = reading.integrity
    return replace(
        reading,
        problems=harmless,
        in_motion=(*reading.in_motion, *damages),
        integrity=None
        if found is None
        else replace(
            found,
            problems=harmless,
            counts={code: count for code, count in found.counts.items() if code not in codes},
        ),
    )
